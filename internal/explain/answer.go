package explain

import (
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
)

// Answer is why the users of a tenant have access, or one user has or lacks it.
type Answer struct {
	Tenant   string `json:"tenant"`
	Platform string `json:"platform"`
	User     string `json:"user,omitempty"`
	// Observed is the last successful observation of the tenant; nil if there was none.
	Observed *Observation `json:"observed,omitempty"`
	// Access is the access that the documents ask for, and how far it has come.
	Access []Access `json:"access"`
	// Leaving is the access that no document asks for, and that is still there or was
	// removed so recently that it may still count.
	Leaving []Leaving `json:"leaving"`
	// Reasons say why a user has no access, or not all, each with a stable code.
	Reasons []Reason `json:"reasons"`
	// Lacks are the texts of the reasons that are no warnings.
	Lacks    []string        `json:"lacks,omitempty"`
	Warnings []access.Remark `json:"warnings"`
	// Groups are the groups that grant the access.
	Groups []Group `json:"groups"`
	// LastRun is nil for a tenant that is not replicated yet.
	LastRun *LastRun `json:"last_run,omitempty"`
	// AccessEnd is the time until access really ends after a removal; nil without a platform.
	AccessEnd *driver.AccessEndReport `json:"access_end,omitempty"`
}

// Observation is the last time that the platform was read and compared.
type Observation struct {
	At time.Time `json:"at"`
	// Current is true if it compared the access that the documents ask for now.
	Current bool `json:"current"`
}

// State is how far an access or a role has come.
type State string

// The states.
const (
	// Granted is an access that Rollcall added and that the last observation shows.
	Granted State = "granted"
	// Found is an access that the last observation shows, without a record of the addition.
	Found State = "found"
	// Written is an access that the platform accepted and that no observation shows yet.
	Written State = "written"
	// Retained is an access that plans neither add again nor remove until a warning about the
	// user's account is resolved: several users have the account, it cannot sign in, or the
	// platform does not tell which it is.
	Retained State = "retained"
	// Refused is a role that the platform refused, or that the connection forbids.
	Refused State = "refused"
	// Blocked is an access that a warning blocks, or of which a role is refused.
	Blocked State = "blocked"
	// Pending is an access that is not in place yet, or of which a role is not.
	Pending State = "pending"
)

// InPlace reports whether the last observation shows it.
func (s State) InPlace() bool { return s == Granted || s == Found }

// SeenState is the state of a membership or a role in an observation.
type SeenState string

// The states of observations.
const (
	Present SeenState = "present"
	Absent  SeenState = "absent"
	// Unknown is the state without an observation.
	Unknown SeenState = "unknown"
)

// Seen is the last observed state of a membership or a role.
type Seen struct {
	State SeenState `json:"state"`
	// At is when the observation began; zero without an observation.
	At time.Time `json:"at,omitzero"`
	// WrittenAt and RemovedAt are when the platform accepted an addition or a removal that no
	// observation confirms yet; zero for none.
	WrittenAt time.Time `json:"written_at,omitzero"`
	RemovedAt time.Time `json:"removed_at,omitzero"`
}

// Access is one user's way to one or more roles.
type Access struct {
	User    string   `json:"user"`
	Account string   `json:"account"`
	Group   string   `json:"group,omitempty"`
	Roles   []string `json:"roles"`
	State   State    `json:"state"`
	// Desired is true: the documents ask for it.
	Desired bool `json:"desired"`
	// Code and Reason say why a membership is missing, or an access is retained: the warning about
	// it, or the last failure as "<class>: <text>"; empty where nothing says why.
	Code   access.Code `json:"code,omitempty"`
	Reason string      `json:"reason,omitempty"`
	// Seen is the last observed state of the membership, or of the user in the role's binding.
	Seen Seen `json:"seen"`
	// RoleStates has each role of a group.
	RoleStates []Role `json:"role_states,omitempty"`
	// Because is the chain of facts, from the binding to the platform's role.
	Because []string `json:"because"`
	// Applied are the steps that runs applied for it.
	Applied []Applied `json:"applied"`
	// Granted is true if the ledger has the step that added the user.
	Granted bool `json:"granted_by_rollcall"`
	// Missing are the roles that keep the state from being granted or found.
	Missing []MissingRole `json:"missing_roles,omitempty"`

	// byRoles is true if the state is that of the missing roles.
	byRoles bool
}

// Role is how far one role of a group has come.
type Role struct {
	Role    string `json:"role"`
	State   State  `json:"state"`
	Desired bool   `json:"desired"`
	Seen    Seen   `json:"seen"`
}

// MissingRole is a role of the documents that an access does not give.
type MissingRole struct {
	Role string `json:"role"`
	// State is refused, blocked or pending.
	State State `json:"state"`
	// Code is that of the warning about a refused or blocked role.
	Code access.Code `json:"code,omitempty"`
	// Reason is the text of that warning, or the last failure as "<class>: <text>".
	Reason string `json:"reason,omitempty"`
}

// Applied is a step that a run applied.
type Applied struct {
	At    time.Time `json:"at"`
	Text  string    `json:"text"`
	Run   string    `json:"run_id"`
	Cause string    `json:"cause,omitempty"`
	// By caused the run; empty where no record says who did.
	By string `json:"by,omitempty"`
}

// Verdict is why an access that no document asks for is still there.
type Verdict string

// The verdicts.
const (
	// PendingApproval is a removal that a guard holds.
	PendingApproval Verdict = "pending"
	// Approved is a held removal that the next run applies.
	Approved Verdict = "approved"
	// Rejected is a held removal that an approver rejected.
	Rejected Verdict = "rejected"
	// Forbidden is a removal that a document forbids; By names the document.
	Forbidden Verdict = "forbidden"
	// RemovalRefused is a removal that the platform refused.
	RemovalRefused Verdict = "refused"
	// RemovalFailed is a removal that failed and is repeated.
	RemovalFailed Verdict = "failed"
	// Waiting is a removal that no run has tried yet, or that has no answer yet.
	Waiting Verdict = "waiting"
	// Removed is a removal that the platform accepted, and after which the access may
	// still count: no observation confirms it, or sessions may last.
	Removed Verdict = "removed"
)

// Leaving is access that no document asks for any more.
type Leaving struct {
	// Account is empty for the removal of a whole group or of a group's role.
	Account string `json:"account"`
	Group   string `json:"group,omitempty"`
	Role    string `json:"role,omitempty"`
	// Digest is the argument of an approval; empty for removals that no guard holds.
	Digest  string  `json:"digest"`
	Verdict Verdict `json:"verdict"`
	By      string  `json:"by,omitempty"`
	// Reason is that of the decision, or the failure of the removal as "<class>: <text>".
	Reason  string    `json:"reason,omitempty"`
	Expires time.Time `json:"expires,omitzero"`
	// Desired is false: no document asks for it.
	Desired bool `json:"desired"`
	// Since is when the removal was held, forbidden, planned or first tried.
	Since time.Time `json:"since,omitzero"`
	// Seen is the last observed state of the access.
	Seen Seen `json:"seen"`
	// EndsBy is when the access ends at the latest after a removal, by the vendor's
	// documents; zero if the removal is not accepted, or they name no longest time.
	EndsBy time.Time `json:"ends_by,omitzero"`
}

// Reason is one reason for missing access.
type Reason struct {
	Code string `json:"code"`
	Text string `json:"text"`
}

// Group has the facts about a group on the platform.
type Group struct {
	Group string `json:"group"`
	// Named says how its name is made, with the allocated parts.
	Named string `json:"named"`
	// Ref is its id on the platform; empty for a group that is not managed yet.
	Ref         string       `json:"ref,omitempty"`
	Replacement *Replacement `json:"replacement,omitempty"`
	Adoption    *Adoption    `json:"adoption,omitempty"`
}

// Replacement is the last replacement of another group by this one.
type Replacement struct {
	From  string    `json:"from"`
	To    string    `json:"to"`
	Mode  string    `json:"mode"`
	State string    `json:"state"` // as ledger.RenamingState
	Since time.Time `json:"since,omitzero"`
}

// Adoption is the request to adopt the group.
type Adoption struct {
	State  string    `json:"state"` // as store.AdoptionEnd, "open" for none
	By     string    `json:"by"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// LastRun is the outcome of the tenant's last run.
type LastRun struct {
	Outcome string    `json:"outcome"`
	Run     string    `json:"run_id"`
	At      time.Time `json:"at"`
	// Behind is true when documents were applied since, not necessarily this
	// tenant's.
	Behind bool `json:"behind"`
}
