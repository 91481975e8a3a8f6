package explain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// StateText is the state with the missing roles: "refused: owner", "not granted yet: owner". The
// state has the given name where it is not that of the roles.
func (a Access) StateText(name string) string {
	var parts []string
	if !a.byRoles {
		parts = append(parts, name)
	}
	for _, state := range []State{Refused, Blocked, Pending} {
		var roles []string
		for _, m := range a.Missing {
			if m.State == state {
				roles = append(roles, m.Role)
			}
		}
		if len(roles) > 0 {
			parts = append(parts, state.missingText()+": "+strings.Join(roles, ", "))
		}
	}
	return strings.Join(parts, "; ")
}

// missingText is the state of a missing role in a sentence.
func (s State) missingText() string {
	if s == Pending {
		return "not granted yet"
	}
	return string(s)
}

// MissingTexts say why memberships and roles are missing or retained, unless a warning or a reason of the answer has the
// same text. Users without a role of the same group share one text.
func (a Answer) MissingTexts(all ...Access) []string {
	var texts []string
	add := func(text, reason string) {
		isListed := reason == "" || slices.ContainsFunc(a.Warnings, func(r access.Remark) bool { return r.Text == reason }) ||
			slices.ContainsFunc(a.Reasons, func(r Reason) bool { return r.Text == reason })
		if text += ": " + reason; !isListed && !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	for _, got := range all {
		switch {
		case got.State == Retained:
			add(fmt.Sprintf("the access of %s is retained", got.Account), got.Reason)
		case got.Group != "":
			add(fmt.Sprintf("the membership of %s in the group %q is missing", got.Account, got.Group), got.Reason)
		}
		for _, m := range got.Missing {
			role := fmt.Sprintf("the role %q", m.Role)
			if got.Group != "" {
				role += fmt.Sprintf(" of the group %q", got.Group)
			}
			add(fmt.Sprintf("%s is %s", role, m.State.missingText()), m.Reason)
		}
	}
	return texts
}

// SeenTexts returns the last observed state of the membership and of each role, in words.
func (a Access) SeenTexts() []string {
	name := fmt.Sprintf("the role %q of %s", strings.Join(a.Roles, ", "), a.Account)
	if a.Group != "" {
		name = "the membership of " + a.Account
	}
	texts := []string{name + ": " + a.Seen.Text()}
	for _, r := range a.RoleStates {
		texts = append(texts, fmt.Sprintf("the role %q of the group: %s", r.Role, r.Seen.Text()))
	}
	return texts
}

// Text is the last observed state in words: "seen at 2026-03-04 05:06:07".
func (s Seen) Text() string {
	at := func(t time.Time) string { return t.Format(time.DateTime) }
	switch {
	case !s.WrittenAt.IsZero():
		return "written at " + at(s.WrittenAt) + ", not seen yet"
	case !s.RemovedAt.IsZero():
		return "removed at " + at(s.RemovedAt) + ", not confirmed yet"
	case s.At.IsZero():
		return "never observed"
	case s.State == Present:
		return "seen at " + at(s.At)
	case s.State == Absent:
		return "not there at " + at(s.At)
	default:
		return "the observation at " + at(s.At) + " does not tell"
	}
}

// Latest is the time of the oldest observation that shows the access with all its roles, in
// words; "not yet" for access that none shows, and "unknown" for access that plans leave alone.
func (a Access) Latest() string {
	seen := []Seen{a.Seen}
	for _, r := range a.RoleStates {
		seen = append(seen, r.Seen)
	}
	var oldest time.Time
	for _, s := range seen {
		switch {
		case !s.WrittenAt.IsZero():
			return "written, not yet"
		case s.State == Unknown && a.State == Retained:
			return "unknown"
		case s.State != Present:
			return "not yet"
		case oldest.IsZero() || s.At.Before(oldest):
			oldest = s.At
		}
	}
	return oldest.Format(time.DateTime)
}
