package plan

import "github.com/rollcall-iam/rollcall/internal/access"

// Additional says what becomes of roles that somebody else gave to our groups.
type Additional string

// The two policies.
const (
	KeepAdditional   Additional = "keep"
	RemoveAdditional Additional = "remove"
)

// Rename says how a group gets a new name.
type Rename string

// The three ways. Recreate is the zero value's meaning, too.
const (
	// Recreate completes a new group before the old one goes.
	Recreate Rename = "recreate"
	// InPlace lets the platform give the group another name.
	InPlace Rename = "in-place"
	// Strict removes the old group first.
	Strict Rename = "strict"
)

// Guard bounds what one plan may take from one group. The zero Guard holds
// every removal of a member.
type Guard struct {
	// Most is how many members may always go at once.
	Most int `json:"most"`
	// Percent of the members that may go at once, when that is more than Most.
	Percent int `json:"percent"`
	// Closed holds every removal from people, however small, and says why: a
	// limit beyond this plan is reached. Empty where none is.
	Closed string `json:"closed,omitempty"`
	// Unnamed is true where no caller named what is removed: a document is absent from the
	// input of an apply. Then the guard holds every removal that empties a set.
	Unnamed bool `json:"unnamed,omitempty"`
}

// emptyMost is how many members may go when none is left, if someone named what is
// removed.
const emptyMost = 2

// DefaultGuard is the limit where no document says otherwise: max(2, 20 %).
func DefaultGuard() Guard { return Guard{Most: 2, Percent: 20} }

// Holds reports whether taking gone of present members needs an approval. It does when
// that leaves none, unless they are few and someone named what is removed.
func (g Guard) Holds(gone, present int) bool {
	if gone == 0 {
		return false
	}
	empties := gone >= present && (gone > emptyMost || g.Unnamed)
	return empties || gone > max(g.Most, present*g.Percent/100)
}

// Rules bound what a plan may do on one platform.
type Rules struct {
	// Mark is what this installation writes on this tenant's objects.
	Mark access.Mark
	// MemberChunk is how many members one step changes; 0 means any number.
	MemberChunk int
	Additional  Additional
	// Cleanup deletes own groups that nobody wants any more.
	Cleanup bool
	// Rename is how a group gets a new name. InPlace counts only where CanRename
	// says that the platform is able to.
	Rename    Rename
	CanRename bool
	// IgnoreCase is true where two groups whose names differ in case only cannot
	// both be.
	IgnoreCase bool
	// Carry offers to give a renamed group the roles that somebody else gave to
	// the old one. Each waits for an approval, and the old group with it.
	Carry bool
	// Gone is true for a tenant that was removed: its roles are taken at once,
	// whatever the guard's limit per group. Its groups with members wait for an
	// approval, unless AutoDelete.
	Gone, AutoDelete bool
	Guard            Guard
	// ForbiddenBy names the document that forbids removals. Then the plan takes
	// nothing from users that are not revoked, whatever is approved. Empty where
	// removals are allowed.
	ForbiddenBy string
	// Separate is true where each subject of a binding has a binding of its own,
	// which others may have made: the ledger has them one by one. Desired bindings
	// and Input.Keep name the role alone.
	Separate bool
	// Shared are roles that count beyond the tenant. A binding of one is taken
	// only where Input.Elsewhere does not have it. Only with Separate.
	Shared []string
	// Base are roles that a person needs before any other, so they are given
	// first and taken last. Only with Separate.
	Base []string
}

// Owned is an object that the ledger says this installation made.
type Owned struct {
	Key access.Key `json:"key"`
	// Ref is the platform's id of it; empty when only the intent is recorded.
	Ref string `json:"ref,omitempty"`
	// Serves is access.Group's; empty for what is no group, and where the ledger
	// does not know it yet.
	Serves string `json:"grants,omitempty"`
}

// Ended is a removal that follows the end of a binding.
type Ended struct {
	Removal
	Why string
}

// Input is all that a plan depends on.
type Input struct {
	Tenant   access.TenantID
	Desired  access.State // every account has a Ref
	Observed access.State
	Owned    []Owned
	Keep     []access.Keep
	// Newcomers are brought in; they have no Ref and are in no set yet.
	Newcomers []access.Newcomer
	// Elsewhere are bindings of shared roles that other tenants want, each with
	// the subjects it is wanted for.
	Elsewhere []access.Binding
	// Approved removals go on although the guard would hold them; Rejected ones
	// are held whatever the guard says.
	Approved []Removal
	Rejected []Rejection
	// Adopted are groups on the platform that somebody told Rollcall to take over,
	// each by name and id. They become ours, unless their mark names another owner.
	Adopted []Owned
	// Revoked are the ids of accounts whose access is revoked by name: taking them
	// out of anything of ours is never held.
	Revoked []string
	// Strangers are accounts in sets of ours that Rollcall never put there.
	Strangers []Removal
	// Ended are accounts of which the access has ended, each with the binding and its end. It is
	// the reason of their removal, and changes nothing else: the guard counts these removals
	// like those of bindings that a caller removed by name. The caller who wrote the end asked
	// for them.
	Ended []Ended
	// Immovable are bindings that the platform refused to remove in this run. Members leave
	// a group whose role should go and does not.
	Immovable []Removal
	// RefusedMembers are accounts that the platform refused when they were last to join a
	// group. The guard does not count them as present.
	RefusedMembers []Removal
	// Emptied are the names of groups that all members left because the platform did not take
	// a role. Their deletion needs the approval that it would need with members.
	Emptied []string
	Rules   Rules
}
