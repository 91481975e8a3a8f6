package azure

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-iam/rollcall/internal/simulate"
)

// state is all there is, as the file holds it.
type state struct {
	// Key signs access tokens.
	Key []byte `json:"key"`
	// Directories are the Entra tenants by id.
	Directories map[string]*directory `json:"directories"`
	// Subscriptions by id, in lower case.
	Subscriptions map[string]*subscription `json:"subscriptions"`
	// Assignments by name, in lower case.
	Assignments simulate.Table[Assignment] `json:"assignments"`
	// Roles are the definitions that are not built in, by GUID.
	Roles map[string]role `json:"roles"`

	key *ecdsa.PrivateKey
}

// directory is an Entra tenant.
type directory struct {
	ID            string                     `json:"id"`
	Domain        string                     `json:"domain"`
	Apps          map[string]*application    `json:"apps"`
	Users         simulate.Table[User]       `json:"users"`
	Groups        simulate.Table[Group]      `json:"groups"`
	Units         simulate.Table[unit]       `json:"units"`
	DeletedUsers  simulate.Table[User]       `json:"deletedUsers"`
	DeletedGroups simulate.Table[Group]      `json:"deletedGroups"`
	Born          map[string]time.Time       `json:"born"` // when each object can first be seen
	Log           []change                   `json:"log"`
	Memberships   map[string]map[string]bool `json:"memberships"` // groups of each member
	Unique        map[string]string          `json:"unique"`      // uniqueName to group, deleted ones included
	Names         map[string]string          `json:"names"`       // userPrincipalName in lower case to user
	Guests        map[string]string          `json:"guests"`      // mail in lower case to guest
	// Blocked are the domains, in lower case, whose users may not be invited; "*" is all.
	Blocked map[string]bool `json:"blocked,omitempty"`
}

// User is an account in an Entra tenant.
type User struct {
	ID                string    `json:"id"`
	UserPrincipalName string    `json:"userPrincipalName"`
	Mail              string    `json:"mail,omitempty"`
	OtherMails        []string  `json:"otherMails,omitempty"`
	ProxyAddresses    []string  `json:"proxyAddresses,omitempty"` // with "smtp:" before them
	DisplayName       string    `json:"displayName"`
	MailNickname      string    `json:"mailNickname"`
	Enabled           bool      `json:"enabled"`
	Guest             bool      `json:"guest,omitempty"`
	ExternalState     string    `json:"externalState,omitempty"` // PendingAcceptance, Accepted or empty
	Created           time.Time `json:"created"`
	Deleted           time.Time `json:"deleted,omitzero"`
}

// Group is a security group in an Entra tenant.
type Group struct {
	ID             string    `json:"id"`
	DisplayName    string    `json:"displayName"`
	Description    string    `json:"description,omitempty"`
	MailNickname   string    `json:"mailNickname"`
	UniqueName     string    `json:"uniqueName,omitempty"`
	RoleAssignable bool      `json:"roleAssignable,omitempty"`
	Members        []string  `json:"members,omitempty"` // object ids, in the order they came
	Created        time.Time `json:"created"`
	Deleted        time.Time `json:"deleted,omitzero"`
}

// unit is an administrative unit.
type unit struct {
	ID          string   `json:"id"`
	DisplayName string   `json:"displayName"`
	Members     []string `json:"members"`
}

// application is an app registration with its service principal.
type application struct {
	ClientID  string                `json:"clientId"`
	Principal string                `json:"principal"` // object id of the service principal
	Secrets   []string              `json:"secrets"`
	Federated []FederatedCredential `json:"federated,omitempty"`
	// Certificates are in DER.
	Certificates [][]byte    `json:"certificates,omitempty"`
	Permissions  Permissions `json:"permissions"`
}

// subscription is an Azure subscription.
type subscription struct {
	ID     string                   `json:"id"`
	Tenant string                   `json:"tenant"`
	Name   string                   `json:"name"`
	Owned  bool                     `json:"owned,omitempty"` // somebody was planted as its Owner
	Groups map[string]resourceGroup `json:"groups"`          // by name, in lower case
	// Disabled subscriptions are read-only.
	Disabled bool `json:"disabled,omitempty"`
	// Locks and Policies are scopes in lower case: with the level of a management lock, and
	// with the name of a policy assignment that denies new role assignments.
	Locks    map[string]LockLevel `json:"locks,omitempty"`
	Policies map[string]string    `json:"policies,omitempty"`
}

// resourceGroup is a resource group with its clusters by name, in lower case.
type resourceGroup struct {
	Name     string            `json:"name"`
	Clusters map[string]string `json:"clusters,omitempty"`
}

// Assignment is a role assignment.
type Assignment struct {
	// Name is a GUID; PlantAssignment draws one when it is empty.
	Name string `json:"name"`
	// Scope is "/subscriptions/...", also with a resource group or cluster.
	Scope string `json:"scope"`
	// Role is the GUID of the role definition.
	Role        string    `json:"role"`
	Principal   string    `json:"principal"`
	Type        string    `json:"type"` // User, Group, ServicePrincipal
	Condition   string    `json:"condition,omitempty"`
	Description string    `json:"description,omitempty"`
	Created     time.Time `json:"created"`
	Updated     time.Time `json:"updated"`
	CreatedBy   string    `json:"createdBy,omitempty"`
}

// role is a role definition.
type role struct {
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	Description string   `json:"description,omitempty"`
	Subs        []string `json:"subs,omitempty"` // where it can be assigned; everywhere when empty
	BuiltIn     bool     `json:"builtIn,omitempty"`
	Actions     []string `json:"actions,omitempty"`
	NotActions  []string `json:"notActions,omitempty"`
}

// prepare makes what a fresh state lacks.
func (st *state) prepare() error {
	if st.Directories == nil {
		st.Directories = map[string]*directory{}
	}
	if st.Subscriptions == nil {
		st.Subscriptions = map[string]*subscription{}
	}
	if st.Roles == nil {
		st.Roles = map[string]role{}
	}
	var err error
	if st.Key == nil {
		if st.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err == nil {
			st.Key, err = x509.MarshalECPrivateKey(st.key)
		}
	} else {
		st.key, err = x509.ParseECPrivateKey(st.Key)
	}
	if err != nil {
		return fmt.Errorf("simulate: the key of the tokens: %w", err)
	}
	return nil
}

// kind says what an object is to Graph and ARM: "user", "group",
// "servicePrincipal", or "" where there is none.
func (d *directory) kind(id string) string {
	if _, ok := d.Users.Get(id); ok {
		return "user"
	}
	if _, ok := d.Groups.Get(id); ok {
		return "group"
	}
	for _, a := range d.Apps {
		if a.Principal == id {
			return "servicePrincipal"
		}
	}
	return ""
}

// byUPN finds a user by userPrincipalName, which ignores case. Deleted users do
// not hold theirs: Entra changes it.
func (d *directory) byUPN(name string) (User, bool) {
	return d.Users.Get(d.Names[strings.ToLower(name)])
}

// putUser makes or replaces a user.
func (d *directory) putUser(at time.Time, u User) {
	if _, known := d.Users.Get(u.ID); !known {
		d.Born[u.ID] = at
	}
	d.Names[strings.ToLower(u.UserPrincipalName)] = u.ID
	if u.Guest {
		d.Guests[strings.ToLower(u.Mail)] = u.ID
	}
	d.Users.Put(at, u.ID, u)
}

// putGroup makes or replaces a group and writes down what changed.
func (d *directory) putGroup(at time.Time, g Group) {
	old, known := d.Groups.Get(g.ID)
	if !known {
		d.Born[g.ID] = at
	}
	if g.UniqueName != "" {
		d.Unique[g.UniqueName] = g.ID
	}
	d.Groups.Put(at, g.ID, g)
	d.record(at, g.ID, old.Members, g.Members)
}

// deleteGroup moves a group to the deleted items.
func (d *directory) deleteGroup(at time.Time, g Group) {
	d.Groups.Delete(at, g.ID)
	g.Deleted = at
	d.DeletedGroups.Put(at, g.ID, g)
	d.record(at, g.ID, g.Members, nil)
	d.leave(at, g.ID)
}

// deleteUser moves a user to the deleted items and out of all groups.
func (d *directory) deleteUser(at time.Time, u User) {
	d.Users.Delete(at, u.ID)
	delete(d.Names, strings.ToLower(u.UserPrincipalName))
	if u.Guest {
		delete(d.Guests, strings.ToLower(u.Mail))
	}
	u.Deleted = at
	u.UserPrincipalName = strings.ReplaceAll(u.ID, "-", "") + u.UserPrincipalName // as Entra renames them
	d.DeletedUsers.Put(at, u.ID, u)
	d.leave(at, u.ID)
}

// leave takes a deleted object out of the groups and units it is in.
func (d *directory) leave(at time.Time, id string) {
	for group := range d.Memberships[id] {
		if g, ok := d.Groups.Get(group); ok {
			g.Members = without(g.Members, id)
			d.putGroup(at, g)
		}
	}
	for _, u := range d.Units.All() {
		if slices.Contains(u.Members, id) {
			u.Members = without(u.Members, id)
			d.Units.Put(at, u.ID, u)
		}
	}
}

func set(list []string) map[string]bool {
	in := make(map[string]bool, len(list))
	for _, entry := range list {
		in[entry] = true
	}
	return in
}

// without copies a list and leaves an entry out.
func without(list []string, entry string) []string {
	var rest []string
	for _, e := range list {
		if e != entry {
			rest = append(rest, e)
		}
	}
	return rest
}
