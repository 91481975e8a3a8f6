package gcp

import (
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
)

// outcome is the outcome of an expression for which claims are needed.
type outcome int

const (
	forValue outcome = iota // any value, but no error
	forTrue
	forFalse
)

// needed returns the claims without which an expression has not the outcome, because a
// missing claim is an error. CEL's && and || absorb the error of one side if the other side
// decides.
func (s *scope) needed(e ast.Expr, want outcome) claimSet {
	switch e.Kind() {
	case ast.SelectKind:
		sel := e.AsSelect()
		if sel.IsTestOnly() {
			return s.neededBySelection(sel, want)
		}
		return s.neededPath(e)
	case ast.CallKind:
		return s.neededByCall(e.AsCall(), want)
	case ast.ComprehensionKind:
		return s.needed(e.AsComprehension().IterRange(), forValue)
	case ast.ListKind:
		return s.neededByAll(e.AsList().Elements())
	case ast.MapKind:
		set := claimSet{}
		for _, entry := range e.AsMap().Entries() {
			set.union(s.needed(entry.AsMapEntry().Key(), forValue))
			set.union(s.needed(entry.AsMapEntry().Value(), forValue))
		}
		return set
	default:
		return claimSet{}
	}
}

// neededBySelection returns the claims that has(claim) needs.
func (s *scope) neededBySelection(sel ast.SelectExpr, want outcome) claimSet {
	set := s.needed(sel.Operand(), forValue)
	if want == forTrue {
		for _, t := range s.field(sel.Operand(), sel.FieldName()) {
			set.add(t.claim)
		}
	}
	return set
}

// neededPath returns the claim of a path and what its parts need.
func (s *scope) neededPath(e ast.Expr) claimSet {
	set := claimSet{}
	terms := s.terms(e)
	if len(terms) == 1 && !terms[0].opaque {
		set.add(terms[0].claim)
	}
	if e.Kind() == ast.SelectKind {
		return set.union(s.needed(e.AsSelect().Operand(), forValue))
	}
	return set.union(s.neededByAll(e.AsCall().Args()))
}

// neededByAll returns the claims that the values of all expressions need.
func (s *scope) neededByAll(expressions []ast.Expr) claimSet {
	set := claimSet{}
	for _, e := range expressions {
		set.union(s.needed(e, forValue))
	}
	return set
}

func (s *scope) neededByCall(call ast.CallExpr, want outcome) claimSet {
	args := call.Args()
	switch call.FunctionName() {
	case operators.LogicalAnd, operators.LogicalOr:
		left, right := s.needed(args[0], want), s.needed(args[1], want)
		both := forTrue
		if call.FunctionName() == operators.LogicalOr {
			both = forFalse
		}
		if want == both {
			return left.union(right)
		}
		return left.intersect(right)
	case operators.LogicalNot:
		return s.needed(args[0], inverted(want))
	case operators.Conditional:
		either := s.needed(args[1], want).intersect(s.needed(args[2], want))
		return either.union(s.needed(args[0], forValue))
	case operators.In:
		set := s.neededByAll(args)
		if name, ok := text(args[0]); ok && want == forTrue && isToken(args[1]) {
			set.add([]string{name})
		}
		return set
	case operators.Index:
		return s.neededByAll(args).union(s.indexPath(call))
	}
	set := s.neededByAll(args)
	if call.IsMemberFunction() {
		set.union(s.needed(call.Target(), forValue))
	}
	return set
}

// indexPath returns the claim of claims['key'].
func (s *scope) indexPath(call ast.CallExpr) claimSet {
	set := claimSet{}
	if terms := s.call(call); len(terms) == 1 && !terms[0].opaque {
		set.add(terms[0].claim)
	}
	return set
}

// isToken reports whether an expression is the token itself.
func isToken(e ast.Expr) bool {
	return e.Kind() == ast.IdentKind && e.AsIdent() == "assertion"
}

// inverted returns the outcome of an operand of a negation.
func inverted(want outcome) outcome {
	switch want {
	case forTrue:
		return forFalse
	case forFalse:
		return forTrue
	case forValue:
		return forValue
	}
	return want
}
