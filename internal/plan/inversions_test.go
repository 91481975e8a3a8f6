package plan_test

// inversion is an edit of the planner that makes one rule of the package comment
// wrong. It must not survive: a test fails.
type inversion struct {
	// rule is a cell of a table, "row: column", or a section for its prose.
	rule string
	// says quotes the row's cell, or a sentence of the section, word by word.
	says string
	// file is where old stands, once; new takes its place.
	file, old, new string
	// test fails then.
	test string
	// always is true for those that run outside make soak, too.
	always bool
}

// inversions has at least one entry for all that the tables of the package comment
// say, and for each rule in its prose.
func inversions() []inversion {
	return concat(
		ownershipInversions(), truthInversions(), separateInversions(), truthProseInversions(),
		renamingInversions(), renamingProseInversions(), orderInversions(), removalInversions(), guardInversions(),
		forbiddenRules(),
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
			rule: rule, says: "An object is ours when the ledger has it and its mark, where one was read, agrees.",
			file: "make.go", old: "case known && mark.Agrees(m.in.Rules.Mark):", new: "case known:",
			test: "TestGoldenMeaning/009-unclear-ledger-only",
		}, {
			rule: rule, says: "An object is ours when the ledger has it and its mark, where one was read, agrees.",
			file: "make.go", old: "case known && mark.Agrees(m.in.Rules.Mark):", new: "case known && marked:",
			test: "TestGoldenMeaning/035-role-swap",
		}, {
			rule: rule, says: "It is unclear when only one of the two says so",
			file: "make.go", old: "case known || marked:", new: "case known:",
			test: "TestGoldenMeaning/008-unclear-mark-only",
		}, {
			rule: rule, says: "It is unclear when only one of the two says so",
			file: "make.go", old: "case known || marked:", new: "case marked:",
			test: "TestGoldenMeaning/009-unclear-ledger-only",
		}, {
			rule: rule, says: "and foreign when neither does",
			file: "make.go", old: "case known || marked:", new: "case known || marked || true:",
			test: "TestGoldenMeaning/007-foreign-group",
		},
	}
}

func truthInversions() []inversion {
	return []inversion{
		{
			rule: "yes/no/-: group", says: "create,",
			file: "make.go", old: "case nobodys:\n\t\tm.createGroup(want)\n", new: "case nobodys:\n",
			test: "TestGoldenMeaning/001-new-tenant",
		}, {
			rule: "yes/no/-: group", says: "then fill",
			file: "make.go", old: "m.createGroup(want)\n\t\tm.members(have, set)", new: "m.createGroup(want)",
			test: "TestGoldenMeaning/001-new-tenant",
		}, {
			rule: "yes/no/-: binding", says: "create",
			file: "bindings.go", old: "case !found:\n\t\tm.createBinding(want)", new: "case !found:",
			test: "TestGoldenMeaning/004-role-added",
		}, {
			rule: "yes/yes/ours: group", says: "add",
			file: "members.go", old: "adds: without(want, c.have), removes:", new: "removes:",
			test: "TestGoldenMeaning/003-one-added-one-removed",
		}, {
			rule: "yes/yes/ours: group", says: "and remove members",
			file: "members.go", old: "removes: without(c.have, want), stay: want}", new: "stay: want}",
			test: "TestGoldenMeaning/003-one-added-one-removed", always: true,
		}, {
			rule: "yes/yes/ours: binding", says: "subjects differ: change",
			file: "bindings.go", old: "if len(set.adds)+len(leave) > 0 {", new: "if false {",
			test: "TestGoldenMeaning/043-subjects-change",
		}, {
			rule: "yes/yes/unclear: group", says: "adopted: mark it, ours",
			file: "make.go", old: "if m.desired[g.Key()] && m.adopts(g.Key(), g.Ref, g.Mark) {",
			new:  "if m.whose(g.Key(), g.Ref, g.Mark) != unclear && m.desired[g.Key()] && m.adopts(g.Key(), g.Ref, g.Mark) {",
			test: "TestGoldenMeaning/152-adopt-leftover",
		}, {
			rule: "yes/yes/unclear: group", says: "else ownership-unclear",
			file: "make.go", old: "case unclear:\n\t\tm.unclear(have.Key())", new: "case unclear:",
			test: "TestGoldenMeaning/008-unclear-mark-only",
		}, {
			rule: "yes/yes/unclear: group", says: "else ownership-unclear",
			file: "make.go", old: "case unclear:\n\t\tm.unclear(have.Key())", new: "case unclear:\n\t\tm.takeOver(want, have)",
			test: "TestGoldenMeaning/008-unclear-mark-only",
		}, {
			rule: "yes/yes/unclear: binding", says: "on our group: nothing to do;",
			file: "bindings.go", old: "case want.Condition != have.Condition:",
			new:  "case want.Condition != have.Condition || m.whose(have.Key(), have.Ref, have.Mark) == unclear:",
			test: "TestGoldenMeaning/053-unclear-binding-wanted",
		}, {
			rule: "yes/yes/unclear: binding", says: "else ownership-unclear,",
			file: "bindings.go", old: "case unclear:\n\t\tm.unclear(have.Key())\n\tcase foreign:\n\t\tm.remark(access.ObjectForeign, want.Key().String(), fmt.Sprintf(\n\t\t\t\"the platform",
			new:  "case unclear:\n\tcase foreign:\n\t\tm.remark(access.ObjectForeign, want.Key().String(), fmt.Sprintf(\n\t\t\t\"the platform",
			test: "TestGoldenMeaning/047-subjects-unclear",
		}, {
			rule: "yes/yes/unclear: binding", says: "no step",
			file: "bindings.go", old: "case foreign:\n\t\tm.remark(access.ObjectForeign, want.Key().String(), fmt.Sprintf(\n\t\t\t\"the platform",
			new:  "\tm.changeSubjects(have, m.compare(comparison{set: want.Key(), want: want.Subjects, have: have.Subjects}))\n\tcase foreign:\n\t\tm.remark(access.ObjectForeign, want.Key().String(), fmt.Sprintf(\n\t\t\t\"the platform",
			test: "TestGoldenMeaning/047-subjects-unclear",
		}, {
			rule: "yes/yes/foreign: group", says: "adopted:",
			file: "make.go", old: "if m.desired[g.Key()] && m.adopts(g.Key(), g.Ref, g.Mark) {",
			new:  "if m.whose(g.Key(), g.Ref, g.Mark) != foreign && m.desired[g.Key()] && m.adopts(g.Key(), g.Ref, g.Mark) {",
			test: "TestGoldenMeaning/150-adopt",
		}, {
			rule: "yes/yes/foreign: group", says: "mark it,",
			file: "adoption.go", old: "case m.whose(have.Key(), have.Ref, have.Mark) == ours:", new: "case true:",
			test: "TestGoldenMeaning/150-adopt",
		}, {
			rule: "yes/yes/foreign: group", says: "ours",
			file: "make.go", old: "m.at(want.Name).ready = true\n\t\tm.takeOver(want, have)", new: "m.takeOver(want, have)",
			test: "TestGoldenMeaning/150-adopt",
		}, {
			rule: "yes/yes/foreign: group", says: "else object-unmanaged",
			file: "make.go", old: "case foreign:\n\t\tm.remark(access.ObjectForeign,", new: "case foreign:\n\t\tm.remark(access.OwnershipUnclear,",
			test: "TestGoldenMeaning/007-foreign-group",
		}, {
			rule: "yes/yes/foreign: group", says: "else object-unmanaged",
			file: "make.go", old: "case foreign:\n\t\tm.remark(", new: "case foreign:\n\t\tm.takeOver(want, have)\n\t\tm.remark(",
			test: "TestGoldenMeaning/007-foreign-group",
		}, {
			rule: "yes/yes/foreign: binding", says: "on our group: nothing to do;",
			file: "bindings.go", old: "case want.Condition != have.Condition:",
			new:  "case want.Condition != have.Condition || m.whose(have.Key(), have.Ref, have.Mark) == foreign:",
			test: "TestGoldenMeaning/033-foreign-binding-wanted",
		}, {
			rule: "yes/yes/foreign: binding", says: "else object-unmanaged,",
			file: "bindings.go", old: "m.remark(access.ObjectForeign, want.Key().String(), fmt.Sprintf(\n\t\t\t\"the platform",
			new:  "m.remark(access.OwnershipUnclear, want.Key().String(), fmt.Sprintf(\n\t\t\t\"the platform",
			test: "TestGoldenMeaning/046-subjects-foreign",
		}, {
			rule: "yes/yes/foreign: binding", says: "no step",
			file: "bindings.go", old: "case foreign:\n\t\tm.remark(access.ObjectForeign, want.Key().String(), fmt.Sprintf(\n\t\t\t\"the platform",
			new:  "case foreign:\n\t\tm.changeSubjects(have, m.compare(comparison{set: want.Key(), want: want.Subjects, have: have.Subjects}))\n\t\tm.remark(access.ObjectForeign, want.Key().String(), fmt.Sprintf(\n\t\t\t\"the platform",
			test: "TestGoldenMeaning/046-subjects-foreign",
		}, {
			rule: "no/yes/ours: group", says: "served a role that another group is to serve: rename",
			file: "pairing.go", old: "if want, ok := m.serves(m.ledgerServes(have)); ok {", new: "if want, ok := m.serves(m.ledgerServes(have)); ok && false {",
			test: "TestGoldenMeaning/110-rename-recreate",
		}, {
			rule: "no/yes/ours: group", says: "else cleanup on: delete",
			file: "leftover.go", old: "default:\n\t\tm.deleteGroup(have)", new: "default:",
			test: "TestGoldenMeaning/017-leftover-cleanup-on",
		}, {
			rule: "no/yes/ours: group", says: "cleanup off: cleanup-off",
			file: "leftover.go", old: "case !m.in.Rules.Cleanup:", new: "case false:",
			test: "TestGoldenMeaning/018-leftover-cleanup-off",
		}, {
			rule: "no/yes/ours: group", says: "cleanup off: cleanup-off",
			file: "leftover.go", old: "m.cleanupOff(have)\n", new: "\n",
			test: "TestGoldenMeaning/018-leftover-cleanup-off",
		}, {
			rule: "no/yes/ours: binding", says: "delete;",
			file: "leftover.go", old: "default:\n\t\tm.deleteBinding(have, m.unwanted(\"role\"))", new: "default:",
			test: "TestGoldenMeaning/035-role-swap",
		}, {
			rule: "no/yes/ours: binding", says: "with a group that is renamed see below",
			file: "leftover.go", old: "case m.former[have.Group] != nil:", new: "case false:",
			test: "TestGoldenMeaning/110-rename-recreate",
		}, {
			rule: "no/yes/unclear: group", says: "ownership-unclear,",
			file: "leftover.go", old: "case whose == unclear, second:\n\t\tm.unclear(have.Key())", new: "case whose == unclear, second:",
			test: "TestGoldenMeaning/010-unclear-leftover",
		}, {
			rule: "no/yes/unclear: group", says: "no step",
			file: "leftover.go", old: "m.unclear(have.Key())", new: "m.unclear(have.Key())\n\t\tm.deleteGroup(have)",
			test: "TestGoldenMeaning/010-unclear-leftover",
		}, {
			rule: "no/yes/unclear: binding", says: "ownership-unclear,",
			file: "leftover.go", old: "m.unclear(key)\n", new: "\n",
			test: "TestGoldenMeaning/034-unclear-binding",
		}, {
			rule: "no/yes/unclear: binding", says: "no step",
			file: "leftover.go", old: "m.unclear(key)\n", new: "m.unclear(key)\n\t\tm.deleteBinding(have, \"inverted\")\n",
			test: "TestGoldenMeaning/034-unclear-binding",
		}, {
			rule: "no/yes/foreign: group", says: "untouched",
			file: "leftover.go", old: "case whose == foreign, m.desired[have.Key()] && !second:", new: "case m.desired[have.Key()] && !second:",
			test: "TestGoldenMeaning/020-leftover-foreign",
		}, {
			rule: "no/yes/foreign: binding", says: "on our group: kept",
			file: "leftover.go", old: "case m.in.Rules.Additional == RemoveAdditional && !have.Shielded:", new: "case !have.Shielded:",
			test: "TestGoldenMeaning/030-foreign-permission-kept",
		}, {
			rule: "no/yes/foreign: binding", says: "or removed, as Additional says;",
			file: "leftover.go", old: "case m.in.Rules.Additional == RemoveAdditional && !have.Shielded:", new: "case false:",
			test: "TestGoldenMeaning/031-foreign-permission-removed",
		}, {
			rule: "no/yes/foreign: binding", says: "else untouched",
			file: "leftover.go", old: "if whose != ours {\n\t\treturn\n\t}", new: "if whose != ours && group.Name == \"\" {\n\t\treturn\n\t}",
			test: "TestGoldenMeaning/020-leftover-foreign",
		}, {
			rule: "no/yes/foreign: binding", says: "else untouched",
			file: "leftover.go", old: "if whose != ours {\n\t\treturn\n\t}", new: "if whose != ours && have.Group != \"\" {\n\t\treturn\n\t}",
			test: "TestGoldenMeaning/049-subjects-leftover",
		},
	}
}

func separateInversions() []inversion {
	const of = ": binding of one person"
	return []inversion{
		{
			rule: "yes/no/-" + of, says: "create",
			file: "separate.go", old: "for _, who := range set.adds {", new: "for _, who := range set.adds[:0] {",
			test: "TestGoldenMeaning/080-separate-new",
		}, {
			rule: "yes/yes/any" + of, says: "nothing to do",
			file: "separate.go", old: "without(want.Subjects, slices.Concat(have, others))", new: "without(want.Subjects, have)",
			test: "TestGoldenMeaning/081-separate-unchanged",
		}, {
			rule: "yes/yes/any" + of, says: "nothing to do",
			file: "separate.go", old: "without(want.Subjects, slices.Concat(have, others))", new: "without(want.Subjects, others)",
			test: "TestGoldenMeaning/081-separate-unchanged",
		}, {
			rule: "yes/yes/any" + of, says: "nothing to do",
			file: "separate.go", old: "if whose == unclear && !desired[who] {", new: "if whose == unclear && (desired[who] || !desired[who]) {",
			test: "TestGoldenMeaning/094-separate-unclear-wanted",
		}, {
			rule: "no/yes/ours" + of, says: "delete;",
			file: "separate.go", old: "if whose != ours || !leaves[who] {", new: "if whose != ours || !leaves[who] || true {",
			test: "TestGoldenMeaning/082-separate-one-leaves", always: true,
		}, {
			rule: "no/yes/ours" + of, says: "not while kept,",
			file: "separate.go", old: "(kept[who.Ref] || b.InUse ||", new: "(kept[who.Ref] && false || b.InUse ||",
			test: "TestGoldenMeaning/084-separate-kept",
		}, {
			rule: "no/yes/ours" + of, says: "in use,",
			file: "separate.go", old: "(kept[who.Ref] || b.InUse ||", new: "(kept[who.Ref] ||",
			test: "TestGoldenMeaning/090-separate-in-use",
		}, {
			rule: "no/yes/ours" + of, says: "or wanted elsewhere",
			file: "separate.go", old: "b.InUse || m.wantedElsewhere(b.Role, who))", new: "b.InUse)",
			test: "TestGoldenMeaning/088-shared-elsewhere",
		}, {
			rule: "no/yes/unclear" + of, says: "ownership-unclear,",
			file: "separate.go", old: "if whose == unclear && !desired[who] {", new: "if whose == unclear && !desired[who] && false {",
			test: "TestGoldenMeaning/093-separate-unclear",
		}, {
			rule: "no/yes/unclear" + of, says: "no step",
			file: "separate.go", old: "m.unclear(have.Key())\n", new: "m.unclear(have.Key())\n\t\t\tm.step(Step{Op: Delete, Have: Object{Binding: &have}})\n",
			test: "TestGoldenMeaning/093-separate-unclear",
		}, {
			rule: "no/yes/foreign" + of, says: "untouched",
			file: "separate.go", old: "if whose == unclear && !desired[who] {",
			new:  "if whose == foreign && !desired[who] {\n\t\t\tm.step(Step{Op: Delete, Have: Object{Binding: &have}})\n\t\t}\n\t\tif whose == unclear && !desired[who] {",
			test: "TestGoldenMeaning/087-separate-foreign-rests",
		},
	}
}

func truthProseInversions() []inversion {
	const rule = "The truth table"
	return []inversion{
		{
			rule: rule, says: "A binding is never given to a group that is not ours.",
			file: "bindings.go", old: "if want.Group != \"\" && !m.at(want.Group).ready {", new: "if false {",
			test: "TestGoldenMeaning/007-foreign-group",
		}, {
			rule: rule, says: "A group whose deletion or emptying the guard holds keeps its members",
			file: "leftover.go", old: "if !m.groupWaits(have) {", new: "if true {",
			test: "TestGoldenMeaning/019-leftover-with-members",
		}, {
			rule: rule, says: "A group whose deletion or emptying the guard holds keeps its members",
			file: "guard.go", old: "return m.in.Rules.Guard.Holds(gone, present)", new: "return false",
			test: "TestGoldenMeaning/022-guard-empties",
		}, {
			rule: rule, says: "and its bindings.",
			file: "bindings.go", old: "if !closed && (m.in.Rules.Gone || m.at(have.Group).roles > 0) {", new: "if !closed {",
			test: "TestGoldenMeaning/019-leftover-with-members",
		}, {
			rule: rule, says: "Of several groups or bindings with one name the ledger's own counts;",
			file: "make.go", old: "claim++", new: "claim--",
			test: "TestGoldenMeaning/016-second-group-marked",
		}, {
			rule: rule, says: "the others and their roles are untouched,",
			file: "make.go", old: "return found && b.GroupRef != \"\" && b.GroupRef != g.Ref", new: "return found && b.GroupRef != \"\" && b.GroupRef != g.Ref && false",
			test: "TestGoldenMeaning/015-second-group",
		}, {
			rule: rule, says: "the others and their roles are untouched, with ownership-unclear for what has our mark.",
			file: "leftover.go", old: "case whose == unclear, second:\n\t\tm.unclear(have.Key())", new: "case whose == unclear:\n\t\tm.unclear(have.Key())",
			test: "TestGoldenMeaning/016-second-group-marked",
		}, {
			rule: rule, says: "A role of ours under another condition than the desired one is changed in place;",
			file: "bindings.go", old: "case want.Condition != have.Condition:", new: "case false:",
			test: "TestGoldenMeaning/070-condition-changed",
		}, {
			rule: rule, says: "under a condition that another system set it is object-unmanaged where Additional is keep,",
			file: "bindings.go", old: "m.remark(access.ObjectForeign, want.Key().String(), fmt.Sprintf(\n\t\t\t\"another system",
			new:  "m.remark(access.OwnershipUnclear, want.Key().String(), fmt.Sprintf(\n\t\t\t\"another system",
			test: "TestGoldenMeaning/071-condition-of-others",
		}, {
			rule: rule, says: "and gets the desired condition where Additional is remove.",
			file: "bindings.go", old: "whose == foreign && m.in.Rules.Additional == RemoveAdditional && !have.Shielded",
			new:  "whose == foreign && m.in.Rules.Additional == KeepAdditional && false",
			test: "TestGoldenMeaning/206-condition-put-back",
		}, {
			rule: rule, says: "A shielded binding of somebody else is kept, whatever Additional says.",
			file: "leftover.go", old: "case m.in.Rules.Additional == RemoveAdditional && !have.Shielded:", new: "case m.in.Rules.Additional == RemoveAdditional:",
			test: "TestGoldenMeaning/073-shielded",
		}, {
			rule: rule, says: "Newcomers are brought in first thing,",
			file: "make.go", old: "range m.in.Newcomers {", new: "range m.in.Newcomers[:0] {",
			test: "TestGoldenMeaning/072-newcomer",
		}, {
			rule: rule, says: "and waited for by nothing:",
			file: "members.go", old: "needs := m.at(have.Name).created\n",
			new:  "needs := m.at(have.Name).created\n\tif len(m.in.Newcomers) > 0 {\n\t\tneeds = append(slices.Clone(needs), m.out.Steps[0].ID)\n\t}\n",
			test: "TestGoldenMeaning/072-newcomer",
		}, {
			rule: rule, says: "Who is revoked by name is desired nowhere,",
			file: "make.go", old: "m.letGoRevoked()", new: "",
			test: "TestGoldenMeaning/172-revoked",
		}, {
			rule: rule, says: "and kept nowhere.",
			file: "make.go", old: "return m.revoked[ref] })", new: "return false })",
			test: "TestGoldenMeaning/172-revoked",
		},
	}
}

func renamingInversions() []inversion {
	return []inversion{
		{
			rule: "recreate: how", says: "the new group is made, filled and given its roles (Renaming.Build);",
			file: "renamed.go", old: "r.build = append(r.build, id)\n", new: "\n",
			test: "TestGoldenMeaning/110-rename-recreate",
		}, {
			rule: "recreate: how", says: "once it is complete",
			file: "renamed.go", old: "if mode == Recreate {", new: "if false {",
			test: "TestGoldenMeaning/110-rename-recreate", always: true,
		}, {
			rule: "recreate: how", says: "the old one loses ours",
			file: "renamed.go", old: "range r.takes {", new: "range r.takes[:0] {",
			test: "TestGoldenMeaning/110-rename-recreate",
		}, {
			rule: "recreate: how", says: "and goes (Remove)",
			file: "renamed.go", old: "for _, s := range ends {", new: "for _, s := range ends[:0] {",
			test: "TestGoldenMeaning/110-rename-recreate",
		}, {
			rule: "strict: how", says: "the same lists, Remove first",
			file: "renamed.go", old: "return out.Mode == Strict && !out.Waits && m.afterRemoval(out)", new: "return false",
			test: "TestGoldenMeaning/113-rename-strict",
		}, {
			rule: "in-place: how", says: "the platform renames it: one step,",
			file: "pairing.go", old: "if m.in.Rules.Rename != InPlace || !m.in.Rules.CanRename {", new: "if true {",
			test: "TestGoldenMeaning/115-rename-in-place",
		}, {
			rule: "in-place: how", says: "and everything else about the group comes after.",
			file: "adoption.go", old: "at := m.at(want.Name)\n\tat.created = []string{", new: "_ = []string{",
			test: "TestGoldenMeaning/115-rename-in-place",
		}, {
			rule: "in-place: how", says: "Where it cannot,",
			file: "pairing.go", old: "if m.in.Rules.Rename != InPlace || !m.in.Rules.CanRename {", new: "if m.in.Rules.Rename != InPlace {",
			test: "TestGoldenMeaning/116-rename-in-place-cannot",
		}, {
			rule: "in-place: how", says: "or both names are there: recreate",
			file: "pairing.go", old: "if _, taken := m.groups[to]; taken {\n\t\t\tcontinue", new: "if _, taken := m.groups[to]; taken && false {\n\t\t\tcontinue",
			test: "TestGoldenMeaning/117-rename-in-place-both",
		},
	}
}

func renamingProseInversions() []inversion {
	const rule = "Renaming"
	return []inversion{
		{
			rule: rule, says: "one of ours that nobody desires,",
			file: "pairing.go", old: "m.isSecond(have) || m.whose(have.Key(), have.Ref, have.Mark) != ours {", new: "m.isSecond(have) {",
			test: "TestGoldenMeaning/146-rename-old-unclear",
		}, {
			rule: rule, says: "one of ours that nobody desires,",
			file: "pairing.go", old: "if m.desired[have.Key()] || m.isSecond(have)", new: "if m.isSecond(have)",
			test: "TestGoldenMeaning/129-rename-swap",
		}, {
			rule: rule, says: "Names that differ in case only are one name to some platforms (IgnoreCase).",
			file: "pairing.go", old: "if m.in.Rules.IgnoreCase && m.pairCase() {", new: "if false && m.pairCase() {",
			test: "TestGoldenMeaning/118-rename-case-only",
		}, {
			rule: rule, says: "Names that differ in case only are one name to some platforms (IgnoreCase).",
			file: "pairing.go", old: "m.groups[to] = have // the name is taken", new: "",
			test: "TestGoldenMeaning/120-rename-case-only-foreign",
		}, {
			rule: rule, says: "There the group is renamed in place in every mode,",
			file: "pairing.go", old: "case m.in.Rules.CanRename:\n\t\t\tm.rename(have, to)", new: "case m.in.Rules.CanRename && m.in.Rules.Rename == InPlace:\n\t\t\tm.rename(have, to)",
			test: "TestGoldenMeaning/118-rename-case-only",
		}, {
			rule: rule, says: "or keeps the name it has.",
			file: "pairing.go", old: "m.keepName(have.Name, to)", new: "",
			test: "TestGoldenMeaning/119-rename-case-only-cannot",
		}, {
			rule: rule, says: "Whoever is in the old group and not to be in the new one leaves it at once,",
			file: "renamed.go", old: "for _, s := range m.memberSteps(old, nil, leave) {", new: "for _, s := range m.memberSteps(old, nil, leave)[:0] {",
			test: "TestGoldenMeaning/112-rename-leaver-goes",
		}, {
			rule: rule, says: "leaves it at once, under the guard,",
			file: "renamed.go", old: "d.adds = nil\n", new: "d.adds, d.removes, d.waits, d.held = nil, slices.Concat(d.removes, d.waits), nil, false\n",
			test: "TestGoldenMeaning/111-rename-leavers-held",
		}, {
			rule: rule, says: "which counts nobody else.",
			file: "renamed.go", old: "set: old.Key(), want: people, have: old.Members,", new: "set: old.Key(), want: people[:0], have: old.Members,",
			test: "TestGoldenMeaning/110-rename-recreate",
		}, {
			rule: rule, says: "While such a removal is held,",
			file: "renamed.go", old: "if d.held {", new: "if false {",
			test: "TestGoldenMeaning/111-rename-leavers-held",
		}, {
			rule: rule, says: "or somebody else has the new name,",
			file: "renamed.go", old: "if !r.ready {\n\t\tr.wait(", new: "if false {\n\t\tr.wait(",
			test: "TestGoldenMeaning/128-rename-name-taken",
		}, {
			rule: rule, says: "or a decision is to be made,",
			file: "renamed.go", old: "if r.asked > 0 {", new: "if false {",
			test: "TestGoldenMeaning/123-rename-carry-asked",
		}, {
			rule: rule, says: "or a decision is to be made,",
			file: "renamed.go", old: "r.wait(fmt.Sprintf(\"a decision on its role %q\", have.Role))\n", new: "\n",
			test: "TestGoldenMeaning/136-rename-roles-too",
		}, {
			rule: rule, says: "the renaming waits (replacement-pending-approval): the new group is built,",
			file: "renamed.go", old: "m.remark(access.RenameWaiting,", new: "m.remark(access.CleanupOff,",
			test: "TestGoldenMeaning/111-rename-leavers-held",
		}, {
			rule: rule, says: "and the old one stays as it is.",
			file: "renamed.go", old: "case out.Waits:\n", new: "case out.Waits:\n\t\tout.Remove = r.remove(m, out.Mode, ends)\n",
			test: "TestGoldenMeaning/111-rename-leavers-held",
		}, {
			rule: rule, says: "It also waits for people who move between two groups that both change their names:",
			file: "renamed.go", old: "func(need string) bool { return m.parts[need] }", new: "func(need string) bool { return false }",
			test: "TestGoldenMeaning/135-rename-move-between",
		}, {
			rule: rule, says: "Accounts that are kept come along.",
			file: "renamed.go", old: "kept := set(m.kept[want.Key()])", new: "kept := set(nil)",
			test: "TestGoldenMeaning/127-rename-kept",
		}, {
			rule: rule, says: "Of several old groups of one role all go with the same renaming.",
			file: "pairing.go", old: "m.addRenaming(want, olds[want.Name])", new: "m.addRenaming(want, olds[want.Name][:1])",
			test: "TestGoldenMeaning/131-rename-twice",
		}, {
			rule: rule, says: "What somebody else gave to the old group goes with it (Renaming.Loses),",
			file: "renamed.go", old: "Waits: len(r.waits) > 0, Loses: r.loses,", new: "Waits: len(r.waits) > 0,",
			test: "TestGoldenMeaning/110-rename-recreate",
		}, {
			rule: rule, says: "each with a remark before it happens.",
			file: "carry.go", old: "m.remark(access.ForeignPermissionRemoved, object, goes+\": give it to that group to keep it\")", new: "",
			test: "TestGoldenMeaning/110-rename-recreate",
		}, {
			rule: rule, says: "Rules.Carry offers each to the new group as a held step.",
			file: "carry.go", old: "if !m.in.Rules.Carry || ", new: "if true || ",
			test: "TestGoldenMeaning/123-rename-carry-asked",
		}, {
			rule: rule, says: "Rules.Carry offers each to the new group as a held step.",
			file: "carry.go", old: "if !m.in.Rules.Carry || ", new: "if ",
			test: "TestGoldenMeaning/110-rename-recreate",
		}, {
			rule: rule, says: "An approval makes it part of Build,",
			file: "carry.go", old: "case m.approved[atom] && !m.refused[atom]:", new: "case false:",
			test: "TestGoldenMeaning/124-rename-carry-decided",
		}, {
			rule: rule, says: "An approval makes it part of Build,",
			file: "carry.go", old: "m.build(r.to, s)", new: "m.step(s)",
			test: "TestGoldenMeaning/124-rename-carry-decided",
		}, {
			rule: rule, says: "a rejection lets it go;",
			file: "carry.go", old: "case m.saidNo(atom):", new: "case false:",
			test: "TestGoldenMeaning/124-rename-carry-decided",
		}, {
			rule: rule, says: "the renaming waits for one of them.",
			file: "carry.go", old: "r.asked++", new: "",
			test: "TestGoldenMeaning/123-rename-carry-asked",
		}, {
			rule: rule, says: "Where two roles exchange their names nothing is renamed:",
			file: "pairing.go", old: "if m.desired[have.Key()] || m.isSecond(have)", new: "if m.isSecond(have)",
			test: "TestGoldenMeaning/129-rename-swap",
		}, {
			rule: rule, says: "people move between the groups like any others.",
			file: "moves.go", old: "m.gain(m.memberSets[i].adds, \"\")", new: "",
			test: "TestGoldenMeaning/039-move",
		}, {
			rule: rule, says: "Nobody counts as leaving who has the group that their role goes to.",
			file: "pairing.go", old: "return refSet(next.Members)", new: "return nil",
			test: "TestGoldenMeaning/129-rename-swap",
		},
	}
}

func orderInversions() []inversion {
	const rule = "Order"
	return []inversion{
		{
			rule: rule, says: "A group exists, and has its name and our mark, before it gets members",
			file: "members.go", old: "needs := m.at(have.Name).created", new: "var needs []string",
			test: "TestGoldenMeaning/001-new-tenant",
		}, {
			rule: rule, says: "and has its name and our mark, before",
			file: "adoption.go", old: "at := m.at(want.Name)\n\tat.created = []string{", new: "_ = []string{",
			test: "TestGoldenMeaning/115-rename-in-place",
		}, {
			rule: rule, says: "or roles.",
			file: "bindings.go", old: "Object{Binding: &want}, Why: want.Why, Needs: at.created}", new: "Object{Binding: &want}, Why: want.Why}",
			test: "TestGoldenMeaning/001-new-tenant",
		}, {
			rule: rule, says: "A role is given before another is taken from the same group,",
			file: "bindings.go", old: "needs = slices.Concat(needs, at.given)", new: "needs = slices.Concat(needs)",
			test: "TestGoldenMeaning/054-role-added-external-removed",
		}, {
			rule: rule, says: "and taken before the group goes.",
			file: "leftover.go", old: "slices.Concat(m.at(have.Name).taken, m.arrivals(have.Members))", new: "slices.Concat(m.arrivals(have.Members))",
			test: "TestGoldenMeaning/017-leftover-cleanup-on",
		}, {
			rule: rule, says: "and taken before the group goes.",
			file: "renamed.go", old: "if s.Needs = slices.Concat(taken[name], m.at(name).taken); len(taken[name]) == 0 {", new: "if true {",
			test: "TestGoldenMeaning/110-rename-recreate",
		}, {
			rule: rule, says: "Who moves is added to the new set,",
			file: "moves.go", old: "move.gives = append(move.gives, s.ID)", new: "",
			test: "TestGoldenMeaning/039-move",
		}, {
			rule: rule, says: "and that set has its role,",
			file: "moves.go", old: "needs = append(needs, m.at(group).given...)", new: "_ = group",
			test: "TestGoldenMeaning/041-move-to-new-group",
		}, {
			rule: rule, says: "before they are removed from the old one,",
			file: "moves.go", old: "slices.Concat(s.Needs, m.arrivals(s.Removes()))", new: "slices.Concat(s.Needs)",
			test: "TestGoldenMeaning/039-move",
		}, {
			rule: rule, says: "or the old one's role",
			file: "bindings.go", old: "slices.Concat(at.created, m.arrivals(group.Members))", new: "slices.Concat(at.created)",
			test: "TestGoldenMeaning/129-rename-swap",
		}, {
			rule: rule, says: "or the old one's role",
			file: "bindings.go", old: "return m.arrivals(have.Subjects)", new: "return nil",
			test: "TestGoldenMeaning/051-subjects-role-swap",
		}, {
			rule: rule, says: "or group goes.",
			file: "leftover.go", old: "slices.Concat(m.at(have.Name).taken, m.arrivals(have.Members))", new: "slices.Concat(m.at(have.Name).taken)",
			test: "TestGoldenMeaning/104-approved-move",
		}, {
			rule: rule, says: "all that no renaming is needed for at once, then the renamings beside each other,",
			file: "schedule.go", old: "part[id] = 2*i + 1", new: "part[id] = now",
			test: "TestGoldenMeaning/110-rename-recreate",
		}, {
			rule: rule, says: "then the rest.",
			file: "schedule.go", old: "case in == now && part[need] != now:", new: "case false:",
			test: "TestGoldenMeaning/134-rename-move-in",
		}, {
			rule: rule, says: "Roles that others rest on (Rules.Base) are given before them",
			file: "separate.go", old: "s.Needs = m.apart.base[who.Ref]", new: "s.Needs = nil",
			test: "TestGoldenMeaning/080-separate-new",
		}, {
			rule: rule, says: "and taken after them,",
			file: "separate.go", old: "after[who.Ref] = append(after[who.Ref], s.ID)", new: "_ = who",
			test: "TestGoldenMeaning/082-separate-one-leaves",
		}, {
			rule: rule, says: "and stay as long as the person has another role at the tenant.",
			file: "separate.go", old: "case rest.stays[who.Ref]:", new: "case false:",
			test: "TestGoldenMeaning/087-separate-foreign-rests",
		},
	}
}

func removalInversions() []inversion {
	const rule = "Removals"
	return []inversion{
		{
			rule: rule, says: "a member who is Kept is a desired member.",
			file: "members.go", old: "if kept[h.Ref] {", new: "if false {",
			test: "TestGoldenMeaning/029-ambiguous-kept",
		}, {
			rule: rule, says: "Every removal carries its reason in Why.",
			file: "guard.go", old: "gone[i].Why = why", new: "gone[i].Why = \"\"",
			test: "TestGoldenWording/003-one-added-one-removed",
		}, {
			rule: rule, says: "The guard holds a removal that empties a group,",
			file: "rules.go", old: "gone >= present || ", new: "",
			test: "TestGoldenMeaning/022-guard-empties",
		}, {
			rule: rule, says: "or takes more than its limit from it,",
			file: "rules.go", old: "|| gone > max(g.Most, present*g.Percent/100)", new: "",
			test: "TestGoldenMeaning/023-guard-over",
		}, {
			rule: rule, says: "or takes more than its limit from it,",
			file: "rules.go", old: "gone > max(g.Most,", new: "gone >= max(g.Most,",
			test: "TestGoldenMeaning/024-guard-at-two",
		}, {
			rule: rule, says: "or takes the last role of a group",
			file: "bindings.go", old: "m.in.Rules.Gone || m.at(have.Group).roles > 0", new: "true",
			test: "TestGoldenMeaning/036-role-last",
		}, {
			rule: rule, says: "or of people bound themselves.",
			file: "bindings.go", old: "if !m.holds(gone, len(subjects)) {", new: "if true {",
			test: "TestGoldenMeaning/049-subjects-leftover",
		}, {
			rule: rule, says: "all removals of one role are held together,",
			file: "separate.go", old: "m.waitFor(set, nil, func(who access.Member) Removal { return of[who.Ref] })",
			new:  "m.waitFor(set, nil, func(who access.Member) Removal { return of[who.Ref] })\n\tif len(set.waits) > 1 {\n\t\tset.removes, set.waits = append(set.removes, set.waits[0]), set.waits[1:]\n\t}",
			test: "TestGoldenMeaning/083-separate-held",
		}, {
			rule: rule, says: "and a base role is held with the roles that rest on it.",
			file: "separate.go", old: "case rest.held[who.Ref]:", new: "case false:",
			test: "TestGoldenMeaning/095-separate-base-held",
		}, {
			rule: rule, says: "Held steps are in Plan.Held",
			file: "guard.go", old: "m.out.Held = append(m.out.Held, s)", new: "m.out.Steps = append(m.out.Steps, s)",
			test: "TestGoldenMeaning/022-guard-empties",
		}, {
			rule: rule, says: "and the rest of the plan proceeds.",
			file: "members.go", old: "m.holdMembers(have, set)\n\tleave,", new: "m.holdMembers(have, set)\n\tif set.held {\n\t\treturn\n\t}\n\tleave,",
			test: "TestGoldenMeaning/023-guard-over",
		}, {
			rule: rule, says: "What somebody approved (Input.Approved), by account or object, is not held;",
			file: "approved.go", old: "held && !m.approved[r]", new: "held && (!m.approved[r] || r.Object.Kind == access.KindMembers)",
			test: "TestGoldenMeaning/100-approved",
		}, {
			rule: rule, says: "What somebody approved (Input.Approved), by account or object, is not held;",
			file: "approved.go", old: "held && !m.approved[r]", new: "held && (!m.approved[r] || r.Object.Kind != access.KindMembers)",
			test: "TestGoldenMeaning/103-approved-tenant",
		}, {
			rule: rule, says: "it still counts towards the limit of what is left.",
			file: "members.go", old: "counted := len(m.counting(d.removes, free))",
			new:  "counted := len(slices.DeleteFunc(slices.Clone(m.counting(d.removes, free)), func(who access.Member) bool { return m.approved[Removal{Object: c.set, Ref: who.Ref}] }))",
			test: "TestGoldenMeaning/101-approved-some",
		}, {
			rule: rule, says: "A member of ours whom somebody else put there (Input.Strangers) goes like any other,",
			file: "members.go", old: "d.removes = m.giveReasons(c.set, d.removes, c.why)",
			new:  "d.removes = slices.DeleteFunc(m.giveReasons(c.set, d.removes, c.why), func(who access.Member) bool { return m.strangers[Removal{Object: c.set, Ref: who.Ref}] })",
			test: "TestGoldenMeaning/175-stranger",
		}, {
			rule: rule, says: "with unmanaged-member-removed.",
			file: "guard.go", old: "m.remark(access.ForeignMemberRemoved,", new: "m.remark(access.ForeignPermissionRemoved,",
			test: "TestGoldenMeaning/175-stranger",
		},
	}
}

func guardInversions() []inversion {
	const of = ": what the guard holds"
	return []inversion{
		{
			rule: "Guard.Closed" + of, says: "every removal from people,",
			file: "bindings.go", old: "m.losers(have, m.closed())", new: "m.losers(have, false)",
			test: "TestGoldenMeaning/170-limit-reached",
		}, {
			rule: "Guard.Closed" + of, says: "however small;",
			file: "guard.go", old: "case m.closed():\n\t\treturn true", new: "case m.closed():\n\t\treturn m.in.Rules.Guard.Holds(gone, present)",
			test: "TestGoldenMeaning/170-limit-reached", always: true,
		}, {
			rule: "Guard.Closed" + of, says: "not a pure renaming,",
			file: "renamed.go", old: "Ref: old.Ref}, false):", new: "Ref: old.Ref}, m.closed()):",
			test: "TestGoldenMeaning/139-rename-limit-reached",
		}, {
			rule: "Guard.Closed" + of, says: "and not what somebody else gave",
			file: "bindings.go", old: "m.losers(have, false)", new: "m.losers(have, m.closed())",
			test: "TestGoldenMeaning/170-limit-reached",
		}, {
			rule: "Rules.Gone" + of, says: "no role;",
			file: "bindings.go", old: "if !closed && (m.in.Rules.Gone || ", new: "if !closed && (",
			test: "TestGoldenMeaning/160-gone",
		}, {
			rule: "Rules.Gone" + of, says: "no role;",
			file: "guard.go", old: "case m.in.Rules.Gone:\n\t\treturn false", new: "case false:\n\t\treturn false",
			test: "TestGoldenMeaning/164-gone-subjects",
		}, {
			rule: "Rules.Gone" + of, says: "a group with members,",
			file: "leftover.go", old: "held := len(m.present(have.Members)) > 0 && (m.closed() || !m.in.Rules.Gone ||", new: "held := len(m.present(have.Members)) > 0 && (m.closed() || !m.in.Rules.Gone || false &&",
			test: "TestGoldenMeaning/160-gone",
		}, {
			rule: "Rules.Gone" + of, says: "a group with members,",
			file: "leftover.go", old: "held := len(m.present(have.Members)) > 0 &&", new: "held := true &&",
			test: "TestGoldenMeaning/160-gone",
		}, {
			rule: "Rules.Gone" + of, says: "unless AutoDelete",
			file: "leftover.go", old: "|| !m.in.Rules.AutoDelete)", new: "|| true)",
			test: "TestGoldenMeaning/161-gone-approved-beforehand",
		}, {
			rule: "Input.Revoked" + of, says: "nothing of theirs,",
			file: "approved.go", old: "if !m.revoked[who.Ref] && m.waits(removal(who), d.held && !free[who.Ref]) {", new: "if m.waits(removal(who), d.held && !free[who.Ref]) {",
			test: "TestGoldenMeaning/178-revoked-beside-held",
		}, {
			rule: "Input.Revoked" + of, says: "and they count for no limit;",
			file: "guard.go", old: "return m.revoked[who.Ref] || free[who.Ref] })", new: "return free[who.Ref] })",
			test: "TestGoldenMeaning/172-revoked",
		}, {
			rule: "Input.Revoked" + of, says: "they also leave groups",
			file: "guard.go", old: "for _, s := range m.memberSteps(have, nil, m.giveReasons(key, gone, \"\")) {", new: "for _, s := range m.memberSteps(have, nil, m.giveReasons(key, gone, \"\"))[:0] {",
			test: "TestGoldenMeaning/173-revoked-where-held",
		}, {
			rule: "Input.Revoked" + of, says: "they also leave groups",
			file: "leftover.go", old: "m.cleanupOff(have)\n\t\tm.expel(have)", new: "m.cleanupOff(have)",
			test: "TestGoldenMeaning/179-revoked-cleanup-off",
		}, {
			rule: "Input.Revoked" + of, says: "and bindings that stay otherwise",
			file: "bindings.go", old: "m.expelSubjects(have)\n", new: "\n",
			test: "TestGoldenMeaning/174-revoked-subjects",
		}, {
			rule: "Input.Rejected" + of, says: "just that,",
			file: "approved.go", old: "return m.refused[r] || held", new: "return held",
			test: "TestGoldenMeaning/176-rejected-only-that",
		}, {
			rule: "Input.Rejected" + of, says: "just that,",
			file: "approved.go", old: "return m.refused[r] || held", new: "return len(m.refused) > 0 || held",
			test: "TestGoldenMeaning/176-rejected-only-that",
		}, {
			rule: "Input.Rejected" + of, says: "but for the revoked",
			file: "approved.go", old: "if !m.revoked[who.Ref] && m.waits(removal(who), d.held && !free[who.Ref]) {", new: "if (!m.revoked[who.Ref] || m.refused[removal(who)]) && m.waits(removal(who), d.held && !free[who.Ref]) {",
			test: "TestGoldenMeaning/177-revoked-although-rejected",
		},
	}
}

func forbiddenRules() []inversion {
	const prose, of = "Forbidden removals", ": where removals are forbidden"
	const forbids = "if m.forbids() {\n\t\treturn true"
	return []inversion{
		{
			rule: prose, says: "A document can forbid removals (Rules.ForbiddenBy).",
			file: "forbidden.go", old: "return m.in.Rules.ForbiddenBy != \"\"", new: "return false",
			test: "TestGoldenMeaning/190-forbidden-member",
		}, {
			rule: prose, says: "and an approval changes nothing.",
			file: "approved.go", old: forbids, new: "if m.forbids() && !m.approved[r] {\n\t\treturn true",
			test: "TestGoldenMeaning/199-forbidden-approved", always: true,
		}, {
			rule: prose, says: "Plan.Forbidden has what the plan leaves out,",
			file: "guard.go", old: "m.forbid(s)\n", new: "\n",
			test: "TestGoldenMeaning/190-forbidden-member",
		}, {
			rule: prose, says: "and one warning, removals-forbidden, lists it.",
			file: "make.go", old: "m.warnForbidden()\n", new: "\n",
			test: "TestGoldenMeaning/190-forbidden-member",
		}, {
			rule: "a member" + of, says: "stays,",
			file: "approved.go", old: forbids, new: "if m.forbids() && r.Object.Kind != access.KindMembers {\n\t\treturn true",
			test: "TestGoldenMeaning/190-forbidden-member",
		}, {
			rule: "a member" + of, says: "without unmanaged-member-removed",
			file: "guard.go", old: "if m.forbids() {\n\t\t\t\tcontinue", new: "if false {\n\t\t\t\tcontinue",
			test: "TestGoldenMeaning/193-forbidden-unmanaged-member",
		}, {
			rule: "a subject of a role" + of, says: "stays",
			file: "approved.go", old: forbids, new: "if m.forbids() && r.Object.Kind != access.KindBinding {\n\t\treturn true",
			test: "TestGoldenMeaning/200-forbidden-subjects",
		}, {
			rule: "a group" + of, says: "stays,",
			file: "approved.go", old: forbids, new: "if m.forbids() && r.Object.Kind != access.KindGroup {\n\t\treturn true",
			test: "TestGoldenMeaning/191-forbidden-leftover",
		}, {
			rule: "a group" + of, says: "with its roles",
			file: "approved.go", old: forbids, new: "if m.forbids() && r.Object.Kind != access.KindBinding {\n\t\treturn true",
			test: "TestGoldenMeaning/191-forbidden-leftover",
		}, {
			rule: "an external permission" + of, says: "stays, whatever Additional says",
			file: "approved.go", old: forbids, new: "if m.forbids() && r.Object.Kind != access.KindBinding {\n\t\treturn true",
			test: "TestGoldenMeaning/192-forbidden-external",
		}, {
			rule: "a group that is replaced" + of, says: "keeps its name,",
			file: "pairing.go", old: "if m.forbids() && m.keepNames(olds) {", new: "if false && m.keepNames(olds) {",
			test: "TestGoldenMeaning/194-forbidden-replacement",
		}, {
			rule: "a group that is replaced" + of, says: "and gets what the new group would get;",
			file: "forbidden.go", old: "m.keepName(from, to)\n", new: "\n",
			test: "TestGoldenMeaning/194-forbidden-replacement",
		}, {
			rule: "a group that is replaced" + of, says: "in-place: renamed",
			file: "pairing.go", old: "if m.renameInPlace(olds) {", new: "if !m.forbids() && m.renameInPlace(olds) {",
			test: "TestGoldenMeaning/195-forbidden-rename-in-place",
		}, {
			rule: "an old group" + of, says: "stays beside the new one",
			file: "forbidden.go", old: "m.found(to); whose == ours {", new: "m.found(to); whose == ours && false {",
			test: "TestGoldenMeaning/196-forbidden-half-replaced",
		}, {
			rule: "a group of another role" + of, says: "stays, with removals-forbidden,",
			file: "forbidden.go", old: "m.remark(access.RemovalsForbidden, want.Name,", new: "m.remark(access.CleanupOff, want.Name,",
			test: "TestGoldenMeaning/197-forbidden-name-swap",
		}, {
			rule: "a group of another role" + of, says: "and gets nothing: its members would get the new role",
			file: "make.go", old: "if m.forbids() && m.repurposed(have) {", new: "if false {",
			test: "TestGoldenMeaning/197-forbidden-name-swap",
		}, {
			rule: "a condition" + of, says: "stays",
			file: "bindings.go", old: "if m.forbids() && restricts(want, have) {", new: "if false {",
			test: "TestGoldenMeaning/203-forbidden-condition",
		}, {
			rule: "a condition" + of, says: "where the new one may grant less",
			file: "bindings.go", old: "if m.forbids() && restricts(want, have) {", new: "if m.forbids() {",
			test: "TestGoldenMeaning/205-forbidden-condition-ends",
		}, {
			rule: "a revoked account" + of, says: "goes",
			file: "approved.go", old: "if !m.revoked[who.Ref] && m.waits(removal(who), d.held && !free[who.Ref]) {", new: "if m.waits(removal(who), d.held && !free[who.Ref]) {",
			test: "TestGoldenMeaning/204-forbidden-revoked",
		},
	}
}
