// Package workflows tells the stories: replicate a tenant, sweep a platform.
// It holds order, waiting and retries, and neither I/O nor comparisons: those
// are the activities'.
package workflows

import (
	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
)

// Names under which the workflows and their signals are registered.
const (
	ReplicateTenantWorkflow = "ReplicateTenant"
	// TriggerSignal tells a running ReplicateTenant that its tenant may have
	// changed again. It carries a Trigger.
	TriggerSignal = "trigger"
)

// ReplicateTenantID is the workflow ID that makes runs of one tenant exclusive.
func ReplicateTenantID(t access.TenantID) string { return "tenant/" + t.String() }

// PlanTenantID is the ID of a dry run. It does not exclude a real one.
func PlanTenantID(t access.TenantID) string { return "plan/" + t.String() }

// PlanProposalID is the ID of a dry run as if a change of documents was stored.
func PlanProposalID(t access.TenantID, proposal string) string {
	return PlanTenantID(t) + "/proposal-" + proposal
}

// platform, revocations and ends are nil: workflows use the methods for their names and types.
func platform() *activities.Platform       { return nil }
func revocations() *activities.Revocations { return nil }
func ends() *activities.Ends               { return nil }

// ReplicateInput is what ReplicateTenant needs to start.
type ReplicateInput struct {
	Tenant access.TenantID `json:"tenant"`
	// DryRun stops before anything is applied.
	DryRun bool `json:"dryRun,omitempty"`
	// Adopt are names of groups to plan as if somebody had told Rollcall to take
	// them over; only for a dry run.
	Adopt []string `json:"adopt,omitempty"`
	// Proposal is the digest of a change of documents to plan as if it was stored; only
	// for a dry run.
	Proposal string `json:"proposal,omitempty"`
	// Cause says what started the run: "replicate", "apply", "sweep".
	Cause string `json:"cause,omitempty"`
	// Prepared is a plan to begin with, when a survey has just made one.
	Prepared activities.Prepared `json:"prepared,omitzero"`
	// VerifyLater leaves the verification of steps to the sweep that starts the run: all
	// tenants that it changed are observed together.
	VerifyLater bool `json:"verifyLater,omitempty"`
	// Done is carried over when the run continues as new.
	Done activities.Tally `json:"done"`
	// Pass and Waits are carried over likewise.
	Pass  int   `json:"pass,omitempty"`
	Waits Waits `json:"waits,omitzero"`
}

// Trigger is the payload of TriggerSignal.
type Trigger struct {
	Cause string `json:"cause,omitempty"`
}

// ReplicateResult sums up a run, without people: those are in the database,
// under the plan's digest and in the tenant's remarks.
type ReplicateResult struct {
	Outcome activities.Outcome `json:"outcome"`
	// Digest names the last plan that had steps; for a dry run, its plan.
	Digest  string `json:"digest,omitempty"`
	Steps   int    `json:"steps"`
	Held    int    `json:"pendingApproval"`
	Remarks int    `json:"warnings"`
	Calls   int    `json:"calls"`
	// RunID is set if the run left the verification to its sweep: then Outcome is open.
	RunID string `json:"runId,omitempty"`
}
