package azure

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/google/uuid"
)

func alreadyMember() error {
	return badRequest("One or more added object references already exist for the following modified properties: 'members'.")
}

// object returns a directory object as reads show it.
func (c *call) object(id string) (object, bool) {
	if u, ok := c.dir.Users.GetAt(c.seen, id); ok {
		return u, true
	}
	if g, ok := c.dir.Groups.GetAt(c.seen, id); ok {
		return g, true
	}
	for _, a := range c.dir.Apps {
		if a.Principal == id {
			return principal{a}, true
		}
	}
	return nil, false
}

// listMembers lists direct members. Members that were deleted are none. Service
// principals are left out, as of v1.0 of Graph, but for advanced queries.
// Source: "List group members", its known issue.
func (c *call) listMembers() (answer, error) {
	return c.membersOf(func(kind string) bool { return kind != "servicePrincipal" || c.advanced() })
}

// listMembersAs returns what lists the members of one kind, as an OData cast does.
// Source: "List group members", "Advanced query capabilities on directory objects".
func listMembersAs(kind string) func(*call) (answer, error) {
	return func(c *call) (answer, error) {
		if !c.advanced() {
			return answer{}, unsupported("OData cast on 'members' needs $count=true and the header 'ConsistencyLevel: eventual'.")
		}
		return c.membersOf(func(member string) bool { return member == kind })
	}
}

// advanced is true for a query that the index of directory objects answers.
func (c *call) advanced() bool { return c.query.Get("$count") == "true" && c.eventual() }

// membersOf lists the direct members of the kinds that are asked for.
func (c *call) membersOf(asked func(kind string) bool) (answer, error) {
	if err := c.mayRead(); err != nil {
		return answer{}, err
	}
	g, err := c.group(c.args[0])
	if err != nil {
		return answer{}, err
	}
	return c.listObjects(slices.DeleteFunc(slices.Clone(g.Members), func(id string) bool {
		o, ok := c.object(id)
		return ok && !asked(o.kind())
	}))
}

// listObjects lists directory objects of any type. A property in $select is asked
// of those that have it.
func (c *call) listObjects(ids []string) (answer, error) {
	var members []object
	for _, id := range ids {
		if o, ok := c.object(id); ok {
			members = append(members, mixed{o})
		}
	}
	return c.list("directoryObjects", objects(members), true)
}

// mixed is an object in a list of several types: properties that another type has
// are left out without an error.
type mixed struct{ object }

func (m mixed) property(name string) (any, bool) {
	if value, ok := m.object.property(name); ok {
		return value, true
	}
	for _, o := range []object{User{}, Group{}, principal{&application{}}} {
		if _, ok := o.property(name); ok {
			return nil, true
		}
	}
	return nil, false
}

// reference is the id in a link to a directory object, which has to exist.
func (c *call) reference(link string) (string, error) {
	parsed, err := url.Parse(link)
	if err != nil || !parsed.IsAbs() {
		return "", badRequest("Invalid URL format specified in payload.")
	}
	parts := strings.Split(strings.Trim(parsed.Path, "/"), "/")
	if len(parts) != 3 || parts[0] != "v1.0" {
		return "", badRequest("Invalid URL format specified in payload.")
	}
	id := strings.ToLower(parts[2])
	if uuid.Validate(id) != nil {
		return "", badRequest("Invalid object identifier '%s'.", parts[2])
	}
	kind := c.dir.kind(id)
	wanted, ok := map[string]string{
		"directoryObjects": kind, "users": "user", "groups": "group", "servicePrincipals": "servicePrincipal",
	}[parts[1]]
	if !ok {
		return "", badRequest("Invalid URL format specified in payload.")
	}
	if kind == "" || kind != wanted || c.tooYoung(id) {
		return "", notFound(id)
	}
	return id, nil
}

// linked reads the one link in the body.
func (c *call) linked() (string, error) {
	var link string
	if err := json.Unmarshal(c.body["@odata.id"], &link); err != nil || len(c.body) != 1 {
		return "", badRequest("Invalid URL format specified in payload.")
	}
	return c.reference(link)
}

// bound reads members@odata.bind.
func (c *call) bound() ([]string, error) {
	raw, ok := c.body["members@odata.bind"]
	if !ok {
		return nil, nil
	}
	var links []string
	if err := json.Unmarshal(raw, &links); err != nil {
		return nil, badRequest("Invalid value specified for property 'members' of resource 'Group'.")
	}
	if len(links) > maxBind {
		return nil, badRequest("The number of references specified for property 'members' exceeds the maximum of %d.", maxBind)
	}
	ids := make([]string, len(links))
	for i, link := range links {
		id, err := c.reference(link)
		if err != nil {
			return nil, err
		}
		ids[i] = id
	}
	return ids, nil
}

func (c *call) addMember() (answer, error) {
	if err := c.mayWriteGroups(); err != nil {
		return answer{}, err
	}
	g, err := c.group(c.args[0])
	if err != nil {
		return answer{}, err
	}
	id, err := c.linked()
	if err != nil {
		return answer{}, err
	}
	if slices.Contains(g.Members, id) {
		return answer{}, alreadyMember()
	}
	if id == g.ID {
		return answer{}, badRequest("A group cannot be a member of itself.")
	}
	g.Members = append(slices.Clone(g.Members), id)
	c.dir.putGroup(c.now, g)
	return answer{status: http.StatusNoContent}, nil
}

func (c *call) removeMember() (answer, error) {
	if err := c.mayWriteGroups(); err != nil {
		return answer{}, err
	}
	g, err := c.group(c.args[0])
	if err != nil {
		return answer{}, err
	}
	id := strings.ToLower(c.args[1])
	if uuid.Validate(id) != nil {
		return answer{}, badRequest("Invalid object identifier '%s'.", c.args[1])
	}
	if !slices.Contains(g.Members, id) {
		return answer{}, notFound(id)
	}
	g.Members = without(g.Members, id)
	c.dir.putGroup(c.now, g)
	return answer{status: http.StatusNoContent}, nil
}
