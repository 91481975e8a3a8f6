package access

import (
	"strings"
	"unicode"
)

// FoldCase returns the text that all texts equal but for case have in common, in
// the sense of strings.EqualFold: "ÄB" and "äb" fold to one. What a platform takes
// for equal beyond that shows when two names turn out to be one object there.
func FoldCase(text string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			least = min(least, f)
		}
		return least
	}, text)
}
