package activities_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// lagging shows for some looks how everything was at first.
type lagging struct {
	driver.Driver
	first []driver.Observation
	looks atomic.Int64 // that still lag
}

func (l *lagging) Observe(ctx context.Context, scopes []driver.Scope) ([]driver.Observation, error) {
	seen, err := l.Driver.Observe(ctx, scopes)
	if l.first == nil {
		l.first = seen
	}
	if l.looks.Add(-1) >= 0 {
		return l.first, err
	}
	return seen, err
}

// lag lets the lab's platform show things late.
func (l *lab) lag() *lagging {
	slow := &lagging{}
	l.platform = activities.NewPlatform(l.store, l.ledger, "lab", l.drivers(func(ctx context.Context, config driver.Config) (driver.Driver, error) {
		var err error
		slow.Driver, err = memory.Open(ctx, config)
		return slow, err
	}))
	l.register()
	return slow
}

// verifyPlan runs the Verify activity as Temporal does: while it fails as pending, again. It
// returns how many attempts that took.
func (l *lab) verifyPlan(patience time.Duration) (activities.PlanOutput, int, error) {
	l.t.Helper()
	for attempt := 1; ; attempt++ {
		out, err := execute[activities.PlanOutput](l, activities.VerifyActivity, activities.PlanInput{Tenant: web, Patience: patience})
		app, failed := errors.AsType[*temporal.ApplicationError](err)
		if !failed || app.Type() != activities.TypePending {
			return out, attempt, err
		}
		if app.NextRetryDelay() <= 0 || app.NextRetryDelay() > patience || app.NonRetryable() {
			l.t.Errorf("the attempt fails with %v, to be made again after %s; want within the patience of %s", app, app.NextRetryDelay(), patience)
		}
	}
}

// TestVerify_RetriesWhileWritesMayBeUnseen: a platform whose reads lag is looked at again
// for as long as that may last, and no longer. Between the looks nothing runs.
func TestVerify_RetriesWhileWritesMayBeUnseen(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	slow := l.lag()
	l.want(2)
	p, err := l.plan(activities.PlanInput{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.apply(p); err != nil {
		t.Fatal(err)
	}

	const lag = 3
	slow.looks.Store(lag)
	early, err := l.plan(activities.PlanInput{})
	if err != nil || early.Steps == 0 {
		t.Errorf("without patience: %+v, %v; want what is unseen to be planned again", early, err)
	}
	slow.looks.Store(lag)
	patient, attempts, err := l.verifyPlan(time.Minute)
	if err != nil || patient.Steps != 0 || patient.Outcome != activities.Converged || attempts != lag+1 {
		t.Errorf("with patience: %+v after %d attempts, %v; want converged after %d", patient, attempts, err, lag+1)
	}
	slow.looks.Store(1 << 40)
	late, attempts, err := l.verifyPlan(0)
	if err != nil || late.Steps == 0 || attempts != 1 {
		t.Errorf("after the patience has run out: %+v after %d attempts, %v; want what is still unseen to be planned", late, attempts, err)
	}
}

// TestRemovedGroupsMayBeSeenForAWhile: a group that the run removed is managed by its
// marker only while the platform still shows it, which is nothing to warn of.
func TestRemovedGroupsMayBeSeenForAWhile(t *testing.T) {
	t.Parallel()
	for _, patience := range []time.Duration{0, time.Minute} {
		l := newLab(t)
		slow := l.lag()
		l.want(0)
		l.converge()
		slow.first = nil
		id := document.ID{Kind: document.KindTenant, Name: web.String()}
		if _, err := l.store.Delete(t.Context(), []document.ID{id}, store.Checks{}); err != nil {
			t.Fatal(err)
		}
		l.converge() // removes the group
		slow.looks.Store(3)
		p, _, err := l.verifyPlan(patience)
		if err != nil || (p.Remarks > 0) != (patience == 0) || p.Steps > 0 {
			t.Errorf("with patience for %s: %+v, %v; want a warning without patience only", patience, p, err)
		}
	}
}
