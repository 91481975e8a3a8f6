package activities

import (
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/worker"

	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/reconcile"
	"github.com/rollcall-iam/rollcall/internal/revocation"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// Drivers opens platforms; connection.Drivers is one.
type Drivers = reconcile.Drivers

// Platform holds what the activities of one platform need. Its methods are the
// activities.
type Platform struct {
	tenants      *reconcile.Reconciler
	store        *store.Store
	ledger       *ledger.Ledger
	installation string
	// inFlight is how long a revocation waits for additions that are on their way.
	inFlight   time.Duration
	heartbeats heartbeats
}

// NewPlatform returns the activities of one platform, whose driver is opened when the
// first run needs it.
func NewPlatform(s *store.Store, l *ledger.Ledger, installation string, drivers Drivers) *Platform {
	return &Platform{
		tenants: reconcile.NewReconciler(s, l, installation, drivers),
		store:   s, ledger: l, installation: installation,
		inFlight: revocation.InFlight, heartbeats: defaultHeartbeats(),
	}
}

// Register makes the activities known to a worker under their names.
func (p *Platform) Register(w worker.ActivityRegistry) {
	for name, run := range map[string]any{
		ResolveUsersActivity:          heartbeating(p.heartbeats, p.ResolveUsers),
		PlanActivity:                  heartbeating(p.heartbeats, p.Plan),
		ApplyActivity:                 heartbeating(p.heartbeats, p.Apply),
		VerifyActivity:                heartbeating(p.heartbeats, p.Verify),
		RecordOutcomeActivity:         heartbeating(p.heartbeats, p.RecordOutcome),
		DetectDriftActivity:           heartbeating(p.heartbeats, p.DetectDrift),
		VerifyTenantsActivity:         heartbeating(p.heartbeats, p.VerifyTenants),
		ConfirmReplacementActivity:    heartbeating(p.heartbeats, p.ConfirmReplacement),
		CompensateReplacementActivity: heartbeating(p.heartbeats, p.CompensateReplacement),
		RecordReplacementActivity:     p.RecordReplacement,
	} {
		w.RegisterActivityWithOptions(run, activity.RegisterOptions{Name: name})
	}
}
