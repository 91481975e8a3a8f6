package google

import (
	"slices"
	"strings"
)

// projectNamed returns a project by its id or its number.
func (s *Server) projectNamed(name string) (Project, bool) {
	for _, p := range s.state.Projects.All() {
		if p.Number == name || p.ID == name {
			return p, true
		}
	}
	return Project{}, false
}

// visible returns the project if the caller may see it. What does not exist is
// refused like what is hidden, and so is the policy of what is being deleted.
func (s *Server) visible(c *call) (Project, error) {
	p, ok := s.projectNamed(c.vars[0])
	if !ok || !c.who.PolicyAdmin || p.State != "ACTIVE" && strings.HasSuffix(c.r.URL.Path, "IamPolicy") {
		return Project{}, refusal("PERMISSION_DENIED", "The caller does not have permission")
	}
	return p, nil
}

func projectJSON(p Project) map[string]any {
	return object(map[string]any{
		"name": "projects/" + p.Number, "parent": p.Parent, "projectId": p.ID, "state": p.State,
		"displayName": p.DisplayName, "createTime": stamp(p.Made), "updateTime": stamp(p.Made), "etag": `W/"` + p.Number + `"`,
	})
}

// getProject answers in the form of the version.
func (s *Server) getProject(version string) func(*call) (any, error) {
	return func(c *call) (any, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		p, err := s.visible(c)
		if err != nil || version == "v3" {
			return projectJSON(p), err
		}
		sort, id, _ := strings.Cut(p.Parent, "/")
		return map[string]any{
			"projectNumber": p.Number, "projectId": p.ID, "lifecycleState": p.State, "name": p.DisplayName,
			"createTime": stamp(p.Made), "parent": map[string]any{"type": strings.TrimSuffix(sort, "s"), "id": id},
		}, nil
	}
}

// searchProjects knows queries by one or more fields, any of which may match.
func (s *Server) searchProjects(c *call) (any, error) {
	size, err := c.number("pageSize", 100, 5000)
	if err != nil {
		return nil, err
	}
	var wanted []func(Project) bool
	for clause := range strings.FieldsSeq(c.query("query")) {
		field, value, ok := strings.Cut(clause, ":")
		match, known := projectField(strings.ToLower(field), value)
		if !ok || !known {
			return nil, refusal("INVALID_ARGUMENT", "Request contains an invalid argument: query.")
		}
		wanted = append(wanted, match)
	}
	s.mu.Lock()
	all := s.state.Projects.All()
	s.mu.Unlock()
	all = slices.DeleteFunc(all, func(p Project) bool {
		fits := func(match func(Project) bool) bool { return match(p) }
		return !c.who.PolicyAdmin || len(wanted) > 0 && !slices.ContainsFunc(wanted, fits)
	})
	rows, next, err := page(c, all, size, s.options.PageSize)
	if err != nil {
		return nil, err
	}
	return object(map[string]any{"projects": list(rows, projectJSON), "nextPageToken": next}), nil
}

func projectField(field, value string) (func(Project) bool, bool) {
	begin, star := strings.CutSuffix(strings.ToLower(value), "*")
	matches := func(have string) bool {
		have = strings.ToLower(have)
		return have == begin || star && strings.HasPrefix(have, begin)
	}
	switch field {
	case "id", "projectid":
		return func(p Project) bool { return matches(p.ID) }, true
	case "name", "displayname":
		return func(p Project) bool { return matches(p.DisplayName) }, true
	case "state", "lifecyclestate":
		return func(p Project) bool { return matches(p.State) }, true
	case "parent":
		return func(p Project) bool { return matches(p.Parent) }, true
	default:
		return nil, false
	}
}

// searchPolicies is Cloud Asset's search. It lags like all that is indexed.
func (s *Server) searchPolicies(c *call) (any, error) {
	scope := c.vars[0] + "/" + c.vars[1]
	size, err := c.number("pageSize", 100, 1<<31-1)
	if err != nil {
		return nil, err
	}
	text, byPolicy := strings.CutPrefix(c.query("query"), "policy:")
	if !byPolicy && text != "" || c.query("orderBy") != "" || !c.who.PolicyAdmin {
		return nil, refusal("INVALID_ARGUMENT", "Request contains an invalid argument.")
	}
	sorts := c.r.URL.Query()["assetTypes"]
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.seen(c)
	var results []any
	for _, p := range s.state.Projects.AllAt(at) {
		inside := slices.Contains([]string{
			p.Parent, "organizations/" + s.options.Organization, "projects/" + p.ID, "projects/" + p.Number,
		}, scope)
		held, ok := s.state.Policies.GetAt(at, p.Number)
		if !inside || !ok || len(sorts) > 0 && !slices.Contains(sorts, projectAsset) {
			continue
		}
		if found := held.matching(text); len(found.Bindings) > 0 {
			results = append(results, s.assetJSON(p, found))
		}
	}
	rows, next, err := page(c, results, min(size, 500), s.options.PageSize)
	if err != nil {
		return nil, err
	}
	return object(map[string]any{"results": rows, "nextPageToken": next}), nil
}

const projectAsset = "cloudresourcemanager.googleapis.com/Project"

func (s *Server) assetJSON(p Project, held policy) map[string]any {
	shown := held.json(3)
	delete(shown, "etag")
	return map[string]any{
		"resource":  "//cloudresourcemanager.googleapis.com/projects/" + p.ID,
		"assetType": projectAsset, "project": "projects/" + p.Number,
		"organization": "organizations/" + s.options.Organization, "policy": shown,
	}
}

// matching leaves the bindings that hold the text.
func (p policy) matching(text string) policy {
	p = p.clone()
	p.Bindings = slices.DeleteFunc(p.Bindings, func(b binding) bool {
		return text != "" && !strings.Contains(b.Role, text) &&
			!slices.ContainsFunc(b.Members, func(m string) bool { return strings.Contains(m, text) })
	})
	return p
}
