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

// reasons are what is in the way of the person, from the documents to the
// platform: a reason further down counts only where none above it does.
func (e *explainer) reasons(out explanation) []reasonWhy {
	tenant := e.in.Tenant.TenantID
	reasons := e.documented(len(out.Access) > 0)
	for _, r := range out.Remarks {
		if r.Code == access.RemovalsForbidden && r.Object == tenant.String() {
			continue // it is about all users, and what it means for this one follows
		}
		if why := (reasonWhy{string(r.Code), r.Text}); blocks(r.Code) && !slices.Contains(reasons, why) {
			reasons = append(reasons, why)
		}
	}
	for _, l := range out.Leaving {
		code := access.RemovalHeld
		if l.Verdict == verdictForbidden {
			code = access.RemovalsForbidden
		}
		reasons = append(reasons, reasonWhy{string(code), l.text(tenant)})
	}
	if failed := activities.Outcome(e.last.Outcome); e.looked && !e.settled() {
		reasons = append(reasons, reasonWhy{"tenant-failed", fmt.Sprintf(
			"the last run of %s ended %s at %s, so not all that the documents ask for may be there: rollcall status %s --warnings says why",
			tenant, failed, e.last.At.Format(time.DateTime), tenant)})
	}
	if slices.ContainsFunc(out.Access, func(got grantedAccess) bool { return got.State == accessPending }) {
		reasons = append(reasons, e.notReplicated())
	}
	return reasons
}

// blocks reports whether a remark says that something is not given.
func blocks(code access.Code) bool {
	return code.Personal() || inTheWay(code) || code == access.TenantNotFound || code == access.Contested
}

// documented are the reasons that the documents themselves show, in whatever state
// the platform is.
func (e *explainer) documented(has bool) []reasonWhy {
	if e.in.Deleted {
		outcome := "is cleaned up"
		if by := e.in.RemovalsForbiddenBy(); by != "" {
			outcome = "stays, as " + by + " forbids removals"
		}
		return []reasonWhy{{"tenant-removed", fmt.Sprintf(
			"the tenant %s was removed from the documents: nobody is to have access, and what Rollcall made there %s",
			e.in.Tenant.TenantID, outcome)}}
	}
	var reasons []reasonWhy
	bound := e.bound()
	if len(bound) == 0 && !has {
		reasons = append(reasons, reasonWhy{"no-binding", fmt.Sprintf(
			"no binding of the project %s is for %s, or for a group they are in", e.in.Tenant.ProjectID(), e.person)})
	}
	for _, r := range e.wanted.Remarks {
		if r.Code.Personal() && r.Object == e.person || r.Code == access.RoleUnmapped && e.unmapped(r.Object, bound) {
			reasons = append(reasons, reasonWhy{string(r.Code), r.Text})
		}
	}
	revoked := slices.ContainsFunc(e.in.Revoked, func(r document.Revocation) bool { return r.Person == e.person })
	said := slices.ContainsFunc(reasons, func(why reasonWhy) bool { return why.Code == string(access.UserRevoked) })
	if revoked && !said {
		reasons = append(reasons, reasonWhy{string(access.UserRevoked), fmt.Sprintf(
			"the access of %s is revoked by name, everywhere: rollcall revoke %s says by whom and why", e.person, e.person)})
	}
	return reasons
}

// notReplicated says why access is not there that nothing is in the way of.
func (e *explainer) notReplicated() reasonWhy {
	tenant := e.in.Tenant.TenantID
	why := reasonWhy{Code: "not-replicated"}
	switch {
	case !e.looked:
		why.Text = fmt.Sprintf("no run has looked at %s yet: rollcall replicate %s", tenant, tenant)
	case e.behind():
		why.Text = fmt.Sprintf(
			"documents were applied since the last run of %s, which ended at %s: rollcall replicate %s, or rollcall status shows a run",
			tenant, e.last.At.Format(time.DateTime), tenant)
	default:
		why.Text = fmt.Sprintf("it is not done yet: rollcall status %s shows what runs", tenant)
	}
	return why
}

// text says what is left to a person whom the documents give it no more.
func (l leavingAccess) text(tenant access.TenantID) string {
	what := fmt.Sprintf("the account %q is still in the group %q", l.Account, l.Group)
	switch {
	case l.Account == "" && l.Role != "":
		what = fmt.Sprintf("the group %q still has the role %q", l.Group, l.Role)
	case l.Account == "":
		what = fmt.Sprintf("the group %q, which nobody asks for any more, is still there with all its members", l.Group)
	case l.Group == "":
		what = fmt.Sprintf("the account %q still has the role %q", l.Account, l.Role)
	}
	switch l.Verdict {
	case verdictForbidden:
		return what + fmt.Sprintf(
			": %s forbids removals, so it stays until they are allowed there, or rollcall revoke removes the user", l.By)
	case "approved":
		return what + fmt.Sprintf(": a guard held the removal, %s approved it (%s), and the next run does it", l.By, l.Reason)
	case "rejected":
		return what + fmt.Sprintf(": a guard holds the removal, and %s rejected it until %s (%s)",
			l.By, l.Expires.Format(time.DateTime), l.Reason)
	default:
		return what + fmt.Sprintf(": a guard holds the removal: rollcall approve %s %s", tenant, l.Digest)
	}
}

// about returns the remarks that concern the person: on themselves, on what they
// have access by, and on the tenant as a whole. Without a person it is all.
func (e *explainer) about(all []grantedAccess) []access.Remark {
	var about []access.Remark
	for _, r := range e.last.Remarks {
		if e.person == "" || e.concerns(r, all) {
			about = append(about, r)
		}
	}
	return about
}

func (e *explainer) concerns(r access.Remark, all []grantedAccess) bool {
	tenant := e.in.Tenant.TenantID
	switch {
	case r.Code.Personal():
		return r.Object == e.person
	case r.Object == tenant.String() || r.Object == tenant.Platform:
		return true
	case r.Code == access.ForeignMemberRemoved || r.Code == access.RoleUnmapped:
		return false // it is about others, or said with the person's own bindings
	}
	return slices.ContainsFunc(all, func(got grantedAccess) bool {
		if got.Group == "" {
			return slices.Contains(got.Roles, r.Object)
		}
		return r.Object == got.Group || strings.HasSuffix(r.Object, " → "+got.Group)
	})
}

// bound returns the roles that bindings give the person, as the bindings write them.
func (e *explainer) bound() map[string]bool {
	bound := map[string]bool{}
	for _, b := range e.in.UserBindings {
		if b.Subject == e.person {
			bound[b.Role] = true
		}
	}
	for _, b := range e.in.GroupBindings {
		if slices.ContainsFunc(e.in.UserGroups, func(g document.UserGroup) bool {
			return g.Name == b.Subject && g.Workspace == b.Workspace && slices.Contains(g.Members, e.person)
		}) {
			bound[b.Role] = true
		}
	}
	return bound
}

// unmapped reports whether the role is one that the person is bound to.
func (e *explainer) unmapped(role string, bound map[string]bool) bool {
	for _, r := range e.in.Roles {
		if r.Name == role && bound[r.DisplayName] {
			return true
		}
	}
	return bound[role]
}
