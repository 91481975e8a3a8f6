package plan_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// meaning is what a plan does, without its wording: no reason, no text of a
// warning, no ID. The planner and its oracle are compared by it, and the golden
// files meaning.txt hold it.
type meaning struct {
	tenant  string
	removes bool
	steps   []action
	pending []action
	// forbidden are the removals that the plan leaves out.
	forbidden []action
	replaced  []groupReplacement
	warnings  []string // code and object
	// byObject and byTenant are the order in which steps may run, by write unit. The
	// text leaves out the latter where both are the same.
	byObject, byTenant schedule
}

// action is one step.
type action struct {
	id          string // only to resolve references
	verb, kind  string
	key         string
	have, want  string
	adds, takes []string // accounts
	removals    []string // what an approval of the step names
	copies      string
	needs       []string // IDs
}

// groupReplacement is one group that replaces others.
type groupReplacement struct {
	mode, to      string
	from          []string
	build, remove []string // IDs
	waits         bool
	loses         []string
}

// schedule is one plan.Schedule, each wave a list of units, each unit a list of
// step IDs. The key is the part of the schedule.
type schedule map[string][][][]string

// currentWords has, by today's name of an operation, a kind, a mode or a warning
// code, the name that the oracle has for it. Both mean the same. A name that is
// missing here is the same in both.
var currentWords = map[string]string{
	"removal-pending-approval": "removal-held", "replacement-pending-approval": "rename-waiting",
	"object-unmanaged": "object-foreign", "unmanaged-member-removed": "foreign-member-removed",
	"external-permission-kept": "foreign-permission-kept", "external-permission-removed": "foreign-permission-removed",
	"drifting": "contested",
}

// word returns the oracle's name of a current one.
func word[T ~string](name T) string { return cmp.Or(currentWords[string(name)], string(name)) }

// meaningOf returns the meaning of a plan. The function
// oracleMeaning does the same for the oracle: both read the fields, and everything
// else is shared.
func meaningOf(p plan.Plan) meaning {
	m := meaning{
		tenant: p.Tenant.String(), removes: p.Removes(),
		steps: each(p.Steps, actionOf), pending: each(p.Held, actionOf), forbidden: each(p.Forbidden, actionOf),
		byObject: scheduleOf(p, plan.PerObject), byTenant: scheduleOf(p, plan.PerTenant),
	}
	for _, r := range p.Renames {
		m.replaced = append(m.replaced, groupReplacement{
			mode: word(r.Mode), to: r.To, from: each(append([]access.Group{r.From}, r.Also...), groupText),
			build: r.Build, remove: r.Remove, waits: r.Waits, loses: each(r.Loses, bindingText),
		})
	}
	for _, r := range p.Remarks {
		m.warnings = append(m.warnings, word(r.Code)+" "+r.Object)
	}
	return m
}

func actionOf(s plan.Step) action {
	return action{
		id: s.ID, verb: word(s.Op), kind: word(s.Kind), key: keyText(s.Key()),
		have: objectText(s.Have), want: objectText(s.Want),
		adds: each(s.Adds(), memberText), takes: each(s.Removes(), memberText),
		removals: each(s.Removals(), removalText), copies: s.Carries, needs: each(s.Needs, needID),
	}
}

func needID(n plan.Need) string { return n.ID }

func objectText(o plan.Object) string {
	switch {
	case o.Group != nil:
		return groupText(*o.Group)
	case o.Members != nil:
		return fields("members", "group", o.Members.Group, "id", o.Members.GroupRef) + accountList(each(o.Members.Accounts, memberText))
	case o.Binding != nil:
		return bindingText(*o.Binding)
	case o.Account != nil:
		a := o.Account
		return fields("account", "name", a.Name, "id", a.Ref, "user", a.Person, "email", a.Email, "first", a.FirstName, "last", a.LastName)
	default:
		return ""
	}
}

func groupText(g access.Group) string {
	return fields("group", "name", g.Name, "id", g.Ref, "serves", g.Serves, "mark", markText(g.Mark)) + accountList(each(g.Members, memberText))
}

func bindingText(b access.Binding) string {
	return fields("binding", "role", b.Role, "name", b.Name, "group", b.Group, "groupId", b.GroupRef, "id", b.Ref,
		"condition", b.Condition, "version", b.Version, "mark", markText(b.Mark),
		"shielded", flag01(b.Shielded), "inUse", flag01(b.InUse), "copied", flag01(b.Carried)) + accountList(each(b.Subjects, memberText))
}

func memberText(m access.Member) string {
	return fields(cmp.Or(m.Ref, "-"), "name", m.Name, "user", m.Person)
}

func markText(m access.Mark) string {
	return group(fields("", "installation", m.Installation, "tenant", m.Tenant, "unread", flag01(m.Unread)))
}

func keyText(k access.Key) string {
	return fields(word(k.Kind), "group", k.Group, "role", k.Role, "name", k.Name)
}

func removalText(r plan.Removal) string {
	return fields(keyText(r.Object), "id", r.Ref)
}

func scheduleOf(p plan.Plan, u plan.Unit) schedule {
	all := p.Schedule(u)
	out := schedule{"1 now": unitsOf(all.Now), "3 after": unitsOf(all.After)}
	for i, r := range all.Renamings {
		to := p.Renames[i].To
		out["2 replace by "+to+", build"], out["2 replace by "+to+", remove"] = unitsOf(r.Build), unitsOf(r.Remove)
	}
	return out
}

func unitsOf(waves [][]plan.Work) [][][]string {
	return each(waves, func(wave []plan.Work) [][]string {
		return each(wave, func(w plan.Work) []string { return w.Steps })
	})
}

// each maps a list; nil stays nil.
func each[A, B any](all []A, to func(A) B) []B {
	if all == nil {
		return nil
	}
	out := make([]B, len(all))
	for i, a := range all {
		out[i] = to(a)
	}
	return out
}

// fields writes names and values, and leaves out what is empty.
func fields(head string, pairs ...string) string {
	var b strings.Builder
	b.WriteString(head)
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			b.WriteString(" " + pairs[i] + "=" + pairs[i+1])
		}
	}
	return b.String()
}

func flag01(set bool) string {
	if set {
		return "yes"
	}
	return ""
}

// group puts pairs in parentheses, if there are any.
func group(pairs string) string {
	if pairs == "" {
		return ""
	}
	return "(" + strings.TrimSpace(pairs) + ")"
}

func accountList(accounts []string) string {
	if len(accounts) == 0 {
		return ""
	}
	return " accounts=[" + strings.Join(accounts, ", ") + "]"
}

// text returns the meaning as lines. Steps have numbers in an order of their own,
// so that the place of a step in the plan counts only where its schedule does.
func (m meaning) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "tenant %s\n", m.tenant)
	if m.removes {
		b.WriteString("removes\n")
	}
	steps := slices.SortedFunc(slices.Values(m.steps), func(a, b action) int { return cmp.Compare(a.text(), b.text()) })
	number := map[string]string{}
	for i, s := range steps {
		number[s.id] = strconv.Itoa(i + 1)
	}
	after := reduced(m.steps)
	for _, s := range steps {
		fmt.Fprintf(&b, "%s. %s", number[s.id], s.text())
		if ids := after[s.id]; len(ids) > 0 {
			fmt.Fprintf(&b, "    after %s\n", numbers(ids, number))
		}
	}
	list := func(head string, actions []action) {
		texts := each(actions, func(a action) string {
			text := head + a.text()
			if len(a.needs) > 0 {
				text += "    after " + numbers(a.needs, number) + "\n"
			}
			return text
		})
		b.WriteString(strings.Join(slices.Sorted(slices.Values(texts)), ""))
	}
	list("pending approval: ", m.pending)
	list("forbidden: ", m.forbidden)
	for _, r := range m.replaced {
		fmt.Fprintf(&b, "replace by %s, mode %s, waits %t, build %s, remove %s\n",
			r.to, r.mode, r.waits, numbers(r.build, number), numbers(r.remove, number))
		writeLines(&b, "    from ", r.from)
		writeLines(&b, "    loses ", r.loses)
	}
	writeLines(&b, "warning ", slices.Sorted(slices.Values(m.warnings)))
	b.WriteString(m.byObject.text("by object, ", number))
	if byTenant := m.byTenant.text("by tenant, ", number); byTenant != m.byObject.text("by tenant, ", number) {
		b.WriteString(byTenant)
	}
	return b.String()
}

// text returns the action as lines, without what refers to others.
func (a action) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: %s%s\n", a.verb, a.kind, a.key, fields("", "copies", a.copies))
	for i, object := range []string{a.have, a.want} {
		if object != "" {
			fmt.Fprintf(&b, "    %s %s\n", []string{"have", "want"}[i], object)
		}
	}
	writeLines(&b, "    + ", a.adds)
	writeLines(&b, "    - ", a.takes)
	writeLines(&b, "    approve ", a.removals)
	return b.String()
}

func (s schedule) text(head string, number map[string]string) string {
	var b strings.Builder
	for _, part := range slices.Sorted(maps.Keys(s)) {
		for i, wave := range s[part] {
			units := each(wave, func(ids []string) string { return "[" + inOrder(ids, number) + "]" })
			slices.Sort(units) // the units of a wave run in any order
			fmt.Fprintf(&b, "%s%s, wave %d: %s\n", head, part[2:], i+1, strings.Join(units, " "))
		}
	}
	return b.String()
}

func writeLines(b *strings.Builder, head string, lines []string) {
	for _, line := range lines {
		b.WriteString(head + line + "\n")
	}
}

// inOrder returns the numbers of the steps as they come.
func inOrder(ids []string, number map[string]string) string {
	return strings.Join(each(ids, func(id string) string { return cmp.Or(number[id], "unknown") }), " ")
}

// numbers returns the numbers of the steps in order of the number.
func numbers(ids []string, number map[string]string) string {
	sorted := slices.SortedFunc(slices.Values(ids), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(number[a]), len(number[b])), cmp.Compare(number[a], number[b]))
	})
	return "[" + inOrder(sorted, number) + "]"
}

// reduced returns, by ID, the steps that come directly before each: those that it
// needs and that no other step which it needs comes after. Equal constraints give
// an equal result, however many needs repeat them.
func reduced(steps []action) map[string][]string {
	needs := map[string][]string{}
	for _, s := range steps {
		needs[s.id] = s.needs
	}
	before := map[string]map[string]bool{}
	var all func(id string) map[string]bool
	all = func(id string) map[string]bool {
		if known, ok := before[id]; ok {
			return known
		}
		found := map[string]bool{}
		before[id] = found
		for _, need := range needs[id] {
			found[need] = true
			maps.Copy(found, all(need))
		}
		return found
	}
	out := map[string][]string{}
	for id, list := range needs {
		for _, need := range slices.Compact(slices.Sorted(slices.Values(list))) {
			if !slices.ContainsFunc(list, func(other string) bool { return all(other)[need] }) {
				out[id] = append(out[id], need)
			}
		}
	}
	return out
}
