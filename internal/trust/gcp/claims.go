package gcp

import (
	"slices"

	"cel.dev/cel-go/common/ast"
)

// claims returns the claims that an expression names, without repetition.
func (s *scope) claims(e *expression) [][]string {
	if e.root == nil {
		return [][]string{e.claim}
	}
	var found [][]string
	add := func(terms []term) {
		for _, t := range terms {
			if t.isClaim() && !slices.ContainsFunc(found, func(path []string) bool { return slices.Equal(path, t.claim) }) {
				found = append(found, t.claim)
			}
		}
	}
	// A path assertion.a.b counts once, as its longest part.
	inner := map[int64]bool{}
	ast.PreOrderVisit(e.root, ast.NewExprVisitor(func(node ast.Expr) {
		operand, isPath := s.path(node)
		if !isPath {
			return
		}
		inner[operand.ID()] = true
		if !inner[node.ID()] {
			add(s.pathTerms(node))
		}
	}))
	return found
}

// claimTerms returns the claims that a mapping names as terms.
func claimTerms(e *expression) []term {
	var terms []term
	for _, path := range (&scope{}).claims(e) {
		terms = append(terms, term{claim: path})
	}
	return terms
}

// path returns the operand of a field selection, has(), or an index with a literal key.
func (*scope) path(e ast.Expr) (ast.Expr, bool) {
	switch e.Kind() {
	case ast.SelectKind:
		return e.AsSelect().Operand(), true
	case ast.CallKind:
		call := e.AsCall()
		if len(call.Args()) != 2 || call.IsMemberFunction() {
			return nil, false
		}
		if _, ok := text(call.Args()[1]); ok && call.FunctionName() == "_[_]" {
			return call.Args()[0], true
		}
		if _, ok := text(call.Args()[0]); ok && isToken(call.Args()[1]) {
			return call.Args()[1], true
		}
		return nil, false
	default:
		return nil, false
	}
}

// pathTerms returns the terms of a path, also of one in has().
func (s *scope) pathTerms(e ast.Expr) []term {
	if e.Kind() == ast.SelectKind {
		return s.field(e.AsSelect().Operand(), e.AsSelect().FieldName())
	}
	call := e.AsCall()
	if name, ok := text(call.Args()[0]); ok {
		return []term{{claim: []string{name}}}
	}
	return s.terms(e)
}
