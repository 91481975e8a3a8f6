package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Source is an origin of objects and of their fields. The zero Source stands for the
// documents that a caller applies. The others are <kind> or <kind>:<name>, as sign-in:corp.
//
// An object belongs to the source that created it, and a field to the source that set it last
// with the right to do so: see Rank. Apply neither changes nor prunes what belongs to another
// source.
type Source string

// SourceKind is the kind of a source.
type SourceKind string

// The kinds of sources, in the order of Rank.
const (
	SourceInvitation SourceKind = "invitation"
	// SourceConnector is a pass over a directory.
	SourceConnector SourceKind = "connector"
	SourceSCIM      SourceKind = "scim"
	SourceSignIn    SourceKind = "sign-in"
)

// DocumentsSource is how messages and exports call the zero Source.
const DocumentsSource = "documents"

// sourcePattern is that of the schemas.
var sourcePattern = regexp.MustCompile(`^(invitation|connector|scim|sign-in)(:[a-z0-9][a-z0-9.-]{0,62})?$`)

// ErrInvalidSource is the error of a text that names no source.
var ErrInvalidSource = errors.New("not a source: write documents, invitation, connector, scim or sign-in, each but the first " +
	"with a name where there are several, as scim:corp")

// ParseSource reads what String returns.
func ParseSource(text string) (Source, error) {
	if text == DocumentsSource {
		return "", nil
	}
	if !sourcePattern.MatchString(text) {
		return "", ErrInvalidSource
	}
	return Source(text), nil
}

// String returns the source as messages name it.
func (s Source) String() string {
	if s == "" {
		return DocumentsSource
	}
	return string(s)
}

// Rank orders sources by their right to set a field that belongs to another: a source sets
// the fields of those with a lower rank. A user's own sign-in proves an attribute, a
// directory asserts it, and documents are written by hand.
func (s Source) Rank() int {
	kind, _, _ := strings.Cut(string(s), ":")
	switch SourceKind(kind) {
	case SourceSignIn:
		return 3
	case SourceSCIM, SourceConnector:
		return 2
	case SourceInvitation:
		return 1
	default:
		return 0
	}
}

// Sets reports whether the source may set a field that belongs to owner.
func (s Source) Sets(owner Source) bool { return s == owner || s.Rank() > owner.Rank() }

// FieldSource is the source that a field belongs to.
type FieldSource struct {
	Source Source `json:"source"`
	// Since is when the source set the value that the field has.
	Since time.Time `json:"since"`
}

// Field returns the value at a path as spec.euid; false if the document has none.
func (d Document) Field(path string) (json.RawMessage, bool) {
	value := d.Body
	for name := range strings.SplitSeq(path, ".") {
		var fields map[string]json.RawMessage
		if json.Unmarshal(value, &fields) != nil {
			return nil, false
		}
		var ok bool
		if value, ok = fields[name]; !ok {
			return nil, false
		}
	}
	return value, true
}

// WithFields returns the document with other values at paths as spec.euid. A nil value
// removes the field.
func (d Document) WithFields(values map[string]json.RawMessage) (Document, error) {
	tree := map[string]any{}
	if err := unmarshalNumbers(d.Body, &tree); err != nil {
		return d, fmt.Errorf("document: %s: %w", d.ID, err)
	}
	for path, value := range values {
		if err := setField(tree, strings.Split(path, "."), value); err != nil {
			return d, fmt.Errorf("document: %s: %s: %w", d.ID, path, err)
		}
	}
	body, err := canonical(tree)
	if err != nil {
		return d, err
	}
	d.Body = body
	return d, nil
}

func setField(tree map[string]any, path []string, value json.RawMessage) error {
	name := path[0]
	if len(path) > 1 {
		inner, ok := tree[name].(map[string]any)
		switch {
		case tree[name] == nil && value == nil:
			return nil
		case tree[name] == nil:
			inner = map[string]any{}
			tree[name] = inner
		case !ok:
			return fmt.Errorf("%s has no fields", name)
		}
		return setField(inner, path[1:], value)
	}
	if value == nil {
		delete(tree, name)
		return nil
	}
	var v any
	if err := unmarshalNumbers(value, &v); err != nil {
		return err
	}
	tree[name] = v
	return nil
}

// unmarshalNumbers is json.Unmarshal that keeps numbers as they are written.
func unmarshalNumbers(text []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	return decoder.Decode(into)
}

// JSON returns the whole document as Decode reads it, with the section that an export has
// beyond Body.
func (d Document) JSON() (json.RawMessage, error) {
	section := d.rollcall()
	if len(section) == 0 {
		return d.Body, nil
	}
	tree := map[string]any{}
	if err := unmarshalNumbers(d.Body, &tree); err != nil {
		return nil, fmt.Errorf("document: %s: %w", d.ID, err)
	}
	tree["rollcall"] = section
	return canonical(tree)
}

// Check returns what is wrong with the document by the schema of its kind, as Decode does.
// File and Line of the problems are those of the document.
func (d Document) Check() error {
	_, _, err := Decode(bytes.NewReader(d.Body), d.File)
	problems, ok := errors.AsType[Problems](err)
	if !ok {
		return err
	}
	for i := range problems {
		problems[i].Line = d.Line
	}
	return problems
}

// wireRollcall is what an export says about an object beyond its document.
type wireRollcall struct {
	Source string                 `json:"source"`
	Fields map[string]FieldSource `json:"fields"`
}

// addTo adds what an export says to a document.
func (w *wireRollcall) addTo(d *Document) {
	if w == nil {
		return
	}
	if source, err := ParseSource(w.Source); err == nil { // the schema has checked it
		d.Source = source
	}
	if len(w.Fields) > 0 {
		d.Fields = w.Fields
	}
}

// rollcall is what Encode writes about an object beyond its document; nil for nothing.
func (d Document) rollcall() map[string]any {
	section := map[string]any{}
	if d.Drawn != nil {
		section["tenantPlatformNumber"], section["rand"] = d.Drawn.Number, d.Drawn.Random
	}
	if d.Source != "" {
		section["source"] = string(d.Source)
	}
	if len(d.Fields) > 0 {
		fields := make(map[string]any, len(d.Fields))
		for path, f := range d.Fields {
			fields[path] = map[string]any{"source": string(f.Source), "since": f.Since.UTC().Format(time.RFC3339Nano)}
		}
		section["fields"] = fields
	}
	return section
}
