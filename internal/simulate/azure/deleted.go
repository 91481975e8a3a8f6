package azure

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

func deletedRoutes() []route {
	return []route{
		{http.MethodGet, "directory/deletedItems/microsoft.graph.group", 1, (*call).listDeletedGroups},
		{http.MethodGet, "directory/deletedItems/microsoft.graph.user", 1, (*call).listDeletedUsers},
		// The SDKs write the type's short name.
		{http.MethodGet, "directory/deletedItems/graph.group", 1, (*call).listDeletedGroups},
		{http.MethodGet, "directory/deletedItems/graph.user", 1, (*call).listDeletedUsers},
		{http.MethodGet, "directory/deletedItems/{id}", 1, (*call).getDeleted},
		{http.MethodDelete, "directory/deletedItems/{id}", 1, (*call).purge},
		{http.MethodPost, "directory/deletedItems/{id}/restore", 1, (*call).restore},
	}
}

func (c *call) listDeletedGroups() (answer, error) {
	return c.list("groups", objects(c.dir.DeletedGroups.AllAt(c.seen)), false)
}

func (c *call) listDeletedUsers() (answer, error) {
	return c.list("users", objects(c.dir.DeletedUsers.AllAt(c.seen)), false)
}

func (c *call) getDeleted() (answer, error) {
	id := strings.ToLower(c.args[0])
	if g, ok := c.dir.DeletedGroups.GetAt(c.seen, id); ok {
		return c.entity(http.StatusOK, "directoryObjects", g)
	}
	if u, ok := c.dir.DeletedUsers.GetAt(c.seen, id); ok {
		return c.entity(http.StatusOK, "directoryObjects", u)
	}
	return answer{}, notFound(id)
}

// purge removes a deleted object for good, and lets go of its uniqueName.
func (c *call) purge() (answer, error) {
	if c.app.Permissions.NoPermanentPurge {
		return answer{}, denied()
	}
	id := strings.ToLower(c.args[0])
	if g, ok := c.dir.DeletedGroups.Get(id); ok {
		c.dir.DeletedGroups.Delete(c.now, id)
		delete(c.dir.Unique, g.UniqueName)
		return answer{status: http.StatusNoContent}, nil
	}
	if _, ok := c.dir.DeletedUsers.Get(id); ok {
		c.dir.DeletedUsers.Delete(c.now, id)
		return answer{status: http.StatusNoContent}, nil
	}
	return answer{}, notFound(id)
}

// restore brings a deleted object back: a group with those members that are still
// there, a user without memberships.
func (c *call) restore() (answer, error) {
	if c.app.Permissions.NoPermanentPurge {
		return answer{}, denied()
	}
	id := strings.ToLower(c.args[0])
	if g, ok := c.dir.DeletedGroups.Get(id); ok {
		c.dir.DeletedGroups.Delete(c.now, id)
		g.Deleted = time.Time{}
		g.Members = slices.DeleteFunc(slices.Clone(g.Members), func(m string) bool { return c.dir.kind(m) == "" })
		c.dir.putGroup(c.now, g)
		return c.entity(http.StatusOK, "directoryObjects", g)
	}
	if u, ok := c.dir.DeletedUsers.Get(id); ok {
		c.dir.DeletedUsers.Delete(c.now, id)
		u.UserPrincipalName = strings.TrimPrefix(u.UserPrincipalName, strings.ReplaceAll(u.ID, "-", ""))
		u.Deleted = time.Time{}
		c.dir.putUser(c.now, u)
		return c.entity(http.StatusOK, "directoryObjects", u)
	}
	return answer{}, notFound(id)
}
