package oracle

import "github.com/rollcall-iam/rollcall/internal/plan/oracle/access"

// Renaming replaces one group by another of a new name. Its steps are among the
// plan's; all others may run before it, or after it where they need one of them.
//
// A group that the platform renames itself needs none of this: it is one step.
// Nor does one whose successor is complete while nothing is left to take from it.
type Renaming struct {
	// ID names the renaming in workflow IDs and in the ledger. It is derived from
	// the tenant and the two groups, and says nothing about them.
	ID string `json:"id"`
	// Mode is Recreate or Strict.
	Mode Rename `json:"mode"`
	// From is the old group, without members; To is the new one's name.
	From access.Group `json:"from"`
	// Also are further old groups that the new one replaces: its name changed
	// again while the first renaming waited. Remove takes them with From.
	Also []access.Group `json:"also,omitempty"`
	To   string         `json:"to"`
	// Build are the IDs of the steps that make the new group, fill it and give it
	// its roles; none are left once it is complete.
	Build []string `json:"build,omitempty"`
	// Remove are those that take the old group's roles, and then the group. In
	// mode Recreate they run when the new group is seen to be complete, in mode
	// Strict before anything is built.
	Remove []string `json:"remove,omitempty"`
	// Waits is true while something is held that the old group has to stay for:
	// nothing is removed then.
	Waits bool `json:"waits,omitempty"`
	// Loses are the roles that somebody else gave to the old group, and that go
	// with it.
	Loses []access.Binding `json:"loses,omitempty"`
}
