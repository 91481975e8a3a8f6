package plan

import "github.com/rollcall-iam/rollcall/internal/access"

// Fate is what became of a step of a plan that is being executed.
type Fate int

const (
	// Pending steps may run.
	Pending Fate = iota
	// Done steps are as the plan wants them.
	Done
	// Unfinished steps failed, and are tried again.
	Unfinished
	// Refused steps failed, and are not tried again in this run.
	Refused
	// Blocked steps need a refused step, directly or through others.
	Blocked
)

// Execution follows the steps of one plan. A refused step blocks the steps that
// need it, and no other. It is not safe for use by many goroutines.
type Execution struct {
	order []Step
	steps map[string]Step
	fates map[string]Fate
	// waitExpired is true once removals wait no longer for additions that fail for now, other
	// than the awaited ones.
	waitExpired bool
	awaited     map[string]bool
}

// NewExecution returns the execution of a plan, of which some steps, by ID, are done
// or refused. Steps that another run executes stay Pending: they count as done.
func NewExecution(p Plan, done, refused map[string]bool) *Execution {
	e := &Execution{order: p.Steps, steps: make(map[string]Step, len(p.Steps)), fates: make(map[string]Fate, len(p.Steps))}
	for _, s := range p.Steps {
		e.steps[s.ID] = s
		switch {
		case done[s.ID]:
			e.fates[s.ID] = Done
		case refused[s.ID]:
			e.fates[s.ID] = Refused
		default:
			// Steps are in an order that respects Needs. A step that waits for an
			// unfinished one has its fate only when it is asked for.
			if e.Fate(s.ID) == Blocked {
				e.fates[s.ID] = Blocked
			}
		}
	}
	return e
}

// StopWaiting lets steps that take access run although steps that give access to the same
// users still fail for now.
func (e *Execution) StopWaiting() { e.waitExpired = true }

// Await lets steps that take access wait for some additions, by ID, also after StopWaiting.
func (e *Execution) Await(additions map[string]bool) { e.awaited = additions }

// Defer notes that other executions left steps, by ID, unfinished. So are the steps that
// need them, directly or through others.
func (e *Execution) Defer(unfinished map[string]bool) {
	for _, s := range e.order {
		if unfinished[s.ID] || e.Fate(s.ID) == Unfinished {
			e.fates[s.ID] = Unfinished
		}
	}
}

// Set notes what became of a step.
func (e *Execution) Set(id string, fate Fate) { e.fates[id] = fate }

// Fate returns what became of a step, or what its needs make of it: Pending if it may
// run, Unfinished if it waits for a step that is tried again, Blocked if it never may.
//
// A step that takes access away waits for steps that give access, so that users keep
// it. It does not need them: where the platform refuses to give, it takes all the same.
func (e *Execution) Fate(id string) Fate {
	if fate := e.fates[id]; fate != Pending {
		return fate
	}
	fate := Pending
	for _, need := range e.steps[id].Needs {
		switch e.fates[need.ID] {
		case Refused, Blocked:
			if need.Why != NeedsAccess {
				return Blocked
			}
		case Unfinished:
			if need.Why != NeedsAccess || !e.waitExpired || e.awaited[need.ID] {
				fate = Unfinished
			}
		case Pending, Done:
		}
	}
	return fate
}

// BlockedBy returns how many steps need the step, directly or through others, and cannot
// run without it.
func (p Plan) BlockedBy(id string) int {
	execution := NewExecution(p, nil, map[string]bool{id: true})
	blocked := 0
	for _, fate := range execution.fates {
		if fate == Blocked {
			blocked++
		}
	}
	return blocked
}

// grants reports whether the step grants access or makes what access is given to.
func (s Step) grants() bool {
	switch {
	case s.Op == Create, s.Op == Change && s.Kind == access.KindGroup, len(s.Adds()) > 0:
		return true
	default: // another condition may give more
		return s.Have.Binding != nil && s.Want.Binding != nil && s.Have.Binding.Condition != s.Want.Binding.Condition
	}
}

// RemovesOnly reports whether the step removes access and grants none.
func (s Step) RemovesOnly() bool {
	return !s.grants() && (s.Op == Delete || len(s.Removes()) > 0)
}

// Parts returns a refused step as two smaller ones, for which the platform may answer
// differently: what takes access before what gives it, or else the halves of the members
// that are added or removed. It returns nil for a step that cannot be smaller.
func (p Plan) Parts(s Step) []Step {
	adds, removes := s.Adds(), s.Removes()
	var parts []Step
	switch {
	case s.Op != Change:
	case s.Have.Binding != nil && len(adds) > 0 && len(removes) > 0:
		have := *s.Have.Binding
		taken, left := rewrite(have, nil, removes)
		left.Version = "" // only the platform knows it
		given, _ := rewrite(left, adds, nil)
		parts = []Step{taken, given}
	case s.Kind != access.KindMembers:
	case len(adds) > 0 && len(removes) > 0:
		parts = []Step{s.members(nil, removes), s.members(adds, nil)}
	case len(adds) > 1:
		half := len(adds) / 2
		parts = []Step{s.members(adds[:half], nil), s.members(adds[half:], nil)}
	case len(removes) > 1:
		half := len(removes) / 2
		parts = []Step{s.members(nil, removes[:half]), s.members(nil, removes[half:])}
	}
	for i, part := range parts {
		part.PartOf, part.Why = s.ID, s.Why
		parts[i] = named(p.Tenant, part)
	}
	return parts
}

// members returns the change of a group's members with only these of its accounts.
func (s Step) members(adds, removes []access.Member) Step {
	part := Step{Op: Change}
	if len(removes) > 0 {
		part.Have.Members = &Members{Group: s.Have.Members.Group, GroupRef: s.Have.Members.GroupRef, Accounts: removes}
	}
	if len(adds) > 0 {
		part.Want.Members = &Members{Group: s.Want.Members.Group, GroupRef: s.Want.Members.GroupRef, Accounts: adds}
	}
	return part
}
