package terraform

import (
	"fmt"
	"path"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// Limits of one file: its size in bytes, how deep it is nested, and how many operators it
// has that the parser nests.
const (
	maxSize      = 4 << 20
	maxNesting   = 100
	maxOperators = 20_000
)

// parse reads one file.
func (d *directory) parse(f File) {
	if isJSON(f) {
		d.parseJSON(f)
		return
	}
	if err := check(f); err != nil {
		d.errs = append(d.errs, err)
		return
	}
	file, diagnostics := hclsyntax.ParseConfig(f.Text, f.Name, hcl.InitialPos)
	if diagnostics.HasErrors() {
		d.errs = append(d.errs, syntaxError(f.Name, diagnostics))
	}
	if file == nil {
		return
	}
	body, ok := file.Body.(*hclsyntax.Body)
	if !ok {
		return
	}
	d.sources[f.Name] = f.Text
	if strings.HasSuffix(f.Name, ".tfvars") {
		for name, a := range body.Attributes {
			d.values[name] = a.Expr
		}
		return
	}
	for _, b := range body.Blocks {
		d.block(b)
	}
}

// check refuses files that would make the parser recurse without bound.
func check(f File) error {
	if len(f.Text) > maxSize {
		return fmt.Errorf("terraform: read %s: it has %d bytes, at most %d are read: split it", f.Name, len(f.Text), maxSize)
	}
	if opening(f.Text) <= maxNesting {
		return nil
	}
	tokens, _ := hclsyntax.LexConfig(f.Text, f.Name, hcl.InitialPos)
	return checkNesting(f.Name, tokens)
}

// checkTokens refuses a template of a file that would make the parser recurse without bound.
func checkTokens(file string, line int, text string) error {
	if opening([]byte(text)) <= maxNesting {
		return nil
	}
	tokens, _ := hclsyntax.LexTemplate([]byte(text), file, hcl.Pos{Line: line, Column: 1})
	return checkNesting(file, tokens)
}

// checkNesting refuses tokens that are nested too deep.
func checkNesting(file string, tokens hclsyntax.Tokens) error {
	depth, operators := 0, 0
	for _, t := range tokens {
		switch t.Type { //nolint:exhaustive // other tokens do not nest
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenOQuote,
			hclsyntax.TokenOHeredoc, hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			depth++
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenCQuote,
			hclsyntax.TokenCHeredoc, hclsyntax.TokenTemplateSeqEnd:
			depth--
		case hclsyntax.TokenBang, hclsyntax.TokenMinus, hclsyntax.TokenQuestion, hclsyntax.TokenPlus, hclsyntax.TokenStar,
			hclsyntax.TokenSlash, hclsyntax.TokenAnd, hclsyntax.TokenOr, hclsyntax.TokenDot:
			operators++
		}
		if depth > maxNesting || operators > maxOperators {
			return fmt.Errorf("terraform: read %s:%d,%d: it is nested deeper than %d levels, or has more than %d operators: split it",
				file, t.Range.Start.Line, t.Range.Start.Column, maxNesting, maxOperators)
		}
	}
	return nil
}

// opening returns how many bytes of a file may begin something that is nested. It spares
// most files being split into tokens twice.
func opening(text []byte) int {
	n := 0
	for _, c := range text {
		switch c {
		case '{', '[', '(', '<', '!', '-', '?', '+', '*', '/', '&', '|', '%':
			n++
		}
	}
	return n
}

// syntaxError returns the first error of a file. It leaves out the detail, which may quote
// the file.
func syntaxError(name string, diagnostics hcl.Diagnostics) error {
	for _, one := range diagnostics {
		if one.Severity != hcl.DiagError {
			continue
		}
		if one.Subject == nil {
			return fmt.Errorf("terraform: read %s: %s: correct the HCL", name, one.Summary)
		}
		start := one.Subject.Start
		return fmt.Errorf("terraform: read %s:%d,%d: %s: correct the HCL", name, start.Line, start.Column, one.Summary)
	}
	return nil
}

// block reads a block of a file.
func (d *directory) block(b *hclsyntax.Block) {
	at := trust.Position{File: b.TypeRange.Filename, Line: b.TypeRange.Start.Line}
	source := body{evaluator: &d.evaluator, body: b.Body}
	switch {
	case (b.Type == "resource" || b.Type == "data") && len(b.Labels) == 2:
		r := &resource{data: b.Type == "data", kind: b.Labels[0], name: b.Labels[1], at: at}
		source.owner = r.address()
		r.source = source
		d.add(r)
	case b.Type == "locals":
		for name, a := range b.Body.Attributes {
			d.locals[name] = a.Expr
		}
	case b.Type == "variable" && len(b.Labels) == 1:
		if a := b.Body.Attributes["default"]; a != nil {
			d.defaults[b.Labels[0]] = a.Expr
		}
	case b.Type == "provider" && len(b.Labels) == 1:
		d.providers = append(d.providers, &resource{kind: b.Labels[0], at: at, source: source})
	case b.Type == "terraform":
		for _, inner := range b.Body.Blocks {
			if inner.Type == "backend" && len(inner.Labels) == 1 {
				at.Line = inner.TypeRange.Start.Line
				source := body{evaluator: &d.evaluator, body: inner.Body}
				d.backends = append(d.backends, &resource{kind: inner.Labels[0], at: at, source: source})
			}
		}
	}
}

// IsFile reports whether Read reads a file of a name. Terraform itself reads values only
// from terraform.tfvars and *.auto.tfvars.
func IsFile(name string) bool {
	base := path.Base(name)
	base = strings.TrimSuffix(base, ".json")
	return strings.HasSuffix(base, ".tf") || base == "terraform.tfvars" || strings.HasSuffix(base, ".auto.tfvars")
}
