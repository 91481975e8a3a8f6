package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// deleteRole takes a role away, unless that waits: it is the last role of users, as if
// their group were emptied. It reports whether the role goes.
func (o *orderer) deleteRole(at int, why string) bool {
	have := o.in.Observed.Bindings[at]
	have.Subjects = slices.Clone(have.Subjects)
	for i, who := range have.Subjects {
		if text := o.ended[Removal{Object: have.Key(), Ref: who.Ref}]; text != "" && !o.in.Rules.Gone {
			have.Subjects[i].Why, why = text, text
		}
	}
	s := Step{Op: Delete, Have: Object{Binding: &have}, Why: why, Needs: o.beforeEnd(at)}
	if verdict := o.verdicts.ends[at]; verdict.waits {
		o.removeRevokedSubjects(have)
		o.hold(s, fmt.Sprintf("taking the role %q takes access from %d users", have.Role, verdict.users))
		return false
	}
	id := o.step(s)
	o.warnImmovable(at)
	if slot := o.facts.roles[at].slot; slot != none {
		o.progress[slot].taken = append(o.progress[slot].taken, Need{id, NeedsEnd})
	}
	return true
}

// beforeEnd are the steps that come before a role is taken: what its group gets instead,
// and what its users get elsewhere.
func (o *orderer) beforeEnd(at int) []Need {
	have, is := &o.in.Observed.Bindings[at], o.facts.roles[at]
	if is.slot == none {
		return needs(o.arrivals(have.Subjects))
	}
	if _, replaced := o.former[is.slot]; replaced { // it goes before its group does
		return nil
	}
	first := slices.Concat(o.beforeRemovals(is.slot), o.arrivals(o.group(is.slot).Members))
	if !o.repurposed(is.slot) || is.owner != managed {
		// Else members who come would have the old role for a while.
		first = slices.Concat(first, o.progress[is.slot].given)
	}
	return needs(first)
}

// removeRevokedSubjects takes those whose access is revoked by name out of a binding whose
// end is held.
func (o *orderer) removeRevokedSubjects(have access.Binding) {
	if gone := o.revokedOf(have.Subjects); len(gone) > 0 && !o.in.Rules.Separate {
		s, _ := rewrite(have, nil, gone)
		o.step(s)
	}
}

// revokedOf returns those of the members whose access is revoked by name.
func (o *orderer) revokedOf(members []access.Member) []access.Member {
	if len(o.revoked) == 0 {
		return nil
	}
	var gone []access.Member
	for _, who := range members {
		if o.revoked[who.Ref] {
			who.Why = "access is revoked by name"
			gone = append(gone, who)
		}
	}
	return gone
}

// orderExternal plans a role that another system gave to a managed group.
func (o *orderer) orderExternal(e external, decided copyVerdict) {
	have := o.in.Observed.Bindings[e.at]
	given := fmt.Sprintf("the role %q was given to the group %q by another system and ", have.Role, have.Group)
	object := have.Key().String()
	slot := o.facts.roles[e.at].slot
	switch {
	case e.removed:
		if o.removeExternal(e) {
			o.warning(access.ForeignPermissionRemoved, object, given+"is removed: put it into a role mapping to keep it")
		}
	case e.replaced != none && o.replacements[e.replaced].ready && o.in.Rules.Cleanup:
		o.dropExternal(e, decided, given)
	case o.isDeleted(slot):
		o.warning(access.ForeignPermissionRemoved, object, given+"goes with the group: give it to another group to keep it")
	case have.Shielded:
		o.warning(access.ForeignPermissionKept, object, given+"is kept, as this platform asks for: put it into a role mapping")
	default:
		o.warning(access.ForeignPermissionKept, object, given+
			"is kept: put it into a role mapping, or set additionalPermissions to remove")
	}
}

// isDeleted reports whether the managed group of a slot is deleted.
func (o *orderer) isDeleted(slot int) bool {
	at := o.seen[slot]
	return !o.isDesired(o.facts.groups[at].slot) && o.in.Rules.Cleanup && !o.deletionWaits(at, o.holdsGroup(o.facts, at))
}

// removeExternal takes a role that another system gave. From a group that is replaced it
// is taken at once, but where the new group gets it, or where it is the last one there:
// then it goes with the managed ones.
func (o *orderer) removeExternal(e external) bool {
	const why = "additionalPermissions is remove, and Rollcall did not give this role"
	if !e.with {
		return o.deleteRole(e.at, why)
	}
	have := o.in.Observed.Bindings[e.at]
	have.Subjects = slices.Clone(have.Subjects)
	r := &o.replacing[e.replaced]
	r.takes = append(r.takes, Step{Op: Delete, Have: Object{Binding: &have}, Why: why})
	return true
}

// endGroup plans an observed group that no document asks for.
func (o *orderer) endGroup(at int) {
	have := o.in.Observed.Groups[at]
	switch o.groupEnds[at] {
	case groupUnclear:
		o.unclear(have.Key())
	case groupCleanupOff:
		o.cleanupOff(have)
		if !o.removeMembers(at) {
			o.removeRevoked(have)
		}
	case groupDeleted:
		o.deleteGroup(at, o.removeMembers(at))
	case groupUnchanged, groupReplaced:
	}
}

func (o *orderer) cleanupOff(have access.Group) {
	o.warning(access.CleanupOff, have.Name, fmt.Sprintf(
		"no role mapping asks for the group %q any more, and cleanup is off on this platform: "+
			"remove it there, or set skipUserGroupPermissionCleanup to false", have.Name))
}

// removeRevoked takes those whose access is revoked by name out of a group that stays
// although no document asks for it.
func (o *orderer) removeRevoked(have access.Group) {
	for _, s := range o.memberSteps(have, nil, o.revokedOf(have.Members)) {
		o.step(s)
	}
}

// removeMembers removes all members of a group of which the platform does not take a role
// that should go. It reports whether there is such a role.
func (o *orderer) removeMembers(at int) bool {
	if len(o.immovable) == 0 {
		return false
	}
	have, slot := o.in.Observed.Groups[at], o.facts.groups[at].slot
	i := o.immovableRole(have.Name)
	if i == none || o.facts.roles[i].slot != slot || o.roleEnds[i] != roleDeleted || o.verdicts.ends[i].waits {
		return false
	}
	why := fmt.Sprintf("the platform does not take the role %q from the group, so its members leave it", o.in.Observed.Bindings[i].Role)
	members := slices.Clone(have.Members)
	for k := range members {
		members[k].Why = why
	}
	for _, s := range o.memberSteps(have, nil, members) {
		s.Needs, s.Empties = needs(o.arrivals(s.Removes())), true
		o.step(s)
	}
	return true
}

// warnImmovable warns of a role that the platform does not take from a group which is still
// desired. Its members stay: they would lose what the group gives them besides.
func (o *orderer) warnImmovable(at int) {
	have, slot := o.in.Observed.Bindings[at], o.facts.roles[at].slot
	if slot == none || !o.isDesired(slot) || !o.immovable[Removal{Object: have.Key(), Ref: have.Ref}] {
		return
	}
	o.warning(access.PlatformRefused, have.Key().String(), fmt.Sprintf(
		"the platform does not take the role %q from the group %q, so its members keep it beside what they should have: remove it there",
		have.Role, have.Group))
}

// removeFromReplaced takes the members out of old groups of which the platform does not take a
// role, once the new group is complete: they have all that they should have through it.
func (o *orderer) removeFromReplaced(i int) {
	r := &o.replacing[i]
	if len(o.immovable) == 0 || len(r.build)+len(r.waits) > 0 {
		return
	}
	for k, old := range r.olds {
		at := o.immovableRole(old.Name)
		if at == none || o.roleEnds[at] != roleReplaced || o.verdicts.ends[at].waits {
			continue
		}
		why := fmt.Sprintf("the platform does not take the role %q from the group, and the group %q replaces it",
			o.in.Observed.Bindings[at].Role, o.names[o.replacements[i].to])
		members := slices.Clone(without(old.Members, o.verdicts.leavers[i][k].goes))
		for m := range members {
			members[m].Why = why
		}
		for _, s := range o.memberSteps(old, nil, members) {
			o.step(s)
		}
	}
}

// immovableRole returns the place of a binding of the group that the platform does not
// take, or none.
func (o *orderer) immovableRole(group string) int {
	first, end := o.rolesOf(group)
	for i := first; i < end; i++ {
		if have := &o.in.Observed.Bindings[i]; o.immovable[Removal{Object: have.Key(), Ref: have.Ref}] {
			return i
		}
	}
	return none
}

// deleteGroup deletes a group, unless that waits. Of an emptied group no member is left to
// revoke.
func (o *orderer) deleteGroup(at int, emptied bool) {
	have := o.in.Observed.Groups[at]
	s := deletion(have, o.unwanted("group"))
	if !o.verdicts.groups[at] {
		s.Needs = needs(slices.Concat(o.progress[o.facts.groups[at].slot].taken, o.arrivals(have.Members)))
		o.step(s)
		return
	}
	if !emptied {
		o.removeRevoked(have)
	}
	members := len(o.present(have.Members))
	if members == 0 && o.emptied[have.Name] {
		o.hold(s, fmt.Sprintf("deleting the group %q, whose members left it because the platform did not take a role", have.Name))
		return
	}
	if o.in.Rules.Gone && !o.verdicts.closed {
		o.holdFor(s, fmt.Sprintf("the tenant is removed; deleting its group %q with %d members waits for an approval: "+
			"automateDeletionApproval on the landing zone gives it beforehand", have.Name, members))
		return
	}
	o.hold(s, fmt.Sprintf("deleting the group %q takes access from its %d members", have.Name, members))
}

// deletion returns the step that deletes the group.
func deletion(have access.Group, why string) Step {
	have.Members = nil
	return Step{Op: Delete, Have: Object{Group: &have}, Why: why}
}

// unwanted says why a group or a role goes.
func (o *orderer) unwanted(what string) string {
	if o.in.Rules.Gone {
		return "the tenant is removed"
	}
	return "no role mapping asks for this " + what
}

// holdMembers holds the removals of a group's members that wait.
func (o *orderer) holdMembers(have access.Group, verdict verdict) {
	text := fmt.Sprintf("removing %d of the %d members of %q", len(verdict.waits), len(have.Members), have.Name)
	for _, s := range o.memberSteps(have, nil, verdict.waits) {
		o.hold(s, text)
	}
}

// hold keeps s for an approval, because of the limit that is reached.
func (o *orderer) hold(s Step, text string) {
	if o.verdicts.closed {
		o.holdFor(s, text+": "+o.in.Rules.Guard.Closed+"; it waits for an approval")
		return
	}
	o.holdFor(s, text+": above the guard's limit, it waits for an approval")
}

// holdFor keeps s for an approval, and says why; where removals are forbidden it leaves s
// out.
func (o *orderer) holdFor(s Step, text string) {
	if o.forbids() {
		o.forbid(s)
		return
	}
	s.Needs = nil
	s = named(o.in.Tenant, s)
	o.plan.Held = append(o.plan.Held, s)
	o.warning(access.RemovalHeld, s.Object, text+o.rejected(s))
}

// rejected says who rejected the step, and why; empty where nobody did.
func (o *orderer) rejected(s Step) string {
	for _, r := range s.Removals() {
		if no, rejected := o.rejectedBy[r]; rejected {
			return fmt.Sprintf("; %s rejected it: %s", no.By, no.Reason)
		}
	}
	return ""
}

// maxListed is how many objects the warning about forbidden removals lists.
const maxListed = 10

// forbid keeps s out of the plan because removals are forbidden.
func (o *orderer) forbid(s Step) {
	s.Needs = nil
	o.plan.Forbidden = append(o.plan.Forbidden, named(o.in.Tenant, s))
}

// keepRole leaves a group as it is that granted another project role until now: its
// members stay, so they would get the roles of the new one.
func (o *orderer) keepRole(slot int, have access.Group) {
	o.holdMembers(have, o.members[slot])
	want := &o.in.Desired.Groups[slot]
	o.warning(access.RemovalsForbidden, want.Name, fmt.Sprintf(
		"%s forbids removals, and the group %q has the members of the role %q, so it gets no members and no roles of %q: "+
			"allow removals there, or choose another groupAlias for %q",
		o.in.Rules.ForbiddenBy, have.Name, o.grants(o.seen[slot]), want.Serves, want.Serves))
}

// restricts reports whether a binding under another condition may grant less.
func restricts(want, have access.Binding) bool {
	return want.Condition != "" && want.Condition != have.Condition
}

// warnForbidden adds the one warning that lists what stays because removals are forbidden.
func (o *orderer) warnForbidden() {
	accounts := map[access.Key]int{}
	items := slices.Clone(o.preservedNames)
	for _, s := range o.plan.Forbidden {
		key := s.Key()
		if key.Kind == access.KindBinding && key.Group != "" && s.Op == Change {
			items = append(items, fmt.Sprintf("the condition of the role %q of the group %q", key.Role, key.Group))
			continue
		}
		key.Name = "" // all bindings of a role are one object
		accounts[key] += len(s.Removes())
	}
	for _, key := range slices.SortedFunc(maps.Keys(accounts), access.Key.Compare) {
		items = append(items, o.forbiddenText(key, accounts[key]))
	}
	if len(items) == 0 {
		return
	}
	if rest := len(items) - maxListed; rest > 0 {
		items = append(items[:maxListed:maxListed], fmt.Sprintf("%d more", rest))
	}
	o.warning(access.RemovalsForbidden, o.in.Tenant.String(), fmt.Sprintf(
		"%s forbids removals, so this stays although the documents do not ask for it: %s: "+
			"set removals to allow there, or remove a user everywhere with rollcall revoke",
		o.in.Rules.ForbiddenBy, strings.Join(items, ", ")))
}

// forbiddenText names an object that stays, with the number of accounts that keep it.
func (o *orderer) forbiddenText(key access.Key, accounts int) string {
	members := len(o.present(o.group(o.slotOf(key.Group)).Members))
	switch {
	case key.Kind == access.KindMembers:
		return fmt.Sprintf("%d of the %d members of %q", accounts, members, key.Group)
	case key.Kind == access.KindGroup:
		return fmt.Sprintf("the group %q (members: %d)", key.Group, members)
	case key.Group == "":
		return fmt.Sprintf("the role %q (users: %d)", key.Role, accounts)
	default:
		return fmt.Sprintf("the role %q of the group %q", key.Role, key.Group)
	}
}

// RemovesAccess reports whether the step may take access from an account, by id, that is
// not among the revoked ones.
func (s Step) RemovesAccess(revoked []string) bool {
	if have, want := s.Have.Binding, s.Want.Binding; s.Op == Change && have != nil && want != nil && restricts(*want, *have) {
		return true
	}
	if s.Op == Delete && s.Kind == access.KindBinding && s.Have.Binding.Group == "" || s.Op == Change {
		return slices.ContainsFunc(s.Removes(), func(who access.Member) bool { return !slices.Contains(revoked, who.Ref) })
	}
	return s.Op == Delete
}
