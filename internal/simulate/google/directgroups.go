package google

import (
	"regexp"
	"strings"
)

var memberIs = regexp.MustCompile(`^member_key_id\s*==\s*(?:'(.*)'|"(.*)")$`)

// memberQuery reads the query of a search for the groups of a member: it names the member
// and at least one label.
func memberQuery(text string) (member string, labels []string, err error) {
	wrong := refusal("INVALID_ARGUMENT", "Request contains an invalid argument: query.")
	for clause := range strings.SplitSeq(text, "&&") {
		clause = strings.TrimSpace(clause)
		if found := memberIs.FindStringSubmatch(clause); found != nil && member == "" {
			member = lowerASCII(literal(found[1:]))
			continue
		}
		found := hasLabel.FindStringSubmatch(clause)
		if found == nil {
			return "", nil, wrong
		}
		labels = append(labels, literal(found[1:]))
	}
	if member == "" || len(labels) == 0 {
		return "", nil, wrong
	}
	return member, labels, nil
}

// searchDirectGroups lists the groups that have a member directly. A member of whom nothing
// is known is in none.
func (s *Server) searchDirectGroups(c *call) (any, error) {
	if c.vars[0] != "-" {
		return nil, refusal("INVALID_ARGUMENT", "Request contains an invalid argument: parent.")
	}
	member, labels, err := memberQuery(c.query("query"))
	if err != nil {
		return nil, err
	}
	size, err := c.number("pageSize", 200, 1000)
	if err != nil {
		return nil, err
	}
	rows, next, err := page(c, s.directGroups(c, member, labels), size, s.options.PageSize)
	if err != nil {
		return nil, err
	}
	return object(map[string]any{
		"memberships": list(rows, func(row map[string]any) map[string]any { return row }), "nextPageToken": next,
	}), nil
}

func (s *Server) directGroups(c *call, member string, labels []string) []map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	rows := []map[string]any{}
	for _, g := range s.groupsAt(s.seen(c)) {
		if !g.labelled(labels) {
			continue
		}
		for _, m := range s.membersOf(g.ID).AllAt(s.seen(c)) {
			if m.Email == member {
				rows = append(rows, object(map[string]any{
					"group": "groups/" + g.ID, "groupKey": map[string]any{"id": g.Email},
					"membership":  "groups/" + g.ID + "/memberships/" + m.ID,
					"roles":       list(m.Roles, func(role string) map[string]any { return map[string]any{"name": role} }),
					"displayName": g.DisplayName, "description": g.Description, "labels": g.Labels,
				}))
			}
		}
	}
	return rows
}

// labelled reports whether the group has all the labels.
func (g group) labelled(labels []string) bool {
	for _, label := range labels {
		if _, has := g.Labels[label]; !has {
			return false
		}
	}
	return true
}
