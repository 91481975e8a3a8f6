package activities

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/worker"

	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/reconcile"
	"github.com/rollcall-iam/rollcall/internal/revocation"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// heartbeat is how often a working activity says so. It is well below the
// heartbeat timeout, after which another worker takes over.
const heartbeat = 4 * time.Second

// Drivers opens platforms; connection.Drivers is one.
type Drivers = reconcile.Drivers

// Platform holds what the activities of one platform need. Its methods are the
// activities.
type Platform struct {
	tenants      *reconcile.Reconciler
	store        *store.Store
	ledger       *ledger.Ledger
	installation string
	// checks returns what looks again, right before each unit of an application,
	// whether it is still desired.
	checks func(*application) func(context.Context) error
	// inFlight is how long a revocation waits for additions that are on their way.
	inFlight time.Duration
}

// NewPlatform returns the activities of one platform, whose driver is opened when the
// first run needs it.
func NewPlatform(s *store.Store, l *ledger.Ledger, installation string, drivers Drivers) *Platform {
	return &Platform{
		tenants: reconcile.NewReconciler(s, l, installation, drivers),
		store:   s, ledger: l, installation: installation,
		checks:   func(a *application) func(context.Context) error { return a.stillDesired },
		inFlight: revocation.InFlight,
	}
}

// Register makes the activities known to a worker under their names.
func (p *Platform) Register(w worker.ActivityRegistry) {
	for name, run := range map[string]any{
		ResolveUsersActivity: p.ResolveUsers, PlanActivity: p.Plan, ApplyActivity: p.Apply, VerifyActivity: p.Verify,
		RecordOutcomeActivity: p.RecordOutcome, DetectDriftActivity: p.DetectDrift,
		ConfirmReplacementActivity:    p.ConfirmReplacement,
		CompensateReplacementActivity: p.CompensateReplacement,
		RecordReplacementActivity:     p.RecordReplacement,
	} {
		w.RegisterActivityWithOptions(run, activity.RegisterOptions{Name: name})
	}
}

// beat heartbeats until the returned function is called, so that a worker that
// died is noticed within seconds and cancellations arrive.
func beat(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		ticker := time.NewTicker(heartbeat)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				activity.RecordHeartbeat(ctx)
			}
		}
	}()
	return cancel
}
