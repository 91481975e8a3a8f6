package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// roleRefused is the state of a missing role that the platform refused, or that the
// connection forbids. Other missing roles are accessBlocked or accessPending.
const roleRefused = "refused"

// missingRole is a role of the documents that an access does not give.
type missingRole struct {
	Role string `json:"role"`
	// State is refused, blocked or pending.
	State string `json:"state"`
	// Code is that of the warning about a refused or blocked role.
	Code access.Code `json:"code,omitempty"`
	// Reason is the text of that warning, or the last failure as "<class>: <text>".
	Reason string `json:"reason,omitempty"`
}

// roleRecord is what the ledger has about one role of a group, or of one user.
type roleRecord struct {
	granted *appliedStep // unless a later step removed the role
	taken   bool         // a later step removed the role
	// failed is the newest step that should create or change the role and has not, since
	// the last one that did: the role was not on the platform, or under another condition.
	failed *ledger.Record
}

// isNewer reports whether a run is under way that tried to create the role after the last
// completed one.
func (r roleRecord) isNewer(e *explainer) bool {
	return r.failed != nil && r.failed.IntendedAt.After(e.last.At)
}

// roleOf returns what the ledger has about a role of a group.
func (e *explainer) roleOf(binding access.Key) roleRecord {
	var role roleRecord
	e.visitRecords(binding.Group, func(r ledger.Record, key access.Key) bool {
		if key.Kind != access.KindBinding || key.Role != binding.Role {
			return false
		}
		switch {
		case !isApplied(r):
			if role.failed == nil && r.Step.Op != plan.Delete {
				role.failed = &r
			}
			return false
		case r.Step.Op == plan.Delete:
			role.taken = true
		default:
			role.granted = applied(r, fmt.Sprintf("Rollcall granted the role %q to the group", binding.Role))
		}
		return true
	})
	return role
}

// subjectRecord is roleOf for a role that lists users, and one of them.
func (e *explainer) subjectRecord(binding access.Key, m access.Member) roleRecord {
	type step struct {
		run ledger.Run
		id  string
	}
	var role roleRecord
	hasParts := map[step]bool{} // a part of a failed step says more than the step
	text := fmt.Sprintf("Rollcall granted the role %q to %s", binding.Role, orAccount(m))
	e.visitRecords("", func(r ledger.Record, key access.Key) bool {
		if key.Kind != access.KindBinding || key.Role != binding.Role {
			return false
		}
		hasParts[step{r.Run, r.Step.PartOf}] = true
		granted, taken := e.gave(r, m, text)
		switch {
		case isApplied(r):
			role.granted, role.taken = granted, taken
			return granted != nil || taken
		case granted != nil && (role.failed == nil || role.failed.Step.ID == r.Step.PartOf):
			role.failed = &r
		}
		return false
	})
	if f := role.failed; f != nil && hasParts[step{f.Run, f.Step.ID}] {
		role.failed = nil
	}
	return role
}

// missing returns why an access does not give a role, and false where the role is in
// place.
func (e *explainer) missing(binding access.Key, r roleRecord) (missingRole, bool) {
	missing := missingRole{Role: binding.Role, State: accessPending}
	warning, warned := e.warningOn(binding)
	switch {
	case r.failed == nil && (r.granted != nil || e.isManaged(binding)):
		return missing, false
	case r.isNewer(e) && r.failed.Err != "":
		return missing.after(r.failed.Err), true
	case warned:
		missing.State, missing.Code, missing.Reason = accessBlocked, warning.Code, warning.Text
		if isRefusal(warning.Code) {
			missing.State = roleRefused
		}
	case !r.taken && !r.isNewer(e) && e.foundRole(binding):
		return missing, false
	case r.failed != nil:
		return missing.after(r.failed.Err), true
	}
	return missing, true
}

// after returns the missing role with the state and the reason that a failure gives it, a
// text of the ledger.
func (m missingRole) after(failure string) missingRole {
	class, _, _ := strings.Cut(failure, ":")
	if code, permanent := activities.Refusal(class); permanent {
		m.State, m.Code = roleRefused, code
	}
	m.Reason = strings.ReplaceAll(failure, "\n", ": ")
	return m
}

// warningOn returns the last run's warning that keeps the role from being granted.
func (e *explainer) warningOn(binding access.Key) (access.Remark, bool) {
	i := slices.IndexFunc(e.last.Remarks, func(r access.Remark) bool {
		return r.Object == binding.String() && inTheWay(r.Code) && r.Code != access.RemovalsForbidden
	})
	if i < 0 {
		return access.Remark{}, false
	}
	return e.last.Remarks[i], true
}

// isRefusal reports whether a warning with this code is about a refused step.
func isRefusal(code access.Code) bool {
	return code == access.PlatformRefused || code == access.PlatformDenied || code == access.ForbiddenByConnection
}

// isManaged reports whether the ledger has the role's id on the platform, for a role whose
// record is older than those read.
func (e *explainer) isManaged(binding access.Key) bool {
	return binding.Group != "" && slices.ContainsFunc(e.owned, func(o plan.Owned) bool {
		return o.Ref != "" && o.Key.Kind == binding.Kind && o.Key.Group == binding.Group && o.Key.Role == binding.Role
	})
}

// foundRole reports whether the last run compared the documents at hand and found the role
// in place.
func (e *explainer) foundRole(binding access.Key) bool {
	if !e.looked || e.behind() {
		return false
	}
	differs := slices.ContainsFunc(e.plan.Steps, func(s plan.Step) bool {
		key := s.Key()
		return key.Kind == binding.Kind && key.Group == binding.Group && key.Role == binding.Role && s.Op != plan.Delete
	})
	return e.settled() || e.last.Digest != "" && !differs
}

// addRoles completes an access whose state is that of the membership: it is granted with
// each of its roles only. Roles that are missing together with the membership are listed
// if the ledger or a warning says why.
func (g *grantedAccess) addRoles(all []missingRole) {
	member := g.Group != "" && (g.State == accessGiven || g.State == accessFound)
	for _, missing := range all {
		if member || missing.Reason != "" {
			g.Missing = append(g.Missing, missing)
		}
	}
	decides := member || g.Group == "" && g.State == accessPending
	switch {
	case !decides || len(g.Missing) == 0:
		return
	case slices.ContainsFunc(g.Missing, func(m missingRole) bool { return m.State != accessPending }):
		g.State = accessBlocked
	default:
		g.State = accessPending
	}
	g.byRoles = true
}

// isPending reports whether the access, or a role of it, is neither in place nor blocked.
func (g *grantedAccess) isPending() bool {
	return g.State == accessPending || slices.ContainsFunc(g.Missing, func(m missingRole) bool { return m.State == accessPending })
}

// addRefusals adds the refused roles whose warning the reasons lack: their run goes on.
func addRefusals(reasons []reasonWhy, all []grantedAccess) []reasonWhy {
	for _, got := range all {
		for _, m := range got.Missing {
			if m.State == roleRefused && !slices.ContainsFunc(reasons, func(r reasonWhy) bool { return r.Text == m.Reason }) {
				reasons = append(reasons, reasonWhy{string(m.Code), m.Reason})
			}
		}
	}
	return reasons
}

// stateText is the state for tables and titles, with the missing roles: "refused: owner",
// "not granted yet: owner". The state has the given name where it is not that of the roles.
func (g *grantedAccess) stateText(name string) string {
	var parts []string
	if !g.byRoles {
		parts = append(parts, name)
	}
	for _, state := range []string{roleRefused, accessBlocked, accessPending} {
		var roles []string
		for _, m := range g.Missing {
			if m.State == state {
				roles = append(roles, m.Role)
			}
		}
		if len(roles) > 0 {
			parts = append(parts, missingRole{State: state}.stateText()+": "+strings.Join(roles, ", "))
		}
	}
	return strings.Join(parts, "; ")
}

// missingTexts say why roles are missing, unless a warning or a reason of the explanation
// has the same text. Users who lack a role of the same group share one text.
func (out explanation) missingTexts(all []grantedAccess) []string {
	var texts []string
	for _, got := range all {
		for _, m := range got.Missing {
			listed := m.Reason == "" || slices.ContainsFunc(out.Remarks, func(r access.Remark) bool { return r.Text == m.Reason }) ||
				slices.ContainsFunc(out.Reasons, func(why reasonWhy) bool { return why.Text == m.Reason })
			what := fmt.Sprintf("the role %q", m.Role)
			if got.Group != "" {
				what += fmt.Sprintf(" of the group %q", got.Group)
			}
			text := fmt.Sprintf("%s is %s: %s", what, m.stateText(), m.Reason)
			if !listed && !slices.Contains(texts, text) {
				texts = append(texts, text)
			}
		}
	}
	return texts
}

func (m missingRole) stateText() string {
	if m.State == accessPending {
		return "not granted yet"
	}
	return m.State
}
