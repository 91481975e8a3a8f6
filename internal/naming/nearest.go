package naming

import (
	"fmt"
	"strings"
)

// checkPlaceholder refuses a name that is no placeholder and offers the one
// that was probably meant.
func checkPlaceholder(p Placeholder, at int) error {
	if _, ok := p.tag(); ok {
		return nil
	}
	best, distance := Placeholder(""), 0
	for _, k := range known() {
		if p == k {
			return nil
		}
		d := editDistance(strings.ToLower(string(p)), strings.ToLower(string(k)))
		if best == "" || d < distance {
			best, distance = k, d
		}
	}
	found := fmt.Sprintf("the unknown placeholder %q", string(p))
	switch {
	case p == "":
		return wrong(at, "an empty placeholder", allowed())
	case p == TagPrefix:
		return wrong(at, `the placeholder "tag" without a name`, "write the tag's name after it, as in #{tagEnvironment}")
	case p == "customerIdentifier":
		// The public documentation's name for workspaces until 2023.
		return wrong(at, found, "customers are called workspaces now: write #{workspaceIdentifier}")
	case distance <= len(best)/3:
		return wrong(at, found, fmt.Sprintf("did you mean #{%s}?", best))
	default:
		return wrong(at, found, allowed())
	}
}

// allowed lists the placeholders for error texts.
func allowed() string {
	var b strings.Builder
	b.WriteString("write one of")
	for _, k := range known() {
		fmt.Fprintf(&b, " #{%s}", k)
	}
	b.WriteString(" #{tag<Name>}")
	return b.String()
}

// editDistance is how many bytes to insert, drop or replace to turn a into b.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
