package google

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
)

var (
	parentIs  = regexp.MustCompile(`^parent\s*==\s*(?:'(.*)'|"(.*)")$`)
	hasLabel  = regexp.MustCompile(`^(?:'(.*)'|"(.*)")\s+in\s+labels$`)
	fieldIs   = regexp.MustCompile(`^(domain_name|group_key|display_name)\s*==\s*(?:'(.*)'|"(.*)")$`)
	fieldHas  = regexp.MustCompile(`^(group_key|display_name)\.(startsWith|contains)\((?:'(.*)'|"(.*)")\)$`)
	quoteEnds = regexp.MustCompile(`(^|[^\\])['"]`)
	escaped   = regexp.MustCompile(`\\([\\'"])`)
)

// groupQuery reads the part of CEL that groups are searched with.
func (s *Server) groupQuery(text string) (func(group) bool, error) {
	wrong := refusal("INVALID_ARGUMENT", "Request contains an invalid argument: query.")
	var all []func(group) bool
	parents := 0
	for clause := range strings.SplitSeq(text, "&&") {
		clause = strings.TrimSpace(clause)
		if found := parentIs.FindStringSubmatch(clause); found != nil {
			if literal(found[1:]) != "customers/"+s.options.Customer {
				return nil, refusal("PERMISSION_DENIED", "Error(2015): Permission denied for the parent of the query.")
			}
			parents++
			continue
		}
		wanted, ok := groupClause(clause)
		if !ok {
			return nil, wrong
		}
		all = append(all, wanted)
	}
	if parents != 1 {
		return nil, wrong
	}
	return func(g group) bool {
		for _, wanted := range all {
			if !wanted(g) {
				return false
			}
		}
		return true
	}, nil
}

func groupClause(clause string) (func(group) bool, bool) {
	for _, shape := range []*regexp.Regexp{hasLabel, fieldIs, fieldHas} {
		found := shape.FindStringSubmatch(clause)
		if found == nil {
			continue
		}
		value := literal(found[len(found)-2:])
		if quoteEnds.MatchString(strings.Join(found[len(found)-2:], "")) {
			return nil, false // a quote inside a literal that is not escaped
		}
		if shape == hasLabel {
			return func(g group) bool { _, has := g.Labels[value]; return has }, true
		}
		compare := func(have string) bool { return have == value }
		switch found[2] {
		case "startsWith":
			compare = func(have string) bool { return strings.HasPrefix(have, value) }
		case "contains":
			compare = func(have string) bool { return strings.Contains(have, value) }
		}
		return func(g group) bool { return compare(g.field(found[1])) }, true
	}
	return nil, false
}

func (g group) field(name string) string {
	switch name {
	case "domain_name":
		_, domain, _ := strings.Cut(g.Email, "@")
		return domain
	case "group_key":
		return g.Email
	default:
		return g.DisplayName
	}
}

// literal is whichever of the alternatives was there, without its escapes.
func literal(found []string) string { return escaped.ReplaceAllString(strings.Join(found, ""), "$1") }

// userQuery reads the Directory API's language for searches: clauses of a field,
// an operator and a value, all of which must hold.
// See https://developers.google.com/workspace/admin/directory/v1/guides/search-users.
func userQuery(text string) (func(User) bool, error) {
	wrong := &failure{status: 400, reason: "invalid", message: "Invalid Input: query"}
	var all []func(User) bool
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		at := strings.IndexAny(text, "=:")
		if at <= 0 {
			return nil, wrong
		}
		field, operator := text[:at], text[at]
		value, rest, ok := queryValue(text[at+1:])
		if !ok {
			return nil, wrong
		}
		wanted, ok := userClause(field, operator, value)
		if !ok {
			return nil, wrong
		}
		all, text = append(all, wanted), rest
	}
	return func(u User) bool {
		for _, wanted := range all {
			if !wanted(u) {
				return false
			}
		}
		return true
	}, nil
}

// queryValue reads a value, in quotes or up to the next space.
func queryValue(text string) (value, rest string, ok bool) {
	if !strings.HasPrefix(text, "'") {
		end := strings.IndexFunc(text, unicode.IsSpace)
		if end < 0 {
			end = len(text)
		}
		return text[:end], text[end:], end > 0 && !strings.Contains(text[:end], "'")
	}
	var unquoted strings.Builder
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text):
			i++
			unquoted.WriteByte(text[i])
		case text[i] == '\'':
			rest = text[i+1:]
			return unquoted.String(), rest, rest == "" || unicode.IsSpace(rune(rest[0]))
		default:
			unquoted.WriteByte(text[i])
		}
	}
	return "", "", false
}

// userClause is one condition. A colon finds beginnings, and case is ignored: that of
// addresses as lowerASCII does.
func userClause(field string, operator byte, value string) (func(User) bool, bool) {
	lower := strings.ToLower
	if field == "email" {
		lower = lowerASCII
	}
	value = lower(value)
	matches := func(have string) bool { return lower(have) == value }
	if operator == ':' {
		begin := strings.TrimSuffix(value, "*")
		matches = func(have string) bool { return strings.HasPrefix(lower(have), begin) }
	}
	anyOf := func(values []string) bool { return slices.ContainsFunc(values, matches) }
	switch field {
	case "email":
		return func(u User) bool { return matches(u.PrimaryEmail) || anyOf(u.Aliases) }, true
	case "externalId":
		return func(u User) bool { return anyOf(u.ExternalIDs) }, true
	case "isSuspended":
		return func(u User) bool { return u.Suspended == (value == "true") }, value == "true" || value == "false"
	case "givenName":
		return func(u User) bool { return matches(u.GivenName) }, true
	case "familyName":
		return func(u User) bool { return matches(u.FamilyName) }, true
	default:
		return nil, false
	}
}
