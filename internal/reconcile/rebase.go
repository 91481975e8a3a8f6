package reconcile

import (
	"slices"
	"sync"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// subjects follows the bindings whose subjects are not as the plan expects, because the
// platform refused an earlier step about the binding, or a part of one. Such a binding is
// written whole: a later step would conflict with subjects that it does not know. The zero
// value is ready to use, also by many goroutines.
type subjects struct {
	mu    sync.Mutex
	known map[access.Key][]access.Member
}

// replay notes what earlier attempts did about the bindings of a plan.
func (b *subjects) replay(p plan.Plan, done map[string]bool, refused map[string]error) {
	for _, s := range p.Steps {
		switch err := refused[s.ID]; {
		case !changesSubjects(s):
		case err != nil:
			b.replayParts(p, s, done)
		case done[s.ID]:
			b.note(b.rebase(s), nil)
		}
	}
}

// replayParts notes a refused step, and its parts that are done.
func (b *subjects) replayParts(p plan.Plan, s plan.Step, done map[string]bool) {
	b.set(s, s.Have.Binding.Subjects)
	for _, part := range p.Parts(s) {
		if done[part.ID] {
			b.note(b.rebase(part), nil)
		} else {
			b.replayParts(p, part, done)
		}
	}
}

// changesSubjects reports whether the step writes the subjects of a binding that exists.
func changesSubjects(s plan.Step) bool {
	return s.Op == plan.Change && s.Kind == access.KindBinding && s.Have.Binding != nil && s.Want.Binding != nil &&
		len(s.Have.Binding.Subjects)+len(s.Want.Binding.Subjects) > 0
}

// rebase returns the step as the same change of the subjects that the binding has now.
func (b *subjects) rebase(s plan.Step) plan.Step {
	b.mu.Lock()
	defer b.mu.Unlock()
	now, known := b.known[s.Key()]
	if !known || s.Have.Binding == nil {
		return s
	}
	adds, removes := s.Adds(), s.Removes()
	have := *s.Have.Binding
	have.Subjects, have.Version = now, "" // only the platform knows the version
	s.Have.Binding = &have
	if s.Want.Binding != nil {
		want := *s.Want.Binding
		want.Subjects = changed(now, adds, removes)
		s.Want.Binding = &want
	}
	return s
}

// changed returns members with some added and others removed, in order.
func changed(members, adds, removes []access.Member) []access.Member {
	in := func(list []access.Member, m access.Member) bool {
		return slices.ContainsFunc(list, func(n access.Member) bool { return n.Ref == m.Ref })
	}
	left := slices.DeleteFunc(slices.Clone(members), func(m access.Member) bool { return in(removes, m) || in(adds, m) })
	return slices.SortedFunc(slices.Values(slices.Concat(left, adds)), access.CompareMembers)
}

// note notes the outcome of a step that was applied as it is.
func (b *subjects) note(s plan.Step, err error) {
	switch {
	case !changesSubjects(s):
	case err == nil && b.has(s):
		b.set(s, s.Want.Binding.Subjects)
	case fault.Permanent(err):
		b.set(s, s.Have.Binding.Subjects)
	}
}

func (b *subjects) has(s plan.Step) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, known := b.known[s.Key()]
	return known
}

func (b *subjects) set(s plan.Step, now []access.Member) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.known == nil {
		b.known = map[access.Key][]access.Member{}
	}
	b.known[s.Key()] = now
}
