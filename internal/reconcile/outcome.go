package reconcile

import (
	"context"
	"fmt"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// RunEnd says how a run ended that did not converge.
type RunEnd struct {
	// Run has the Digest of the last plan, empty if the tenant could not be planned, and its
	// Pass.
	Run     ledger.Run
	Outcome TenantOutcome
	// Steps and Calls count what the run has done, PendingApproval what waits for an approval.
	Steps, Calls, PendingApproval int
	// Reason and Class are the text, without users, and the class of the error that ended the
	// run; empty without one.
	Reason, Class string
	// Replacements are the runs of group replacements that the platform refused.
	Replacements []string
}

// RecordOutcome stores how a run ended that did not converge, with warnings that say what
// to do about it, and returns how many these are.
func (r *Reconciler) RecordOutcome(ctx context.Context, end RunEnd) (warnings int, err error) {
	var last plan.Plan
	if end.Run.Digest != "" {
		if last, _, err = r.store.Plan(ctx, end.Run.Digest); err != nil {
			return 0, fmt.Errorf("reconcile: read plan %s: %w", end.Run.Digest, err)
		}
	}
	failed, err := r.failedAtEnd(ctx, end)
	if err != nil {
		return 0, err
	}
	events, err := r.Events(ctx, map[access.TenantID]string{end.Run.Tenant: end.Run.RunID})
	if err != nil {
		return 0, err
	}
	revision, err := r.store.Generation(ctx)
	if err != nil {
		return 0, fmt.Errorf("reconcile: read the revision of the documents: %w", err)
	}
	all := WithEvents(endWarnings(end, last, failed), events[end.Run.Tenant])
	err = r.store.PutStatus(ctx, store.Status{
		Tenant: end.Run.Tenant, Outcome: string(end.Outcome), RunID: end.Run.RunID, Digest: end.Run.Digest, Steps: end.Steps,
		Held: end.PendingApproval, Removals: len(last.HeldRemovals()), Calls: end.Calls,
		Generation: revision, Remarks: all, Blind: end.Run.Digest == "",
	})
	if err != nil {
		return 0, fmt.Errorf("reconcile: store the status of %s: %w", end.Run.Tenant, err)
	}
	return len(all), nil
}

// failedAtEnd returns the records of the steps that failed last, in the run itself and in
// the runs of its group replacements that the platform refused.
func (r *Reconciler) failedAtEnd(ctx context.Context, end RunEnd) ([]ledger.Record, error) {
	runs := []ledger.Run{end.Run}
	for _, id := range end.Replacements {
		runs = append(runs, ledger.Run{RunID: id})
	}
	var all []ledger.Record
	for _, run := range runs {
		failed, err := r.failed(ctx, run)
		if err != nil {
			return nil, err
		}
		all = append(all, failed...)
	}
	return all, nil
}

// endWarnings returns the warnings of the last plan of a run, and those about its failed
// steps, about the error that ended it, and about repeated drift.
func endWarnings(end RunEnd, last plan.Plan, failed []ledger.Record) []access.Remark {
	warnings := slices.Concat(last.Remarks, stepWarnings(last, failed))
	if end.Reason != "" {
		warnings = append(warnings, failureWarning(end.Run.Tenant.String(), end.Class, end.Reason))
	}
	if end.Outcome == Drifting {
		warnings = append(warnings, access.Remark{
			Code: access.Contested, Object: end.Run.Tenant.String(),
			Text: "what Rollcall writes does not stay: find out who else manages these groups and roles, and stop one of the two",
		})
	}
	return warnings
}
