package google

import (
	"slices"
	"strings"
	"time"
)

// membershipBody is what callers may write of a membership.
type membershipBody struct {
	Name       string     `json:"name"`
	Key        *entityKey `json:"preferredMemberKey"`
	Roles      []roleBody `json:"roles"`
	Type       string     `json:"type"`
	CreateTime string     `json:"createTime"`
	UpdateTime string     `json:"updateTime"`
}

type roleBody struct {
	Name string `json:"name"`
}

func membershipJSON(groupID string, full bool) func(membership) map[string]any {
	return func(m membership) map[string]any {
		answer := map[string]any{
			"name":               "groups/" + groupID + "/memberships/" + m.ID,
			"preferredMemberKey": map[string]any{"id": m.Email},
			"roles":              list(m.Roles, func(role string) map[string]any { return map[string]any{"name": role} }),
		}
		if full {
			answer["type"], answer["createTime"], answer["updateTime"] = m.Type, stamp(m.Made), stamp(m.Made)
		}
		return object(answer)
	}
}

// write lets one write to a group's members happen at a time: a second one is
// aborted, as Cloud Identity does.
func (s *Server) write(c *call, groupID string, change func(*members) (any, error)) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.state.Groups.Get(groupID); !ok {
		return nil, hidden("groups/"+groupID, "Group")
	}
	if s.busy[groupID] {
		return nil, refusal("ABORTED", "The operation was aborted.")
	}
	if s.options.WriteTime > 0 {
		s.busy[groupID] = true
		s.mu.Unlock()
		timer := time.NewTimer(s.options.WriteTime)
		select {
		case <-c.r.Context().Done():
		case <-timer.C:
		}
		timer.Stop()
		s.mu.Lock()
		delete(s.busy, groupID)
	}
	c.now = s.options.Clock()
	answer, err := change(s.membersOf(groupID))
	if err != nil {
		return nil, err
	}
	return answer, s.keep()
}

func (s *Server) createMembership(c *call) (any, error) {
	var body membershipBody
	if err := c.decode(&body); err != nil {
		return nil, err
	}
	if body.Key == nil || body.Key.ID == "" || body.Key.Namespace != "" {
		return nil, refusal("INVALID_ARGUMENT", "Request contains an invalid argument: preferred_member_key.")
	}
	roles, err := readRoles(body.Roles)
	if err != nil {
		return nil, err
	}
	id := c.vars[0]
	return s.write(c, id, func(of *members) (any, error) {
		email, _, ok := s.principal(body.Key.ID)
		if !ok {
			return nil, refusal("NOT_FOUND", "Error(4002): The member key does not name an entity that exists.")
		}
		for _, there := range of.All() {
			if there.Email == email {
				return nil, refusal("ALREADY_EXISTS",
					"Error(4003): Cannot create membership '%s' in 'groups/%s' because it already exists.", email, id)
			}
		}
		made := s.join(c.now, id, email, roles...)
		return done(membershipType, membershipJSON(id, true)(made)), nil
	})
}

// readRoles checks the roles of a new membership: none is MEMBER alone.
func readRoles(bodies []roleBody) ([]string, error) {
	var roles []string
	for _, role := range bodies {
		if !slices.Contains([]string{"OWNER", "MANAGER", "MEMBER"}, role.Name) || slices.Contains(roles, role.Name) {
			return nil, refusal("INVALID_ARGUMENT", "Request contains an invalid argument: roles.")
		}
		roles = append(roles, role.Name)
	}
	if len(roles) == 0 {
		return []string{"MEMBER"}, nil
	}
	if !slices.Contains(roles, "MEMBER") {
		return nil, refusal("INVALID_ARGUMENT", "MEMBER role must be specified.")
	}
	return roles, nil
}

// principal finds who an address belongs to: users and groups of the customer,
// and accounts elsewhere, of which anything is believed.
func (s *Server) principal(address string) (email, sort string, ok bool) {
	email = lowerASCII(address)
	if user, is := s.userNamed(email); is {
		return lowerASCII(user.PrimaryEmail), "USER", true
	}
	if g, is := s.groupNamed(email); is {
		return g.Email, "GROUP", true
	}
	_, domain, isAddress := strings.Cut(email, "@")
	if !isAddress || domain == s.options.Domain {
		return "", "", false
	}
	if strings.HasSuffix(domain, ".gserviceaccount.com") {
		return email, "SERVICE_ACCOUNT", true
	}
	return email, "USER", true
}

// join puts an account into a group. The caller holds the lock.
func (s *Server) join(now time.Time, groupID, email string, roles ...string) membership {
	_, sort, _ := s.principal(email)
	made := membership{ID: uniqueNumber(s.next()), Email: lowerASCII(email), Type: sort, Roles: roles, Made: now}
	s.membersOf(groupID).Put(now, made.ID, made)
	return made
}

// leave takes an account out of a group. The caller holds the lock.
func (s *Server) leave(now time.Time, groupID, email string) {
	of := s.membersOf(groupID)
	for _, there := range of.All() {
		if there.Email == lowerASCII(email) {
			of.Delete(now, there.ID)
		}
	}
}

func (s *Server) deleteMembership(c *call) (any, error) {
	id, name := c.vars[0], c.vars[1]
	return s.write(c, id, func(of *members) (any, error) {
		if _, ok := of.Get(name); !ok {
			return nil, hidden("groups/"+id+"/memberships/"+name, "Membership")
		}
		of.Delete(c.now, name)
		return done(emptyType, map[string]any{}), nil
	})
}

func (s *Server) getMembership(c *call) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, exists := s.groupOf(s.seen(c), c.vars[0])
	there, ok := s.membersOf(c.vars[0]).GetAt(s.seen(c), c.vars[1])
	if !exists || !ok {
		return nil, hidden("groups/"+c.vars[0]+"/memberships/"+c.vars[1], "Membership")
	}
	return membershipJSON(c.vars[0], true)(there), nil
}

func (s *Server) lookupMembership(c *call) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, exists := s.groupOf(s.seen(c), c.vars[0]); exists {
		for _, there := range s.membersOf(c.vars[0]).AllAt(s.seen(c)) {
			if there.Email == lowerASCII(c.query("memberKey.id")) {
				return map[string]any{"name": "groups/" + c.vars[0] + "/memberships/" + there.ID}, nil
			}
		}
	}
	return nil, hidden("groups/"+c.vars[0]+"/memberships", "Membership")
}

func (s *Server) listMemberships(c *call) (any, error) {
	s.mu.Lock()
	_, exists := s.groupOf(s.seen(c), c.vars[0])
	all := s.membersOf(c.vars[0]).AllAt(s.seen(c))
	s.mu.Unlock()
	if !exists {
		return nil, hidden("groups/"+c.vars[0], "Group")
	}
	rows, full, next, err := viewed(c, all, s.options.PageSize)
	if err != nil {
		return nil, err
	}
	return object(map[string]any{"memberships": list(rows, membershipJSON(c.vars[0], full)), "nextPageToken": next}), nil
}

func (s *Server) modifyRoles(c *call) (any, error) {
	var body struct {
		Add    []roleBody `json:"addRoles"`
		Remove []string   `json:"removeRoles"`
	}
	if err := c.decode(&body); err != nil {
		return nil, err
	}
	id, name := c.vars[0], c.vars[1]
	return s.write(c, id, func(of *members) (any, error) {
		there, ok := of.Get(name)
		if !ok {
			return nil, hidden("groups/"+id+"/memberships/"+name, "Membership")
		}
		roles := slices.Clone(there.Roles)
		for _, role := range body.Add {
			if !slices.Contains([]string{"OWNER", "MANAGER"}, role.Name) || slices.Contains(roles, role.Name) {
				return nil, refusal("INVALID_ARGUMENT", "Request contains an invalid argument: add_roles.")
			}
			roles = append(roles, role.Name)
		}
		for _, role := range body.Remove {
			if role == "MEMBER" || !slices.Contains(roles, role) {
				return nil, refusal("INVALID_ARGUMENT", "Request contains an invalid argument: remove_roles.")
			}
			roles = slices.DeleteFunc(roles, func(have string) bool { return have == role })
		}
		there.Roles = roles
		of.Put(c.now, name, there)
		return map[string]any{"membership": membershipJSON(id, true)(there)}, nil
	})
}
