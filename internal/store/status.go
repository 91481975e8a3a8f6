package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// Status is how a tenant's last run ended.
type Status struct {
	Tenant access.TenantID
	// Outcome is the run's word for it: "converged", "waiting", "failed"...
	Outcome string
	RunID   string
	Digest  string // of the plan; empty where there was none
	// Steps were applied, Held wait for an approval, Calls were made.
	Steps, Held, Calls int
	// Generation of the documents that the run worked from.
	Generation int64
	// Remarks are all that hold now.
	Remarks []access.Remark
	// At is when the status was stored, by the database's clock.
	At       time.Time
	Duration time.Duration

	since map[topic]time.Time
}

// topic is what a remark is about. A remark whose text changes, because a count
// in it does, is still the same remark.
type topic struct {
	code   access.Code
	object string
}

// Since returns when a remark of a stored status began to hold, the zero time
// for one that does not.
func (s Status) Since(r access.Remark) time.Time { return s.since[topic{r.Code, r.Object}] }

// keptRemark is a remark as it is stored.
type keptRemark struct {
	access.Remark
	Since time.Time `json:"since"`
}

// PutStatus stores a tenant's status in place of the one before. Remarks that
// held before keep the time since when; those that do not hold any more end.
// At is set by the database.
func (s *Store) PutStatus(ctx context.Context, status Status) error {
	return prefixed(pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		var now time.Time
		if err := tx.QueryRow(ctx, "SELECT now()").Scan(&now); err != nil {
			return err
		}
		var before []keptRemark
		err := tx.QueryRow(ctx, "SELECT remarks FROM statuses WHERE tenant = $1 FOR UPDATE", status.Tenant.String()).Scan(&before)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		t := status.Tenant
		_, err = tx.Exec(ctx, `INSERT INTO statuses (tenant, workspace, project, platform, outcome, run_id, digest,
				steps, held, calls, generation, duration, remarks)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
			ON CONFLICT (tenant) DO UPDATE SET outcome = excluded.outcome, run_id = excluded.run_id,
				digest = excluded.digest, steps = excluded.steps, held = excluded.held, calls = excluded.calls,
				generation = excluded.generation, duration = excluded.duration, remarks = excluded.remarks, at = now()`,
			t.String(), t.Workspace, t.Project, t.Platform, status.Outcome, status.RunID, status.Digest,
			status.Steps, status.Held, status.Calls, status.Generation, status.Duration,
			carryOver(before, status.Remarks, now))
		return err
	}))
}

// carryOver gives each remark the time since when it holds.
func carryOver(before []keptRemark, remarks []access.Remark, now time.Time) []keptRemark {
	since := make(map[topic]time.Time, len(before))
	for _, r := range before {
		since[topic{r.Code, r.Object}] = r.Since
	}
	kept := make([]keptRemark, 0, len(remarks)) // not nil, which would be null
	for _, r := range remarks {
		began, ok := since[topic{r.Code, r.Object}]
		if !ok {
			began = now.UTC()
		}
		kept = append(kept, keptRemark{Remark: r, Since: began})
	}
	return kept
}

// Statuses returns the statuses of the chosen tenants in the order of
// access.TenantID.Compare. Tenants that never ran, and those that are gone for
// good, have none.
func (s *Store) Statuses(ctx context.Context, f TenantFilter) ([]Status, error) {
	rows, err := s.pool.Query(ctx, `SELECT workspace, project, platform, outcome, run_id, digest,
			steps, held, calls, generation, duration, remarks, at
		FROM statuses JOIN `+living+` USING (tenant, workspace, project, platform)
		WHERE `+chosen+` ORDER BY platform, workspace, project`, f.args()...)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	statuses, err := pgx.CollectRows(rows, scanStatus)
	return statuses, prefixed(err)
}

func scanStatus(row pgx.CollectableRow) (Status, error) {
	var s Status
	var remarks []keptRemark
	err := row.Scan(&s.Tenant.Workspace, &s.Tenant.Project, &s.Tenant.Platform, &s.Outcome, &s.RunID, &s.Digest,
		&s.Steps, &s.Held, &s.Calls, &s.Generation, &s.Duration, &remarks, &s.At)
	s.since = make(map[topic]time.Time, len(remarks))
	for _, r := range remarks {
		s.Remarks = append(s.Remarks, r.Remark)
		s.since[topic{r.Code, r.Object}] = r.Since
	}
	return s, err
}
