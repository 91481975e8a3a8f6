package aws

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust/kubernetes/manifest"
)

// ParseYAML reads a CloudFormation template in YAML, with the short forms of its functions,
// such as !Sub. It returns what Parse does for the same template in JSON.
func ParseYAML(file string, text []byte) (Document, error) {
	documents, err := manifest.Read(file, text)
	var all Document
	errs := []error{err}
	for _, d := range documents {
		if !d.Get("Resources").Exists() {
			continue
		}
		w := &templateWriter{}
		w.value(d)
		one, err := Parse(file, w.text.Bytes(), w.line)
		if !errors.Is(err, ErrNoTrust) {
			errs = append(errs, err)
		}
		all.Trusts = append(all.Trusts, one.Trusts...)
		all.Providers = append(all.Providers, one.Providers...)
		all.Findings = append(all.Findings, one.Findings...)
		all.Unknown = one.Unknown
	}
	if err := errors.Join(errs...); err != nil || len(all.Trusts)+len(all.Providers)+len(all.Findings) > 0 {
		return all, err
	}
	return all, fmt.Errorf("aws: parse %s: %w", file, ErrNoTrust)
}

// templateWriter writes a template of YAML as JSON, and remembers the lines of its values.
type templateWriter struct {
	text bytes.Buffer
	// offsets are where values begin in the JSON, and lines their lines in the YAML.
	offsets, lines []int
}

// line returns the line of YAML for an offset of the JSON.
func (w *templateWriter) line(offset int) int {
	i := sort.SearchInts(w.offsets, offset+1) - 1
	if i < 0 {
		return 1
	}
	return w.lines[i]
}

// value writes a value. A tag is the short form of a function: !Sub x is {"Fn::Sub": x}.
func (w *templateWriter) value(v *manifest.Value) {
	w.offsets, w.lines = append(w.offsets, w.text.Len()), append(w.lines, v.LineOr(1))
	if v == nil {
		w.text.WriteString("null")
		return
	}
	if v.Tag != "" {
		w.text.WriteString("{")
		w.name(longForm(v.Tag))
		w.untagged(v)
		w.text.WriteString("}")
		return
	}
	w.untagged(v)
}

// longForm returns the name of the function that a tag is short for.
func longForm(tag string) string {
	name := strings.TrimPrefix(tag, "!")
	if name == "Ref" || name == "Condition" {
		return name
	}
	return "Fn::" + name
}

// untagged writes a value without its tag.
func (w *templateWriter) untagged(v *manifest.Value) {
	switch v.Kind {
	case manifest.Map:
		w.text.WriteByte('{')
		for i, f := range v.Fields() {
			w.comma(i)
			w.name(f.Name)
			w.value(f.Value)
		}
		w.text.WriteByte('}')
	case manifest.List:
		w.text.WriteByte('[')
		for i, item := range v.List() {
			w.comma(i)
			w.value(item)
		}
		w.text.WriteByte(']')
	case manifest.Null:
		w.text.WriteString("null")
	case manifest.Number, manifest.Bool:
		scalar := strings.ToLower(v.Scalar())
		if json.Valid([]byte(scalar)) {
			w.text.WriteString(scalar)
			return
		}
		w.text.Write(appendText(nil, v.Scalar())) // a number that JSON does not have, such as 012
	case manifest.Text:
		w.text.Write(appendText(nil, v.Scalar()))
	}
}

func (w *templateWriter) comma(i int) {
	if i > 0 {
		w.text.WriteByte(',')
	}
}

func (w *templateWriter) name(name string) {
	w.text.Write(appendText(nil, name))
	w.text.WriteByte(':')
}
