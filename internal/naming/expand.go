package naming

import (
	"fmt"
	"strings"
)

// Values is what the placeholders stand for in one group's name.
type Values struct {
	Workspace string
	Project   string
	// ProjectID is "<workspace>.<project>".
	ProjectID string
	// Platform is the platform's identifier.
	Platform string
	// GroupAlias is the role mapping's alias, or the role's name.
	GroupAlias string
	// Number counts the tenants of the platform from 1; 0 when none is drawn yet.
	Number int
	// Random is what was drawn for the tenant; empty when nothing is drawn yet.
	Random string
	// Tags are the project's.
	Tags map[string][]string
}

// Expand returns the name for these values. Characters are counted and cut
// whole: %.7s gives the first 7, or all of a shorter text.
//
// A placeholder without a value is an error that wraps ErrValue and says which:
// nothing in its place would give a name that is wrong, and maybe taken. That
// goes for a tag with several values too, for it has no first one.
func (p Pattern) Expand(v Values) (string, error) {
	var b strings.Builder
	for _, part := range p.parts {
		if part.placeholder == "" {
			b.WriteString(part.literal)
			continue
		}
		text, err := part.expand(v)
		if err != nil {
			return "", fmt.Errorf("naming: #{%s}: %w", part.placeholder, err)
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

// expand returns the text of one placeholder.
func (p part) expand(v Values) (string, error) {
	if p.placeholder == TenantPlatformNumber {
		if v.Number < 1 {
			return "", fmt.Errorf("%w: no number is drawn for the tenant", ErrValue)
		}
		return fmt.Sprintf("%0*d", p.limit, v.Number), nil
	}
	text, err := v.text(p.placeholder)
	if err != nil {
		return "", err
	}
	if p.limit == 0 {
		return text, nil
	}
	return first(text, p.limit), nil
}

// text returns the whole value of a placeholder that is a text.
func (v Values) text(p Placeholder) (string, error) {
	var text string
	switch p {
	case WorkspaceIdentifier:
		text = v.Workspace
	case ProjectIdentifier:
		text = v.Project
	case ProjectID:
		text = v.ProjectID
	case Platform:
		text = v.Platform
	case PlatformGroupAlias:
		text = v.GroupAlias
	case Random:
		text = v.Random
	default:
		name, _ := p.tag()
		return v.tag(name)
	}
	if text == "" {
		return "", ErrValue
	}
	return text, nil
}

// tag returns the one value of a tag.
func (v Values) tag(name string) (string, error) {
	values := v.Tags[name]
	switch {
	case len(values) == 0 || len(values) == 1 && values[0] == "":
		return "", fmt.Errorf("%w: the project has no tag %q: add it, or take it out of the pattern", ErrValue, name)
	case len(values) > 1:
		return "", fmt.Errorf("%w: the project's tag %q has %d values, and a name needs exactly one", ErrValue, name, len(values))
	default:
		return values[0], nil
	}
}

// first returns the first n characters of a text.
func first(text string, n int) string {
	for at := range text {
		if n == 0 {
			return text[:at]
		}
		n--
	}
	return text
}
