package google

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/rollcall-iam/rollcall/internal/simulate"
)

// state is all that survives a restart.
type state struct {
	Next     int64                   `json:"next"`
	Users    simulate.Table[User]    `json:"users"`
	Groups   simulate.Table[group]   `json:"groups"`
	Members  map[string]*members     `json:"members"`
	Projects simulate.Table[Project] `json:"projects"`
	Policies simulate.Table[policy]  `json:"policies"`
	Accounts map[string]Account      `json:"accounts"`
	Pools    map[string]Provider     `json:"pools"`
	Tokens   map[string]grant        `json:"tokens"`
	// Permitted are the domains that the organization policy of a project permits, by the
	// project's number. A project without an entry permits all.
	Permitted map[string][]string `json:"permitted,omitempty"`
	// Newer are names of fields that policies have and no client knows yet.
	Newer map[string]bool `json:"newer"`
}

// members are the memberships of one group.
type members struct{ simulate.Table[membership] }

func newState() state {
	return state{
		Members: map[string]*members{}, Accounts: map[string]Account{}, Pools: map[string]Provider{},
		Tokens: map[string]grant{}, Newer: map[string]bool{}, Permitted: map[string][]string{},
	}
}

// User is a person of the customer's.
type User struct {
	ID           string   `json:"id"`
	PrimaryEmail string   `json:"primaryEmail"`
	GivenName    string   `json:"givenName"`
	FamilyName   string   `json:"familyName"`
	Aliases      []string `json:"aliases,omitempty"`
	// ExternalIDs are values of the type "organization".
	ExternalIDs []string  `json:"externalIds,omitempty"`
	Suspended   bool      `json:"suspended,omitempty"`
	Archived    bool      `json:"archived,omitempty"`
	Admin       bool      `json:"admin,omitempty"`
	Made        time.Time `json:"made"`
}

type group struct {
	ID          string            `json:"id"`
	Email       string            `json:"email"`
	DisplayName string            `json:"displayName"`
	Description string            `json:"description"`
	Labels      map[string]string `json:"labels"`
	Made        time.Time         `json:"made"`
	Updated     time.Time         `json:"updated"`
	// Visible is when the operation that makes it ends.
	Visible time.Time `json:"visible"`
}

type membership struct {
	ID    string    `json:"id"`
	Email string    `json:"email"`
	Type  string    `json:"type"`
	Roles []string  `json:"roles"`
	Made  time.Time `json:"made"`
}

// Project is a project of the organization's.
type Project struct {
	Number      string    `json:"number"`
	ID          string    `json:"id"`
	DisplayName string    `json:"displayName"`
	Parent      string    `json:"parent"`
	State       string    `json:"state"`
	Made        time.Time `json:"made"`
}

// binding is one entry of a policy. Extra are fields newer than every client.
type binding struct {
	Role      string                     `json:"role"`
	Members   []string                   `json:"members"`
	Condition *condition                 `json:"condition,omitempty"`
	Extra     map[string]json.RawMessage `json:"extra,omitempty"`
}

type condition struct {
	Expression  string `json:"expression"`
	Title       string `json:"title,omitempty"`
	Description string `json:"description,omitempty"`
	Location    string `json:"location,omitempty"`
}

type policy struct {
	Etag     string                     `json:"etag"`
	Bindings []binding                  `json:"bindings"`
	Audit    json.RawMessage            `json:"audit,omitempty"`
	Extra    map[string]json.RawMessage `json:"extra,omitempty"`
}

// next returns a number that was never given before. The caller holds the lock.
func (s *Server) next() int64 {
	s.state.Next++
	return s.state.Next
}

// id returns an id as Google's groups have them.
func (s *Server) id() string { return fmt.Sprintf("03%013s", base36(s.next()*60466177+811)) }

func base36(n int64) string {
	const digits = "0123456789abcdefghijklmnopqrstuvwxyz"
	var text []byte
	for ; n > 0; n /= 36 {
		text = append([]byte{digits[n%36]}, text...)
	}
	return strings.Repeat("0", max(0, 13-len(text))) + string(text)
}

// keep saves the state. The caller holds the lock.
func (s *Server) keep() error { return simulate.Save(s.options.File, s.state) }

// seen is the time as which groups, memberships and users are read.
func (s *Server) seen(c *call) time.Time { return c.now.Add(-s.options.Stale) }

// groupOf returns the group as readers see it.
func (s *Server) groupOf(at time.Time, id string) (group, bool) {
	g, ok := s.state.Groups.GetAt(at, id)
	return g, ok && !g.Visible.After(at)
}

// groupsAt returns all groups as readers see them.
func (s *Server) groupsAt(at time.Time) []group {
	var all []group
	for _, g := range s.state.Groups.AllAt(at) {
		if !g.Visible.After(at) {
			all = append(all, g)
		}
	}
	return all
}

// lowerASCII returns an address as Google keeps it: usernames have letters from a to z, and
// capital ones are made small ones (https://support.google.com/a/answer/9193374). Nothing is
// documented of other letters, so they stay.
func lowerASCII(address string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, address)
}

// groupNamed returns the group of that address as it is.
func (s *Server) groupNamed(email string) (group, bool) {
	for _, g := range s.state.Groups.All() {
		if g.Email == lowerASCII(email) {
			return g, true
		}
	}
	return group{}, false
}

// userNamed returns the user who has the address, as a primary one or an alias.
func (s *Server) userNamed(email string) (User, bool) {
	email = lowerASCII(email)
	for _, u := range s.state.Users.All() {
		if u.has(email) {
			return u, true
		}
	}
	return User{}, false
}

// has reports whether the user has the address, which is in lower case.
func (u User) has(email string) bool {
	if lowerASCII(u.PrimaryEmail) == email {
		return true
	}
	for _, alias := range u.Aliases {
		if lowerASCII(alias) == email {
			return true
		}
	}
	return false
}

// membersOf returns the memberships of a group, to be read and changed.
func (s *Server) membersOf(id string) *members {
	if s.state.Members[id] == nil {
		s.state.Members[id] = &members{}
	}
	return s.state.Members[id]
}
