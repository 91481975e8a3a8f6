package store

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rollcall-iam/rollcall/internal/engines/postgres"
	"github.com/rollcall-iam/rollcall/internal/progress"
)

// openPool returns connections to a real database whose statements have little time.
func openPool(t *testing.T, timeout time.Duration) *pgxpool.Pool {
	t.Helper()
	config, err := parseURL(postgres.ForTest(t))
	if err != nil {
		t.Fatal(err)
	}
	if config.ConnConfig.Tracer != (tracer{statementTimeout}) {
		t.Fatalf("statements are traced by %v, want the deadline of %s", config.ConnConfig.Tracer, statementTimeout)
	}
	config.ConnConfig.Tracer, config.MaxConns = tracer{timeout}, 1
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func TestStatementDeadline(t *testing.T) {
	const forever = "SELECT pg_sleep(600)"
	tests := map[string]struct {
		reason string
		run    func(context.Context, *pgxpool.Pool) error
	}{
		"Statement": {reason: "one statement", run: func(ctx context.Context, pool *pgxpool.Pool) error {
			_, err := pool.Exec(ctx, forever)
			return err
		}},
		"Rows": {reason: "rows that never come", run: func(ctx context.Context, pool *pgxpool.Pool) error {
			return pool.QueryRow(ctx, forever).Scan(nil)
		}},
		"Batch": {reason: "a batch", run: func(ctx context.Context, pool *pgxpool.Pool) error {
			batch := &pgx.Batch{}
			batch.Queue(forever)
			return pool.SendBatch(ctx, batch).Close()
		}},
		"Transaction": {reason: "a statement of a transaction", run: func(ctx context.Context, pool *pgxpool.Pool) error {
			return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
				_, err := tx.Exec(ctx, forever)
				return err
			})
		}},
		"Connection": {reason: "all connections are in use", run: func(ctx context.Context, pool *pgxpool.Pool) error {
			held, err := pool.Acquire(progress.Without(ctx))
			if err != nil {
				return err
			}
			defer held.Release()
			return pool.Ping(ctx)
		}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			ctx, _ := progress.With(t.Context())
			if err := tc.run(ctx, openPool(t, 100*time.Millisecond)); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: the error is %v, want a deadline that was exceeded", tc.reason, err)
			}
		})
	}
}

// TestStatementDeadline_CommandsWait: a command may wait for a lock.
func TestStatementDeadline_CommandsWait(t *testing.T) {
	pool := openPool(t, time.Nanosecond)
	if _, err := pool.Exec(t.Context(), "SELECT pg_sleep(0.01)"); err != nil {
		t.Errorf("a statement of no activity has a deadline: %v", err)
	}
}

// TestStatementsReportProgress: a statement that runs is named, one that ended is not.
func TestStatementsReportProgress(t *testing.T) {
	ctx, reporter := progress.With(t.Context())
	pool := openPool(t, time.Hour)
	if _, err := pool.Exec(ctx, "SELECT 1"); err != nil {
		t.Fatal(err)
	}
	limits := progress.Limits{Phase: 30 * time.Minute}
	if stall := reporter.Stalled(time.Now().Add(2*time.Hour), limits); stall == nil || stall.Running {
		t.Errorf("after a statement stalled at %v, want the phase after it", stall)
	}
	rows, err := pool.Query(ctx, "SELECT 1")
	if err != nil {
		t.Fatal(err)
	}
	stall := reporter.Stalled(time.Now().Add(2*time.Hour), limits)
	if stall == nil || !stall.Running || stall.Operation != "database statement" {
		t.Errorf("while rows are read stalled at %v, want the statement", stall)
	}
	rows.Close()
	if err := rows.Err(); err != nil {
		t.Error(err)
	}
}
