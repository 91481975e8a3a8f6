package oracle

import (
	"slices"

	"github.com/rollcall-iam/rollcall/internal/plan/oracle/access"
)

// move is what the plan gives a person from whom it also takes something. They
// are given all of it before anything is taken: else they would be without a
// role in between, and for as long as a step in between fails.
type move struct {
	groups []string // groups of theirs that get a role
	gives  []string // the IDs of the steps that add them somewhere
}

// findMoves looks for people who lose one set and gain from another. In moves
// it leaves nil for those who lose only.
func (m *maker) findMoves() {
	m.moves = map[string]*move{}
	m.lose(m.memberSets)
	m.lose(m.subjectSets)
	for _, r := range m.renamings {
		m.lose(r.leavers)
	}
	if !m.in.Rules.Separate {
		m.loseLeftovers()
	}
	if len(m.moves) == 0 {
		return
	}
	given := map[string]bool{}
	for i, want := range m.in.Desired.Bindings {
		if _, exists := m.bindings[want.Key()]; !exists {
			given[want.Group] = true
		}
		m.gain(m.subjectSets[i].adds, "")
	}
	for i, want := range m.in.Desired.Groups {
		if given[want.Name] {
			m.gain(m.memberSets[i].stay, want.Name)
		}
		m.gain(m.memberSets[i].adds, "")
	}
}

// lose notes who leaves one of the sets.
func (m *maker) lose(sets []difference) {
	for _, set := range sets {
		m.leave(set.removes)
	}
}

// loseLeftovers notes who is in a binding or a group of ours that nobody desires
// any more, and who is in a group that loses a role.
func (m *maker) loseLeftovers() {
	for _, have := range m.in.Observed.Bindings {
		if m.desired[have.Key()] || m.former[have.Group] != nil || m.whose(have.Key(), have.Ref, have.Mark) != ours {
			continue
		}
		m.leave(have.Subjects)
		m.leave(m.groups[have.Group].Members)
	}
	for _, have := range m.in.Observed.Groups {
		if !m.desired[have.Key()] && m.former[have.Name] == nil && m.whose(have.Key(), have.Ref, have.Mark) == ours {
			m.leave(have.Members)
		}
	}
}

func (m *maker) leave(people []access.Member) {
	for _, who := range people {
		m.moves[who.Ref] = nil
	}
}

// hasRole reports whether somebody desires a role for the group.
func (m *maker) hasRole(group string) bool {
	if m.withRole == nil {
		m.withRole = map[string]bool{}
		for _, want := range m.in.Desired.Bindings {
			m.withRole[want.Group] = true
		}
	}
	return m.withRole[group]
}

// arrivals are the IDs of the steps that give the people something else.
func (m *maker) arrivals(people []access.Member) []string {
	var needs []string
	for _, who := range people {
		if move := m.moves[who.Ref]; move != nil {
			needs = append(needs, move.gives...)
			for _, group := range move.groups {
				needs = append(needs, m.at(group).given...)
			}
		}
	}
	return sortedSet(needs)
}

// sortedSet sorts texts in place and drops repetitions.
func sortedSet(texts []string) []string {
	slices.Sort(texts)
	return slices.Compact(texts)
}

// gain notes those of the members who leave another set, and their group if it
// gets a role.
func (m *maker) gain(members []access.Member, group string) {
	for _, who := range members {
		known, leaves := m.moves[who.Ref]
		if !leaves {
			continue
		}
		if known == nil {
			known = &move{}
			m.moves[who.Ref] = known
		}
		if group != "" {
			known.groups = append(known.groups, group)
		}
	}
}

// split parts those who leave for good from those who move.
func (m *maker) split(gone []access.Member) (leave, moves []access.Member) {
	for _, who := range gone {
		if m.moves[who.Ref] == nil {
			leave = append(leave, who)
			continue
		}
		moves = append(moves, who)
	}
	return leave, moves
}

// arrive notes what the step gives to people who move.
func (m *maker) arrive(s Step) {
	if len(m.moves) == 0 {
		return
	}
	for _, who := range s.Adds() {
		if move := m.moves[who.Ref]; move != nil {
			move.gives = append(move.gives, s.ID)
		}
	}
}

// moving is a step that takes away those who move.
type moving struct {
	Step
	// from is the renaming whose old group they leave, if it is one.
	from *renaming
}

// finishMoves takes from those who move what they had, after all that they get.
func (m *maker) finishMoves() {
	for _, s := range m.moving {
		s.Needs = sortedSet(slices.Concat(s.Needs, m.arrivals(s.Removes())))
		id := m.step(s.Step)
		if s.from != nil {
			s.from.left(m, id, s.Needs)
		}
	}
}
