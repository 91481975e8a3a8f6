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
	// remove the user everywhere. Its details are a RevokeResult, those of a verification
	// a VerifyRevocationResult.
	RevokeFailedType = "RevokeFailed"
	// revokeCause is what runs of tenants say that a revocation started.
	revokeCause = "revoke"
	// starting is how many runs of tenants are started at once.
	starting = 20
)

// RevokeUserID is the workflow ID of a revocation, by its random id.
func RevokeUserID(id string) string { return "revoke/" + id }

// RevokeUserInput is what RevokeUser needs to start. Who it is about stands in
// the database.
type RevokeUserInput struct {
	ID        string   `json:"id"`
	Platforms []string `json:"platforms"`
	Cause     string   `json:"cause,omitempty"`
}

// RevokeResult sums up a revocation, platform by platform in the order of the input.
type RevokeResult struct {
	Platforms []RevokedOn `json:"platforms,omitempty"`
}

// RevokedOn is what a revocation did on one platform. How long it took is in the
// database.
type RevokedOn struct {
	Platform string `json:"platform"`
	Tenants  int    `json:"tenants"`
	Sets     int    `json:"sets"`
	Calls    int    `json:"calls"`
	// Failed says why it was given up.
	Failed string `json:"failed,omitempty"`
}

// RevokeUser removes a user from everything:
//
//   - on all platforms at once, each by an activity that goes first, and that outlives a
//     day's outage; its return is the platform's acceptance;
//   - a platform that has accepted gets a VerifyRevocation, which outlives this run;
//   - where another caller revokes the user meanwhile, remove once more, at once where
//     nothing is waited for.
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

// begin sees to all platforms at once; to those that it sees to already once more
// when that ends.
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

// running counts the platforms that are waited for.
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

// platform removes the user from one platform and has that verified.
func (r *revocation) platform(ctx workflow.Context, on *RevokedOn, platform string) {
	*on = RevokedOn{Platform: platform}
	var out activities.RemoveUserOutput
	options := revokeOptions(platform, "remove a user from "+platform)
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, options), activities.RemoveUserActivity,
		activities.RemoveUserInput{ID: r.in.ID, Platform: platform}).Get(ctx, &out)
	if err != nil {
		on.Failed = Reason(err)
		return
	}
	on.Tenants, on.Sets, on.Calls = out.Affected, out.Sets, out.Calls
	if out.Done {
		return
	}
	in := VerifyRevocationInput{ID: r.in.ID, Platform: platform}
	err = startOrSignal(ctx, VerifyRevocationWorkflow, in, workflow.ChildWorkflowOptions{
		WorkflowID: VerifyRevocationID(r.in.ID, platform), StaticSummary: "verify a revocation on " + platform,
		TypedSearchAttributes: engine.PlatformAttributes(platform),
		Priority:              engine.Priority(engine.PriorityRevoke, platform),
	})
	if err != nil {
		on.Failed = Reason(err)
	}
}

// failure is the error that a run ends with when a platform was given up.
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

// say tells people who look at the run which platforms it waits for.
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

// revokeOptions let a revocation go first, and outlive a day's outage.
func revokeOptions(platform, summary string) workflow.ActivityOptions {
	o := options(platform, summary)
	o.TaskQueue = engine.RevocationQueue
	o.Priority = engine.Priority(engine.PriorityRevoke, platform)
	return o
}
