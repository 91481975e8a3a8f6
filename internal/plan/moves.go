package plan

import (
	"fmt"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// move is what the plan gives a user from whom it also takes something. The user gets all
// of it before anything is taken: else the user would be without a role in between, and for
// as long as a step in between fails.
type move struct {
	groups []int    // slots of groups of theirs that get a role
	gives  []string // the IDs of the steps that add them somewhere
}

// moving is a step that takes away those who move.
type moving struct {
	Step
	from int // the replacement whose old group they leave, or none
}

// findMoves looks for users who lose one set and gain from another. In moves it leaves nil
// for those who lose only.
func (o *orderer) findMoves() {
	o.moves = map[string]*move{}
	for _, verdicts := range append([][]verdict{o.members, o.verdicts.roles}, o.verdicts.leavers...) {
		for _, v := range verdicts {
			o.lose(v.goes)
		}
	}
	if !o.in.Rules.Separate {
		o.loseLeftovers()
	}
	if len(o.moves) == 0 {
		return
	}
	given := map[int]bool{} // slots of groups that get a role
	for i := range o.in.Desired.Bindings {
		if want := &o.in.Desired.Bindings[i]; o.wants[i] == none && want.Group != "" {
			given[o.slotOf(want.Group)] = true
		}
		o.gain(o.setOf(i).adds, none)
	}
	for slot, g := range o.diff.groups {
		if given[slot] {
			o.gain(g.set.stay, slot)
			o.gain(o.members[slot].waits, slot)
		}
		o.gain(g.set.adds, none)
	}
}

// setOf returns how the subjects of a desired binding differ.
func (o *orderer) setOf(i int) set {
	if o.in.Rules.Separate {
		return o.sets[i]
	}
	return o.diff.roles[i].set
}

// loseLeftovers notes who is in a managed binding or group that no document asks for, and
// who is in a group that loses a role.
func (o *orderer) loseLeftovers() {
	for at, is := range o.facts.roles {
		if _, replaced := o.former[is.slot]; is.want != none || replaced || is.owner != managed {
			continue
		}
		o.lose(o.in.Observed.Bindings[at].Subjects)
		o.lose(o.group(is.slot).Members)
	}
	for at, is := range o.facts.groups {
		if _, replaced := o.former[is.slot]; !o.isDesired(is.slot) && !replaced && is.owner == managed {
			o.lose(o.in.Observed.Groups[at].Members)
		}
	}
}

func (o *orderer) lose(members []access.Member) {
	for _, who := range members {
		o.moves[who.Ref] = nil
	}
}

// gain notes those of the members who leave another set, and their group if it gets a
// role.
func (o *orderer) gain(members []access.Member, slot int) {
	for _, who := range members {
		known, leaves := o.moves[who.Ref]
		if !leaves {
			continue
		}
		if known == nil {
			known = &move{}
			o.moves[who.Ref] = known
		}
		if slot != none {
			known.groups = append(known.groups, slot)
		}
	}
}

// split parts those who leave for good from those who move.
func (o *orderer) split(gone []access.Member) (leave, moves []access.Member) {
	for _, who := range gone {
		if o.moves[who.Ref] == nil {
			leave = append(leave, who)
			continue
		}
		moves = append(moves, who)
	}
	return leave, moves
}

// arrive notes what the step gives to users who move.
func (o *orderer) arrive(s Step) {
	if len(o.moves) == 0 {
		return
	}
	for _, who := range s.Adds() {
		if move := o.moves[who.Ref]; move != nil {
			move.gives = append(move.gives, s.ID)
		}
	}
}

// arrivals are the steps that give the users something else.
func (o *orderer) arrivals(members []access.Member) []Need {
	var first []Need
	for _, who := range members {
		if move := o.moves[who.Ref]; move != nil {
			first = append(first, needsOf(move.gives, NeedsAccess)...)
			for _, slot := range move.groups {
				first = append(first, o.progress[slot].given...)
			}
		}
	}
	return first
}

// finishMoves takes from those who move what they had, after all that they get.
func (o *orderer) finishMoves() {
	for _, m := range o.moving {
		s := m.Step
		s.Needs = needs(slices.Concat(s.Needs, o.arrivals(s.Removes())))
		if id := o.step(s); m.from != none {
			o.left(m.from, id, s.Needs)
		}
	}
}

// orderMemberRoles plans bindings of one user each: base roles are given first and taken
// last.
func (o *orderer) orderMemberRoles() {
	base := map[string][]Need{} // what gives each user the base roles
	for _, first := range []bool{true, false} {
		for i, want := range o.in.Desired.Bindings {
			if o.isBase(want.Role) == first {
				o.giveMemberRole(i, first, base)
			}
		}
	}
	for i, want := range o.in.Desired.Bindings {
		if !o.isBase(want.Role) {
			o.takeMemberRole(i, nil)
		}
	}
	o.finishMoves()
	ends := o.endsOfUsers()
	o.moving = nil
	for i, want := range o.in.Desired.Bindings {
		if o.isBase(want.Role) {
			o.takeMemberRole(i, ends)
		}
	}
	o.finishMoves()
}

// endsOfUsers returns, by account, the steps that take roles.
func (o *orderer) endsOfUsers() map[string][]Need {
	ends := map[string][]Need{}
	for _, s := range o.plan.Steps {
		if s.Op != Delete {
			continue
		}
		for _, who := range s.Removes() {
			ends[who.Ref] = append(ends[who.Ref], Need{s.ID, NeedsEnd})
		}
	}
	return ends
}

func (o *orderer) giveMemberRole(i int, isBase bool, base map[string][]Need) {
	want := o.in.Desired.Bindings[i]
	for _, who := range o.sets[i].adds {
		b := want
		b.Name, b.Subjects, b.Mark = who.Ref, []access.Member{who}, o.in.Rules.Mark
		s := Step{Op: Create, Want: Object{Binding: &b}, Why: want.Why}
		if isBase {
			base[who.Ref] = append(base[who.Ref], Need{o.step(s), NeedsObject})
			continue
		}
		s.Needs = base[who.Ref]
		o.step(s)
	}
}

// takeMemberRole plans the end of managed bindings of users who lose the role. ends are
// steps, by account, that come first.
func (o *orderer) takeMemberRole(i int, ends map[string][]Need) {
	const why = "nothing gives this account the role"
	want, verdict := o.in.Desired.Bindings[i], o.verdicts.roles[i]
	desired, goes := refSet(want.Subjects), refSet(verdict.goes)
	waits, with := refSet(verdict.waits), refSet(verdict.with)
	reasons := map[string]string{}
	for _, who := range o.sets[i].removes {
		reasons[who.Ref] = who.Why
	}
	for _, at := range o.byRole[want.Role] {
		have, owner := o.in.Observed.Bindings[at], o.facts.roles[at].owner
		who := have.Subjects[0]
		if owner == unclear && !desired[who.Ref] {
			o.unclear(have.Key())
		}
		if owner != managed {
			continue
		}
		who.Why = reasons[who.Ref]
		have.Subjects = []access.Member{who}
		s := Step{Op: Delete, Have: Object{Binding: &have}, Why: why, Needs: ends[who.Ref]}
		switch {
		case waits[who.Ref]:
			o.hold(s, fmt.Sprintf("taking the role %q from %d users", have.Role, len(verdict.waits)+len(verdict.with)))
		case with[who.Ref]:
			o.hold(s, fmt.Sprintf("taking the role %q from users whose other roles wait for an approval", have.Role))
		case !goes[who.Ref]:
		case o.moves[who.Ref] != nil:
			o.moving = append(o.moving, moving{Step: s, from: none})
		default:
			o.step(s)
		}
	}
}
