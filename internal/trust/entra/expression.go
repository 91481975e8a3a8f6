package entra

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// Limits of an expression. Entra's own are lower and not documented.
const (
	maxExpression  = 4096
	maxComparisons = 64
)

// expression is a claims matching expression of language version 1: all comparisons
// must hold.
type expression []comparison

// comparison compares one top-level claim that is a text.
type comparison struct {
	claim string
	// operator is trust.Equal for eq, trust.Glob for matches.
	operator trust.Operator
	value    string
}

func (e expression) accepts(t trust.Token) bool {
	for _, c := range e {
		if !c.accepts(t) {
			return false
		}
	}
	return len(e) > 0
}

func (c comparison) accepts(t trust.Token) bool {
	value, _ := t.Lookup(c.claim)
	text, ok := value.(string)
	if !ok {
		return false
	}
	if c.operator == trust.Equal {
		return text == c.value
	}
	return matches(c.value, text)
}

func (c comparison) comparison() trust.Comparison {
	return trust.Comparison{Claim: []string{c.claim}, Operator: c.operator, Values: []string{c.value}}
}

// matches reports whether a whole text matches a pattern in which * stands for any
// characters and ? for one. Its time is at most the product of the lengths.
func matches(pattern, text string) bool {
	p, t := 0, 0
	star, resume := -1, 0 // the last * and where the text after it begins
	for t < len(text) {
		size := width(text[t:])
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, resume = p, t
			p++
			continue
		case p < len(pattern) && pattern[p] == '?':
			p++
			t += size
			continue
		case p < len(pattern) && strings.HasPrefix(pattern[p:], text[t:t+size]):
			p += size
			t += size
			continue
		}
		if star < 0 {
			return false
		}
		resume += width(text[resume:])
		p, t = star+1, resume
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// width returns the number of bytes of the first character of a text.
func width(text string) int {
	_, size := utf8.DecodeRuneInString(text)
	return size
}

// parser reads an expression from left to right.
type parser struct {
	text string
	at   int
}

// parseExpression reads a claims matching expression: claims['x'] eq 'text',
// claims['x'] matches 'pattern', joined by and. A quote in a text is doubled. The error
// names the character, counted from 1.
func parseExpression(text string) (expression, error) {
	if len(text) > maxExpression {
		return nil, fmt.Errorf("the expression has %d bytes; write at most %d", len(text), maxExpression)
	}
	p := &parser{text: text}
	var e expression
	for {
		c, err := p.comparison()
		if err != nil {
			return nil, err
		}
		e = append(e, c)
		p.space()
		if p.at == len(p.text) {
			return e, nil
		}
		if len(e) == maxComparisons {
			return nil, p.errorf("the expression has more than %d comparisons", maxComparisons)
		}
		if word := p.word(); word != "and" {
			p.at -= len(word)
			return nil, p.errorf("%q joins no comparisons: write and", clip(word, p.text[p.at:]))
		}
	}
}

func (p *parser) comparison() (comparison, error) {
	p.space()
	if !p.take("claims[") {
		return comparison{}, p.errorf("a comparison begins with claims['name']")
	}
	claim, err := p.quoted("the name of a claim")
	if err != nil {
		return comparison{}, err
	}
	if claim == "" {
		return comparison{}, p.errorf("the name of the claim is empty")
	}
	if !p.take("]") {
		return comparison{}, p.errorf("the name of a claim ends with ]")
	}
	p.space()
	c := comparison{claim: claim}
	switch word := p.word(); word {
	case "eq":
		c.operator = trust.Equal
	case "matches":
		c.operator = trust.Glob
	default:
		p.at -= len(word)
		return comparison{}, p.errorf("%q is no operator: write eq or matches", clip(word, p.text[p.at:]))
	}
	p.space()
	c.value, err = p.quoted("what the claim is compared with")
	return c, err
}

// quoted reads a text in single quotes.
func (p *parser) quoted(what string) (string, error) {
	if !p.take("'") {
		return "", p.errorf("%s is in single quotes", what)
	}
	var b strings.Builder
	for {
		end := strings.IndexByte(p.text[p.at:], '\'')
		if end < 0 {
			return "", p.errorf("%s has no closing quote", what)
		}
		b.WriteString(p.text[p.at : p.at+end])
		p.at += end + 1
		if !p.take("'") {
			return b.String(), nil
		}
		b.WriteByte('\'')
	}
}

// word reads letters.
func (p *parser) word() string {
	start := p.at
	for p.at < len(p.text) && (p.text[p.at]|0x20) >= 'a' && (p.text[p.at]|0x20) <= 'z' {
		p.at++
	}
	return p.text[start:p.at]
}

func (p *parser) space() {
	p.at += len(p.text[p.at:]) - len(strings.TrimLeft(p.text[p.at:], " \t\r\n"))
}

func (p *parser) take(text string) bool {
	if !strings.HasPrefix(p.text[p.at:], text) {
		return false
	}
	p.at += len(text)
	return true
}

func (p *parser) errorf(format string, args ...any) error {
	at := utf8.RuneCountInString(p.text[:p.at]) + 1
	return fmt.Errorf("claimsMatchingExpression, character %d: %s", at, fmt.Sprintf(format, args...))
}

// clip returns a word, or the first characters of a rest that begins with none.
func clip(word, rest string) string {
	if word != "" {
		return word
	}
	if runes := []rune(rest); len(runes) > 12 {
		return string(runes[:12])
	}
	return rest
}
