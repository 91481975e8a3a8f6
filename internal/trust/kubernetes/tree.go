package kubernetes

import (
	"maps"
	"slices"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// children returns the expressions directly inside one.
func children(e ast.Expr) []ast.Expr {
	switch e.Kind() {
	case ast.CallKind:
		c := e.AsCall()
		if c.IsMemberFunction() {
			return append([]ast.Expr{c.Target()}, c.Args()...)
		}
		return c.Args()
	case ast.SelectKind:
		return []ast.Expr{e.AsSelect().Operand()}
	case ast.ListKind:
		return e.AsList().Elements()
	case ast.MapKind:
		var all []ast.Expr
		for _, entry := range e.AsMap().Entries() {
			all = append(all, entry.AsMapEntry().Key(), entry.AsMapEntry().Value())
		}
		return all
	case ast.StructKind:
		var all []ast.Expr
		for _, field := range e.AsStruct().Fields() {
			all = append(all, field.AsStructField().Value())
		}
		return all
	case ast.ComprehensionKind:
		c := e.AsComprehension()
		return []ast.Expr{c.IterRange(), c.AccuInit(), c.LoopCondition(), c.LoopStep(), c.Result()}
	default:
		return nil
	}
}

// visit calls f for an expression and all inside it.
func visit(e ast.Expr, f func(ast.Expr)) {
	f(e)
	for _, child := range children(e) {
		visit(child, f)
	}
}

// copies bounds how often the value of an expression may hold one of its inputs: each
// macro binds a variable, and each use of the variable copies what it holds. Without the
// bound, [x].map(a, [a, a]) inside itself makes a value of size 2^n, which takes 2^n steps
// to compare, although cost counts it as one. The result is at most maxCopies+1.
func copies(e ast.Expr) int {
	product := 1
	visit(e, func(one ast.Expr) {
		if one.Kind() != ast.ComprehensionKind {
			return
		}
		c := one.AsComprehension()
		used := uses(c.LoopStep(), c.IterVar()) + uses(c.Result(), c.AccuVar())
		if c.HasIterVar2() {
			used += uses(c.LoopStep(), c.IterVar2())
		}
		product = min(product*max(used-1, 1), maxCopies+1)
	})
	return product
}

func uses(e ast.Expr, variable string) int {
	n := 0
	visit(e, func(one ast.Expr) {
		if one.Kind() == ast.IdentKind && one.AsIdent() == variable {
			n++
		}
	})
	return n
}

// unknownField returns a field of user that an expression selects and user does not have.
func unknownField(e ast.Expr) string {
	unknown := ""
	visit(e, func(one ast.Expr) {
		path, ok := pathOf(one, nil)
		if ok && len(path) == 2 && path[0] == "user" && !slices.Contains([]string{"username", "uid", "groups", "extra"}, path[1]) {
			unknown = path[1]
		}
	})
	return unknown
}

// topClaims returns the names of the claims that an expression reads.
func topClaims(e ast.Expr) []string {
	var names []string
	visit(e, func(one ast.Expr) {
		if path, ok := pathOf(one, nil); ok && len(path) == 2 && path[0] == "claims" && !slices.Contains(names, path[1]) {
			names = append(names, path[1])
		}
	})
	return names
}

// variables are the paths that the variables of macros stand for.
type variables map[string][]string

// pathOf returns the path that an expression reads: claims.a['b'] is claims, a, b. An
// optional access and its default read the same.
func pathOf(e ast.Expr, bound variables) ([]string, bool) {
	switch e.Kind() {
	case ast.IdentKind:
		if path, ok := bound[e.AsIdent()]; ok {
			return path, true
		}
		return []string{e.AsIdent()}, true
	case ast.SelectKind:
		path, ok := pathOf(e.AsSelect().Operand(), bound)
		return append(slices.Clone(path), e.AsSelect().FieldName()), ok
	case ast.CallKind:
		return callPath(e.AsCall(), bound)
	default:
		return nil, false
	}
}

func callPath(c ast.CallExpr, bound variables) ([]string, bool) {
	switch name := c.FunctionName(); {
	case (name == operators.Index || name == operators.OptIndex || name == operators.OptSelect) && len(c.Args()) == 2:
		path, ok := pathOf(c.Args()[0], bound)
		key, text := literal(c.Args()[1])
		return append(slices.Clone(path), key), ok && text
	case (name == "orValue" || name == "value") && c.IsMemberFunction():
		return pathOf(c.Target(), bound)
	default:
		return nil, false
	}
}

// literal returns the text of a literal that is one.
func literal(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	text, ok := e.AsLiteral().(types.String)
	return string(text), ok
}

// literals returns the texts of a list of literals.
func literals(e ast.Expr) []string {
	var texts []string
	if e.Kind() == ast.ListKind {
		for _, element := range e.AsList().Elements() {
			if text, ok := literal(element); ok {
				texts = append(texts, text)
			}
		}
	}
	return texts
}

// comparisons returns the comparisons of paths with literals in an expression. The first
// element of a path is the variable.
func comparisons(e ast.Expr, bound variables) []trust.Comparison {
	if e.Kind() == ast.CallKind && e.AsCall().FunctionName() == operators.LogicalNot {
		found := comparisons(e.AsCall().Args()[0], bound)
		for i := range found {
			found[i] = negated(found[i])
		}
		return found
	}
	var found []trust.Comparison
	if c, ok := compared(e, bound); ok {
		found = append(found, c)
	}
	if e.Kind() != ast.ComprehensionKind {
		for _, child := range children(e) {
			found = append(found, comparisons(child, bound)...)
		}
		return found
	}
	inner := maps.Clone(bound)
	if inner == nil {
		inner = variables{}
	}
	if path, ok := pathOf(e.AsComprehension().IterRange(), bound); ok {
		inner[e.AsComprehension().IterVar()] = path
	}
	for _, child := range children(e) {
		found = append(found, comparisons(child, inner)...)
	}
	return found
}

// negated returns the opposite of a comparison. Patterns are written with * and ?.
func negated(c trust.Comparison) trust.Comparison {
	before, after := "", ""
	switch c.Operator {
	case trust.Equal:
		c.Operator = trust.NotEqual
		return c
	case trust.NotEqual:
		c.Operator = trust.Equal
		return c
	case trust.Prefix:
		after = "*"
	case trust.Suffix:
		before = "*"
	case trust.Contains:
		before, after = "*", "*"
	default:
		c.Operator, c.Values = trust.Other, nil
		return c
	}
	values := make([]string, 0, len(c.Values))
	for _, v := range c.Values {
		values = append(values, before+v+after)
	}
	c.Operator, c.Values = trust.NotMatches, values
	return c
}

// compared returns the comparison that an expression is by itself.
func compared(e ast.Expr, bound variables) (trust.Comparison, bool) {
	if e.Kind() == ast.SelectKind && e.AsSelect().IsTestOnly() {
		path, ok := pathOf(e, bound)
		return trust.Comparison{Claim: path, Operator: trust.Present}, ok
	}
	if e.Kind() != ast.CallKind {
		return trust.Comparison{}, false
	}
	c := e.AsCall()
	left, right, ok := sides(c)
	if !ok {
		return trust.Comparison{}, false
	}
	operator, ok := operatorOf(c.FunctionName())
	if !ok {
		return trust.Comparison{}, false
	}
	if path, ok := pathOf(left, bound); ok {
		found, ok := comparison(path, operator, left, right)
		found.List = isItem(left, bound)
		return found, ok
	}
	if path, ok := pathOf(right, bound); ok && operator != trust.Prefix {
		found, ok := comparison(path, operator, right, left)
		found.List = c.FunctionName() == operators.In || isItem(right, bound)
		return found, ok
	}
	if folded, ok := foldedPath(left, bound); ok && operator == trust.Equal {
		return comparison(folded, trust.EqualFold, left, right)
	}
	return trust.Comparison{}, false
}

// isItem reports whether an expression is the variable of a macro, which is an item of a list.
func isItem(e ast.Expr, bound variables) bool {
	return e.Kind() == ast.IdentKind && bound[e.AsIdent()] != nil
}

// sides returns the two values that a call compares.
func sides(c ast.CallExpr) (left, right ast.Expr, ok bool) {
	switch {
	case c.IsMemberFunction() && len(c.Args()) == 1:
		return c.Target(), c.Args()[0], true
	case !c.IsMemberFunction() && len(c.Args()) == 2:
		return c.Args()[0], c.Args()[1], true
	default:
		return nil, nil, false
	}
}

func operatorOf(function string) (trust.Operator, bool) {
	switch function {
	case operators.Equals, operators.In:
		return trust.Equal, true
	case operators.NotEquals:
		return trust.NotEqual, true
	case "startsWith":
		return trust.Prefix, true
	case "endsWith":
		return trust.Suffix, true
	case "contains":
		return trust.Contains, true
	case "matches", "find":
		return trust.Regexp, true
	default:
		return "", false
	}
}

// comparison returns the comparison of a path, read by one side, with the other side.
func comparison(path []string, operator trust.Operator, reader, with ast.Expr) (trust.Comparison, bool) {
	c := trust.Comparison{Claim: path, Operator: operator, Optional: optional(reader)}
	if text, ok := literal(with); ok {
		c.Values = []string{text}
		return c, true
	}
	if c.Values = literals(with); len(c.Values) > 0 {
		return c, true
	}
	if with.Kind() == ast.LiteralKind {
		c.Operator = trust.Other
		return c, true
	}
	return trust.Comparison{}, false
}

// optional reports whether an expression has a default where the claim is absent.
func optional(e ast.Expr) bool {
	return e.Kind() == ast.CallKind && e.AsCall().FunctionName() == "orValue"
}

// foldedPath returns the path of claims.x.lowerAscii().
func foldedPath(e ast.Expr, bound variables) ([]string, bool) {
	if e.Kind() != ast.CallKind || !e.AsCall().IsMemberFunction() {
		return nil, false
	}
	switch e.AsCall().FunctionName() {
	case "lowerAscii", "upperAscii":
		return pathOf(e.AsCall().Target(), bound)
	default:
		return nil, false
	}
}
