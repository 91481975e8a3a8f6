package identity

import (
	"strings"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"
)

// Comparison is the rule by which a platform takes two account names for one.
type Comparison uint8

// The rules. Both take canonically equivalent texts (Unicode Standard Annex #15) for equal:
// "é" as one character and as a letter with an accent.
const (
	// Exact distinguishes upper and lower case.
	Exact Comparison = iota
	// IgnoreCase takes upper and lower case of the letters a to z for equal, and of no others.
	IgnoreCase
)

// Key is the canonical form of an account name under a Comparison. Keys of different
// Comparisons have nothing to do with each other.
type Key string

// Key returns the canonical form of a name. Two names are one account if their keys are
// equal.
func (c Comparison) Key(name string) Key {
	if ascii(name) {
		if c == IgnoreCase {
			return Key(strings.ToLower(name)) // of ASCII this is the ASCII fold
		}
		return Key(name)
	}
	name = norm.NFC.String(name)
	if c == IgnoreCase {
		// The small letter may have a composed form where the capital has none.
		name = norm.NFC.String(strings.Map(lower, name))
	}
	return Key(name)
}

// Same reports whether two names are one account.
func (c Comparison) Same(a, b string) bool { return a == b || c.Key(a) == c.Key(b) }

// Normalize returns the name in Unicode normalisation form C, in which account names are
// written.
func Normalize(name string) string { return norm.NFC.String(name) }

// SearchKey returns a text that is equal for all euids that can end in one account: on a
// platform of any Comparison, under any euid pattern, also one that writes upper case. The
// reverse does not hold: euids of one SearchKey are candidates, of which the Comparison of
// the platform decides.
func SearchKey(euid string) string {
	if ascii(euid) {
		return strings.ToUpper(euid)
	}
	return norm.NFC.String(Upper(norm.NFC.String(euid)))
}

// Upper returns the text in upper case by the full Unicode rules of no language in
// particular: "straße" becomes "STRASSE".
func Upper(text string) string {
	// A Caser holds state: one for each call keeps Upper safe for goroutines.
	return cases.Upper(language.Und).String(text)
}

func ascii(text string) bool {
	for i := range len(text) {
		if text[i] >= 0x80 {
			return false
		}
	}
	return true
}

func lower(r rune) rune {
	if 'A' <= r && r <= 'Z' {
		return r + 'a' - 'A'
	}
	return r
}
