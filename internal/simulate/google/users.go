package google

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// uniqueNumber is an id as Google's accounts have them: 21 digits.
func uniqueNumber(n int64) string { return fmt.Sprintf("1%020d", n*7_368_787+101_010) }

func (s *Server) userJSON(u User) map[string]any {
	emails := []any{map[string]any{"address": u.PrimaryEmail, "primary": true}}
	for _, alias := range u.Aliases {
		emails = append(emails, map[string]any{"address": alias})
	}
	answer := map[string]any{
		"kind": "admin#directory#user", "id": u.ID, "etag": fmt.Sprintf("%q", "sim/"+u.ID),
		"primaryEmail": u.PrimaryEmail, "emails": emails,
		"name": map[string]any{
			"givenName": u.GivenName, "familyName": u.FamilyName, "fullName": strings.TrimSpace(u.GivenName + " " + u.FamilyName),
		},
		"isAdmin": u.Admin, "isDelegatedAdmin": false, "suspended": u.Suspended, "archived": u.Archived,
		"agreedToTerms": true, "changePasswordAtNextLogin": false, "ipWhitelisted": false, "isMailboxSetup": true,
		"includeInGlobalAddressList": true, "customerId": s.options.Customer, "orgUnitPath": "/", "creationTime": stamp(u.Made),
		"externalIds": list(u.ExternalIDs, func(id string) map[string]any { return map[string]any{"value": id, "type": "organization"} }),
		"aliases":     asAny(u.Aliases),
	}
	if u.Suspended {
		answer["suspensionReason"] = "ADMIN"
	}
	return object(answer)
}

func asAny(texts []string) []any {
	all := make([]any, len(texts))
	for i, t := range texts {
		all[i] = t
	}
	return all
}

// directoryError is a refusal as the Directory API words it.
func directoryError(status int, reason, message string) *failure {
	return &failure{status: status, reason: reason, message: message}
}

func (s *Server) getUser(c *call) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := lowerASCII(c.vars[0])
	for _, u := range s.state.Users.AllAt(s.seen(c)) {
		if u.ID == key || u.has(key) {
			return s.userJSON(u), nil
		}
	}
	if _, domain, isAddress := strings.Cut(key, "@"); isAddress && domain != s.options.Domain {
		return nil, directoryError(http.StatusForbidden, "forbidden", "Not Authorized to access this resource/api")
	}
	return nil, directoryError(http.StatusNotFound, "notFound", "Resource Not Found: userKey")
}

func (s *Server) listUsers(c *call) (any, error) {
	customer, domain := c.query("customer"), c.query("domain")
	switch {
	case (customer == "") == (domain == ""):
		return nil, directoryError(http.StatusBadRequest, "badRequest", "Bad Request")
	case customer != "" && customer != "my_customer" && customer != s.options.Customer,
		domain != "" && domain != s.options.Domain:
		return nil, directoryError(http.StatusForbidden, "forbidden", "Not Authorized to access this resource/api")
	}
	for name, values := range map[string][]string{
		"projection": {"basic", "full"}, "viewType": {"admin_view"}, "showDeleted": {"false"},
		"orderBy": {"email"}, "sortOrder": {"ASCENDING", "ascending"},
	} {
		if _, err := c.choice(name, values...); err != nil {
			return nil, directoryError(http.StatusBadRequest, "invalid", "Invalid Input: "+name)
		}
	}
	size, err := c.number("maxResults", 100, 500)
	if err != nil {
		return nil, directoryError(http.StatusBadRequest, "invalid", "Invalid Input: maxResults")
	}
	wanted, err := userQuery(c.query("query"))
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	all := slices.DeleteFunc(s.state.Users.AllAt(s.seen(c)), func(u User) bool { return !wanted(u) })
	s.mu.Unlock()
	slices.SortFunc(all, func(a, b User) int { return cmp.Compare(a.PrimaryEmail, b.PrimaryEmail) })
	rows, next, err := page(c, all, size, s.options.PageSize)
	if err != nil {
		return nil, directoryError(http.StatusBadRequest, "invalid", "Invalid Input: pageToken")
	}
	return object(map[string]any{
		"kind": "admin#directory#users", "etag": `"sim"`, "users": list(rows, s.userJSON), "nextPageToken": next,
	}), nil
}
