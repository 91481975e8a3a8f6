package plan

import (
	"maps"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// verdicts are what the guard says to every removal of a diff. It plans nothing: a
// removal goes, or waits for an approval.
type verdicts struct {
	// closed is true where a limit beyond the plan is reached.
	closed  bool
	members []verdict   // by slot of the desired group
	leavers [][]verdict // by replacement and old group
	// roles has the subjects of desired bindings, by place.
	roles []verdict
	// groups has, by place of the observed group, whether its deletion waits.
	groups []bool
	// ends says of each observed binding how many users it takes access from, and whether
	// its end waits.
	ends   []roleVerdict
	copies []copyVerdict // by place in diff.externals
}

// verdict parts the removals of one set.
type verdict struct {
	goes, waits []access.Member
	// with wait because roles of theirs that rest on this one do.
	with []access.Member
}

// roleVerdict is about the end of a binding.
type roleVerdict struct {
	waits bool
	users int
}

// copyVerdict says what becomes of an external role of an old group.
type copyVerdict int

const (
	copyUndecided copyVerdict = iota
	copyApproved
	copyRejected
)

// evaluate is the third pass.
func evaluate(f *facts, d *diff, closed bool) *verdicts {
	v := &verdicts{
		closed: closed, members: make([]verdict, len(d.groups)), leavers: make([][]verdict, len(d.leavers)),
		roles: make([]verdict, len(d.roles)), groups: make([]bool, len(d.groupEnds)), ends: make([]roleVerdict, len(d.roleEnds)),
	}
	for slot, g := range d.groups {
		if len(g.set.removes) > 0 {
			v.members[slot] = v.evaluateSet(f, g.set, v.free(f, slot))
		}
	}
	for i, sets := range d.leavers {
		for _, s := range sets {
			v.leavers[i] = append(v.leavers[i], v.evaluateSet(f, s, nil))
		}
	}
	if f.in.Rules.Separate {
		v.evaluateMemberRoles(f, d)
	} else {
		v.evaluateRoles(f, d)
	}
	for at := range v.groups {
		v.groups[at] = v.groupWaits(f, d, at)
	}
	return v
}

// holds reports whether the guard keeps the removal of so many users for an approval. A
// removed tenant's access goes whatever the limit per set.
func (v *verdicts) holds(f *facts, gone, present int) bool {
	switch {
	case gone == 0:
		return false
	case v.closed:
		return true
	case f.in.Rules.Gone:
		return false
	default:
		return f.in.Rules.Guard.Holds(gone, present)
	}
}

// waits reports whether a removal has to wait, which the guard holds or not. All do where
// removals are forbidden.
func (f *facts) waits(r Removal, held bool) bool {
	if f.forbids() {
		return true
	}
	return f.refused[r] || held && !f.approved[r]
}

// evaluateSet judges the removals of a set. Members who come count as present: they come
// first, and the next plan counts them too, but for those that the platform refused before.
// The guard does not count the revoked, and not the free, who lose nothing by it.
func (v *verdicts) evaluateSet(f *facts, s set, free map[string]bool) verdict {
	if len(s.removes) == 0 {
		return verdict{}
	}
	counted := 0
	for _, who := range s.removes {
		if !f.revoked[who.Ref] && !free[who.Ref] {
			counted++
		}
	}
	comers := len(s.adds)
	for _, who := range s.adds {
		if f.refusedMembers[Removal{Object: s.key, Ref: who.Ref}] {
			comers--
		}
	}
	held := v.holds(f, counted, len(s.have)+comers-(len(s.removes)-counted))
	return f.part(s.removes, func(who access.Member) bool {
		return f.waits(Removal{Object: s.key, Ref: who.Ref}, held && !free[who.Ref])
	})
}

// part parts those who have to wait from those who go now. A revocation waits for nothing.
func (f *facts) part(removes []access.Member, waits func(access.Member) bool) verdict {
	var out verdict
	for _, who := range removes {
		if !f.revoked[who.Ref] && waits(who) {
			out.waits = append(out.waits, who)
			continue
		}
		out.goes = append(out.goes, who)
	}
	return out
}

// free returns the accounts that lose nothing when they leave a desired group: it granted
// another project role until now, whose users have, or get, a group of their own.
func (v *verdicts) free(f *facts, slot int) map[string]bool {
	if !f.repurposed(slot) {
		return nil
	}
	next := f.grantedBy(f.grants(f.seen[slot]))
	if next == none {
		return nil
	}
	if _, owner := f.found(next); owner != managed && owner != absent || v.closed && !f.hasRolesOf(next, slot) {
		return nil
	}
	return refSet(f.in.Desired.Groups[next].Members)
}

// hasRolesOf reports whether a desired group gets every managed role that another group
// has.
func (f *facts) hasRolesOf(next, slot int) bool {
	first, end := f.rolesOf(f.names[slot])
	for at := first; at < end; at++ {
		if f.roles[at].owner == managed && !f.wantsRole(f.names[next], f.in.Observed.Bindings[at].Role) {
			return false
		}
	}
	return true
}

// evaluateRoles judges the subjects and the ends of bindings.
func (v *verdicts) evaluateRoles(f *facts, d *diff) {
	keep := map[string]bool{} // users who keep a role of their own
	for i, r := range d.roles {
		v.roles[i] = v.evaluateSet(f, r.set, nil)
		if f.in.Desired.Bindings[i].Group == "" {
			maps.Copy(keep, refSet(r.set.stay, v.roles[i].waits))
		}
	}
	for at, end := range d.roleEnds {
		switch end {
		case roleDeleted:
			v.endRole(f, at, v.usersLosing(f, d, at, v.closed, keep))
		case roleReplaced:
			v.endRole(f, at, v.usersOfReplaced(f, at))
		case roleUnchanged, roleExternal, roleEndUnclear:
		}
	}
	v.copies = make([]copyVerdict, len(d.externals))
	for i, e := range d.externals {
		switch {
		case e.removed && !e.with:
			// No limit beyond the plan counts what another system gave.
			v.endRole(f, e.at, v.usersLosing(f, d, e.at, false, keep))
		case e.replaced != none:
			v.copies[i] = f.evaluateCopy(f.copied(e))
		}
	}
}

func (v *verdicts) endRole(f *facts, at, users int) {
	have := &f.in.Observed.Bindings[at]
	v.ends[at] = roleVerdict{users: users, waits: f.waits(Removal{Object: have.Key(), Ref: have.Ref}, users > 0)}
}

// usersLosing counts the users from whom the end of a role takes what the guard minds. That is
// all of them while a limit beyond the plan is reached; else it is their last role on the
// tenant: the members of a group that keeps no other, or the subjects whom no other
// managed binding lists.
func (v *verdicts) usersLosing(f *facts, d *diff, at int, closed bool, keep map[string]bool) int {
	have, slot := &f.in.Observed.Bindings[at], f.roles[at].slot
	if have.Group != "" {
		if !closed && (f.in.Rules.Gone || d.rights[slot] > 0) {
			return 0
		}
		return len(f.present(v.staying(f, slot)))
	}
	subjects := f.present(have.Subjects)
	if closed {
		return len(subjects)
	}
	gone := len(notIn(subjects, keep))
	if !v.holds(f, gone, len(subjects)) {
		return 0
	}
	return gone
}

// staying returns the members of a group who do not leave it now.
func (v *verdicts) staying(f *facts, slot int) []access.Member {
	members := f.group(slot).Members
	if !f.isDesired(slot) {
		return members
	}
	return without(members, v.members[slot].goes)
}

// usersOfReplaced counts the users from whom the end of a managed role on an old group takes
// access. Those who stay have it through the new group; if that does not get it, and they
// would be left with no role or a limit is reached, the end of it waits.
func (v *verdicts) usersOfReplaced(f *facts, at int) int {
	role, slot := f.in.Observed.Bindings[at].Role, f.roles[at].slot
	next := f.former[slot]
	r := f.replacements[next]
	to := f.names[r.to]
	if f.wantsRole(to, role) || !v.closed && f.hasRole(to) {
		return 0
	}
	i := slices.IndexFunc(r.olds, func(old int) bool { return f.groups[old].slot == slot })
	return len(f.present(without(f.in.Observed.Groups[r.olds[i]].Members, v.leavers[next][i].goes)))
}

// evaluateCopy says what an operator decided about the copy of an external role.
func (f *facts) evaluateCopy(s Step) copyVerdict {
	atom := s.Removals()[0]
	switch {
	case f.approved[atom] && !f.refused[atom]:
		return copyApproved
	case f.rejectedBy[atom].By != "":
		return copyRejected
	default:
		return copyUndecided
	}
}

// groupWaits reports whether the deletion of an observed group waits for an approval. Of
// a replaced group only a rejection holds it: its members have the new one.
func (v *verdicts) groupWaits(f *facts, d *diff, at int) bool {
	switch end := d.groupEnds[at]; end {
	case groupDeleted, groupReplaced:
		return f.deletionWaits(at, end == groupDeleted && v.holdsGroup(f, at))
	case groupUnchanged, groupUnclear, groupCleanupOff:
	}
	return false
}

func (f *facts) deletionWaits(at int, held bool) bool {
	have := &f.in.Observed.Groups[at]
	return f.waits(Removal{Object: have.Key(), Ref: have.Ref}, held)
}

// holdsGroup reports whether the guard holds the deletion of a group: always with members,
// or with members who left it because of a role, but for a removed tenant whose landing
// zone gave the approval beforehand.
func (v *verdicts) holdsGroup(f *facts, at int) bool {
	have := &f.in.Observed.Groups[at]
	return (len(f.present(have.Members)) > 0 || f.emptied[have.Name]) && (v.closed || !f.in.Rules.Gone || !f.in.Rules.AutoDelete)
}

// evaluateMemberRoles judges bindings of one user each. All removals of one role are held
// together, and a base role with the roles that rest on it.
func (v *verdicts) evaluateMemberRoles(f *facts, d *diff) {
	held, approved := map[string]bool{}, map[string]bool{} // users with a role that waits, or goes by approval
	for i, want := range f.in.Desired.Bindings {
		if f.isBase(want.Role) {
			continue
		}
		s := d.sets[i]
		gone := s.removes
		if len(s.stay) == 0 && !v.closed {
			gone = notIn(gone, d.staying) // nobody has the role in the end: what counts is who has none at all
		}
		v.roles[i] = v.evaluateMemberRole(f, d, i, s.removes, v.holds(f, len(f.present(gone)), d.holders[i]))
		waits, leaves := refSet(v.roles[i].waits), refSet(s.removes)
		for _, at := range d.byRole[want.Role] {
			b := &f.in.Observed.Bindings[at]
			switch who := b.Subjects[0].Ref; {
			case !leaves[who] || f.roles[at].owner != managed:
			case waits[who]:
				held[who] = true
			case f.approved[Removal{Object: b.Key(), Ref: b.Ref}]:
				approved[who] = true
			}
		}
	}
	for i, want := range f.in.Desired.Bindings {
		if f.isBase(want.Role) {
			v.evaluateBase(f, d, i, held, approved)
		}
	}
}

// evaluateBase holds a base role with the roles that are held. It goes with those that are
// approved, which the guard does not count again.
func (v *verdicts) evaluateBase(f *facts, d *diff, i int, held, approved map[string]bool) {
	var with, free, rest []access.Member
	for _, who := range d.sets[i].removes {
		switch {
		case held[who.Ref]:
			with = append(with, who)
		case approved[who.Ref]:
			free = append(free, who)
		default:
			rest = append(rest, who)
		}
	}
	out := v.evaluateMemberRole(f, d, i, rest, v.holds(f, len(f.present(rest)), d.holders[i]))
	out.with, out.goes = with, slices.Concat(out.goes, free)
	v.roles[i] = out
}

// evaluateMemberRole parts the users who lose a role; an approval is about a binding.
func (v *verdicts) evaluateMemberRole(f *facts, d *diff, i int, removes []access.Member, held bool) verdict {
	of := map[string]Removal{}
	for _, at := range d.byRole[f.in.Desired.Bindings[i].Role] {
		b := &f.in.Observed.Bindings[at]
		for _, who := range b.Subjects {
			of[who.Ref] = Removal{Object: b.Key(), Ref: b.Ref}
		}
	}
	return f.part(removes, func(who access.Member) bool { return f.waits(of[who.Ref], held) })
}

// held returns all removals that wait for an approval.
func (v *verdicts) held(f *facts, d *diff) []Removal {
	if f.forbids() {
		return nil
	}
	var all []Removal
	for slot, m := range v.members {
		all = append(all, removalsOf(d.groups[slot].set.key, m.waits)...)
	}
	for i, verdicts := range v.leavers {
		for k, m := range verdicts {
			all = append(all, removalsOf(d.leavers[i][k].key, m.waits)...)
		}
	}
	all = append(all, v.heldOfRoles(f, d)...)
	for at, waits := range v.groups {
		if have := &f.in.Observed.Groups[at]; waits {
			all = append(all, Removal{Object: have.Key(), Ref: have.Ref})
		}
	}
	for at, end := range v.ends {
		if have := &f.in.Observed.Bindings[at]; end.waits {
			all = append(all, Removal{Object: have.Key(), Ref: have.Ref})
			all = append(all, f.leaversOf(d, at)...)
		}
	}
	return all
}

// leaversOf returns the members who leave a group if the end of its role, which the platform
// does not take, does not wait.
func (f *facts) leaversOf(d *diff, role int) []Removal {
	have := &f.in.Observed.Bindings[role]
	if len(f.immovable) == 0 || d.roleEnds[role] != roleDeleted || !f.immovable[Removal{Object: have.Key(), Ref: have.Ref}] {
		return nil
	}
	slot := f.roles[role].slot
	if slot == none || f.isDesired(slot) {
		return nil
	}
	group := f.group(slot)
	return removalsOf(access.Key{Kind: access.KindMembers, Group: group.Name}, f.present(group.Members))
}

// heldOfRoles returns the removals of subjects that wait.
func (v *verdicts) heldOfRoles(f *facts, d *diff) []Removal {
	var all []Removal
	for i, r := range v.roles {
		if !f.in.Rules.Separate {
			all = append(all, removalsOf(d.roles[i].set.key, r.waits)...)
			continue
		}
		leaves := refSet(r.waits, r.with)
		for _, at := range d.byRole[f.in.Desired.Bindings[i].Role] {
			if b := &f.in.Observed.Bindings[at]; leaves[b.Subjects[0].Ref] {
				all = append(all, Removal{Object: b.Key(), Ref: b.Ref})
			}
		}
	}
	return all
}

// removalsOf returns the removals of members from a set.
func removalsOf(key access.Key, members []access.Member) []Removal {
	all := make([]Removal, len(members))
	for i, who := range members {
		all[i] = Removal{Object: key, Ref: who.Ref}
	}
	return all
}
