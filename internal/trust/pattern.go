package trust

import (
	"regexp/syntax"
	"slices"
	"strings"
)

// The wildcards of a pattern. They are no runes of a text.
const (
	anyRunes rune = -1 // any number of any runes
	anyRune  rune = -2 // one rune
)

// pattern is a text with wildcards.
type pattern []rune

// Bounds of what is made of one literal. Longer literals are cut, which can only lose
// probes.
const (
	maxLiteral      = 1024 // runes; Entra takes 600 characters, others less
	maxAlternatives = 8
	maxDepth        = 50
)

// literal returns the pattern of a text without wildcards.
func literal(text string) pattern {
	runes := []rune(text)
	return runes[:min(len(runes), maxLiteral)]
}

// patterns returns what a comparison with one value accepts; nil if it is not known, or
// if the comparison refuses the value.
func (c *Comparison) patterns(value string) []pattern {
	switch c.Operator {
	case Equal, EqualFold:
		return []pattern{literal(value)}
	case Glob:
		return []pattern{glob(value)}
	case Prefix:
		return []pattern{append(literal(value), anyRunes)}
	case Suffix:
		return []pattern{append(pattern{anyRunes}, literal(value)...)}
	case Contains:
		return []pattern{append(append(pattern{anyRunes}, literal(value)...), anyRunes)}
	case Regexp:
		return regexpPatterns(value)
	case Present, NotEqual, NotMatches, Other:
	}
	return nil
}

// glob reads a text in which * and ? are wildcards.
func glob(text string) pattern {
	p := literal(text)
	for i, r := range p {
		switch r {
		case '*':
			p[i] = anyRunes
		case '?':
			p[i] = anyRune
		}
	}
	return p
}

// regexpPatterns returns the alternatives of a regular expression, which matches anywhere
// in a text unless it is anchored. Repetitions become wildcards, so that a pattern may
// match more than the expression.
func regexpPatterns(text string) []pattern {
	if len(text) > maxLiteral {
		return nil
	}
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil
	}
	found := expand(parsed.Simplify(), 0)
	for i, p := range found {
		found[i] = unanchored(p)
	}
	return found
}

// The anchors of a regular expression, until unanchored replaces them.
const (
	textBegins rune = -3
	textEnds   rune = -4
)

// unanchored adds wildcards at the ends of a pattern that have no anchor.
func unanchored(p pattern) pattern {
	out := pattern{anyRunes}
	if len(p) > 0 && p[0] == textBegins {
		out, p = nil, p[1:]
	}
	end := len(p) > 0 && p[len(p)-1] == textEnds
	for _, r := range p {
		if r > textBegins {
			out = append(out, r)
		}
	}
	if !end {
		out = append(out, anyRunes)
	}
	return out
}

// expand returns up to maxAlternatives patterns for an expression.
func expand(e *syntax.Regexp, depth int) []pattern {
	if depth > maxDepth {
		return []pattern{{anyRunes}}
	}
	switch e.Op {
	case syntax.OpLiteral:
		return []pattern{literal(string(e.Rune))}
	case syntax.OpBeginText, syntax.OpBeginLine:
		return []pattern{{textBegins}}
	case syntax.OpEndText, syntax.OpEndLine:
		return []pattern{{textEnds}}
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL, syntax.OpCharClass:
		return []pattern{{anyRune}}
	case syntax.OpStar, syntax.OpPlus, syntax.OpRepeat:
		return []pattern{{anyRunes}}
	case syntax.OpCapture, syntax.OpQuest:
		return expand(e.Sub[0], depth+1)
	case syntax.OpAlternate:
		var all []pattern
		for _, sub := range e.Sub {
			all = append(all, expand(sub, depth+1)...)
		}
		return all[:min(len(all), maxAlternatives)]
	case syntax.OpConcat:
		return concat(e.Sub, depth)
	default:
		return []pattern{nil}
	}
}

// concat returns the combinations of the alternatives of expressions in a row.
func concat(subs []*syntax.Regexp, depth int) []pattern {
	all := []pattern{nil}
	for _, sub := range subs {
		var next []pattern
		for _, before := range all {
			for _, after := range expand(sub, depth+1) {
				if len(next) == maxAlternatives || len(before)+len(after) > maxLiteral {
					break
				}
				next = append(next, append(slices.Clip(before), after...))
			}
		}
		all = next
	}
	return all
}

// matchesEmpty reports whether a pattern matches the empty text.
func (p pattern) matchesEmpty() bool {
	for _, r := range p {
		if r != anyRunes {
			return false
		}
	}
	return true
}

// value returns the text of a pattern without its wildcards, and whether there is one for
// many runes: then the text is only a part of what the pattern matches, and has looseBegin
// before it if its beginning is open. A dot stands for a single unknown rune, as it does in
// most expressions that have one by mistake.
func (p pattern) value() (text string, partial bool) {
	var b strings.Builder
	for i, r := range p {
		switch r {
		case anyRunes:
			partial = true
			if i == 0 && len(p) > 1 {
				b.WriteString(looseBegin)
			}
		case anyRune:
			b.WriteByte('.')
		default:
			b.WriteRune(r)
		}
	}
	return b.String(), partial
}

// looseBegin marks a partial value whose beginning is open.
const looseBegin = "*"

// longestText returns the longest part of a pattern without wildcards.
func (p pattern) longestText() string {
	var longest, current []rune
	for _, r := range p {
		if r < 0 {
			current = nil
			continue
		}
		if current = append(current, r); len(current) > len(longest) {
			longest = current
		}
	}
	return string(longest)
}

// sample returns a text that the pattern matches.
func (p pattern) sample() string {
	var b strings.Builder
	for _, r := range p {
		switch r {
		case anyRunes:
		case anyRune:
			b.WriteByte('x')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
