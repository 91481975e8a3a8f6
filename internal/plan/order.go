package plan

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// order is the fourth pass: it turns what differs, as far as the guard lets it, into steps
// that know which steps they need.
func order(f *facts, d *diff, v *verdicts) Plan {
	o := &orderer{
		facts: f, diff: d, verdicts: v, plan: Plan{Tenant: f.in.Tenant, Remarks: slices.Clone(d.warnings)},
		progress: make([]progress, len(f.names)), replacing: make([]replacing, len(f.replacements)), builds: map[string]int{},
	}
	for i := range o.replacing {
		o.replacing[i].start(f, i)
	}
	o.findMoves()
	for _, who := range f.in.Newcomers {
		o.step(Step{Op: Create, Want: Object{Account: &who}, Why: fmt.Sprintf(
			"the platform has no account for %s, and its settings let Rollcall provision users", who.Person)})
	}
	for slot := range d.groups {
		o.orderGroup(slot)
		if next, replaces := f.successor[slot]; replaces {
			o.removeLeavers(next)
		}
	}
	if f.in.Rules.Separate {
		o.orderMemberRoles()
	} else {
		o.orderRoles()
	}
	for at := range d.groupEnds {
		o.endGroup(at)
	}
	o.finishReplacements()
	o.warnForbidden()
	o.plan.Remarks = access.SortRemarks(o.plan.Remarks)
	return o.plan
}

// orderer is the plan while its steps are put in order.
type orderer struct {
	*facts
	*diff
	*verdicts
	plan      Plan
	progress  []progress       // by the group's slot
	moves     map[string]*move // by the account's id
	moving    []moving         // what is taken from users who move, once they have arrived
	replacing []replacing      // by place in replacements
	builds    map[string]int   // the places of all steps that build a new group, by ID
}

// progress has what is planned for one group: the steps that make it, rename it or mark
// it, those that give it roles, and those that take them.
type progress struct{ created, given, taken []Need }

// beforeRemovals are the steps that come before anything is taken from the group of a slot:
// those that make it, rename it or mark it. A managed group loses members and roles also
// where the platform does not give it another name.
func (o *orderer) beforeRemovals(slot int) []Need {
	created := o.progress[slot].created
	if len(created) > 0 && o.seen[slot] != none && o.facts.groups[o.seen[slot]].owner == managed {
		return []Need{{created[0].ID, NeedsAccess}}
	}
	return created
}

// step adds s to the plan and returns its ID.
func (o *orderer) step(s Step) string {
	s = named(o.in.Tenant, s)
	o.plan.Steps = append(o.plan.Steps, s)
	o.arrive(s)
	return s.ID
}

// build adds a step about the group of a slot, and to its replacement if it replaces
// another.
func (o *orderer) build(slot int, s Step) string {
	id := o.step(s)
	if next, replaces := o.successor[slot]; replaces {
		o.replacing[next].build = append(o.replacing[next].build, id)
		o.builds[id] = len(o.plan.Steps) - 1
	}
	return id
}

func (o *orderer) warning(code access.Code, object, text string) {
	o.plan.Remarks = append(o.plan.Remarks, access.Remark{Code: code, Object: object, Text: text})
}

// unclear warns that ledger and mark disagree about the object.
func (o *orderer) unclear(key access.Key) {
	o.warning(access.OwnershipUnclear, key.String(), fmt.Sprintf(
		"%s %q: the ledger and the ownership marker disagree on whether Rollcall created it, so Rollcall leaves it as it is: "+
			"restore the marker in its description, or remove the object if it is not needed", key.Kind, key))
}

// orderGroup plans one desired group with its members.
func (o *orderer) orderGroup(slot int) {
	have, owner := o.found(slot)
	switch o.diff.groups[slot].is {
	case groupCreated:
		o.createGroup(slot)
		o.changeMembers(slot, have)
	case groupManaged:
		o.takeOver(slot, have)
		o.changeMembers(slot, have)
	case groupPreserved:
		o.keepRole(slot, have)
	case groupLeft:
		if owner == unclear {
			o.unclear(have.Key())
		} else {
			o.warning(access.ObjectForeign, o.names[slot], fmt.Sprintf(
				"the platform has a group %q that Rollcall did not make, so it gets no members and no roles: "+
					"take it over with rollcall adopt, remove or rename it there, or change the name pattern", have.Name))
		}
		o.cannotAdopt(have)
	}
}

func (o *orderer) createGroup(slot int) {
	want := o.in.Desired.Groups[slot]
	want.Members, want.Mark = nil, o.in.Rules.Mark
	id := o.build(slot, Step{Op: Create, Want: Object{Group: &want}, Why: want.Why})
	o.progress[slot].created = []Need{{id, NeedsObject}}
}

// takeOver gives a group on the platform its name and the ownership marker, where it lacks
// one of them. Everything about the group comes after.
func (o *orderer) takeOver(slot int, have access.Group) {
	before, renamed := o.before[have.Name]
	switch {
	case renamed:
		have = before
	case o.facts.groups[o.seen[slot]].owner == managed:
		return
	}
	have.Members = nil
	of := o.in.Desired.Groups[slot]
	want := access.Group{Name: of.Name, Ref: have.Ref, Mark: o.in.Rules.Mark, Serves: of.Serves, Why: of.Why}
	why := "an operator adopted this group"
	if renamed {
		why = fmt.Sprintf("the group %q has another name now, and the platform renames it", have.Name)
		if o.outOfBand[have.Name] == want.Name {
			why = fmt.Sprintf("another system gave this group the name %q", have.Name)
		}
	}
	id := o.build(slot, Step{Op: Change, Have: Object{Group: &have}, Want: Object{Group: &want}, Why: why})
	o.progress[slot].created = []Need{{id, NeedsObject}}
}

// cannotAdopt says why a group that an operator told Rollcall to take over is not.
func (o *orderer) cannotAdopt(have access.Group) {
	for _, adopted := range o.adoptions[have.Name] {
		switch {
		case adopted.Key != have.Key():
		case adopted.Ref != have.Ref:
			o.warning(access.ObjectForeign, have.Name, fmt.Sprintf(
				"the group %q is not the one that was to be taken over: it has another id, so it was made anew since; "+
					"adopt it again if it is the right one", have.Name))
		default:
			o.warning(access.ObjectForeign, have.Name, fmt.Sprintf(
				"the group %q cannot be taken over: the mark on it says that it belongs to the installation %q and the tenant %q; "+
					"remove the mark there if that is no longer so", have.Name, have.Mark.Installation, cmp.Or(have.Mark.Tenant, "?")))
		}
	}
}

// changeMembers plans the members of a group that is managed, or about to be. Members who
// come to a group that replaces another, or that gets its name, come in steps of their own:
// members who leave do not wait for it.
func (o *orderer) changeMembers(slot int, have access.Group) {
	set, verdict, made := o.diff.groups[slot].set, o.members[slot], o.progress[slot].created
	o.holdMembers(have, verdict)
	leave, move := o.split(verdict.goes)
	adds, before := set.adds, o.beforeRemovals(slot)
	if _, replaces := o.successor[slot]; replaces || !slices.Equal(before, made) {
		for _, s := range o.memberSteps(have, adds, nil) {
			s.Needs = made
			o.build(slot, s)
		}
		adds = nil
	}
	for _, s := range o.memberSteps(have, adds, leave) {
		s.Needs = before
		o.step(s)
	}
	for _, s := range o.memberSteps(have, nil, move) {
		s.Needs = before
		o.moving = append(o.moving, moving{Step: s, from: none})
	}
}

// memberSteps cuts the changes of a group's members into what one step takes, additions
// first.
func (o *orderer) memberSteps(group access.Group, adds, removes []access.Member) []Step {
	size := o.in.Rules.MemberChunk
	if size <= 0 {
		size = len(adds) + len(removes)
	}
	var steps []Step
	for len(adds)+len(removes) > 0 {
		a := min(size, len(adds))
		r := min(size-a, len(removes))
		s := Step{Op: Change, Why: fmt.Sprintf("%d to add, %d to remove", a, r)}
		if a > 0 {
			s.Want.Members = &Members{Group: group.Name, GroupRef: group.Ref, Accounts: slices.Clone(adds[:a])}
		}
		if r > 0 {
			s.Have.Members = &Members{Group: group.Name, GroupRef: group.Ref, Accounts: slices.Clone(removes[:r])}
		}
		steps = append(steps, s)
		adds, removes = adds[a:], removes[r:]
	}
	return steps
}

// orderRoles plans the bindings, and the end of those that no document asks for.
func (o *orderer) orderRoles() {
	for i := range o.diff.roles {
		o.orderRole(i)
	}
	o.finishMoves()
	externals := o.externals
	for at, end := range o.roleEnds {
		have := o.in.Observed.Bindings[at]
		switch end {
		case roleEndUnclear:
			o.unclear(have.Key())
		case roleReplaced:
			o.endReplaced(at)
		case roleDeleted:
			o.deleteRole(at, o.unwanted("role"))
		case roleExternal:
			o.orderExternal(externals[0], o.copies[len(o.externals)-len(externals)])
			externals = externals[1:]
		case roleUnchanged:
		}
	}
}

// orderRole plans one desired binding.
func (o *orderer) orderRole(i int) {
	want, set := o.in.Desired.Bindings[i], o.diff.roles[i].set
	slot := o.slotOf(want.Group)
	if want.Group == "" {
		slot = none
	}
	var have access.Binding
	if at := o.wants[i]; at != none {
		have = o.in.Observed.Bindings[at]
	}
	switch o.diff.roles[i].is {
	case roleCreated:
		o.createRole(slot, want)
	case roleSubjects:
		o.changeSubjects(have, set, o.verdicts.roles[i])
	case roleCondition:
		o.changeCondition(slot, want, have)
	case roleUnclear:
		o.unclear(have.Key())
	case roleUnmanaged:
		text := "the platform has a binding %q that Rollcall did not make, so its subjects stay as they are: remove or rename it there"
		if want.Group != "" {
			text = "another system granted %q under another condition, so Rollcall leaves it as it is: remove it there"
		}
		o.warning(access.ObjectForeign, want.Key().String(), fmt.Sprintf(text, want.Key()))
	case roleSame, roleLeft:
	}
}

func (o *orderer) createRole(slot int, want access.Binding) {
	want.GroupRef, want.Mark = o.group(slot).Ref, o.in.Rules.Mark
	want.Subjects = slices.Clone(want.Subjects)
	o.give(slot, Step{Op: Create, Want: Object{Binding: &want}, Why: want.Why})
}

// give adds a step that gives the group a role.
func (o *orderer) give(slot int, s Step) {
	if slot == none {
		o.step(s)
		return
	}
	s.Needs = o.progress[slot].created
	o.progress[slot].given = append(o.progress[slot].given, Need{o.build(slot, s), NeedsAccess})
}

// changeCondition changes when a role of a group counts.
func (o *orderer) changeCondition(slot int, want, have access.Binding) {
	have.Subjects = slices.Clone(have.Subjects)
	changed := have
	changed.Condition, changed.Version = want.Condition, ""
	s := Step{Op: Change, Have: Object{Binding: &have}, Want: Object{Binding: &changed}, Why: "the condition differs"}
	if o.forbids() && restricts(want, have) {
		o.forbid(s)
		return
	}
	o.give(slot, s)
}

// changeSubjects writes the list, which platforms only write whole: in one step, or in two
// where a user moves or the guard holds a removal.
func (o *orderer) changeSubjects(have access.Binding, set set, verdict verdict) {
	leave, move := o.split(verdict.goes)
	var first []Need
	if len(set.adds)+len(leave) > 0 {
		s, next := rewrite(have, set.adds, leave)
		why := NeedsObject
		if len(set.adds) > 0 {
			why = NeedsAccess
		}
		first, have = []Need{{o.step(s), why}}, next
	}
	if len(move) > 0 {
		s, _ := rewrite(have, nil, move)
		s.Needs = first
		o.moving = append(o.moving, moving{Step: s, from: none})
	}
	if len(verdict.waits) > 0 {
		s, _ := rewrite(have, nil, verdict.waits)
		o.hold(s, fmt.Sprintf("removing %d of the %d subjects of %q", len(verdict.waits), len(have.Subjects), have.Key()))
	}
}

// rewrite returns the step that changes the subjects, and the binding after it, whose
// version nobody knows before.
func rewrite(have access.Binding, adds, removes []access.Member) (Step, access.Binding) {
	want, stay := have, without(have.Subjects, removes)
	have.Subjects = slices.SortedFunc(slices.Values(slices.Concat(stay, removes)), access.CompareMembers)
	want.Subjects = slices.SortedFunc(slices.Values(slices.Concat(stay, adds)), access.CompareMembers)
	want.Version = ""
	return Step{Op: Change, Have: Object{Binding: &have}, Want: Object{Binding: &want}, Why: "subjects differ"}, want
}
