package google

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strconv"
	"time"
)

// What follows is what somebody does on the console: it is true at once, and
// seen at once.

// past is when what is seeded happened: long enough ago for every reader.
func (s *Server) past() time.Time {
	return s.options.Clock().Add(-max(s.options.Stale, s.options.IAMLag, s.options.PolicyStale))
}

// AddAccount makes a service account, or changes it.
func (s *Server) AddAccount(a Account) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Accounts[a.Email] = a
	_ = s.keep()
}

// AddProvider makes a provider for workload identities.
func (s *Server) AddProvider(p Provider) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Pools[p.Audience] = p
	_ = s.keep()
}

// Key is a key pair of a service account.
type Key struct {
	private []byte
	// Public is the PEM that Account and Provider hold.
	Public string
	// Signer signs what the key's owner says.
	Signer *rsa.PrivateKey
}

// NewKey makes a key pair.
func NewKey() (Key, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return Key{}, fmt.Errorf("google: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Key{}, fmt.Errorf("google: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return Key{}, fmt.Errorf("google: %w", err)
	}
	return Key{
		private: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
		Public:  string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
		Signer:  key,
	}, nil
}

// File is the key as the file that Google gives out, for an account whose token
// endpoint is at that address.
func (k Key) File(email, tokenURI string) ([]byte, error) {
	return json.Marshal(map[string]string{
		"type": "service_account", "project_id": "rollcall", "private_key_id": "sim", "private_key": string(k.private),
		"client_email": email, "client_id": "100000000000000000001", "token_uri": tokenURI, "universe_domain": "googleapis.com",
	})
}

// AddUser makes a user, or changes the one of the same id, and returns it with
// the id.
func (s *Server) AddUser(u User) User {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u.ID == "" {
		u.ID = uniqueNumber(s.next())
	}
	if u.Made.IsZero() {
		u.Made = s.past()
	}
	s.state.Users.Put(s.past(), u.ID, u)
	_ = s.keep()
	return u
}

// User returns the user who has the address.
func (s *Server) User(email string) (User, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.userNamed(email)
}

// RemoveUser deletes a user, who leaves all groups and is marked in policies.
func (s *Server) RemoveUser(email string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, ok := s.userNamed(email)
	if !ok {
		return
	}
	s.state.Users.Delete(s.past(), u.ID)
	for _, id := range s.state.Groups.Keys() {
		s.leave(s.past(), id, u.PrimaryEmail)
	}
	s.forget(s.past(), "user:"+lowerASCII(u.PrimaryEmail))
	_ = s.keep()
}

// AddProject makes a project with an owner and returns its number.
func (s *Server) AddProject(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := Project{
		Number: strconv.FormatInt(400_000_000_000+s.next()*104_729, 10), ID: id, DisplayName: id,
		Parent: "organizations/" + s.options.Organization, State: "ACTIVE", Made: s.past(),
	}
	s.state.Projects.Put(s.past(), p.Number, p)
	s.state.Policies.Put(s.past(), p.Number, policy{Etag: s.etag(), Bindings: []binding{
		{Role: "roles/owner", Members: []string{"serviceAccount:projects@" + s.options.Organization + ".iam.gserviceaccount.com"}},
	}})
	_ = s.keep()
	return p.Number
}

// CloseProject asks for a project's deletion: it is there for thirty days, and
// nothing on it can be changed.
func (s *Server) CloseProject(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, ok := s.projectNamed(id); ok {
		p.State = "DELETE_REQUESTED"
		s.state.Projects.Put(s.past(), p.Number, p)
		_ = s.keep()
	}
}

// AddGroup makes a group with members and returns its id, without "groups/".
func (s *Server) AddGroup(email, description string, people ...string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.past()
	g := group{
		ID: s.id(), Email: lowerASCII(email), Description: description,
		Labels: map[string]string{forumLabel: ""}, Made: at, Updated: at, Visible: at,
	}
	s.state.Groups.Put(at, g.ID, g)
	for _, who := range people {
		s.join(at, g.ID, who, "MEMBER")
	}
	_ = s.keep()
	return g.ID
}

// Join puts an account into a group, Leave takes it out.
func (s *Server) Join(groupID, email string, roles ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.join(s.past(), groupID, email, append([]string{"MEMBER"}, roles...)...)
	_ = s.keep()
}

// Leave takes an account out of a group.
func (s *Server) Leave(groupID, email string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leave(s.past(), groupID, email)
	_ = s.keep()
}

// Describe overwrites a group's description.
func (s *Server) Describe(groupID, description string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g, ok := s.state.Groups.Get(groupID); ok {
		g.Description = description
		s.state.Groups.Put(s.past(), groupID, g)
		_ = s.keep()
	}
}

// DescriptionOf returns all that is described of a group, as it is now.
func (s *Server) DescriptionOf(groupID string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, _ := s.state.Groups.Get(groupID)
	return g.Description
}

// GroupID returns the id of the group of that address.
func (s *Server) GroupID(email string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := s.groupNamed(email)
	return g.ID, ok
}

// RemoveGroup deletes a group.
func (s *Server) RemoveGroup(groupID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.removeGroup(s.past(), groupID)
	_ = s.keep()
}

// Binding is one entry of a policy. Condition is JSON, or empty.
type Binding struct {
	Role      string
	Members   []string
	Condition string
}

// Bind adds to a project's policy.
func (s *Server) Bind(projectID string, add Binding) {
	s.change(projectID, func(p *policy) {
		b := binding{Role: add.Role, Members: add.Members}
		if add.Condition != "" {
			b.Condition = &condition{}
			if err := json.Unmarshal([]byte(add.Condition), b.Condition); err != nil {
				panic("google: not a condition: " + add.Condition)
			}
		}
		p.Bindings = merged(append(p.Bindings, b))
	})
}

// AllowDomains restricts a project's policy to principals of these domains, as the
// organization policy constraint iam.allowedPolicyMemberDomains does for the customers that
// own them. Principals that the policy names already stay. No domain lifts the restriction.
func (s *Server) AllowDomains(projectID string, domains ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.projectNamed(projectID)
	if !ok {
		panic("google: no such project: " + projectID)
	}
	s.state.Permitted[p.Number] = domains
	_ = s.keep()
}

// NewField gives a policy, and each of its bindings, a field that is newer than
// every client. A write of bindings that leaves it out there takes it away.
func (s *Server) NewField(projectID, name, value string) {
	s.change(projectID, func(p *policy) {
		s.state.Newer[name] = true
		p.Extra = put(p.Extra, name, json.RawMessage(value))
		for i, b := range p.Bindings {
			p.Bindings[i].Extra = put(b.Extra, name, json.RawMessage(value))
		}
	})
}

func (s *Server) change(projectID string, change func(*policy)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.projectNamed(projectID)
	if !ok {
		panic("google: no such project: " + projectID)
	}
	held, _ := s.state.Policies.Get(p.Number)
	held = held.clone()
	change(&held)
	held.Etag = s.etag()
	s.state.Policies.Put(s.past(), p.Number, held)
	_ = s.keep()
}

// Policy returns a project's policy as JSON of version 3.
func (s *Server) Policy(projectID string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.projectNamed(projectID)
	if !ok {
		return nil, fmt.Errorf("google: no project %q", projectID)
	}
	held, _ := s.state.Policies.Get(p.Number)
	return json.Marshal(held.json(3))
}

// Members returns the addresses of a group's members, in order.
func (s *Server) Members(groupID string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, m := range s.membersOf(groupID).All() {
		all = append(all, m.Email)
	}
	return all
}
