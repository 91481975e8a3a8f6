package plan_test

import (
	"fmt"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

var (
	tenant = access.TenantID{Workspace: "acme", Project: "shop", Platform: "cloud"}
	mark   = access.Mark{Installation: "test", Tenant: tenant.String()}
	alien  = access.Mark{Installation: "other", Tenant: tenant.String()}
)

// rules are those of an ordinary platform.
func rules() plan.Rules {
	return plan.Rules{Mark: mark, MemberChunk: 20, Additional: plan.KeepAdditional, Cleanup: true, Guard: plan.DefaultGuard()}
}

// world draws a tenant: what is desired, and what years of work by Rollcall
// and by others have left of it on a platform, with or without groups.
func world(t *rapid.T) plan.Input {
	w := drawing{T: t, in: plan.Input{Tenant: tenant, Rules: drawRules(t)}, owned: map[access.Key]bool{}}
	if rapid.Bool().Draw(t, "platform with groups") {
		w.groups()
	} else {
		w.subjects()
	}
	return w.in
}

func drawRules(t *rapid.T) plan.Rules {
	return plan.Rules{
		Mark:        mark,
		Rename:      rapid.SampledFrom([]plan.Rename{"", plan.Recreate, plan.InPlace, plan.Strict}).Draw(t, "rename"),
		CanRename:   rapid.Bool().Draw(t, "can rename"),
		IgnoreCase:  rapid.Bool().Draw(t, "ignore case"),
		Carry:       rapid.Bool().Draw(t, "carry"),
		MemberChunk: rapid.IntRange(0, 3).Draw(t, "chunk"),
		Additional:  rapid.SampledFrom([]plan.Additional{plan.KeepAdditional, plan.RemoveAdditional}).Draw(t, "additional"),
		Cleanup:     rapid.Bool().Draw(t, "cleanup"),
		Guard: plan.Guard{
			Most:    rapid.IntRange(0, 5).Draw(t, "most"),
			Percent: rapid.SampledFrom([]int{0, 20, 50, 100}).Draw(t, "percent"),
			Unnamed: rapid.Bool().Draw(t, "unnamed"),
		},
	}
}

type drawing struct {
	*rapid.T
	in    plan.Input
	owned map[access.Key]bool
	refs  int
}

// groups draws up to two groups of each name, with their members and roles. Each
// desired one serves a project role of its own, and so did those that are there.
func (w *drawing) groups() {
	serves := rapid.Permutation([]string{"s1", "s2", "s3", ""}).Draw(w.T, "serves")
	for i, name := range []string{"g1", "g2", "g3", "g4"} {
		if w.yes("desired") {
			w.in.Desired.Groups = append(w.in.Desired.Groups, access.Group{Name: name, Members: w.members(true), Serves: serves[i]})
			for _, role := range w.roles() {
				w.in.Desired.Bindings = append(w.in.Desired.Bindings, access.Binding{Role: role, Group: name})
			}
		}
		if rapid.IntRange(0, 4).Draw(w.T, "other case") == 0 {
			name = strings.ToUpper(name)
		}
		for range rapid.SampledFrom([]int{0, 1, 1, 1, 2}).Draw(w.T, "observed") {
			g := access.Group{Name: name, Ref: w.ref(), Mark: w.mark(), Members: w.members(false)}
			w.own(g.Key(), g.Ref)
			w.keep(access.Group{Name: strings.ToLower(name)}.Key(), g.Members)
			w.in.Observed.Groups = append(w.in.Observed.Groups, g)
			for _, role := range w.roles() {
				b := access.Binding{Role: role, Group: name, GroupRef: g.Ref, Mark: access.Unread()}
				w.own(b.Key(), "")
				w.in.Observed.Bindings = append(w.in.Observed.Bindings, b)
			}
			if rapid.IntRange(0, 3).Draw(w.T, "adopt") == 0 {
				ref := rapid.SampledFrom([]string{g.Ref, g.Ref, "gone"}).Draw(w.T, "adopted")
				w.in.Adopted = append(w.in.Adopted, plan.Owned{Key: g.Key(), Ref: ref})
			}
		}
	}
}

// subjects draws bindings that list people.
func (w *drawing) subjects() {
	for _, role := range []string{"r1", "r2", "r3"} {
		if w.yes("desired") {
			w.in.Desired.Bindings = append(w.in.Desired.Bindings, access.Binding{Role: role, Subjects: w.members(true)})
		}
		for range rapid.SampledFrom([]int{0, 1, 1, 1, 2}).Draw(w.T, "observed") {
			b := access.Binding{Role: role, Subjects: w.members(false), Ref: w.ref(), Version: "1", Mark: w.mark()}
			w.own(b.Key(), b.Ref)
			w.keep(b.Key(), b.Subjects)
			w.in.Observed.Bindings = append(w.in.Observed.Bindings, b)
		}
	}
}

func (w *drawing) yes(label string) bool {
	return rapid.SampledFrom([]bool{true, true, false}).Draw(w.T, label)
}

func (w *drawing) ref() string { w.refs++; return fmt.Sprintf("ref-%d", w.refs) }

func (w *drawing) roles() []string {
	return rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"r1", "r2", "r3"}), 0, 3, rapid.ID[string]).Draw(w.T, "roles")
}

func (w *drawing) mark() access.Mark {
	return rapid.SampledFrom([]access.Mark{mark, mark, mark, {}, access.Unread(), alien}).Draw(w.T, "mark")
}

// members draws accounts; the observed ones have an id and nothing else.
func (w *drawing) members(desired bool) []access.Member {
	var all []access.Member
	for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(1, 9), 0, 9, rapid.ID[int]).Draw(w.T, "members") {
		m := access.Member{Account: access.Account{Ref: fmt.Sprintf("u%d", i)}}
		if desired {
			m.Name, m.Person = m.Ref+"@example.com", m.Ref
			m.Why = rapid.SampledFrom([]string{"binding", "group binding"}).Draw(w.T, "why")
		}
		all = append(all, m)
	}
	return all
}

// own draws what the ledger knows: the object, another of that name, only the
// intent, or nothing.
func (w *drawing) own(key access.Key, ref string) {
	known := rapid.SampledFrom([]string{"it", "it", "it", "intent", "another", ""}).Draw(w.T, "ledger")
	if known == "" || w.owned[key] {
		return
	}
	w.owned[key] = true
	o := plan.Owned{Key: key}
	if key.Kind == access.KindGroup {
		o.Serves = rapid.SampledFrom([]string{"s1", "s2", "s3", ""}).Draw(w.T, "served")
	}
	switch {
	case known == "it":
		o.Ref = ref
	case known == "another" && ref != "":
		o.Ref = "gone"
	}
	w.in.Owned = append(w.in.Owned, o)
}

func (w *drawing) keep(key access.Key, present []access.Member) {
	if len(present) > 0 && rapid.IntRange(0, 3).Draw(w.T, "keep") == 0 {
		w.in.Keep = append(w.in.Keep, access.Keep{Set: key, Refs: []string{present[0].Ref}})
	}
}

// shuffled returns a deep copy of in, its lists in another order.
func shuffled(t *rapid.T, in plan.Input) plan.Input {
	in.Desired, in.Observed = shuffledState(t, in.Desired), shuffledState(t, in.Observed)
	in.Owned = shuffle(t, in.Owned)
	in.Keep = shuffle(t, in.Keep)
	in.Adopted, in.Revoked, in.Strangers = shuffle(t, in.Adopted), shuffle(t, in.Revoked), shuffle(t, in.Strangers)
	in.Approved, in.Rejected = shuffle(t, in.Approved), shuffle(t, in.Rejected)
	in.Elsewhere = shuffledState(t, access.State{Bindings: in.Elsewhere}).Bindings
	return in
}

func shuffledState(t *rapid.T, s access.State) access.State {
	s = access.State{Groups: shuffle(t, s.Groups), Bindings: shuffle(t, s.Bindings)}
	for i := range s.Groups {
		s.Groups[i].Members = shuffle(t, s.Groups[i].Members)
	}
	for i := range s.Bindings {
		s.Bindings[i].Subjects = shuffle(t, s.Bindings[i].Subjects)
	}
	return s
}

func shuffle[T any](t *rapid.T, s []T) []T {
	if len(s) == 0 {
		return nil
	}
	return rapid.Permutation(slices.Clone(s)).Draw(t, "order")
}

// platform makes steps true and knows nothing else.
type platform struct {
	access.State
	owned []plan.Owned
	made  int
}

func newPlatform(in plan.Input) *platform {
	p := &platform{owned: slices.Clone(in.Owned)}
	p.Groups, p.Bindings = slices.Clone(in.Observed.Groups), slices.Clone(in.Observed.Bindings)
	return p
}

func (p *platform) apply(s plan.Step) {
	switch {
	case s.Op == plan.Create && s.Kind == access.KindGroup:
		g := *s.Want.Group
		g.Ref = p.own(g.Key())
		p.owned[len(p.owned)-1].Serves = g.Serves
		p.Groups = append(p.Groups, g)
	case s.Op == plan.Change && s.Kind == access.KindGroup:
		p.rename(*s.Have.Group, *s.Want.Group)
	case s.Op == plan.Delete && s.Kind == access.KindGroup:
		p.disown(func(k access.Key) bool { return k.Group == s.Have.Group.Name })
		p.Groups = slices.DeleteFunc(p.Groups, func(g access.Group) bool { return g.Ref == s.Have.Group.Ref })
		p.Bindings = slices.DeleteFunc(p.Bindings, func(b access.Binding) bool { return b.GroupRef == s.Have.Group.Ref })
	case s.Kind == access.KindMembers:
		g := p.group(s)
		g.Members = append(minus(g.Members, s.Removes()), s.Adds()...)
	case s.Op == plan.Create && s.Want.Binding.Carried:
		b := *s.Want.Binding
		b.GroupRef, b.Mark, b.Carried = p.group(s).Ref, access.Unread(), false
		p.Bindings = append(p.Bindings, b)
	case s.Op == plan.Create:
		b := *s.Want.Binding
		if b.Ref = p.own(b.Key()); b.Group != "" {
			b.GroupRef, b.Ref = p.group(s).Ref, ""
		}
		p.Bindings = append(p.Bindings, b)
	case s.Op == plan.Delete:
		p.disown(func(k access.Key) bool { return k == s.Key() })
		p.Bindings = slices.Delete(p.Bindings, p.binding(s), p.binding(s)+1)
	default:
		p.Bindings[p.binding(s)].Subjects = s.Want.Binding.Subjects
	}
}

// rename gives a group its new name and our mark, as a driver does, and lets the
// ledger know it by that name.
func (p *platform) rename(have, want access.Group) {
	for i, g := range p.Groups {
		if g.Ref == have.Ref {
			p.Groups[i].Name, p.Groups[i].Mark = want.Name, want.Mark
		}
	}
	for i, b := range p.Bindings {
		if b.GroupRef == have.Ref {
			p.Bindings[i].Group = want.Name
		}
	}
	owned := slices.Clone(p.owned)
	p.disown(func(k access.Key) bool { return k.Group == have.Name || k == want.Key() })
	p.owned = append(p.owned, plan.Owned{Key: want.Key(), Ref: have.Ref, Serves: want.Serves})
	for _, o := range owned {
		if o.Key.Kind == access.KindBinding && o.Key.Group == have.Name {
			o.Key.Group = want.Name
			if !slices.ContainsFunc(p.owned, func(q plan.Owned) bool { return q.Key == o.Key }) {
				p.owned = append(p.owned, o)
			}
		}
	}
}

// group returns the step's group: by id, or by name when the plan creates it.
func (p *platform) group(s plan.Step) *access.Group {
	name, ref := s.Key().Group, groupRef(s)
	i := slices.IndexFunc(p.Groups, func(g access.Group) bool { return g.Name == name && (ref == "" || g.Ref == ref) })
	if i < 0 {
		panic(fmt.Sprintf("step %s %s %q comes before its group exists", s.Op, s.Kind, s.Object))
	}
	return &p.Groups[i]
}

// groupRef returns the id of the group that the step is about, if it has one.
func groupRef(s plan.Step) string {
	for _, o := range []plan.Object{s.Have, s.Want} {
		switch {
		case o.Group != nil:
			return o.Group.Ref
		case o.Members != nil:
			return o.Members.GroupRef
		case o.Binding != nil:
			return o.Binding.GroupRef
		}
	}
	return ""
}

func (p *platform) binding(s plan.Step) int {
	want := s.Have.Binding
	return slices.IndexFunc(p.Bindings, func(b access.Binding) bool {
		return b.Key() == want.Key() && b.Ref == want.Ref && b.GroupRef == want.GroupRef
	})
}

// own records a creation in the ledger and returns the new object's id.
func (p *platform) own(key access.Key) string {
	p.made++
	ref := fmt.Sprintf("made-%d", p.made)
	p.disown(func(k access.Key) bool { return k == key })
	o := plan.Owned{Key: key, Ref: ref}
	if key.Group != "" && key.Kind == access.KindBinding {
		o.Ref = ""
	}
	p.owned = append(p.owned, o)
	return ref
}

func (p *platform) disown(gone func(access.Key) bool) {
	p.owned = slices.DeleteFunc(p.owned, func(o plan.Owned) bool { return gone(o.Key) })
}

// ours says it in the words of the package comment: the ledger has it, and its
// mark, where one was read, agrees.
func (p *platform) ours(key access.Key, ref string, m access.Mark) bool {
	known := slices.ContainsFunc(p.owned, func(o plan.Owned) bool {
		return o.Key == key && (o.Ref == "" || ref == "" || o.Ref == ref || m == mark)
	})
	return known && (m.Unread || m == mark)
}

// ledgers reports whether the ledger has that very object.
func (p *platform) ledgers(key access.Key, ref string) bool {
	return slices.ContainsFunc(p.owned, func(o plan.Owned) bool { return o.Key == key && o.Ref == ref })
}

// mine returns our group of that name: the ledger's own before any other.
func (p *platform) mine(name string) (mine access.Group, found bool) {
	for _, g := range p.Groups {
		if g.Name != name || !p.ours(g.Key(), g.Ref, g.Mark) {
			continue
		}
		if !found || p.ledgers(g.Key(), g.Ref) {
			mine, found = g, true
		}
	}
	return mine, found
}

// set returns the members of our group, or the subjects of our binding.
func (p *platform) set(key access.Key) (members []access.Member, found bool) {
	if key.Kind == access.KindGroup {
		g, found := p.mine(key.Group)
		return g.Members, found
	}
	for _, b := range p.Bindings {
		if b.Key() != key || !p.ours(key, b.Ref, b.Mark) {
			continue
		}
		if !found || p.ledgers(key, b.Ref) {
			members, found = b.Subjects, true
		}
	}
	return members, found
}

// roles counts the bindings of the group.
func (p *platform) roles(group string) int {
	n := 0
	for _, b := range p.Bindings {
		if b.GroupRef == group {
			n++
		}
	}
	return n
}

// holders returns who has a role: directly, or through a group that has one.
func (p *platform) holders() map[string]bool {
	who := map[string]bool{}
	for _, b := range p.Bindings {
		people := b.Subjects
		for _, g := range p.Groups {
			if b.GroupRef == g.Ref {
				people = append(slices.Clone(people), g.Members...)
			}
		}
		for _, m := range people {
			who[m.Ref] = true
		}
	}
	return who
}

func minus(all, some []access.Member) []access.Member {
	return slices.DeleteFunc(slices.Clone(all), func(m access.Member) bool {
		return slices.ContainsFunc(some, func(n access.Member) bool { return n.Ref == m.Ref })
	})
}

func refs(members []access.Member) []string {
	var refs []string
	for _, m := range members {
		refs = append(refs, m.Ref)
	}
	slices.Sort(refs)
	return refs
}
