package terraform

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/rollcall-iam/rollcall/internal/trust/keys"
	"github.com/rollcall-iam/rollcall/internal/trust/placeholder"
)

// Limits of the evaluation of one directory.
const (
	maxSteps = 2_000_000
	maxDepth = 200
	maxText  = 1 << 20
	maxItems = 20_000
	// maxExponent is the largest power of two of a number that is written with all digits.
	maxExponent = 1024
)

// evaluator evaluates the expressions of a directory.
type evaluator struct {
	directory *directory
	sources   map[string][]byte
	// values are those of .tfvars files, defaults those of variables.
	values, defaults, locals map[string]hclsyntax.Expression
	unknown                  placeholder.Set
	// memory has the values of variables, locals and attributes. One that is being
	// evaluated is unknown, which ends circles.
	memory map[string]any
	steps  int
	depth  int
}

// scope has the variables of for expressions and dynamic blocks.
type scope struct {
	outer *scope
	name  string
	value any
}

func (s *scope) find(name string) (any, bool) {
	for ; s != nil; s = s.outer {
		if s.name == name {
			return s.value, true
		}
	}
	return nil, false
}

func (s *scope) with(name string, value any) *scope {
	if name == "" {
		return s
	}
	return &scope{s, name, value}
}

// body is a body of HCL as attributes. owner is the address of its resource; "" for a
// block, whose values are not kept.
type body struct {
	evaluator *evaluator
	owner     string
	body      *hclsyntax.Body
	scope     *scope
}

// get evaluates an attribute, or all nested blocks of a name.
func (b body) get(name string) (any, int, bool) {
	if a := b.body.Attributes[name]; a != nil {
		line := a.NameRange.Start.Line
		if b.owner == "" {
			return b.evaluator.eval(a.Expr, b.scope), line, true
		}
		return b.evaluator.once(b.owner+"."+name, a.Expr, b.scope), line, true
	}
	var list []any
	line := 0
	for _, inner := range b.body.Blocks {
		switch {
		case inner.Type == name:
			list = append(list, body{evaluator: b.evaluator, body: inner.Body, scope: b.scope}.object())
		case inner.Type == "dynamic" && len(inner.Labels) == 1 && inner.Labels[0] == name:
			list = append(list, b.dynamic(inner)...)
		default:
			continue
		}
		if line == 0 {
			line = inner.TypeRange.Start.Line
		}
	}
	if len(list) == 0 {
		return nil, 0, false
	}
	return list, line, true
}

// object evaluates all of a body.
func (b body) object() *object {
	o := &object{}
	for _, a := range b.names() {
		v, line, _ := b.get(a.Name)
		o.put(a.Name, line, v)
	}
	return o
}

// names returns the attributes and the names of nested blocks in the order of the file.
func (b body) names() []keys.Attribute {
	var names []keys.Attribute
	seen := map[string]bool{}
	add := func(name string, at hcl.Pos, literal bool) {
		if !seen[name] {
			seen[name] = true
			names = append(names, keys.Attribute{Name: name, Line: at.Line, Literal: literal})
		}
	}
	for _, name := range sortedNames(b.body.Attributes) {
		a := b.body.Attributes[name]
		add(name, a.NameRange.Start, isLiteral(a.Expr))
	}
	for _, inner := range b.body.Blocks {
		name := inner.Type
		if name == "dynamic" && len(inner.Labels) == 1 {
			name = inner.Labels[0]
		}
		add(name, inner.TypeRange.Start, false)
	}
	return names
}

// isLiteral reports whether an expression is a text that is not empty.
func isLiteral(e hclsyntax.Expression) bool {
	template, ok := e.(*hclsyntax.TemplateExpr)
	if !ok || !template.IsStringLiteral() {
		return false
	}
	v, diagnostics := template.Value(nil)
	return !diagnostics.HasErrors() && v.Type() == cty.String && v.AsString() != ""
}

// dynamic returns the blocks of a dynamic block: one for each known item, else one with
// an unknown item.
func (b body) dynamic(dynamic *hclsyntax.Block) []any {
	iterator := dynamic.Labels[0]
	if a := dynamic.Body.Attributes["iterator"]; a != nil {
		if name := hcl.ExprAsKeyword(a.Expr); name != "" {
			iterator = name
		}
	}
	var content *hclsyntax.Body
	for _, inner := range dynamic.Body.Blocks {
		if inner.Type == "content" {
			content = inner.Body
		}
	}
	each := dynamic.Body.Attributes["for_each"]
	if content == nil || each == nil {
		return nil
	}
	var list []any
	b.evaluator.items(b.evaluator.eval(each.Expr, b.scope), iterator, func(key, value any) bool {
		item := &object{fields: []field{{name: "key", value: key}, {name: "value", value: value}}}
		list = append(list, body{evaluator: b.evaluator, body: content, scope: b.scope.with(iterator, item)}.object())
		return len(list) < maxItems
	})
	return list
}

// items calls yield with each key and value of a collection; of an unknown one, with one
// unknown key and value.
func (e *evaluator) items(collection any, name string, yield func(key, value any) bool) {
	switch c := collection.(type) {
	case []any:
		for i, item := range c {
			if !yield(json.Number(strconv.Itoa(i)), item) {
				return
			}
		}
	case *object:
		for _, f := range c.fields {
			if !yield(f.name, f.value) {
				return
			}
		}
	case unknown:
		yield(unknown{name + ".key"}, unknown{name + ".value"})
	}
}

// once evaluates an expression with a name, and keeps the value.
func (e *evaluator) once(name string, expr hclsyntax.Expression, s *scope) any {
	if v, known := e.memory[name]; known {
		return v
	}
	e.memory[name] = unknown{name}
	v := e.eval(expr, s)
	e.memory[name] = v
	return v
}

// source returns an expression as it is written.
func (e *evaluator) source(r hcl.Range) string {
	text, known := e.sources[r.Filename]
	if !known || !r.CanSliceBytes(text) {
		return "a value"
	}
	written := strings.Join(strings.Fields(string(r.SliceBytes(text))), " ")
	if len(written) > 100 {
		written = strings.ToValidUTF8(written[:97], "") + "..."
	}
	return written
}

// eval evaluates an expression. What it does not model is unknown.
func (e *evaluator) eval(expr hclsyntax.Expression, s *scope) any {
	e.steps++
	if e.steps > maxSteps || e.depth > maxDepth || expr == nil {
		return unknown{"a value beyond the limits"}
	}
	e.depth++
	defer func() { e.depth-- }()
	if v, ok := e.simple(expr, s); ok {
		return v
	}
	switch x := expr.(type) {
	case *hclsyntax.RelativeTraversalExpr:
		return e.follow(e.eval(x.Source, s), x.Traversal, e.source(x.Range()))
	case *hclsyntax.IndexExpr:
		return e.index(e.eval(x.Collection, s), e.eval(x.Key, s), e.source(x.Range()))
	case *hclsyntax.FunctionCallExpr:
		return e.call(x, s)
	case *hclsyntax.ObjectConsExpr:
		return e.construct(x, s)
	case *hclsyntax.ObjectConsKeyExpr:
		return e.key(x, s)
	case *hclsyntax.TupleConsExpr:
		return e.tuple(x, s)
	case *hclsyntax.ConditionalExpr:
		return e.conditional(x, s)
	case *hclsyntax.BinaryOpExpr:
		return e.compare(x, s)
	case *hclsyntax.ForExpr:
		return e.loop(x, s)
	case *hclsyntax.SplatExpr:
		return e.splat(x, s)
	default:
		return unknown{e.source(expr.Range())}
	}
}

// simple evaluates literals, templates and references.
func (e *evaluator) simple(expr hclsyntax.Expression, s *scope) (any, bool) {
	switch x := expr.(type) {
	case *hclsyntax.LiteralValueExpr:
		return literal(x.Val), true
	case *hclsyntax.TemplateExpr:
		return e.template(x.Parts, s), true
	case *hclsyntax.TemplateWrapExpr:
		return e.eval(x.Wrapped, s), true
	case *hclsyntax.ParenthesesExpr:
		return e.eval(x.Expression, s), true
	case *hclsyntax.ScopeTraversalExpr:
		return e.traverse(x, s), true
	default:
		return nil, false
	}
}

// literal converts a literal.
func literal(v cty.Value) any {
	switch {
	case v.IsNull() || !v.IsKnown():
		return nil
	case v.Type() == cty.String:
		return v.AsString()
	case v.Type() == cty.Bool:
		return v.True()
	case v.Type() == cty.Number:
		number := v.AsBigFloat()
		if exponent := number.MantExp(nil); exponent > maxExponent || exponent < -maxExponent {
			return json.Number(number.Text('g', -1)) // all digits would fill the memory
		}
		return json.Number(number.Text('f', -1))
	default:
		return nil
	}
}

// template joins the parts of a template.
func (e *evaluator) template(parts []hclsyntax.Expression, s *scope) any {
	var b strings.Builder
	for _, part := range parts {
		v := e.eval(part, s)
		text, ok := e.text(v)
		if join, isJoin := part.(*hclsyntax.TemplateJoinExpr); !ok && isJoin {
			text = strings.Join(e.texts(e.eval(join.Tuple, s)), "")
		} else if !ok && v != nil {
			text = e.unknown.Of(e.source(part.Range()))
		}
		if b.Len()+len(text) > maxText {
			return unknown{"a text beyond the limits"}
		}
		b.WriteString(text)
	}
	return b.String()
}

// construct evaluates an object.
func (e *evaluator) construct(x *hclsyntax.ObjectConsExpr, s *scope) any {
	o := &object{}
	for _, item := range x.Items {
		key, ok := e.text(e.eval(item.KeyExpr, s))
		if ok {
			o.fields = append(o.fields, field{key, item.KeyExpr.Range().Start.Line, e.eval(item.ValueExpr, s)})
		}
	}
	return o
}

// tuple evaluates a list.
func (e *evaluator) tuple(x *hclsyntax.TupleConsExpr, s *scope) any {
	list := make([]any, 0, len(x.Exprs))
	for _, item := range x.Exprs {
		list = append(list, e.eval(item, s))
	}
	return list
}

// key evaluates the key of an object: a bare name is a text.
func (e *evaluator) key(x *hclsyntax.ObjectConsKeyExpr, s *scope) any {
	if name := hcl.ExprAsKeyword(x.Wrapped); name != "" && !x.ForceNonLiteral {
		return name
	}
	return e.eval(x.Wrapped, s)
}

// conditional evaluates the branch that a known condition chooses. If the condition is not
// known, the branches count if they are equal, and one that is null does not.
func (e *evaluator) conditional(x *hclsyntax.ConditionalExpr, s *scope) any {
	if condition, ok := e.eval(x.Condition, s).(bool); ok {
		if condition {
			return e.eval(x.TrueResult, s)
		}
		return e.eval(x.FalseResult, s)
	}
	whenTrue, whenFalse := e.eval(x.TrueResult, s), e.eval(x.FalseResult, s)
	trueText, trueOK := e.text(whenTrue)
	falseText, falseOK := e.text(whenFalse)
	switch {
	case whenFalse == nil, trueOK && falseOK && (trueText == falseText || falseText == ""):
		return whenTrue
	case whenTrue == nil, trueOK && falseOK && trueText == "":
		return whenFalse
	default:
		return unknown{e.source(x.Range())}
	}
}

// compare evaluates == and != of known texts.
func (e *evaluator) compare(x *hclsyntax.BinaryOpExpr, s *scope) any {
	left, right := e.eval(x.LHS, s), e.eval(x.RHS, s)
	_, leftUnknown := left.(unknown)
	_, rightUnknown := right.(unknown)
	if !leftUnknown && !rightUnknown && (x.Op == hclsyntax.OpEqual || x.Op == hclsyntax.OpNotEqual) {
		leftText, leftOK := e.text(left)
		rightText, rightOK := e.text(right)
		if (leftOK || left == nil) && (rightOK || right == nil) {
			equal := leftOK == rightOK && leftText == rightText
			return equal == (x.Op == hclsyntax.OpEqual)
		}
	}
	return unknown{e.source(x.Range())}
}

// loop evaluates a for expression.
func (e *evaluator) loop(x *hclsyntax.ForExpr, s *scope) any {
	list, o := []any{}, &object{}
	e.items(e.eval(x.CollExpr, s), x.ValVar, func(key, value any) bool {
		inner := s.with(x.KeyVar, key).with(x.ValVar, value)
		if x.CondExpr != nil {
			if keep, known := e.eval(x.CondExpr, inner).(bool); known && !keep {
				return true
			}
		}
		v := e.eval(x.ValExpr, inner)
		if x.KeyExpr == nil {
			list = append(list, v)
		} else if name, ok := e.text(e.eval(x.KeyExpr, inner)); ok {
			o.fields = append(o.fields, field{name: name, value: v})
		}
		return len(list)+len(o.fields) < maxItems
	})
	if x.KeyExpr == nil {
		return list
	}
	return o
}

// splat evaluates x[*].attribute for the one body of x that is judged.
func (e *evaluator) splat(x *hclsyntax.SplatExpr, s *scope) any {
	source := e.eval(x.Source, s)
	relative, ok := x.Each.(*hclsyntax.RelativeTraversalExpr)
	list, isList := source.([]any)
	if !isList {
		list = []any{source}
	}
	var all []any
	for _, item := range list {
		if ok {
			item = e.follow(item, relative.Traversal, e.source(x.Range()))
		}
		all = append(all, item)
	}
	return all
}
