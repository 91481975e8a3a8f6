package aws

import (
	"slices"
	"time"
)

// user is a user of the Identity Store.
type user struct {
	ID       string      `json:"id"`
	UserName string      `json:"userName"`
	Details  userDetails `json:"details"`
	Disabled bool        `json:"disabled,omitempty"`
	Created  time.Time   `json:"created"`
}

// userDetails are the attributes that mean nothing here.
type userDetails struct {
	Name *struct {
		Formatted       *string `json:"Formatted,omitempty"       shape:"SensitiveStringType"`
		FamilyName      *string `json:"FamilyName,omitempty"      shape:"SensitiveStringType"`
		GivenName       *string `json:"GivenName,omitempty"       shape:"SensitiveStringType"`
		MiddleName      *string `json:"MiddleName,omitempty"      shape:"SensitiveStringType"`
		HonorificPrefix *string `json:"HonorificPrefix,omitempty" shape:"SensitiveStringType"`
		HonorificSuffix *string `json:"HonorificSuffix,omitempty" shape:"SensitiveStringType"`
	} `json:"Name,omitempty"`
	DisplayName *string `json:"DisplayName,omitempty"       shape:"SensitiveStringType"`
	NickName    *string `json:"NickName,omitempty"          shape:"SensitiveStringType"`
	Title       *string `json:"Title,omitempty"             shape:"SensitiveStringType"`
	UserType    *string `json:"UserType,omitempty"          shape:"SensitiveStringType"`
	Locale      *string `json:"Locale,omitempty"            shape:"SensitiveStringType"`
	Timezone    *string `json:"Timezone,omitempty"          shape:"SensitiveStringType"`
	ProfileURL  *string `json:"ProfileUrl,omitempty"        shape:"SensitiveStringType"`
	Language    *string `json:"PreferredLanguage,omitempty" shape:"SensitiveStringType"`
	Emails      []email `json:"Emails,omitempty"`
}

type email struct {
	Value   *string `json:"Value,omitempty"   shape:"SensitiveStringType"`
	Type    *string `json:"Type,omitempty"    shape:"SensitiveStringType"`
	Primary bool    `json:"Primary,omitempty"`
}

type createUser struct {
	userDetails

	IdentityStoreID string  `json:"IdentityStoreId" shape:"!IdentityStoreId"`
	UserName        *string `json:"UserName"        shape:"UserName"`
}

type userRef struct {
	IdentityStoreID string `json:"IdentityStoreId" shape:"!IdentityStoreId"`
	UserID          string `json:"UserId"          shape:"!ResourceId"`
}

type userAnswer struct {
	userDetails

	UserID          string  `json:"UserId"`
	UserName        string  `json:"UserName"`
	IdentityStoreID string  `json:"IdentityStoreId"`
	UserStatus      string  `json:"UserStatus"`
	CreatedAt       float64 `json:"CreatedAt,omitempty"`
}

func (s *Server) userOperations() []handler {
	return []handler{
		op(s, "identitystore.CreateUser", identityStore, true, s.createUser),
		op(s, "identitystore.DescribeUser", identityStore, false, s.describeUser),
		op(s, "identitystore.GetUserId", identityStore, false, s.getUserID),
		op(s, "identitystore.ListUsers", identityStore, false, s.listUsers),
		op(s, "identitystore.DeleteUser", identityStore, true, s.deleteUser),
	}
}

func (s *Server) userName(u user) string { return s.fold(u.UserName) }

// createUser wants what Identity Center wants: a user name, a given and a family
// name, a display name, and nothing that somebody else has.
func (s *Server) createUser(in createUser) (any, *refusal) {
	if refused := s.ofStore(in.IdentityStoreID); refused != nil {
		return nil, refused
	}
	name := in.Name
	switch {
	case in.UserName == nil:
		return nil, refuse(validation, "UserName is required")
	case in.DisplayName == nil, name == nil, name.GivenName == nil, name.FamilyName == nil:
		return nil, refuse(validation, "DisplayName, Name.GivenName and Name.FamilyName are required")
	case len(in.Emails) > 1:
		return nil, refuse(validation, "Value at 'emails' failed to satisfy constraint: Member must have length less than or equal to 1")
	case reserved(*in.UserName):
		return nil, refuse(validation, "%s is a reserved name.", *in.UserName)
	}
	if _, taken := holder(&s.db.Users, s.db.UserNames, s.now(), s.fold(*in.UserName), s.userName); taken {
		return nil, refuse(conflict, "Duplicate UserName").with("Reason", "UNIQUENESS_CONSTRAINT_VIOLATION")
	}
	if address := addressOf(in.userDetails); address != "" {
		if slices.ContainsFunc(s.db.Users.All(), func(u user) bool { return s.fold(addressOf(u.Details)) == s.fold(address) }) {
			return nil, refuse(conflict, "Duplicate email").with("Reason", "UNIQUENESS_CONSTRAINT_VIOLATION")
		}
	}
	u := user{ID: s.newID(), UserName: *in.UserName, Details: in.userDetails, Created: s.now()}
	s.putUser(u)
	return map[string]string{"UserId": u.ID, "IdentityStoreId": s.db.Store}, nil
}

func (s *Server) putUser(u user) {
	s.db.Users.Put(s.now(), u.ID, u)
	remember(s.db.UserNames, s.userName(u), u.ID)
}

func addressOf(d userDetails) string {
	if len(d.Emails) == 0 || d.Emails[0].Value == nil {
		return ""
	}
	return *d.Emails[0].Value
}

func (s *Server) answerUser(u user) userAnswer {
	status := "ENABLED"
	if u.Disabled {
		status = "DISABLED"
	}
	return userAnswer{
		UserID: u.ID, UserName: u.UserName, IdentityStoreID: s.db.Store, UserStatus: status,
		CreatedAt: seconds(u.Created), userDetails: u.Details,
	}
}

func (s *Server) describeUser(in userRef) (any, *refusal) {
	if refused := s.ofStore(in.IdentityStoreID); refused != nil {
		return nil, refused
	}
	u, ok := s.db.Users.GetAt(s.seen(), in.UserID)
	if !ok {
		return nil, missing("USER", in.UserID)
	}
	return s.answerUser(u), nil
}

func (s *Server) getUserID(in alternate) (any, *refusal) {
	path, value, refused := s.attribute(in, "USER")
	if refused != nil {
		return nil, refused
	}
	var found user
	var ok bool
	switch path {
	case "userName":
		found, ok = holder(&s.db.Users, s.db.UserNames, s.seen(), s.fold(value), s.userName)
	case "emails.value":
		for _, u := range s.db.Users.AllAt(s.seen()) {
			if addressOf(u.Details) == value {
				found, ok = u, true
			}
		}
	default:
		return nil, refuse(validation, "AttributePath %s is not supported", path)
	}
	if !ok {
		return nil, refuse(notFound, "USER not found.").with("ResourceType", "USER")
	}
	return map[string]string{"UserId": found.ID, "IdentityStoreId": s.db.Store}, nil
}

func (s *Server) listUsers(in listing) (any, *refusal) {
	name, filtered, refused := s.filter(in, "UserName")
	if refused != nil {
		return nil, refused
	}
	rows := s.db.Users.AllAt(s.seen())
	if filtered {
		rows = nil
		if u, ok := holder(&s.db.Users, s.db.UserNames, s.seen(), s.fold(name), s.userName); ok {
			rows = []user{u}
		}
	}
	rows, next, refused := page(s, "users", maxPage, paging{in.MaxResults, in.NextToken}, rows, func(u user) string { return u.ID })
	if refused != nil {
		return nil, refused
	}
	answers := []userAnswer{}
	for _, u := range rows {
		answers = append(answers, s.answerUser(u))
	}
	return struct {
		Users     []userAnswer `json:"Users"`
		NextToken *string      `json:"NextToken,omitempty"`
	}{answers, next}, nil
}

// deleteUser takes the memberships along.
func (s *Server) deleteUser(in userRef) (any, *refusal) {
	if refused := s.ofStore(in.IdentityStoreID); refused != nil {
		return nil, refused
	}
	if _, ok := s.db.Users.Get(in.UserID); !ok {
		return nil, missing("USER", in.UserID)
	}
	s.dropUser(in.UserID)
	return nothing{}, nil
}

func (s *Server) dropUser(id string) {
	s.db.Users.Delete(s.now(), id)
	for _, key := range s.db.InUser[id] {
		s.db.Members.Delete(s.now(), key)
	}
}
