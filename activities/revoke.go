package activities

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/revocation"
)

// Names under which the activities of Revocations are registered.
const (
	RemoveUserActivity    = "RemoveUser"
	VerifyRemovalActivity = "VerifyRemoval"
)

// RemoveUserInput asks for a user to be removed from everything on one platform. The
// database knows the user.
type RemoveUserInput struct {
	// ID is the revocation's.
	ID       string `json:"id"`
	Platform string `json:"platform"`
}

// RemoveUserOutput says what was done. It names no user.
type RemoveUserOutput struct {
	// Affected counts the tenants where the user may have been. Each needs a run, which
	// finds what another run grants at the same moment.
	Affected int `json:"affected"`
	// Sets are the groups and roles that lost the user.
	Sets  int `json:"sets"`
	Calls int `json:"calls"`
	// Done is true where there is nothing to verify.
	Done bool `json:"done,omitempty"`
}

// VerifyRemovalInput asks for one check of a part of what a revocation has to verify.
type VerifyRemovalInput struct {
	ID       string `json:"id"`
	Platform string `json:"platform"`
	// After is Next of the check before in the same round; empty for the first one.
	After string `json:"after,omitempty"`
	// Check counts the checks of the verification, from 0 on.
	Check int `json:"check,omitempty"`
	// First is true in the first round, whose tenants need a run each.
	First bool `json:"first,omitempty"`
	// Problem is that of the checks before in the same round.
	Problem string `json:"problem,omitempty"`
}

// VerifyRemovalOutput says what one check found. It names no user.
type VerifyRemovalOutput struct {
	// Tenants were checked for the first time. Each needs a run.
	Tenants []access.TenantID `json:"tenants,omitempty"`
	// Next is where the next check of the round begins; empty after the last one.
	Next string `json:"next,omitempty"`
	// Done is true where nothing is left to verify.
	Done bool `json:"done,omitempty"`
	// Wait is the least time before the next round.
	Wait time.Duration `json:"wait,omitempty"`
	// Problem is why a part cannot be verified until an operator acts.
	Problem string `json:"problem,omitempty"`
	Sets    int    `json:"sets"`
	Calls   int    `json:"calls"`
}

// Revocations does the revocations on all platforms that a worker serves. It has
// a queue of its own, so that none waits for a slot that replication holds.
type Revocations struct {
	mu        sync.Mutex
	platforms map[string]*Platform
	former    *Platform
}

// NewRevocations serves no platform yet.
func NewRevocations() *Revocations { return &Revocations{platforms: map[string]*Platform{}} }

// Serve adds a platform. Calls to it go through the budget that all its activities
// share.
func (r *Revocations) Serve(platform string, p *Platform) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.platforms[platform] = p
}

// ServeFormer adds what works on platforms that documents do not describe any more.
func (r *Revocations) ServeFormer(p *Platform) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.former = p
}

// Forget takes a platform out that is no longer served. What runs for it may finish.
func (r *Revocations) Forget(platform string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.platforms, platform)
}

// Register makes the activities known to a worker under their names.
func (r *Revocations) Register(w worker.ActivityRegistry) {
	for name, run := range map[string]any{
		RemoveUserActivity:    heartbeating(defaultHeartbeats(), r.RemoveUser),
		VerifyRemovalActivity: heartbeating(defaultHeartbeats(), r.VerifyRemoval),
	} {
		w.RegisterActivityWithOptions(run, activity.RegisterOptions{Name: name})
	}
}

// RemoveUser removes a user from every managed group and role on one platform. Its return
// is the platform's acceptance. No guard applies.
func (r *Revocations) RemoveUser(ctx context.Context, in RemoveUserInput) (RemoveUserOutput, error) {
	p, err := r.platform(ctx, in.ID, in.Platform)
	if err != nil {
		return RemoveUserOutput{}, toTemporal(err)
	}
	ctx, _ = budget.WithMeter(ctx)
	out, err := p.remover().Remove(ctx, runOf(ctx, in.ID, in.Platform))
	measure(ctx, in.Platform, out.Calls, out.Sets, err)
	activity.GetLogger(ctx).Info("user removed", "revocation", in.ID, "platform", in.Platform,
		"tenants", out.Tenants, "sets", out.Sets, "calls", out.Calls, "accepted", err == nil)
	if err != nil {
		return RemoveUserOutput{}, toTemporal(err)
	}
	return RemoveUserOutput{Affected: out.Tenants, Sets: out.Sets, Calls: out.Calls, Done: out.Done}, nil
}

// VerifyRemoval checks once whether a user is out of a part of the tenants of one platform,
// and removes the user again where that is not so.
func (r *Revocations) VerifyRemoval(ctx context.Context, in VerifyRemovalInput) (VerifyRemovalOutput, error) {
	p, err := r.platform(ctx, in.ID, in.Platform)
	if err != nil {
		return VerifyRemovalOutput{}, toTemporal(err)
	}
	ctx, _ = budget.WithMeter(ctx)
	check := revocation.Check{After: in.After, Number: in.Check, First: in.First, Problem: in.Problem}
	out, err := p.remover().Verify(ctx, runOf(ctx, in.ID, in.Platform), check)
	measure(ctx, in.Platform, out.Calls, out.Sets, err)
	activity.GetLogger(ctx).Info("removal checked", "revocation", in.ID, "platform", in.Platform,
		"check", in.Check, "sets", out.Sets, "calls", out.Calls, "done", out.Done)
	if err != nil {
		return VerifyRemovalOutput{}, toTemporal(err)
	}
	return VerifyRemovalOutput{
		Tenants: out.Tenants, Next: out.Next, Done: out.Done, Wait: out.Wait, Problem: out.Problem, Sets: out.Sets, Calls: out.Calls,
	}, nil
}

// runOf is the run that the ledger records.
func runOf(ctx context.Context, id, platform string) revocation.Run {
	info := activity.GetInfo(ctx)
	return revocation.Run{
		ID: id, Platform: platform, Attempt: int(info.Attempt),
		WorkflowID: info.WorkflowExecution.ID, RunID: info.WorkflowExecution.RunID,
	}
}

// platform returns what works on a platform: one that is not stored and has no tombstone
// any more is reached by what the database kept of it.
func (r *Revocations) platform(ctx context.Context, id, name string) (*Platform, error) {
	r.mu.Lock()
	p, former := r.platforms[name], r.former
	r.mu.Unlock()
	if p != nil {
		return p, nil
	}
	attempt := activity.GetInfo(ctx).Attempt
	if former == nil {
		return nil, otherWorker(name, attempt)
	}
	active, err := former.store.ServedPlatforms(ctx)
	if err != nil {
		return nil, fmt.Errorf("activities: list the platforms: %w", err)
	}
	if !slices.Contains(active, name) {
		return former, nil
	}
	if attempt > triesAtOnce {
		if err := former.store.RevocationWaits(ctx, id, name, "no worker holds the platform's connection"); err != nil {
			return nil, fmt.Errorf("activities: store what revocation %s waits for: %w", id, err)
		}
	}
	return nil, otherWorker(name, attempt)
}

// triesAtOnce is how many attempts follow at once where this worker does not serve the
// platform.
const triesAtOnce = 10

// otherWorker returns the error for a platform that is not active on this worker. The next
// attempt may reach another pool of workers, so the first ones follow at once; later
// ones follow as after any failure, because there may be no such worker.
func otherWorker(platform string, attempt int32) error {
	const delay = 200 * time.Millisecond
	var options temporal.ApplicationErrorOptions
	if attempt <= triesAtOnce {
		options.NextRetryDelay = delay
	}
	text := fmt.Sprintf("activities: %v: this worker does not serve %s", fault.ErrUnavailable, platform)
	return temporal.NewApplicationErrorWithOptions(text, TypeUnavailable, options)
}

// remover removes users on the platform.
func (p *Platform) remover() *revocation.Remover {
	return revocation.New(revocation.Config{
		Store: p.store, Ledger: p.ledger, Tenants: p.tenants, Installation: p.installation, InFlight: p.inFlight,
	})
}
