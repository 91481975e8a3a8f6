package aws

import (
	"strings"
	"unicode/utf8"
)

// glob is a compiled pattern of *, any characters, and ?, one character. It has a
// segment before, between and after each *.
type glob struct {
	segments []segment
}

// segment matches a fixed number of characters.
type segment struct {
	// text is what the segment matches if it has no ?; else pattern has its characters,
	// with anyRune for ?.
	text    string
	pattern []rune
}

const anyRune rune = -1

// partKind says what a part of a pattern stands for.
type partKind uint8

const (
	textPart     partKind = iota
	starPart              // *
	singlePart            // ?
	variablePart          // ${key}
)

// newGlob compiles parts. A variable must be replaced by its text before.
func newGlob(parts []part) glob {
	var g glob
	var text strings.Builder
	var pattern []rune
	single := false
	flush := func() {
		s := segment{text: text.String()}
		if single {
			s = segment{pattern: pattern}
		}
		g.segments = append(g.segments, s)
		text.Reset()
		pattern, single = nil, false
	}
	for _, p := range parts {
		switch p.kind {
		case starPart:
			flush()
		case singlePart:
			single = true
			pattern = append(pattern, anyRune)
		default:
			text.WriteString(p.text)
			pattern = append(pattern, []rune(p.text)...)
		}
	}
	flush()
	return g
}

// match returns whether the glob matches all of the text. It takes at most as many steps
// as the pattern and the text are long, multiplied.
func (g glob) match(text string) bool {
	n, ok := g.segments[0].prefix(text)
	if !ok {
		return false
	}
	text = text[n:]
	last := len(g.segments) - 1
	if last == 0 {
		return text == ""
	}
	for _, s := range g.segments[1:last] {
		end, ok := s.find(text)
		if !ok {
			return false
		}
		text = text[end:]
	}
	return g.segments[last].suffix(text)
}

// prefix returns how many bytes of the start of the text the segment matches.
func (s segment) prefix(text string) (int, bool) {
	if s.pattern == nil {
		return len(s.text), strings.HasPrefix(text, s.text)
	}
	n := 0
	for _, want := range s.pattern {
		c, size := utf8.DecodeRuneInString(text[n:])
		if size == 0 || want != anyRune && c != want {
			return 0, false
		}
		n += size
	}
	return n, true
}

// find returns the end of the first match of the segment in the text.
func (s segment) find(text string) (end int, ok bool) {
	if s.pattern == nil {
		i := strings.Index(text, s.text)
		return i + len(s.text), i >= 0
	}
	for start := 0; start < len(text); {
		if n, ok := s.prefix(text[start:]); ok {
			return start + n, true
		}
		_, size := utf8.DecodeRuneInString(text[start:])
		start += size
	}
	return 0, false
}

// suffix returns whether the text ends in what the segment matches.
func (s segment) suffix(text string) bool {
	if s.pattern == nil {
		return strings.HasSuffix(text, s.text)
	}
	start := len(text)
	for range s.pattern {
		_, size := utf8.DecodeLastRuneInString(text[:start])
		if size == 0 {
			return false
		}
		start -= size
	}
	n, ok := s.prefix(text[start:])
	return ok && start+n == len(text)
}

// wildcard returns whether a pattern with * and ? matches a text.
func wildcard(pattern, text string) bool {
	if pattern == "*" || pattern == text {
		return true
	}
	if !strings.ContainsAny(pattern, "*?") {
		return false
	}
	return newGlob(splitParts(pattern)).match(text)
}

// splitParts splits a value at * and ?.
func splitParts(value string) []part {
	var all []part
	for value != "" {
		i := strings.IndexAny(value, "*?")
		if i < 0 {
			return append(all, part{kind: textPart, text: value})
		}
		if i > 0 {
			all = append(all, part{kind: textPart, text: value[:i]})
		}
		kind := starPart
		if value[i] == '?' {
			kind = singlePart
		}
		all = append(all, part{kind: kind})
		value = value[i+1:]
	}
	return all
}
