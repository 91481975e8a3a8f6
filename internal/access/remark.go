package access

import (
	"cmp"
	"slices"
)

// Code is the stable name of a sort of remark. People filter by it and scripts
// depend on it; codes are added, never renamed.
type Code string

// The remarks a run can leave. None of them stops the others.
const (
	UserNotFound             Code = "user-not-found"               // the platform has no such account
	UserWithoutEUID          Code = "user-without-euid"            // the person has no euid, or only blanks
	UserAmbiguous            Code = "user-ambiguous"               // the platform has several such accounts
	UserDisabled             Code = "user-disabled"                // the account exists and cannot sign in
	InvitationPending        Code = "invitation-pending"           // invited, not yet accepted
	UserCreationDeprecated   Code = "user-creation-deprecated"     // the platform's documents let Rollcall make accounts
	AccountCollision         Code = "account-collision"            // two people become the same account
	RoleUnmapped             Code = "role-unmapped"                // no role mapping for a bound project role
	TenantNotFound           Code = "tenant-not-found"             // the account, project or namespace is missing
	RemovalHeld              Code = "removal-pending-approval"     // above a guard's limit: needs an approval
	RemovalsForbidden        Code = "removals-forbidden"           // the platform or the landing zone forbids removals
	ObjectForeign            Code = "object-unmanaged"             // a desired name is taken by somebody else's object
	OwnershipUnclear         Code = "ownership-unclear"            // ledger and mark disagree: never removed
	ForeignPermissionKept    Code = "external-permission-kept"     // a role on our group that we did not give
	ForeignPermissionRemoved Code = "external-permission-removed"  // the same, taken away by the platform's setting
	ForeignMemberRemoved     Code = "unmanaged-member-removed"     // somebody else put a member into our group
	UserRevoked              Code = "user-revoked"                 // the person's access is revoked by name
	RenameWaiting            Code = "replacement-pending-approval" // a group has a successor and waits for a decision before it goes
	CleanupOff               Code = "cleanup-off"                  // an own group is not wanted, cleanup is switched off
	Contested                Code = "drifting"                     // somebody else keeps undoing our work
	PlatformDenied           Code = "platform-denied"              // our credentials may not do that
	PlatformPending          Code = "platform-pending"             // the platform has not finished what it accepted
	PlatformRefused          Code = "platform-refused"             // the platform calls our request invalid
	ForbiddenByConnection    Code = "forbidden-by-connection"      // the operator's limits rule it out
)

// Remark says what could not be done, on which object, and what to do about it.
// It may name people: remarks are kept in the database and never reach
// workflow histories or logs.
type Remark struct {
	Code   Code   `json:"code"`
	Object string `json:"object"`
	Text   string `json:"text"`
}

// SortRemarks orders remarks by code, object and text and drops repetitions.
func SortRemarks(remarks []Remark) []Remark {
	slices.SortFunc(remarks, func(a, b Remark) int {
		return cmp.Or(cmp.Compare(a.Code, b.Code), cmp.Compare(a.Object, b.Object), cmp.Compare(a.Text, b.Text))
	})
	return slices.Compact(remarks)
}
