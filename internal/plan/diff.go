package plan

import (
	"fmt"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// diff is what differs between what is desired and what is observed, whatever the guard
// says to it.
type diff struct {
	groups []groupDiff // by slot of the desired group
	// roles has the desired bindings by place; of a binding that lists its subjects it has
	// the set.
	roles   []roleDiff
	leavers [][]set // of each replacement, by old group: members who do not get the new one
	// rights is how many managed roles each group has in the end, by slot; old groups keep
	// theirs until they go.
	rights      []int
	groupEnds   []groupEnd // by place of the observed group
	roleEnds    []roleEnd  // by place of the observed binding
	externals   []external
	memberRoles // with Rules.Separate
	warnings    []access.Remark
}

// set is how the members of a group, or the subjects of a binding, differ.
type set struct {
	key           access.Key // the binding's, or that of the group's members
	have          []access.Member
	adds, removes []access.Member // removes with their reasons
	// stay are all who are in the set in the end.
	stay []access.Member
}

// groupDiff is how one desired group differs.
type groupDiff struct {
	is  groupCase
	set set
}

// groupCase says what happens to a desired group.
type groupCase int

const (
	groupLeft    groupCase = iota // unmanaged, or of unclear ownership: it is left as it is
	groupCreated                  // there is none yet
	groupManaged
	// groupPreserved groups have the members of another project role, and removals are forbidden.
	groupPreserved
)

// ready reports whether the group is managed when the plan is done, and gets roles.
func (g groupDiff) ready() bool { return g.is == groupCreated || g.is == groupManaged }

// roleDiff is how one desired binding differs.
type roleDiff struct {
	is  roleCase
	set set
}

// roleCase says what happens to a desired binding.
type roleCase int

const (
	roleSame      roleCase = iota // nothing
	roleLeft                      // its group gets no roles: a warning on the group says so
	roleCreated                   // there is none yet
	roleSubjects                  // its subjects change
	roleCondition                 // its condition changes
	// roleUnclear and roleUnmanaged bindings are left as they are, with a warning.
	roleUnclear
	roleUnmanaged
)

// groupEnd says what happens to an observed group that no document asks for.
type groupEnd int

const (
	groupUnchanged groupEnd = iota // it is desired, or not managed
	groupUnclear                   // left, with a warning
	groupReplaced                  // its replacement does the rest
	groupCleanupOff
	groupDeleted
)

// roleEnd says what happens to an observed binding that no document asks for.
type roleEnd int

const (
	roleUnchanged roleEnd = iota // it is desired, or not Rollcall's business
	roleExternal                 // another system gave it to a managed group: see externals
	roleEndUnclear
	roleReplaced // of an old group of a replacement
	roleDeleted
)

// external is a role that another system gave to a managed group.
type external struct {
	at int // place of the observed binding
	// removed is true where Rules.Additional asks for it.
	removed bool
	// with is true where it goes with the managed roles of an old group.
	with bool
	// replaced is the place of the replacement with which its group goes, or none.
	replaced int
	// given says that the new group has the role or gets it, ends that the role it has is
	// managed and ends.
	given, ends bool
}

// compare is the second pass.
func compare(f *facts) *diff {
	d := &diff{
		groups: make([]groupDiff, len(f.in.Desired.Groups)), roles: make([]roleDiff, len(f.in.Desired.Bindings)),
		leavers: make([][]set, len(f.replacements)), rights: make([]int, len(f.names)),
		groupEnds: make([]groupEnd, len(f.groups)), roleEnds: make([]roleEnd, len(f.roles)),
	}
	for i, r := range f.replacements {
		d.leavers[i] = make([]set, len(r.olds))
	}
	for _, is := range f.roles {
		if _, replaced := f.former[is.slot]; replaced && is.owner == managed {
			d.rights[is.slot]++
		}
	}
	for slot := range d.groups {
		d.compareGroup(f, slot)
	}
	for i := range f.groups {
		d.groupEnds[i] = f.endOf(i)
	}
	if f.in.Rules.Separate {
		d.compareMemberRoles(f)
		return d
	}
	for i := range d.roles {
		d.compareRole(f, i)
	}
	for i := range f.roles {
		d.endRole(f, i)
	}
	return d
}

// compareGroup compares one desired group.
func (d *diff) compareGroup(f *facts, slot int) {
	want := f.in.Desired.Groups[slot]
	have, owner := f.found(slot)
	g := &d.groups[slot]
	switch {
	case owner == absent:
		g.is = groupCreated
	case owner != managed:
		g.is = groupLeft
	case f.forbids() && f.repurposed(slot):
		g.is = groupPreserved
	default:
		g.is = groupManaged
	}
	next, replaces := f.successor[slot]
	members := want.Members
	if replaces {
		members = d.desiredOf(f, next)
	}
	if g.is != groupLeft {
		g.set = d.compareSet(f, want.Key(), members, have.Members, "nothing gives this account the group")
	}
	if replaces {
		d.compareLeavers(f, next, members)
	}
}

// desiredOf returns the members that the new group of a replacement should have: also
// those who are kept and in an old group. An old group that cleanup left without managed
// roles gives them nothing any more.
func (d *diff) desiredOf(f *facts, next int) []access.Member {
	want := f.in.Desired.Groups[f.replacements[next].to]
	members, kept := want.Members, asSet(f.kept[want.Key()])
	for _, at := range f.replacements[next].olds {
		old := f.in.Observed.Groups[at]
		if !f.in.Rules.Cleanup && d.rights[f.groups[at].slot] == 0 && f.hasRole(want.Name) {
			continue
		}
		for _, who := range without(old.Members, members) {
			if kept[who.Ref] {
				who.Why = fmt.Sprintf("kept in %q, which this group replaces", old.Name)
				members = append(slices.Clip(members), who)
			}
		}
	}
	return byRef(members)
}

// compareLeavers finds the members of old groups who do not get the new one.
func (d *diff) compareLeavers(f *facts, next int, members []access.Member) {
	r := f.replacements[next]
	for i, at := range r.olds {
		old := f.in.Observed.Groups[at]
		stay := members
		if !r.ready { // no member comes
			stay = without(old.Members, without(old.Members, members))
		}
		s := d.compareSet(f, old.Key(), stay, old.Members, "nothing gives this account the group, under either name")
		d.leavers[next][i] = s
	}
}

// compareSet compares one set. Members who are kept are desired members.
func (d *diff) compareSet(f *facts, key access.Key, want, have []access.Member, why string) set {
	if refs := f.kept[key]; len(refs) > 0 {
		want = slices.Clone(want)
		kept := asSet(refs)
		for _, h := range without(have, want) {
			if kept[h.Ref] {
				want = append(want, h)
			}
		}
	}
	s := set{key: key, have: have, adds: without(want, have), removes: without(have, want), stay: want}
	if key.Kind == access.KindGroup {
		s.key.Kind = access.KindMembers
	}
	s.removes = d.withReasons(f, s.key, s.removes, why)
	return s
}

// withReasons says of each member who leaves why that is. A member whom Rollcall never
// added is a warning, as whoever added them should know.
func (d *diff) withReasons(f *facts, key access.Key, gone []access.Member, why string) []access.Member {
	if len(gone) == 0 {
		return nil
	}
	gone = slices.Clone(gone)
	for i, who := range gone {
		gone[i].Why = why
		switch {
		case f.revoked[who.Ref]:
			gone[i].Why = "access is revoked by name"
		case f.unmanagedMembers[Removal{Object: key, Ref: who.Ref}]:
			gone[i].Why = "another system added this account"
			if f.forbids() {
				continue
			}
			d.warn(access.ForeignMemberRemoved, key.String(), fmt.Sprintf(
				"another system added %s to %q, which has exactly the members that the documents name, so Rollcall removes it: "+
					"bind the user to the project to give them access", AccountName(who), key))
		case f.ended[Removal{Object: key, Ref: who.Ref}] != "":
			gone[i].Why = f.ended[Removal{Object: key, Ref: who.Ref}]
		}
	}
	return gone
}

func (d *diff) warn(code access.Code, object, text string) {
	d.warnings = append(d.warnings, access.Remark{Code: code, Object: object, Text: text})
}

// compareRole compares one desired binding.
func (d *diff) compareRole(f *facts, i int) {
	want, r := &f.in.Desired.Bindings[i], &d.roles[i]
	if want.Group == "" {
		d.compareSubjects(f, i)
		return
	}
	slot := f.slotOf(want.Group)
	if !f.isDesired(slot) || !d.groups[slot].ready() {
		r.is = roleLeft
		return
	}
	d.rights[slot]++
	at := f.wants[i]
	if at == none {
		r.is = roleCreated
		return
	}
	have, owner := &f.in.Observed.Bindings[at], f.roles[at].owner
	switch {
	case want.Condition == have.Condition:
	case owner == unclear:
		r.is = roleUnclear
	case owner == unmanaged && (f.in.Rules.Additional != RemoveAdditional || have.Shielded):
		r.is = roleUnmanaged
	default:
		r.is = roleCondition
	}
}

// compareSubjects compares a desired binding that lists its subjects.
func (d *diff) compareSubjects(f *facts, i int) {
	want, r := &f.in.Desired.Bindings[i], &d.roles[i]
	var have []access.Member
	r.is = roleCreated
	if at := f.wants[i]; at != none {
		have = f.in.Observed.Bindings[at].Subjects
		switch f.roles[at].owner {
		case unclear:
			r.is = roleUnclear
			return
		case unmanaged:
			r.is = roleUnmanaged
			return
		case managed, absent:
			r.is = roleSubjects
		}
	}
	r.set = d.compareSet(f, want.Key(), want.Subjects, have, "nothing gives this account the role")
}

// endRole compares an observed binding that no document may ask for.
func (d *diff) endRole(f *facts, i int) {
	is := f.roles[i]
	switch {
	case is.want != none && (is.owner == unmanaged || !is.second):
	case is.owner == unmanaged:
		d.compareExternal(f, i)
	case is.owner == unclear, is.second:
		d.roleEnds[i] = roleEndUnclear
	default:
		d.roleEnds[i] = roleDeleted
		if _, replaced := f.former[is.slot]; replaced {
			d.roleEnds[i] = roleReplaced
		}
	}
}

// compareExternal compares a role that another system gave to a managed group. One on any
// other group, or on users, is not Rollcall's business.
func (d *diff) compareExternal(f *facts, i int) {
	have, slot := &f.in.Observed.Bindings[i], f.roles[i].slot
	if _, owner := f.found(slot); owner != managed {
		return
	}
	d.roleEnds[i] = roleExternal
	e := external{at: i, replaced: none, removed: f.in.Rules.Additional == RemoveAdditional && !have.Shielded}
	if next, replaced := f.former[slot]; replaced {
		to := f.names[f.replacements[next].to]
		e.replaced = next
		e.with = d.rights[slot] == 0 || f.wantsRole(to, have.Role)
		e.given, e.ends = f.givesRole(to, have.Role)
	}
	d.externals = append(d.externals, e)
}

// givesRole reports whether the group has the role, or should have it, and whether the one
// that it has is managed and ends.
func (f *facts) givesRole(group, role string) (given, ends bool) {
	if f.wantsRole(group, role) {
		return true, false
	}
	at, _ := slices.BinarySearchFunc(f.in.Observed.Bindings, &access.Binding{Group: group, Role: role},
		func(b access.Binding, first *access.Binding) int { return compareNames(&b, first) })
	for ; at < len(f.roles) && f.in.Observed.Bindings[at].Group == group && f.in.Observed.Bindings[at].Role == role; at++ {
		given, ends = true, ends || f.roles[at].owner == managed
	}
	return given, ends
}

// endOf says what happens to an observed group that no document may ask for.
func (f *facts) endOf(at int) groupEnd {
	is, second := f.groups[at], f.isSecond(at)
	_, replaced := f.former[is.slot]
	switch {
	case is.owner == unmanaged, f.isDesired(is.slot) && !second:
		return groupUnchanged
	case is.owner == unclear, second:
		return groupUnclear
	case replaced:
		return groupReplaced
	case !f.in.Rules.Cleanup:
		return groupCleanupOff
	default:
		return groupDeleted
	}
}
