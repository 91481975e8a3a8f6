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
	maxForms   = 16
	maxMatches = 16
	maxTries   = 2000
)

// form is the form of the texts that a mapping makes: pieces in a row, each of which is a
// text or a claim: 'cluster-1::' + assertion.sub.
type form []term

// formsOf returns the forms of a mapping, more than one for a conditional; false if the
// mapping does more than this type can say.
func formsOf(e *expression) ([]form, bool) {
	if e.root == nil {
		return []form{{{claim: e.claim}}}, true
	}
	return exprForms(e.root)
}

func exprForms(e ast.Expr) ([]form, bool) {
	if e.Kind() == ast.CallKind {
		switch call := e.AsCall(); call.FunctionName() {
		case operators.Conditional:
			left, known := exprForms(call.Args()[1])
			right, alsoKnown := exprForms(call.Args()[2])
			return limitForms(append(left, right...), known && alsoKnown)
		case operators.Add:
			left, known := exprForms(call.Args()[0])
			right, alsoKnown := exprForms(call.Args()[1])
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
	isPart := t.isClaim() && !t.opaque && !t.fold && t.prefix == "" && t.suffix == ""
	return []form{{t}}, isText || isPart
}

// joined returns each form of one list before each of the other.
func joined(left, right []form) ([]form, bool) {
	var all []form
	for _, a := range left {
		for _, b := range right {
			all = append(all, slices.Concat(a, b))
		}
	}
	return limitForms(all, true)
}

// limitForms reports forms as not known if there are too many.
func limitForms(all []form, known bool) ([]form, bool) {
	if !known || len(all) > maxForms {
		return nil, false
	}
	return all, true
}

// part is a piece of a form with its part of a value.
type part struct {
	term

	value string
}

// comparison returns what a part says of its claim.
func (p part) comparison() trust.Comparison {
	value, operator := p.claimed(p.value, trust.Equal)
	return trust.Comparison{Claim: p.claim, Operator: operator, Values: []string{value}}
}

// matcher finds the ways to take a value apart.
type matcher struct {
	matches [][]part
	tries   int
}

// isExhausted reports whether there may be more ways than were tried.
func (s *matcher) isExhausted() bool { return s.tries > maxTries || len(s.matches) >= maxMatches }

// from takes the rest of a value apart. A claim is not empty; what extract returns may be.
func (s *matcher) from(rest form, value string, parts []part) {
	if s.tries++; s.isExhausted() {
		return
	}
	if len(rest) == 0 {
		if value == "" {
			s.matches = append(s.matches, slices.Clone(parts))
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

// matches returns the ways in which a mapping makes a value, as the parts of its claims;
// false if they are not all known.
func (m mapping) matches(value string) ([][]part, bool) {
	forms, known := formsOf(m.expression)
	if !known {
		return nil, false
	}
	var found matcher
	for _, s := range forms {
		found.from(s, value, nil)
	}
	return found.matches, !found.isExhausted()
}

// comparisonsFor returns what claims a mapping has for a value, as comparisons; false if
// that is not known.
func (m mapping) comparisonsFor(value string) ([]trust.Comparison, bool) {
	matches, known := m.matches(value)
	var all []trust.Comparison
	for _, parts := range matches {
		for _, p := range parts {
			all = addValue(all, p.comparison())
		}
	}
	return all, known || len(matches) > 0
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
