package gcp

import (
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// maxTerms bounds how many values of conditional expressions are followed.
const maxTerms = 16

// term is what is known of the value of an expression: a set of literals, or a claim with
// what is done to it.
type term struct {
	literals []string
	// isText is true if the literals are texts.
	isText bool
	// claim is the path of the claim; nil for literals and unknown values, empty for the
	// token itself.
	claim []string
	// prefix and suffix are literals around the claim.
	prefix, suffix string
	// before and after are the template of extract, if extracted.
	before, after string
	extracted     bool
	fold          bool
	// list is true of an item of a claim that is a list.
	list bool
	// opaque is true if more is done to the claim than this type can say.
	opaque bool
}

// isClaim reports whether the term is a claim of the token.
func (t term) isClaim() bool { return len(t.claim) > 0 }

// isExact reports whether the term is the claim between two literals, and nothing else.
func (t term) isExact() bool { return t.isClaim() && !t.opaque && !t.extracted && !t.fold }

// invert returns the value of the claim for which the term has a value.
func (t term) invert(value string) (string, bool) {
	if !t.isExact() || len(value) < len(t.prefix)+len(t.suffix) ||
		!strings.HasPrefix(value, t.prefix) || !strings.HasSuffix(value, t.suffix) {
		return "", false
	}
	return value[len(t.prefix) : len(value)-len(t.suffix)], true
}

// scope knows what variables of an expression stand for.
type scope struct {
	// attributes are the terms of mapped attributes by key.
	attributes map[string][]term
	// locals are the terms of the variables of macros, such as exists.
	locals map[string][]term
}

// expressionTerms returns the terms of a compiled expression.
func (s *scope) expressionTerms(e *expression) []term {
	if e.root == nil {
		return []term{{claim: e.claim}}
	}
	return s.terms(e.root)
}

// terms returns what the value of an expression can be: more than one term for a
// conditional, none if nothing is known.
func (s *scope) terms(e ast.Expr) []term {
	switch e.Kind() {
	case ast.LiteralKind:
		return []term{literal(e)}
	case ast.IdentKind:
		if e.AsIdent() == "assertion" {
			return []term{{claim: []string{}}}
		}
		return s.locals[e.AsIdent()]
	case ast.SelectKind:
		sel := e.AsSelect()
		if sel.IsTestOnly() {
			return nil
		}
		return s.field(sel.Operand(), sel.FieldName())
	case ast.ListKind:
		return s.list(e.AsList().Elements())
	case ast.MapKind:
		var keys []ast.Expr
		for _, entry := range e.AsMap().Entries() {
			keys = append(keys, entry.AsMapEntry().Key())
		}
		return s.list(keys)
	case ast.CallKind:
		return s.call(e.AsCall())
	default:
		return nil
	}
}

// literal returns a literal as a term.
func literal(e ast.Expr) term {
	if text, ok := e.AsLiteral().(types.String); ok {
		return term{literals: []string{string(text)}, isText: true}
	}
	return term{literals: []string{fmt.Sprint(e.AsLiteral().Value())}}
}

// list returns one term with the literals of a list, and the other terms of it.
func (s *scope) list(elements []ast.Expr) []term {
	all := term{isText: true}
	var others []term
	for _, element := range elements {
		for _, t := range s.terms(element) {
			if t.literals == nil {
				others = append(others, t)
				continue
			}
			all.literals = append(all.literals, t.literals...)
			all.isText = all.isText && t.isText
		}
	}
	if all.literals != nil {
		others = append(others, all)
	}
	return limit(others)
}

// field returns the terms of a field of a value: of the token, of a claim, or of the mapped
// attributes.
func (s *scope) field(operand ast.Expr, name string) []term {
	if operand.Kind() == ast.IdentKind {
		switch operand.AsIdent() {
		case "google", "attribute":
			return s.attributes[operand.AsIdent()+"."+name]
		}
	}
	var fields []term
	for _, t := range s.terms(operand) {
		if t.claim != nil {
			t.claim = append(slices.Clone(t.claim), name)
			fields = append(fields, t)
		}
	}
	return fields
}

// call returns the terms of the value of a function.
func (s *scope) call(call ast.CallExpr) []term {
	args := call.Args()
	switch call.FunctionName() {
	case operators.Index:
		if key, ok := text(args[1]); ok {
			return s.field(args[0], key)
		}
		return opaque(s.terms(args[0]))
	case operators.Add:
		return concat(s.terms(args[0]), s.terms(args[1]))
	case operators.Conditional:
		return limit(slices.Concat(s.terms(args[1]), s.terms(args[2])))
	case "string":
		return s.terms(args[0])
	case "lowerAscii", "upperAscii":
		terms := slices.Clone(s.terms(call.Target()))
		for i := range terms {
			terms[i].fold = true
		}
		return terms
	case "extract":
		return extractTerms(s.terms(call.Target()), args[0])
	}
	var terms []term
	if call.IsMemberFunction() {
		terms = slices.Clone(s.terms(call.Target()))
	}
	for _, arg := range args {
		terms = append(terms, s.terms(arg)...)
	}
	return opaque(limit(terms))
}

// text returns the value of a literal text.
func text(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	value, ok := e.AsLiteral().(types.String)
	return string(value), ok
}

// extractTerms applies a template of extract to terms.
func extractTerms(terms []term, template ast.Expr) []term {
	pattern, isText := text(template)
	before, after, ok := splitTemplate(pattern)
	terms = slices.Clone(terms)
	for i, t := range terms {
		if t.claim == nil || t.prefix != "" || t.suffix != "" || t.extracted || !isText || !ok {
			terms[i].opaque = true
			continue
		}
		terms[i].before, terms[i].after, terms[i].extracted = before, after, true
	}
	return opaqueLiterals(terms)
}

// concat returns the terms of a sum of two texts.
func concat(left, right []term) []term {
	var sums []term
	for _, a := range left {
		for _, b := range right {
			sums = append(sums, add(a, b))
		}
	}
	return limit(sums)
}

// add returns the term of a sum of two terms.
func add(a, b term) term {
	switch {
	case a.literals != nil && b.literals != nil && len(a.literals) == 1 && len(b.literals) == 1:
		return term{literals: []string{a.literals[0] + b.literals[0]}, isText: a.isText && b.isText}
	case len(a.literals) == 1 && b.isClaim() && !b.extracted && !b.fold:
		b.prefix = a.literals[0] + b.prefix
		return b
	case len(b.literals) == 1 && a.isClaim() && !a.extracted && !a.fold:
		a.suffix += b.literals[0]
		return a
	case a.isClaim():
		a.opaque = true
		return a
	default:
		b.opaque = true
		return b
	}
}

// opaque marks terms whose value is not the claim's, and leaves literals out.
func opaque(terms []term) []term {
	var marked []term
	for _, t := range terms {
		if t.isClaim() {
			t.opaque = true
			marked = append(marked, t)
		}
	}
	return marked
}

// opaqueLiterals leaves literals out.
func opaqueLiterals(terms []term) []term {
	return slices.DeleteFunc(terms, func(t term) bool { return t.claim == nil })
}

// limit bounds the number of terms.
func limit(terms []term) []term {
	return terms[:min(len(terms), maxTerms)]
}
