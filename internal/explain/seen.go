package explain

import (
	"slices"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// seen returns the last observed state of a desired item.
func (x *explainer) seen(it item, h history) Seen {
	s := x.observed(it, h)
	if h.added == nil && h.created.After(x.observedAt) {
		s = Seen{State: Absent, At: h.created}
	}
	if h.added != nil && h.added.DoneAt.After(x.observedAt) {
		s.State, s.WrittenAt = Unknown, h.added.DoneAt
	}
	if h.removed != nil && h.removed.DoneAt.After(x.observedAt) {
		s.State, s.RemovedAt = Unknown, h.removed.DoneAt
	}
	// An attempt rests on a newer observation, which found the opposite.
	if f := h.failedAdd; f != nil && f.IntendedAt.After(x.observedAt) && f.IntendedAt.After(s.WrittenAt) {
		return Seen{State: Absent, At: f.IntendedAt}
	}
	if f := h.failedRemoval; f != nil && f.IntendedAt.After(x.observedAt) && f.IntendedAt.After(s.RemovedAt) {
		return Seen{State: Present, At: f.IntendedAt}
	}
	return s
}

// observed returns the state of a desired item in the last stored observation.
func (x *explainer) observed(it item, h history) Seen {
	if x.observedAt.IsZero() {
		return Seen{State: Unknown}
	}
	s := Seen{State: Unknown, At: x.observedAt}
	switch effect := x.planned(it); {
	case effect == adds || effect == creates || effect == provisions || x.isTenantNotFound():
		s.State = Absent
	case effect == removes || x.isExcluded(it):
		s.State = Present
	case x.isAmbiguous(it):
	case x.current:
		s.State = Present
	case h.added != nil && h.added.DoneAt.Before(x.observedAt):
		// The documents changed since. The earlier documents asked for the item when Rollcall
		// added it; the plan would have added it if it had been absent.
		s.State = Present
	}
	return s
}

// planned returns the effect of the last observation's plan on an item.
func (x *explainer) planned(it item) effect {
	group := it.group
	for _, s := range x.Plan.Steps {
		if isRename(s) && s.Want.Group.Name == group {
			group = s.Have.Group.Name
		}
	}
	first := none
	for _, s := range x.Plan.Steps {
		for _, name := range []string{it.group, group} {
			switch e := x.effectOn(s, it, name); {
			case e == creates || e == provisions:
				return e
			case first == none:
				first = e
			}
		}
	}
	return first
}

// isExcluded reports whether the plan lacks the item's removal because a guard holds it or a
// document forbids it.
func (x *explainer) isExcluded(it item) bool {
	return slices.ContainsFunc(slices.Concat(x.Plan.Held, x.Plan.Forbidden), func(s plan.Step) bool {
		return s.Carries == "" && x.effectOn(s, it, it.group) == removes
	})
}

// isTenantNotFound reports whether the platform has no such tenant.
func (x *explainer) isTenantNotFound() bool {
	return slices.ContainsFunc(x.Status.Remarks, func(r access.Remark) bool { return r.Code == access.TenantNotFound })
}

// isAmbiguous reports whether plans leave the item alone, so that they do not tell whether it is
// there: the account has a warning, or the group or role is not known to be managed.
func (x *explainer) isAmbiguous(it item) bool {
	return slices.ContainsFunc(x.Status.Remarks, func(r access.Remark) bool {
		switch {
		case r.Code.Personal():
			return r.Object == it.member.Person && it.member.Person != ""
		case r.Code == access.ObjectForeign, r.Code == access.OwnershipUnclear:
			return it.group != "" && r.Object == it.group || r.Object == it.key().String()
		default:
			return false
		}
	})
}

// key returns the item's name in plans and warnings.
func (it item) key() access.Key {
	if it.role != "" {
		return access.Key{Kind: access.KindBinding, Group: it.group, Role: it.role}
	}
	return access.Key{Kind: access.KindGroup, Group: it.group}
}
