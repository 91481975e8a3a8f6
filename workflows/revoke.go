package workflows

import (
	"fmt"
	"strings"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/engine"
)

const (
	// RevokeUserWorkflow is the name under which RevokeUser is registered.
	RevokeUserWorkflow = "RevokeUser"
	// RevokeFailedType is the type of the application error of a run that could not
	// remove the user everywhere. Its details are a RevokeResult, or the
	// VerifyRevocationResult of a verification.
	RevokeFailedType = "RevokeFailed"
	// revokeCause is the cause of tenants' runs that a revocation started.
	revokeCause = "revoke"
	// starting is how many tenants' runs one verification starts at once.
	starting = 20
)

// RevokeUserID is the workflow ID of a revocation, by its random id.
func RevokeUserID(id string) string { return "revoke/" + id }

// RevokeUserInput starts RevokeUser. The database names the user.
type RevokeUserInput struct {
	ID        string   `json:"id"`
	Platforms []string `json:"platforms"`
	Cause     string   `json:"cause,omitempty"`
}

// RevokeResult sums up a revocation, platform by platform in the order of the input.
type RevokeResult struct {
	Platforms []RevokedOn `json:"platforms,omitempty"`
}

// RevokedOn sums up a revocation on one platform. The database has the time that it took.
type RevokedOn struct {
	Platform string `json:"platform"`
	Tenants  int    `json:"tenants"`
	Sets     int    `json:"sets"`
	Calls    int    `json:"calls"`
	// Failed is the reason why the revocation failed on the platform; empty if it did not.
	Failed string `json:"failed,omitempty"`
}

// RevokeUser removes a user from every managed group and role:
//
//   - run one activity for each platform, all at once, with the highest priority and retries
//     that outlive a day's outage; its return is the platform's acceptance;
//   - start a VerifyRevocation for each platform that has accepted; it outlives this run;
//   - remove the user again after a trigger: at once on platforms without a running
//     activity, on the others after it ends.
func RevokeUser(ctx workflow.Context, in RevokeUserInput) (RevokeResult, error) {
	r := &revocation{in: in, on: make([]revokedOn, len(in.Platforms))}
	triggers := workflow.GetSignalChannel(ctx, TriggerSignal)
	for {
		r.begin(ctx)
		if err := workflow.Await(ctx, func() bool { return r.running() == 0 || triggers.Len() > 0 }); err != nil {
			return RevokeResult{}, err
		}
		if !drain(triggers) {
			return r.result(), r.failure()
		}
		if r.running() == 0 && renewalDue(ctx) {
			return RevokeResult{}, renew(ctx, RevokeUserWorkflow, in)
		}
	}
}

// revocation is the state of one run.
type revocation struct {
	in RevokeUserInput
	on []revokedOn // in the order of the input
}

// revokedOn is how far the run is on one platform.
type revokedOn struct {
	RevokedOn
	running, again bool
}

// begin removes the user from all platforms at once. A platform with a running removal
// gets another one after it.
func (r *revocation) begin(ctx workflow.Context) {
	for i, platform := range r.in.Platforms {
		on := &r.on[i]
		if on.running {
			on.again = true
			continue
		}
		on.running = true
		workflow.Go(ctx, func(ctx workflow.Context) {
			for on.again = true; on.again && ctx.Err() == nil; {
				on.again = false
				r.platform(ctx, &on.RevokedOn, platform)
			}
			on.running = false
			r.say(ctx)
		})
	}
	r.say(ctx)
}

// running counts the platforms with a running removal.
func (r *revocation) running() int {
	n := 0
	for _, on := range r.on {
		if on.running {
			n++
		}
	}
	return n
}

func (r *revocation) result() RevokeResult {
	var result RevokeResult
	for _, on := range r.on {
		result.Platforms = append(result.Platforms, on.RevokedOn)
	}
	return result
}

// platform removes the user from one platform and starts the verification.
func (r *revocation) platform(ctx workflow.Context, on *RevokedOn, platform string) {
	*on = RevokedOn{Platform: platform}
	var out activities.RemoveUserOutput
	options := revokeOptions(platform, "remove a user from "+platform)
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, options), revocations().RemoveUser,
		activities.RemoveUserInput{ID: r.in.ID, Platform: platform}).Get(ctx, &out)
	if err != nil {
		on.Failed = Reason(err)
		return
	}
	on.Tenants, on.Sets, on.Calls = out.Affected, out.Sets, out.Calls
	if out.Done {
		return
	}
	in := VerifyRevocationInput{VerifyRemovalInput: activities.VerifyRemovalInput{ID: r.in.ID, Platform: platform}}
	err = startOrSignal(ctx, VerifyRevocationWorkflow, in, revokeCause, workflow.ChildWorkflowOptions{
		WorkflowID: VerifyRevocationID(r.in.ID, platform), StaticSummary: "verify a revocation on " + platform,
		TypedSearchAttributes: engine.PlatformAttributes(platform),
		Priority:              engine.Priority(engine.PriorityRevoke, platform),
	})
	if err != nil {
		on.Failed = Reason(err)
	}
}

// failure returns the error of a run in which a platform failed.
func (r *revocation) failure() error {
	var failed []string
	for _, on := range r.on {
		if on.Failed != "" {
			failed = append(failed, on.Platform+": "+on.Failed)
		}
	}
	if len(failed) == 0 {
		return nil
	}
	return temporal.NewApplicationErrorWithOptions(strings.Join(failed, "; "), RevokeFailedType, temporal.ApplicationErrorOptions{
		NonRetryable: true, Details: []any{r.result()},
	})
}

// say sets the current details of the run: the platforms that it waits for.
func (r *revocation) say(ctx workflow.Context) {
	text := fmt.Sprintf("**%d of %d platforms** done.", len(r.on)-r.running(), len(r.on))
	var waits []string
	for i, p := range r.in.Platforms {
		if r.on[i].running {
			waits = append(waits, "`"+p+"`")
		}
	}
	if len(waits) > 0 {
		text += " Waiting for " + strings.Join(waits, ", ") + "."
	}
	workflow.SetCurrentDetails(ctx, text)
}

// revokeOptions are those of an activity with the priority of revocations.
func revokeOptions(platform, summary string) workflow.ActivityOptions {
	o := options(platform, summary)
	o.TaskQueue = engine.RevocationQueue
	o.Priority = engine.Priority(engine.PriorityRevoke, platform)
	return o
}
