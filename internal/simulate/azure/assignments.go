package azure

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// assignmentPage is how many role assignments one answer lists. The vendor
// documents no number.
const assignmentPage = 200

// assignmentBody is what a PUT brings. Read-only properties are let through, as
// the vendor does, and not looked at.
type assignmentBody struct {
	Properties *struct {
		RoleDefinitionID string  `json:"roleDefinitionId"`
		PrincipalID      string  `json:"principalId"`
		PrincipalType    string  `json:"principalType"`
		Description      *string `json:"description"`
		Condition        *string `json:"condition"`
		ConditionVersion *string `json:"conditionVersion"`

		Scope      any `json:"scope"`
		CreatedOn  any `json:"createdOn"`
		UpdatedOn  any `json:"updatedOn"`
		CreatedBy  any `json:"createdBy"`
		UpdatedBy  any `json:"updatedBy"`
		Delegating any `json:"delegatedManagedIdentityResourceId"`
	} `json:"properties"`
	ID   any `json:"id"`
	Name any `json:"name"`
	Type any `json:"type"`
}

var roleIDPattern = regexp.MustCompile(`(?i)^(?:/subscriptions/[^/]+)?/providers/Microsoft\.Authorization/roleDefinitions/([^/]+)$`)

// shape is an assignment as the Resource Manager shows it.
func (a Assignment) shape() map[string]any {
	place, _ := parseScope(a.Scope)
	properties := map[string]any{
		"roleDefinitionId": "/subscriptions/" + place.sub + "/providers/Microsoft.Authorization/roleDefinitions/" + a.Role,
		"principalId":      a.Principal, "principalType": a.Type, "scope": a.Scope,
		"condition": null(a.Condition), "conditionVersion": nil, "description": null(a.Description),
		"createdOn": a.Created.Format(time.RFC3339Nano), "updatedOn": a.Updated.Format(time.RFC3339Nano),
		"createdBy": a.CreatedBy, "updatedBy": a.CreatedBy, "delegatedManagedIdentityResourceId": nil,
	}
	if a.Condition != "" {
		properties["conditionVersion"] = "2.0"
	}
	return map[string]any{
		"properties": properties, "name": a.Name, "type": "Microsoft.Authorization/roleAssignments",
		"id": a.Scope + "/providers/Microsoft.Authorization/roleAssignments/" + a.Name,
	}
}

func (c *armCall) mayReadRoles() error {
	if c.app.Permissions.NoRoleRead {
		return c.unauthorized("Microsoft.Authorization/roleAssignments/read")
	}
	return nil
}

// assignmentName checks the name in the path.
func (c *armCall) assignmentName() (string, error) {
	name := strings.ToLower(c.name)
	if uuid.Validate(name) != nil || len(name) != 36 {
		return "", refuseARM(http.StatusBadRequest, "InvalidRoleAssignmentId",
			"The role assignment ID '%s' is not valid. The role assignment ID must be a GUID.", c.name)
	}
	return name, nil
}

func (c *armCall) getAssignment() (answer, error) {
	if _, err := c.place(); err != nil {
		return answer{}, err
	}
	if err := c.mayReadRoles(); err != nil {
		return answer{}, err
	}
	name, err := c.assignmentName()
	if err != nil {
		return answer{}, err
	}
	a, ok := c.server.state.Assignments.GetAt(c.seen, name)
	if !ok || !strings.EqualFold(a.Scope, c.scope) {
		return answer{}, refuseARM(http.StatusNotFound, "RoleAssignmentNotFound", "The role assignment '%s' is not found.", name)
	}
	return answer{http.StatusOK, a.shape()}, nil
}

// putAssignment makes a role assignment, or changes the condition and the
// description of the one with that name.
// Source: "Troubleshoot Azure RBAC", "Assign Azure roles using the REST API".
func (c *armCall) putAssignment() (answer, error) {
	place, err := c.place()
	if err != nil {
		return answer{}, err
	}
	if c.app.Permissions.NoRoleWrite {
		return answer{}, c.unauthorized("Microsoft.Authorization/roleAssignments/write")
	}
	if err := c.mayWrite(place, false); err != nil {
		return answer{}, err
	}
	wanted, err := c.wanted(place)
	if err != nil {
		return answer{}, err
	}
	all := &c.server.state.Assignments
	if old, ok := all.Get(wanted.Name); ok {
		if !strings.EqualFold(old.Scope, wanted.Scope) || old.Role != wanted.Role || old.Principal != wanted.Principal {
			return answer{}, refuseARM(http.StatusBadRequest, "RoleAssignmentUpdateNotPermitted",
				"Tenant ID, application ID, principal ID, and scope are not allowed to be updated.")
		}
		wanted.Created, wanted.CreatedBy, wanted.Scope, wanted.Type = old.Created, old.CreatedBy, old.Scope, old.Type
		all.Put(c.now, wanted.Name, wanted)
		return answer{http.StatusOK, wanted.shape()}, nil
	}
	inSub := 0
	for _, a := range all.All() {
		if strings.EqualFold(a.Scope, wanted.Scope) && a.Role == wanted.Role && a.Principal == wanted.Principal {
			return answer{}, refuseARM(http.StatusConflict, "RoleAssignmentExists", "The role assignment already exists. The ID of the "+
				"existing role assignment is %s.", strings.ReplaceAll(a.Name, "-", ""))
		}
		if below(a.Scope, "/subscriptions/"+place.sub) {
			inSub++
		}
	}
	if inSub >= c.server.options.AssignmentLimit {
		return answer{}, refuseARM(http.StatusBadRequest, "RoleAssignmentLimitExceeded",
			"The role assignment limit for the subscription has been exceeded. No more role assignments can be created.")
	}
	all.Put(c.now, wanted.Name, wanted)
	return answer{http.StatusCreated, wanted.shape()}, nil
}

// wanted reads and checks what a PUT brings.
func (c *armCall) wanted(place scope) (Assignment, error) {
	name, err := c.assignmentName()
	if err != nil {
		return Assignment{}, err
	}
	var body assignmentBody
	decoder := json.NewDecoder(bytes.NewReader(c.body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&body); err != nil {
		return Assignment{}, badContent("The request content was invalid and could not be deserialized: '%s'.", err)
	}
	p := body.Properties
	if p == nil || p.PrincipalID == "" || p.RoleDefinitionID == "" {
		return Assignment{}, badContent("Required properties 'roleDefinitionId' and 'principalId' are missing in the request.")
	}
	a := Assignment{
		Name: name, Scope: c.canonical(place), Principal: strings.ToLower(p.PrincipalID), CreatedBy: c.app.Principal,
		Created: c.now, Updated: c.now,
	}
	if uuid.Validate(a.Principal) != nil {
		return Assignment{}, refuseARM(http.StatusBadRequest, "InvalidPrincipalId",
			"The Principal ID '%s' is not valid. Principal ID must be a GUID.", p.PrincipalID)
	}
	if a.Role, err = c.definition(p.RoleDefinitionID, place); err != nil {
		return Assignment{}, err
	}
	if a.Type, err = c.principalType(a.Principal, p.PrincipalType); err != nil {
		return Assignment{}, err
	}
	if p.Description != nil {
		a.Description = *p.Description
	}
	if p.Condition == nil {
		return a, nil
	}
	if a.Condition = *p.Condition; a.Condition != "" && (p.ConditionVersion == nil || *p.ConditionVersion != "2.0") {
		return Assignment{}, refuseARM(http.StatusBadRequest, "InvalidConditionVersion",
			"The condition version is not valid. The currently supported condition version is '2.0'.")
	}
	return a, nil
}

// canonical is a scope as the Resource Manager writes it.
func (c *armCall) canonical(p scope) string {
	text := "/subscriptions/" + p.sub
	if p.group == "" {
		return text
	}
	group := c.server.state.Subscriptions[p.sub].Groups[p.group]
	text += "/resourceGroups/" + group.Name
	if p.cluster == "" {
		return text
	}
	return text + "/providers/Microsoft.ContainerService/managedClusters/" + group.Clusters[p.cluster]
}

// principalType is what a principal is. Azure hears of new principals late, like
// all readers; naming the type spares users and apps that wait, groups not.
// Source: "Troubleshoot Azure RBAC", assigning a role to a new principal.
func (c *armCall) principalType(id, said string) (string, error) {
	kinds := map[string]string{"user": "User", "group": "Group", "servicePrincipal": "ServicePrincipal"}
	kind := kinds[c.dir.kind(id)]
	if kind == "" || c.dir.Born[id].After(c.seen) && (said == "" || kind == "Group") {
		return "", refuseARM(http.StatusBadRequest, "PrincipalNotFound",
			"Principal %s does not exist in the directory %s. Check that you have the correct principal ID. "+
				"If you are creating this principal and then immediately assigning a role, this error might be related to a "+
				"replication delay. In this case, set the role assignment principalType property to a value, such as "+
				"ServicePrincipal, User, or Group.  See https://aka.ms/docs-principaltype", strings.ReplaceAll(id, "-", ""), c.dir.ID)
	}
	if said != "" && said != kind {
		return "", refuseARM(http.StatusBadRequest, "UnmatchedPrincipalType",
			"The PrincipalId '%s' has type '%s' , which is different from specified PrinciaplType '%s'.",
			strings.ReplaceAll(id, "-", ""), kind, said)
	}
	return kind, nil
}

// deleteAssignment removes a role assignment; one that is gone is no error.
func (c *armCall) deleteAssignment() (answer, error) {
	place, err := c.place()
	if err != nil {
		return answer{}, err
	}
	if c.app.Permissions.NoRoleWrite {
		return answer{}, c.unauthorized("Microsoft.Authorization/roleAssignments/delete")
	}
	if err := c.mayWrite(place, true); err != nil {
		return answer{}, err
	}
	name, err := c.assignmentName()
	if err != nil {
		return answer{}, err
	}
	a, ok := c.server.state.Assignments.Get(name)
	if !ok || !strings.EqualFold(a.Scope, strings.TrimSuffix(c.scope, "/")) {
		return answer{status: http.StatusNoContent}, nil
	}
	if c.lastOwner(a) {
		return answer{}, refuseARM(http.StatusPreconditionFailed, "CannotDeleteLastRbacAdminAssignment",
			"Cannot delete the last RBAC admin assignment.")
	}
	c.server.state.Assignments.Delete(c.now, name)
	return answer{http.StatusOK, a.shape()}, nil
}

// lastOwner is true for the last Owner at a subscription that had one planted;
// others inherit theirs from above.
func (c *armCall) lastOwner(a Assignment) bool {
	place, _ := parseScope(a.Scope)
	sub := c.server.state.Subscriptions[place.sub]
	if a.Role != ownerRole || place.group != "" || sub == nil || !sub.Owned {
		return false
	}
	return !slices.ContainsFunc(c.server.state.Assignments.All(), func(b Assignment) bool {
		return b.Name != a.Name && b.Role == ownerRole && strings.EqualFold(a.Scope, b.Scope)
	})
}

// listAssignments lists the assignments at, above and below a scope.
// Source: "List Azure role assignments using the REST API".
func (c *armCall) listAssignments() (answer, error) {
	if _, err := c.place(); err != nil {
		return answer{}, err
	}
	if err := c.mayReadRoles(); err != nil {
		return answer{}, err
	}
	wanted, err := c.assignmentFilter()
	if err != nil {
		return answer{}, err
	}
	after := ""
	if raw := c.query.Get("$skipToken"); raw != "" {
		name, err := base64.RawURLEncoding.DecodeString(raw)
		if err != nil || uuid.Validate(string(name)) != nil {
			return answer{}, refuseARM(http.StatusBadRequest, "InvalidSkipToken", "The skip token is not valid.")
		}
		after = string(name)
	}
	body := map[string]any{"nextLink": nil}
	rows, size := []any{}, c.server.pageOf(assignmentPage)
	last := ""
	for _, a := range c.server.state.Assignments.AllAt(c.seen) {
		if a.Name <= after || !wanted(a) {
			continue
		}
		if len(rows) == size {
			query := maps.Clone(c.query)
			query.Set("$skipToken", base64.RawURLEncoding.EncodeToString([]byte(last)))
			body["nextLink"] = base(c.r) + c.r.URL.EscapedPath() + "?" + query.Encode()
			break
		}
		rows, last = append(rows, a.shape()), a.Name
	}
	body["value"] = rows
	return answer{http.StatusOK, body}, nil
}

var (
	partAtScope   = regexp.MustCompile(`(?i)^atScope\(\)$`)
	partTo        = regexp.MustCompile(`(?i)^assignedTo\('([^']*)'\)$`)
	partPrincipal = regexp.MustCompile(`(?i)^principalId eq '([^']*)'$`)
	partJoin      = regexp.MustCompile(`(?i)\s+and\s+`)
)

// assignmentFilter reads $filter.
func (c *armCall) assignmentFilter() (func(Assignment) bool, error) {
	at := strings.TrimSuffix(c.scope, "/")
	tests := []func(Assignment) bool{func(a Assignment) bool { return below(a.Scope, at) || below(at, a.Scope) }}
	text := strings.TrimSpace(c.query.Get("$filter"))
	if text == "" {
		return tests[0], nil
	}
	for _, part := range partJoin.Split(text, -1) {
		to, principal := partTo.FindStringSubmatch(part), partPrincipal.FindStringSubmatch(part)
		switch {
		case partAtScope.MatchString(part):
			tests = append(tests, func(a Assignment) bool { return below(at, a.Scope) })
		case principal != nil:
			tests = append(tests, func(a Assignment) bool { return strings.EqualFold(a.Principal, principal[1]) })
		case to != nil:
			holders := c.holders(strings.ToLower(to[1]))
			tests = append(tests, func(a Assignment) bool { return holders[a.Principal] })
		default:
			return nil, refuseARM(http.StatusBadRequest, "UnsupportedQuery", "The filter '%s' is not supported. Supported filters are: "+
				"atScope(), principalId eq '{value}' and assignedTo('{value}').", text)
		}
	}
	return func(a Assignment) bool {
		return !slices.ContainsFunc(tests, func(test func(Assignment) bool) bool { return !test(a) })
	}, nil
}

// holders are a principal and all groups that it is in, directly or not.
func (c *armCall) holders(id string) map[string]bool {
	in := map[string]bool{id: true}
	for todo := []string{id}; len(todo) > 0; todo = todo[1:] {
		for group := range c.dir.Memberships[todo[0]] {
			if !in[group] {
				in[group] = true
				todo = append(todo, group)
			}
		}
	}
	return in
}
