package identity

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/unicode/runenames"
)

// ErrName reports an account name that Check refuses.
var ErrName = errors.New("unusable name")

// Check refuses names that users cannot tell from others, or from nothing: empty ones, ones
// that begin or end with a blank, and ones with control, format, private-use or unassigned
// characters, with other characters that are not shown, with blanks other than the space, or
// with a character that Unicode defines as another way to write a second one (U+212A, the
// Kelvin sign, is a K). Errors wrap ErrName and name the first such character and what to do;
// they do not have the name itself.
func Check(name string) error {
	if name == "" {
		return fmt.Errorf("identity: %w: it is empty", ErrName)
	}
	for at, r := range name {
		if r == utf8.RuneError && !strings.HasPrefix(name[at:], string(utf8.RuneError)) {
			return fmt.Errorf("identity: %w: byte %d is not UTF-8: write it as UTF-8", ErrName, at+1)
		}
		if problem := refused(r); problem != "" {
			return fmt.Errorf("identity: %w: at byte %d is %s, %s", ErrName, at+1, Describe(r), problem)
		}
	}
	if name[0] == ' ' || name[len(name)-1] == ' ' {
		return fmt.Errorf("identity: %w: it begins or ends with a blank: remove the blank", ErrName)
	}
	return nil
}

// refused returns why a character is in no account name, or "".
func refused(r rune) string {
	switch {
	case r <= unicode.MaxASCII && unicode.IsPrint(r):
		return ""
	case unicode.Is(unicode.Cc, r):
		return "a control character: remove it"
	case unicode.Is(unicode.Cf, r):
		return "a format character, which is not shown: remove it"
	case unicode.Is(unicode.Co, r):
		return "a private-use character: write a character of the Unicode Standard"
	case unicode.In(r, unicode.Zs, unicode.Zl, unicode.Zp):
		return "a blank or line break: write a space"
	case unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector):
		return "which is not shown: remove it"
	case !unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S):
		return "which Unicode has not assigned: write another character"
	}
	if other, is := equivalent(r); is {
		return "which is another way to write " + Describe(other) + ": write that one"
	}
	return ""
}

// equivalent returns the character that a character stands for: a canonical singleton
// decomposition (Unicode Standard Annex #15, 5).
func equivalent(r rune) (rune, bool) {
	normal := norm.NFC.String(string(r))
	other, size := utf8.DecodeRuneInString(normal)
	return other, size == len(normal) && other != r
}

// Describe returns the code point and the name of a character, such as
// "U+200B ZERO WIDTH SPACE".
func Describe(r rune) string { return strings.TrimSpace(fmt.Sprintf("%U %s", r, runenames.Name(r))) }

// described is how many characters Quote describes at most.
const described = 3

// Quote returns the name for a message: in quotation marks, with escapes for what is not
// shown, and followed by the code points of characters that may be mistaken for others, which
// are all beyond ASCII.
func Quote(name string) string {
	quoted := fmt.Sprintf("%q", name)
	if ascii(name) {
		return quoted
	}
	var points []string
	rest := 0
	for _, r := range name {
		switch point := Describe(r); {
		case r <= unicode.MaxASCII || strings.Contains(strings.Join(points, ", "), point):
		case len(points) == described:
			rest++
		default:
			points = append(points, point)
		}
	}
	if rest > 0 {
		points = append(points, fmt.Sprintf("%d more", rest))
	}
	return quoted + " (with " + strings.Join(points, ", ") + ")"
}
