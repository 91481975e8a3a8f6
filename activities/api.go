package activities

import (
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/reconcile"
)

// Names under which a platform's activities are registered.
const (
	ResolveUsersActivity  = "ResolveUsers"
	PlanActivity          = "Plan"
	ApplyActivity         = "Apply"
	VerifyActivity        = "Verify"
	RecordOutcomeActivity = "RecordOutcome"
	DetectDriftActivity   = "DetectDrift"
	VerifyTenantsActivity = "VerifyTenants"

	ConfirmReplacementActivity    = "ConfirmReplacement"
	CompensateReplacementActivity = "CompensateReplacement"
	RecordReplacementActivity     = "RecordReplacement"
)

// Outcome is how a run ended for a tenant.
type Outcome = reconcile.TenantOutcome

// The outcomes. Open means that there is still something to do.
const (
	Open      = reconcile.Open
	Planned   = reconcile.Planned
	Converged = reconcile.Converged
	Changed   = reconcile.Changed
	Waiting   = reconcile.Waiting
	Contested = reconcile.Drifting
	Failed    = reconcile.Failed
)

// ResolveInput asks which accounts the platform has for the users of a tenant.
type ResolveInput struct {
	Tenant access.TenantID `json:"tenant"`
	// Fresh asks for all of them. Else those that were found within a day serve, if the
	// last run left the tenant as the documents still ask.
	Fresh bool `json:"fresh,omitempty"`
	// Proposal is that of PlanInput.
	Proposal string `json:"proposal,omitempty"`
}

// ResolveOutput counts the users of a tenant. The answers are in the database.
type ResolveOutput struct {
	// At is when the lookup began, by the database's clock.
	At    time.Time `json:"at"`
	Users int       `json:"users,omitempty"`
	// Requested counts the accounts that the platform was asked for, Unresolved those that are
	// not found, ambiguous, disabled or only invited.
	Requested  int `json:"requested,omitempty"`
	Unresolved int `json:"unresolved,omitempty"`
	Calls      int `json:"calls,omitempty"`
}

// PlanInput asks for one tenant's plan.
type PlanInput struct {
	Tenant access.TenantID `json:"tenant"`
	// DryRun stores the plan and nothing else: no status, no warnings.
	DryRun bool `json:"dryRun,omitempty"`
	// Fresh looks up every account and reads every ownership marker again, instead of
	// trusting what was found within a day.
	Fresh bool `json:"fresh,omitempty"`
	// Resolved is ResolveOutput.At: the answers of that lookup are fresh ones.
	Resolved time.Time `json:"resolved,omitzero"`
	// Done sums up what this run did before; a verification has it.
	Done Tally `json:"done"`
	// Patience is how long, from when Verify is scheduled, what this run has written may
	// stay unseen. Until then an attempt that finds a difference fails as pending, and
	// another one looks again; what differs after that really does.
	Patience time.Duration `json:"visibilityTimeout,omitempty"`
	// RefusedSince is the first pass of this run whose refusals the plan takes into account;
	// 0 for none.
	RefusedSince int `json:"refusedSince,omitempty"`
	// RefusedRuns are runs of group replacements whose refusals count, too.
	RefusedRuns []string `json:"refusedRuns,omitempty"`
	// Prepared is a plan that a sweep has just made, to begin with.
	Prepared Prepared `json:"prepared,omitzero"`
	// Adopt are names of groups to plan as if a user had asked to adopt them. Only for
	// a dry run: real adoptions are in the database.
	Adopt []string `json:"adopt,omitempty"`
	// Proposal is the digest of a change of documents to plan as if it was stored. Only
	// for a dry run.
	Proposal string `json:"proposal,omitempty"`
}

// Prepared names a stored plan and the desired access it was made for.
type Prepared struct {
	Digest  string `json:"digest,omitempty"`
	Desired string `json:"desired,omitempty"`
}

// Tally counts what a run did.
type Tally struct {
	Steps int `json:"steps"`
	Calls int `json:"calls"`
}

// PlanOutput is what history keeps of a plan: no people, only counts and IDs.
type PlanOutput struct {
	// Outcome is set when nothing is left to apply; the status is stored then.
	Outcome Outcome `json:"outcome,omitempty"`
	// Digest names the plan in the database.
	Digest string `json:"digest,omitempty"`
	// Desired names the desired access the plan was made for.
	Desired string `json:"desired,omitempty"`
	Steps   int    `json:"steps,omitempty"`
	Held    int    `json:"pendingApproval,omitempty"`
	// HeldDigest names what is held, as an approval does; empty where nothing is.
	HeldDigest string `json:"pendingApprovalDigest,omitempty"`
	Remarks    int    `json:"warnings,omitempty"`
	Calls      int    `json:"calls,omitempty"`
	// Batches are applied one after the other, an activity each.
	Batches []Batch `json:"batches,omitempty"`
	// Renamings follow, each as a workflow of its own.
	Renamings []Renaming `json:"replacements,omitempty"`
	// After are the batches that need a step of a renaming.
	After []Batch `json:"after,omitempty"`
	// Settle is how long the platform may take to show what was written.
	Settle time.Duration `json:"propagationDelay,omitempty"`
}

// Renaming is a group that gets another name by another group, see plan.Renaming.
type Renaming struct {
	ID   string      `json:"id"`
	Mode plan.Rename `json:"mode"`
	// Waits is true while something is held that the old group has to stay for.
	Waits bool `json:"waits,omitempty"`
	// Needs is true where a step of it needs one of PlanOutput.Batches.
	Needs bool `json:"needs,omitempty"`
	// Build and Remove are applied one after the other, an activity each.
	Build  []Batch `json:"build,omitempty"`
	Remove []Batch `json:"remove,omitempty"`
}

// Batch is a part of a plan small enough for one activity: whole waves, or a
// part of one.
type Batch struct {
	Waves [][]plan.Work `json:"waves"`
}

// Steps counts the batch's steps.
func (b Batch) Steps() int {
	n := 0
	for _, wave := range b.Waves {
		for _, work := range wave {
			n += len(work.Steps)
		}
	}
	return n
}

// ApplyInput asks for a part of a stored plan to be made true.
type ApplyInput struct {
	Tenant  access.TenantID `json:"tenant"`
	Digest  string          `json:"digest"`
	Desired string          `json:"desired"`
	// Pass counts the plans of this run: steps of one pass are done once.
	Pass int `json:"pass"`
	// Since is the first pass whose refused steps are not tried again: a trigger that
	// arrives during a run may follow a repair. 0 means the first of the run.
	Since int    `json:"since,omitempty"`
	Cause string `json:"cause,omitempty"`
	Batch Batch  `json:"batch"`
	// WaitExpired lets removals run although additions for the same users are not finished,
	// other than those of which this pass is the first to fail.
	WaitExpired bool `json:"waitExpired,omitempty"`
	// Repeated is true where this very plan was applied before in this pass.
	Repeated bool `json:"repeated,omitempty"`
	// Attempts is how often earlier runs tried the steps of a batch of a renaming.
	Attempts int `json:"attempts,omitempty"`
	// Stage is set for a batch of a renaming.
	Stage Stage `json:"stage,omitzero"`
}

// ApplyOutput says what became of the batch.
type ApplyOutput struct {
	Done  int `json:"done"`
	Calls int `json:"calls"`
	// Replan is true when the world or the documents moved: what is left of the
	// plan may be wrong.
	Replan bool `json:"replan,omitempty"`
	// Refused counts steps that the platform will not do until somebody acts.
	Refused int `json:"refused,omitempty"`
	// RefusedAccounts counts those of them in which single accounts are refused. The next plan
	// decides whether the tenant is as desired but for those.
	RefusedAccounts int `json:"refusedAccounts,omitempty"`
	// Blocked counts steps that need a refused one.
	Blocked int `json:"blocked,omitempty"`
	// Immovable counts roles of groups that the platform has just refused to take. The next
	// plan may take the access another way.
	Immovable int `json:"immovable,omitempty"`
	// Pending counts steps that the platform has accepted and is still carrying out.
	Pending int `json:"inProgress,omitempty"`
	// PendingAfter is how long the platform asks to wait for them; 0 where it says nothing.
	PendingAfter time.Duration `json:"inProgressAfter,omitempty"`
	// Unfinished counts steps that still failed for now on the last attempt.
	Unfinished int `json:"unfinished,omitempty"`
	// UnfinishedAfter is how long the platform asks to wait for them; 0 where it says nothing.
	UnfinishedAfter time.Duration `json:"unfinishedAfter,omitempty"`
	// Reason and Type are the text, without users, and the type of the error of the last
	// attempt, which is number Attempts.
	Reason   string `json:"reason,omitempty"`
	Type     string `json:"type,omitempty"`
	Attempts int    `json:"attempts,omitempty"`
}

// RecordOutcomeInput ends a run that did not converge.
type RecordOutcomeInput struct {
	Tenant  access.TenantID `json:"tenant"`
	Outcome Outcome         `json:"outcome"`
	Digest  string          `json:"digest,omitempty"`
	Pass    int             `json:"pass"`
	Done    Tally           `json:"done"`
	// Reason is the text of the error that ended the run, without people.
	Reason string `json:"reason,omitempty"`
	// Type is that error's type, one of this package's.
	Type string `json:"type,omitempty"`
	Held int    `json:"pendingApproval,omitempty"`
	// Renamings are the runs of renamings that the platform refused.
	Renamings []string `json:"replacements,omitempty"`
}

// RecordOutcomeOutput counts the warnings that the run left.
type RecordOutcomeOutput struct {
	Remarks int `json:"warnings"`
}

// DetectDriftInput asks which tenants of a platform drifted.
type DetectDriftInput struct {
	Platform string `json:"platform"`
	// After is the last tenant of the shard before; empty for the first shard.
	After string `json:"after,omitempty"`
	// Limit is how many tenants one survey reads together.
	Limit int `json:"limit"`
}

// DetectDriftOutput is one shard's result. Tenants that need nothing are done with:
// their status is stored.
type DetectDriftOutput struct {
	// Drifted tenants have something to apply.
	Drifted []Drift `json:"drifted,omitempty"`
	// Next is the After of the next shard; empty when this was the last.
	Next   string `json:"next,omitempty"`
	Totals Totals `json:"totals"`
	// Settle is how long the platform may not show what is written.
	Settle time.Duration `json:"propagationDelay,omitempty"`
}

// VerifyTenantsInput asks whether a platform shows what runs have changed on its tenants.
type VerifyTenantsInput struct {
	Platform string          `json:"platform"`
	Changed  []ChangedTenant `json:"changed"`
	// Patience is how long, from when the activity is scheduled, the changes may stay
	// unseen.
	Patience time.Duration `json:"visibilityTimeout,omitempty"`
}

// ChangedTenant is a tenant whose run left the verification to its sweep.
type ChangedTenant struct {
	Tenant access.TenantID `json:"tenant"`
	// RunID is the run's, under which the ledger has its steps.
	RunID string `json:"runId"`
	Done  Tally  `json:"done"`
}

// Drift is a tenant that differs from its documents, and the plan that mends it.
type Drift struct {
	Tenant access.TenantID `json:"tenant"`
	Plan   Prepared        `json:"plan"`
}

// Totals counts tenants by outcome, and what it took.
type Totals struct {
	Tenants   int `json:"tenants"`
	Converged int `json:"converged"`
	Changed   int `json:"changed"`
	Waiting   int `json:"waiting"`
	Failed    int `json:"failed"`
	Steps     int `json:"steps"`
	Remarks   int `json:"warnings"`
	Calls     int `json:"calls"`
}

// Count adds one tenant's outcome.
func (t *Totals) Count(o Outcome, steps, remarks, calls int) {
	t.Tenants++
	t.Steps += steps
	t.Remarks += remarks
	t.Calls += calls
	switch o {
	case Converged, Planned:
		t.Converged++
	case Changed:
		t.Changed++
	case Waiting:
		t.Waiting++
	case Failed, Contested, Open:
		t.Failed++
	}
}

// Add adds another count.
func (t *Totals) Add(u Totals) {
	t.Tenants += u.Tenants
	t.Converged += u.Converged
	t.Changed += u.Changed
	t.Waiting += u.Waiting
	t.Failed += u.Failed
	t.Steps += u.Steps
	t.Remarks += u.Remarks
	t.Calls += u.Calls
}
