package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/ledger"
)

// decryptFailures makes the texts of failures readable, if the caller has the keys.
func (c *cli) decryptFailures(described *workflowservice.DescribeWorkflowExecutionResponse) {
	if c.payloads == nil {
		return
	}
	for _, p := range described.GetPendingActivities() {
		converter.DecodeCommonFailureAttributes(c.payloads, p.GetLastFailure())
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
// as the reason. The ledger has it for everyone, Temporal only for those with the keys. A
// run between two activities may wait for what the platform is still carrying out.
func (c *cli) addReasons(ctx context.Context, runs []live) error {
	l := ledger.New(c.documents)
	for i, run := range runs {
		failedApply := run.Error != "" && run.Doing == doing(activities.ApplyActivity)
		betweenActivities := run.State == stateRunning && run.Doing == "" && run.Tenant != ""
		if !failedApply && !betweenActivities {
			continue
		}
		failed, err := l.Failed(ctx, ledger.Run{RunID: run.runID})
		if err != nil {
			return err
		}
		if failedApply {
			runs[i].Reason = cmp.Or(lastAnswer(failed, run.Error), run.Reason)
		} else if answer := lastAnswer(failed, activities.TypePending); answer != "" {
			runs[i].State, runs[i].Reason = statePending, answer
		}
	}
	return nil
}

// lastAnswer is the newest answer of a class in the last pass, with how many steps got one
// of that class; empty without any.
func lastAnswer(failed []ledger.Record, class string) string {
	last := 0
	for _, r := range failed {
		last = max(last, r.Run.Pass)
	}
	failed = slices.DeleteFunc(failed, func(r ledger.Record) bool {
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
