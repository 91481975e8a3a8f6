package azure

import (
	"cmp"
	"crypto"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// The states of a guest's invitation.
const (
	PendingAcceptance = "PendingAcceptance"
	Accepted          = "Accepted"
)

// FederatedCredential lets an app sign in with the token of another issuer.
type FederatedCredential struct {
	Issuer   string `json:"issuer"`
	Subject  string `json:"subject"`
	Audience string `json:"audience"` // api://AzureADTokenExchange when empty
	// Key is the issuer's public key (RSA, for RS256), which the real Entra reads
	// from the issuer's discovery document.
	Key crypto.PublicKey `json:"-"`
	// PKIX is Key as the state file holds it.
	PKIX []byte `json:"key"`
}

// Permissions are what an app may do. The zero Permissions allow all.
type Permissions struct {
	NoDirectoryRead  bool `json:"noDirectoryRead,omitempty"`  // Directory.Read.All is missing
	NoGroupWrite     bool `json:"noGroupWrite,omitempty"`     // Group.ReadWrite.All is missing
	NoInvite         bool `json:"noInvite,omitempty"`         // User.Invite.All is missing
	NoRoleRead       bool `json:"noRoleRead,omitempty"`       // Microsoft.Authorization/roleAssignments/read is missing
	NoRoleWrite      bool `json:"noRoleWrite,omitempty"`      // .../write and .../delete are missing
	NoSubscriptions  bool `json:"noSubscriptions,omitempty"`  // no role on any subscription: ARM shows none
	NoUnits          bool `json:"noUnits,omitempty"`          // AdministrativeUnit.ReadWrite.All is missing
	NoPermanentPurge bool `json:"noPermanentPurge,omitempty"` // may not purge or restore deleted items
}

// seed runs do under the lock. What it does has happened long enough ago for all
// reads to show it.
func (s *Server) seed(do func(at time.Time)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do(s.seen())
	s.changed()
}

// directory returns a tenant that a test or the demo made. One that is not there
// is a mistake in the caller's code.
func (s *Server) directory(tenant string) *directory {
	d := s.state.Directories[strings.ToLower(tenant)]
	if d == nil {
		panic(fmt.Sprintf("simulate: there is no Entra tenant %q", tenant))
	}
	return d
}

// AddTenant makes an Entra tenant and returns its id, which is drawn when empty.
// An id that is known stays as it is.
func (s *Server) AddTenant(id, domain string) string {
	id = strings.ToLower(cmp.Or(id, uuid.NewString()))
	s.seed(func(time.Time) {
		if s.state.Directories[id] == nil {
			s.state.Directories[id] = &directory{
				ID: id, Domain: domain, Apps: map[string]*application{}, Born: map[string]time.Time{},
				Memberships: map[string]map[string]bool{}, Unique: map[string]string{},
				Names: map[string]string{}, Guests: map[string]string{},
			}
		}
	})
	return id
}

// AddApp registers an app with one more secret (none when empty) and returns the
// object id of its service principal.
func (s *Server) AddApp(tenant, clientID, secret string) string {
	var principal string
	s.seed(func(time.Time) {
		a := s.app(tenant, clientID)
		if secret != "" && !slices.Contains(a.Secrets, secret) {
			a.Secrets = append(a.Secrets, secret)
		}
		principal = a.Principal
	})
	return principal
}

// app returns an app, and registers it first if need be.
func (s *Server) app(tenant, clientID string) *application {
	d, id := s.directory(tenant), strings.ToLower(clientID)
	if d.Apps[id] == nil {
		d.Apps[id] = &application{ClientID: id, Principal: uuid.NewString()}
	}
	return d.Apps[id]
}

// RemoveSecrets takes all secrets of an app away.
func (s *Server) RemoveSecrets(tenant, clientID string) {
	s.seed(func(time.Time) { s.app(tenant, clientID).Secrets = nil })
}

// AddFederatedCredential lets an app sign in with tokens of another issuer.
func (s *Server) AddFederatedCredential(tenant, clientID string, f FederatedCredential) error {
	key, err := x509.MarshalPKIXPublicKey(f.Key)
	if err != nil {
		return fmt.Errorf("simulate: the issuer's key: %w", err)
	}
	f.PKIX, f.Key = key, nil
	f.Audience = cmp.Or(f.Audience, "api://AzureADTokenExchange")
	s.seed(func(time.Time) {
		a := s.app(tenant, clientID)
		a.Federated = append(a.Federated, f)
	})
	return nil
}

// AddCertificate lets an app sign in with what the certificate's key signed.
func (s *Server) AddCertificate(tenant, clientID string, certificate *x509.Certificate) {
	s.seed(func(time.Time) {
		a := s.app(tenant, clientID)
		a.Certificates = append(a.Certificates, certificate.Raw)
	})
}

// SetPermissions changes what an app may do.
func (s *Server) SetPermissions(tenant, clientID string, p Permissions) {
	s.seed(func(time.Time) { s.app(tenant, clientID).Permissions = p })
}

// AddUser makes a member of the tenant and returns the object id; mail may be
// empty. A known userPrincipalName gets what is given and keeps its id.
func (s *Server) AddUser(tenant, upn, mail string, enabled bool) string {
	var id string
	s.seed(func(at time.Time) {
		d := s.directory(tenant)
		u, known := d.byUPN(upn)
		if !known {
			nickname, _, _ := strings.Cut(upn, "@")
			u = User{ID: uuid.NewString(), UserPrincipalName: upn, DisplayName: nickname, MailNickname: nickname, Created: at}
		}
		u.Mail, u.Enabled = mail, enabled
		d.putUser(at, u)
		id = u.ID
	})
	return id
}

// AddGuestPending invites somebody, as an administrator would, and returns the
// guest's object id.
func (s *Server) AddGuestPending(tenant, mail string) string {
	var id string
	s.seed(func(at time.Time) { id = s.directory(tenant).invite(at, mail, "").ID })
	return id
}

// invite returns the guest with that mail, made if need be.
func (d *directory) invite(at time.Time, mail, name string) User {
	if u, known := d.Users.Get(d.Guests[strings.ToLower(mail)]); known {
		return u
	}
	local := strings.ReplaceAll(mail, "@", "_")
	u := User{
		ID: uuid.NewString(), UserPrincipalName: local + "#EXT#@" + d.Domain, Mail: mail, DisplayName: cmp.Or(name, mail),
		MailNickname: local + "#EXT#", Enabled: true, Guest: true, ExternalState: PendingAcceptance, Created: at,
	}
	d.putUser(at, u)
	return u
}

// Accept redeems a guest's invitation.
func (s *Server) Accept(tenant, id string) {
	s.changeUser(tenant, id, func(u *User) { u.ExternalState = Accepted })
}

// SetAddresses gives an account further addresses: otherMails, and proxyAddresses, which have
// "smtp:" before them.
func (s *Server) SetAddresses(tenant, id string, otherMails, proxyAddresses []string) {
	s.changeUser(tenant, id, func(u *User) { u.OtherMails, u.ProxyAddresses = otherMails, proxyAddresses })
}

// DisableUser blocks an account from signing in.
func (s *Server) DisableUser(tenant, id string) {
	s.changeUser(tenant, id, func(u *User) { u.Enabled = false })
}

// EnableUser lets an account sign in again.
func (s *Server) EnableUser(tenant, id string) {
	s.changeUser(tenant, id, func(u *User) { u.Enabled = true })
}

func (s *Server) changeUser(tenant, id string, do func(*User)) {
	s.seed(func(at time.Time) {
		d := s.directory(tenant)
		if u, ok := d.Users.Get(id); ok {
			do(&u)
			d.putUser(at, u)
		}
	})
}

// DeleteUser deletes an account; its memberships go with it.
func (s *Server) DeleteUser(tenant, id string) {
	s.seed(func(at time.Time) {
		d := s.directory(tenant)
		if u, ok := d.Users.Get(id); ok {
			d.deleteUser(at, u)
		}
	})
}

// AddAdministrativeUnit makes an administrative unit and returns its id.
func (s *Server) AddAdministrativeUnit(tenant, name string) string {
	id := uuid.NewString()
	s.seed(func(at time.Time) { s.directory(tenant).Units.Put(at, id, unit{ID: id, DisplayName: name}) })
	return id
}

// UnitMembers returns the object ids in an administrative unit.
func (s *Server) UnitMembers(tenant, id string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, _ := s.directory(tenant).Units.Get(id)
	return slices.Clone(u.Members)
}

// PlantGroup makes a group as somebody else would and returns its id. ID,
// MailNickname and Created may be empty.
func (s *Server) PlantGroup(tenant string, g Group) string {
	s.seed(func(at time.Time) {
		g.ID = cmp.Or(g.ID, uuid.NewString())
		g.MailNickname = cmp.Or(g.MailNickname, "planted")
		if g.Created.IsZero() {
			g.Created = at
		}
		g.Members = slices.Clone(g.Members)
		s.directory(tenant).putGroup(at, g)
	})
	return g.ID
}

// SetGroup changes a group as somebody else would; one that is not there stays so.
func (s *Server) SetGroup(tenant, id string, do func(*Group)) {
	s.seed(func(at time.Time) {
		d := s.directory(tenant)
		if g, ok := d.Groups.Get(id); ok {
			g.Members = slices.Clone(g.Members)
			do(&g)
			d.putGroup(at, g)
		}
	})
}

// AddMember and RemoveMember change a group's members as somebody else would.
func (s *Server) AddMember(tenant, group, member string) {
	s.SetGroup(tenant, group, func(g *Group) { g.Members = append(without(g.Members, member), member) })
}

// RemoveMember takes a member out of a group as somebody else would.
func (s *Server) RemoveMember(tenant, group, member string) {
	s.SetGroup(tenant, group, func(g *Group) { g.Members = without(g.Members, member) })
}

// DeleteGroup deletes a group by hand; it goes to the deleted items.
func (s *Server) DeleteGroup(tenant, id string) {
	s.seed(func(at time.Time) {
		d := s.directory(tenant)
		if g, ok := d.Groups.Get(id); ok {
			d.deleteGroup(at, g)
		}
	})
}

// Groups returns the groups as they are, whatever reads show.
func (s *Server) Groups(tenant string) []Group {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.directory(tenant).Groups.All()
}

// Group returns one group as it is.
func (s *Server) Group(tenant, id string) (Group, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.directory(tenant).Groups.Get(id)
}

// Users returns the accounts as they are.
func (s *Server) Users(tenant string) []User {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.directory(tenant).Users.All()
}
