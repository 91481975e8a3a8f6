package azure

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// deltaKept is how long a delta link is good for directory objects.
// Source: "Use delta query to track changes in Microsoft Graph data", token duration.
const deltaKept = 7 * 24 * time.Hour

// deltaMembers is how many members of a group one page holds at most.
const deltaMembers = 250

// journey is how far a delta query has come, as its tokens hold it.
type journey struct {
	// From is the last change that the caller knew when the round began, -1 for none.
	From int64 `json:"f"`
	// To is the last change that this round tells.
	To int64 `json:"t"`
	// After is the group told last, Told how many of its members.
	After string `json:"a,omitempty"`
	Told  int    `json:"m,omitempty"`
	// Select is the query's $select; IDs those of its $filter.
	Select string    `json:"s,omitempty"`
	IDs    []string  `json:"i,omitempty"`
	At     time.Time `json:"at"`
}

func (j journey) token() string {
	body, err := json.Marshal(j)
	if err != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(body)
}

// delta tells what changed in groups since the link was given out, their members
// included unless $select leaves them out.
// Source: "group: delta", "Get incremental changes for groups".
func (c *call) delta() (answer, error) {
	if err := c.mayRead(); err != nil {
		return answer{}, err
	}
	j, err := c.journey()
	if err != nil {
		return answer{}, err
	}
	size, err := c.top()
	if err != nil {
		return answer{}, err
	}
	rows, next := c.tell(j, size)
	body := map[string]any{"@odata.context": c.context("groups"), "value": rows}
	path := c.base + "/v1.0/groups/delta?"
	if next.After != "" {
		body["@odata.nextLink"] = path + "$skiptoken=" + next.token()
	} else {
		body["@odata.deltaLink"] = path + "$deltatoken=" + journey{From: j.To, Select: j.Select, IDs: j.IDs, At: c.now}.token()
	}
	return answer{http.StatusOK, body}, nil
}

// journey reads where the caller is.
func (c *call) journey() (journey, error) {
	if err := c.refuseOptions("$select", "$filter", "$top", "$skiptoken", "$deltatoken"); err != nil {
		return journey{}, err
	}
	j := journey{From: -1, Select: c.query.Get("$select"), At: c.now}
	var err error
	switch page, round := c.query.Get("$skiptoken"), c.query.Get("$deltatoken"); {
	case page != "":
		j, err = c.resume(page)
	case round != "":
		j, err = c.resume(round)
		j.To = 0
	}
	if err != nil {
		return journey{}, err
	}
	if raw := c.query.Get("$filter"); raw != "" {
		if j.IDs, err = onlyIDs(raw); err != nil {
			return journey{}, err
		}
	}
	if j.To == 0 {
		j.To = c.visible()
	}
	for name := range strings.SplitSeq(j.Select, ",") {
		if name = strings.TrimSpace(name); name != "" && name != "members" && !has(Group{}, name) {
			return journey{}, badOData("Parsing OData Select and Expand failed: "+
				"Could not find a property named '%s' on type 'microsoft.graph.group'.", name)
		}
	}
	return j, nil
}

// resume reads a token.
func (c *call) resume(raw string) (journey, error) {
	var j journey
	body, err := base64.RawURLEncoding.DecodeString(raw)
	if err == nil {
		err = json.Unmarshal(body, &j)
	}
	if err != nil {
		return journey{}, badRequest("Badly formed token.")
	}
	if c.now.Sub(j.At) > deltaKept {
		c.header.Set("Location", c.base+"/v1.0/groups/delta?$deltatoken=")
		return journey{}, &graphError{status: http.StatusGone, code: "SyncStateNotFound",
			message: "The sync state generation is not found or has expired. Start a full synchronization."}
	}
	return j, nil
}

// onlyIDs reads the one kind of filter that a delta query takes.
func onlyIDs(raw string) ([]string, error) {
	p := parser{text: raw}
	c, ok := p.either()
	if p.space(); !ok || p.at != len(raw) {
		return nil, badOData("Invalid filter clause: Syntax error at position %d in '%s'.", p.at, raw)
	}
	parts := []condition{c}
	if c.op == "or" {
		parts = c.parts
	}
	var ids []string
	for _, part := range parts {
		if part.op != "eq" || part.property != "id" {
			return nil, unsupported("Unsupported Query.")
		}
		ids = append(ids, strings.ToLower(text(part.values[0])))
	}
	if len(ids) > 50 {
		return nil, unsupported("Too many filtered objects: %d. Max allowed: 50.", len(ids))
	}
	return ids, nil
}

// visible is the last change that reads show, with all before it.
func (c *call) visible() int64 {
	last := nothing
	for _, entry := range c.dir.Log {
		if entry.At.After(c.seen) {
			break
		}
		last = entry.Seq
	}
	return last
}

// pending are the groups that a round tells, in the order of their ids, with what
// became of their members.
func (c *call) pending(j journey) ([]string, map[string]map[string]bool) {
	members := map[string]map[string]bool{}
	for _, entry := range c.dir.Log {
		if entry.Seq <= j.From || entry.Seq > j.To || j.IDs != nil && !slices.Contains(j.IDs, entry.Group) {
			continue
		}
		if members[entry.Group] == nil {
			members[entry.Group] = map[string]bool{}
		}
		for _, id := range entry.Added {
			members[entry.Group][id] = true
		}
		for _, id := range entry.Removed {
			members[entry.Group][id] = false
		}
	}
	return slices.Sorted(maps.Keys(members)), members
}

// tell returns one page of a round and where the next begins; its After is empty
// when there is none.
func (c *call) tell(j journey, size int) ([]any, journey) {
	groups, members := c.pending(j)
	rows := []any{}
	for _, id := range groups {
		if id < j.After || id == j.After && j.Told == 0 {
			continue
		}
		told := 0
		if id == j.After {
			told = j.Told
		}
		row, more := c.row(id, j, members[id], told)
		if row != nil {
			rows = append(rows, row)
		}
		next := j
		next.After, next.Told = id, more
		if more > 0 || len(rows) == size && id != groups[len(groups)-1] {
			return rows, next
		}
	}
	return rows, journey{}
}

// row is a group in a delta answer; nil where a first round has nothing to tell.
// more is how many members were told so far when others remain, else 0.
func (c *call) row(id string, j journey, members map[string]bool, told int) (row map[string]any, more int) {
	g, ok := c.dir.Groups.GetAt(c.seen, id)
	if !ok {
		if j.From < 0 {
			return nil, 0
		}
		reason := "deleted"
		if _, kept := c.dir.DeletedGroups.Get(id); kept {
			reason = "changed"
		}
		return map[string]any{"id": id, "@removed": map[string]any{"reason": reason}}, 0
	}
	names := g.usual()
	if j.Select != "" {
		names = strings.Split(j.Select, ",")
	}
	row = map[string]any{"id": g.ID}
	withMembers := j.Select == ""
	for _, name := range names {
		name = strings.TrimSpace(name)
		if name == "members" {
			withMembers = true
			continue
		}
		if value, _ := g.property(name); value != nil {
			row[name] = value
		}
	}
	if !withMembers || len(members) == 0 {
		return row, 0
	}
	all := slices.Sorted(maps.Keys(members))
	page := all[min(told, len(all)):]
	if limit := c.server.pageOf(deltaMembers); len(page) > limit {
		page, more = page[:limit], told+limit
	}
	row["members@delta"] = c.moved(page, members, j.From < 0)
	return row, more
}

// moved says of each member whether it came or went. A first round tells those who
// are there.
func (c *call) moved(ids []string, in map[string]bool, first bool) []any {
	list := []any{}
	for _, id := range ids {
		kind := "user"
		if _, ok := c.dir.Groups.Get(id); ok {
			kind = "group"
		} else if c.dir.kind(id) == "servicePrincipal" {
			kind = "servicePrincipal"
		}
		member := map[string]any{"@odata.type": "#microsoft.graph." + kind, "id": id}
		if !in[id] {
			if first {
				continue
			}
			member["@removed"] = map[string]any{"reason": "deleted"}
		}
		list = append(list, member)
	}
	return list
}

// pageOf is the size of a page that the vendor makes that long.
func (s *Server) pageOf(usual int) int {
	if most := s.options.PageSize; most > 0 {
		return min(usual, most)
	}
	return usual
}
