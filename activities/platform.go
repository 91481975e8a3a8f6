package activities

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/worker"

	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// heartbeat is how often a working activity says so. It is well below the
// heartbeat timeout, after which another worker takes over.
const heartbeat = 4 * time.Second

// concurrent is how many calls to a platform are open at once where its document
// does not say: 8 and 2 more that only revocations get. More made a Keystone on two
// processors slower: 720 writes took it 30 s with 8 at once and 39 s with 64.
const concurrent = 10

// Platform holds what the activities of one platform need. Its methods are the
// activities.
type Platform struct {
	store        *store.Store
	ledger       *ledger.Ledger
	drivers      map[string]driver.Open
	installation string
	// checks returns what looks again, right before each unit of an application,
	// whether it is still desired.
	checks func(*application) func(context.Context) error
	// inFlight is how long a revocation waits for additions that are on their way.
	inFlight time.Duration

	mu     sync.Mutex
	opened driver.Driver
	budget *budget.Budget    // of opened
	digest [sha256.Size]byte // of the settings that opened was opened with
}

// NewPlatform returns the activities of one platform. Drivers are opened by
// platform type, when the first run needs one.
func NewPlatform(s *store.Store, l *ledger.Ledger, installation string, drivers map[string]driver.Open) *Platform {
	return &Platform{
		store: s, ledger: l, installation: installation, drivers: drivers,
		checks:   func(a *application) func(context.Context) error { return a.stillDesired },
		inFlight: inFlight,
	}
}

// Register makes the activities known to a worker under their names.
func (p *Platform) Register(w worker.ActivityRegistry) {
	for name, run := range map[string]any{
		PlanActivity: p.Plan, ApplyActivity: p.Apply, RecordOutcomeActivity: p.RecordOutcome, DetectDriftActivity: p.DetectDrift,
		ConfirmReplacementActivity:    p.ConfirmReplacement,
		CompensateReplacementActivity: p.CompensateReplacement,
		RecordReplacementActivity:     p.RecordReplacement,
	} {
		w.RegisterActivityWithOptions(run, activity.RegisterOptions{Name: name})
	}
}

// driver returns the platform's driver. New settings open a new one.
func (p *Platform) driver(ctx context.Context, doc document.Platform) (driver.Driver, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	digest := sha256.Sum256(doc.Settings)
	if p.opened != nil && p.digest == digest {
		return p.opened, nil
	}
	open, known := p.drivers[doc.Type]
	if !known {
		return nil, fmt.Errorf("activities: %w: this worker has no driver for platforms of type %q", fault.ErrUnsupported, doc.Type)
	}
	opened, limits, err := p.open(ctx, open, doc, doc.Replication.CallsPerSecond)
	if err != nil {
		return nil, err
	}
	if own := opened.Profile().CallsPerSecond; doc.Replication.CallsPerSecond == 0 && own > 0 {
		// Only now it is known what the platform itself allows; opening makes no call.
		if opened, limits, err = p.open(ctx, open, doc, own); err != nil {
			return nil, err
		}
	}
	p.opened, p.budget, p.digest = opened, limits, digest
	return opened, nil
}

// open opens a platform within the budget that its document names.
func (p *Platform) open(
	ctx context.Context, open driver.Open, doc document.Platform, callsPerSecond float64,
) (driver.Driver, *budget.Budget, error) {
	limits := budget.Share(p.store, doc.Identifier(), budget.Limits{
		CallsPerSecond: callsPerSecond, Concurrent: cmp.Or(doc.Replication.Concurrent, concurrent),
	})
	opened, err := open(ctx, driver.Config{
		Platform: doc.Identifier(), Settings: doc.Settings, Budget: limits, Getenv: os.Getenv,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("activities: open platform %s: %w", doc.Identifier(), err)
	}
	return opened, limits, nil
}

// Close gives back what this worker leases of the platform's budget. It waits for
// no longer than ctx lives: what is left expires.
func (p *Platform) Close(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.budget.Close(ctx)
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
