// Package manifest reads YAML and JSON into values that know their lines.
//
//	documents, err := manifest.Read("pod.yaml", text)
//	for _, d := range documents {
//		fmt.Println(d.Line, d.Get("metadata", "name").Text())
//	}
//
// It reads files of outsiders: size, depth, values and alias expansion are bounded, and
// an error names the file and the line and holds no part of the file, which may be a
// secret.
package manifest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// MaxSize is the size of the largest file that Read reads, in bytes: a dump of a large
// cluster's workloads fits.
const MaxSize = 16 << 20

// Limits of one file. A shared list needs few aliased values; a bomb needs many.
const (
	maxDepth     = 100
	maxValues    = 1_000_000
	maxAliased   = 10_000
	maxCopied    = MaxSize
	maxDocuments = 20_000
)

// Errors that Read wraps.
var (
	// ErrTooLarge says that a file exceeds a limit.
	ErrTooLarge = errors.New("the file is too large to read")
	// ErrSyntax says that a file is neither YAML nor JSON.
	ErrSyntax = errors.New("the file is neither YAML nor JSON")
)

// Kind is what a value is.
type Kind int

// The kinds.
const (
	Null   Kind = iota // absent, or null
	Text               // a text
	Number             // an integer or a decimal
	Bool               // true or false
	List               // a list of values
	Map                // named values
)

// Value is one value of a document. All methods accept a nil Value, which is Null.
type Value struct {
	Kind Kind
	// Line counts from 1.
	Line int
	// Tag is a tag of YAML that is not one of YAML itself, such as !Sub; empty if there is
	// none.
	Tag    string
	scalar string
	items  []*Value
	fields []Field
}

// NewText returns a text.
func NewText(text string, line int) *Value { return &Value{Kind: Text, Line: line, scalar: text} }

// Field is a named value of a map.
type Field struct {
	Name string
	// Line is the line of the name.
	Line  int
	Value *Value
}

// Get returns the value at a path of names, nil if there is none.
func (v *Value) Get(path ...string) *Value {
	for _, name := range path {
		v = v.field(name)
	}
	return v
}

func (v *Value) field(name string) *Value {
	if v == nil {
		return nil
	}
	for i := range v.fields {
		if v.fields[i].Name == name {
			return v.fields[i].Value
		}
	}
	return nil
}

// Text returns a text; empty for any other value.
func (v *Value) Text() string {
	if v == nil || v.Kind != Text {
		return ""
	}
	return v.scalar
}

// Scalar returns a text, a number or a bool as the file writes it; empty for any other
// value.
func (v *Value) Scalar() string {
	if v == nil {
		return ""
	}
	return v.scalar
}

// Int returns an integer, and whether the value is one.
func (v *Value) Int() (int64, bool) {
	if v == nil || v.Kind != Number {
		return 0, false
	}
	n, err := strconv.ParseInt(v.scalar, 0, 64)
	return n, err == nil
}

// True reports whether the value is the bool true.
func (v *Value) True() bool { return v != nil && v.Kind == Bool && strings.EqualFold(v.scalar, "true") }

// List returns the items of a list; none for any other value.
func (v *Value) List() []*Value {
	if v == nil {
		return nil
	}
	return v.items
}

// Texts returns the texts of a list, without other items.
func (v *Value) Texts() []string {
	var texts []string
	for _, item := range v.List() {
		if item.Kind == Text {
			texts = append(texts, item.scalar)
		}
	}
	return texts
}

// Fields returns the fields of a map in the order of the file; none for any other value.
func (v *Value) Fields() []Field {
	if v == nil {
		return nil
	}
	return v.fields
}

// Exists reports whether there is a value other than null.
func (v *Value) Exists() bool { return v != nil && v.Kind != Null }

// LineOr returns the line of the value, or another if there is no value.
func (v *Value) LineOr(line int) int {
	if v == nil {
		return line
	}
	return v.Line
}

// Read returns the documents of a file, YAML or JSON. What precedes an error is returned
// with it. The error wraps [ErrTooLarge] or [ErrSyntax].
func Read(file string, text []byte) ([]*Value, error) {
	if len(text) > MaxSize {
		return nil, tooManyBytes(file, len(text))
	}
	first := strings.TrimLeft(string(text[:min(len(text), 4096)]), " \t\r\n\ufeff")
	if strings.HasPrefix(first, "{") || strings.HasPrefix(first, "[") {
		documents, err := readJSON(file, text)
		if err == nil || errors.Is(err, ErrTooLarge) {
			return documents, err
		}
		// A flow mapping of YAML begins like JSON. The error of JSON tells more.
		if flow, yamlErr := readYAML(file, text); yamlErr == nil || errors.Is(yamlErr, ErrTooLarge) {
			return flow, yamlErr
		}
		return documents, err
	}
	return readYAML(file, text)
}

func tooManyBytes(file string, size int) error {
	return fmt.Errorf("manifest: read %s: %w: it has %d bytes, at most %d are read; split it", file, ErrTooLarge, size, MaxSize)
}

// ReadJSON returns the values of a file of JSON: one, or several after each other.
func ReadJSON(file string, text []byte) ([]*Value, error) {
	if len(text) > MaxSize {
		return nil, tooManyBytes(file, len(text))
	}
	return readJSON(file, text)
}

// counter counts the values of a file against its limits.
type counter struct {
	file    string
	values  int
	aliased int
	copied  int // bytes of texts that come from aliases
}

// add counts one value at a depth, with the size of its text.
func (c *counter) add(line, depth, size int, aliased bool) error {
	c.values++
	if aliased {
		c.aliased++
		c.copied += size
	}
	switch {
	case depth > maxDepth:
		return c.tooLarge(line, fmt.Sprintf("it is nested deeper than %d levels", maxDepth))
	case c.values > maxValues:
		return c.tooLarge(line, fmt.Sprintf("it has more than %d values; split it", maxValues))
	case c.aliased > maxAliased || c.copied > maxCopied:
		return c.tooLarge(line, fmt.Sprintf("its aliases stand for more than %d values or %d bytes; write them out", maxAliased, maxCopied))
	default:
		return nil
	}
}

func (c *counter) tooLarge(line int, reason string) error {
	return fmt.Errorf("manifest: read %s:%d: %w: %s", c.file, line, ErrTooLarge, reason)
}

func (c *counter) syntax(line int, reason string) error {
	return fmt.Errorf("manifest: read %s:%d: %w: %s", c.file, line, ErrSyntax, reason)
}

// put sets a field of a map. names holds the lines of the names that the map has.
func (c *counter) put(v *Value, names map[string]int, f Field) error {
	if first, twice := names[f.Name]; twice {
		return c.syntax(f.Line, fmt.Sprintf("a map has a field twice, first in line %d; remove one", first))
	}
	names[f.Name] = f.Line
	v.fields = append(v.fields, f)
	return nil
}
