package document

import (
	"cmp"
	"encoding/json"
	"fmt"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/identity"
)

// Kind is the kind of a document, as in its envelope.
type Kind string

// The kinds that describe people's access.
const (
	KindWorkspace    Kind = "meshWorkspace"
	KindProject      Kind = "meshProject"
	KindUser         Kind = "meshUser"
	KindUserGroup    Kind = "meshWorkspaceUserGroup"
	KindProjectRole  Kind = "meshProjectRole"
	KindUserBinding  Kind = "meshProjectUserBinding"
	KindGroupBinding Kind = "meshProjectGroupBinding"
	KindPlatform     Kind = "meshPlatform"
	KindLandingZone  Kind = "meshLandingZone"
	KindTenant       Kind = "meshTenant"
)

// The kinds that give users and user groups a role on a workspace, and rights in Rollcall with it.
const (
	KindWorkspaceUserBinding  Kind = "meshWorkspaceUserBinding"
	KindWorkspaceGroupBinding Kind = "meshWorkspaceGroupBinding"
)

// KindGuard is the kind of documents that limit what may be taken from people.
const KindGuard Kind = "Guard"

// KindAccessPolicy is the kind of documents that say which callers may do what in Rollcall.
const KindAccessPolicy Kind = "AccessPolicy"

// ID names one document. It is unique and stable.
type ID struct {
	Kind Kind `json:"kind"`
	// Name is metadata.name where it is unique by itself, "<workspace>.<name>"
	// for projects and user groups (".<name>" for global groups), a platform's identifier
	// "<name>.<location>", and for a tenant the form of access.TenantID.
	Name string `json:"name"`
}

// Workspace is a team or department that owns projects.
type Workspace struct {
	Name        string
	DisplayName string
	Tags        map[string][]string
}

// Project is what people get roles on.
type Project struct {
	Workspace   string
	Name        string
	DisplayName string
	Tags        map[string][]string
}

// User is a person.
type User struct {
	Name      string
	Email     string
	FirstName string
	LastName  string
	// EUID is the external user id, unique over all people; empty when unknown.
	EUID string
	Tags map[string][]string
}

// UserGroup is a set of users. A workspace's group can be bound in its own workspace only, a
// global group in any.
type UserGroup struct {
	// Workspace is empty for a global group.
	Workspace   string
	Name        string
	DisplayName string
	// Members are names of Users.
	Members []string
}

// ProjectRole is a role people hold on projects.
type ProjectRole struct {
	Name string
	// DisplayName is spec.name: bindings may refer to a role by it.
	DisplayName string
	Rank        int
}

// Binding gives one subject one role on one project.
type Binding struct {
	Name      string
	Role      string // a ProjectRole's Name or DisplayName
	Workspace string
	Project   string
	Subject   string // a User's or a UserGroup's name
	// Ends is when the binding stops granting the role, in UTC; zero if it has no end.
	Ends time.Time
}

// WorkspaceRole is a role on a workspace. Package authz says what it allows.
type WorkspaceRole string

// The workspace roles, by the names that meshStack gives them.
const (
	WorkspaceOwner   WorkspaceRole = "Workspace Owner"
	WorkspaceManager WorkspaceRole = "Workspace Manager"
	WorkspaceMember  WorkspaceRole = "Workspace Member"
)

// WorkspaceBinding gives one subject one role on one workspace. It grants nothing on platforms.
type WorkspaceBinding struct {
	Name      string
	Role      WorkspaceRole
	Workspace string
	Subject   string // a User's or a UserGroup's name
	// Ends is when the binding stops granting the role, in UTC; zero if it has no end.
	Ends time.Time
}

// HasEnded reports whether the binding grants nothing at a time, because its end has come.
func (b WorkspaceBinding) HasEnded(at time.Time) bool { return !b.Ends.IsZero() && !at.Before(b.Ends) }

// RoleMapping says what a project role means on a platform.
type RoleMapping struct {
	// Role is a ProjectRole's Name or DisplayName.
	Role string
	// GroupAlias stands for the role in group names; the role's name when absent.
	GroupAlias string
	// Roles are the platform's roles that the group is bound to; none where the
	// group itself is all there is.
	Roles []string
	// Conditions limit when a role of Roles counts, by role, in the platform's
	// own language; nil without any.
	Conditions map[string]string
}

// Platform is one installation of a kind of platform, in one location.
type Platform struct {
	Name     string
	Location string
	// Type is the key of spec.config: "openstack", "memory".
	Type string
	// Connection is what the document names as its connection; empty for none, see
	// ConnectionName.
	Connection string
	// Settings is spec.config.<type> as JSON, for the driver.
	Settings    json.RawMessage
	Replication Replication
}

// Identifier returns "<name>.<location>", by which tenants and landing zones
// refer to the platform.
func (p Platform) Identifier() string { return p.Name + "." + p.Location }

// ConnectionName returns the name of the connection that the workers use for the
// platform: the one that the document names, else the platform's identifier.
func (p Platform) ConnectionName() string { return cmp.Or(p.Connection, p.Identifier()) }

// Replication is spec.config.<type>.replication: the same names on every type.
type Replication struct {
	EUIDPattern      string // "%s" when absent
	GroupNamePattern string
	RoleMappings     []RoleMapping
	// AdditionalPermissions is "keep", "remove", or empty for the type's default.
	AdditionalPermissions string
	// SkipCleanup is skipUserGroupPermissionCleanup; nil means the type's default.
	SkipCleanup *bool
	// ForbidRemovals is true for removals: forbid.
	ForbidRemovals bool
	// Rename is "recreate", "in-place" or "strict"; "recreate" when absent.
	Rename string
	// CarryForeignPermissions is true for "ask": what somebody else gave to a
	// group that is renamed may be carried over, by approval.
	CarryForeignPermissions bool
	// BringIn is true where Rollcall makes or invites accounts for people whom
	// the platform does not know: b2bUserInvitation or userCreation is set.
	BringIn bool
}

// LandingZone is a set of settings for tenants of one platform.
type LandingZone struct {
	Name string
	// Platform is the platform's Identifier.
	Platform string
	// Type is the platform type its properties are for; empty without any.
	Type string
	// RoleMappings replace the platform's where there is at least one.
	RoleMappings []RoleMapping
	// ForbidRemovals is true for removals: forbid.
	ForbidRemovals bool
	// ApproveDeletion is automateDeletionApproval: groups of removed tenants go
	// without an approval.
	ApproveDeletion bool
}

// Guard limits what may be taken from people without an approval. A limit of 0
// lets nothing go without one.
type Guard struct {
	// Name is empty for the limits that hold where no document says otherwise.
	Name string
	// Platforms are the Identifiers of those it is for; none means all that no
	// other Guard names.
	Platforms []string
	// GroupMost and GroupPercent bound what one plan takes from one group: the
	// larger of the two holds.
	GroupMost, GroupPercent int
	// ChangeMost bounds what one change of the documents takes on one platform,
	// within a day of it.
	ChangeMost int
	// HourMost bounds what is taken on one platform within an hour.
	HourMost int
}

// Revocation is a person whose access was revoked by name.
type Revocation struct {
	Person string
	// EUID is the person's when it was revoked: their document may be gone since.
	EUID string
}

// Names reports whether the revocation is that of a user, by the name or by an euid that may end
// in the same account.
func (r Revocation) Names(u User) bool {
	return r.Person == u.Name || r.EUID != "" && identity.SearchKey(r.EUID) == identity.SearchKey(u.EUID)
}

// Tenant is a project on a platform.
type Tenant struct {
	access.TenantID
	// LandingZone is a LandingZone's name, or empty.
	LandingZone string
	// LocalID is the platform's own id of the tenant: localId in v3,
	// platformTenantId in v4.
	LocalID string
}

// Drawn is what apply drew for a tenant at random or from a counter, so that
// equal documents always give equal names.
type Drawn struct {
	// Number is #{tenantPlatformNumber}: 1, 2, 3... in order of arrival on the
	// tenant's platform, never used twice.
	Number int `json:"number"`
	// Random is #{rand}: 100 characters from a-z and 0-9.
	Random string `json:"random"`
}

// TenantInput is everything that one tenant's desired access depends on: what
// desired.Compute reads.
type TenantInput struct {
	Tenant      Tenant
	Project     Project
	Platform    Platform
	LandingZone *LandingZone
	Roles       []ProjectRole
	// UserBindings and GroupBindings are those of the project.
	UserBindings  []Binding
	GroupBindings []Binding
	// UserGroups are those bound, Users everybody bound directly or through one.
	UserGroups []UserGroup
	Users      []User
	// SameAccount are the other users whose euids may end in the account of one of Users on
	// some platform.
	SameAccount []User
	Drawn       Drawn
	// Guard is the one in force on the platform, the default where no document
	// names another.
	Guard Guard
	// Revoked are all whose access is revoked by name, sorted by Person.
	Revoked []Revocation
	// Deleted is true for a tenant that only its tombstone remembers: nothing
	// is desired there any more.
	Deleted bool
	// Unnamed is true while the tenant has removals that no caller named: a document was
	// absent from an input that was applied with pruning.
	Unnamed bool
	// HasAuthors is true until a run has applied all changes of the documents that affect
	// the tenant.
	HasAuthors bool
	// Now is the time of the database's clock at which the documents were read. Bindings that
	// have ended by then grant nothing.
	Now time.Time
	// Generation counts the applies that changed any document, and the ends of bindings.
	Generation int64
}

// GroupName is the name of a group that a tenant's users with a project role get.
type GroupName struct {
	Tenant access.TenantID
	// Role is the project role.
	Role string
	Name string
	// Key is what the platform compares names by: two groups of a platform cannot have
	// one key.
	Key string
}

// RemovalsForbiddenBy names the document that forbids removals on the tenant, such
// as `the platform "aws.eu"`. It is empty where neither the platform nor the landing
// zone does.
func (in TenantInput) RemovalsForbiddenBy() string {
	switch {
	case in.Platform.Replication.ForbidRemovals:
		return fmt.Sprintf("the platform %q", in.Platform.Identifier())
	case in.LandingZone != nil && in.LandingZone.ForbidRemovals:
		return fmt.Sprintf("the landing zone %q", in.LandingZone.Name)
	default:
		return ""
	}
}

// Problem is one thing that is wrong with the input, and where.
type Problem struct {
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`  // 1-based; 0 when unknown
	Field  string `json:"field,omitempty"` // "spec.euid"
	Object string `json:"object,omitempty"`
	// Text says what is wrong and what to do.
	Text string `json:"text"`
}

// Document is one stored or read document.
type Document struct {
	ID         ID
	APIVersion string
	// Body is the whole document as JSON with sorted keys, without the fields
	// that only a server owns: equal documents have equal bodies.
	Body json.RawMessage
	// Drawn is what an exported tenant says it was given; nil without. It is not
	// part of Body.
	Drawn *Drawn
	// Source is what the object belongs to, and Fields what single fields belong to, by their
	// path, as spec.euid; other fields belong to Source. They are not part of Body. For an
	// object that is stored already, those that are stored count.
	Source Source
	Fields map[string]FieldSource
	// File and Line say where it was read; empty for a stored one.
	File string
	Line int
}
