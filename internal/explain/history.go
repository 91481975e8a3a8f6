package explain

import (
	"cmp"
	"slices"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// item is a membership, a role of a group, or one user's role.
type item struct {
	group  string        // of the membership or of the role
	role   string        // empty for a membership, and for a group as a whole
	member access.Member // empty for a group's role, and for a group as a whole
}

// effect is the effect of a step on an item.
type effect int

const (
	none effect = iota
	adds
	removes
	// creates is the creation of the item's group, which begins without members and roles.
	creates
	// provisions is the creation of the member's account, without which nothing can be added.
	provisions
)

// effectOn returns the effect of a step on an item. group is the name of the item's group at
// that time.
func (x *explainer) effectOn(s plan.Step, it item, group string) effect {
	key := s.Key()
	isMember := func(n access.Member) bool { return x.same(n, it.member) }
	switch {
	case key.Kind == access.KindAccount && s.Op == plan.Create && it.member.Name != "" && x.nameKey(key.Name) == x.nameKey(it.member.Name):
		return provisions
	case key.Kind == access.KindGroup && group != "" && key.Group == group:
		return map[plan.Op]effect{plan.Create: creates, plan.Delete: removes}[s.Op]
	case key.Kind == access.KindMembers && it.role == "" && key.Group == group,
		key.Kind == access.KindBinding && it.role != "" && it.group == "" && key.Group == "" && key.Role == it.role:
		switch {
		case slices.ContainsFunc(s.Adds(), isMember):
			return adds
		case slices.ContainsFunc(s.Removes(), isMember):
			return removes
		}
	case key.Kind == access.KindBinding && it.role != "" && group != "" && key.Group == group && key.Role == it.role:
		if s.Op == plan.Delete {
			return removes
		}
		return adds
	}
	return none
}

// isRename reports whether the step gives a group another name.
func isRename(s plan.Step) bool {
	return s.Kind == access.KindGroup && s.Op == plan.Change && s.Have.Group != nil && s.Want.Group != nil &&
		s.Have.Group.Name != s.Want.Group.Name
}

// isApplied reports whether the platform accepted the step.
func isApplied(r ledger.Record) bool { return !r.DoneAt.IsZero() && r.Err == "" }

// history has the records of the ledger about an item. Of added and removed, at most one is set: the
// last applied step about it.
type history struct {
	added, removed *ledger.Record
	// failedAdd is the newest attempt to add the item, or to create its group, since the last
	// applied step that did; failedRemoval is the same for removals.
	failedAdd, failedRemoval *ledger.Record
	// created is when the creation of the item's group began, if no applied step about the item
	// is newer: the new group did not have the item.
	created time.Time
	// triedRemoval is when the oldest of those removals began.
	triedRemoval time.Time
}

// attempt is a step of one plan of a run, of which others may be parts.
type attempt struct {
	run    string
	number int // of the plan
	step   string
}

// history walks the records about an item, under its group's former names too, newest first,
// until the last applied one.
func (x *explainer) history(it item) history {
	var h history
	group, parts := it.group, map[attempt]bool{} // a part of a failed step says more than the step
	for i := range x.Records {
		r := &x.Records[i]
		if isRename(r.Step) && group != "" && r.Step.Want.Group.Name == group {
			if isApplied(*r) {
				group = r.Step.Have.Group.Name
			}
			continue
		}
		if !h.created.IsZero() && r.IntendedAt.Before(h.created) {
			break
		}
		if r.Step.PartOf != "" && r.Step.Key().Kind != access.KindGroup {
			parts[attempt{r.Run.RunID, r.Run.Pass, r.Step.PartOf}] = true
		}
		if done := h.take(r, x.effectOn(r.Step, it, group)); done {
			break
		}
	}
	h.dropWhole(parts)
	return h
}

// take adds a record, and reports whether no older one counts.
func (h *history) take(r *ledger.Record, e effect) (done bool) {
	applied := isApplied(*r)
	switch {
	case e == none, e == provisions && applied:
	case e == creates && applied:
		h.created = r.IntendedAt // steps of the same batch may fill the group
	case e == adds && applied:
		h.added = r
		return true
	case e == removes && applied:
		h.removed = r
		return true
	case e == removes:
		h.triedRemoval = r.IntendedAt
		if h.failedRemoval == nil || h.failedRemoval.Step.ID == r.Step.PartOf {
			h.failedRemoval = r
		}
	case h.failedAdd == nil || h.failedAdd.Step.ID == r.Step.PartOf:
		h.failedAdd = r
	}
	return false
}

// dropWhole drops a failed step of which only other parts are recorded: the part about the
// item has no answer yet.
func (h *history) dropWhole(parts map[attempt]bool) {
	for _, failed := range []**ledger.Record{&h.failedAdd, &h.failedRemoval} {
		if r := *failed; r != nil && parts[attempt{r.Run.RunID, r.Run.Pass, r.Step.ID}] {
			*failed = nil
		}
	}
}

// applied returns a record as a step of the answer.
func applied(r *ledger.Record, text string) Applied {
	return Applied{At: r.DoneAt, Text: text, Run: r.Run.RunID, Cause: r.Run.Cause, By: r.Run.Actor}
}

// orAccount returns the user's name, else that of the account.
func orAccount(m access.Member) string { return cmp.Or(m.Person, m.Name) }
