// Package naming builds the names of groups on a platform from the user group
// name pattern.
//
// A pattern is text with placeholders, each with an optional format after a
// colon, which is the part of Java's String.format that makes sense in a name:
//
//	#{workspaceIdentifier}    text    the workspace's name
//	#{projectIdentifier}      text    the project's name
//	#{projectId}              text    "<workspace>.<project>"; also #{meshProjectId}
//	#{platform}               text    the platform's identifier, "<name>.<location>"
//	#{platformGroupAlias}     text    what the role mapping calls the role
//	#{tenantPlatformNumber}   number  1, 2, 3... by the tenant's arrival on its platform
//	#{rand}                   text    100 characters drawn for the tenant
//	#{tag<Name>}              text    the value of the project's tag <Name>
//
// A text takes %s, or %.Ns for its first N characters (1 to 100). A number
// takes %d, or %0Nd for at least N digits (1 to 20). So
// "#{workspaceIdentifier:%.7s}-#{tenantPlatformNumber:%03d}-#{platformGroupAlias}"
// gives "payment-007-admin".
//
// Where meshStack's meshProjectId is a number that only its server knows, ours
// is the project's full name: as unique, and known to everybody.
package naming

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Default is the pattern of a platform whose document names none. Identifiers of
// workspaces and projects hold no dot, so that no two tenants of a platform, and
// no two aliases of a tenant, get the same name.
const Default = "#{workspaceIdentifier}.#{projectIdentifier}.#{platformGroupAlias}"

// The longest formats that a pattern may ask for.
const (
	MaxPrecision = 100 // characters of a text
	MaxWidth     = 20  // digits of a number
)

// ErrPattern reports a text that is not a group name pattern.
var ErrPattern = errors.New("bad group name pattern")

// ErrValue reports a placeholder for which there is no value.
var ErrValue = errors.New("no value")

// Placeholder is what stands between "#{" and "}", without a format.
type Placeholder string

// The placeholders. A tag's is TagPrefix and the tag's name.
const (
	WorkspaceIdentifier  Placeholder = "workspaceIdentifier"
	ProjectIdentifier    Placeholder = "projectIdentifier"
	ProjectID            Placeholder = "projectId"
	Platform             Placeholder = "platform"
	PlatformGroupAlias   Placeholder = "platformGroupAlias"
	TenantPlatformNumber Placeholder = "tenantPlatformNumber"
	Random               Placeholder = "rand"
	TagPrefix            Placeholder = "tag"
)

// opening is where a placeholder starts.
const opening = "#{"

// meshProjectID is the other way to write ProjectID.
const meshProjectID Placeholder = "meshProjectId"

// known returns the placeholders as error texts list them.
func known() []Placeholder {
	return []Placeholder{
		WorkspaceIdentifier, ProjectIdentifier, ProjectID, meshProjectID,
		Platform, PlatformGroupAlias, TenantPlatformNumber, Random,
	}
}

// tag returns the name of the tag that p stands for.
func (p Placeholder) tag() (string, bool) {
	name, ok := strings.CutPrefix(string(p), string(TagPrefix))
	return name, ok && name != ""
}

// Pattern is a checked group name pattern. It is safe for use by many
// goroutines. The zero Pattern has no text and expands to none.
type Pattern struct {
	source string
	parts  []part
}

// part is literal text, or a placeholder with its format.
type part struct {
	literal string
	// placeholder is empty for literal text.
	placeholder Placeholder
	// limit is a text's most characters, or a number's least digits; 0 is none.
	limit int
}

// Parse reads a pattern. An empty one is refused: who has none uses Default.
// Errors wrap ErrPattern and give the byte, counted from 1, where the pattern
// goes wrong, what is there, and what may be.
func Parse(pattern string) (Pattern, error) {
	if pattern == "" {
		return Pattern{}, fmt.Errorf("naming: %w: it is empty: write for example %q, or leave the field out", ErrPattern, Default)
	}
	if err := checkText(pattern); err != nil {
		return Pattern{}, err
	}
	p := Pattern{source: pattern}
	for at := 0; at < len(pattern); {
		length := strings.Index(pattern[at:], opening)
		if length < 0 {
			length = len(pattern) - at
		}
		if length > 0 {
			p.parts = append(p.parts, part{literal: pattern[at : at+length]})
			at += length
			continue
		}
		body, _, closed := strings.Cut(pattern[at+len(opening):], "}")
		if !closed || strings.Contains(body, opening) {
			return Pattern{}, wrong(at, `"#{" without its "}"`, "close the placeholder")
		}
		next, err := parsePlaceholder(body, at+len(opening))
		if err != nil {
			return Pattern{}, err
		}
		p.parts = append(p.parts, next)
		at += len(opening) + len(body) + len("}")
	}
	return p, nil
}

// checkText refuses what no name holds and what is mostly a slip, such as the
// line break that ends a block of YAML.
func checkText(pattern string) error {
	for at, r := range pattern {
		if r == utf8.RuneError && !strings.HasPrefix(pattern[at:], string(utf8.RuneError)) {
			return wrong(at, "a byte that is not UTF-8", "write the pattern in UTF-8")
		}
		if unicode.IsControl(r) {
			return wrong(at, fmt.Sprintf("the control character %U", r), "leave it out")
		}
	}
	return nil
}

// parsePlaceholder reads what is between "#{" and "}", which starts at an
// offset counted from 0.
func parsePlaceholder(body string, at int) (part, error) {
	name, format, formatted := strings.Cut(body, ":")
	p := part{placeholder: Placeholder(name)}
	if p.placeholder == meshProjectID {
		p.placeholder = ProjectID
	}
	if err := checkPlaceholder(Placeholder(name), at); err != nil {
		return part{}, err
	}
	if !formatted {
		return p, nil
	}
	limit, err := parseFormat(p.placeholder, format, at+len(name)+1)
	p.limit = limit
	return p, err
}

// parseFormat reads the format of a placeholder and returns its limit. Every
// placeholder but the number is a text.
func parseFormat(p Placeholder, format string, at int) (int, error) {
	prefix, verb, most := "%.", "s", MaxPrecision
	allowed := fmt.Sprintf("it is a text: write %%s, or %%.Ns with N from 1 to %d", MaxPrecision)
	if p == TenantPlatformNumber {
		prefix, verb, most = "%0", "d", MaxWidth
		allowed = fmt.Sprintf("it is a number: write %%d, or %%0Nd with N from 1 to %d", MaxWidth)
	}
	if format == "%"+verb {
		return 0, nil
	}
	digits, opened := strings.CutPrefix(format, prefix)
	digits, closed := strings.CutSuffix(digits, verb)
	n, ok := parseLimit(digits, most)
	if !opened || !closed || !ok {
		return 0, wrong(at, fmt.Sprintf("the format %q for %s", format, p), allowed)
	}
	return n, nil
}

// parseLimit reads a number from 1 to most, without leading zeros.
func parseLimit(digits string, most int) (int, bool) {
	n := 0
	for i, d := range []byte(digits) {
		if d < '0' || d > '9' || (i == 0 && d == '0') || n > most {
			return 0, false
		}
		n = n*10 + int(d-'0')
	}
	return n, n >= 1 && n <= most
}

// wrong returns the error for what is found at an offset counted from 0.
func wrong(at int, found, advice string) error {
	return fmt.Errorf("naming: %w: at byte %d is %s: %s", ErrPattern, at+1, found, advice)
}

// Uses reports whether the pattern has that placeholder: one of the constants,
// or TagPrefix and a tag's name.
func (p Pattern) Uses(placeholder Placeholder) bool {
	for _, part := range p.parts {
		if part.placeholder != "" && part.placeholder == placeholder {
			return true
		}
	}
	return false
}

// String returns the pattern as it was written.
func (p Pattern) String() string { return p.source }
