package aws

import "time"

// membership is one user in one group.
type membership struct {
	ID      string    `json:"id"`
	Group   string    `json:"group"`
	User    string    `json:"user"`
	Created time.Time `json:"created"`
}

// key is the same for every membership of the user in the group.
func (m membership) key() string { return m.Group + "/" + m.User }

type memberID struct {
	UserID *string `json:"UserId,omitempty" shape:"ResourceId"`
}

type membershipAnswer struct {
	IdentityStoreID string   `json:"IdentityStoreId"`
	MembershipID    string   `json:"MembershipId"`
	GroupID         string   `json:"GroupId"`
	MemberID        memberID `json:"MemberId"`
	CreatedAt       float64  `json:"CreatedAt,omitempty"`
}

type createMembership struct {
	IdentityStoreID string   `json:"IdentityStoreId" shape:"!IdentityStoreId"`
	GroupID         string   `json:"GroupId"         shape:"!ResourceId"`
	MemberID        memberID `json:"MemberId"        shape:"!"`
}

type membershipRef struct {
	IdentityStoreID string `json:"IdentityStoreId" shape:"!IdentityStoreId"`
	MembershipID    string `json:"MembershipId"    shape:"!ResourceId"`
}

type listMembers struct {
	IdentityStoreID string  `json:"IdentityStoreId" shape:"!IdentityStoreId"`
	GroupID         string  `json:"GroupId"         shape:"!ResourceId"`
	MaxResults      *int    `json:"MaxResults"      shape:"MaxResults"`
	NextToken       *string `json:"NextToken"       shape:"NextToken"`
}

type listOfMember struct {
	IdentityStoreID string   `json:"IdentityStoreId" shape:"!IdentityStoreId"`
	MemberID        memberID `json:"MemberId"        shape:"!"`
	MaxResults      *int     `json:"MaxResults"      shape:"MaxResults"`
	NextToken       *string  `json:"NextToken"       shape:"NextToken"`
}

type isMember struct {
	IdentityStoreID string   `json:"IdentityStoreId" shape:"!IdentityStoreId"`
	MemberID        memberID `json:"MemberId"        shape:"!"`
	GroupIDs        []string `json:"GroupIds"        shape:"!ResourceId"`
}

func (s *Server) memberOperations() []handler {
	return []handler{
		op(s, "identitystore.CreateGroupMembership", identityStore, true, s.createMembership),
		op(s, "identitystore.DeleteGroupMembership", identityStore, true, s.deleteMembership),
		op(s, "identitystore.DescribeGroupMembership", identityStore, false, s.describeMembership),
		op(s, "identitystore.GetGroupMembershipId", identityStore, false, s.getMembershipID),
		op(s, "identitystore.ListGroupMemberships", identityStore, false, s.listMembers),
		op(s, "identitystore.ListGroupMembershipsForMember", identityStore, false, s.listOfMember),
		op(s, "identitystore.IsMemberInGroups", identityStore, false, s.isMember),
	}
}

// both refuses a group or a user that is not there at the time.
func (s *Server) both(store, groupID string, member memberID, at time.Time) *refusal {
	if refused := s.ofStore(store); refused != nil {
		return refused
	}
	if member.UserID == nil {
		return refuse(validation, "MemberId must have exactly one member")
	}
	if _, ok := s.db.Groups.GetAt(at, groupID); !ok {
		return missing("GROUP", groupID)
	}
	if _, ok := s.db.Users.GetAt(at, *member.UserID); !ok {
		return missing("USER", *member.UserID)
	}
	return nil
}

func (s *Server) createMembership(in createMembership) (any, *refusal) {
	if refused := s.both(in.IdentityStoreID, in.GroupID, in.MemberID, s.now()); refused != nil {
		return nil, refused
	}
	m := membership{ID: s.newID(), Group: in.GroupID, User: *in.MemberID.UserID, Created: s.now()}
	if _, there := s.db.Members.Get(m.key()); there {
		return nil, refuse(conflict, "Member and Group relationship already exists.").with("Reason", "UNIQUENESS_CONSTRAINT_VIOLATION")
	}
	s.putMember(m)
	return map[string]string{"MembershipId": m.ID, "IdentityStoreId": s.db.Store}, nil
}

func (s *Server) putMember(m membership) {
	s.db.Members.Put(s.now(), m.key(), m)
	remember(s.db.InGroup, m.Group, m.key())
	remember(s.db.InUser, m.User, m.key())
	s.db.ByID[m.ID] = m.key()
}

// membership returns the membership of that id at a time.
func (s *Server) membership(in membershipRef, at time.Time) (membership, *refusal) {
	if refused := s.ofStore(in.IdentityStoreID); refused != nil {
		return membership{}, refused
	}
	m, ok := s.db.Members.GetAt(at, s.db.ByID[in.MembershipID])
	if !ok || m.ID != in.MembershipID {
		return membership{}, missing("GROUP_MEMBERSHIP", in.MembershipID)
	}
	return m, nil
}

func (s *Server) deleteMembership(in membershipRef) (any, *refusal) {
	m, refused := s.membership(in, s.now())
	if refused != nil {
		return nil, refused
	}
	s.db.Members.Delete(s.now(), m.key())
	return nothing{}, nil
}

func (s *Server) describeMembership(in membershipRef) (any, *refusal) {
	m, refused := s.membership(in, s.seen())
	if refused != nil {
		return nil, refused
	}
	return s.answerMember(m), nil
}

func (s *Server) answerMember(m membership) membershipAnswer {
	return membershipAnswer{
		IdentityStoreID: s.db.Store, MembershipID: m.ID, GroupID: m.Group, MemberID: memberID{&m.User}, CreatedAt: seconds(m.Created),
	}
}

func (s *Server) getMembershipID(in createMembership) (any, *refusal) {
	if refused := s.both(in.IdentityStoreID, in.GroupID, in.MemberID, s.seen()); refused != nil {
		return nil, refused
	}
	m, ok := s.db.Members.GetAt(s.seen(), membership{Group: in.GroupID, User: *in.MemberID.UserID}.key())
	if !ok {
		return nil, refuse(notFound, "GROUP_MEMBERSHIP not found.").with("ResourceType", "GROUP_MEMBERSHIP")
	}
	return map[string]string{"MembershipId": m.ID, "IdentityStoreId": s.db.Store}, nil
}

func (s *Server) listMembers(in listMembers) (any, *refusal) {
	if refused := s.ofStore(in.IdentityStoreID); refused != nil {
		return nil, refused
	}
	if _, ok := s.db.Groups.GetAt(s.seen(), in.GroupID); !ok {
		return nil, missing("GROUP", in.GroupID)
	}
	return s.memberPage("members-"+in.GroupID, paging{in.MaxResults, in.NextToken}, s.db.InGroup[in.GroupID])
}

func (s *Server) listOfMember(in listOfMember) (any, *refusal) {
	if refused := s.ofStore(in.IdentityStoreID); refused != nil {
		return nil, refused
	}
	if in.MemberID.UserID == nil {
		return nil, refuse(validation, "MemberId must have exactly one member")
	}
	id := *in.MemberID.UserID
	if _, ok := s.db.Users.GetAt(s.seen(), id); !ok {
		return nil, missing("USER", id)
	}
	return s.memberPage("groups-of-"+id, paging{in.MaxResults, in.NextToken}, s.db.InUser[id])
}

func (s *Server) memberPage(kind string, ask paging, keys []string) (any, *refusal) {
	rows, next, refused := page(s, kind, maxPage, ask, rowsAt(&s.db.Members, s.seen(), keys), membership.key)
	if refused != nil {
		return nil, refused
	}
	answers := []membershipAnswer{}
	for _, m := range rows {
		answers = append(answers, s.answerMember(m))
	}
	return struct {
		GroupMemberships []membershipAnswer `json:"GroupMemberships"`
		NextToken        *string            `json:"NextToken,omitempty"`
	}{answers, next}, nil
}

func (s *Server) isMember(in isMember) (any, *refusal) {
	if len(in.GroupIDs) > maxPage {
		return nil, refuse(validation, "Value at 'groupIds' failed to satisfy constraint: "+
			"Member must have length less than or equal to 100")
	}
	type result struct {
		GroupID          string   `json:"GroupId"`
		MemberID         memberID `json:"MemberId"`
		MembershipExists bool     `json:"MembershipExists"`
	}
	results := []result{}
	for _, id := range in.GroupIDs {
		if refused := s.both(in.IdentityStoreID, id, in.MemberID, s.seen()); refused != nil {
			return nil, refused
		}
		_, there := s.db.Members.GetAt(s.seen(), membership{Group: id, User: *in.MemberID.UserID}.key())
		results = append(results, result{id, in.MemberID, there})
	}
	return map[string]any{"Results": results}, nil
}
