package gcp

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// compare returns the comparisons with literals in mappings and condition, and the claims
// without which the provider accepts no token.
func (p *provider) compare() ([]trust.Comparison, claimSet) {
	s := &scope{attributes: map[string][]term{}, locals: map[string][]term{}}
	c := &comparer{scope: s}
	needed := claimSet{}
	for _, m := range p.mappings {
		s.attributes[m.key] = s.expressionTerms(m.expression)
		if m.root == nil {
			needed.add(m.claim)
			continue
		}
		c.walk(m.root, false)
		needed.union(s.needed(m.root, forValue))
	}
	if p.condition != nil && p.condition.root != nil {
		c.walk(p.condition.root, false)
		needed.union(s.needed(p.condition.root, forTrue))
	}
	if p.condition != nil && p.condition.root == nil {
		needed.add(p.condition.claim)
	}
	if p.AWS != nil {
		c.list = append(c.list, trust.Comparison{
			Claim: []string{"account"}, Operator: trust.Equal, Values: []string{p.AWS.AccountID},
		})
		needed.add([]string{"account"})
	}
	for i := range c.list {
		c.list[i].Optional = !needed.has(c.list[i].Claim)
	}
	return c.list, needed
}

// comparer collects the comparisons of an expression.
type comparer struct {
	*scope

	list []trust.Comparison
}

// walk collects the comparisons below an expression. negated is true below an odd number of
// negations.
func (c *comparer) walk(e ast.Expr, negated bool) {
	switch e.Kind() {
	case ast.SelectKind:
		c.selection(e.AsSelect(), negated)
	case ast.CallKind:
		c.call(e.AsCall(), negated)
	case ast.ComprehensionKind:
		c.comprehension(e.AsComprehension(), negated)
	case ast.ListKind:
		for _, element := range e.AsList().Elements() {
			c.walk(element, negated)
		}
	default:
	}
}

// selection adds has(claim).
func (c *comparer) selection(sel ast.SelectExpr, negated bool) {
	if !sel.IsTestOnly() {
		c.walk(sel.Operand(), negated)
		return
	}
	for _, t := range c.field(sel.Operand(), sel.FieldName()) {
		c.add(t, negate(trust.Present, negated), nil)
	}
}

// comprehension walks the body of a macro with its variable standing for the elements.
func (c *comparer) comprehension(loop ast.ComprehensionExpr, negated bool) {
	c.walk(loop.IterRange(), negated)
	before, shadowed := c.locals[loop.IterVar()]
	c.locals[loop.IterVar()] = c.items(loop.IterRange())
	c.walk(loop.LoopStep(), negated)
	if shadowed {
		c.locals[loop.IterVar()] = before
	} else {
		delete(c.locals, loop.IterVar())
	}
}

func (c *comparer) call(call ast.CallExpr, negated bool) {
	args := call.Args()
	operator, compares := operatorOf(call)
	switch {
	case call.FunctionName() == operators.LogicalNot:
		c.walk(args[0], !negated)
	case call.FunctionName() == operators.In:
		c.in(args[0], args[1], negated)
	case compares && call.IsMemberFunction():
		c.pair(c.terms(call.Target()), c.terms(args[0]), operator, negated)
		c.operands(call, negated)
	case compares:
		c.pair(c.terms(args[0]), c.terms(args[1]), operator, negated)
		c.operands(call, negated)
	default:
		c.operands(call, negated)
	}
}

// operands walks the target and the arguments of a call.
func (c *comparer) operands(call ast.CallExpr, negated bool) {
	if call.IsMemberFunction() {
		c.walk(call.Target(), negated)
	}
	for _, arg := range call.Args() {
		c.walk(arg, negated)
	}
}

// operatorOf returns the operator of a function that compares two values.
func operatorOf(call ast.CallExpr) (trust.Operator, bool) {
	switch call.FunctionName() {
	case operators.Equals:
		return trust.Equal, true
	case operators.NotEquals:
		return trust.NotEqual, true
	case operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		return trust.Other, true
	case "startsWith":
		return trust.Prefix, len(call.Args()) == 1
	case "endsWith":
		return trust.Suffix, len(call.Args()) == 1
	case "contains":
		return trust.Contains, len(call.Args()) == 1
	case "matches":
		return trust.Regexp, len(call.Args()) == 1 && call.IsMemberFunction()
	default:
		return "", false
	}
}

// in adds comparisons of `claim in [literals]`, `literal in claim` for claims that are
// lists, and `name in assertion`.
func (c *comparer) in(left, right ast.Expr, negated bool) {
	for _, container := range c.terms(right) {
		if container.claim != nil && len(container.claim) == 0 {
			if name, ok := text(left); ok {
				c.add(term{claim: []string{name}}, negate(trust.Present, negated), nil)
			}
		}
	}
	c.pair(c.terms(left), c.items(right), trust.Equal, negated)
	c.walk(left, negated)
	c.walk(right, negated)
}

// items returns the terms of the items of a list. Those of a list in the expression are its
// elements; a claim is a list of which an item is meant.
func (s *scope) items(e ast.Expr) []term {
	terms := slices.Clone(s.terms(e))
	for i := range terms {
		terms[i].list = e.Kind() != ast.ListKind && terms[i].isClaim()
	}
	return terms
}

// pair adds the comparisons of each claim of one side with the literals of the other.
func (c *comparer) pair(left, right []term, operator trust.Operator, negated bool) {
	for _, a := range left {
		for _, b := range right {
			switch {
			case a.isClaim() && b.literals != nil:
				c.compare(a, operator, b, negated)
			case b.isClaim() && a.literals != nil && (operator == trust.Equal || operator == trust.NotEqual):
				c.compare(b, operator, a, negated)
			case b.isClaim() && a.literals != nil:
				c.add(b, trust.Other, a.literals)
			case a.isClaim() && b.isClaim():
				c.add(a, trust.Other, nil)
				c.add(b, trust.Other, nil)
			}
		}
	}
}

// compare adds a comparison of a term with literals, as one of its claim.
func (c *comparer) compare(t term, operator trust.Operator, literals term, negated bool) {
	if operator == trust.NotEqual {
		operator, negated = trust.Equal, !negated
	}
	if t.opaque || !literals.isText || operator == trust.Other {
		c.add(t, trust.Other, literals.literals)
		return
	}
	var values []string
	for _, value := range literals.literals {
		claimed, claimOperator := t.claimed(value, operator)
		if claimOperator != operator {
			c.add(t, negate(claimOperator, negated), []string{claimed})
			continue
		}
		values = append(values, claimed)
	}
	if len(values) > 0 {
		c.add(t, negate(operator, negated), values)
	}
}

// claimed turns a comparison of the term's value into one of the claim's.
func (t term) claimed(value string, operator trust.Operator) (string, trust.Operator) {
	switch {
	case t.extracted && (operator == trust.Equal || operator == trust.Prefix):
		return t.claimedExtract(value, operator)
	case t.extracted:
		return value, trust.Other
	case t.fold && operator == trust.Equal:
		return value, trust.EqualFold
	case t.prefix == "" && t.suffix == "":
		return value, operator
	case operator == trust.Equal:
		if claimed, ok := t.invert(value); ok {
			return claimed, operator
		}
	case operator == trust.Prefix && strings.HasPrefix(value, t.prefix):
		return value[len(t.prefix):], operator
	case operator == trust.Suffix && strings.HasSuffix(value, t.suffix):
		return value[:len(value)-len(t.suffix)], operator
	}
	return value, trust.Other
}

// claimedExtract turns a comparison of an extracted value into one of the claim: the value
// stands between the prefix and the suffix of the template.
func (t term) claimedExtract(value string, operator trust.Operator) (string, trust.Operator) {
	after := t.after
	if operator == trust.Prefix {
		after = ""
	}
	whole := t.before + value + after
	switch {
	case t.before == "" && (after != "" || operator == trust.Prefix):
		return whole, trust.Prefix
	case t.before == "":
		return whole, trust.Equal
	case t.after == "" && operator == trust.Equal:
		return whole, trust.Suffix
	default:
		return whole, trust.Contains
	}
}

// negate returns the operator of a negated comparison.
func negate(operator trust.Operator, negated bool) trust.Operator {
	switch {
	case !negated:
		return operator
	case operator == trust.Equal || operator == trust.EqualFold:
		return trust.NotEqual
	case operator == trust.Present || operator == trust.Other:
		return trust.Other
	default:
		return trust.NotMatches
	}
}

// add appends a comparison that is not there yet.
func (c *comparer) add(t term, operator trust.Operator, values []string) {
	if !t.isClaim() {
		return
	}
	same := func(other trust.Comparison) bool {
		return other.List == t.list && other.Operator == operator &&
			slices.Equal(other.Claim, t.claim) && slices.Equal(other.Values, values)
	}
	if !slices.ContainsFunc(c.list, same) {
		c.list = append(c.list, trust.Comparison{Claim: t.claim, Operator: operator, Values: values, List: t.list})
	}
}

// claimSet is a set of claims, by the quoted keys of their paths.
type claimSet map[string][]string

func claimKey(path []string) string {
	var key strings.Builder
	for _, part := range path {
		key.WriteString(strconv.Quote(part))
	}
	return key.String()
}

func (s claimSet) add(path []string) {
	if len(path) > 0 {
		s[claimKey(path)] = path
	}
}

// paths returns the claims, in order.
func (s claimSet) paths() [][]string {
	var paths [][]string
	for _, key := range slices.Sorted(maps.Keys(s)) {
		paths = append(paths, s[key])
	}
	return paths
}

func (s claimSet) has(path []string) bool {
	_, ok := s[claimKey(path)]
	return ok
}

func (s claimSet) union(other claimSet) claimSet {
	maps.Copy(s, other)
	return s
}

func (s claimSet) intersect(other claimSet) claimSet {
	for key := range s {
		if _, ok := other[key]; !ok {
			delete(s, key)
		}
	}
	return s
}
