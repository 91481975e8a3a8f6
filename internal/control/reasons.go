package control

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/workflows"
)

// decryptFailures makes the texts of failures readable, if the caller has the keys.
func (t Temporal) decryptFailures(described *workflowservice.DescribeWorkflowExecutionResponse) {
	if t.Payloads == nil {
		return
	}
	for _, p := range described.GetPendingActivities() {
		converter.DecodeCommonFailureAttributes(t.Payloads, p.GetLastFailure())
	}
}

// failureText is the text of an attempt's failure, empty for one that is encrypted. Like
// all texts that reach Temporal, it names no users.
func failureText(f *failurepb.Failure) string {
	if f.GetMessage() == encodedFailure {
		return ""
	}
	return strings.ReplaceAll(strings.TrimPrefix(f.GetMessage(), "activities: "), "\n", " ")
}

// addReasons gives the runs whose last attempt to apply a plan failed the platform's answer
// as the reason. The ledger has it for every caller, Temporal only for those with the keys. A
// run between two activities may wait for steps that the platform is still carrying out, or
// that fail for now.
func addReasons(ctx context.Context, s *store.Store, runs []OpenRun, now time.Time) error {
	l := ledger.New(s)
	for i, run := range runs {
		failedApply := run.Error != "" && run.Doing == doing(activities.ApplyActivity)
		betweenActivities := run.State == StateRunning && run.Doing == "" && run.Tenant != ""
		if !failedApply && !betweenActivities {
			continue
		}
		failed, err := l.Failed(ctx, ledger.Run{RunID: run.runID})
		if err != nil {
			return err
		}
		if failedApply {
			runs[i].Reason = cmp.Or(lastAnswer(failed, run.Error), run.Reason)
			continue
		}
		if runs[i] = run.waitingFor(failed); runs[i].State != StateRunning {
			continue
		}
		if failed, err = failedReplacements(ctx, l, run, now); err != nil {
			return err
		}
		runs[i] = run.waitingFor(failed)
	}
	return nil
}

// waitingFor returns the run with what it waits for by a timer: the newest answer to one of
// the failed steps that may work later.
func (r OpenRun) waitingFor(failed []ledger.Record) OpenRun {
	for _, class := range []string{activities.TypeUnavailable, activities.TypePending, activities.TypeThrottled} {
		answer := lastAnswer(failed, class)
		if answer == "" {
			continue
		}
		if r.State, r.Reason = StatePending, answer; class != activities.TypePending {
			r.State, r.Error = StatePlatform, class
		}
		return r
	}
	return r
}

// failedReplacements returns the failed steps in the newest run of each group replacement
// that a tenant's run has started.
func failedReplacements(ctx context.Context, l *ledger.Ledger, run OpenRun, now time.Time) ([]ledger.Record, error) {
	tenant, err := access.ParseTenantID(run.Tenant + "/" + run.Platform)
	if err != nil {
		return nil, err
	}
	records, err := l.Records(ctx, ledger.Filter{Tenant: tenant})
	if err != nil {
		return nil, err
	}
	started := now.Add(-time.Duration(run.SinceMS) * time.Millisecond)
	newest := map[string]string{} // run IDs by workflow ID
	return slices.DeleteFunc(records, func(r ledger.Record) bool {
		id := r.Run.WorkflowID
		if !strings.HasPrefix(id, workflows.RecreateGroupID("")) || r.IntendedAt.Before(started) {
			return true
		}
		newest[id] = cmp.Or(newest[id], r.Run.RunID)
		return newest[id] != r.Run.RunID || r.Err == ""
	}), nil
}

// lastAnswer is the newest answer of a class in the last pass, with how many steps got one
// of that class; empty without any.
func lastAnswer(failed []ledger.Record, class string) string {
	last := 0
	for _, r := range failed {
		last = max(last, r.Run.Pass)
	}
	failed = slices.DeleteFunc(slices.Clone(failed), func(r ledger.Record) bool {
		return r.Run.Pass != last || !strings.HasPrefix(r.Err, class+": ")
	})
	if len(failed) == 0 {
		return ""
	}
	newest := slices.MaxFunc(failed, func(a, b ledger.Record) int { return a.DoneAt.Compare(b.DoneAt) })
	answer, _, _ := strings.Cut(strings.TrimPrefix(newest.Err, class+": "), "\n")
	answer = strings.TrimSuffix(answer, ": "+fault.ErrPending.Error())
	if len(failed) > 1 {
		answer += fmt.Sprintf(" (%d steps)", len(failed))
	}
	return answer
}
