package aws

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// group is a group of the Identity Store.
type group struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	Description string    `json:"description,omitempty"`
	Created     time.Time `json:"created"`
	Updated     time.Time `json:"updated"`
	// Revision counts the changes; callers see it as an opaque text.
	Revision int `json:"revision"`
}

// groupAnswer is a group as the API shows it.
type groupAnswer struct {
	GroupID         string  `json:"GroupId"`
	GroupARN        string  `json:"GroupArn"`
	Revision        string  `json:"Revision"`
	DisplayName     string  `json:"DisplayName,omitempty"`
	Description     string  `json:"Description,omitempty"`
	IdentityStoreID string  `json:"IdentityStoreId"`
	CreatedAt       float64 `json:"CreatedAt,omitempty"`
	UpdatedAt       float64 `json:"UpdatedAt,omitempty"`
}

type createGroup struct {
	IdentityStoreID string  `json:"IdentityStoreId" shape:"!IdentityStoreId"`
	DisplayName     *string `json:"DisplayName"     shape:"GroupDisplayName"`
	Description     *string `json:"Description"     shape:"SensitiveStringType"`
}

type groupRef struct {
	IdentityStoreID string `json:"IdentityStoreId" shape:"!IdentityStoreId"`
	GroupID         string `json:"GroupId"         shape:"!ResourceId"`
}

type dropGroup struct {
	IdentityStoreID string  `json:"IdentityStoreId" shape:"!IdentityStoreId"`
	GroupID         string  `json:"GroupId"         shape:"!ResourceId"`
	Revision        *string `json:"Revision"        shape:"SensitiveStringType"`
}

type uniqueAttribute struct {
	AttributePath  string          `json:"AttributePath"  shape:"!AttributePath"`
	AttributeValue json.RawMessage `json:"AttributeValue"`
}

type alternate struct {
	IdentityStoreID     string `json:"IdentityStoreId" shape:"!IdentityStoreId"`
	AlternateIdentifier struct {
		UniqueAttribute *uniqueAttribute `json:"UniqueAttribute"`
		ExternalID      *struct {
			Issuer string `json:"Issuer" shape:"!SensitiveStringType"`
			ID     string `json:"Id"     shape:"!SensitiveStringType"`
		} `json:"ExternalId"`
	} `json:"AlternateIdentifier"`
}

type listing struct {
	IdentityStoreID string  `json:"IdentityStoreId" shape:"!IdentityStoreId"`
	MaxResults      *int    `json:"MaxResults"      shape:"MaxResults"`
	NextToken       *string `json:"NextToken"       shape:"NextToken"`
	Filters         []struct {
		AttributePath  string `json:"AttributePath"  shape:"!AttributePath"`
		AttributeValue string `json:"AttributeValue" shape:"!SensitiveStringType"`
	} `json:"Filters"`
}

type update struct {
	IdentityStoreID string            `json:"IdentityStoreId" shape:"!IdentityStoreId"`
	GroupID         string            `json:"GroupId"         shape:"!ResourceId"`
	Operations      []uniqueAttribute `json:"Operations"`
	Revision        *string           `json:"Revision"        shape:"SensitiveStringType"`
}

// written is the answer to what made or changed a group.
type written struct {
	IdentityStoreID string `json:"IdentityStoreId"`
	GroupID         string `json:"GroupId"`
	GroupARN        string `json:"GroupArn"`
	Revision        string `json:"Revision"`
}

// nothing is the answer of an operation that only does what it is asked.
type nothing struct{}

func (s *Server) groupOperations() []handler {
	return []handler{
		op(s, "identitystore.CreateGroup", identityStore, true, s.createGroup),
		op(s, "identitystore.DescribeGroup", identityStore, false, s.describeGroup),
		op(s, "identitystore.GetGroupId", identityStore, false, s.getGroupID),
		op(s, "identitystore.ListGroups", identityStore, false, s.listGroups),
		op(s, "identitystore.UpdateGroup", identityStore, true, s.updateGroup),
		op(s, "identitystore.DeleteGroup", identityStore, true, s.deleteGroup),
	}
}

// ofStore refuses the id of another Identity Store.
func (s *Server) ofStore(id string) *refusal {
	if id != s.db.Store {
		return missing("IDENTITY_STORE", id)
	}
	return nil
}

// reserved are names that neither groups nor users may have.
func reserved(name string) bool { return name == "Administrator" || name == "AWSAdministrators" }

// freeGroupName refuses a name that another group than the one of the id has now.
func (s *Server) freeGroupName(name, id string) *refusal {
	if reserved(name) {
		return refuse(validation, "%s is a reserved name.", name)
	}
	if other, taken := holder(&s.db.Groups, s.db.GroupNames, s.now(), s.fold(name), s.groupName); taken && other.ID != id {
		return refuse(conflict, "Duplicate GroupDisplayName").with("Reason", "UNIQUENESS_CONSTRAINT_VIOLATION")
	}
	return nil
}

func (s *Server) groupName(g group) string { return s.fold(g.Name) }

func (s *Server) createGroup(in createGroup) (any, *refusal) {
	if refused := s.ofStore(in.IdentityStoreID); refused != nil {
		return nil, refused
	}
	if in.DisplayName == nil {
		return nil, refuse(validation, "DisplayName is required")
	}
	if refused := s.freeGroupName(*in.DisplayName, ""); refused != nil {
		return nil, refused
	}
	g := group{ID: s.newID(), Name: *in.DisplayName, Created: s.now(), Updated: s.now()}
	if in.Description != nil {
		g.Description = *in.Description
	}
	return s.putGroup(g), nil
}

// putGroup keeps a group under its next revision.
func (s *Server) putGroup(g group) written {
	g.Revision++
	s.db.Groups.Put(s.now(), g.ID, g)
	remember(s.db.GroupNames, s.groupName(g), g.ID)
	return written{IdentityStoreID: s.db.Store, GroupID: g.ID, GroupARN: groupARN(g), Revision: revision(g)}
}

func groupARN(g group) string { return "arn:aws:identitystore:::group/" + g.ID }

func revision(g group) string { return "r" + strconv.Itoa(g.Revision) + "-" + g.ID[len(g.ID)-8:] }

// moved refuses a write that expects another revision than the group has now. None
// expects anything.
func moved(g group, expected *string) *refusal {
	if expected == nil || *expected == revision(g) {
		return nil
	}
	return refuse(conflict, "The revision does not match the current revision of the resource").with("Reason", "CONCURRENT_MODIFICATION")
}

// newID is an id as the Identity Store gives them: its own, and a random one.
func (s *Server) newID() string { return strings.TrimPrefix(s.db.Store, "d-") + "-" + uuid.NewString() }

func (s *Server) answerGroup(g group) groupAnswer {
	return groupAnswer{
		GroupID: g.ID, GroupARN: groupARN(g), Revision: revision(g),
		DisplayName: g.Name, Description: g.Description, IdentityStoreID: s.db.Store,
		CreatedAt: seconds(g.Created), UpdatedAt: seconds(g.Updated),
	}
}

func (s *Server) describeGroup(in groupRef) (any, *refusal) {
	if refused := s.ofStore(in.IdentityStoreID); refused != nil {
		return nil, refused
	}
	g, ok := s.db.Groups.GetAt(s.seen(), in.GroupID)
	if !ok {
		return nil, missing("GROUP", in.GroupID)
	}
	return s.answerGroup(g), nil
}

// attribute reads the one unique attribute that an alternate identifier names.
func (s *Server) attribute(in alternate, kind string) (path, value string, refused *refusal) {
	if refused := s.ofStore(in.IdentityStoreID); refused != nil {
		return "", "", refused
	}
	by := in.AlternateIdentifier.UniqueAttribute
	switch external := in.AlternateIdentifier.ExternalID; {
	case (by == nil) == (external == nil):
		return "", "", refuse(validation, "AlternateIdentifier must have exactly one member")
	case external != nil:
		return "", "", missing(kind, external.ID) // nothing here has an external id
	}
	value, refused = text(by.AttributeValue)
	return by.AttributePath, value, refused
}

func (s *Server) getGroupID(in alternate) (any, *refusal) {
	path, value, refused := s.attribute(in, "GROUP")
	if refused != nil {
		return nil, refused
	}
	if path != "displayName" {
		return nil, refuse(validation, "AttributePath %s is not supported", path)
	}
	g, ok := holder(&s.db.Groups, s.db.GroupNames, s.seen(), s.fold(value), s.groupName)
	if !ok {
		return nil, refuse(notFound, "GROUP not found.").with("ResourceType", "GROUP")
	}
	return map[string]string{"GroupId": g.ID, "IdentityStoreId": s.db.Store}, nil
}

// filter returns the value that a list is filtered by, and whether it is.
func (s *Server) filter(in listing, path string) (value string, filtered bool, refused *refusal) {
	if refused := s.ofStore(in.IdentityStoreID); refused != nil {
		return "", false, refused
	}
	switch {
	case len(in.Filters) == 0:
		return "", false, nil
	case len(in.Filters) > 1:
		return "", false, refuse(validation, "Value at 'filters' failed to satisfy constraint: "+
			"Member must have length less than or equal to 1")
	case in.Filters[0].AttributePath != path:
		return "", false, refuse(validation, "Filtering by %s is not supported", in.Filters[0].AttributePath)
	default:
		return in.Filters[0].AttributeValue, true, nil
	}
}

func (s *Server) listGroups(in listing) (any, *refusal) {
	name, filtered, refused := s.filter(in, "DisplayName")
	if refused != nil {
		return nil, refused
	}
	rows := s.db.Groups.AllAt(s.seen())
	if filtered {
		rows = nil
		if g, ok := holder(&s.db.Groups, s.db.GroupNames, s.seen(), s.fold(name), s.groupName); ok {
			rows = []group{g}
		}
	}
	rows, next, refused := page(s, "groups", maxPage, paging{in.MaxResults, in.NextToken}, rows, func(g group) string { return g.ID })
	if refused != nil {
		return nil, refused
	}
	answers := []groupAnswer{}
	for _, g := range rows {
		answers = append(answers, s.answerGroup(g))
	}
	return struct {
		Groups    []groupAnswer `json:"Groups"`
		NextToken *string       `json:"NextToken,omitempty"`
	}{answers, next}, nil
}

func (s *Server) updateGroup(in update) (any, *refusal) {
	if refused := s.ofStore(in.IdentityStoreID); refused != nil {
		return nil, refused
	}
	g, ok := s.db.Groups.Get(in.GroupID)
	if !ok {
		return nil, missing("GROUP", in.GroupID)
	}
	if len(in.Operations) == 0 || len(in.Operations) > maxPage {
		return nil, refuse(validation, "Value at 'operations' failed to satisfy constraint: Member must have 1 to 100 entries")
	}
	for _, change := range in.Operations {
		if refused := s.changeGroup(&g, change); refused != nil {
			return nil, refused
		}
	}
	if refused := moved(g, in.Revision); refused != nil {
		return nil, refused
	}
	g.Updated = s.now()
	return s.putGroup(g), nil
}

// changeGroup does one of the operations of an update. A description can be taken
// away, by null; a name cannot.
func (s *Server) changeGroup(g *group, change uniqueAttribute) *refusal {
	removed := len(change.AttributeValue) == 0 || string(change.AttributeValue) == "null"
	if change.AttributePath == "description" && removed {
		g.Description = ""
		return nil
	}
	value, refused := text(change.AttributeValue)
	if refused != nil {
		return refused
	}
	kind := map[string]string{"displayName": "GroupDisplayName", "description": "SensitiveStringType"}[change.AttributePath]
	if kind == "" {
		return refuse(validation, "Updates for AttributePath: %s is not supported", change.AttributePath)
	}
	if what := s.shapes[kind].refuses(value); what != "" {
		return refuse(validation, "%s", what)
	}
	if kind == "SensitiveStringType" {
		g.Description = value
		return nil
	}
	g.Name = value
	return s.freeGroupName(value, g.ID)
}

// deleteGroup takes the memberships along; assignments stay behind.
func (s *Server) deleteGroup(in dropGroup) (any, *refusal) {
	if refused := s.ofStore(in.IdentityStoreID); refused != nil {
		return nil, refused
	}
	g, ok := s.db.Groups.Get(in.GroupID)
	if !ok {
		return nil, missing("GROUP", in.GroupID)
	}
	if refused := moved(g, in.Revision); refused != nil {
		return nil, refused
	}
	s.dropGroup(in.GroupID)
	return nothing{}, nil
}

func (s *Server) dropGroup(id string) {
	s.db.Groups.Delete(s.now(), id)
	for _, key := range s.db.InGroup[id] {
		s.db.Members.Delete(s.now(), key)
	}
}
