package terraform

import (
	"bytes"
	"fmt"
	"math/big"
	"path"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/rollcall-iam/rollcall/internal/trust/kubernetes/manifest"
)

// isJSON reports whether a file has the JSON syntax of Terraform. A file without a name of
// Terraform, such as stdin, is recognised by its beginning.
func isJSON(f File) bool {
	if strings.HasSuffix(f.Name, ".json") {
		return true
	}
	return !IsFile(f.Name) && bytes.HasPrefix(bytes.TrimLeft(f.Text, " \t\r\n\ufeff"), []byte("{"))
}

// IsJSON reports whether a text is configuration in the JSON syntax: an object that has only
// blocks of Terraform, and resources or data sources, whose types have an underscore.
func IsJSON(text []byte) bool {
	if !bytes.Contains(text, []byte(`"resource"`)) && !bytes.Contains(text, []byte(`"data"`)) {
		return false
	}
	values, err := manifest.ReadJSON("", text)
	if err != nil || len(values) != 1 || slices.ContainsFunc(properties(values[0]), isOther) {
		return false
	}
	for _, name := range []string{"resource", "data"} {
		for _, kind := range properties(values[0].Get(name)) {
			if strings.Contains(kind.Name, "_") && kind.Value.Kind != manifest.Text {
				return true
			}
		}
	}
	return false
}

// isOther reports whether a property at the top of a file is no block of Terraform.
func isOther(f manifest.Field) bool {
	switch f.Name {
	case "resource", "data", "variable", "locals", "provider", "terraform", "output", "module", "moved", "import", "check", "removed":
		return false
	default:
		return true
	}
}

// converter converts the JSON syntax to the expressions of HCL. Source:
// developer.hashicorp.com/terraform/language/syntax/json.
type converter struct {
	*directory

	file string
}

// parseJSON reads one file in the JSON syntax.
func (d *directory) parseJSON(f File) {
	values, err := manifest.ReadJSON(f.Name, f.Text)
	if err != nil || len(values) != 1 {
		if err == nil {
			err = fmt.Errorf("terraform: read %s: it has %d values: write one object", f.Name, len(values))
		}
		d.errs = append(d.errs, err)
		return
	}
	c := converter{d, f.Name}
	if strings.HasSuffix(f.Name, ".tfvars.json") {
		for _, p := range properties(values[0]) {
			d.values[p.Name] = c.expression(p.Value, true)
		}
		return
	}
	for _, p := range properties(values[0]) {
		c.block(p.Name, p.Value)
	}
}

// properties returns the properties of an object, or of the objects of a list. A property
// named // is a comment.
func properties(v *manifest.Value) []manifest.Field {
	all := v.Fields()
	for _, item := range v.List() {
		all = append(all, item.Fields()...)
	}
	var found []manifest.Field
	for _, f := range all {
		if f.Name != "//" {
			found = append(found, f)
		}
	}
	return found
}

// bodies returns an object, or the objects of a list.
func bodies(v *manifest.Value) []*manifest.Value {
	if v != nil && v.Kind == manifest.Map {
		return []*manifest.Value{v}
	}
	return v.List()
}

// block reads the blocks of a type at the top of a file.
func (c converter) block(kind string, v *manifest.Value) {
	switch kind {
	case "resource", "data":
		for _, label := range properties(v) {
			for _, name := range properties(label.Value) {
				c.add(kind, name, label.Name, name.Name)
			}
		}
	case "variable":
		for _, name := range properties(v) {
			c.variable(name)
		}
	case "locals":
		for _, f := range properties(v) {
			c.locals[f.Name] = c.expression(f.Value, false)
		}
	case "provider":
		for _, label := range properties(v) {
			c.add(kind, label, label.Name)
		}
	case "terraform":
		c.addBackends(v)
	}
}

// variable reads the default of a variable, which is no template.
func (c converter) variable(v manifest.Field) {
	for _, f := range properties(v.Value) {
		if f.Name == "default" {
			c.defaults[v.Name] = c.expression(f.Value, true)
		}
	}
}

// add adds the blocks of a type with labels.
func (c converter) add(kind string, f manifest.Field, labels ...string) {
	for _, v := range bodies(f.Value) {
		c.directory.block(c.newBlock(kind, f.Line, v, labels...))
	}
}

// addBackends adds the backends of a terraform block.
func (c converter) addBackends(v *manifest.Value) {
	var labels []manifest.Field
	for _, f := range properties(v) {
		if f.Name == "backend" {
			labels = append(labels, properties(f.Value)...)
		}
	}
	for _, label := range labels {
		for _, inner := range bodies(label.Value) {
			backend := c.newBlock("backend", label.Line, inner, label.Name)
			c.directory.block(&hclsyntax.Block{
				Type: "terraform", Body: &hclsyntax.Body{Blocks: hclsyntax.Blocks{backend}}, TypeRange: c.at(label.Line),
			})
		}
	}
}

func (c converter) newBlock(kind string, line int, v *manifest.Value, labels ...string) *hclsyntax.Block {
	return &hclsyntax.Block{Type: kind, Labels: labels, Body: c.body(v), TypeRange: c.at(line)}
}

// at returns the range of a line.
func (c converter) at(line int) hcl.Range {
	return hcl.Range{Filename: c.file, Start: hcl.Pos{Line: line}, End: hcl.Pos{Line: line}}
}

// body converts an object to a body: its properties become attributes, but those with
// dynamic blocks become blocks.
func (c converter) body(v *manifest.Value) *hclsyntax.Body {
	b := &hclsyntax.Body{Attributes: hclsyntax.Attributes{}}
	for i, f := range properties(v) {
		switch {
		case f.Name == "dynamic":
			for _, label := range properties(f.Value) {
				for _, inner := range bodies(label.Value) {
					b.Blocks = append(b.Blocks, c.dynamicBlock(label, inner))
				}
			}
		case hasDynamic(f.Value):
			for _, inner := range bodies(f.Value) {
				b.Blocks = append(b.Blocks, c.newBlock(f.Name, f.Line, inner))
			}
		default:
			at := c.at(f.Line)
			at.Start.Byte = i // keeps the order of the file
			b.Attributes[f.Name] = &hclsyntax.Attribute{Name: f.Name, Expr: c.expression(f.Value, false), NameRange: at}
		}
	}
	return b
}

// dynamicBlock converts a dynamic block, whose content is a block, too.
func (c converter) dynamicBlock(label manifest.Field, v *manifest.Value) *hclsyntax.Block {
	b := c.newBlock("dynamic", label.Line, v, label.Name)
	delete(b.Body.Attributes, "content")
	if iterator := v.Get("iterator"); iterator.Text() != "" {
		// HCL has a bare name there.
		at := c.at(iterator.Line)
		b.Body.Attributes["iterator"] = &hclsyntax.Attribute{Name: "iterator", NameRange: at, Expr: &hclsyntax.ScopeTraversalExpr{
			Traversal: hcl.Traversal{hcl.TraverseRoot{Name: iterator.Text(), SrcRange: at}}, SrcRange: at,
		}}
	}
	b.Body.Blocks = nil
	for _, content := range bodies(v.Get("content")) {
		b.Body.Blocks = append(b.Body.Blocks, c.newBlock("content", content.Line, content))
	}
	return b
}

// hasDynamic reports whether a value is an object, or has objects, with dynamic blocks at
// any depth.
func hasDynamic(v *manifest.Value) bool {
	return slices.ContainsFunc(v.List(), hasDynamic) || slices.ContainsFunc(v.Fields(), func(f manifest.Field) bool {
		return f.Name == "dynamic" && f.Value.Kind != manifest.Text || hasDynamic(f.Value)
	})
}

// expression converts a value. Texts are templates, unless they are literal.
func (c converter) expression(v *manifest.Value, isLiteral bool) hclsyntax.Expression {
	at := c.at(v.LineOr(1))
	if v == nil {
		return &hclsyntax.LiteralValueExpr{Val: cty.NullVal(cty.DynamicPseudoType), SrcRange: at}
	}
	switch v.Kind {
	case manifest.Text:
		if isLiteral || !strings.Contains(v.Text(), "${") && !strings.Contains(v.Text(), "%{") {
			return c.text(v.Text(), at)
		}
		return c.template(v.Text(), at)
	case manifest.Number:
		if n, _, err := big.ParseFloat(v.Scalar(), 10, 512, big.ToNearestEven); err == nil {
			return &hclsyntax.LiteralValueExpr{Val: cty.NumberVal(n), SrcRange: at}
		}
	case manifest.Bool:
		return &hclsyntax.LiteralValueExpr{Val: cty.BoolVal(v.True()), SrcRange: at}
	case manifest.List:
		list := &hclsyntax.TupleConsExpr{SrcRange: at}
		for _, item := range v.List() {
			list.Exprs = append(list.Exprs, c.expression(item, isLiteral))
		}
		return list
	case manifest.Map:
		o := &hclsyntax.ObjectConsExpr{SrcRange: at}
		for _, f := range v.Fields() {
			name := manifest.NewText(f.Name, f.Line)
			o.Items = append(o.Items, hclsyntax.ObjectConsItem{
				KeyExpr: c.expression(name, isLiteral), ValueExpr: c.expression(f.Value, isLiteral),
			})
		}
		return o
	case manifest.Null:
	}
	return &hclsyntax.LiteralValueExpr{Val: cty.NullVal(cty.DynamicPseudoType), SrcRange: at}
}

// text returns a text without templates, as the parser of HCL does.
func (converter) text(text string, at hcl.Range) hclsyntax.Expression {
	part := &hclsyntax.LiteralValueExpr{Val: cty.StringVal(text), SrcRange: at}
	return &hclsyntax.TemplateExpr{Parts: []hclsyntax.Expression{part}, SrcRange: at}
}

// template parses a text as a template. Its source is kept by a name of its own, as its
// offsets are not those of the file.
func (c converter) template(text string, at hcl.Range) hclsyntax.Expression {
	if err := checkTokens(c.file, at.Start.Line, text); err != nil {
		c.errs = append(c.errs, err)
		return c.text("", at)
	}
	name := fmt.Sprintf("%s#%d", path.Clean(c.file), len(c.sources))
	expr, diagnostics := hclsyntax.ParseTemplate([]byte(text), name, hcl.Pos{Line: at.Start.Line, Column: 1})
	if diagnostics.HasErrors() || expr == nil {
		c.errs = append(c.errs, fmt.Errorf("terraform: read %s:%d: a text is no template: correct it, or write $${ for ${",
			c.file, at.Start.Line))
		return c.text("", at)
	}
	c.sources[name] = []byte(text)
	return expr
}
