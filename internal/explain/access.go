package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/ledger"
)

// access returns the ways to access that the documents ask for.
func (x *explainer) access() []Access {
	var all []Access
	for _, g := range x.Desired.State.Groups {
		for _, m := range g.Members {
			if x.isSubject(m) {
				all = append(all, x.groupAccess(g, m))
			}
		}
	}
	for _, b := range x.Desired.State.Bindings {
		for _, m := range b.Subjects {
			if x.isSubject(m) {
				all = append(all, x.directAccess(b, m))
			}
		}
	}
	return all
}

// groupAccess is access through a group.
func (x *explainer) groupAccess(g access.Group, m access.Member) Access {
	got := Access{
		User: m.Person, Account: m.Name, Group: g.Name, Roles: []string{}, Applied: []Applied{}, Desired: true,
		Because: []string{m.Why, g.Why, x.account(m)},
	}
	it := item{group: g.Name, member: m}
	h := x.history(it)
	if h.added != nil {
		got.Granted = true
		got.Applied = append(got.Applied, applied(h.added, fmt.Sprintf("Rollcall added %s to the group", orAccount(m))))
	}
	got.Seen = x.seen(it, h)
	var membership MissingRole
	if got.State, membership = x.stateOf(it, h, got.Seen); !got.State.InPlace() {
		got.Code, got.Reason = membership.Code, membership.Reason
	}
	var missing []MissingRole
	for _, b := range x.Desired.State.Bindings {
		if b.Group != g.Name {
			continue
		}
		got.Roles = append(got.Roles, b.Role)
		role, reason := x.roleOf(item{group: g.Name, role: b.Role}, &got)
		got.RoleStates = append(got.RoleStates, role)
		if !role.State.InPlace() && role.State != Written {
			missing = append(missing, reason)
		}
	}
	return got.withRoles(missing)
}

// roleOf returns how far a role of a group has come, adds its step to the access, and says why
// the role is missing if it is.
func (x *explainer) roleOf(it item, got *Access) (Role, MissingRole) {
	h := x.history(it)
	if h.added != nil {
		got.Applied = append(got.Applied, applied(h.added, fmt.Sprintf("Rollcall granted the role %q to the group", it.role)))
	}
	role := Role{Role: it.role, Desired: true, Seen: x.seen(it, h)}
	var reason MissingRole
	role.State, reason = x.stateOf(it, h, role.Seen)
	return role, reason
}

// directAccess is access by a binding that lists users.
func (x *explainer) directAccess(b access.Binding, m access.Member) Access {
	got := Access{
		User: m.Person, Account: m.Name, Roles: []string{b.Role}, Applied: []Applied{}, Desired: true,
		Because: []string{m.Why, b.Why, x.account(m)},
	}
	it := item{role: b.Role, member: m}
	h := x.history(it)
	if h.added != nil {
		got.Granted = true
		got.Applied = append(got.Applied, applied(h.added, fmt.Sprintf("Rollcall granted the role %q to %s", b.Role, orAccount(m))))
	}
	got.Seen = x.seen(it, h)
	var reason MissingRole
	got.State, reason = x.stateOf(it, h, got.Seen)
	if got.State == Pending || got.State == Refused {
		return got.withRoles([]MissingRole{reason})
	}
	if got.State == Retained {
		got.Code, got.Reason = reason.Code, reason.Reason
	}
	return got
}

// account says how the account's name is made.
func (x *explainer) account(m access.Member) string {
	i := slices.IndexFunc(x.Input.Users, func(u document.User) bool { return u.Name == m.Person })
	if i < 0 {
		return ""
	}
	return fmt.Sprintf("the euid %q and the platform's euidPattern %q make the account %q",
		x.Input.Users[i].EUID, cmp.Or(x.Input.Platform.Replication.EUIDPattern, "%s"), m.Name)
}

// stateOf returns how far an item has come, and why it is missing or retained if it is.
func (x *explainer) stateOf(it item, h history, s Seen) (State, MissingRole) {
	missing := MissingRole{Role: it.role, State: Pending}
	shared, isShared := x.sharedAccount(it.member)
	warning, warned := x.warningOn(it, h)
	failed := h.failedAdd
	switch {
	case isShared && (h.added != nil && !warned || s.State == Present):
		return Retained, MissingRole{Role: it.role, State: Retained, Code: shared.Code, Reason: shared.Text}
	case s.State == Present && x.revoking(it.member) == nil:
		if h.added != nil {
			return Granted, missing
		}
		return Found, missing
	case !s.WrittenAt.IsZero():
		return Written, missing
	case failed != nil && failed.IntendedAt.After(x.Status.At) && failed.Err != "":
		missing = x.after(missing, failed.Err)
	case warned:
		missing.State, missing.Code, missing.Reason = Blocked, warning.Code, warning.Text
		if it.role != "" && isRefusal(warning.Code) {
			missing.State = Refused
		}
	case h.added != nil && s.State == Unknown && s.RemovedAt.IsZero():
		return x.unseen(it, missing)
	case failed != nil && s.State != Present:
		missing = x.after(missing, failed.Err)
	}
	if it.role == "" && missing.State == Refused {
		return Blocked, missing
	}
	return missing.State, missing
}

// unseen returns the state of an item that was added and that no observation shows.
func (x *explainer) unseen(it item, missing MissingRole) (State, MissingRole) {
	if r := x.keeping(it.member); r != nil {
		return Retained, MissingRole{Role: it.role, State: Retained, Code: r.Code, Reason: r.Text}
	}
	return Written, missing
}

// after returns the missing role with the state and the reason of a failure, a text of the
// ledger.
func (x *explainer) after(m MissingRole, failure string) MissingRole {
	class, _, _ := strings.Cut(failure, ":")
	if code, permanent := x.Refusal(class); permanent {
		m.State, m.Code = Refused, code
	}
	m.Reason = strings.ReplaceAll(failure, "\n", ": ")
	return m
}

// revoking returns the warning by which a user loses the access that they have.
func (x *explainer) revoking(m access.Member) *access.Remark {
	return x.find(func(r access.Remark) bool {
		return r.Object == m.Person && m.Person != "" &&
			(r.Code == access.UserNotFound || r.Code == access.UserRevoked)
	})
}

// keeping returns the last run's warning by which plans leave the user's access alone.
func (x *explainer) keeping(m access.Member) *access.Remark {
	return x.find(func(r access.Remark) bool { return r.Code.Personal() && r.Object == m.Person && m.Person != "" })
}

// warningOn returns the warning that blocks the item: of the last run, or of the documents about
// a shared account. A user without further access keeps the access that Rollcall added before.
func (x *explainer) warningOn(it item, h history) (access.Remark, bool) {
	shared, isShared := x.sharedAccount(it.member)
	if isShared && h.added == nil {
		return shared, true
	}
	var found *access.Remark
	if !isShared { // an account of several users loses nothing
		found = x.revoking(it.member)
	}
	if found == nil {
		found = x.find(func(r access.Remark) bool {
			switch {
			case r.Code == access.TenantNotFound:
				return true
			case r.Code.Personal():
				return r.Object == it.member.Person && it.member.Person != "" && h.added == nil
			case !isBlocking(r.Code):
				return false
			case r.Object == it.member.Name && it.member.Name != "":
				return true
			case r.Object != it.key().String():
				return false
			default:
				return it.role != "" && it.group != "" || r.Code == access.ObjectForeign ||
					r.Code == access.OwnershipUnclear && h.added == nil || isRefusal(r.Code) && x.failedOn(it, h)
			}
		})
	}
	if found == nil {
		return access.Remark{}, false
	}
	return *found, true
}

// sharedAccount returns the warning that the member's account gains nothing, because it is
// another user's, too, or its name is unusable. It holds before any run.
func (x *explainer) sharedAccount(m access.Member) (access.Remark, bool) {
	if _, shared := slices.BinarySearch(x.Desired.Shared, m.Name); !shared {
		return access.Remark{}, false
	}
	i := slices.IndexFunc(x.Desired.Remarks, func(r access.Remark) bool {
		return r.Object == m.Person &&
			(r.Code == access.AccountCollision || r.Code == access.UserRevoked || r.Code == access.UserWithoutEUID)
	})
	if i < 0 {
		return access.Remark{}, false
	}
	return x.Desired.Remarks[i], true
}

// failedOn reports whether a refusal on the item's group or role is about the item: a step
// about it failed, or the ledger has no failed step about the object at all.
func (x *explainer) failedOn(it item, h history) bool {
	return h.failedAdd != nil || !slices.ContainsFunc(x.Records, func(r ledger.Record) bool {
		return r.Err != "" && r.Step.Object == it.key().String()
	})
}

// find returns the first warning of the last run that matches.
func (x *explainer) find(matches func(access.Remark) bool) *access.Remark {
	i := slices.IndexFunc(x.Status.Remarks, matches)
	if i < 0 {
		return nil
	}
	return &x.Status.Remarks[i]
}

// isBlocking reports whether a warning with this code on a group, a role or an account means
// that the group, the role or the account gives no access.
func isBlocking(code access.Code) bool {
	return code == access.ObjectForeign || code == access.OwnershipUnclear || code == access.RemovalsForbidden || isRefusal(code)
}

// isRefusal reports whether a warning with this code is about a refused step.
func isRefusal(code access.Code) bool {
	return code == access.PlatformRefused || code == access.PlatformDenied || code == access.ForbiddenByConnection
}

// withRoles completes an access whose state is that of the membership: it is granted with
// each of its roles only. Roles that are missing together with the membership are listed
// if the ledger or a warning says why.
func (a Access) withRoles(all []MissingRole) Access {
	member := a.Group != "" && (a.State.InPlace() || a.State == Written || a.State == Retained)
	for _, missing := range all {
		if member || missing.Reason != "" {
			a.Missing = append(a.Missing, missing)
		}
	}
	if a.State == Retained {
		return a // the roles that are missing are listed
	}
	isWritten := func(r Role) bool { return r.State == Written }
	switch {
	case member && len(a.Missing) == 0:
		if slices.ContainsFunc(a.RoleStates, isWritten) {
			a.State = Written
		}
		return a
	case len(a.Missing) == 0, !member && (a.Group != "" || a.State != Pending && a.State != Refused):
		return a
	case slices.ContainsFunc(a.Missing, func(m MissingRole) bool { return m.State != Pending }):
		a.State = Blocked
	default:
		a.State = Pending
	}
	a.byRoles = true
	return a
}

// isPending reports whether the access, or a role of it, is neither in place nor blocked.
func (a Access) isPending() bool {
	return a.State == Pending || slices.ContainsFunc(a.Missing, func(m MissingRole) bool { return m.State == Pending })
}
