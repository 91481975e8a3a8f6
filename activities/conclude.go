package activities

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/sdk/activity"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/reconcile"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// RecordOutcome stores how a run ended that did not converge, with warnings that say
// what to do about it.
func (p *Platform) RecordOutcome(ctx context.Context, in RecordOutcomeInput) (RecordOutcomeOutput, error) {
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
	var stored plan.Plan
	if in.Digest != "" {
		if stored, _, err = p.store.Plan(ctx, in.Digest); err != nil {
			return nil, 0, fmt.Errorf("activities: read plan %s: %w", in.Digest, err)
		}
		remarks, removals = stored.Remarks, len(stored.HeldRemovals())
	}
	failed, err := p.refusals(ctx, in)
	if err != nil {
		return nil, 0, err
	}
	wholes := wholesOf(failed)
	for _, r := range smallest(failed) {
		remarks = append(remarks, refusal(r, stored.BlockedBy(wholes[r.Step.ID])))
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
	events, err := p.tenants.Events(ctx, map[access.TenantID]string{in.Tenant: thisRun(ctx, in.Tenant).RunID})
	if err != nil {
		return nil, 0, err
	}
	return reconcile.WithEvents(remarks, events[in.Tenant]), removals, nil
}

// wholesOf returns, by the ID of each failed step, that of the plan's step of which it is
// a part, or its own.
func wholesOf(failed []ledger.Record) map[string]string {
	partOf := make(map[string]string, len(failed))
	for _, r := range failed {
		partOf[r.Step.ID] = r.Step.PartOf
	}
	wholes := make(map[string]string, len(failed))
	for id := range partOf {
		whole := id
		for partOf[whole] != "" {
			whole = partOf[whole]
		}
		wholes[id] = whole
	}
	return wholes
}

// smallest leaves out the steps of which a part failed: the part says what is wrong.
func smallest(failed []ledger.Record) []ledger.Record {
	whole := map[string]bool{}
	for _, r := range failed {
		whole[r.Step.PartOf] = true
	}
	return slices.DeleteFunc(failed, func(r ledger.Record) bool { return whole[r.Step.ID] })
}

// refusal returns the warning about a failed step that so many others need.
func refusal(r ledger.Record, blocked int) access.Remark {
	answer, remedy, _ := strings.Cut(r.Err, "\n")
	class, text, _ := strings.Cut(answer, ": ")
	code, refused := refusalCode(class), "the platform refused to"
	if code == access.ForbiddenByConnection {
		refused = "Rollcall may not"
	}
	switch {
	case class == TypeUnavailable:
		refused = "the platform failed to"
	case code == access.PlatformPending:
		refused = "the platform has not finished yet to"
	}
	what := fmt.Sprintf("%s the %s %q", r.Step.Op, r.Step.Kind, r.Step.Object)
	switch adds, removes := r.Step.Adds(), r.Step.Removes(); {
	case r.Step.Op == plan.Change && len(adds) == 1 && len(removes) == 0:
		what = fmt.Sprintf("add %s to the %s %q", plan.AccountName(adds[0]), r.Step.Kind, r.Step.Object)
	case r.Step.Op == plan.Change && len(adds) == 0 && len(removes) == 1:
		what = fmt.Sprintf("remove %s from the %s %q", plan.AccountName(removes[0]), r.Step.Kind, r.Step.Object)
	}
	waiting := ""
	if blocked > 0 {
		waiting = fmt.Sprintf(" (%d other steps need it)", blocked)
	}
	return access.Remark{
		Code: code, Object: r.Step.Object,
		Text: fmt.Sprintf("%s %s%s: %s: %s", refused, what, waiting, text, cmp.Or(remedy, adviceOn(r.Step.Kind, code))),
	}
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

// adviceOn says what to do about a refused step on an object of that kind.
func adviceOn(kind access.Kind, code access.Code) string {
	if kind == access.KindAccount && code == access.PlatformRefused {
		return "correct the user's address in the documents, or have an administrator of the platform add the user"
	}
	return advice(code)
}

// advice says what to do about a refusal.
func advice(code access.Code) string {
	switch code {
	case access.PlatformDenied:
		return "correct the credentials of the platform's connection, or give their account the permissions it lacks"
	case access.ForbiddenByConnection:
		return "change the documents, or ask the operator of the workers to change the connection"
	case access.PlatformPending:
		return "the next run looks for it again; if it does not end, ask the platform's support about it"
	default:
		return "correct the platform's settings or its role mappings"
	}
}

// refusalCode tells a lack of permission, what the operator forbids, and what another run may
// do, from a request that can never work.
func refusalCode(class string) access.Code {
	switch class {
	case TypeDenied:
		return access.PlatformDenied
	case TypeForbidden:
		return access.ForbiddenByConnection
	case TypePending, TypeThrottled, TypeUnavailable: // a platform may throttle until an earlier write ends
		return access.PlatformPending
	default:
		return access.PlatformRefused
	}
}
