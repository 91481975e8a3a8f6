package trust

import "strings"

// absent is the value of an attribute that a form of token does not have. It is no text
// that an issuer signs. An open attribute is "".
const absent = "\x00"

// segment is a literal text of a template, or an attribute.
type segment struct {
	text string
	// attribute is an index into the profile's attributes; -1 for a literal text.
	attribute int
	// empty is true if the segment is empty where the attribute is absent; otherwise a
	// claim with an absent attribute is absent, too.
	empty bool
}

// template is the form of a text with attributes: "repo:{owner}/{repo}:pull_request".
type template []segment

// newTemplate reads a template. A name in braces that is no attribute stays as it is.
func newTemplate(text string, attributes map[string]int) template {
	var t template
	for text != "" {
		open := strings.IndexByte(text, '{')
		end := strings.IndexByte(text, '}')
		if open < 0 || end < open {
			break
		}
		name, empty := strings.CutSuffix(text[open+1:end], "?")
		attribute, ok := attributes[name]
		if !ok {
			break
		}
		if open > 0 {
			t = append(t, segment{text: text[:open], attribute: -1})
		}
		t = append(t, segment{attribute: attribute, empty: empty})
		text = text[end+1:]
	}
	if text != "" {
		t = append(t, segment{text: text, attribute: -1})
	}
	return t
}

// render writes a template with the values of attributes. It reports false if one that
// must be there is absent.
func (t template) render(values []string) (string, bool) {
	if len(t) == 1 && t[0].attribute < 0 {
		return t[0].text, true
	}
	parts := make([]string, 0, 16)
	for _, s := range t {
		text := s.text
		if s.attribute >= 0 {
			text = values[s.attribute]
			if text == absent {
				if !s.empty {
					return "", false
				}
				text = ""
			}
		}
		if len(t) == 1 {
			return text, true
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ""), true
}

// maxSteps bounds the steps of one match, which could otherwise be exponential in the
// wildcards of a pattern.
const maxSteps = 2000

// matcher finds the values of a template's attributes for which it gives a text that a
// pattern matches.
type matcher struct {
	attributes []attribute
	template   template
	pattern    pattern
	// values are what the pattern says of attributes; "" if nothing. partial has a bit for
	// each attribute of which the pattern says only the beginning.
	values  []string
	partial uint64
	steps   int
}

// match returns the values of the attributes, those of which only the beginning is known
// as bits, and whether the pattern matches a text of the template at all.
func (p *profile) match(t template, text pattern) (values []string, partial uint64, ok bool) {
	if !t.mayMatch(text) {
		return nil, 0, false
	}
	m := matcher{attributes: p.Attributes, template: t, pattern: text, values: make([]string, len(p.Attributes))}
	if !m.from(0, 0, 0) {
		return nil, 0, false
	}
	return m.values, m.partial, true
}

// mayMatch compares the beginnings, which refuses most templates without a search.
func (t template) mayMatch(text pattern) bool {
	if len(t) == 0 || t[0].attribute >= 0 {
		return len(t) > 0
	}
	i := 0
	for _, r := range t[0].text {
		if i == len(text) {
			return false
		}
		switch text[i] {
		case anyRunes:
			return true
		case r, anyRune:
		default:
			return false
		}
		i++
	}
	return true
}

// from matches from an offset in a segment and an element of the pattern.
func (m *matcher) from(segment, offset, element int) bool {
	if m.steps++; m.steps > maxSteps {
		return false
	}
	if segment == len(m.template) {
		return m.pattern[element:].matchesEmpty()
	}
	s := m.template[segment]
	if s.attribute >= 0 {
		return m.attribute(segment, element)
	}
	if offset == len(s.text) {
		return m.from(segment+1, 0, element)
	}
	if element == len(m.pattern) {
		return false
	}
	// Texts of templates are ASCII, so that a byte is a rune.
	switch m.pattern[element] {
	case anyRunes:
		return m.from(segment, offset, element+1) || m.from(segment, offset+1, element)
	case anyRune, rune(s.text[offset]):
		return m.from(segment, offset+1, element+1)
	default:
		return false
	}
}

// attribute matches an attribute with as many elements as possible, then with fewer.
func (m *matcher) attribute(segment, element int) bool {
	attribute := m.template[segment].attribute
	a := &m.attributes[attribute]
	end := element
	for end < len(m.pattern) && (m.pattern[end] < 0 || a.allows(m.pattern[end])) {
		end++
	}
	for ; end >= element; end-- {
		value, partial := m.pattern[element:end].value()
		if end < len(m.pattern) && m.pattern[end] == anyRunes {
			partial = true
		}
		if value == "" && !partial || !a.begins(value, partial) {
			continue
		}
		before, beforePartial := m.values[attribute], m.partial
		m.values[attribute] = value
		if partial {
			m.partial |= 1 << attribute
		}
		if m.from(segment+1, 0, end) {
			return true
		}
		m.values[attribute], m.partial = before, beforePartial
	}
	return false
}
