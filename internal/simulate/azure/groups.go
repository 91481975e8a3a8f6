package azure

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
)

// maxBind is how many members one request may add.
// Source: "Add members", "Create group".
const maxBind = 20

func groupRoutes() []route {
	return []route{
		{http.MethodGet, "groups", 1, (*call).listGroups},
		{http.MethodPost, "groups", 1, (*call).createGroup},
		{http.MethodGet, "groups/delta", 1, (*call).delta},
		{http.MethodGet, "groups(uniqueName)", 1, (*call).getUnique},
		{http.MethodPatch, "groups(uniqueName)", 1, (*call).upsertGroup},
		{http.MethodDelete, "groups(uniqueName)", 1, (*call).dropUnique},
		{http.MethodGet, "groups/{id}", 1, (*call).getGroup},
		{http.MethodPatch, "groups/{id}", 1, (*call).patchGroup},
		{http.MethodDelete, "groups/{id}", 1, (*call).dropGroup},
		{http.MethodGet, "groups/{id}/members", 3, (*call).listMembers},
		{http.MethodGet, "groups/{id}/members/microsoft.graph.user", 3, listMembersAs("user")},
		{http.MethodGet, "groups/{id}/members/microsoft.graph.group", 3, listMembersAs("group")},
		{http.MethodGet, "groups/{id}/members/microsoft.graph.servicePrincipal", 3, listMembersAs("servicePrincipal")},
		{http.MethodPost, "groups/{id}/members/$ref", 1, (*call).addMember},
		{http.MethodDelete, "groups/{id}/members/{id}/$ref", 1, (*call).removeMember},
	}
}

func (Group) kind() string { return "group" }
func (g Group) id() string { return g.ID }

func (Group) usual() []string {
	return []string{
		"id", "deletedDateTime", "classification", "createdDateTime", "description", "displayName", "expirationDateTime", "groupTypes",
		"isAssignableToRole", "mail", "mailEnabled", "mailNickname", "membershipRule", "membershipRuleProcessingState",
		"onPremisesLastSyncDateTime", "onPremisesSecurityIdentifier", "onPremisesSyncEnabled", "preferredDataLocation",
		"preferredLanguage", "proxyAddresses", "renewedDateTime", "securityEnabled", "securityIdentifier", "theme", "uniqueName",
		"visibility", "onPremisesProvisioningErrors",
	}
}

// property returns what Graph knows of a security group.
func (g Group) property(name string) (any, bool) {
	switch name {
	case "id":
		return g.ID, true
	case "displayName":
		return g.DisplayName, true
	case "description":
		return null(g.Description), true
	case "mailNickname":
		return g.MailNickname, true
	case "uniqueName":
		return null(g.UniqueName), true
	case "createdDateTime", "renewedDateTime":
		return stamp(g.Created), true
	case "deletedDateTime":
		return stamp(g.Deleted), true
	case "securityEnabled":
		return true, true
	case "mailEnabled":
		return false, true
	case "isAssignableToRole":
		if g.RoleAssignable {
			return true, true
		}
		return nil, true
	case "securityIdentifier":
		return "S-1-12-1-" + strings.ReplaceAll(g.ID, "-", ""), true
	case "groupTypes", "proxyAddresses", "onPremisesProvisioningErrors":
		return []string{}, true
	case "classification", "expirationDateTime", "mail", "membershipRule", "membershipRuleProcessingState", "onPremisesLastSyncDateTime",
		"onPremisesSecurityIdentifier", "onPremisesSyncEnabled", "preferredDataLocation", "preferredLanguage", "theme", "visibility":
		return nil, true
	default:
		return nil, false
	}
}

// read takes a property out of the body.
func (c *call) read(name string, target any, resource string) error {
	raw, ok := c.body[name]
	if !ok {
		return nil
	}
	if err := json.Unmarshal(raw, target); err != nil {
		return badRequest("Invalid value specified for property '%s' of resource '%s'.", name, resource)
	}
	return nil
}

func (c *call) mayWriteGroups() error {
	if c.app.Permissions.NoGroupWrite {
		return denied()
	}
	return nil
}

// group finds a group: as reads show it, or as it is for a write.
func (c *call) group(id string) (Group, error) {
	if uuid.Validate(id) != nil {
		return Group{}, badRequest("Invalid object identifier '%s'.", id)
	}
	id = strings.ToLower(id)
	g, ok := c.dir.Groups.Get(id)
	if c.r.Method == http.MethodGet {
		g, ok = c.dir.Groups.GetAt(c.seen, id)
	}
	switch young := c.tooYoung(id); {
	case ok && young && c.joins():
		return Group{}, badRequest("The source resource object or one of the objects being referenced do not exist.")
	case !ok, young:
		return Group{}, notFound(id)
	default:
		return g, nil
	}
}

// joins is true where the call adds members to a group. Such a call is answered
// otherwise than any other where the group is too young.
// Source: "Add members", "Update group".
func (c *call) joins() bool {
	_, bind := c.body["members@odata.bind"]
	return bind || c.r.Method == http.MethodPost && strings.HasSuffix(c.r.URL.Path, "/members/$ref")
}

// tooYoung is true where a write misses what reads do not show yet.
func (c *call) tooYoung(id string) bool {
	return c.server.options.LateWrites && c.r.Method != http.MethodGet && c.dir.Born[id].After(c.seen)
}

func (c *call) listGroups() (answer, error) {
	if err := c.mayRead(); err != nil {
		return answer{}, err
	}
	return c.list("groups", objects(c.dir.Groups.AllAt(c.seen)), false)
}

func (c *call) getGroup() (answer, error) {
	if err := c.mayRead(); err != nil {
		return answer{}, err
	}
	if err := c.refuseOptions("$select", "$expand"); err != nil {
		return answer{}, err
	}
	g, err := c.group(c.args[0])
	if err != nil {
		return answer{}, err
	}
	return c.entity(http.StatusOK, "groups", g)
}

// unique finds a group by its uniqueName.
func (c *call) unique(name string) (Group, error) {
	id, ok := c.dir.Unique[name]
	if !ok {
		return Group{}, notFound(name)
	}
	g, err := c.group(id)
	if err != nil || g.UniqueName != name {
		return Group{}, notFound(name)
	}
	return g, nil
}

func (c *call) getUnique() (answer, error) {
	if err := c.mayRead(); err != nil {
		return answer{}, err
	}
	if err := c.refuseOptions("$select", "$expand"); err != nil {
		return answer{}, err
	}
	g, err := c.unique(c.args[0])
	if err != nil {
		return answer{}, err
	}
	return c.entity(http.StatusOK, "groups", g)
}

func (c *call) createGroup() (answer, error) {
	if err := c.mayWriteGroups(); err != nil {
		return answer{}, err
	}
	return c.create()
}

// create makes a group of what the body says.
func (c *call) create() (answer, error) {
	if err := c.required(); err != nil {
		return answer{}, err
	}
	g := Group{ID: uuid.NewString(), Created: c.now}
	if err := c.apply(&g, true); err != nil {
		return answer{}, err
	}
	members, err := c.bound()
	if err != nil {
		return answer{}, err
	}
	if g.Members = members; len(set(members)) != len(members) {
		return answer{}, alreadyMember()
	}
	c.dir.putGroup(c.now, g)
	return c.entity(http.StatusCreated, "groups", g)
}

// required checks what every new group needs.
func (c *call) required() error {
	for _, name := range []string{"displayName", "mailEnabled", "mailNickname", "securityEnabled"} {
		raw, ok := c.body[name]
		if !ok || string(raw) == "null" {
			return &graphError{
				status: http.StatusBadRequest, code: codeBadRequest,
				message: "A value is required for property '" + name + "' of resource 'Group'.",
				details: []any{map[string]any{"code": "MissingValue", "target": name, "message": "A value is required."}},
			}
		}
	}
	var mailEnabled, securityEnabled bool
	if err := c.read("mailEnabled", &mailEnabled, "Group"); err != nil {
		return err
	}
	if err := c.read("securityEnabled", &securityEnabled, "Group"); err != nil {
		return err
	}
	if mailEnabled || !securityEnabled {
		return badRequest("The service does not currently support writes of mail-enabled groups. " +
			"Please ensure that the mail-enablement property is unset and the security-enablement property is set.")
	}
	return nil
}

// settable refuses properties that a group does not have or that cannot be set.
func (c *call) settable(g Group, fresh bool) error {
	for name, raw := range c.body {
		switch name {
		case "displayName", "description", "mailNickname", "uniqueName", "members@odata.bind", "@odata.type", "visibility":
		case "mailEnabled", "securityEnabled", "isAssignableToRole":
			if is, _ := g.property(name); !fresh && string(raw) != fmt.Sprint(is) {
				return badRequest("Property '%s' is read-only and cannot be set.", name)
			}
		case "groupTypes":
			if string(raw) != "[]" && string(raw) != "null" {
				return badRequest("The simulated Graph has security groups with assigned members only.")
			}
		default:
			if _, known := g.property(name); known {
				return badRequest("Property '%s' is read-only and cannot be set.", name)
			}
			return badRequest("Invalid property '%s'.", name)
		}
	}
	return nil
}

// apply takes a group's properties out of the body.
func (c *call) apply(g *Group, fresh bool) error {
	if err := c.settable(*g, fresh); err != nil {
		return err
	}
	if err := c.text("displayName", &g.DisplayName, 256, false); err != nil {
		return err
	}
	if err := c.text("description", &g.Description, 1024, true); err != nil {
		return err
	}
	if err := c.text("mailNickname", &g.MailNickname, 64, false); err != nil {
		return err
	}
	if strings.ContainsAny(g.MailNickname, `@()\[]";:<>, `) || strings.ContainsFunc(g.MailNickname, func(r rune) bool { return r > 127 }) {
		return badRequest("Invalid value specified for property 'mailNickname' of resource 'Group'.")
	}
	if err := c.read("isAssignableToRole", &g.RoleAssignable, "Group"); err != nil {
		return err
	}
	return c.name(g)
}

// text takes a text out of the body; nullable ones can be null but not empty.
func (c *call) text(name string, target *string, most int, nullable bool) error {
	raw, ok := c.body[name]
	if !ok {
		return nil
	}
	var value *string
	err := json.Unmarshal(raw, &value)
	switch {
	case err == nil && value == nil && nullable:
		*target = ""
		return nil
	case err != nil, value == nil, *value == "", utf8.RuneCountInString(*value) > most:
		return badRequest("Invalid value specified for property '%s' of resource 'Group'.", name)
	}
	*target = *value
	return nil
}

// name gives a group its uniqueName, which it keeps. Deleted groups hold theirs
// until they are purged.
func (c *call) name(g *Group) error {
	wanted := g.UniqueName
	if raw, ok := c.body["uniqueName"]; ok {
		if err := json.Unmarshal(raw, &wanted); err != nil || wanted == "" {
			return badRequest("Invalid value specified for property 'uniqueName' of resource 'Group'.")
		}
	}
	if g.UniqueName != "" && wanted != g.UniqueName {
		return badRequest("Property 'uniqueName' is read-only and cannot be set.")
	}
	if holder, taken := c.dir.Unique[wanted]; wanted != "" && taken && holder != g.ID {
		const message = "Another object with the same value for property uniqueName already exists."
		return &graphError{
			status: http.StatusBadRequest, code: codeBadRequest, message: message,
			details: []any{map[string]any{"code": "ObjectConflict", "target": "uniqueName", "message": message}},
		}
	}
	g.UniqueName = wanted
	return nil
}

// patchGroup changes a group, or adds up to 20 members, all or none.
func (c *call) patchGroup() (answer, error) {
	if err := c.mayWriteGroups(); err != nil {
		return answer{}, err
	}
	g, err := c.group(c.args[0])
	if err != nil {
		return answer{}, err
	}
	return c.update(g)
}

func (c *call) update(g Group) (answer, error) {
	if err := c.apply(&g, false); err != nil {
		return answer{}, err
	}
	members, err := c.bound()
	if err != nil {
		return answer{}, err
	}
	for _, id := range members {
		if slices.Contains(g.Members, id) {
			return answer{}, alreadyMember()
		}
		g.Members = append(slices.Clone(g.Members), id)
	}
	c.dir.putGroup(c.now, g)
	return answer{status: http.StatusNoContent}, nil
}

// upsertGroup changes the group with that uniqueName, or makes it where the
// caller prefers so.
// Source: "Upsert group".
func (c *call) upsertGroup() (answer, error) {
	if err := c.mayWriteGroups(); err != nil {
		return answer{}, err
	}
	if g, err := c.unique(c.args[0]); err == nil {
		return c.update(g)
	}
	if !slices.ContainsFunc(c.r.Header.Values("Prefer"), func(p string) bool { return strings.Contains(p, "create-if-missing") }) {
		return answer{}, notFound(c.args[0])
	}
	raw, err := json.Marshal(c.args[0])
	if err != nil {
		return answer{}, err
	}
	c.body["uniqueName"] = raw
	return c.create()
}

func (c *call) dropGroup() (answer, error) {
	if err := c.mayWriteGroups(); err != nil {
		return answer{}, err
	}
	g, err := c.group(c.args[0])
	if err != nil {
		return answer{}, err
	}
	c.dir.deleteGroup(c.now, g)
	return answer{status: http.StatusNoContent}, nil
}

func (c *call) dropUnique() (answer, error) {
	if err := c.mayWriteGroups(); err != nil {
		return answer{}, err
	}
	g, err := c.unique(c.args[0])
	if err != nil {
		return answer{}, err
	}
	c.dir.deleteGroup(c.now, g)
	return answer{status: http.StatusNoContent}, nil
}
