package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
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
	// Removals are what the held steps take: accounts that leave, objects that go.
	Removals int
	// Generation of the documents that the run worked from.
	Generation int64
	// Remarks are all that hold now.
	Remarks []access.Remark
	// Blind is true for a status to be stored of a run that could not look at the
	// platform: what was remarked there before is neither seen nor mended, and
	// stays.
	Blind bool
	// Seen is when the look that the status to be stored tells of began, by the
	// database's clock: one that was stored after that knows better, and stays. Zero
	// for a status that takes the place of any.
	Seen time.Time
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

func (r keptRemark) topic() topic { return topic{r.Code, r.Object} }

// PutStatus stores a tenant's status in place of the one before. Remarks that
// held before keep the time since when; those that do not hold any more end, and
// are kept for RemarksKept. At is set by the database.
func (s *Store) PutStatus(ctx context.Context, status Status) error {
	return prefixed(pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		var now time.Time
		if err := tx.QueryRow(ctx, "SELECT now()").Scan(&now); err != nil {
			return err
		}
		var before []keptRemark
		var at time.Time
		err := tx.QueryRow(ctx, "SELECT warnings, at FROM statuses WHERE tenant = $1 FOR UPDATE", status.Tenant.String()).Scan(&before, &at)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		if !status.Seen.IsZero() && at.After(status.Seen) {
			return nil
		}
		kept, ended := carryOver(before, status, now)
		t := status.Tenant
		_, err = tx.Exec(ctx, `INSERT INTO statuses (tenant, workspace, project, platform, outcome, run_id, digest,
				steps, pending_approval, calls, revision, duration, warnings, pending_removals)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
			ON CONFLICT (tenant) DO UPDATE SET outcome = excluded.outcome, run_id = excluded.run_id,
				digest = excluded.digest, steps = excluded.steps, pending_approval = excluded.pending_approval, calls = excluded.calls,
				revision = excluded.revision, duration = excluded.duration, warnings = excluded.warnings,
				pending_removals = excluded.pending_removals, at = now()`,
			t.String(), t.Workspace, t.Project, t.Platform, status.Outcome, status.RunID, status.Digest,
			status.Steps, status.Held, status.Calls, status.Generation, status.Duration, kept, status.Removals)
		if err != nil {
			return err
		}
		return endRemarks(ctx, tx, t, ended)
	}))
}

// carryOver gives each remark the time since when it holds, and returns those of
// before that ended.
func carryOver(before []keptRemark, status Status, now time.Time) (kept, ended []keptRemark) {
	since := make(map[topic]time.Time, len(before))
	for _, r := range before {
		since[r.topic()] = r.Since
	}
	kept = make([]keptRemark, 0, len(status.Remarks)) // not nil, which would be null
	holds := make(map[topic]bool, len(status.Remarks))
	for _, r := range status.Remarks {
		began, ok := since[topic{r.Code, r.Object}]
		if !ok {
			began = now.UTC()
		}
		kept = append(kept, keptRemark{Remark: r, Since: began})
		holds[topic{r.Code, r.Object}] = true
	}
	for _, r := range before {
		switch {
		case holds[r.topic()]:
		case status.Blind && seenOnly(r.Code):
			kept = append(kept, r)
		default:
			ended = append(ended, r)
		}
	}
	if status.Blind {
		slices.SortStableFunc(kept, func(a, b keptRemark) int {
			return cmp.Or(cmp.Compare(a.Code, b.Code), cmp.Compare(a.Object, b.Object))
		})
	}
	return kept, ended
}

// seenOnly reports whether only a look at the platform can tell that a remark of
// this code holds no more. The others are about how a run ended.
func seenOnly(code access.Code) bool {
	return code != access.PlatformDenied && code != access.PlatformPending && code != access.PlatformRefused &&
		code != access.ForbiddenByConnection && code != access.Contested
}

// Statuses returns the statuses of the chosen tenants in the order of
// access.TenantID.Compare. Tenants that never ran, and those that are gone for
// good, have none.
func (s *Store) Statuses(ctx context.Context, f TenantFilter) ([]Status, error) {
	rows, err := s.pool.Query(ctx, `SELECT workspace, project, platform, outcome, run_id, digest,
			steps, pending_approval, calls, revision, duration, warnings, at, pending_removals
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
		&s.Steps, &s.Held, &s.Calls, &s.Generation, &s.Duration, &remarks, &s.At, &s.Removals)
	s.since = make(map[topic]time.Time, len(remarks))
	for _, r := range remarks {
		s.Remarks = append(s.Remarks, r.Remark)
		s.since[topic{r.Code, r.Object}] = r.Since
	}
	return s, err
}
