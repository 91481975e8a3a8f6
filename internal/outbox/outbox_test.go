package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/outbox"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
)

// point is a moment at which a process dies.
type point string

// The moments, in the order in which a start passes them.
const (
	beforeCommit point = "before the commit of the cause"
	afterCommit  point = "after the commit of the cause"
	beforeStart  point = "before the start"
	afterStart   point = "after the start"
	beforeSignal point = "before the signal"
	afterSignal  point = "after the signal"
	beforeDelete point = "before the delete"
	beforeEnd    point = "before the commit of the delete"
)

var errCrashed = errors.New("the process died")

// process is one process that uses the database and Temporal. It dies at the point at: what it
// does from then on has no effect.
type process struct {
	at       point
	draining bool
	crashed  bool
	cancel   context.CancelFunc
	crashes  *atomic.Int64
}

func (p *process) check(at point) error {
	if !p.crashed && p.at == at {
		p.crashed = true
		p.crashes.Add(1)
		p.cancel()
	}
	if p.crashed {
		return errCrashed
	}
	return nil
}

// tracer lets a process die at statements.
type tracer struct{ current *process }

func dead(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	return ctx
}

func (t *tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	if t.current == nil || data.SQL != "commit" {
		return ctx
	}
	at := beforeCommit
	if t.current.draining {
		at = beforeEnd
	}
	if t.current.check(at) != nil {
		return dead(ctx)
	}
	return ctx
}

func (t *tracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (t *tracer) TraceBatchStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceBatchStartData) context.Context {
	deletes := strings.HasPrefix(data.Batch.QueuedQueries[0].SQL, "DELETE FROM outbox")
	if t.current != nil && deletes && t.current.check(beforeDelete) != nil {
		return dead(ctx)
	}
	return ctx
}

func (t *tracer) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

func (t *tracer) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// fakeTemporal has at most one open run of each workflow ID, as Temporal does.
type fakeTemporal struct {
	mu      sync.Mutex
	t       *rapid.T
	store   *store.Store // sees what is committed
	current *process
	clock   int
	open    map[string]bool
	// notified is when a run of the ID was last started or signalled.
	notified map[string]int
	// ends lets the next signal find that the run has ended.
	ends bool
}

// isStored fails the test for a start that has no row any more.
func (f *fakeTemporal) isStored(id string) {
	left, err := f.store.StartsLeft(context.Background(), []string{id})
	if err != nil {
		f.t.Fatal(err)
	}
	if left == 0 {
		f.t.Fatalf("%s is started after its row was deleted", id)
	}
}

func (f *fakeTemporal) ExecuteWorkflow(_ context.Context, o client.StartWorkflowOptions, _ any, _ ...any) (client.WorkflowRun, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.current.check(beforeStart); err != nil {
		return nil, err
	}
	f.isStored(o.ID)
	if f.open[o.ID] {
		return nil, serviceerror.NewWorkflowExecutionAlreadyStarted("it is open", "", "")
	}
	f.clock++
	f.open[o.ID], f.notified[o.ID] = true, f.clock
	return nil, f.current.check(afterStart)
}

func (f *fakeTemporal) SignalWorkflow(_ context.Context, id, _, _ string, _ any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.current.check(beforeSignal); err != nil {
		return err
	}
	f.isStored(id)
	if f.ends {
		f.ends, f.open[id] = false, false
	}
	if !f.open[id] {
		return serviceerror.NewNotFound("it is closed")
	}
	f.clock++
	f.notified[id] = f.clock
	return f.current.check(afterSignal)
}

func (f *fakeTemporal) GetWorkflow(context.Context, string, string) client.WorkflowRun { return nil }

// TestOutbox_AfterCrashes: whenever processes die, every committed cause is followed by a
// start or a signal, and none follows the deletion of its row.
func TestOutbox_AfterCrashes(t *testing.T) {
	var trace tracer
	observer, url := storetest.OpenURL(t)
	traced, err := store.Open(t.Context(), url, store.Trace(&trace))
	if err != nil {
		t.Fatal(err)
	}
	defer traced.Close()
	var crashes atomic.Int64
	checks := 0
	points := []point{beforeCommit, afterCommit, beforeStart, afterStart, beforeSignal, afterSignal, beforeDelete, beforeEnd}
	rapid.Check(t, func(t *rapid.T) {
		checks++
		if _, err := observer.Pool().Exec(context.Background(), "TRUNCATE outbox"); err != nil {
			t.Fatal(err)
		}
		f := &fakeTemporal{t: t, store: observer, open: map[string]bool{}, notified: map[string]int{}}
		committed := map[string]int{} // when the last cause of each ID was committed
		box := &outbox.Outbox{Store: traced, Temporal: f}
		runProcess := func(at point, do func(ctx context.Context, p *process)) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			p := &process{at: at, cancel: cancel, crashes: &crashes}
			f.current, trace.current = p, p
			do(ctx, p)
			f.current, trace.current = nil, nil
		}
		for range 20 {
			id := fmt.Sprintf("tenant/%d", rapid.IntRange(0, 2).Draw(t, "tenant"))
			f.ends = rapid.Bool().Draw(t, "the run ends before the signal")
			if rapid.Bool().Draw(t, "the run has ended") {
				f.open[id] = false
			}
			if rapid.IntRange(0, 3).Draw(t, "a worker looks") == 0 {
				runProcess(rapid.SampledFrom(points[2:]).Draw(t, "dies"), func(ctx context.Context, p *process) {
					p.draining = true
					makeReady(t, observer)
					_, _ = outbox.MakeBatch(ctx, box) // the process may have crashed
				})
				continue
			}
			runProcess(rapid.SampledFrom(points).Draw(t, "dies"), func(ctx context.Context, p *process) {
				start := store.Start{WorkflowID: id, Workflow: "ReplicateTenant", Input: []byte("{}"), Cause: "apply"}
				if err := traced.StoreStarts(ctx, storetest.By("ada"), []store.Start{start}); err != nil {
					return
				}
				f.clock++
				committed[id] = f.clock
				if p.draining = true; p.check(afterCommit) != nil {
					return
				}
				if _, err := box.Drain(ctx, []string{id}); err == nil && f.notified[id] < committed[id] {
					t.Fatalf("%s: Drain returns before the start", id)
				}
			})
		}
		runProcess("", func(ctx context.Context, p *process) {
			p.draining = true
			makeReady(t, observer)
			if _, err := outbox.MakeBatch(ctx, box); err != nil {
				t.Fatal(err)
			}
		})
		for id, at := range committed {
			if f.notified[id] < at {
				t.Fatalf("%s: the start of its last cause is lost", id)
			}
		}
		if state, err := observer.Outbox(context.Background()); err != nil || state.Starts != 0 {
			t.Fatalf("%+v is left, %v", state, err)
		}
	})
	t.Logf("%d crashes", crashes.Load())
	if checks >= 100 && crashes.Load() < 1000 {
		t.Errorf("%d processes crashed, want 1,000", crashes.Load())
	}
}

func makeReady(t *rapid.T, s *store.Store) {
	if _, err := s.Pool().Exec(context.Background(), "UPDATE outbox SET next_attempt_at = now()"); err != nil {
		t.Fatal(err)
	}
}
