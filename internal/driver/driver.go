// Package driver is the port every platform implements. The laws that go with
// these comments are executable: see package drivertest.
package driver

import (
	"cmp"
	"context"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/identity"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// Driver replicates access into one platform. Two methods think, three touch.
// A Driver is safe for use by many goroutines.
//
// Every error wraps one of package fault's and never names people or secrets.
// Drivers do not retry: the workflow does.
type Driver interface {
	// Profile says what the platform can do. It is constant and does no I/O.
	Profile() Profile

	// Fit reports why the platform could never hold the object (a name too
	// long, a character it refuses), wrapping fault.ErrInvalid or
	// fault.ErrUnsupported, or nil. It does no I/O.
	Fit(o plan.Object) error

	// Resolve looks up all the accounts at once and answers for each, in order.
	// "Not found" is an answer; "could not ask" is an error for all of them.
	Resolve(ctx context.Context, accounts []string) ([]access.Resolution, error)

	// Observe returns everything at each scope, ours or not, in order, or an
	// error: never a part. It changes nothing. A scope that does not exist on
	// the platform is Missing, which is no error and not an empty world.
	Observe(ctx context.Context, scopes []Scope) ([]Observation, error)

	// Apply makes the steps of one write unit true, in order, in as few calls
	// as the platform allows, and answers for each in the same order.
	//
	// Applying a step again changes nothing and is no error; neither is
	// creating what exists as wanted, adding a member who is there, or removing
	// what is gone. Create searches by name and mark first, so that a crash
	// after the call leaves no twin. A versioned object that is neither what
	// the step expects nor what it wants is fault.ErrConflict (a step whose Have
	// has no version compares the content), and so is a group
	// to delete whose mark, read just before, contradicts the scope's.
	//
	// {Change, KindGroup} makes the group whose id is Have's carry Want's name and
	// the scope's mark; the rest of what people wrote beside the mark stays, and
	// so do members and bindings. One step can do either or both: a rename, where
	// Profile.Renames, and an adoption. A group that is so already is no error, one
	// that is gone is fault.ErrNotFound. It is fault.ErrConflict where another group
	// of ours has the name (and where any has, if names are unique), where the group
	// is named neither as in Have nor as in Want, and where its mark, read just
	// before, names another owner: then nothing is changed. Where the platform
	// cannot rename, another name is fault.ErrUnsupported. The result is Have's Ref.
	//
	// Where the tenant is missing, or its id is none that the platform could give,
	// steps that only take from groups (TakesFromGroups) work as ever.
	//
	// {Create, KindBinding} with Binding.Carried gives what is nobody's: it has no
	// mark, and where bindings have names of their own, one that no binding of ours
	// has. Observe shows it as any binding that somebody else made.
	Apply(ctx context.Context, scope Scope, steps []plan.Step) []Result
}

// Scope is one tenant as the platform knows it.
type Scope struct {
	Tenant access.TenantID
	// ID is the platform's own id of the tenant: account, project, namespace.
	ID string
	// Groups are looked for even where nothing is bound to them: the desired
	// ones and those of the ledger. Name is always set, Ref where it is known.
	Groups []access.Group
	// Mark is what this installation writes on this tenant's objects.
	Mark access.Mark
	// Marks asks Observe to read every mark, also where that costs a call more.
	// Plans that remove anything are made from such a read.
	Marks bool
}

// Observation is what is at one scope.
type Observation struct {
	State access.State
	// Missing is true when the platform says that there is no such tenant. What
	// lives beside it may have outlived it: State still has those of Scope.Groups
	// that exist, by id or by name, with their members and marks, and may have
	// more groups with the scope's mark. There are no bindings at the tenant, only
	// such as lie beside it, too.
	Missing bool
}

// Result is what became of one step.
type Result struct {
	// Ref is the platform's own id of what the step made or changed; never empty
	// after a creation. A driver makes one up where the platform has none.
	Ref string
	Err error
}

// Profile is what a platform can do, and its numbers.
type Profile struct {
	// Type is the platform type as documents name it.
	Type string
	// LookupAttribute names the attribute accounts are looked up by.
	LookupAttribute string
	// AccountNames decides whether two account names are one.
	AccountNames identity.Comparison
	// GroupsIgnoreCase is true where two groups whose names differ in case only
	// cannot both be.
	GroupsIgnoreCase bool
	// Groups is false where bindings hold the people themselves.
	Groups bool
	// Marks is true where a group or binding has a place for a mark.
	Marks bool
	// AdditionalPermissions is the platform's default for foreign roles on our groups.
	AdditionalPermissions plan.Additional
	// Cleanup is the default for removing own groups that nobody wants any more.
	Cleanup bool
	// MemberChunk is how many members one step adds and removes together;
	// 0 means that the set is written whole.
	MemberChunk int
	// Unit names what a platform writes at once.
	Unit plan.Unit
	// Parallel is how many units may be applied at once for one tenant.
	Parallel int
	// ScopesPerObserve is how many tenants one Observe reads together well.
	ScopesPerObserve int
	// CallsPerSecond is the platform's own limit for all callers together, and the
	// budget where the document names none; 0 where there is none.
	CallsPerSecond float64
	// Renames is true where the platform can give a group another name: a step
	// {Change, KindGroup} whose Have and Want differ in Name. Every platform with
	// groups does such a step where only the Mark differs: that is adoption.
	Renames bool
	// Settle is how long a write may stay invisible to Observe.
	Settle time.Duration
	// AccessEnd is the time until a user's access really ends after a removal.
	AccessEnd AccessEnd
	// Separate is true where each subject of a binding has a binding of its own,
	// see plan.Rules.
	Separate bool
	// SharedRoles count beyond one tenant: any tenant adds them, and one takes
	// them only when no other tenant of the platform wants them.
	SharedRoles []string
	// EveryPerson are roles that everybody needs before any other, where bindings
	// hold the people themselves; they are given first and taken last.
	EveryPerson []string
	// EveryGroup are roles that every group needs besides those of its mapping.
	EveryGroup []string
	// Conditions is true where a role can be given under a condition.
	Conditions bool
	// NoBindings is true where groups are all there is: mappings name no roles.
	NoBindings bool
	// BringIn says how people without an account are brought in where the
	// platform's document asks for it; empty where that is not possible.
	BringIn BringIn
	// Cost is what the driver pays, for the table of platforms.
	Cost Cost
	// Cannot lists what cannot be had, each with the reason, for people.
	Cannot []string
}

// BringIn is a way to bring people in.
type BringIn string

// The ways. Invited people are pending until they accept.
const (
	Invite          BringIn = "invitation"
	CreateAccount   BringIn = "creation"
	DeprecatedMaker BringIn = "creation, deprecated" // a remark says so in each run
)

// Cost is the number of calls to the platform, signing in left out, with T
// tenants that have R groups of M members each.
type Cost struct {
	// VerifyOne and VerifyAll look at one tenant, and at T at once, that are as desired.
	VerifyOne, VerifyAll string
	// ChangeOne adds or removes one person: the write itself.
	ChangeOne string
	// Missed says why it is more than the platform would allow; empty where it is not.
	Missed string
}

// RoleNamer is a Driver whose platform knows a role by more than what a role mapping
// writes.
type RoleNamer interface {
	// RoleNames returns the names and the ids of the role that a mapping writes so, or
	// an error that wraps fault.ErrInvalid where there is no such role.
	RoleNames(ctx context.Context, scope Scope, role string) ([]string, error)
}

// Checker is a Driver that has a way to find out whether its account is accepted.
// Others are asked for an account that does not exist.
type Checker interface {
	Check(ctx context.Context) error
}

// Sharer is a Driver whose shared roles count for some tenants together instead
// of for the whole platform.
type Sharer interface {
	// Within names, in order, what the shared roles of each scope count for; ""
	// for a scope that does not exist. Tenants share them where it is the same.
	Within(ctx context.Context, scopeIDs []string) ([]string, error)
}

// MembershipLister is a Driver whose platform lists the groups and roles of one account,
// without a read of each tenant.
type MembershipLister interface {
	// Memberships returns every group and role that has the account directly, whether
	// Rollcall manages it or not, or an error: never a part. Where the platform does not
	// list them by account, it returns those with an ownership marker of any
	// installation. An account that does not exist is in none.
	Memberships(ctx context.Context, account string) ([]Membership, error)
}

// Membership is a group or a role that has an account: one of Group and Binding is set.
type Membership struct {
	// Group has its Ref, and its Name and Mark where the list shows them; else the Mark is
	// access.Unread. It has no Members.
	Group *access.Group
	// Binding is a role of the account as Observe returns it, on the tenant with ScopeID.
	Binding *access.Binding
	ScopeID string
}

// Ref returns the platform's id of the group or role.
func (m Membership) Ref() string {
	switch {
	case m.Group != nil:
		return m.Group.Ref
	case m.Binding != nil:
		return m.Binding.Ref
	default:
		return ""
	}
}

// Open connects to one platform. It validates the settings and reads the
// credentials but need not call the platform.
type Open func(ctx context.Context, config Config) (Driver, error)

// Type is one type of platform, as far as it can be known without a platform at
// hand.
type Type struct {
	// Profile says what such platforms can do.
	Profile Profile
	// Validate reports why no platform of the type could hold the object, see
	// Driver.Fit.
	Validate func(plan.Object) error
	// Document is the JSON Schema of spec.config.<type> in platform documents.
	Document []byte
	// Connection is the JSON Schema of the fields that connections of the type have
	// besides those that all have; empty where its platforms use connections of
	// another type only.
	Connection []byte
	// Uses are the connections that one of this type is composed of: names and
	// their types.
	Uses map[string]string
	// Connects is the type of the platforms' connections where it is another than
	// the platforms' own.
	Connects string
	// ScopesOf is the part of Uses whose scopes are about the platforms' tenants, besides
	// those of the composed connection; empty for none.
	ScopesOf string
	// Scope returns the id of a tenant as a connection's scopes compare it; nil compares
	// ids as they are.
	Scope func(id string) string
	// TenantKey returns the canonical form of a tenant's id: ids of one tenant have one key.
	// Nil compares ids as they are.
	TenantKey func(id string) string
	// CheckSettings returns what is wrong with settings that the schema Document accepts: a
	// field below spec.config.<type>, and what to do about it. It returns empty texts where
	// nothing is wrong. Nil accepts all.
	CheckSettings func(settings []byte) (field, problem string)
	// PrivilegedRoles give power over more than a tenant: an operator should deny them.
	PrivilegedRoles []string
}

// Name returns the type's name in documents.
func (t Type) Name() string { return t.Profile.Type }

// ConnectionType returns the type that the connections of its platforms have.
func (t Type) ConnectionType() string { return cmp.Or(t.Connects, t.Profile.Type) }
