package explain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// reasons are why the user lacks access, from the documents to the platform.
func (x *explainer) reasons(a Answer) []Reason {
	tenant := x.Input.Tenant.TenantID
	reasons := x.documented(len(a.Access) > 0)
	for _, r := range a.Warnings {
		if r.Code == access.RemovalsForbidden && r.Object == tenant.String() {
			continue // it is about all users; the removals of this user follow
		}
		if reason := (Reason{string(r.Code), r.Text}); blocks(r.Code) && !slices.Contains(reasons, reason) {
			reasons = append(reasons, reason)
		}
	}
	reasons = addRefusals(reasons, a.Access)
	for _, l := range a.Leaving {
		reasons = append(reasons, Reason{l.code(x.Refusal), l.Text(tenant, a.AccessEnd.Text)})
	}
	for _, s := range x.Shared {
		reasons = append(reasons, Reason{"role-shared", fmt.Sprintf(
			"the role %q counts beyond one tenant, and the documents ask for it on %s too: a removal here leaves it if both share it",
			s.Role, s.Tenant)})
	}
	if x.Replicated && !x.Completed {
		reasons = append(reasons, Reason{"tenant-failed", fmt.Sprintf(
			"the outcome of the last run of %s at %s is %s, so parts of the desired access may be missing: rollcall status %s --warnings",
			tenant, x.Status.At.Format(time.DateTime), x.Status.Outcome, tenant)})
	}
	if slices.ContainsFunc(a.Access, func(got Access) bool { return got.isPending() }) {
		reasons = append(reasons, x.notReplicated())
	}
	return reasons
}

// blocks reports whether a warning with this code says that access is missing.
func blocks(code access.Code) bool {
	return code.Personal() || isBlocking(code) || code == access.TenantNotFound || code == access.Contested
}

// addRefusals adds the refused memberships and roles whose warning the reasons lack: their run goes on.
func addRefusals(reasons []Reason, all []Access) []Reason {
	for _, got := range all {
		missing := got.Missing
		if isRefusal(got.Code) {
			missing = append([]MissingRole{{State: Refused, Code: got.Code, Reason: got.Reason}}, missing...)
		}
		for _, m := range missing {
			if m.State == Refused && !slices.ContainsFunc(reasons, func(r Reason) bool { return r.Text == m.Reason }) {
				reasons = append(reasons, Reason{string(m.Code), m.Reason})
			}
		}
	}
	return reasons
}

// documented are the reasons that the documents have, whatever the platform's state.
func (x *explainer) documented(has bool) []Reason {
	if x.Input.Deleted {
		outcome := "removes its groups and bindings there"
		if by := x.Input.RemovalsForbiddenBy(); by != "" {
			outcome = "keeps its groups and bindings there, because " + by + " forbids removals"
		}
		return []Reason{{"tenant-removed", fmt.Sprintf(
			"the tenant %s was removed from the documents, so no user should have access; Rollcall %s", x.Input.Tenant.TenantID, outcome)}}
	}
	var reasons []Reason
	bound, ended := x.bound(), x.ended(has)
	reasons = append(reasons, ended...)
	if len(bound) == 0 && len(ended) == 0 && !has {
		reasons = append(reasons, Reason{"no-binding", fmt.Sprintf(
			"no binding of the project %s names %s, or a group of theirs", x.Input.Tenant.ProjectID(), x.User)})
	}
	for _, r := range x.Desired.Remarks {
		if r.Code.Personal() && r.Object == x.User || r.Code == access.RoleUnmapped && x.isUnmapped(r.Object, bound) {
			reasons = append(reasons, Reason{string(r.Code), r.Text})
		}
	}
	return x.addRevocation(reasons)
}

// addRevocation adds that the user's access is revoked, and how far the revocation is on the
// platform while it is not done.
func (x *explainer) addRevocation(reasons []Reason) []Reason {
	isRevoked := func(r Reason) bool { return r.Code == string(access.UserRevoked) }
	revoked := slices.ContainsFunc(x.Input.Revoked, func(r document.Revocation) bool { return r.Person == x.User })
	if revoked && !slices.ContainsFunc(reasons, isRevoked) {
		reasons = append(reasons, Reason{string(access.UserRevoked), fmt.Sprintf(
			"the access of %s is revoked on every platform: rollcall revoke %s shows the operator and the reason", x.User, x.User)})
	}
	at := slices.IndexFunc(reasons, isRevoked)
	if p := x.Revoked; at >= 0 && p != nil && (p.State == store.RevocationWaiting || p.State == store.RevocationFailed) {
		reasons[at].Text += fmt.Sprintf("; on %s the revocation is %s", p.Platform, p.State)
		if p.Problem != "" {
			reasons[at].Text += ": " + p.Problem
		}
	}
	return reasons
}

// notReplicated says why access that no other reason blocks is not in place.
func (x *explainer) notReplicated() Reason {
	tenant := x.Input.Tenant.TenantID
	reason := Reason{Code: "not-replicated"}
	switch {
	case !x.Replicated:
		reason.Text = fmt.Sprintf("%s is not replicated yet: rollcall replicate %s", tenant, tenant)
	case x.isStale():
		reason.Text = fmt.Sprintf("documents changed after the last run of %s at %s: rollcall replicate %s",
			tenant, x.Status.At.Format(time.DateTime), tenant)
	default:
		reason.Text = fmt.Sprintf("no run of %s has completed it yet: rollcall status %s", tenant, tenant)
	}
	return reason
}

// warningsOf returns the warnings about the user, about the account, the groups and the roles of
// their access, and about the tenant as a whole. Without a user it returns all.
func (x *explainer) warningsOf(all []Access) []access.Remark {
	var chosen []access.Remark
	for _, r := range x.Status.Remarks {
		if x.User == "" || x.matches(r, all) {
			chosen = append(chosen, r)
		}
	}
	return chosen
}

func (x *explainer) matches(r access.Remark, all []Access) bool {
	tenant := x.Input.Tenant.TenantID
	switch {
	case r.Code.Personal():
		return r.Object == x.User
	case r.Object == tenant.String() || r.Object == tenant.Platform:
		return true
	case r.Code == access.ForeignMemberRemoved || r.Code == access.RoleUnmapped:
		return false // it is about others, or among the reasons of the user's bindings
	}
	return slices.ContainsFunc(all, func(got Access) bool {
		if got.Group == "" {
			return r.Object == got.Account || slices.Contains(got.Roles, r.Object)
		}
		return r.Object == got.Account || r.Object == got.Group || strings.HasSuffix(r.Object, " → "+got.Group)
	})
}

// codeBindingEnded is the code of access that ended with a binding.
const codeBindingEnded = "binding-ended"

// ended returns the bindings that granted the user a role until they ended, unless another
// binding grants it. All count for a user without access.
func (x *explainer) ended(has bool) []Reason {
	var reasons []Reason
	bound := x.bound()
	for _, g := range x.Input.EndedGrants() {
		if g.User != x.User || has && bound[g.Binding.Role] {
			continue
		}
		subject := x.User
		if g.Group != "" {
			subject = fmt.Sprintf("%s, through the group %q,", x.User, g.Group)
		}
		reasons = append(reasons, Reason{codeBindingEnded, fmt.Sprintf(
			"the binding %q gave %s the role %q and ended at %s: set a later end, or remove the binding",
			g.Binding.Name, subject, g.Binding.Role, document.FormatEnd(g.Binding.Ends))})
	}
	return reasons
}

// bound returns the roles that bindings give the user, as the bindings write them.
func (x *explainer) bound() map[string]bool {
	bound := map[string]bool{}
	grants, _ := x.Input.Grants()
	for _, g := range grants {
		if g.User == x.User {
			bound[g.Binding.Role] = true
		}
	}
	return bound
}

// isUnmapped reports whether the user is bound to the role.
func (x *explainer) isUnmapped(role string, bound map[string]bool) bool {
	for _, r := range x.Input.Roles {
		if r.Name == role && bound[r.DisplayName] {
			return true
		}
	}
	return bound[role]
}
