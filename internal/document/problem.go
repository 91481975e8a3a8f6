package document

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// ErrInvalid is what every Problems is: the input is wrong, and trying again
// does not help.
var ErrInvalid = errors.New("invalid documents")

// Problems is all that is wrong with an input, sorted by file and line.
// errors.Is(err, ErrInvalid) holds for it.
type Problems []Problem //nolint:errname // It is what its name says; an error is what it is used as.

// Error returns one line for each problem, as Problem.String writes it.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

// Is makes ErrInvalid match.
func (p Problems) Is(target error) bool { return target == ErrInvalid }

// String returns "file:line: object: field: text" without the parts that are
// unknown, and without control characters, which would reach a terminal.
func (p Problem) String() string {
	place := p.File
	if place != "" && p.Line > 0 {
		place += ":" + strconv.Itoa(p.Line)
	}
	var parts []string
	for _, part := range []string{place, p.Object, p.Field, p.Text} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Map(visible, strings.Join(parts, ": "))
}

func visible(r rune) rune {
	if unicode.IsControl(r) {
		return unicode.ReplacementChar
	}
	return r
}

// err returns p as an error: sorted, free of repetitions, nil when empty.
func (p Problems) err() error {
	if len(p) == 0 {
		return nil
	}
	slices.SortFunc(p, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Object, b.Object), cmp.Compare(a.Field, b.Field), cmp.Compare(a.Text, b.Text))
	})
	return slices.Compact(p)
}

// quoted returns text in quotes, shortened to what fits on a line.
func quoted(text string) string {
	const most = 60
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return strconv.Quote(text)
}

// list returns words as people write them: "a, b or c".
func list(words []string, last string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " " + last + " " + words[len(words)-1]
}
