package cloudfoundry

import (
	"slices"

	"github.com/google/uuid"
)

// AddOrganization makes an organization and returns its id.
func (s *Server) AddOrganization(name string) string {
	guid := uuid.NewString()
	s.change(func() {
		s.state.Orgs.Put(s.options.Clock(), guid, organization{GUID: guid, Name: name, Created: s.options.Clock()})
	})
	return guid
}

// AddSpace makes a space in the organization and returns its id.
func (s *Server) AddSpace(org, name string) string {
	guid := uuid.NewString()
	s.change(func() {
		s.state.Spaces.Put(s.options.Clock(), guid, space{GUID: guid, Name: name, Org: org, Created: s.options.Clock()})
	})
	return guid
}

// AddAccount makes an account in UAA, which the Cloud Controller does not know
// yet, and returns its id.
func (s *Server) AddAccount(name, origin string) (guid string) {
	s.change(func() { guid = s.newAccount(name, origin).ID })
	return guid
}

// AddUser makes an account that the Cloud Controller knows, and returns its id.
func (s *Server) AddUser(name, origin string) (guid string) {
	s.change(func() {
		guid = s.newAccount(name, origin).ID
		s.newUser(guid)
	})
	return guid
}

// GiveRole gives a role, as somebody else would, in the space or else in the
// organization, and returns its id. A space's user is put into its organization.
func (s *Server) GiveRole(kind, spaceGUID, org, who string) (guid string) {
	s.change(func() {
		p, inSpace := s.state.Spaces.Get(spaceGUID)
		if inSpace && !s.has(func(x role) bool { return x.User == who && x.Org == p.Org }) {
			s.putRole(role{Type: "organization_user", Org: p.Org, User: who})
		}
		if inSpace {
			org = ""
		}
		guid = s.putRole(role{Type: kind, Space: spaceGUID, Org: org, User: who}).GUID
	})
	return guid
}

// RemoveRole ends a role at once, as if its job were done.
func (s *Server) RemoveRole(guid string) {
	s.change(func() { s.state.Roles.Delete(s.options.Clock(), guid) })
}

// RemoveSpace deletes a space with its roles.
func (s *Server) RemoveSpace(guid string) {
	s.change(func() {
		for _, e := range s.state.Roles.All() {
			if e.Space == guid {
				s.state.Roles.Delete(s.options.Clock(), e.GUID)
			}
		}
		s.state.Spaces.Delete(s.options.Clock(), guid)
	})
}

// RemoveAccount deletes an account in UAA. The Cloud Controller keeps its roles,
// of a user without a name.
func (s *Server) RemoveAccount(guid string) {
	s.change(func() { s.state.Accounts.Delete(s.options.Clock(), guid) })
}

// Disable stops an account from signing in, in UAA.
func (s *Server) Disable(guid string) {
	s.change(func() {
		a, ok := s.state.Accounts.Get(guid)
		a.Active = false
		if ok {
			s.state.Accounts.Put(s.options.Clock(), guid, a)
		}
	})
}

// FailJobs lets the next jobs end as FAILED, with nothing done.
func (s *Server) FailJobs(n int) { s.change(func() { s.failJobs = n }) }

// Role is a role as it is now.
type Role struct{ GUID, Type, Space, Org, User string }

// Roles returns all roles there are, the oldest first.
func (s *Server) Roles() (roles []Role) {
	s.change(func() {
		all := s.state.Roles.All()
		slices.SortStableFunc(all, func(a, b role) int { return a.Created.Compare(b.Created) })
		for _, e := range all {
			roles = append(roles, Role{e.GUID, e.Type, e.Space, e.Org, e.User})
		}
	})
	return roles
}

// change does something behind everybody's back.
func (s *Server) change(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endJobs()
	do()
	s.save()
}
