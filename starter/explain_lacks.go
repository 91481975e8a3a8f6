package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
)

// reasons are why the user lacks access, from the documents to the platform.
func (e *explainer) reasons(out explanation) []reasonWhy {
	tenant := e.in.Tenant.TenantID
	reasons := e.documented(len(out.Access) > 0)
	for _, r := range out.Remarks {
		if r.Code == access.RemovalsForbidden && r.Object == tenant.String() {
			continue // it is about all users; the removals of this user follow
		}
		if why := (reasonWhy{string(r.Code), r.Text}); blocks(r.Code) && !slices.Contains(reasons, why) {
			reasons = append(reasons, why)
		}
	}
	reasons = addRefusals(reasons, out.Access)
	for _, l := range out.Leaving {
		code := access.RemovalHeld
		if l.Verdict == verdictForbidden {
			code = access.RemovalsForbidden
		}
		reasons = append(reasons, reasonWhy{string(code), l.text(tenant)})
	}
	if failed := activities.Outcome(e.last.Outcome); e.looked && !e.settled() {
		reasons = append(reasons, reasonWhy{"tenant-failed", fmt.Sprintf(
			"the outcome of the last run of %s at %s is %s, so parts of the desired access may be missing: rollcall status %s --warnings",
			tenant, e.last.At.Format(time.DateTime), failed, tenant)})
	}
	if slices.ContainsFunc(out.Access, func(got grantedAccess) bool { return got.isPending() }) {
		reasons = append(reasons, e.notReplicated())
	}
	return reasons
}

// blocks reports whether a warning with this code says that access is missing.
func blocks(code access.Code) bool {
	return code.Personal() || inTheWay(code) || code == access.TenantNotFound || code == access.Contested
}

// documented are the reasons that the documents have, whatever the platform's state.
func (e *explainer) documented(has bool) []reasonWhy {
	if e.in.Deleted {
		outcome := "removes its groups and bindings there"
		if by := e.in.RemovalsForbiddenBy(); by != "" {
			outcome = "keeps its groups and bindings there, because " + by + " forbids removals"
		}
		return []reasonWhy{{"tenant-removed", fmt.Sprintf(
			"the tenant %s was removed from the documents, so no user should have access; Rollcall %s", e.in.Tenant.TenantID, outcome)}}
	}
	var reasons []reasonWhy
	bound := e.bound()
	if len(bound) == 0 && !has {
		reasons = append(reasons, reasonWhy{"no-binding", fmt.Sprintf(
			"no binding of the project %s names %s, or a group of theirs", e.in.Tenant.ProjectID(), e.user)})
	}
	for _, r := range e.wanted.Remarks {
		if r.Code.Personal() && r.Object == e.user || r.Code == access.RoleUnmapped && e.unmapped(r.Object, bound) {
			reasons = append(reasons, reasonWhy{string(r.Code), r.Text})
		}
	}
	revoked := slices.ContainsFunc(e.in.Revoked, func(r document.Revocation) bool { return r.Person == e.user })
	known := slices.ContainsFunc(reasons, func(why reasonWhy) bool { return why.Code == string(access.UserRevoked) })
	if revoked && !known {
		reasons = append(reasons, reasonWhy{string(access.UserRevoked), fmt.Sprintf(
			"the access of %s is revoked on every platform: rollcall revoke %s shows the operator and the reason", e.user, e.user)})
	}
	return reasons
}

// notReplicated says why access that no other reason blocks is not in place.
func (e *explainer) notReplicated() reasonWhy {
	tenant := e.in.Tenant.TenantID
	why := reasonWhy{Code: "not-replicated"}
	switch {
	case !e.looked:
		why.Text = fmt.Sprintf("%s is not replicated yet: rollcall replicate %s", tenant, tenant)
	case e.behind():
		why.Text = fmt.Sprintf("documents changed after the last run of %s at %s: rollcall replicate %s",
			tenant, e.last.At.Format(time.DateTime), tenant)
	default:
		why.Text = fmt.Sprintf("no run of %s has completed it yet: rollcall status %s", tenant, tenant)
	}
	return why
}

// text says which access stays although no document asks for it, and why.
func (l leavingAccess) text(tenant access.TenantID) string {
	what := fmt.Sprintf("the account %q is still in the group %q", l.Account, l.Group)
	switch {
	case l.Account == "" && l.Role != "":
		what = fmt.Sprintf("the group %q still has the role %q", l.Group, l.Role)
	case l.Account == "":
		what = fmt.Sprintf("the group %q still exists with all its members, although no document asks for it", l.Group)
	case l.Group == "":
		what = fmt.Sprintf("the account %q still has the role %q", l.Account, l.Role)
	}
	switch l.Verdict {
	case verdictForbidden:
		return what + fmt.Sprintf(
			": %s forbids removals; allow removals there, or remove the user everywhere with rollcall revoke", l.By)
	case "approved":
		return what + fmt.Sprintf(": %s approved the removal (%s), and the next run applies it", l.By, l.Reason)
	case "rejected":
		return what + fmt.Sprintf(": a guard holds the removal, and %s rejected it until %s (%s)",
			l.By, l.Expires.Format(time.DateTime), l.Reason)
	default:
		return what + fmt.Sprintf(": a guard holds the removal: rollcall approve %s %s --reason REASON", tenant, l.Digest)
	}
}

// about returns the warnings about the user, about the account, the groups and the roles of
// their access, and about the tenant as a whole. Without a user it returns all.
func (e *explainer) about(all []grantedAccess) []access.Remark {
	var about []access.Remark
	for _, r := range e.last.Remarks {
		if e.user == "" || e.concerns(r, all) {
			about = append(about, r)
		}
	}
	return about
}

func (e *explainer) concerns(r access.Remark, all []grantedAccess) bool {
	tenant := e.in.Tenant.TenantID
	switch {
	case r.Code.Personal():
		return r.Object == e.user
	case r.Object == tenant.String() || r.Object == tenant.Platform:
		return true
	case r.Code == access.ForeignMemberRemoved || r.Code == access.RoleUnmapped:
		return false // it is about others, or among the reasons of the user's bindings
	}
	return slices.ContainsFunc(all, func(got grantedAccess) bool {
		if got.Group == "" {
			return r.Object == got.Account || slices.Contains(got.Roles, r.Object)
		}
		return r.Object == got.Account || r.Object == got.Group || strings.HasSuffix(r.Object, " → "+got.Group)
	})
}

// bound returns the roles that bindings give the user, as the bindings write them.
func (e *explainer) bound() map[string]bool {
	bound := map[string]bool{}
	for _, b := range e.in.UserBindings {
		if b.Subject == e.user {
			bound[b.Role] = true
		}
	}
	for _, b := range e.in.GroupBindings {
		if slices.ContainsFunc(e.in.UserGroups, func(g document.UserGroup) bool {
			return g.Name == b.Subject && g.Workspace == b.Workspace && slices.Contains(g.Members, e.user)
		}) {
			bound[b.Role] = true
		}
	}
	return bound
}

// unmapped reports whether the user is bound to the role.
func (e *explainer) unmapped(role string, bound map[string]bool) bool {
	for _, r := range e.in.Roles {
		if r.Name == role && bound[r.DisplayName] {
			return true
		}
	}
	return bound[role]
}
