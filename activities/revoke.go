package activities

import (
	"context"
	"errors"
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
	"github.com/rollcall-iam/rollcall/internal/store"
)

// RemoveUserActivity is the name under which RemoveUser is registered.
const RemoveUserActivity = "RemoveUser"

// RemoveUserInput asks for somebody to be taken out of everything on one platform.
// Who that is stands in the database.
type RemoveUserInput struct {
	// ID is the revocation's.
	ID       string `json:"id"`
	Platform string `json:"platform"`
}

// RemoveUserOutput says what was done, without people.
type RemoveUserOutput struct {
	// Tenants were looked at. Each wants to be replicated: what somebody else gives
	// at the same moment is seen then.
	Tenants []access.TenantID `json:"tenants,omitempty"`
	// Sets are the groups and roles that lost the person.
	Sets  int `json:"sets"`
	Calls int `json:"calls"`
}

// Revocations does the revocations on all platforms that a worker serves. It has
// a queue of its own, so that none waits for a slot that replication holds.
type Revocations struct {
	mu        sync.Mutex
	platforms map[string]*Platform
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

// Forget takes a platform out that is no longer served. What runs for it may finish.
func (r *Revocations) Forget(platform string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.platforms, platform)
}

// Register makes the activity known to a worker under its name.
func (r *Revocations) Register(w worker.ActivityRegistry) {
	w.RegisterActivityWithOptions(r.RemoveUser, activity.RegisterOptions{Name: RemoveUserActivity})
}

// RemoveUser takes a person out of every set of ours on one platform, and ends when the
// platform shows it. Guards do not apply. Sets of others are remarked.
func (r *Revocations) RemoveUser(ctx context.Context, in RemoveUserInput) (RemoveUserOutput, error) {
	r.mu.Lock()
	p := r.platforms[in.Platform]
	r.mu.Unlock()
	if p == nil {
		return RemoveUserOutput{}, otherWorker(in.Platform, activity.GetInfo(ctx).Attempt)
	}
	defer beat(ctx)()
	ctx, meter := budget.WithMeter(budget.Urgent(ctx))
	work := &revoking{platform: p, in: in, meter: meter}
	err := work.run(ctx)
	if err != nil {
		err = errors.Join(err, work.fail(ctx, err))
	}
	measure(ctx, in.Platform, meter.Calls(), work.sets(), err)
	activity.GetLogger(ctx).Info("person revoked", "revocation", in.ID, "platform", in.Platform,
		"tenants", len(work.tenants), "sets", work.sets(), "calls", meter.Calls(), "done", err == nil)
	if err != nil {
		return RemoveUserOutput{}, toTemporal(err)
	}
	return RemoveUserOutput{Tenants: work.tenants, Sets: work.report.Sets, Calls: work.report.Calls}, nil
}

// otherWorker returns the error for a platform that is not active on this worker. The next
// attempt may reach another pool of workers, so the first ones follow at once; later
// ones follow as after any failure, because there may be no such worker.
func otherWorker(platform string, attempt int32) error {
	const (
		atOnce = 10
		delay  = 200 * time.Millisecond
	)
	var options temporal.ApplicationErrorOptions
	if attempt <= atOnce {
		options.NextRetryDelay = delay
	}
	text := fmt.Sprintf("activities: %v: this worker does not serve %s", fault.ErrUnavailable, platform)
	return temporal.NewApplicationErrorWithOptions(text, TypeUnavailable, options)
}

const (
	// inFlight is how long additions that were on their way are waited for: until
	// a worker that died is noticed and another has taken over.
	inFlight = 45 * time.Second
	// glance is how often is looked whether they have arrived.
	glance = 50 * time.Millisecond
	// revokedAtOnce is how many tenants one person is taken out of at once.
	revokedAtOnce = 16
)

// run finds the person and takes them out until they are seen to be out.
func (r *revoking) run(ctx context.Context) error {
	standing, err := r.load(ctx)
	if err != nil || !standing {
		return err
	}
	if err := r.find(ctx); err != nil {
		return err
	}
	began := time.Now()
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		open, err := r.additions(ctx)
		if err != nil {
			return err
		}
		left, err := r.pass(ctx)
		if err != nil {
			return err
		}
		open = open && time.Since(began) < r.platform.inFlight
		switch {
		case open:
			err = r.arrival(ctx, began.Add(r.platform.inFlight))
		case left == 0:
			return r.say(ctx, store.RevocationDone, "")
		default:
			err = r.accept(ctx, pause)
		}
		if err != nil {
			return err
		}
	}
}

// arrival waits until nothing is on its way any more that gives the person
// something, at most until the deadline.
func (r *revoking) arrival(ctx context.Context, deadline time.Time) error {
	for time.Now().Before(deadline) {
		open, err := r.additions(ctx)
		if err != nil || !open {
			return err
		}
		if err := wait(ctx, glance); err != nil {
			return err
		}
	}
	return nil
}

// accept notes that the platform took the removals, and waits before the look that
// has to show it. It gives up, until a later attempt, when that takes too long.
func (r *revoking) accept(ctx context.Context, pause time.Duration) error {
	switch {
	case r.moved:
		return wait(ctx, glance) // what moved is looked at again
	case r.accepted.IsZero():
		r.accepted = time.Now()
		return r.say(ctx, store.RevocationAccepted, "")
	case time.Since(r.accepted) > r.settle+inFlight:
		return fmt.Errorf("activities: %w: %s takes the removals and still shows what was removed", fault.ErrUnavailable, r.in.Platform)
	default:
		return wait(ctx, pause)
	}
}

// wait waits, unless ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// load reads the revocation, and reports whether it stands.
func (r *revoking) load(ctx context.Context) (bool, error) {
	found, err := r.platform.store.Revocations(ctx, store.RevocationFilter{ID: r.in.ID, Lifted: true})
	if err != nil {
		return false, fmt.Errorf("activities: read revocation %s: %w", r.in.ID, err)
	}
	if len(found) == 0 {
		return false, fmt.Errorf("activities: %w: there is no revocation %s", fault.ErrInvalid, r.in.ID)
	}
	r.who = found[0]
	r.report = store.RevokedPlatform{Platform: r.in.Platform}
	// What earlier attempts did counts.
	i := slices.IndexFunc(r.who.Platforms, func(p store.RevokedPlatform) bool { return p.Platform == r.in.Platform })
	if i >= 0 && r.who.Platforms[i].State != store.RevocationDone {
		r.before = r.who.Platforms[i]
	}
	if !r.who.LiftedAt.IsZero() {
		return false, r.say(ctx, store.RevocationDone, "")
	}
	return true, nil
}

// say stores how far the revocation is here.
func (r *revoking) say(ctx context.Context, state store.RevocationState, problem string) error {
	r.report.State, r.report.Problem, r.report.Settle = state, problem, r.settle
	r.report.Tenants = max(r.before.Tenants, len(r.tenants))
	r.report.Sets, r.report.Calls = r.before.Sets+r.sets(), r.before.Calls+r.meter.Calls()
	r.report.Remarks = access.SortRemarks(slices.Clone(r.remarks))
	if err := r.platform.store.RevokedOn(ctx, r.in.ID, r.report); err != nil {
		return fmt.Errorf("activities: store how far revocation %s is: %w", r.in.ID, err)
	}
	return nil
}

// fail stores what is in the way.
func (r *revoking) fail(ctx context.Context, cause error) error {
	state := store.RevocationWaiting
	switch {
	case permanent(cause):
		state = store.RevocationFailed
	case !r.accepted.IsZero():
		state = store.RevocationAccepted
	}
	return r.say(context.WithoutCancel(ctx), state, cause.Error())
}
