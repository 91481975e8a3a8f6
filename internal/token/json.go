package token

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	// maxDepth is how deep objects and lists nest in a header or in claims.
	maxDepth = 16
	// maxMembers is how many members an object may have.
	maxMembers = 256
)

// object is a JSON object: its text, and where its members are.
type object struct {
	text    []byte
	members []member
}

// member is a member of an object: where its name is, with quotes, and its value, without
// space around it.
type member struct{ name, value span }

// span is a part of a text.
type span struct{ from, to uint16 }

func (o object) name(m member) []byte {
	// The text was scanned before: it has no bad escapes.
	name, _ := unquoted(o.text[m.name.from:m.name.to])
	return name
}

func (o object) value(m member) []byte { return o.text[m.value.from:m.value.to] }

// scanner reads JSON text once. It is stricter than encoding/json: it refuses duplicate
// names, text that is not UTF-8, and text beyond the limits. encoding/json takes the last
// of duplicate names, and another reader of the same token may take the first.
//
// It exists because it is fast: a token is checked in little more than the time that its
// signature needs.
type scanner struct {
	data []byte
	pos  int
	// open are the names of the objects that are open, from the outermost one.
	open [][]byte
	// members are those of the outermost object.
	members []member
}

var errJSON = errors.New("not a JSON object within the limits")

// scanObject reads a JSON object.
func scanObject(data []byte) (object, error) {
	var s scanner
	return s.scan(data, nil)
}

// scan is scanObject with the memory of an earlier scan, and appends the members to into.
func (s *scanner) scan(data []byte, into []member) (object, error) {
	s.data, s.pos, s.open, s.members = data, 0, s.open[:0], into
	s.space()
	if len(data) > math.MaxUint16 || s.peek() != '{' || !utf8.Valid(data) || !s.object(1) {
		return object{}, errJSON
	}
	s.space()
	if s.pos != len(data) {
		return object{}, errJSON
	}
	return object{data, s.members}, nil
}

func (s *scanner) peek() byte {
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}

// take skips the byte c if it is next.
func (s *scanner) take(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.pos++
	return true
}

func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

func (s *scanner) value(depth int) bool {
	switch s.peek() {
	case '"':
		_, ok := s.text()
		return ok
	case '{':
		return s.object(depth + 1)
	case '[':
		return s.list(depth + 1)
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	default:
		return s.number()
	}
}

// object reads an object.
func (s *scanner) object(depth int) bool {
	if depth > maxDepth {
		return false
	}
	s.pos++
	s.space()
	first := len(s.open)
	// seen has a bit for each name that is open: most names need no comparison.
	var seen uint64
	for n := 0; !s.take('}'); n++ {
		if n == maxMembers || n > 0 && !s.comma() {
			return false
		}
		from := s.pos
		if !s.name(first, &seen) {
			return false
		}
		to := s.pos
		s.space()
		if !s.take(':') {
			return false
		}
		s.space()
		start := s.pos
		if !s.value(depth) {
			return false
		}
		if depth == 1 {
			s.members = append(s.members, member{s.span(from, to), s.span(start, s.pos)})
		}
		s.space()
	}
	s.open = s.open[:first]
	return true
}

// span returns the part of the text, which scan keeps short enough.
func (s *scanner) span(from, to int) span {
	return span{uint16(from), uint16(to)} //nolint:gosec // scan refuses longer texts.
}

// comma reads a comma and space.
func (s *scanner) comma() bool {
	if !s.take(',') {
		return false
	}
	s.space()
	return true
}

// name reads a name that is none of the object's, which are those from first on.
func (s *scanner) name(first int, seen *uint64) bool {
	raw, ok := s.text()
	if !ok {
		return false
	}
	name, err := unquoted(raw)
	if err != nil {
		return false
	}
	bit := nameBit(name)
	if *seen&bit != 0 && slices.ContainsFunc(s.open[first:], func(other []byte) bool { return bytes.Equal(other, name) }) {
		return false
	}
	*seen |= bit
	s.open = append(s.open, name)
	return true
}

// nameBit returns one of 64 bits for a name.
func nameBit(name []byte) uint64 {
	h := uint(len(name))
	if h > 0 {
		h += uint(name[0])*7 + uint(name[h/2])*13 + uint(name[h-1])*31
	}
	return 1 << (h & 63)
}

func (s *scanner) list(depth int) bool {
	if depth > maxDepth {
		return false
	}
	s.pos++
	s.space()
	if s.take(']') {
		return true
	}
	for s.value(depth) {
		s.space()
		if s.take(']') {
			return true
		}
		if !s.comma() {
			return false
		}
	}
	return false
}

// text reads a string and returns it with its quotes.
func (s *scanner) text() ([]byte, bool) {
	start := s.pos
	if !s.take('"') {
		return nil, false
	}
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; {
		case c == '"':
			s.pos++
			return s.data[start:s.pos], true
		case c < ' ':
			return nil, false
		case c == '\\':
			if !s.escape() {
				return nil, false
			}
		default:
			s.pos++
		}
	}
	return nil, false
}

// escape reads an escape sequence.
func (s *scanner) escape() bool {
	s.pos++
	c := s.peek()
	s.pos++
	if c != 'u' {
		return c != 0 && strings.IndexByte(`"\/bfnrt`, c) >= 0
	}
	for range 4 {
		switch c := s.peek(); {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'f', 'A' <= c && c <= 'F':
			s.pos++
		default:
			return false
		}
	}
	return true
}

func (s *scanner) literal(text string) bool {
	if len(s.data)-s.pos < len(text) || string(s.data[s.pos:s.pos+len(text)]) != text {
		return false
	}
	s.pos += len(text)
	return true
}

// number reads a number as RFC 8259 writes it.
func (s *scanner) number() bool {
	s.take('-')
	if !s.take('0') && !s.decimals() {
		return false
	}
	if s.take('.') && !s.decimals() {
		return false
	}
	if s.take('e') || s.take('E') {
		if !s.take('+') {
			s.take('-')
		}
		return s.decimals()
	}
	return true
}

// decimals reads one digit or more.
func (s *scanner) decimals() bool {
	start := s.pos
	for c := s.peek(); '0' <= c && c <= '9'; c = s.peek() {
		s.pos++
	}
	return s.pos > start
}

// unquote returns the text of a JSON string.
func unquote(raw []byte) (string, error) {
	text, err := unquoted(raw)
	return string(text), err
}

// unquoted returns the text of a JSON string, which may be a part of raw. It refuses a
// string that has no text: half of a surrogate pair, which encoding/json replaces, so that
// two strings become equal.
func unquoted(raw []byte) ([]byte, error) {
	if len(raw) < 2 || raw[0] != '"' {
		return nil, errJSON
	}
	inner := raw[1 : len(raw)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return inner, nil
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil || strings.ContainsRune(text, utf8.RuneError) {
		return nil, errJSON
	}
	return []byte(text), nil
}

// appendTexts appends the elements of a list of strings, or a string as a list of one. They
// may be parts of value.
func appendTexts(all [][]byte, value []byte) ([][]byte, error) {
	if len(value) > 0 && value[0] == '"' {
		text, err := unquoted(value)
		return append(all, text), err
	}
	s := scanner{data: value}
	if !s.take('[') {
		return nil, errJSON
	}
	s.space()
	for first := true; !s.take(']'); first = false {
		if !first && !s.comma() {
			return nil, errJSON
		}
		raw, ok := s.text()
		if !ok {
			return nil, errJSON
		}
		text, err := unquoted(raw)
		if err != nil {
			return nil, err
		}
		all = append(all, text)
		s.space()
	}
	return all, nil
}
