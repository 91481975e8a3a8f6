package azure

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"
)

func unitRoutes() []route {
	return []route{
		{http.MethodGet, "directory/administrativeUnits/{id}", 1, (*call).getUnit},
		{http.MethodGet, "directory/administrativeUnits/{id}/members", 1, (*call).listUnit},
		{http.MethodPost, "directory/administrativeUnits/{id}/members", 1, (*call).createInUnit},
		{http.MethodPost, "directory/administrativeUnits/{id}/members/$ref", 1, (*call).addToUnit},
		{http.MethodDelete, "directory/administrativeUnits/{id}/members/{id}/$ref", 1, (*call).removeFromUnit},
	}
}

func (unit) kind() string { return "administrativeUnit" }
func (u unit) id() string { return u.ID }
func (unit) usual() []string {
	return []string{"id", "deletedDateTime", "displayName", "description", "visibility"}
}

func (u unit) property(name string) (any, bool) {
	switch name {
	case "id":
		return u.ID, true
	case "displayName":
		return u.DisplayName, true
	case "deletedDateTime", "description", "visibility", "isMemberManagementRestricted":
		return nil, true
	default:
		return nil, false
	}
}

// unit finds an administrative unit.
func (c *call) unit() (unit, error) {
	id := strings.ToLower(c.args[0])
	if uuid.Validate(id) != nil {
		return unit{}, badRequest("Invalid object identifier '%s'.", c.args[0])
	}
	u, ok := c.dir.Units.Get(id)
	if c.r.Method == http.MethodGet {
		u, ok = c.dir.Units.GetAt(c.seen, id)
	}
	if !ok {
		return unit{}, notFound(id)
	}
	if c.app.Permissions.NoUnits && c.r.Method != http.MethodGet {
		return unit{}, denied()
	}
	return u, nil
}

func (c *call) getUnit() (answer, error) {
	if err := c.refuseOptions("$select"); err != nil {
		return answer{}, err
	}
	u, err := c.unit()
	if err != nil {
		return answer{}, err
	}
	return c.entity(http.StatusOK, "directory/administrativeUnits", u)
}

func (c *call) listUnit() (answer, error) {
	u, err := c.unit()
	if err != nil {
		return answer{}, err
	}
	return c.listObjects(u.Members)
}

// createInUnit makes a group as a member of the unit. Its body says that it is a
// group; members cannot come along.
// Source: "Add a member" (administrativeUnit), "Create group in an administrative unit".
func (c *call) createInUnit() (answer, error) {
	u, err := c.unit()
	if err != nil {
		return answer{}, err
	}
	var kind string
	if json.Unmarshal(c.body["@odata.type"], &kind) != nil || kind != "#microsoft.graph.group" {
		return answer{}, badRequest("The type of the new object must be '#microsoft.graph.group'.")
	}
	if _, ok := c.body["members@odata.bind"]; ok {
		return answer{}, badRequest("Invalid property 'members'.")
	}
	got, err := c.create()
	if err != nil {
		return answer{}, err
	}
	if made, ok := got.body.(map[string]any); ok {
		made["@odata.type"] = kind
		if id, ok := made["id"].(string); ok {
			u.Members = append(slices.Clone(u.Members), id)
		}
	}
	c.dir.Units.Put(c.now, u.ID, u)
	return got, nil
}

func (c *call) addToUnit() (answer, error) {
	u, err := c.unit()
	if err != nil {
		return answer{}, err
	}
	id, err := c.linked()
	if err != nil {
		return answer{}, err
	}
	if slices.Contains(u.Members, id) {
		return answer{}, alreadyMember()
	}
	u.Members = append(slices.Clone(u.Members), id)
	c.dir.Units.Put(c.now, u.ID, u)
	return answer{status: http.StatusNoContent}, nil
}

func (c *call) removeFromUnit() (answer, error) {
	u, err := c.unit()
	if err != nil {
		return answer{}, err
	}
	id := strings.ToLower(c.args[1])
	if !slices.Contains(u.Members, id) {
		return answer{}, notFound(id)
	}
	u.Members = without(u.Members, id)
	c.dir.Units.Put(c.now, u.ID, u)
	return answer{status: http.StatusNoContent}, nil
}
