package activities

import (
	"context"

	"github.com/rollcall-iam/rollcall/internal/reconcile"
)

// RecordOutcome stores how a run ended that did not converge, with warnings that say
// what to do about it.
func (p *Platform) RecordOutcome(ctx context.Context, in RecordOutcomeInput) (RecordOutcomeOutput, error) {
	run := thisRun(ctx, in.Tenant)
	run.Pass, run.Digest = in.Pass, in.Digest
	warnings, err := p.tenants.RecordOutcome(ctx, reconcile.RunEnd{
		Run: run, Outcome: in.Outcome, Steps: in.Done.Steps, Calls: in.Done.Calls, PendingApproval: in.Held,
		Reason: in.Reason, Class: in.Type, Replacements: in.Renamings,
	})
	if err != nil {
		return RecordOutcomeOutput{}, toTemporal(err)
	}
	return RecordOutcomeOutput{Remarks: warnings}, nil
}
