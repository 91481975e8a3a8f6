package gcp

import (
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// Bounds of what is made of one mapping and value.
const (
	maxShapes    = 16
	maxSolutions = 16
	maxTries     = 2000
)

// shape is the form of the texts that a mapping makes: pieces in a row, each of which is a
// text or a claim: 'cluster-1::' + assertion.sub.
type shape []term

// shapesOf returns the shapes of a mapping, more than one for a conditional; false if the
// mapping does more than this type can say.
func shapesOf(e *expression) ([]shape, bool) {
	if e.root == nil {
		return []shape{{{claim: e.claim}}}, true
	}
	return exprShapes(e.root)
}

func exprShapes(e ast.Expr) ([]shape, bool) {
	if e.Kind() == ast.CallKind {
		switch call := e.AsCall(); call.FunctionName() {
		case operators.Conditional:
			yes, known := exprShapes(call.Args()[1])
			no, alsoKnown := exprShapes(call.Args()[2])
			return few(append(yes, no...), known && alsoKnown)
		case operators.Add:
			left, known := exprShapes(call.Args()[0])
			right, alsoKnown := exprShapes(call.Args()[1])
			if !known || !alsoKnown {
				return nil, false
			}
			return joined(left, right)
		}
	}
	terms := (&scope{}).terms(e)
	if len(terms) != 1 {
		return nil, false
	}
	t := terms[0]
	isText := len(t.literals) == 1 && t.isText
	isPiece := t.isClaim() && !t.opaque && !t.fold && t.prefix == "" && t.suffix == ""
	return []shape{{t}}, isText || isPiece
}

// joined returns each shape of one list before each of the other.
func joined(left, right []shape) ([]shape, bool) {
	var all []shape
	for _, a := range left {
		for _, b := range right {
			all = append(all, slices.Concat(a, b))
		}
	}
	return few(all, true)
}

// few reports shapes as not known if there are too many.
func few(all []shape, known bool) ([]shape, bool) {
	if !known || len(all) > maxShapes {
		return nil, false
	}
	return all, true
}

// part is a piece of a shape with its part of a value.
type part struct {
	term

	value string
}

// comparison returns what a part says of its claim.
func (p part) comparison() trust.Comparison {
	value, operator := p.claimed(p.value, trust.Equal)
	return trust.Comparison{Claim: p.claim, Operator: operator, Values: []string{value}}
}

// solver finds the ways to take a value apart.
type solver struct {
	solutions [][]part
	tries     int
}

// isExhausted reports whether there may be more ways than were tried.
func (s *solver) isExhausted() bool { return s.tries > maxTries || len(s.solutions) >= maxSolutions }

// from takes the rest of a value apart. A claim is not empty; what extract returns may be.
func (s *solver) from(rest shape, value string, parts []part) {
	if s.tries++; s.isExhausted() {
		return
	}
	if len(rest) == 0 {
		if value == "" {
			s.solutions = append(s.solutions, slices.Clone(parts))
		}
		return
	}
	t := rest[0]
	if t.claim == nil {
		if after, ok := strings.CutPrefix(value, t.literals[0]); ok {
			s.from(rest[1:], after, parts)
		}
		return
	}
	first := 1
	if t.extracted {
		first = 0
	}
	if len(rest) == 1 {
		first = max(first, len(value))
	}
	for end := first; end <= len(value); end++ {
		next := slices.Clip(parts)
		if end > 0 {
			next = append(next, part{t, value[:end]})
		}
		s.from(rest[1:], value[end:], next)
	}
}

// solutions returns the ways in which a mapping makes a value, as the parts of its claims;
// false if they are not all known.
func (m mapping) solutions(value string) ([][]part, bool) {
	shapes, known := shapesOf(m.expression)
	if !known {
		return nil, false
	}
	var found solver
	for _, s := range shapes {
		found.from(s, value, nil)
	}
	return found.solutions, !found.isExhausted()
}

// comparisonsFor returns what claims a mapping has for a value, as comparisons; false if
// that is not known.
func (m mapping) comparisonsFor(value string) ([]trust.Comparison, bool) {
	solutions, known := m.solutions(value)
	var all []trust.Comparison
	for _, parts := range solutions {
		for _, p := range parts {
			all = addValue(all, p.comparison())
		}
	}
	return all, known || len(solutions) > 0
}

// addValue adds a comparison with one value to those of the same claim and operator.
func addValue(all []trust.Comparison, c trust.Comparison) []trust.Comparison {
	for i := range all {
		if all[i].Operator != c.Operator || !slices.Equal(all[i].Claim, c.Claim) {
			continue
		}
		if !slices.Contains(all[i].Values, c.Values[0]) {
			all[i].Values = append(all[i].Values, c.Values[0])
		}
		return all
	}
	return append(all, c)
}
