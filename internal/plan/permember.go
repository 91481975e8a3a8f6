package plan

import (
	"maps"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/identity"
)

// memberRoles is the diff where each subject of a role has a binding of its own. There the
// set of a role is what is managed of it and what is desired; bindings of other systems
// satisfy a document and are touched by no step.
type memberRoles struct {
	// byRole are the places of the observed bindings of each role, one for each subject.
	byRole map[string][]int
	sets   []set // by place of the desired binding
	// holders is how many users have each role through Rollcall, or get it, for the guard.
	holders []int
	// staying are the users, by id, who keep a role that is no base role.
	staying map[string]bool
}

// roleKey names the set of all users who have the role, as Input.Keep does.
func roleKey(role string) access.Key { return access.Key{Kind: access.KindBinding, Role: role} }

// isBase reports whether users need the role before any other.
func (f *facts) isBase(role string) bool { return slices.Contains(f.in.Rules.Base, role) }

// addObservedRoles lets each observed role that no document gives have a desired set without
// members, so that what is left of it is compared like any other.
func (f *facts) addObservedRoles() {
	known := map[string]bool{}
	for _, b := range f.in.Desired.Bindings {
		known[b.Role] = known[b.Role] || b.Key() == roleKey(b.Role)
	}
	for at, b := range f.in.Observed.Bindings {
		if f.isMemberRole(at) && !known[b.Role] {
			known[b.Role] = true
			f.in.Desired.Bindings = append(f.in.Desired.Bindings, access.Binding{Role: b.Role})
		}
	}
	f.index()
}

// isMemberRole reports whether an observed binding counts and is one user's.
func (f *facts) isMemberRole(at int) bool {
	return !f.roles[at].second && len(f.in.Observed.Bindings[at].Subjects) == 1
}

// compareMemberRoles compares every role. A base role stays as long as another stays.
func (d *diff) compareMemberRoles(f *facts) {
	d.byRole, d.staying = map[string][]int{}, map[string]bool{}
	for at, b := range f.in.Observed.Bindings {
		if f.isMemberRole(at) {
			d.byRole[b.Role] = append(d.byRole[b.Role], at)
		}
	}
	elsewhere := f.wantedElsewhere()
	d.sets, d.holders = make([]set, len(d.roles)), make([]int, len(d.roles))
	rests := map[string]bool{} // users for whom another role stays
	for i, want := range f.in.Desired.Bindings {
		s := d.compareMemberRole(f, want, elsewhere)
		d.sets[i], d.holders[i] = s, d.holdersOf(f, want, s)
		if f.isBase(want.Role) {
			continue
		}
		maps.Copy(d.staying, refSet(s.stay))
		leaves := refSet(s.removes)
		for _, at := range d.byRole[want.Role] {
			if who := f.in.Observed.Bindings[at].Subjects[0].Ref; !leaves[who] || f.roles[at].owner != managed {
				rests[who] = true
			}
		}
	}
	for i, want := range f.in.Desired.Bindings {
		if f.isBase(want.Role) {
			d.sets[i] = d.sets[i].keeping(rests)
		}
	}
}

// keeping returns the set without the removal of some accounts.
func (s set) keeping(accounts map[string]bool) set {
	removes := s.removes
	s.removes = nil
	for _, who := range removes {
		if accounts[who.Ref] {
			s.stay = append(slices.Clip(s.stay), who)
			continue
		}
		s.removes = append(s.removes, who)
	}
	return s
}

// compareMemberRole compares one role.
func (d *diff) compareMemberRole(f *facts, want access.Binding, elsewhere map[[2]string]bool) set {
	kept, desired := asSet(f.kept[roleKey(want.Role)]), refSet(want.Subjects)
	shared := slices.Contains(f.in.Rules.Shared, want.Role)
	var have, others []access.Member
	stay := slices.Clone(want.Subjects)
	for _, at := range d.byRole[want.Role] {
		b := &f.in.Observed.Bindings[at]
		who := b.Subjects[0]
		if f.roles[at].owner != managed {
			others = append(others, who)
			continue
		}
		have = append(have, who)
		wanted := shared && (elsewhere[[2]string{b.Role, "ref " + who.Ref}] ||
			elsewhere[[2]string{b.Role, "name " + string(identity.IgnoreCase.Key(who.Name))}])
		if !desired[who.Ref] && (kept[who.Ref] || b.InUse || wanted) {
			stay = append(stay, who)
		}
	}
	key := roleKey(want.Role)
	return set{
		key: key, have: have, adds: without(want.Subjects, slices.Concat(have, others)),
		removes: d.withReasons(f, key, without(have, stay), "nothing gives this account the role"), stay: stay,
	}
}

// wantedElsewhere are the subjects of shared roles that other tenants desire, by role and
// id, and by role and name: where only its name is known there, the name decides, whatever its
// case.
func (f *facts) wantedElsewhere() map[[2]string]bool {
	wanted := map[[2]string]bool{}
	for _, b := range f.in.Elsewhere {
		for _, who := range b.Subjects {
			wanted[[2]string{b.Role, "ref " + who.Ref}] = who.Ref != ""
			wanted[[2]string{b.Role, "name " + string(identity.IgnoreCase.Key(who.Name))}] = who.Name != ""
		}
	}
	return wanted
}

// holdersOf counts who has the role through Rollcall, or gets it.
func (d *diff) holdersOf(f *facts, want access.Binding, s set) int {
	n, desired := len(s.adds), refSet(want.Subjects)
	for _, at := range d.byRole[want.Role] {
		who := f.in.Observed.Bindings[at].Subjects[0].Ref
		if !f.revoked[who] && (desired[who] || f.roles[at].owner == managed) {
			n++
		}
	}
	return n
}
