package access

import (
	"cmp"
	"slices"
)

// Kind is one sort of object on a platform.
type Kind string

// The kinds a plan deals with. Members is the set of members of one group: it
// is an object of its own because it changes without the group changing.
const (
	KindGroup   Kind = "group"
	KindMembers Kind = "members"
	KindBinding Kind = "binding"
	// KindAccount is an account that Rollcall makes, or invites, for a person
	// whom the platform does not know.
	KindAccount Kind = "account"
)

// Key names one object of a tenant, the same way on every platform.
// Keys are comparable and ordered by Compare.
type Key struct {
	Kind Kind `json:"kind"`
	// Group is the group's name; empty for a binding whose subjects are people.
	Group string `json:"group,omitempty"`
	// Role is the platform role's name; empty for groups and members.
	Role string `json:"role,omitempty"`
	// Name is a binding's, see Binding.Name, or an account's.
	Name string `json:"name,omitempty"`
}

// Compare orders keys by kind, group, role and name.
func (k Key) Compare(l Key) int {
	return cmp.Or(cmp.Compare(k.Kind, l.Kind), cmp.Compare(k.Group, l.Group), cmp.Compare(k.Role, l.Role), cmp.Compare(k.Name, l.Name))
}

// String returns the object's name as people read it: a group's name, or
// "role → group" for a binding.
func (k Key) String() string {
	switch {
	case k.Kind == KindAccount:
		return k.Name
	case k.Kind != KindBinding:
		return k.Group
	case k.Group == "":
		return k.Role
	default:
		return k.Role + " → " + k.Group
	}
}

// Account is a person as one platform knows them.
type Account struct {
	// Name is the value of the platform's lookup attribute: the euid after the
	// platform's pattern. Empty where a driver observes only ids.
	Name string `json:"name,omitempty"`
	// Ref is the platform's own id. Resolve and Observe always set it, and it
	// alone decides whether two accounts are the same.
	Ref string `json:"ref,omitempty"`
}

// Member is an account in a group, or among the subjects of a binding.
type Member struct {
	Account
	// Person names the meshUser behind a desired member; empty on observed ones.
	Person string `json:"user,omitempty"`
	// Why says which binding puts a desired member there. It is never compared.
	Why string `json:"why,omitempty"`
}

// Newcomer is a person who has roles but no account on the platform, and who is
// brought in by Rollcall.
type Newcomer struct {
	// Account is known by its Name; it has a Ref once the account is made.
	Account
	// Person names the meshUser.
	Person    string `json:"user"`
	Email     string `json:"email,omitempty"`
	FirstName string `json:"firstName,omitempty"`
	LastName  string `json:"lastName,omitempty"`
}

// Key returns the account's name in plans and in the ledger.
func (n Newcomer) Key() Key { return Key{Kind: KindAccount, Name: n.Name} }

// Group is a set of accounts on a platform.
type Group struct {
	Name string `json:"name"`
	// Ref is the platform's own id, empty until the group exists.
	Ref string `json:"ref,omitempty"`
	// Mark is what the object itself says about its owner.
	Mark Mark `json:"ownershipMarker,omitzero"`
	// Members is sorted by CompareMembers and free of repetitions.
	Members []Member `json:"members,omitempty"`
	// Why says which role mapping asks for the group. It is never compared.
	Why string `json:"why,omitempty"`
	// Serves names the project role whose people the group holds: by it a group
	// is known again under another name. Empty on observed ones, never compared.
	Serves string `json:"grants,omitempty"`
}

// Key returns the group's name in plans and in the ledger.
func (g Group) Key() Key { return Key{Kind: KindGroup, Group: g.Name} }

// Binding gives a role on the tenant to a group, or to people.
type Binding struct {
	// Role is the platform's role as the documents name it.
	Role string `json:"role"`
	// Name tells apart other people's bindings of the same role to the same
	// subject, on platforms where a binding is an object of its own; there it is
	// empty for the one that Rollcall makes. Where each subject has a binding of
	// its own (plan.Rules.Separate) it is that subject's Ref, whoever made it.
	Name string `json:"name,omitempty"`
	// Condition limits when the role counts, in the platform's own language;
	// empty without one, and where the platform has none.
	Condition string `json:"condition,omitempty"`
	// Shielded is true for an observed binding that no setting removes unless it
	// is ours: the platform's rule is to leave this sort alone.
	Shielded bool `json:"shielded,omitempty"`
	// InUse is true for an observed binding that the platform refuses to remove
	// because something beyond the tenant rests on it.
	InUse bool `json:"inUse,omitempty"`
	// Carried is true for a role that somebody else gave to the group under its
	// former name, given to the new one by approval. It is not ours and gets no
	// mark. Never compared.
	Carried bool `json:"copied,omitempty"`
	// Group names the group that is the subject; empty when Subjects are people.
	Group string `json:"group,omitempty"`
	// GroupRef is that group's id on the platform, empty until it is known.
	GroupRef string `json:"groupRef,omitempty"`
	// Subjects are the people bound, sorted; only on platforms without groups.
	Subjects []Member `json:"subjects,omitempty"`
	// Ref is the platform's own id, empty until the binding exists.
	Ref string `json:"ref,omitempty"`
	// Version is what the platform compares to detect a concurrent change (etag,
	// resourceVersion); empty where there is none, or where a step before this
	// one changes it.
	Version string `json:"version,omitempty"`
	// Mark is what the object itself says about its owner.
	Mark Mark `json:"ownershipMarker,omitzero"`
	// Why says which role mapping asks for the binding. It is never compared.
	Why string `json:"why,omitempty"`
}

// Key returns the binding's name in plans and in the ledger.
func (b Binding) Key() Key {
	return Key{Kind: KindBinding, Group: b.Group, Role: b.Role, Name: b.Name}
}

// State is all of one tenant's access: desired, or observed on the platform.
// Equal states in Sort order have equal JSON.
type State struct {
	Groups   []Group   `json:"groups,omitempty"`
	Bindings []Binding `json:"bindings,omitempty"`
}

// Sort puts groups, bindings and their sets into the one order that makes
// equal states equal byte for byte. It changes s in place.
func (s State) Sort() {
	slices.SortFunc(s.Groups, func(a, b Group) int {
		return cmp.Or(a.Key().Compare(b.Key()), cmp.Compare(a.Ref, b.Ref))
	})
	slices.SortFunc(s.Bindings, func(a, b Binding) int {
		return cmp.Or(a.Key().Compare(b.Key()), cmp.Compare(a.Ref, b.Ref), cmp.Compare(a.GroupRef, b.GroupRef))
	})
	for _, g := range s.Groups {
		slices.SortFunc(g.Members, CompareMembers)
	}
	for _, b := range s.Bindings {
		slices.SortFunc(b.Subjects, CompareMembers)
	}
}

// CompareMembers orders members by ref, then by name.
func CompareMembers(a, b Member) int {
	return cmp.Or(cmp.Compare(a.Ref, b.Ref), cmp.Compare(a.Name, b.Name))
}
