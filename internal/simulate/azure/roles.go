package azure

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// ownerRole is the GUID of Owner.
const ownerRole = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"

// builtIn are roles that every subscription has.
// Source: "Azure built-in roles".
func builtIn() []role {
	return []role{
		{ID: ownerRole, Name: "Owner", Actions: []string{"*"}},
		{ID: "b24988ac-6180-42a0-ab88-20f7382dd24c", Name: "Contributor", Actions: []string{"*"}, NotActions: []string{
			"Microsoft.Authorization/*/Delete", "Microsoft.Authorization/*/Write", "Microsoft.Authorization/elevateAccess/Action",
		}},
		{ID: "acdd72a7-3385-48ef-bd42-f606fba81ae7", Name: "Reader", Actions: []string{"*/read"}},
		{ID: "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9", Name: "User Access Administrator", Actions: []string{
			"*/read", "Microsoft.Authorization/*", "Microsoft.Support/*",
		}},
		{ID: "f58310d9-a9f6-439a-9e8d-f62e7b41a168", Name: "Role Based Access Control Administrator", Actions: []string{
			"Microsoft.Authorization/roleAssignments/write", "Microsoft.Authorization/roleAssignments/delete", "*/read",
		}},
		{ID: "4abbcc35-e782-43d8-92c5-2d3f1bd2253f", Name: "Azure Kubernetes Service Cluster User Role", Actions: []string{
			"Microsoft.ContainerService/managedClusters/listClusterUserCredential/action",
			"Microsoft.ContainerService/managedClusters/read",
		}},
		{ID: "0ab0b1a8-8aac-4efd-b8c2-3ee1fb270be8", Name: "Azure Kubernetes Service Cluster Admin Role", Actions: []string{
			"Microsoft.ContainerService/managedClusters/listClusterAdminCredential/action",
			"Microsoft.ContainerService/managedClusters/read",
		}},
		{ID: "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1", Name: "Storage Blob Data Reader", Actions: []string{
			"Microsoft.Storage/storageAccounts/blobServices/containers/read",
		}},
	}
}

// roles are all role definitions, built-in ones first. s.mu is held.
func (s *Server) roles() []role {
	all := builtIn()
	for i := range all {
		all[i].BuiltIn = true
	}
	for _, id := range slices.Sorted(maps.Keys(s.state.Roles)) {
		all = append(all, s.state.Roles[id])
	}
	return all
}

// in reports whether a role can be assigned in a subscription.
func (r role) in(sub string) bool { return len(r.Subs) == 0 || slices.Contains(r.Subs, sub) }

// roleNamed finds a role of a subscription by name. s.mu is held.
func (s *Server) roleNamed(sub, name string) (role, bool) {
	all := s.roles()
	i := slices.IndexFunc(all, func(r role) bool { return strings.EqualFold(r.Name, name) && r.in(sub) })
	if i < 0 {
		return role{}, false
	}
	return all[i], true
}

// shape is a role definition as the Resource Manager shows it.
func (r role) shape(sub string) map[string]any {
	kind, places, prefix := "CustomRole", []string{}, ""
	for _, id := range r.Subs {
		places = append(places, "/subscriptions/"+id)
	}
	if r.BuiltIn {
		kind, places = "BuiltInRole", []string{"/"}
	}
	if sub != "" {
		prefix = "/subscriptions/" + sub
	}
	return map[string]any{
		"properties": map[string]any{
			"roleName": r.Name, "type": kind, "description": r.Description, "assignableScopes": places,
			"permissions": []any{map[string]any{
				"actions": list(r.Actions), "notActions": list(r.NotActions), "dataActions": []string{}, "notDataActions": []string{},
			}},
		},
		"id": prefix + "/providers/Microsoft.Authorization/roleDefinitions/" + r.ID, "name": r.ID,
		"type": "Microsoft.Authorization/roleDefinitions",
	}
}

// list is a list that JSON writes as one even where it is empty.
func list(entries []string) []string {
	if entries == nil {
		return []string{}
	}
	return entries
}

// definition checks a role definition's id and returns its GUID.
func (c *armCall) definition(id string, place scope) (string, error) {
	m := roleIDPattern.FindStringSubmatch(id)
	if m == nil || uuid.Validate(m[1]) != nil {
		return "", refuseARM(http.StatusBadRequest, "InvalidRoleDefinitionId", "The role definition ID '%s' is not valid.", id)
	}
	for _, r := range c.server.roles() {
		if strings.EqualFold(r.ID, m[1]) && r.in(place.sub) {
			return r.ID, nil
		}
	}
	return "", refuseARM(http.StatusNotFound, "RoleDefinitionDoesNotExist", "The specified role definition with ID '%s' does not exist.",
		strings.ReplaceAll(m[1], "-", ""))
}

// rolePlace checks the scope of a role definition's path; none is the tenant.
func (c *armCall) rolePlace() (scope, error) {
	if strings.Trim(c.scope, "/") == "" {
		return scope{}, nil
	}
	return c.place()
}

func (c *armCall) getRole() (answer, error) {
	place, err := c.rolePlace()
	if err != nil {
		return answer{}, err
	}
	for _, r := range c.server.roles() {
		if strings.EqualFold(r.ID, c.name) && r.in(place.sub) {
			return answer{http.StatusOK, r.shape(place.sub)}, nil
		}
	}
	return answer{}, refuseARM(http.StatusNotFound, "RoleDefinitionDoesNotExist",
		"The specified role definition with ID '%s' does not exist.", strings.ReplaceAll(c.name, "-", ""))
}

var (
	partRoleName = regexp.MustCompile(`(?i)^roleName eq '((?:[^']|'')*)'$`)
	partRoleType = regexp.MustCompile(`(?i)^type eq '(BuiltInRole|CustomRole)'$`)
	partAtBelow  = regexp.MustCompile(`(?i)^atScopeAndBelow\(\)$`)
)

// listRoles lists the role definitions that a scope knows.
func (c *armCall) listRoles() (answer, error) {
	place, err := c.rolePlace()
	if err != nil {
		return answer{}, err
	}
	name, kind := "", ""
	if text := strings.TrimSpace(c.query.Get("$filter")); text != "" {
		for _, part := range partJoin.Split(text, -1) {
			byName, byType := partRoleName.FindStringSubmatch(part), partRoleType.FindStringSubmatch(part)
			switch {
			case byName != nil:
				name = strings.ReplaceAll(byName[1], "''", "'")
			case byType != nil:
				kind = byType[1]
			case !partAtBelow.MatchString(part) && !partAtScope.MatchString(part):
				return answer{}, refuseARM(http.StatusBadRequest, "UnsupportedQuery", "The filter '%s' is not supported.", text)
			}
		}
	}
	rows := []any{}
	for _, r := range c.server.roles() {
		named := name == "" || strings.EqualFold(name, r.Name)
		if r.in(place.sub) && named && (kind == "" || strings.EqualFold(kind, "BuiltInRole") == r.BuiltIn) {
			rows = append(rows, r.shape(place.sub))
		}
	}
	return answer{http.StatusOK, map[string]any{"value": rows}}, nil
}
