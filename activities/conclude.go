package activities

import (
	"context"
	"fmt"
	"strings"

	"go.temporal.io/sdk/activity"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// RecordOutcome stores how a run ended that did not converge, with warnings that say
// what to do about it.
func (p *Platform) RecordOutcome(ctx context.Context, in RecordOutcomeInput) (RecordOutcomeOutput, error) {
	defer beat(ctx)()
	remarks, removals, err := p.conclusions(ctx, in)
	if err != nil {
		return RecordOutcomeOutput{}, toTemporal(err)
	}
	generation, err := p.store.Generation(ctx)
	if err != nil {
		return RecordOutcomeOutput{}, toTemporal(fmt.Errorf("activities: read the generation of the documents: %w", err))
	}
	err = p.store.PutStatus(ctx, store.Status{
		Tenant: in.Tenant, Outcome: string(in.Outcome), RunID: activity.GetInfo(ctx).WorkflowExecution.RunID,
		Digest: in.Digest, Steps: in.Done.Steps, Held: in.Held, Removals: removals, Calls: in.Done.Calls,
		Generation: generation, Remarks: remarks, Blind: in.Digest == "",
	})
	return RecordOutcomeOutput{Remarks: len(remarks)}, toTemporal(err)
}

// conclusions are the plan's remarks, and what went wrong with it, and how many
// removals it holds.
func (p *Platform) conclusions(ctx context.Context, in RecordOutcomeInput) (remarks []access.Remark, removals int, err error) {
	if in.Digest != "" {
		stored, _, err := p.store.Plan(ctx, in.Digest)
		if err != nil {
			return nil, 0, fmt.Errorf("activities: read plan %s: %w", in.Digest, err)
		}
		remarks, removals = stored.Remarks, len(stored.HeldRemovals())
	}
	failed, err := p.refusals(ctx, in)
	if err != nil {
		return nil, 0, err
	}
	for _, r := range failed {
		class, text, _ := strings.Cut(r.Err, ": ")
		code, refused := refusalCode(class), "the platform refused to"
		if code == access.ForbiddenByConnection {
			refused = "Rollcall may not"
		}
		remarks = append(remarks, access.Remark{
			Code: code, Object: r.Step.Object,
			Text: fmt.Sprintf("%s %s the %s %q: %s: %s", refused, r.Step.Op, r.Step.Kind, r.Step.Object, text, advice(code)),
		})
	}
	if in.Reason != "" {
		code := refusalCode(in.Type)
		remarks = append(remarks, access.Remark{Code: code, Object: in.Tenant.String(), Text: in.Reason + ": " + advice(code)})
	}
	if in.Outcome == Contested {
		remarks = append(remarks, access.Remark{
			Code: access.Contested, Object: in.Tenant.String(),
			Text: "what Rollcall writes does not stay: find out who else manages these groups and roles, and stop one of the two",
		})
	}
	return access.SortRemarks(remarks), removals, nil
}

// refusals are the steps that failed last, in the run itself and in those of its
// renamings that were refused.
func (p *Platform) refusals(ctx context.Context, in RecordOutcomeInput) ([]ledger.Record, error) {
	runs := []ledger.Run{{RunID: activity.GetInfo(ctx).WorkflowExecution.RunID, Pass: in.Pass}}
	for _, id := range in.Renamings {
		runs = append(runs, ledger.Run{RunID: id})
	}
	var all []ledger.Record
	for _, run := range runs {
		failed, err := p.ledger.Failed(ctx, run)
		if err != nil {
			return nil, fmt.Errorf("activities: read the ledger: %w", err)
		}
		all = append(all, failed...)
	}
	return all, nil
}

// advice says what to do about a refusal.
func advice(code access.Code) string {
	switch code {
	case access.PlatformDenied:
		return "correct the credentials of the platform's connection, or give their account the permissions it lacks"
	case access.ForbiddenByConnection:
		return "change the documents, or ask the operator of the workers to change the connection"
	default:
		return "correct the platform's settings or its role mappings"
	}
}

// refusalCode tells a lack of permission, and what the operator forbids, from a request
// that can never work.
func refusalCode(class string) access.Code {
	switch class {
	case TypeDenied:
		return access.PlatformDenied
	case TypeForbidden:
		return access.ForbiddenByConnection
	default:
		return access.PlatformRefused
	}
}
