package authz

import (
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
)

// Caller is the author of a request.
type Caller struct {
	// Actor has the issuer and the subject of a caller with a checked token, or the user of a
	// host. Its Claim, which nothing verifies, is not read.
	Actor access.Actor
	// Claims are those of the checked token; nil without one.
	Claims Claims
}

// Claims are the claims of a checked token.
type Claims interface {
	// Strings returns the claim at a path if it is a string or a list of strings only. A path
	// names a claim, and members of objects below it after dots. Names may have dots
	// themselves: a path that the token satisfies in two ways finds nothing.
	Strings(path string) ([]string, bool)
}

// ClaimMap are claims as encoding/json decodes them.
type ClaimMap map[string]any

// Strings is that of Claims.
func (c ClaimMap) Strings(path string) ([]string, bool) {
	found := c.find(path, nil)
	if len(found) != 1 {
		return nil, false
	}
	switch value := found[0].(type) {
	case string:
		return []string{value}, true
	case []any:
		texts := make([]string, len(value))
		for i, item := range value {
			text, ok := item.(string)
			if !ok {
				return nil, false
			}
			texts[i] = text
		}
		return texts, true
	default:
		return nil, false
	}
}

// find appends all values at a path.
func (c ClaimMap) find(path string, found []any) []any {
	for name, value := range c {
		rest, below := strings.CutPrefix(path, name)
		switch {
		case !below:
		case rest == "":
			found = append(found, value)
		case rest[0] == '.':
			if inner, ok := value.(map[string]any); ok {
				found = ClaimMap(inner).find(rest[1:], found)
			}
		}
	}
	return found
}

// identity is what rules compare of a caller.
type identity struct {
	// issuer and subject are set for a verified caller only.
	issuer, subject string
	// osUser is set for the user of a host only.
	osUser string
	claims Claims
}

func (c Caller) identity() identity {
	id := identity{claims: c.Claims}
	if c.Actor.Kind == access.OSUser {
		id.osUser = c.Actor.Name
	}
	id.issuer, id.subject, _ = c.Actor.Verified()
	return id
}

// matches reports whether a rule is for the caller. A rule that names no caller, or all of an
// issuer, matches none: documents with such rules are refused, and stored ones grant nothing.
func (id identity) matches(rule document.PolicyCallers) bool {
	ofToken := rule.Issuer != "" || rule.Subject != "" || len(rule.Claims) > 0
	if rule.OSUser != "" || !ofToken {
		return !ofToken && rule.OSUser != "" && rule.OSUser == id.osUser
	}
	if id.issuer == "" || rule.Issuer != id.issuer || rule.Subject == "" && len(rule.Claims) == 0 {
		return false
	}
	if rule.Subject != "" && rule.Subject != id.subject {
		return false
	}
	for path, values := range rule.Claims {
		if id.claims == nil {
			return false
		}
		has, ok := id.claims.Strings(path)
		if !ok || !slices.ContainsFunc(has, func(value string) bool { return slices.Contains(values, value) }) {
			return false
		}
	}
	return true
}
