package terraform

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust/kubernetes/manifest"
)

// A value is nil, a string, a bool, a json.Number, an unknown, a list ([]any) or an
// *object.

// object has the fields of an object or a map, in the order of the file.
type object struct{ fields []field }

// field is a field of an object; line is 0 if it is not known.
type field struct {
	name  string
	line  int
	value any
}

// get returns the last field of a name. It accepts a nil object.
func (o *object) get(name string) (any, int, bool) {
	if o == nil {
		return nil, 0, false
	}
	for _, f := range slices.Backward(o.fields) {
		if f.name == name {
			return f.value, f.line, true
		}
	}
	return nil, 0, false
}

// put sets a field.
func (o *object) put(name string, line int, v any) {
	for i := range o.fields {
		if o.fields[i].name == name {
			o.fields[i] = field{name, line, v}
			return
		}
	}
	o.fields = append(o.fields, field{name, line, v})
}

// unknown is a value that the files do not say.
type unknown struct{ expression string }

// text returns a value as a text; an unknown one as its placeholder.
func (e *evaluator) text(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	case unknown:
		return e.unknown.Of(v.expression), true
	default:
		return "", false
	}
}

// texts returns a list of texts, or one text as a list.
func (e *evaluator) texts(v any) []string {
	if text, ok := e.text(v); ok {
		return []string{text}
	}
	var all []string
	list, _ := v.([]any)
	for _, item := range list {
		if text, ok := e.text(item); ok {
			all = append(all, text)
		}
	}
	return all
}

// string returns a text; empty for any other value.
func (e *evaluator) string(v any) string {
	text, _ := e.text(v)
	return text
}

// blocks returns the objects of nested blocks, or an object as a list.
func blocks(v any) []*object {
	switch v := v.(type) {
	case *object:
		return []*object{v}
	case []any:
		var all []*object
		for _, item := range v {
			if o, ok := item.(*object); ok {
				all = append(all, o)
			}
		}
		return all
	default:
		return nil
	}
}

// block returns the first of nested blocks, nil if there is none.
func block(v any) *object {
	if all := blocks(v); len(all) > 0 {
		return all[0]
	}
	return nil
}

// encode writes a value as JSON, with placeholders for what is unknown.
func (e *evaluator) encode(v any) (string, error) {
	var b bytes.Buffer
	if err := e.write(&b, v); err != nil {
		return "", err
	}
	return b.String(), nil
}

func (e *evaluator) write(b *bytes.Buffer, v any) error {
	if b.Len() > maxText {
		return fmt.Errorf("the value has more than %d bytes", maxText)
	}
	switch v := v.(type) {
	case nil:
		b.WriteString("null")
	case *object:
		return e.writeObject(b, v)
	case []any:
		return e.writeList(b, v)
	case bool, json.Number:
		text, _ := e.text(v)
		b.WriteString(text)
	default:
		text, _ := e.text(v)
		writeText(b, text)
	}
	return nil
}

func (e *evaluator) writeObject(b *bytes.Buffer, o *object) error {
	b.WriteByte('{')
	for i, f := range o.fields {
		if i > 0 {
			b.WriteByte(',')
		}
		writeText(b, f.name)
		b.WriteByte(':')
		if err := e.write(b, f.value); err != nil {
			return err
		}
	}
	b.WriteByte('}')
	return nil
}

func (e *evaluator) writeList(b *bytes.Buffer, list []any) error {
	b.WriteByte('[')
	for i, item := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := e.write(b, item); err != nil {
			return err
		}
	}
	b.WriteByte(']')
	return nil
}

// writeText writes a text as JSON.
func writeText(b *bytes.Buffer, text string) {
	encoder := json.NewEncoder(b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(text); err == nil {
		b.Truncate(b.Len() - 1) // the line end
	}
}

// decode reads a text of JSON.
func decode(text string) (any, bool) {
	values, err := manifest.ReadJSON("", []byte(text))
	if err != nil || len(values) != 1 {
		return nil, false
	}
	return fromJSON(values[0]), true
}

// fromJSON converts a value of JSON.
func fromJSON(v *manifest.Value) any {
	if v == nil {
		return nil
	}
	switch v.Kind {
	case manifest.Text:
		return v.Text()
	case manifest.Number:
		return json.Number(v.Scalar())
	case manifest.Bool:
		return v.True()
	case manifest.List:
		list := make([]any, 0, len(v.List()))
		for _, item := range v.List() {
			list = append(list, fromJSON(item))
		}
		return list
	case manifest.Map:
		o := &object{}
		for _, f := range v.Fields() {
			o.fields = append(o.fields, field{f.Name, f.Line, fromJSON(f.Value)})
		}
		return o
	case manifest.Null:
	}
	return nil
}

// isTrue reports whether a value is true or "true".
func isTrue(v any) bool {
	text, isText := v.(string)
	flag, isFlag := v.(bool)
	return isFlag && flag || isText && strings.EqualFold(text, "true")
}
