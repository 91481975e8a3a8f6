package oracle

import "slices"

// Takes returns what the plan, made of this input, takes from people although
// nobody agreed to it: accounts that leave a set, and objects that go and leave
// somebody without access. It is what a closed guard holds, so it leaves out what
// is held, approved or revoked, groups that only change their names, and roles that
// somebody else gave. It is sorted.
func (p Plan) Takes(in Input) []Removal {
	var all []Removal
	for _, s := range p.Steps {
		all = append(all, s.Removals()...)
	}
	if len(all) == 0 {
		return nil
	}
	in.Rules.Guard.Closed = "closed"
	held := map[Removal]bool{}
	for _, r := range Make(in).HeldRemovals() {
		held[r] = true
	}
	all = slices.DeleteFunc(all, func(r Removal) bool { return !held[r] })
	slices.SortFunc(all, Removal.compare)
	return slices.Compact(all)
}
