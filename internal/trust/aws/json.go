package aws

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The limits of a document. The output of list-roles for 5,000 roles, the quota of an
// account, has about 25 MB.
const (
	maxDocument = 64 << 20 // bytes
	maxDepth    = 64       // objects and lists within each other
)

// kind is the type of a JSON value.
type kind uint8

const (
	objectKind kind = iota + 1
	listKind
	textKind
	numberKind
	boolKind
	nullKind
)

// node is a JSON value that knows where it stands and keeps members in order, duplicates
// included.
type node struct {
	kind       kind
	start, end int    // offsets in the text
	text       string // of a text, number or bool
	members    []member
	items      []*node
}

type member struct {
	key   string
	value *node
}

// syntaxError is what is wrong at an offset of a document.
type syntaxError struct {
	offset int
	field  string // a path such as Statement[1].Effect; empty for the document
	cause  string
}

func (e *syntaxError) Error() string {
	if e.field == "" {
		return e.cause
	}
	return e.field + ": " + e.cause
}

func fail(n *node, field, format string, args ...any) error {
	return &syntaxError{offset: n.start, field: field, cause: fmt.Sprintf(format, args...)}
}

// reader reads the values of a text that is valid JSON.
type reader struct {
	text []byte
	at   int // offset of the next byte
}

// readJSON reads one JSON value. It fails with a *syntaxError.
func readJSON(text []byte) (*node, error) {
	if len(text) > maxDocument {
		return nil, &syntaxError{cause: fmt.Sprintf("%d bytes are more than %d: split the document", len(text), maxDocument)}
	}
	var valid json.RawMessage
	if err := json.Unmarshal(text, &valid); err != nil {
		offset := 0
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			offset = int(syntax.Offset)
		}
		return nil, &syntaxError{offset: offset, cause: "no JSON: " + err.Error()}
	}
	r := reader{text: text}
	return r.value(0)
}

func (r *reader) value(depth int) (*node, error) {
	n := &node{start: r.next()}
	if depth > maxDepth {
		return nil, fail(n, "", "more than %d levels of nesting", maxDepth)
	}
	switch r.text[r.at] {
	case '{', '[':
		if err := r.inside(n, depth); err != nil {
			return nil, err
		}
	case '"':
		n.kind, n.text = textKind, r.string()
	case 't', 'f':
		n.kind, n.text = boolKind, r.word()
	case 'n':
		n.kind = nullKind
		r.word()
	default:
		n.kind, n.text = numberKind, r.word()
	}
	n.end = r.at
	return n, nil
}

// inside reads an object or a list.
func (r *reader) inside(n *node, depth int) error {
	n.kind = listKind
	if r.text[r.at] == '{' {
		n.kind = objectKind
	}
	r.at++
	for r.next(); r.text[r.at] != '}' && r.text[r.at] != ']'; r.next() {
		var key string
		if n.kind == objectKind {
			key = r.string()
		}
		v, err := r.value(depth + 1)
		if err != nil {
			return err
		}
		if n.kind == objectKind {
			n.members = append(n.members, member{key, v})
		} else {
			n.items = append(n.items, v)
		}
	}
	r.at++
	return nil
}

// next skips what is between values and returns the offset after it.
func (r *reader) next() int {
	for r.at < len(r.text) && strings.IndexByte(" \t\r\n,:", r.text[r.at]) >= 0 {
		r.at++
	}
	return r.at
}

// string reads a quoted text.
func (r *reader) string() string {
	start := r.at
	escaped := false
	for r.at++; r.text[r.at] != '"'; r.at++ {
		if r.text[r.at] == '\\' {
			escaped = true
			r.at++
		}
	}
	r.at++
	if inner := r.text[start+1 : r.at-1]; !escaped && utf8.Valid(inner) {
		return string(inner)
	}
	var text string
	if err := json.Unmarshal(r.text[start:r.at], &text); err != nil {
		return "" // not for valid JSON
	}
	return text
}

// word reads a number, true, false or null.
func (r *reader) word() string {
	start := r.at
	for r.at < len(r.text) && strings.IndexByte(" \t\r\n,]}", r.text[r.at]) < 0 {
		r.at++
	}
	return string(r.text[start:r.at])
}

// get returns the last member with a key, or nil. It is for documents; policies have
// unique keys.
func (n *node) get(key string) *node {
	if n == nil {
		return nil
	}
	for _, m := range slices.Backward(n.members) {
		if m.key == key {
			return m.value
		}
	}
	return nil
}

// string returns the text of a text node, else "".
func (n *node) string() string {
	if n == nil || n.kind != textKind {
		return ""
	}
	return n.text
}

// list returns the items of a list node; none for any other.
func (n *node) list() []*node {
	if n == nil {
		return nil
	}
	return n.items
}

// unique fails if an object below n has two members with one key, which IAM refuses:
// "Individual elements must not contain multiple instances of the same key".
func (n *node) unique(field string) error {
	seen := make(map[string]bool, len(n.members))
	for _, m := range n.members {
		name := join(field, m.key)
		if seen[m.key] {
			return fail(m.value, name, "the key appears twice in an object, which IAM refuses: merge both")
		}
		seen[m.key] = true
		if err := m.value.unique(name); err != nil {
			return err
		}
	}
	for i, item := range n.items {
		if err := item.unique(index(field, i)); err != nil {
			return err
		}
	}
	return nil
}

func join(field, key string) string {
	if field == "" {
		return key
	}
	return field + "." + key
}

func index(field string, i int) string { return field + "[" + strconv.Itoa(i) + "]" }

// length counts the characters of a JSON text as IAM counts them for its quotas:
// without the white space between values.
func length(text []byte) int {
	count, quoted := 0, false
	for i := 0; i < len(text); {
		c, size := utf8.DecodeRune(text[i:])
		i += size
		switch {
		case quoted && c == '\\':
			count += 2
			i++
			continue
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ' ' || c == '\t' || c == '\r' || c == '\n'):
			continue
		}
		count++
	}
	return count
}
