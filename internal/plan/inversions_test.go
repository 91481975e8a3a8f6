package plan_test

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/plan"
)

// inversion is an edit of the planner's source that makes one rule of the package comment
// wrong. The named test must fail with it.
type inversion struct {
	// rule is a cell of a table, "row: column", or a section for its prose.
	rule string
	// says quotes the row's cell, or a sentence of the section, word by word.
	says string
	// file has old once; new replaces it.
	file, old, new string
	// test fails with the inversion.
	test string
	// always is true for those that run outside make soak, too.
	always bool
}

// inversions has at least one entry for each word in the tables of the package comment, and
// for each rule in its prose.
func inversions() []inversion {
	return concat(
		ownershipInversions(), truthInversions(), memberRoleInversions(), truthProseInversions(),
		replacementInversions(), replacementProseInversions(), orderInversions(), removalInversions(), guardInversions(),
		forbiddenInversions(),
	)
}

func concat(lists ...[]inversion) []inversion {
	var all []inversion
	for _, list := range lists {
		all = append(all, list...)
	}
	return all
}

func ownershipInversions() []inversion {
	const rule = "The truth table"
	return []inversion{
		{
			rule: rule, says: "An object is managed when the ledger has it and its ownership marker, where one was read, agrees.",
			file: "normalise.go", old: "case known && mark.Agrees(f.in.Rules.Mark):", new: "case known:",
			test: "TestGoldenMeaning/009-unclear-ledger-only",
		}, {
			rule: rule, says: "An object is managed when the ledger has it and its ownership marker, where one was read, agrees.",
			file: "normalise.go", old: "case known && mark.Agrees(f.in.Rules.Mark):", new: "case known && marked:",
			test: "TestGoldenMeaning/035-role-swap",
		}, {
			rule: rule, says: "It is unclear when only one of the two says so",
			file: "normalise.go", old: "case known || marked:", new: "case known:",
			test: "TestGoldenMeaning/008-unclear-mark-only",
		}, {
			rule: rule, says: "It is unclear when only one of the two says so",
			file: "normalise.go", old: "case known || marked:", new: "case marked:",
			test: "TestGoldenMeaning/009-unclear-ledger-only",
		}, {
			rule: rule, says: "and unmanaged when neither does",
			file: "normalise.go", old: "case known || marked:", new: "case known || marked || true:",
			test: "TestGoldenMeaning/007-foreign-group",
		},
	}
}

func truthInversions() []inversion {
	return []inversion{
		{
			rule: "yes/no/-: group", says: "create,",
			file: "order.go", old: "case groupCreated:\n\t\to.createGroup(slot)\n", new: "case groupCreated:\n",
			test: "TestGoldenMeaning/001-new-tenant",
		}, {
			rule: "yes/no/-: group", says: "then fill",
			file: "order.go", old: "o.createGroup(slot)\n\t\to.changeMembers(slot, have)", new: "o.createGroup(slot)",
			test: "TestGoldenMeaning/001-new-tenant",
		}, {
			rule: "yes/no/-: binding", says: "create",
			file: "order.go", old: "case roleCreated:\n\t\to.createRole(slot, want)", new: "case roleCreated:",
			test: "TestGoldenMeaning/004-role-added",
		}, {
			rule: "yes/yes/managed: group", says: "add",
			file: "diff.go", old: "adds: without(want, have), removes:", new: "removes:",
			test: "TestGoldenMeaning/003-one-added-one-removed",
		}, {
			rule: "yes/yes/managed: group", says: "and remove members",
			file: "diff.go", old: "removes: without(have, want), stay: want}", new: "stay: want}",
			test: "TestGoldenMeaning/003-one-added-one-removed", always: true,
		}, {
			rule: "yes/yes/managed: binding", says: "subjects differ: change",
			file: "order.go", old: "if len(set.adds)+len(leave) > 0 {", new: "if false {",
			test: "TestGoldenMeaning/043-subjects-change",
		}, {
			rule: "yes/yes/unclear: group", says: "adopted: mark it, managed",
			file: "normalise.go", old: "if is.adopted && f.isDesired(is.slot) {", new: "if is.owner != unclear && is.adopted && f.isDesired(is.slot) {",
			test: "TestGoldenMeaning/152-adopt-leftover",
		}, {
			rule: "yes/yes/unclear: group", says: "else ownership-unclear",
			file: "order.go", old: "if owner == unclear {\n\t\t\to.unclear(have.Key())", new: "if owner == unclear {",
			test: "TestGoldenMeaning/008-unclear-mark-only",
		}, {
			rule: "yes/yes/unclear: group", says: "else ownership-unclear",
			file: "order.go", old: "if owner == unclear {\n\t\t\to.unclear(have.Key())", new: "if owner == unclear {\n\t\t\to.unclear(have.Key())\n\t\t\to.takeOver(slot, have)",
			test: "TestGoldenMeaning/008-unclear-mark-only",
		}, {
			rule: "yes/yes/unclear: binding", says: "on a managed group: no step;",
			file: "diff.go", old: "case want.Condition == have.Condition:", new: "case want.Condition == have.Condition && owner != unclear:",
			test: "TestGoldenMeaning/053-unclear-binding-wanted",
		}, {
			rule: "yes/yes/unclear: binding", says: "else ownership-unclear,",
			file: "order.go", old: "case roleUnclear:\n\t\to.unclear(have.Key())", new: "case roleUnclear:",
			test: "TestGoldenMeaning/047-subjects-unclear",
		}, {
			rule: "yes/yes/unclear: binding", says: "no step",
			file: "order.go", old: "case roleUnclear:\n\t\to.unclear(have.Key())",
			new:  "case roleUnclear:\n\t\to.unclear(have.Key())\n\t\ts := o.compareSet(o.facts, want.Key(), want.Subjects, have.Subjects, \"\")\n\t\to.changeSubjects(have, s, verdict{goes: s.removes})",
			test: "TestGoldenMeaning/047-subjects-unclear",
		}, {
			rule: "yes/yes/unmanaged: group", says: "adopted:",
			file: "normalise.go", old: "if is.adopted && f.isDesired(is.slot) {", new: "if is.owner != unmanaged && is.adopted && f.isDesired(is.slot) {",
			test: "TestGoldenMeaning/150-adopt",
		}, {
			rule: "yes/yes/unmanaged: group", says: "mark it,",
			file: "order.go", old: "case o.facts.groups[o.seen[slot]].owner == managed:", new: "case true:",
			test: "TestGoldenMeaning/150-adopt",
		}, {
			rule: "yes/yes/unmanaged: group", says: "managed",
			file: "diff.go", old: "return g.is == groupCreated || g.is == groupManaged", new: "return g.is == groupCreated",
			test: "TestGoldenMeaning/150-adopt",
		}, {
			rule: "yes/yes/unmanaged: group", says: "else object-unmanaged",
			file: "order.go", old: "o.warning(access.ObjectForeign, o.names[slot],", new: "o.warning(access.OwnershipUnclear, o.names[slot],",
			test: "TestGoldenMeaning/007-foreign-group",
		}, {
			rule: "yes/yes/unmanaged: group", says: "else object-unmanaged",
			file: "order.go", old: "} else {\n\t\t\to.warning(access.ObjectForeign, o.names",
			new:  "} else {\n\t\t\to.takeOver(slot, have)\n\t\t\to.warning(access.ObjectForeign, o.names",
			test: "TestGoldenMeaning/007-foreign-group",
		}, {
			rule: "yes/yes/unmanaged: binding", says: "on a managed group: no step;",
			file: "diff.go", old: "case want.Condition == have.Condition:", new: "case want.Condition == have.Condition && owner != unmanaged:",
			test: "TestGoldenMeaning/033-foreign-binding-wanted",
		}, {
			rule: "yes/yes/unmanaged: binding", says: "else object-unmanaged,",
			file: "order.go", old: "o.warning(access.ObjectForeign, want.Key().String(),", new: "o.warning(access.OwnershipUnclear, want.Key().String(),",
			test: "TestGoldenMeaning/046-subjects-foreign",
		}, {
			rule: "yes/yes/unmanaged: binding", says: "no step",
			file: "order.go", old: "case roleUnmanaged:\n",
			new:  "case roleUnmanaged:\n\t\ts := o.compareSet(o.facts, want.Key(), want.Subjects, have.Subjects, \"\")\n\t\to.changeSubjects(have, s, verdict{goes: s.removes})\n",
			test: "TestGoldenMeaning/046-subjects-foreign",
		}, {
			rule: "no/yes/managed: group", says: "grants a role that another group should grant: replace",
			file: "names.go", old: "if slot := f.grantedBy(f.grants(at)); slot != none {", new: "if slot := f.grantedBy(f.grants(at)); slot != none && false {",
			test: "TestGoldenMeaning/110-rename-recreate",
		}, {
			rule: "no/yes/managed: group", says: "else cleanup on: delete",
			file: "ends.go", old: "case groupDeleted:\n\t\to.deleteGroup(at, o.removeMembers(at))", new: "case groupDeleted:",
			test: "TestGoldenMeaning/017-leftover-cleanup-on",
		}, {
			rule: "no/yes/managed: group", says: "cleanup off: cleanup-off",
			file: "diff.go", old: "case !f.in.Rules.Cleanup:", new: "case false:",
			test: "TestGoldenMeaning/018-leftover-cleanup-off",
		}, {
			rule: "no/yes/managed: group", says: "cleanup off: cleanup-off",
			file: "ends.go", old: "case groupCleanupOff:\n\t\to.cleanupOff(have)\n", new: "case groupCleanupOff:\n",
			test: "TestGoldenMeaning/018-leftover-cleanup-off",
		}, {
			rule: "no/yes/managed: binding", says: "delete;",
			file: "order.go", old: "case roleDeleted:\n\t\t\to.deleteRole(at, o.unwanted(\"role\"))", new: "case roleDeleted:",
			test: "TestGoldenMeaning/035-role-swap",
		}, {
			rule: "no/yes/managed: binding", says: "with a group that is replaced see below",
			file: "diff.go", old: "replaced {\n\t\t\td.roleEnds[i] = roleReplaced", new: "replaced && false {\n\t\t\td.roleEnds[i] = roleReplaced",
			test: "TestGoldenMeaning/110-rename-recreate",
		}, {
			rule: "no/yes/unclear: group", says: "ownership-unclear,",
			file: "ends.go", old: "case groupUnclear:\n\t\to.unclear(have.Key())", new: "case groupUnclear:",
			test: "TestGoldenMeaning/010-unclear-leftover",
		}, {
			rule: "no/yes/unclear: group", says: "no step",
			file: "ends.go", old: "case groupUnclear:\n\t\to.unclear(have.Key())", new: "case groupUnclear:\n\t\to.unclear(have.Key())\n\t\to.deleteGroup(at, false)",
			test: "TestGoldenMeaning/010-unclear-leftover",
		}, {
			rule: "no/yes/unclear: binding", says: "ownership-unclear,",
			file: "order.go", old: "case roleEndUnclear:\n\t\t\to.unclear(have.Key())", new: "case roleEndUnclear:\n\t\t\t_ = have",
			test: "TestGoldenMeaning/034-unclear-binding",
		}, {
			rule: "no/yes/unclear: binding", says: "no step",
			file: "order.go", old: "case roleEndUnclear:\n\t\t\to.unclear(have.Key())", new: "case roleEndUnclear:\n\t\t\to.unclear(have.Key())\n\t\t\to.deleteRole(at, \"inverted\")",
			test: "TestGoldenMeaning/034-unclear-binding",
		}, {
			rule: "no/yes/unmanaged: group", says: "untouched",
			file: "diff.go", old: "case is.owner == unmanaged, f.isDesired(is.slot) && !second:", new: "case f.isDesired(is.slot) && !second:",
			test: "TestGoldenMeaning/020-leftover-foreign",
		}, {
			rule: "no/yes/unmanaged: binding", says: "on a managed group: kept",
			file: "diff.go", old: "removed: f.in.Rules.Additional == RemoveAdditional && !have.Shielded}", new: "removed: !have.Shielded}",
			test: "TestGoldenMeaning/030-foreign-permission-kept",
		}, {
			rule: "no/yes/unmanaged: binding", says: "or removed, as Additional says;",
			file: "diff.go", old: "removed: f.in.Rules.Additional == RemoveAdditional && !have.Shielded}", new: "removed: false}",
			test: "TestGoldenMeaning/031-foreign-permission-removed",
		}, {
			rule: "no/yes/unmanaged: binding", says: "else untouched",
			file: "diff.go", old: "if _, owner := f.found(slot); owner != managed {\n\t\treturn\n\t}", new: "if slot == none {\n\t\treturn\n\t}",
			test: "TestGoldenMeaning/020-leftover-foreign",
		}, {
			rule: "no/yes/unmanaged: binding", says: "else untouched",
			file: "diff.go", old: "if _, owner := f.found(slot); owner != managed {\n\t\treturn\n\t}",
			new:  "if _, owner := f.found(slot); owner != managed {\n\t\tif slot == none {\n\t\t\td.roleEnds[i] = roleDeleted\n\t\t}\n\t\treturn\n\t}",
			test: "TestGoldenMeaning/049-subjects-leftover",
		},
	}
}

func memberRoleInversions() []inversion {
	const of = ": binding of one user"
	return []inversion{
		{
			rule: "yes/no/-" + of, says: "create",
			file: "moves.go", old: "for _, who := range o.sets[i].adds {", new: "for _, who := range o.sets[i].adds[:0] {",
			test: "TestGoldenMeaning/080-separate-new",
		}, {
			rule: "yes/yes/any" + of, says: "no step",
			file: "permember.go", old: "without(want.Subjects, slices.Concat(have, others))", new: "without(want.Subjects, have)",
			test: "TestGoldenMeaning/081-separate-unchanged",
		}, {
			rule: "yes/yes/any" + of, says: "no step",
			file: "permember.go", old: "without(want.Subjects, slices.Concat(have, others))", new: "without(want.Subjects, others)",
			test: "TestGoldenMeaning/081-separate-unchanged",
		}, {
			rule: "yes/yes/any" + of, says: "no step",
			file: "moves.go", old: "if owner == unclear && !desired[who.Ref] {", new: "if owner == unclear && (desired[who.Ref] || !desired[who.Ref]) {",
			test: "TestGoldenMeaning/094-separate-unclear-wanted",
		}, {
			rule: "no/yes/managed" + of, says: "delete;",
			file: "moves.go", old: "if owner != managed {\n\t\t\tcontinue", new: "if owner != managed || true {\n\t\t\tcontinue",
			test: "TestGoldenMeaning/082-separate-one-leaves", always: true,
		}, {
			rule: "no/yes/managed" + of, says: "not while kept,",
			file: "permember.go", old: "(kept[who.Ref] || b.InUse || wanted)", new: "(kept[who.Ref] && false || b.InUse || wanted)",
			test: "TestGoldenMeaning/084-separate-kept",
		}, {
			rule: "no/yes/managed" + of, says: "in use,",
			file: "permember.go", old: "(kept[who.Ref] || b.InUse || wanted)", new: "(kept[who.Ref] || wanted)",
			test: "TestGoldenMeaning/090-separate-in-use",
		}, {
			rule: "no/yes/managed" + of, says: "or wanted elsewhere",
			file: "permember.go", old: "(kept[who.Ref] || b.InUse || wanted)", new: "(kept[who.Ref] || b.InUse || wanted && false)",
			test: "TestGoldenMeaning/088-shared-elsewhere",
		}, {
			rule: "no/yes/unclear" + of, says: "ownership-unclear,",
			file: "moves.go", old: "if owner == unclear && !desired[who.Ref] {", new: "if owner == unclear && !desired[who.Ref] && false {",
			test: "TestGoldenMeaning/093-separate-unclear",
		}, {
			rule: "no/yes/unclear" + of, says: "no step",
			file: "moves.go", old: "o.unclear(have.Key())\n", new: "o.unclear(have.Key())\n\t\t\to.step(Step{Op: Delete, Have: Object{Binding: &have}})\n",
			test: "TestGoldenMeaning/093-separate-unclear",
		}, {
			rule: "no/yes/unmanaged" + of, says: "untouched",
			file: "moves.go", old: "if owner == unclear && !desired[who.Ref] {",
			new:  "if owner == unmanaged && !desired[who.Ref] {\n\t\t\to.step(Step{Op: Delete, Have: Object{Binding: &have}})\n\t\t}\n\t\tif owner == unclear && !desired[who.Ref] {",
			test: "TestGoldenMeaning/087-separate-foreign-rests",
		},
	}
}

func truthProseInversions() []inversion {
	const rule = "The truth table"
	return []inversion{
		{
			rule: rule, says: "A group that is not managed never gets a binding.",
			file: "diff.go", old: "if !f.isDesired(slot) || !d.groups[slot].ready() {", new: "if !f.isDesired(slot) {",
			test: "TestGoldenMeaning/007-foreign-group",
		}, {
			rule: rule, says: "A group whose deletion or emptying the guard holds keeps its members",
			file: "ends.go", old: "if !o.verdicts.groups[at] {", new: "if true {",
			test: "TestGoldenMeaning/019-leftover-with-members",
		}, {
			rule: rule, says: "A group whose deletion or emptying the guard holds keeps its members",
			file: "guard.go", old: "return f.in.Rules.Guard.Holds(gone, present)", new: "return false",
			test: "TestGoldenMeaning/022-guard-empties",
		}, {
			rule: rule, says: "and its bindings.",
			file: "guard.go", old: "if !closed && (f.in.Rules.Gone || d.rights[slot] > 0) {", new: "if !closed {",
			test: "TestGoldenMeaning/019-leftover-with-members",
		}, {
			rule: rule, says: "Of several groups or bindings with one name the ledger's own counts;",
			file: "normalise.go", old: "return 3*int(is.owner) + 1", new: "return 3*int(is.owner) - 1",
			test: "TestGoldenMeaning/016-second-group-marked",
		}, {
			rule: rule, says: "Of several groups or bindings with one name the ledger's own counts;",
			file: "normalise.go", old: "if claimOf(at) > claimOf(best) {", new: "if claimOf(at) < claimOf(best) {",
			test: "TestGoldenMeaning/048-subjects-second",
		}, {
			rule: rule, says: "the others and their roles are untouched,",
			file: "normalise.go", old: "b.GroupRef != f.in.Observed.Groups[f.seen[at]].Ref\n", new: "b.GroupRef != f.in.Observed.Groups[f.seen[at]].Ref && false\n",
			test: "TestGoldenMeaning/015-second-group",
		}, {
			rule: rule, says: "the others and their roles are untouched, with ownership-unclear for what has a marker of this tenant.",
			file: "diff.go", old: "case is.owner == unclear, second:", new: "case is.owner == unclear:",
			test: "TestGoldenMeaning/016-second-group-marked",
		}, {
			rule: rule, says: "A managed role under another condition than the desired one is changed in place;",
			file: "order.go", old: "case roleCondition:\n\t\to.changeCondition(slot, want, have)", new: "case roleCondition:",
			test: "TestGoldenMeaning/070-condition-changed",
		}, {
			rule: rule, says: "under a condition that another system set it is object-unmanaged where Additional is keep,",
			file: "diff.go", old: "case owner == unmanaged && (f.in.Rules.Additional != RemoveAdditional || have.Shielded):", new: "case false:",
			test: "TestGoldenMeaning/071-condition-of-others",
		}, {
			rule: rule, says: "under a condition that another system set it is object-unmanaged where Additional is keep,",
			file: "order.go", old: "o.warning(access.ObjectForeign, want.Key().String(),", new: "o.warning(access.OwnershipUnclear, want.Key().String(),",
			test: "TestGoldenMeaning/071-condition-of-others",
		}, {
			rule: rule, says: "and gets the desired condition where Additional is remove.",
			file: "diff.go", old: "case owner == unmanaged && (f.in.Rules.Additional != RemoveAdditional || have.Shielded):", new: "case owner == unmanaged:",
			test: "TestGoldenMeaning/206-condition-put-back",
		}, {
			rule: rule, says: "A shielded binding of another system is kept, whatever Additional says.",
			file: "diff.go", old: "removed: f.in.Rules.Additional == RemoveAdditional && !have.Shielded}", new: "removed: f.in.Rules.Additional == RemoveAdditional}",
			test: "TestGoldenMeaning/073-shielded",
		}, {
			rule: rule, says: "Users are provisioned first,",
			file: "order.go", old: "range f.in.Newcomers {", new: "range f.in.Newcomers[:0] {",
			test: "TestGoldenMeaning/072-newcomer",
		}, {
			rule: rule, says: "and no step waits for that:",
			file: "order.go", old: "set, verdict, made := o.diff.groups[slot].set, o.members[slot], o.progress[slot].created\n",
			new:  "set, verdict, made := o.diff.groups[slot].set, o.members[slot], o.progress[slot].created\n\tif len(o.in.Newcomers) > 0 {\n\t\tmade = append(slices.Clone(made), Need{o.plan.Steps[0].ID, NeedsObject})\n\t}\n",
			test: "TestGoldenMeaning/072-newcomer",
		}, {
			rule: rule, says: "Revoked users are never desired,",
			file: "normalise.go", old: "f.in.Desired.Groups[i].Members = f.present(g.Members)", new: "f.in.Desired.Groups[i].Members = g.Members",
			test: "TestGoldenMeaning/172-revoked",
		}, {
			rule: rule, says: "and never kept.",
			file: "normalise.go", old: "return f.revoked[ref] })", new: "return false })",
			test: "TestGoldenMeaning/172-revoked",
		},
	}
}

func replacementInversions() []inversion {
	return []inversion{
		{
			rule: "recreate: how", says: "the new group is made, filled and given its roles (Renaming.Build);",
			file: "order.go", old: "o.replacing[next].build = append(o.replacing[next].build, id)\n", new: "_ = next\n",
			test: "TestGoldenMeaning/110-rename-recreate",
		}, {
			rule: "recreate: how", says: "once it is complete",
			file: "replace.go", old: "if mode == Recreate {", new: "if false {",
			test: "TestGoldenMeaning/110-rename-recreate", always: true,
		}, {
			rule: "recreate: how", says: "once it is complete",
			file: "replace.go", old: "needsOf(r.build, NeedsReplacement)", new: "needsOf(r.build, NeedsAccess)",
			test: "TestNeeds_HaveTheReasonThatCounts",
		}, {
			rule: "recreate: how", says: "the old one loses its managed roles",
			file: "replace.go", old: "range r.takes {", new: "range r.takes[:0] {",
			test: "TestGoldenMeaning/110-rename-recreate",
		}, {
			rule: "recreate: how", says: "and goes (Remove)",
			file: "replace.go", old: "for _, s := range ends {", new: "for _, s := range ends[:0] {",
			test: "TestGoldenMeaning/110-rename-recreate",
		}, {
			rule: "strict: how", says: "the same lists, Remove first",
			file: "replace.go", old: "return out.Mode == Strict && !out.Waits && o.afterRemoval(out)", new: "return false",
			test: "TestGoldenMeaning/113-rename-strict",
		}, {
			rule: "strict: how", says: "the same lists, Remove first",
			file: "replace.go", old: "needsOf(r.Remove, NeedsReplacement)", new: "needsOf(r.Remove, NeedsAccess)",
			test: "TestNeeds_HaveTheReasonThatCounts",
		}, {
			rule: "in-place: how", says: "the platform renames it: one step,",
			file: "names.go", old: "if f.in.Rules.Rename != InPlace || !f.in.Rules.CanRename {", new: "if true {",
			test: "TestGoldenMeaning/115-rename-in-place",
		}, {
			rule: "in-place: how", says: "and everything else about the group comes after.",
			file: "order.go", old: "id := o.build(slot, Step{Op: Change, Have: Object{Group: &have}, Want: Object{Group: &want}, Why: why})\n\to.progress[slot].created = []Need{{id, NeedsObject}}",
			new:  "o.build(slot, Step{Op: Change, Have: Object{Group: &have}, Want: Object{Group: &want}, Why: why})",
			test: "TestGoldenMeaning/115-rename-in-place",
		}, {
			rule: "in-place: how", says: "Where it cannot,",
			file: "names.go", old: "if f.in.Rules.Rename != InPlace || !f.in.Rules.CanRename {", new: "if f.in.Rules.Rename != InPlace {",
			test: "TestGoldenMeaning/116-rename-in-place-cannot",
		}, {
			rule: "in-place: how", says: "or both names are there: recreate",
			file: "names.go", old: "if f.seen[f.slotOf(to)] != none {\n\t\t\tcontinue", new: "if f.seen[f.slotOf(to)] != none && false {\n\t\t\tcontinue",
			test: "TestGoldenMeaning/117-rename-in-place-both",
		},
	}
}

func replacementProseInversions() []inversion {
	const rule = "Group replacement"
	return []inversion{
		{
			rule: rule, says: "A managed group that no document asks for,",
			file: "names.go", old: "if is := f.groups[at]; f.isDesired(is.slot) || is.owner != managed || f.isSecond(at) {",
			new:  "if is := f.groups[at]; f.isDesired(is.slot) || f.isSecond(at) {",
			test: "TestGoldenMeaning/146-rename-old-unclear",
		}, {
			rule: rule, says: "A managed group that no document asks for,",
			file: "names.go", old: "if is := f.groups[at]; f.isDesired(is.slot) || is.owner != managed || f.isSecond(at) {",
			new:  "if is := f.groups[at]; is.owner != managed || f.isSecond(at) {",
			test: "TestGoldenMeaning/129-rename-swap",
		}, {
			rule: rule, says: "that grants the same project role,",
			file: "names.go", old: "if slot := f.grantedBy(f.grants(at)); slot != none {", new: "if slot := max(0, f.grantedBy(f.grants(at))); slot < len(f.in.Desired.Groups) {",
			test: "TestGoldenMeaning/138-serves-unknown",
		}, {
			rule: rule, says: "Names that differ in case only are one name to some platforms (IgnoreCase).",
			file: "names.go", old: "if f.in.Rules.IgnoreCase && f.pairCase() {", new: "if false && f.pairCase() {",
			test: "TestGoldenMeaning/118-rename-case-only",
		}, {
			rule: rule, says: "Names that differ in case only are one name to some platforms (IgnoreCase).",
			file: "names.go", old: "f.aliases[to] = have // the name is taken", new: "",
			test: "TestGoldenMeaning/120-rename-case-only-foreign",
		}, {
			rule: rule, says: "There the group is renamed in place in every mode,",
			file: "names.go", old: "case f.in.Rules.CanRename:\n", new: "case f.in.Rules.CanRename && f.in.Rules.Rename == InPlace:\n",
			test: "TestGoldenMeaning/118-rename-case-only",
		}, {
			rule: rule, says: "or keeps the name it has.",
			file: "names.go", old: "f.keepName(have.Name, to)", new: "",
			test: "TestGoldenMeaning/119-rename-case-only-cannot",
		}, {
			rule: rule, says: "A group to which another system gave another name gets its name back",
			file: "names.go", old: "if f.nameBack() {", new: "if false && f.nameBack() {",
			test: "TestGoldenMeaning/142-renamed-by-hand",
		}, {
			rule: rule, says: "A group to which another system gave another name gets its name back",
			file: "names.go", old: "if known[have.Name] || !have.Mark.Agrees(f.in.Rules.Mark) {", new: "if known[have.Name] {",
			test: "TestGoldenMeaning/145-renamed-by-hand-foreign-mark",
		}, {
			rule: rule, says: "in every mode,",
			file: "names.go", old: "if len(f.outOfBand) == 0 || !f.in.Rules.CanRename {",
			new:  "if len(f.outOfBand) == 0 || !f.in.Rules.CanRename || f.in.Rules.Rename != InPlace {",
			test: "TestGoldenMeaning/142-renamed-by-hand",
		}, {
			rule: rule, says: "where the platform can rename;",
			file: "names.go", old: "if len(f.outOfBand) == 0 || !f.in.Rules.CanRename {", new: "if len(f.outOfBand) == 0 {",
			test: "TestGoldenMeaning/143-renamed-by-hand-cannot",
		}, {
			rule: rule, says: "of several groups of that name the ledger's own.",
			file: "names.go", old: "if !moved || f.isDesired(slot) || f.seen[slot] != at ||", new: "if !moved || f.isDesired(slot) ||",
			test: "TestGoldenMeaning/210-name-back-of-two",
		}, {
			rule: rule, says: "Members of the old group who do not get the new one leave at once,",
			file: "replace.go", old: "for _, s := range o.memberSteps(old, nil, leave) {", new: "for _, s := range o.memberSteps(old, nil, leave)[:0] {",
			test: "TestGoldenMeaning/112-rename-leaver-goes",
		}, {
			rule: rule, says: "leave at once, under the guard,",
			file: "guard.go", old: "v.leavers[i] = append(v.leavers[i], v.evaluateSet(f, s, nil))", new: "v.leavers[i] = append(v.leavers[i], verdict{goes: s.removes})",
			test: "TestGoldenMeaning/111-rename-leavers-held",
		}, {
			rule: rule, says: "which counts no other member.",
			file: "diff.go", old: "s := d.compareSet(f, old.Key(), stay, old.Members,", new: "s := d.compareSet(f, old.Key(), stay[:0], old.Members,",
			test: "TestGoldenMeaning/110-rename-recreate",
		}, {
			rule: rule, says: "While such a removal is held,",
			file: "replace.go", old: "if len(verdict.waits) > 0 {", new: "if false {",
			test: "TestGoldenMeaning/111-rename-leavers-held",
		}, {
			rule: rule, says: "or another system's group has the new name,",
			file: "replace.go", old: "if !f.replacements[i].ready {", new: "if false {",
			test: "TestGoldenMeaning/128-rename-name-taken",
		}, {
			rule: rule, says: "or a decision is pending,",
			file: "replace.go", old: "if r.undecided > 0 {", new: "if false {",
			test: "TestGoldenMeaning/123-rename-carry-asked",
		}, {
			rule: rule, says: "or a decision is pending,",
			file: "replace.go", old: "r.wait(fmt.Sprintf(\"a decision on its role %q\", have.Role))\n", new: "\n",
			test: "TestGoldenMeaning/136-rename-roles-too",
		}, {
			rule: rule, says: "the replacement waits (replacement-pending-approval):",
			file: "replace.go", old: "o.warning(access.RenameWaiting,", new: "o.warning(access.CleanupOff,",
			test: "TestGoldenMeaning/111-rename-leavers-held",
		}, {
			rule: rule, says: "the new group is built,",
			file: "replace.go", old: "case out.Waits:\n", new: "case out.Waits:\n\t\tout.Build = nil\n",
			test: "TestGoldenMeaning/111-rename-leavers-held",
		}, {
			rule: rule, says: "and the old one stays as it is.",
			file: "replace.go", old: "case out.Waits:\n", new: "case out.Waits:\n\t\tout.Remove = o.removeOlds(i, out.Mode, ends)\n",
			test: "TestGoldenMeaning/111-rename-leavers-held",
		}, {
			rule: rule, says: "It also waits for users who move between two groups that are both replaced:",
			file: "replace.go", old: "func(need Need) bool { return o.isBuild(need.ID) }", new: "func(need Need) bool { return false }",
			test: "TestGoldenMeaning/135-rename-move-between",
		}, {
			rule: rule, says: "Accounts that are kept come along.",
			file: "diff.go", old: "members, kept := want.Members, asSet(f.kept[want.Key()])", new: "members, kept := want.Members, asSet(nil)",
			test: "TestGoldenMeaning/127-rename-kept",
		}, {
			rule: rule, says: "Of several old groups of one role all go with the same replacement.",
			file: "names.go", old: "f.replace(slot, olds[want.Name])", new: "f.replace(slot, olds[want.Name][:1])",
			test: "TestGoldenMeaning/131-rename-twice",
		}, {
			rule: rule, says: "Roles that another system gave to the old group go with it (Renaming.Loses),",
			file: "replace.go", old: "Waits: len(r.waits) > 0, Loses: r.loses,", new: "Waits: len(r.waits) > 0,",
			test: "TestGoldenMeaning/110-rename-recreate",
		}, {
			rule: rule, says: "each with a warning before it happens.",
			file: "replace.go", old: "o.warning(access.ForeignPermissionRemoved, object, goes+\": give it to that group to keep it\")", new: "",
			test: "TestGoldenMeaning/110-rename-recreate",
		}, {
			rule: rule, says: "Rules.Carry offers each to the new group as a held step.",
			file: "replace.go", old: "if !o.in.Rules.Carry || ", new: "if true || ",
			test: "TestGoldenMeaning/123-rename-carry-asked",
		}, {
			rule: rule, says: "Rules.Carry offers each to the new group as a held step.",
			file: "replace.go", old: "if !o.in.Rules.Carry || ", new: "if ",
			test: "TestGoldenMeaning/110-rename-recreate",
		}, {
			rule: rule, says: "An approval makes it part of Build,",
			file: "guard.go", old: "case f.approved[atom] && !f.refused[atom]:", new: "case false:",
			test: "TestGoldenMeaning/124-rename-carry-decided",
		}, {
			rule: rule, says: "An approval makes it part of Build,",
			file: "replace.go", old: "o.build(slot, s)", new: "o.step(s)",
			test: "TestGoldenMeaning/124-rename-carry-decided",
		}, {
			rule: rule, says: "a rejection lets it go;",
			file: "guard.go", old: "case f.rejectedBy[atom].By != \"\":", new: "case false:",
			test: "TestGoldenMeaning/124-rename-carry-decided",
		}, {
			rule: rule, says: "the replacement waits for one of them.",
			file: "replace.go", old: "r.undecided++", new: "",
			test: "TestGoldenMeaning/123-rename-carry-asked",
		}, {
			rule: rule, says: "Where two roles exchange their names nothing is replaced:",
			file: "names.go", old: "if is := f.groups[at]; f.isDesired(is.slot) || is.owner != managed || f.isSecond(at) {",
			new:  "if is := f.groups[at]; is.owner != managed || f.isSecond(at) {",
			test: "TestGoldenMeaning/129-rename-swap",
		}, {
			rule: rule, says: "users move between the groups like any others.",
			file: "moves.go", old: "o.gain(g.set.adds, none)", new: "",
			test: "TestGoldenMeaning/039-move",
		}, {
			rule: rule, says: "Members who already belong to the group that their role goes to do not count as removals.",
			file: "guard.go", old: "return refSet(f.in.Desired.Groups[next].Members)", new: "return nil",
			test: "TestGoldenMeaning/129-rename-swap",
		},
	}
}

func orderInversions() []inversion {
	const rule = "Order"
	return []inversion{
		{
			rule: rule, says: "A group exists, and has its name and the ownership marker, before it gets members",
			file: "order.go", old: "set, verdict, made := o.diff.groups[slot].set, o.members[slot], o.progress[slot].created\n",
			new:  "set, verdict, made := o.diff.groups[slot].set, o.members[slot], []Need(nil)\n",
			test: "TestGoldenMeaning/001-new-tenant",
		}, {
			rule: rule, says: "and has its name",
			file: "order.go", old: "id := o.build(slot, Step{Op: Change, Have: Object{Group: &have}, Want: Object{Group: &want}, Why: why})\n\to.progress[slot].created = []Need{{id, NeedsObject}}",
			new:  "o.build(slot, Step{Op: Change, Have: Object{Group: &have}, Want: Object{Group: &want}, Why: why})",
			test: "TestGoldenMeaning/115-rename-in-place",
		}, {
			rule: rule, says: "and the ownership marker, before",
			file: "order.go", old: "id := o.build(slot, Step{Op: Change, Have: Object{Group: &have}, Want: Object{Group: &want}, Why: why})\n\to.progress[slot].created = []Need{{id, NeedsObject}}",
			new:  "o.build(slot, Step{Op: Change, Have: Object{Group: &have}, Want: Object{Group: &want}, Why: why})",
			test: "TestGoldenMeaning/150-adopt",
		}, {
			rule: rule, says: "A group exists, and has its name and the ownership marker, before it gets members",
			file: "order.go", old: "Want: Object{Group: &want}, Why: want.Why})\n\to.progress[slot].created = []Need{{id, NeedsObject}}",
			new:  "Want: Object{Group: &want}, Why: want.Why})\n\to.progress[slot].created = []Need{{id, NeedsAccess}}",
			test: "TestNeeds_HaveTheReasonThatCounts",
		}, {
			rule: rule, says: "or roles.",
			file: "order.go", old: "s.Needs = o.progress[slot].created\n\to.progress[slot].given", new: "o.progress[slot].given",
			test: "TestGoldenMeaning/001-new-tenant",
		}, {
			rule: rule, says: "A role is given before another is taken from the same group,",
			file: "ends.go", old: "first = slices.Concat(first, o.progress[is.slot].given)", new: "first = slices.Concat(first)",
			test: "TestGoldenMeaning/054-role-added-external-removed",
		}, {
			rule: rule, says: "and taken before the group goes.",
			file: "ends.go", old: "slices.Concat(o.progress[o.facts.groups[at].slot].taken, o.arrivals(have.Members))", new: "slices.Concat(o.arrivals(have.Members))",
			test: "TestGoldenMeaning/017-leftover-cleanup-on",
		}, {
			rule: rule, says: "and taken before the group goes.",
			file: "replace.go", old: "if s.Needs = slices.Concat(taken[name], also); len(taken[name]) == 0 {", new: "if true {",
			test: "TestGoldenMeaning/110-rename-recreate",
		}, {
			rule: rule, says: "and taken before the group goes.",
			file: "ends.go", old: "Need{id, NeedsEnd}", new: "Need{id, NeedsAccess}",
			test: "TestNeeds_HaveTheReasonThatCounts",
		}, {
			rule: rule, says: "A user who moves is added to the new set,",
			file: "moves.go", old: "move.gives = append(move.gives, s.ID)", new: "",
			test: "TestGoldenMeaning/039-move",
		}, {
			rule: rule, says: "and that set has its role,",
			file: "moves.go", old: "first = append(first, o.progress[slot].given...)", new: "_ = slot",
			test: "TestGoldenMeaning/041-move-to-new-group",
		}, {
			rule: rule, says: "before the user is removed from the old one,",
			file: "moves.go", old: "slices.Concat(s.Needs, o.arrivals(s.Removes()))", new: "slices.Concat(s.Needs)",
			test: "TestGoldenMeaning/039-move",
		}, {
			rule: rule, says: "or the old one's role",
			file: "ends.go", old: "slices.Concat(o.beforeRemovals(is.slot), o.arrivals(o.group(is.slot).Members))", new: "slices.Concat(o.beforeRemovals(is.slot))",
			test: "TestGoldenMeaning/129-rename-swap",
		}, {
			rule: rule, says: "or the old one's role",
			file: "ends.go", old: "return needs(o.arrivals(have.Subjects))", new: "return needs(o.arrivals(have.Subjects[:0]))",
			test: "TestGoldenMeaning/051-subjects-role-swap",
		}, {
			rule: rule, says: "or group goes.",
			file: "ends.go", old: "slices.Concat(o.progress[o.facts.groups[at].slot].taken, o.arrivals(have.Members))",
			new:  "slices.Concat(o.progress[o.facts.groups[at].slot].taken)",
			test: "TestGoldenMeaning/104-approved-move",
		}, {
			rule: rule, says: "a step that takes access waits for one that gives access (NeedsAccess),",
			file: "execution.go", old: "if need.Why != NeedsAccess || !e.waitExpired || e.awaited[need.ID] {", new: "if need.Why != NeedsAccess {",
			test: "TestExecution_UnfinishedStepIsWaitedFor",
		}, {
			rule: rule, says: "and runs all the same once the platform refuses that.",
			file: "execution.go", old: "if need.Why != NeedsAccess {", new: "if true {",
			test: "TestExecution_RefusalBlocksOnlyWhatNeedsIt",
		}, {
			rule: rule, says: "a step that takes access waits for one that gives access (NeedsAccess),",
			file: "moves.go", old: "needsOf(move.gives, NeedsAccess)", new: "needsOf(move.gives, NeedsObject)",
			test: "TestNeeds_HaveTheReasonThatCounts",
		}, {
			rule: rule, says: "a step that takes access waits for one that gives access (NeedsAccess),",
			file: "order.go", old: "Need{o.build(slot, s), NeedsAccess}", new: "Need{o.build(slot, s), NeedsObject}",
			test: "TestNeeds_HaveTheReasonThatCounts",
		}, {
			rule: rule, says: "In each wave the units that only remove access come first.",
			file: "waves.go", old: "return compareBool(a.any(grants), b.any(grants))", new: "return 0",
			test: "TestGoldenWording/039-move",
		}, {
			rule: rule, says: "A managed group loses members and roles",
			file: "order.go", old: "[]Need{{created[0].ID, NeedsAccess}}", new: "created",
			test: "TestRefusedNameBlocksNoRemoval",
		}, {
			rule: rule, says: "A managed group",
			file: "order.go", old: "if len(created) > 0 && o.seen[slot] != none && o.facts.groups[o.seen[slot]].owner == managed {", new: "if len(created) > 0 {",
			test: "TestRefusedNameBlocksNoRemoval",
		}, {
			rule: rule, says: "Where the platform does not take a role",
			file: "ends.go", old: "if len(o.immovable) == 0 {", new: "if true {",
			test: "TestGoldenMeaning/209-immovable-role",
		}, {
			rule: rule, says: "Where the platform does not take a role of a group that no document asks for (Input.Immovable), the members leave the group.",
			file: "ends.go", old: "if !o.removeMembers(at) {", new: "if true {",
			test: "TestGoldenMeaning/212-role-not-taken-cleanup-off",
		}, {
			rule: rule, says: "Where the platform does not take a role of a group that no document asks for (Input.Immovable),",
			file: "ends.go", old: "|| o.roleEnds[i] != roleDeleted || o.verdicts.ends[i].waits {", new: "|| o.roleEnds[i] != roleDeleted {",
			test: "TestGoldenMeaning/213-role-not-taken-held",
		}, {
			rule: rule, says: "They leave an old group of a replacement",
			file: "ends.go", old: "len(r.build)+len(r.waits) > 0", new: "true",
			test: "TestGoldenMeaning/214-immovable-role-replaced",
		}, {
			rule: rule, says: "once the new one is complete.",
			file: "ends.go", old: "len(r.build)+len(r.waits) > 0", new: "len(r.waits) > 0",
			test: "TestGoldenMeaning/215-immovable-role-building",
		}, {
			rule: rule, says: "Members of a group that is still desired stay, with a warning.",
			file: "ends.go", old: "o.warnImmovable(at)", new: "",
			test: "TestGoldenMeaning/216-immovable-role-desired",
		}, {
			rule: rule, says: "all that no replacement is needed for at once, then the replacements beside each other,",
			file: "schedule.go", old: "part[id] = 2*i + 1", new: "part[id] = now",
			test: "TestGoldenMeaning/110-rename-recreate",
		}, {
			rule: rule, says: "then the rest.",
			file: "schedule.go", old: "case in == now && part[need.ID] != now:", new: "case false:",
			test: "TestGoldenMeaning/134-rename-move-in",
		}, {
			rule: rule, says: "Roles that others rest on (Rules.Base) are given before them",
			file: "moves.go", old: "s.Needs = base[who.Ref]", new: "s.Needs = nil",
			test: "TestGoldenMeaning/080-separate-new",
		}, {
			rule: rule, says: "and taken after them,",
			file: "moves.go", old: "ends[who.Ref] = append(ends[who.Ref], Need{s.ID, NeedsEnd})", new: "_ = who",
			test: "TestGoldenMeaning/082-separate-one-leaves",
		}, {
			rule: rule, says: "and stay as long as the user has another role at the tenant.",
			file: "permember.go", old: "rests[who] = true", new: "",
			test: "TestGoldenMeaning/087-separate-foreign-rests",
		},
	}
}

func removalInversions() []inversion {
	const rule = "Removals"
	return []inversion{
		{
			rule: rule, says: "a member who is kept is a desired member.",
			file: "diff.go", old: "if kept[h.Ref] {", new: "if kept[h.Ref] && false {",
			test: "TestGoldenMeaning/029-ambiguous-kept",
		}, {
			rule: rule, says: "Every removal carries its reason in Why.",
			file: "diff.go", old: "gone[i].Why = why", new: "gone[i].Why = \"\"",
			test: "TestGoldenWording/003-one-added-one-removed",
		}, {
			rule: rule, says: "The guard holds a removal that takes more than its limit from a group,",
			file: "rules.go", old: "return empties || gone > max(g.Most, present*g.Percent/100)", new: "return empties",
			test: "TestGoldenMeaning/023-guard-over",
		}, {
			rule: rule, says: "The guard holds a removal that takes more than its limit from a group,",
			file: "rules.go", old: "gone > max(g.Most,", new: "gone >= max(g.Most,",
			test: "TestGoldenMeaning/024-guard-at-two",
		}, {
			rule: rule, says: "or empties it by more than two members",
			file: "rules.go", old: "(gone > emptyMost || g.Unnamed)", new: "g.Unnamed",
			test: "TestGoldenMeaning/208-guard-empties-three",
		}, {
			rule: rule, says: "or empties it by more than two members",
			file: "rules.go", old: "gone > emptyMost", new: "gone >= emptyMost",
			test: "TestGoldenMeaning/211-guard-empties-two",
		}, {
			rule: rule, says: "or without a caller who named it (Guard.Unnamed),",
			file: "rules.go", old: "(gone > emptyMost || g.Unnamed)", new: "gone > emptyMost",
			test: "TestGoldenMeaning/022-guard-empties",
		}, {
			rule: rule, says: "or without a caller who named it (Guard.Unnamed),",
			file: "rules.go", old: "empties := gone >= present && (gone > emptyMost || g.Unnamed)", new: "empties := gone >= present",
			test: "TestGoldenMeaning/207-guard-named",
		}, {
			rule: rule, says: "or takes the last role of a group",
			file: "guard.go", old: "f.in.Rules.Gone || d.rights[slot] > 0", new: "true",
			test: "TestGoldenMeaning/036-role-last",
		}, {
			rule: rule, says: "or of users bound themselves.",
			file: "guard.go", old: "if !v.holds(f, gone, len(subjects)) {", new: "if true {",
			test: "TestGoldenMeaning/049-subjects-leftover",
		}, {
			rule: rule, says: "all removals of one role are held together,",
			file: "guard.go", old: "return f.part(removes, func(who access.Member) bool { return f.waits(of[who.Ref], held) })",
			new:  "out := f.part(removes, func(who access.Member) bool { return f.waits(of[who.Ref], held) })\n\tif len(out.waits) > 1 {\n\t\tout.goes, out.waits = append(out.goes, out.waits[0]), out.waits[1:]\n\t}\n\treturn out",
			test: "TestGoldenMeaning/083-separate-held",
		}, {
			rule: rule, says: "and a base role is held with the roles that rest on it.",
			file: "guard.go", old: "case held[who.Ref]:", new: "case false:",
			test: "TestGoldenMeaning/095-separate-base-held",
		}, {
			rule: rule, says: "Held steps are in Plan.Held",
			file: "ends.go", old: "o.plan.Held = append(o.plan.Held, s)", new: "o.plan.Steps = append(o.plan.Steps, s)",
			test: "TestGoldenMeaning/022-guard-empties",
		}, {
			rule: rule, says: "and the rest of the plan proceeds.",
			file: "order.go", old: "o.holdMembers(have, verdict)\n\tleave,", new: "o.holdMembers(have, verdict)\n\tif len(verdict.waits) > 0 {\n\t\treturn\n\t}\n\tleave,",
			test: "TestGoldenMeaning/023-guard-over",
		}, {
			rule: rule, says: "What an operator approved (Input.Approved), by account or object, is not held;",
			file: "guard.go", old: "return f.refused[r] || held && !f.approved[r]", new: "return f.refused[r] || held && (!f.approved[r] || r.Object.Kind == access.KindMembers)",
			test: "TestGoldenMeaning/100-approved",
		}, {
			rule: rule, says: "What an operator approved (Input.Approved), by account or object, is not held;",
			file: "guard.go", old: "return f.refused[r] || held && !f.approved[r]", new: "return f.refused[r] || held && (!f.approved[r] || r.Object.Kind != access.KindMembers)",
			test: "TestGoldenMeaning/103-approved-tenant",
		}, {
			rule: rule, says: "it still counts towards the limit of what is left.",
			file: "guard.go", old: "if !f.revoked[who.Ref] && !free[who.Ref] {",
			new:  "if !f.revoked[who.Ref] && !free[who.Ref] && !f.approved[Removal{Object: s.key, Ref: who.Ref}] {",
			test: "TestGoldenMeaning/101-approved-some",
		}, {
			rule: rule, says: "An unmanaged member of a managed group (Input.Strangers) goes like any other,",
			file: "diff.go", old: "s.removes = d.withReasons(f, s.key, s.removes, why)",
			new:  "s.removes = slices.DeleteFunc(d.withReasons(f, s.key, s.removes, why), func(who access.Member) bool { return f.unmanagedMembers[Removal{Object: s.key, Ref: who.Ref}] })",
			test: "TestGoldenMeaning/175-stranger",
		}, {
			rule: rule, says: "with unmanaged-member-removed.",
			file: "diff.go", old: "d.warn(access.ForeignMemberRemoved,", new: "d.warn(access.ForeignPermissionRemoved,",
			test: "TestGoldenMeaning/175-stranger",
		},
	}
}

func guardInversions() []inversion {
	const of = ": what the guard holds"
	return []inversion{
		{
			rule: "Guard.Closed" + of, says: "every removal from users,",
			file: "guard.go", old: "v.usersLosing(f, d, at, v.closed, keep)", new: "v.usersLosing(f, d, at, false, keep)",
			test: "TestGoldenMeaning/170-limit-reached",
		}, {
			rule: "Guard.Closed" + of, says: "however small;",
			file: "guard.go", old: "case v.closed:\n\t\treturn true", new: "case v.closed:\n\t\treturn f.in.Rules.Guard.Holds(gone, present)",
			test: "TestGoldenMeaning/170-limit-reached", always: true,
		}, {
			rule: "Guard.Closed" + of, says: "not a pure replacement,",
			file: "guard.go", old: "end == groupDeleted && v.holdsGroup(f, at)", new: "(end == groupDeleted || v.closed) && v.holdsGroup(f, at)",
			test: "TestGoldenMeaning/139-rename-limit-reached",
		}, {
			rule: "Guard.Closed" + of, says: "and not what another system gave",
			file: "guard.go", old: "v.usersLosing(f, d, e.at, false, keep)", new: "v.usersLosing(f, d, e.at, v.closed, keep)",
			test: "TestGoldenMeaning/170-limit-reached",
		}, {
			rule: "Rules.Gone" + of, says: "no role;",
			file: "guard.go", old: "f.in.Rules.Gone || d.rights[slot] > 0", new: "d.rights[slot] > 0",
			test: "TestGoldenMeaning/160-gone",
		}, {
			rule: "Rules.Gone" + of, says: "no role;",
			file: "guard.go", old: "case f.in.Rules.Gone:\n\t\treturn false", new: "case false:\n\t\treturn false",
			test: "TestGoldenMeaning/164-gone-subjects",
		}, {
			rule: "Rules.Gone" + of, says: "a group with members,",
			file: "guard.go", old: "(v.closed || !f.in.Rules.Gone || !f.in.Rules.AutoDelete)", new: "(v.closed || !f.in.Rules.Gone)",
			test: "TestGoldenMeaning/160-gone",
		}, {
			rule: "Rules.Gone" + of, says: "a group with members,",
			file: "guard.go", old: "return (len(f.present(have.Members)) > 0 || f.emptied[have.Name]) && ", new: "return have != nil && ",
			test: "TestGoldenMeaning/160-gone",
		}, {
			rule: "Rules.Gone" + of, says: "unless AutoDelete",
			file: "guard.go", old: "|| !f.in.Rules.AutoDelete)", new: "|| true)",
			test: "TestGoldenMeaning/161-gone-approved-beforehand",
		}, {
			rule: "Input.Revoked" + of, says: "nothing of theirs,",
			file: "guard.go", old: "if !f.revoked[who.Ref] && waits(who) {", new: "if waits(who) {",
			test: "TestGoldenMeaning/178-revoked-beside-held",
		}, {
			rule: "Input.Revoked" + of, says: "and they count for no limit;",
			file: "guard.go", old: "if !f.revoked[who.Ref] && !free[who.Ref] {", new: "if !free[who.Ref] {",
			test: "TestGoldenMeaning/172-revoked",
		}, {
			rule: "Input.Revoked" + of, says: "they also leave groups",
			file: "ends.go", old: "if !emptied {", new: "if false {",
			test: "TestGoldenMeaning/173-revoked-where-held",
		}, {
			rule: "Input.Revoked" + of, says: "they also leave groups",
			file: "ends.go", old: "o.cleanupOff(have)\n\t\tif !o.removeMembers(at) {", new: "o.cleanupOff(have)\n\t\tif !o.removeMembers(at) && false {",
			test: "TestGoldenMeaning/179-revoked-cleanup-off",
		}, {
			rule: "Input.Revoked" + of, says: "and bindings that stay otherwise",
			file: "ends.go", old: "o.removeRevokedSubjects(have)\n", new: "\n",
			test: "TestGoldenMeaning/174-revoked-subjects",
		}, {
			rule: "Input.Rejected" + of, says: "just that,",
			file: "guard.go", old: "return f.refused[r] || held && !f.approved[r]", new: "return held && !f.approved[r]",
			test: "TestGoldenMeaning/176-rejected-only-that",
		}, {
			rule: "Input.Rejected" + of, says: "just that,",
			file: "guard.go", old: "return f.refused[r] || held && !f.approved[r]", new: "return len(f.refused) > 0 || held && !f.approved[r]",
			test: "TestGoldenMeaning/176-rejected-only-that",
		}, {
			rule: "Input.Rejected" + of, says: "but for the revoked",
			file: "guard.go", old: "return f.part(s.removes, func(who access.Member) bool {\n\t\treturn f.waits(Removal{Object: s.key, Ref: who.Ref}, held && !free[who.Ref])\n\t})",
			new:  "no := func(who access.Member) bool { return f.refused[Removal{Object: s.key, Ref: who.Ref}] }\n\tout := f.part(s.removes, func(who access.Member) bool {\n\t\treturn f.waits(Removal{Object: s.key, Ref: who.Ref}, held && !free[who.Ref])\n\t})\n\tfor _, who := range out.goes {\n\t\tif no(who) {\n\t\t\tout.waits = append(out.waits, who)\n\t\t}\n\t}\n\tout.goes = slices.DeleteFunc(out.goes, no)\n\treturn out",
			test: "TestGoldenMeaning/177-revoked-although-rejected",
		},
	}
}

func forbiddenInversions() []inversion {
	const prose, of = "Forbidden removals", ": where removals are forbidden"
	const forbids = "if f.forbids() {\n\t\treturn true"
	return []inversion{
		{
			rule: prose, says: "A document can forbid removals (Rules.ForbiddenBy).",
			file: "normalise.go", old: "return f.in.Rules.ForbiddenBy != \"\"", new: "return false",
			test: "TestGoldenMeaning/190-forbidden-member",
		}, {
			rule: prose, says: "Then the plan only adds,",
			file: "guard.go", old: forbids, new: "if false {\n\t\treturn true",
			test: "TestGoldenMeaning/190-forbidden-member",
		}, {
			rule: prose, says: "and an approval changes nothing.",
			file: "guard.go", old: forbids, new: "if f.forbids() && !f.approved[r] {\n\t\treturn true",
			test: "TestGoldenMeaning/199-forbidden-approved", always: true,
		}, {
			rule: prose, says: "Plan.Forbidden has what the plan leaves out,",
			file: "ends.go", old: "o.forbid(s)\n", new: "\n",
			test: "TestGoldenMeaning/190-forbidden-member",
		}, {
			rule: prose, says: "and one warning, removals-forbidden, lists it.",
			file: "order.go", old: "o.warnForbidden()\n", new: "\n",
			test: "TestGoldenMeaning/190-forbidden-member",
		}, {
			rule: "a member" + of, says: "stays,",
			file: "guard.go", old: forbids, new: "if f.forbids() && r.Object.Kind != access.KindMembers {\n\t\treturn true",
			test: "TestGoldenMeaning/190-forbidden-member",
		}, {
			rule: "a member" + of, says: "without unmanaged-member-removed",
			file: "diff.go", old: "if f.forbids() {\n\t\t\t\tcontinue", new: "if false {\n\t\t\t\tcontinue",
			test: "TestGoldenMeaning/193-forbidden-unmanaged-member",
		}, {
			rule: "a subject of a role" + of, says: "stays",
			file: "guard.go", old: forbids, new: "if f.forbids() && r.Object.Kind != access.KindBinding {\n\t\treturn true",
			test: "TestGoldenMeaning/200-forbidden-subjects",
		}, {
			rule: "a group" + of, says: "stays,",
			file: "guard.go", old: forbids, new: "if f.forbids() && r.Object.Kind != access.KindGroup {\n\t\treturn true",
			test: "TestGoldenMeaning/191-forbidden-leftover",
		}, {
			rule: "a group" + of, says: "with its roles",
			file: "guard.go", old: forbids, new: "if f.forbids() && r.Object.Kind != access.KindBinding {\n\t\treturn true",
			test: "TestGoldenMeaning/191-forbidden-leftover",
		}, {
			rule: "an external permission" + of, says: "stays, whatever Additional says",
			file: "guard.go", old: forbids, new: "if f.forbids() && r.Object.Kind != access.KindBinding {\n\t\treturn true",
			test: "TestGoldenMeaning/192-forbidden-external",
		}, {
			rule: "a group that is replaced" + of, says: "keeps its name,",
			file: "names.go", old: "if f.forbids() && f.keepNames(olds) {", new: "if false && f.keepNames(olds) {",
			test: "TestGoldenMeaning/194-forbidden-replacement",
		}, {
			rule: "a group that is replaced" + of, says: "and gets what the new group would get;",
			file: "names.go", old: "f.keepName(from, to)\n", new: "\n",
			test: "TestGoldenMeaning/194-forbidden-replacement",
		}, {
			rule: "a group that is replaced" + of, says: "in-place: renamed",
			file: "names.go", old: "if f.renameInPlace(olds) {", new: "if !f.forbids() && f.renameInPlace(olds) {",
			test: "TestGoldenMeaning/195-forbidden-rename-in-place",
		}, {
			rule: "an old group" + of, says: "stays beside the new one",
			file: "names.go", old: "f.found(f.slotOf(to)); owner == managed {", new: "f.found(f.slotOf(to)); owner == managed && false {",
			test: "TestGoldenMeaning/196-forbidden-half-replaced",
		}, {
			rule: "a group of another role" + of, says: "stays, with removals-forbidden,",
			file: "ends.go", old: "o.warning(access.RemovalsForbidden, want.Name,", new: "o.warning(access.CleanupOff, want.Name,",
			test: "TestGoldenMeaning/197-forbidden-name-swap",
		}, {
			rule: "a group of another role" + of, says: "and gets nothing: its members would get the new role",
			file: "diff.go", old: "case f.forbids() && f.repurposed(slot):", new: "case false:",
			test: "TestGoldenMeaning/197-forbidden-name-swap",
		}, {
			rule: "a condition" + of, says: "stays",
			file: "order.go", old: "if o.forbids() && restricts(want, have) {", new: "if false {",
			test: "TestGoldenMeaning/203-forbidden-condition",
		}, {
			rule: "a condition" + of, says: "where the new one may grant less",
			file: "order.go", old: "if o.forbids() && restricts(want, have) {", new: "if o.forbids() {",
			test: "TestGoldenMeaning/205-forbidden-condition-ends",
		}, {
			rule: "a revoked account" + of, says: "goes",
			file: "guard.go", old: "if !f.revoked[who.Ref] && waits(who) {", new: "if waits(who) {",
			test: "TestGoldenMeaning/204-forbidden-revoked",
		},
	}
}

// TestNeeds_HaveTheReasonThatCounts executes plans of golden cases, of which the platform
// refuses one step. The texts of those cases have the order, and not the reasons for it.
func TestNeeds_HaveTheReasonThatCounts(t *testing.T) {
	for _, c := range []struct {
		reason string
		golden string
		// refused and step are names of steps, as stepName gives them.
		refused, step string
		want          plan.Fate
	}{
		{"a user who cannot be added leaves all the same", "039-move", "+ members shop-admin", "- members shop-reader", plan.Done},
		{"a user leaves although the new set gets no role", "041-move-to-new-group", "create binding admin → shop-admin", "- members shop-reader", plan.Done},
		{"a role goes although another is not given", "035-role-swap", "create binding viewer → shop-reader", "delete binding reader → shop-reader", plan.Done},
		{"a subject leaves although the new role refuses the user", "050-subjects-move", "+ binding view", "- binding edit", plan.Done},
		{"a group that does not exist gets no members", "001-new-tenant", "create group shop-admin", "+ members shop-admin", plan.Blocked},
		{"a group that does not exist gets no roles", "001-new-tenant", "create group shop-admin", "create binding admin → shop-admin", plan.Blocked},
		{"a group stays while it has a role", "017-leftover-cleanup-on", "delete binding reader → shop-reader", "delete group shop-reader", plan.Blocked},
		{"a group stays until its replacement is complete", "110-rename-recreate", "+ members shop-view", "delete group shop-reader", plan.Blocked},
		{"nothing is built before the old group is gone", "113-rename-strict", "delete group shop-reader", "create group shop-view", plan.Blocked},
	} {
		_, in := readCase(t, filepath.Join("testdata", c.golden, "input.json"))
		p := plan.Make(in)
		if !slices.ContainsFunc(p.Steps, func(s plan.Step) bool { return stepName(s) == c.refused }) {
			t.Fatalf("%s: %s has no step %q", c.reason, c.golden, c.refused)
		}
		found := false
		fates := execute(p, func(s plan.Step) bool { return stepName(s) == c.refused })
		for _, s := range p.Steps {
			if stepName(s) != c.step || fates[s.ID] == plan.Refused {
				continue
			}
			found = true
			if got := fates[s.ID]; got != c.want {
				t.Errorf("%s: %s: %q is %d, want %d", c.reason, c.golden, c.step, got, c.want)
			}
		}
		if !found {
			t.Errorf("%s: %s has no step %q", c.reason, c.golden, c.step)
		}
	}
}

// stepName names a step in a short way: a change that only adds starts with +, and one that
// only removes with -.
func stepName(s plan.Step) string {
	verb := string(s.Op)
	switch adds, removes := len(s.Adds()), len(s.Removes()); {
	case s.Op == plan.Change && adds > 0 && removes == 0:
		verb = "+"
	case s.Op == plan.Change && adds == 0 && removes > 0:
		verb = "-"
	}
	return verb + " " + string(s.Kind) + " " + s.Object
}
