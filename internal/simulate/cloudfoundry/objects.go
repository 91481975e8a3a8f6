package cloudfoundry

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
)

type organization struct {
	GUID    string    `json:"guid"`
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
}

type space struct {
	GUID    string    `json:"guid"`
	Name    string    `json:"name"`
	Org     string    `json:"org"`
	Created time.Time `json:"created"`
}

// account is a user of UAA.
type account struct {
	ID       string    `json:"id"`
	Username string    `json:"username"`
	Origin   string    `json:"origin"`
	Active   bool      `json:"active"`
	Created  time.Time `json:"created"`
}

// user is what the Cloud Controller knows of an account.
type user struct {
	GUID    string    `json:"guid"`
	Created time.Time `json:"created"`
}

// named shows to whom something relates.
func named(guid string) map[string]any {
	if guid == "" {
		return map[string]any{"data": nil}
	}
	return map[string]any{"data": map[string]string{"guid": guid}}
}

// resource shows what all resources have.
func resource(r *http.Request, kind, guid string, created time.Time, rest map[string]any) map[string]any {
	at := created.UTC().Format(time.RFC3339)
	rest["guid"], rest["created_at"], rest["updated_at"] = guid, at, at
	rest["links"] = map[string]link{"self": {Href: address(r) + "/v3/" + kind + "/" + guid}}
	return rest
}

func metadata() map[string]any {
	return map[string]any{"labels": map[string]string{}, "annotations": map[string]string{}}
}

func (o organization) show(r *http.Request) any {
	return resource(r, "organizations", o.GUID, o.Created, map[string]any{
		"name": o.Name, "suspended": false, "relationships": map[string]any{"quota": named("")}, "metadata": metadata(),
	})
}

func (p space) show(r *http.Request) any {
	return resource(r, "spaces", p.GUID, p.Created, map[string]any{
		"name": p.Name, "metadata": metadata(),
		"relationships": map[string]any{"organization": named(p.Org), "quota": named("")},
	})
}

// showUser shows a user with what UAA knows of them; a user whom UAA does not
// know any more is only an id.
func (s *Server) showUser(r *http.Request, u user) any {
	body := map[string]any{"username": nil, "presentation_name": u.GUID, "origin": nil, "metadata": metadata()}
	if a, ok := s.state.Accounts.Get(u.GUID); ok {
		body["username"], body["presentation_name"], body["origin"] = a.Username, a.Username, a.Origin
	}
	return resource(r, "users", u.GUID, u.Created, body)
}

func (s *Server) listOrganizations(w http.ResponseWriter, r *http.Request) {
	q, ok := s.list(w, r, "names", "guids")
	if !ok {
		return
	}
	var all []organization
	for _, o := range s.state.Orgs.AllAt(s.seen()) {
		if q.has("names", o.Name) && q.has("guids", o.GUID) {
			all = append(all, o)
		}
	}
	answer(w, r, q, all, func(o organization) any { return o.show(r) }, nil)
}

func (s *Server) listSpaces(w http.ResponseWriter, r *http.Request) {
	q, ok := s.list(w, r, "names", "guids", "organization_guids", "include")
	if !ok {
		return
	}
	var all []space
	for _, p := range s.state.Spaces.AllAt(s.seen()) {
		if q.has("names", p.Name) && q.has("guids", p.GUID) && q.has("organization_guids", p.Org) {
			all = append(all, p)
		}
	}
	answer(w, r, q, all, func(p space) any { return p.show(r) }, nil)
}

func (s *Server) getSpace(w http.ResponseWriter, r *http.Request) {
	p, ok := s.state.Spaces.Get(r.PathValue("guid"))
	if !ok {
		notFound(w, "Space")
		return
	}
	writeJSON(w, http.StatusOK, p.show(r))
}

func (s *Server) listUsers(w http.ResponseWriter, r *http.Request) {
	q, ok := s.list(w, r, "guids", "usernames", "partial_usernames", "origins", "label_selector")
	if !ok {
		return
	}
	if q.values.Has("origins") && !q.values.Has("usernames") {
		unprocessablef(w, "Origins filter cannot be provided without usernames filter.")
		return
	}
	wanted := map[string]bool{}
	for name := range strings.SplitSeq(q.values.Get("usernames"), ",") {
		wanted[strings.ToLower(name)] = true
	}
	var all []user
	for _, u := range s.state.Users.AllAt(s.seen()) {
		a, known := s.state.Accounts.Get(u.GUID)
		byName := !q.values.Has("usernames") || known && wanted[strings.ToLower(a.Username)] && q.has("origins", a.Origin)
		if byName && q.has("guids", u.GUID) {
			all = append(all, u)
		}
	}
	answer(w, r, q, all, func(u user) any { return s.showUser(r, u) }, nil)
}

// newcomer is the body of a new user.
type newcomer struct {
	GUID     *string        `json:"guid"`
	Username *string        `json:"username"`
	Origin   *string        `json:"origin"`
	Metadata map[string]any `json:"metadata"`
}

// wrong says what the Cloud Controller has against the body, or nothing.
func (n newcomer) wrong(guidsOnly bool) string {
	named := n.Username != nil || n.Origin != nil
	switch {
	case guidsOnly && named:
		return "Unknown field(s): 'username', 'origin'"
	case n.GUID != nil && named:
		return "Username cannot be provided with 'guid'"
	case n.GUID != nil && (*n.GUID == "" || len(*n.GUID) > 200):
		return "Guid must be a string, Guid must be between 1 and 200 characters"
	case n.GUID == nil && (n.Username == nil || n.Origin == nil):
		return "Guid or 'username' and 'origin' must be provided"
	case n.GUID == nil && *n.Origin == "uaa":
		return "Origin cannot be 'uaa' when creating a user by username"
	default:
		return ""
	}
}

func (s *Server) postUser(w http.ResponseWriter, r *http.Request) {
	var body newcomer
	if !decode(w, r, &body) {
		return
	}
	if wrong := body.wrong(s.options.GUIDsOnly); wrong != "" {
		unprocessablef(w, "%s", wrong)
		return
	}
	var guid, again string
	if body.GUID != nil {
		guid, again = *body.GUID, fmt.Sprintf("User with guid '%s' already exists.", *body.GUID)
	} else {
		a, known := s.account(*body.Username, *body.Origin)
		if !known {
			a = s.newAccount(*body.Username, *body.Origin)
		}
		guid, again = a.ID, fmt.Sprintf("User with username '%s' and origin '%s' already exists.", *body.Username, *body.Origin)
	}
	if _, known := s.state.Users.Get(guid); known {
		unprocessablef(w, "%s", again)
		return
	}
	writeJSON(w, http.StatusCreated, s.showUser(r, s.newUser(guid)))
}

// newUser makes an account known to the Cloud Controller.
func (s *Server) newUser(guid string) user {
	now := s.options.Clock()
	u := user{GUID: guid, Created: now}
	s.state.Users.Put(now, guid, u)
	return u
}

func (s *Server) newAccount(name, origin string) account {
	now := s.options.Clock()
	a := account{ID: uuid.NewString(), Username: name, Origin: origin, Active: true, Created: now}
	s.state.Accounts.Put(now, a.ID, a)
	return a
}

// account finds an account by name and origin.
func (s *Server) account(name, origin string) (account, bool) {
	for _, a := range s.state.Accounts.All() {
		if strings.EqualFold(a.Username, name) && a.Origin == origin {
			return a, true
		}
	}
	return account{}, false
}
