package google

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	forumLabel    = "cloudidentity.googleapis.com/groups.discussion_forum"
	securityLabel = "cloudidentity.googleapis.com/groups.security"
)

// The lengths that a group's texts may have: the description's is in the
// discovery document, the names' in the guidelines for names of users and groups
// (https://support.google.com/a/answer/9193374).
const (
	maxDescription = 4096
	maxDisplayName = 73
)

var localPart = regexp.MustCompile(`^[a-z0-9_'-]+(\.[a-z0-9_'-]+)*$`)

// groupBody is what callers may write of a group. What only Google writes is
// taken and ignored.
type groupBody struct {
	Name           string            `json:"name"`
	CreateTime     string            `json:"createTime"`
	UpdateTime     string            `json:"updateTime"`
	GroupKey       *entityKey        `json:"groupKey"`
	Parent         string            `json:"parent"`
	DisplayName    string            `json:"displayName"`
	Description    string            `json:"description"`
	Labels         map[string]string `json:"labels"`
	AdditionalKeys []entityKey       `json:"additionalGroupKeys"`
}

type entityKey struct {
	ID        string `json:"id"`
	Namespace string `json:"namespace"`
}

func (s *Server) groupJSON(full bool) func(group) map[string]any {
	return func(g group) map[string]any {
		answer := map[string]any{
			"name": "groups/" + g.ID, "groupKey": map[string]any{"id": g.Email},
			"parent": "customers/" + s.options.Customer, "displayName": g.DisplayName, "labels": g.Labels,
		}
		if full {
			answer["description"], answer["createTime"], answer["updateTime"] = g.Description, stamp(g.Made), stamp(g.Updated)
		}
		return object(answer)
	}
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

// done is an operation that is over.
func done(sort string, answer map[string]any) map[string]any {
	response := maps.Clone(answer)
	response["@type"] = "type.googleapis.com/" + sort
	return map[string]any{"done": true, "response": response}
}

const (
	groupType      = "google.apps.cloudidentity.groups.v1.Group"
	membershipType = "google.apps.cloudidentity.groups.v1.Membership"
	emptyType      = "google.protobuf.Empty"
)

func (s *Server) createGroup(c *call) (any, error) {
	var body groupBody
	if err := c.decode(&body); err != nil {
		return nil, err
	}
	config, err := c.choice("initialGroupConfig", "INITIAL_GROUP_CONFIG_UNSPECIFIED", "WITH_INITIAL_OWNER", "EMPTY")
	if err != nil {
		return nil, err
	}
	if err := s.checkGroup(body); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	email := lowerASCII(body.GroupKey.ID)
	_, isGroup := s.groupNamed(email)
	_, isUser := s.userNamed(email)
	if isGroup || isUser {
		return nil, refusal("ALREADY_EXISTS", "Error(2018): Cannot create group '%s' because it already exists.", email)
	}
	made := group{
		ID: s.id(), Email: email, DisplayName: body.DisplayName, Description: body.Description, Labels: body.Labels,
		Made: c.now, Updated: c.now, Visible: c.now.Add(s.options.Slow),
	}
	s.state.Groups.Put(c.now, made.ID, made)
	if config == "WITH_INITIAL_OWNER" {
		s.join(c.now, made.ID, c.who.Email, "OWNER", "MEMBER")
	}
	if err := s.keep(); err != nil {
		return nil, err
	}
	if s.options.Slow > 0 {
		return map[string]any{"name": "operations/" + s.id(), "done": false}, nil
	}
	return done(groupType, s.groupJSON(true)(made)), nil
}

// checkGroup refuses what no group can be.
func (s *Server) checkGroup(body groupBody) error {
	if body.Parent != "customers/"+s.options.Customer {
		return refusal("PERMISSION_DENIED", "Error(2015): Permission denied for parent %s.", body.Parent)
	}
	if body.GroupKey == nil || body.GroupKey.Namespace != "" {
		return refusal("INVALID_ARGUMENT", "Request contains an invalid argument: group_key.")
	}
	if _, is := body.Labels[forumLabel]; !is {
		return refusal("INVALID_ARGUMENT", "Request contains an invalid argument: labels must contain %s.", forumLabel)
	}
	local, domain, _ := strings.Cut(lowerASCII(body.GroupKey.ID), "@")
	if domain != s.options.Domain {
		return refusal("INVALID_ARGUMENT", "Error(2006): The domain of the group key does not belong to the customer.")
	}
	if !localPart.MatchString(local) || len(local) > 64 || slices.Contains([]string{"abuse", "postmaster"}, local) {
		return refusal("INVALID_ARGUMENT", "Error(2007): The group key is not an address that a group can have.")
	}
	return checkTexts(body)
}

func checkTexts(body groupBody) error {
	for key, value := range body.Labels {
		if key != forumLabel && key != securityLabel || value != "" {
			return refusal("INVALID_ARGUMENT", "Request contains an invalid argument: label %q.", key)
		}
	}
	if utf8.RuneCountInString(body.DisplayName) > maxDisplayName || utf8.RuneCountInString(body.Description) > maxDescription {
		return refusal("INVALID_ARGUMENT", "Request contains an invalid argument: display_name or description is too long.")
	}
	return nil
}

func (s *Server) getGroup(c *call) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := s.groupOf(s.seen(c), c.vars[0])
	if !ok {
		return nil, hidden("groups/"+c.vars[0], "Group")
	}
	return s.groupJSON(true)(g), nil
}

// lookupGroup is fresher than the other reads: it lags half as much.
func (s *Server) lookupGroup(c *call) (any, error) {
	email := lowerASCII(c.query("groupKey.id"))
	if email == "" {
		return nil, refusal("INVALID_ARGUMENT", "Request contains an invalid argument: group_key.id.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.groupsAt(c.now.Add(-s.options.Stale / 2)) {
		if g.Email == email {
			return map[string]any{"name": "groups/" + g.ID}, nil
		}
	}
	return nil, hidden("groups/"+base36(int64(len(email))*7919), "Group")
}

// patchGroup changes what the mask names. All else in the body is ignored: what
// cannot change has no name in a mask.
func (s *Server) patchGroup(c *call) (any, error) {
	var body groupBody
	if err := c.decode(&body); err != nil {
		return nil, err
	}
	mask := c.query("updateMask")
	if mask == "" {
		return nil, refusal("INVALID_ARGUMENT", "Request contains an invalid argument: update_mask is required.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := s.state.Groups.Get(c.vars[0])
	if !ok {
		return nil, hidden("groups/"+c.vars[0], "Group")
	}
	_, secured := g.Labels[securityLabel]
	for field := range strings.SplitSeq(mask, ",") {
		switch field {
		case "displayName", "display_name":
			g.DisplayName = body.DisplayName
		case "description":
			g.Description = body.Description
		case "labels":
			g.Labels = body.Labels
		default: // the key is immutable
			return nil, refusal("INVALID_ARGUMENT", "Request contains an invalid argument: update_mask %q.", field)
		}
	}
	_, forum := g.Labels[forumLabel]
	if _, still := g.Labels[securityLabel]; !forum || secured && !still {
		return nil, refusal("INVALID_ARGUMENT", "Request contains an invalid argument: labels cannot be taken away.")
	}
	if err := checkTexts(groupBody{Labels: g.Labels, DisplayName: g.DisplayName, Description: g.Description}); err != nil {
		return nil, err
	}
	g.Updated = c.now
	s.state.Groups.Put(c.now, g.ID, g)
	if s.options.Slow > 0 {
		return map[string]any{"name": "operations/" + s.id(), "done": false}, s.keep()
	}
	return done(groupType, s.groupJSON(true)(g)), s.keep()
}

func (s *Server) deleteGroup(c *call) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.state.Groups.Get(c.vars[0]); !ok {
		return nil, hidden("groups/"+c.vars[0], "Group")
	}
	s.removeGroup(c.now, c.vars[0])
	return done(emptyType, map[string]any{}), s.keep()
}

// removeGroup takes a group away, with its memberships, and marks it in policies.
func (s *Server) removeGroup(now time.Time, id string) {
	g, ok := s.state.Groups.Get(id)
	if !ok {
		return
	}
	s.state.Groups.Delete(now, id)
	for _, key := range s.membersOf(id).Keys() {
		s.membersOf(id).Delete(now, key)
	}
	for _, other := range s.state.Groups.Keys() {
		s.leave(now, other, g.Email)
	}
	s.forget(now, "group:"+g.Email)
}

func (s *Server) listGroups(c *call) (any, error) {
	if parent := c.query("parent"); parent != "customers/"+s.options.Customer {
		return nil, refusal("PERMISSION_DENIED", "Error(2015): Permission denied for parent %s.", parent)
	}
	s.mu.Lock()
	all := s.groupsAt(s.seen(c))
	s.mu.Unlock()
	return s.groupPage(c, all)
}

func (s *Server) searchGroups(c *call) (any, error) {
	wanted, err := s.groupQuery(c.query("query"))
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	all := slices.DeleteFunc(s.groupsAt(s.seen(c)), func(g group) bool { return !wanted(g) })
	s.mu.Unlock()
	return s.groupPage(c, all)
}

func (s *Server) groupPage(c *call, all []group) (any, error) {
	rows, full, next, err := viewed(c, all, s.options.PageSize)
	if err != nil {
		return nil, err
	}
	return object(map[string]any{"groups": list(rows, s.groupJSON(full)), "nextPageToken": next}), nil
}

// viewed is a page of Cloud Identity's: 200 entries, or 50 in full view, and at
// most 1000, or 500.
func viewed[T any](c *call, all []T, most int) (rows []T, full bool, next string, err error) {
	view, err := c.choice("view", "BASIC", "FULL", "VIEW_UNSPECIFIED")
	if err != nil {
		return nil, false, "", err
	}
	full = view == "FULL"
	otherwise, limit := 200, 1000
	if full {
		otherwise, limit = 50, 500
	}
	size, err := c.number("pageSize", otherwise, limit)
	if err != nil {
		return nil, false, "", err
	}
	rows, next, err = page(c, all, size, most)
	return rows, full, next, err
}

// forget marks a principal as deleted in every policy that names it.
func (s *Server) forget(now time.Time, principal string) {
	gone := "deleted:" + principal + "?uid=" + uniqueNumber(s.next())
	for _, number := range s.state.Policies.Keys() {
		p, _ := s.state.Policies.Get(number)
		changed := p.clone()
		for i, b := range changed.Bindings {
			if at := slices.Index(b.Members, principal); at >= 0 {
				changed.Bindings[i].Members[at] = gone
				changed.Etag = s.etag()
			}
		}
		if changed.Etag != p.Etag {
			s.state.Policies.Put(now, number, changed)
		}
	}
}

var _ http.Handler = (*Server)(nil)
