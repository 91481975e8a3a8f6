package plan

import (
	"slices"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// Unit is what a platform writes at once. Units are applied in parallel; the
// steps of one unit never are.
type Unit string

const (
	// PerObject writes each group with its members, and each binding, alone.
	PerObject Unit = "object"
	// PerTenant writes all bindings of a tenant together, as one policy.
	PerTenant Unit = "tenant"
)

// Work is the steps of one write unit, in order, that may run at one time.
type Work struct {
	Unit  string   `json:"unit"`
	Steps []string `json:"steps"` // step IDs
}

// name returns the write unit that the step belongs to.
func (u Unit) name(s Step) string {
	key := s.Key()
	switch {
	case key.Kind == access.KindAccount:
		return "account " + s.ID // histories keep unit names, and never people
	case key.Kind != access.KindBinding:
		return "group " + key.Group
	case u == PerTenant:
		return "bindings"
	case key.Name != "":
		return "binding " + s.ID
	default:
		return "binding " + key.String()
	}
}

// Waves groups the steps into waves of units. All that a step needs is in an
// earlier wave; within a wave units may run in any order, or at once.
func (p Plan) Waves(u Unit) [][]Work { return waves(p.Steps, u) }

// waves does so for some of the steps. Others that they need are done before. Units that
// only remove access come first in their wave.
func waves(steps []Step, u Unit) [][]Work {
	level := make(map[string]int, len(steps)) // from 1 on
	grants := make(map[string]bool, len(steps))
	var waves [][]Work
	index := map[[2]any]int{} // wave and unit -> place in the wave
	for _, s := range steps {
		at := 0
		for _, need := range s.Needs {
			at = max(at, level[need.ID])
		}
		level[s.ID] = at + 1
		for len(waves) <= at {
			waves = append(waves, nil)
		}
		name := u.name(s)
		i, ok := index[[2]any{at, name}]
		if !ok {
			i = len(waves[at])
			index[[2]any{at, name}] = i
			waves[at] = append(waves[at], Work{Unit: name})
		}
		waves[at][i].Steps = append(waves[at][i].Steps, s.ID)
		grants[s.ID] = !s.RemovesOnly()
	}
	for _, wave := range waves {
		slices.SortStableFunc(wave, func(a, b Work) int { return compareBool(a.any(grants), b.any(grants)) })
	}
	return waves
}

// any reports whether one of the steps is in the set.
func (w Work) any(of map[string]bool) bool {
	return slices.ContainsFunc(w.Steps, func(id string) bool { return of[id] })
}
