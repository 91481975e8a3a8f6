// Package euid turns a person's external user id into the name of their account
// on one platform, by the platform's euid pattern.
//
// A pattern is text with exactly one verb: %s stands for the euid as it is, %S
// for the euid in upper case, and %% is a percent sign. So "%s@example.com"
// turns jane into jane@example.com, and "example.com/%S" into example.com/JANE.
package euid

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rollcall-iam/rollcall/internal/identity"
)

// Default is the pattern of a platform whose document names none.
const Default = "%s"

// ErrPattern reports a text that is not an euid pattern.
var ErrPattern = errors.New("bad euid pattern")

// Pattern is a checked euid pattern. It is comparable and safe for use by many
// goroutines. The zero Pattern leaves every euid as it is.
type Pattern struct {
	before, after string
	upper         bool
}

// Parse reads a pattern. An empty one is refused: who has none uses Default.
// Errors wrap ErrPattern and give the byte, counted from 1, where the pattern
// goes wrong, what is there, and what may be.
func Parse(pattern string) (Pattern, error) {
	if pattern == "" {
		return Pattern{}, fmt.Errorf("euid: %w: it is empty: write %q, or leave the field out", ErrPattern, Default)
	}
	if err := checkText(pattern); err != nil {
		return Pattern{}, err
	}
	var (
		p      Pattern
		text   strings.Builder
		verbAt int // counted from 1; 0 before the verb
	)
	for at := 0; at < len(pattern); at++ {
		if pattern[at] != '%' {
			text.WriteByte(pattern[at])
			continue
		}
		verb, size := utf8.DecodeRuneInString(pattern[at+1:])
		switch {
		case size == 0:
			return Pattern{}, wrong(at, "a lone % at the end")
		case verb == '%':
			text.WriteByte('%')
		case verb != 's' && verb != 'S':
			return Pattern{}, wrong(at, fmt.Sprintf("%q", pattern[at:at+1+size]))
		case verbAt != 0:
			return Pattern{}, wrong(at, fmt.Sprintf("a second verb, after the one at byte %d", verbAt))
		default:
			verbAt = at + 1
			p.before, p.upper = text.String(), verb == 'S'
			text.Reset()
		}
		at += size
	}
	if verbAt == 0 {
		return Pattern{}, wrong(len(pattern), "the end, with no verb before it")
	}
	p.after = text.String()
	return p, nil
}

// checkText refuses what no account name holds and what is mostly a slip, such
// as the line break that ends a block of YAML: no lookup would ever find it.
func checkText(pattern string) error {
	for at, r := range pattern {
		if r == utf8.RuneError && !strings.HasPrefix(pattern[at:], string(utf8.RuneError)) {
			return wrong(at, "a byte that is not UTF-8")
		}
		if unicode.IsControl(r) {
			return wrong(at, fmt.Sprintf("the control character %U", r))
		}
	}
	return nil
}

// wrong returns the error for what is found at an offset counted from 0.
func wrong(at int, found string) error {
	return fmt.Errorf("euid: %w: at byte %d is %s: "+
		"write exactly one %%s (the euid as it is) or %%S (in upper case), and %%%% for a percent sign",
		ErrPattern, at+1, found)
}

// Apply returns the account name for an euid. Upper case follows the full
// Unicode rules of no language in particular: "straße" becomes "STRASSE", and
// "i" becomes "I" also for a Turkish name. The name is in normalisation form C.
func (p Pattern) Apply(euid string) string {
	if p.upper {
		euid = identity.Upper(identity.Normalize(euid))
	}
	return identity.Normalize(p.before + euid + p.after)
}

// EUID returns an euid of which Apply makes the name, or false for a name that the pattern
// never makes. Of a pattern in upper case it is one of several, in upper case.
func (p Pattern) EUID(name string) (string, bool) {
	rest, hasBefore := strings.CutPrefix(name, p.before)
	euid, hasAfter := strings.CutSuffix(rest, p.after)
	return euid, hasBefore && hasAfter && p.Apply(euid) == name
}

// String returns the pattern's text. Parse reads it back.
func (p Pattern) String() string {
	verb := "%s"
	if p.upper {
		verb = "%S"
	}
	return escape(p.before) + verb + escape(p.after)
}

func escape(text string) string { return strings.ReplaceAll(text, "%", "%%") }
