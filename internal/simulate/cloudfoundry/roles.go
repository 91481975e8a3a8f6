package cloudfoundry

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/rollcall-iam/rollcall/internal/simulate"
)

// role is a role that a user has in a space or in an organization.
type role struct {
	GUID    string    `json:"guid"`
	Type    string    `json:"type"`
	User    string    `json:"user"`
	Space   string    `json:"space,omitempty"`
	Org     string    `json:"org,omitempty"`
	Created time.Time `json:"created"`
}

type job struct {
	GUID    string    `json:"guid"`
	Role    string    `json:"role"`
	Due     time.Time `json:"due"`
	Created time.Time `json:"created"`
	Failed  bool      `json:"failed"`
	Done    bool      `json:"done"`
}

func spaceRoles() []string {
	return []string{"space_auditor", "space_developer", "space_manager", "space_supporter"}
}

func orgRoles() []string {
	return []string{"organization_auditor", "organization_billing_manager", "organization_manager", "organization_user"}
}

// writeJSON answers with one object.
func writeJSON(w http.ResponseWriter, status int, body any) { simulate.JSON(w, status, body) }

// decode reads a body, and answers where it is none or has fields nobody knows.
func decode(w http.ResponseWriter, r *http.Request, into any) bool {
	var fields map[string]json.RawMessage
	decoder := json.NewDecoder(r.Body)
	if err := decoder.Decode(&fields); err != nil {
		refuse(w, http.StatusBadRequest, 1001, "CF-MessageParseError", "Request invalid due to parse error: invalid request body")
		return false
	}
	body, err := json.Marshal(fields)
	if err == nil {
		strict := json.NewDecoder(strings.NewReader(string(body)))
		strict.DisallowUnknownFields()
		err = strict.Decode(into)
	}
	if err != nil {
		unprocessablef(w, "Unknown field(s) or wrong type: %s", strings.TrimPrefix(err.Error(), "json: "))
		return false
	}
	return true
}

func (e role) show(r *http.Request) any {
	return resource(r, "roles", e.GUID, e.Created, map[string]any{
		"type": e.Type,
		"relationships": map[string]any{
			"user": named(e.User), "space": named(e.Space), "organization": named(e.Org),
		},
	})
}

func (s *Server) listRoles(w http.ResponseWriter, r *http.Request) {
	q, ok := s.list(w, r, "guids", "types", "space_guids", "organization_guids", "user_guids", "include")
	if !ok {
		return
	}
	include := strings.Split(q.values.Get("include"), ",")
	for _, what := range include {
		if what != "" && !slices.Contains([]string{"user", "space", "organization"}, what) {
			refuse(w, http.StatusBadRequest, 10005, "CF-BadQueryParameter",
				"The query parameter is invalid: Invalid included resource: '"+what+
					"'. Valid included resources are: 'user', 'space', 'organization'")
			return
		}
	}
	var all []role
	for _, e := range s.state.Roles.AllAt(s.seen()) {
		if q.has("guids", e.GUID) && q.has("types", e.Type) && q.has("space_guids", e.Space) &&
			q.has("organization_guids", e.Org) && q.has("user_guids", e.User) {
			all = append(all, e)
		}
	}
	slices.SortStableFunc(all, func(a, b role) int { return a.Created.Compare(b.Created) })
	show := func(e role) any { return e.show(r) }
	if !q.values.Has("include") {
		answer(w, r, q, all, show, nil)
		return
	}
	answer(w, r, q, all, show, func(part []role) any { return s.included(r, include, part) })
}

// included shows what the page's roles relate to, each once.
func (s *Server) included(r *http.Request, include []string, part []role) any {
	body, shown := map[string][]any{}, map[string]bool{}
	add := func(kind, guid string, show func() (any, bool)) {
		if !slices.Contains(include, strings.TrimSuffix(kind, "s")) {
			return
		}
		if body[kind] == nil {
			body[kind] = []any{}
		}
		if one, ok := show(); ok && guid != "" && !shown[guid] {
			shown[guid] = true
			body[kind] = append(body[kind], one)
		}
	}
	for _, e := range append([]role{{}}, part...) {
		add("users", e.User, func() (any, bool) { u, ok := s.state.Users.Get(e.User); return s.showUser(r, u), ok })
		add("spaces", e.Space, func() (any, bool) { p, ok := s.state.Spaces.Get(e.Space); return p.show(r), ok })
		add("organizations", e.Org, func() (any, bool) { o, ok := s.state.Orgs.Get(e.Org); return o.show(r), ok })
	}
	return body
}

func (s *Server) getRole(w http.ResponseWriter, r *http.Request) {
	e, ok := s.state.Roles.Get(r.PathValue("guid"))
	if !ok {
		notFound(w, "Role")
		return
	}
	writeJSON(w, http.StatusOK, e.show(r))
}

type related struct {
	Data *struct {
		GUID     string  `json:"guid"`
		Username string  `json:"username"`
		Origin   *string `json:"origin"`
	} `json:"data"`
}

func (s *Server) postRole(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Type          string `json:"type"`
		Relationships struct {
			User         *related `json:"user"`
			Space        *related `json:"space"`
			Organization *related `json:"organization"`
		} `json:"relationships"`
	}
	if !decode(w, r, &body) {
		return
	}
	at := body.Relationships
	isSpace := slices.Contains(spaceRoles(), body.Type)
	switch {
	case !isSpace && !slices.Contains(orgRoles(), body.Type):
		unprocessablef(w, "Type must be one of the allowed types %q", slices.Concat(orgRoles(), spaceRoles()))
	case at.User == nil || at.User.Data == nil:
		unprocessablef(w, "Relationships User can't be blank")
	case at.Space != nil && at.Organization != nil:
		unprocessablef(w, "Relationships cannot pass both 'organization' and 'space' in a create request")
	case isSpace && (at.Space == nil || at.Space.Data == nil):
		unprocessablef(w, "Relationships Role with type %q must be associated with a space.", body.Type)
	case !isSpace && (at.Organization == nil || at.Organization.Data == nil):
		unprocessablef(w, "Relationships Role with type %q must be associated with an organization.", body.Type)
	case isSpace:
		s.newSpaceRole(w, r, role{Type: body.Type, Space: at.Space.Data.GUID}, at.User)
	default:
		s.newOrgRole(w, r, role{Type: body.Type, Org: at.Organization.Data.GUID}, at.User)
	}
}

const notInOrg = "Users cannot be assigned roles in a space if they do not have a role in that space's organization."

func (s *Server) newSpaceRole(w http.ResponseWriter, r *http.Request, e role, who *related) {
	p, ok := s.state.Spaces.Get(e.Space)
	if !ok {
		unprocessablef(w, "Invalid space. Ensure that the space exists and you have access to it.")
		return
	}
	if e.User, ok = s.who(w, who); !ok {
		return
	}
	if !s.has(func(x role) bool { return x.User == e.User && x.Org == p.Org }) {
		unprocessablef(w, "%s", notInOrg)
		return
	}
	s.newRole(w, r, e, "space", p.Name)
}

func (s *Server) newOrgRole(w http.ResponseWriter, r *http.Request, e role, who *related) {
	o, ok := s.state.Orgs.Get(e.Org)
	if !ok {
		unprocessablef(w, "Invalid organization. Ensure that the organization exists and you have access to it.")
		return
	}
	if e.User, ok = s.who(w, who); !ok {
		return
	}
	if _, known := s.state.Users.Get(e.User); !known {
		s.newUser(e.User) // the Cloud Controller asks nobody whether there is such an account
	}
	s.newRole(w, r, e, "organization", o.Name)
}

// who finds the user whom a role is for, by id or by name.
func (s *Server) who(w http.ResponseWriter, who *related) (string, bool) {
	if who.Data.GUID != "" {
		return who.Data.GUID, true
	}
	var found []account
	var origins []string
	for _, a := range s.state.Accounts.All() {
		if strings.EqualFold(a.Username, who.Data.Username) && (who.Data.Origin == nil || *who.Data.Origin == a.Origin) {
			found, origins = append(found, a), append(origins, a.Origin)
		}
	}
	switch len(found) {
	case 0:
		unprocessablef(w, "No user exists with the username '%s'.", who.Data.Username)
		return "", false
	case 1:
		return found[0].ID, true
	default:
		unprocessablef(w, "Ambiguous user. User with username '%s' exists in the following origins: %s. Specify an origin to disambiguate.",
			who.Data.Username, strings.Join(origins, ", "))
		return "", false
	}
}

func (s *Server) newRole(w http.ResponseWriter, r *http.Request, e role, where, name string) {
	if s.has(func(x role) bool { return x.Type == e.Type && x.User == e.User && x.Space == e.Space && x.Org == e.Org }) {
		a, _ := s.state.Accounts.Get(e.User)
		unprocessablef(w, "User '%s' already has '%s' role in %s '%s'.", a.Username, e.Type, where, name)
		return
	}
	writeJSON(w, http.StatusCreated, s.putRole(e).show(r))
}

func (s *Server) putRole(e role) role {
	now := s.options.Clock()
	e.GUID, e.Created = uuid.NewString(), now
	s.state.Roles.Put(now, e.GUID, e)
	return e
}

// has reports whether there is such a role.
func (s *Server) has(match func(role) bool) bool {
	return slices.ContainsFunc(s.state.Roles.All(), match)
}

// rests reports whether the user has a role in a space of the organization.
func (s *Server) rests(org, who string) bool {
	return s.has(func(x role) bool {
		p, ok := s.state.Spaces.Get(x.Space)
		return ok && p.Org == org && x.User == who
	})
}

func (s *Server) deleteRole(w http.ResponseWriter, r *http.Request) {
	e, ok := s.state.Roles.Get(r.PathValue("guid"))
	if !ok {
		notFound(w, "Role")
		return
	}
	if e.Type == "organization_user" && s.rests(e.Org, e.User) {
		unprocessablef(w, "Cannot delete organization_user role while user has roles in spaces in that organization.")
		return
	}
	now := s.options.Clock()
	j := job{GUID: uuid.NewString(), Role: e.GUID, Created: now, Due: now.Add(s.options.JobTime), Failed: s.failJobs > 0}
	s.failJobs = max(0, s.failJobs-1)
	s.state.Jobs.Put(now, j.GUID, j)
	s.state.Pending = append(s.state.Pending, j.GUID)
	w.Header().Set("Location", address(r)+"/v3/jobs/"+j.GUID)
	w.WriteHeader(http.StatusAccepted)
}

// endJobs ends the jobs that are due.
func (s *Server) endJobs() {
	now := s.options.Clock()
	s.state.Pending = slices.DeleteFunc(s.state.Pending, func(guid string) bool {
		j, _ := s.state.Jobs.Get(guid)
		if j.Due.After(now) {
			return false
		}
		if !j.Failed {
			s.state.Roles.Delete(now, j.Role)
		}
		j.Done = true
		s.state.Jobs.Put(now, j.GUID, j)
		return true
	})
}

func (s *Server) getJob(w http.ResponseWriter, r *http.Request) {
	j, ok := s.state.Jobs.Get(r.PathValue("guid"))
	if !ok {
		notFound(w, "Job")
		return
	}
	state, faults := "PROCESSING", []fault{}
	switch {
	case j.Done && j.Failed:
		state, faults = "FAILED", []fault{{"An unknown error occurred.", "UnknownError", 10001}}
	case j.Done:
		state = "COMPLETE"
	}
	writeJSON(w, http.StatusOK, resource(r, "jobs", j.GUID, j.Created, map[string]any{
		"operation": "role.delete", "state": state, "errors": faults, "warnings": []any{},
	}))
}
