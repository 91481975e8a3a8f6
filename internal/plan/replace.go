package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// replacing is a replacement while its steps are put in order.
type replacing struct {
	olds []access.Group
	// leaving are the steps that take out the members who do not get the new group.
	leaving []string
	// takes end the old groups' roles, once nothing waits.
	takes     []Step
	build     []string
	waits     []string // what the old groups stay for
	undecided int      // external roles that could be copied
	offered   map[string]bool
	loses     []access.Binding
}

// start begins a replacement: while another group has the name, the old ones stay.
func (r *replacing) start(f *facts, i int) {
	r.offered = map[string]bool{}
	for _, at := range f.replacements[i].olds {
		r.olds = append(r.olds, f.in.Observed.Groups[at])
	}
	if !f.replacements[i].ready {
		r.wait(fmt.Sprintf("the name %q, which an unmanaged group has", f.names[f.replacements[i].to]))
	}
}

// wait keeps the old groups, and says for what.
func (r *replacing) wait(what string) { r.waits = append(r.waits, what) }

// removeLeavers takes the members who do not get the new group out of the old ones.
func (o *orderer) removeLeavers(next int) {
	r := &o.replacing[next]
	for i, old := range r.olds {
		verdict := o.verdicts.leavers[next][i]
		o.holdMembers(old, verdict)
		if len(verdict.waits) > 0 {
			r.wait(fmt.Sprintf("a decision on %d users who leave it", len(verdict.waits)))
		}
		leave, move := o.split(verdict.goes)
		for _, s := range o.memberSteps(old, nil, leave) {
			r.leaving = append(r.leaving, o.step(s))
		}
		for _, s := range o.memberSteps(old, nil, move) {
			o.moving = append(o.moving, moving{Step: s, from: next})
		}
	}
}

// left notes a step that takes out members who move elsewhere. If they move to a group
// that replaces another, too, they arrive only with that replacement, so the end of their
// old group is for the next plan.
func (o *orderer) left(next int, id string, needs []Need) {
	r := &o.replacing[next]
	r.leaving = append(r.leaving, id)
	if slices.ContainsFunc(needs, func(need Need) bool { return o.isBuild(need.ID) }) {
		r.wait("users who move to another group that changes its name; the next plan goes on")
	}
}

// isBuild reports whether the step, by ID, builds a new group.
func (o *orderer) isBuild(id string) bool {
	_, builds := o.builds[id]
	return builds
}

// endReplaced plans the end of a managed role on an old group.
func (o *orderer) endReplaced(at int) {
	have := o.in.Observed.Bindings[at]
	next := o.former[o.facts.roles[at].slot]
	r := &o.replacing[next]
	if !o.replacements[next].ready {
		return
	}
	to := o.names[o.replacements[next].to]
	s := Step{Op: Delete, Have: Object{Binding: &have}, Why: fmt.Sprintf("the group %q has the role now", to)}
	if !o.wantsRole(to, have.Role) {
		s.Why = "no role mapping asks for this role"
	}
	if verdict := o.verdicts.ends[at]; verdict.waits {
		o.hold(s, fmt.Sprintf("taking the role %q takes access from %d users", have.Role, verdict.users))
		r.wait(fmt.Sprintf("a decision on its role %q", have.Role))
		return
	}
	r.takes = append(r.takes, s)
}

// dropExternal notes a role that another system gave to an old group and that goes with
// it, or offers to copy it: that grants what no document asks for, so an operator decides.
func (o *orderer) dropExternal(e external, decided copyVerdict, given string) {
	r, slot := &o.replacing[e.replaced], o.replacements[e.replaced].to
	have, to := o.in.Observed.Bindings[e.at], o.names[slot]
	switch {
	case e.ends:
		r.wait(fmt.Sprintf("the end of the managed role %q on %q; the next plan goes on", have.Role, to))
		return
	case e.given:
		return // nobody loses it
	}
	object := have.Key().String()
	goes := given + fmt.Sprintf("goes with the group, which %q replaces", to)
	if !o.in.Rules.Carry || o.in.Rules.Additional == RemoveAdditional || have.Shielded || r.offered[have.Role] {
		r.loses = append(r.loses, have)
		o.warning(access.ForeignPermissionRemoved, object, goes+": give it to that group to keep it")
		return
	}
	r.offered[have.Role] = true
	s := o.copied(e)
	switch decided {
	case copyApproved:
		s.Needs = o.progress[slot].created
		o.build(slot, s)
		o.warning(access.ForeignPermissionKept, object, given+fmt.Sprintf("is copied to %q, as an operator approved", to))
	case copyRejected:
		r.loses = append(r.loses, have)
		o.warning(access.ForeignPermissionRemoved, object, goes+o.rejected(s))
	case copyUndecided:
		r.loses = append(r.loses, have)
		r.undecided++
		o.holdFor(s, fmt.Sprintf("another system gave the role %q to %q, which goes: copying it to %q waits for an approval, "+
			"as it grants what no document asks for; rejected, it goes with the group", have.Role, have.Group, to))
		o.warning(access.ForeignPermissionRemoved, object, goes+", unless an operator approves that it is copied")
	}
}

// copied returns the step that gives the new group an external role of the old one.
func (f *facts) copied(e external) Step {
	have := &f.in.Observed.Bindings[e.at]
	slot := f.replacements[e.replaced].to
	s := Step{
		Op: Create, Carries: cmp.Or(have.Ref, "carry"),
		Why: fmt.Sprintf("another system gave it to %q, which this group replaces", have.Group),
	}
	s.Want.Binding = &access.Binding{
		Role: have.Role, Group: f.names[slot], GroupRef: f.group(slot).Ref, Condition: have.Condition, Carried: true,
	}
	return s
}

// finishReplacements plans the end of the old groups that nothing holds.
func (o *orderer) finishReplacements() {
	strict := false
	for i := range o.replacing {
		strict = o.finishReplacement(i) || strict
		o.removeFromReplaced(i)
	}
	if strict {
		o.plan.Steps = inOrder(o.plan.Steps)
	}
}

// finishReplacement lists the replacement, if there is something to remove or to wait for,
// and reports whether its steps have to be put in another order.
func (o *orderer) finishReplacement(i int) bool {
	r, to := &o.replacing[i], o.names[o.replacements[i].to]
	ends := o.endOlds(i)
	if !o.replaces(i) {
		return false
	}
	if r.undecided > 0 {
		r.wait(fmt.Sprintf("a decision on %d roles that another system gave to it and that could be copied", r.undecided))
	}
	from := slices.Clone(r.olds)
	for i := range from {
		from[i].Members = nil
	}
	out := Renaming{
		ID: o.replacementID(i), Mode: cmp.Or(o.in.Rules.Rename, Recreate), From: from[0], Also: from[1:], To: to,
		Build: r.build, Waits: len(r.waits) > 0, Loses: r.loses,
	}
	if out.Mode == InPlace {
		out.Mode = Recreate
	}
	if len(out.Also) == 0 {
		out.Also = nil
	}
	switch {
	case out.Waits:
		for _, old := range r.olds {
			o.warning(access.RenameWaiting, old.Name, fmt.Sprintf(
				"the group %q is to be replaced by %q and stays for now, with its roles: it waits for %s",
				old.Name, to, strings.Join(r.waits, ", and for ")))
		}
	case len(r.takes)+len(ends) == 0:
		return false
	default:
		out.Remove = o.removeOlds(i, out.Mode, ends)
	}
	o.plan.Renames = append(o.plan.Renames, out)
	return out.Mode == Strict && !out.Waits && o.afterRemoval(out)
}

// replaces reports whether something is left to take from the old groups.
func (o *orderer) replaces(i int) bool {
	return o.in.Rules.Cleanup || slices.ContainsFunc(o.replacements[i].olds, func(at int) bool {
		return o.rights[o.facts.groups[at].slot] > 0
	})
}

// endOlds returns the steps that delete the old groups.
func (o *orderer) endOlds(i int) []Step {
	var ends []Step
	r, to := &o.replacing[i], o.names[o.replacements[i].to]
	for k, at := range o.replacements[i].olds {
		old := r.olds[k]
		s := deletion(old, fmt.Sprintf("the group has the name %q now", to))
		switch {
		case !o.in.Rules.Cleanup:
			o.cleanupOff(old)
		case !o.replacements[i].ready:
		case o.verdicts.groups[at]:
			o.holdFor(s, fmt.Sprintf("deleting the group %q, which %q replaces", old.Name, to))
			r.wait("the end of the rejection of its deletion")
		default:
			ends = append(ends, s)
		}
	}
	return ends
}

// removeOlds adds the steps that end the old groups: their roles first.
func (o *orderer) removeOlds(i int, mode Rename, ends []Step) []string {
	r := &o.replacing[i]
	first := needsOf(r.leaving, NeedsReplacement)
	if mode == Recreate {
		first = append(first, needsOf(r.build, NeedsReplacement)...)
	}
	first = needs(first)
	var all []string
	taken := map[string][]Need{}
	for _, s := range r.takes {
		s.Needs = first
		id, group := o.step(s), s.Have.Binding.Group
		all, taken[group] = append(all, id), append(taken[group], Need{id, NeedsEnd})
	}
	for _, s := range ends {
		name := s.Have.Group.Name
		also := o.progress[o.slots[name]].taken
		if s.Needs = slices.Concat(taken[name], also); len(taken[name]) == 0 {
			s.Needs = slices.Concat(first, also)
		}
		all = append(all, o.step(s))
	}
	return all
}

// afterRemoval lets what builds the new group come after the old one's end. It reports
// whether that puts steps out of order.
func (o *orderer) afterRemoval(r Renaming) bool {
	for _, id := range r.Build {
		s := &o.plan.Steps[o.builds[id]]
		s.Needs = needs(slices.Concat(s.Needs, needsOf(r.Remove, NeedsReplacement)))
	}
	return len(r.Build) > 0
}

// replacementID derives the replacement's ID from the tenant and the groups.
func (o *orderer) replacementID(i int) string {
	t, old := o.in.Tenant, &o.replacing[i].olds[0]
	sig := make(signature, 0, 512)
	sig.text("renaming", t.Workspace, t.Project, t.Platform, old.Name, old.Ref, o.names[o.replacements[i].to])
	return digest(sig)
}

// inOrder sorts steps so that each comes after those that it needs, and stays where it is
// otherwise.
func inOrder(steps []Step) []Step {
	place := make(map[string]int, len(steps))
	for i, s := range steps {
		place[s.ID] = i
	}
	sorted := make([]Step, 0, len(steps))
	done := make([]bool, len(steps))
	var add func(i int)
	add = func(i int) {
		if done[i] {
			return
		}
		done[i] = true
		for _, need := range steps[i].Needs {
			add(place[need.ID])
		}
		sorted = append(sorted, steps[i])
	}
	for i := range steps {
		add(i)
	}
	return sorted
}
