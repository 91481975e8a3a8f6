package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// PendingRun is a tenant that needs a run because bindings of its project ended.
type PendingRun struct {
	Tenant access.TenantID `json:"tenant"`
	// Revision is the one that counts the ends.
	Revision int64 `json:"revision"`
}

// EndBindings counts the ends of bindings that have come, by the database's clock, as a change
// of the documents: the revision moves on, the tenants of the projects are affected, and those
// that were replicated before need a run. It returns how many bindings ended. Another call
// counts no end again.
//
// Access ends with the binding, whether its end is counted or not: see
// document.TenantInput.Now. What counting adds is that plans and statuses are known to be of
// an earlier state.
//
// The removals are no unnamed ones: the caller who wrote the end asked for them. They count as
// one change towards the limits of a guard.
func (s *Store) EndBindings(ctx context.Context) (int, error) {
	var ended int
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		// A change of the documents locks the same rows in another order.
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", applyLock); err != nil {
			return err
		}
		var err error
		ended, err = countEnds(ctx, tx)
		return err
	})
	return ended, prefixed(err)
}

// countEnds counts the ends that have come. A change of the documents does so first: it may
// rewrite or remove bindings whose access is not removed yet.
func countEnds(ctx context.Context, tx pgx.Tx) (int, error) {
	var ended int
	err := tx.QueryRow(ctx, `
WITH ended AS (UPDATE documents SET ended = true WHERE ends_at <= now() AND NOT ended RETURNING workspace, project),
next AS (UPDATE installation SET revision = revision + 1 WHERE EXISTS (SELECT FROM ended) RETURNING revision),
stored AS (INSERT INTO revisions (revision, actor) SELECT revision, 'system:binding-end' FROM next),
affected AS (INSERT INTO affected_tenants AS a (tenant, revision, authors, run_pending)
	SELECT name, revision, ARRAY['system:binding-end'],
		EXISTS (SELECT FROM statuses s WHERE s.tenant = t.name) OR EXISTS (SELECT FROM owned o WHERE o.tenant = t.name)
	FROM documents t, next
	WHERE kind = 'meshTenant' AND (workspace, project) IN (SELECT workspace, project FROM ended) ORDER BY name
	ON CONFLICT (tenant) DO UPDATE SET revision = excluded.revision, run_pending = a.run_pending OR excluded.run_pending,
		authors = `+addAuthor+`)
SELECT count(*) FROM ended`).Scan(&ended)
	return ended, prefixed(err)
}

// PendingRuns returns at most limit tenants that need a run because bindings ended.
func (s *Store) PendingRuns(ctx context.Context, limit int) ([]PendingRun, error) {
	rows, err := s.pool.Query(ctx, "SELECT tenant, revision FROM affected_tenants WHERE run_pending ORDER BY tenant LIMIT $1", limit)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	pending, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (PendingRun, error) {
		var d PendingRun
		var tenant string
		if err := row.Scan(&tenant, &d.Revision); err != nil {
			return d, err
		}
		var err error
		d.Tenant, err = access.ParseTenantID(tenant)
		return d, err
	})
	return pending, prefixed(err)
}

// StartedRuns notes that pending runs were started. A tenant of which a binding ended
// since stays pending.
func (s *Store) StartedRuns(ctx context.Context, started []PendingRun) error {
	tenants, revisions := make([]string, len(started)), make([]int64, len(started))
	for i, d := range started {
		tenants[i], revisions[i] = d.Tenant.String(), d.Revision
	}
	// Rows are locked in the order in which a change locks them.
	return s.exec(ctx, `
WITH locked AS (SELECT tenant FROM affected_tenants WHERE tenant = ANY($1) ORDER BY tenant FOR UPDATE)
UPDATE affected_tenants a SET run_pending = false
	FROM unnest($1::text[], $2::bigint[]) AS started (tenant, revision) JOIN locked USING (tenant)
	WHERE a.tenant = started.tenant AND a.revision <= started.revision AND run_pending`, tenants, revisions)
}

// CheckEnds returns how long it is until the next end of a binding that is not counted, at
// most maxWait, and false if there is none. It notes when the caller counts ends next, for
// EndsNeedTrigger.
func (s *Store) CheckEnds(ctx context.Context, maxWait time.Duration) (time.Duration, bool, error) {
	var wait *time.Duration
	err := s.one(ctx, &wait, `
WITH next AS (SELECT least(greatest(min(ends_at), now()), now() + $1::interval) AS at
	FROM documents WHERE ends_at IS NOT NULL AND NOT ended HAVING count(*) > 0)
UPDATE installation SET ends_checked_at = (SELECT at FROM next) RETURNING (SELECT at - now() FROM next)`, maxWait)
	if err != nil || wait == nil {
		return 0, false, err
	}
	return *wait, true, nil
}

// EndsNeedTrigger reports whether a caller of CheckEnds should call it before the time that it
// noted: none is noted although bindings end or runs are pending, an end was applied that comes
// earlier, no end is left, or the time passed by more than maxDelay.
func (s *Store) EndsNeedTrigger(ctx context.Context, maxDelay time.Duration) (bool, error) {
	var needed bool
	err := s.one(ctx, &needed, `
SELECT CASE WHEN ends_checked_at IS NULL THEN next IS NOT NULL OR waiting
	WHEN next IS NULL THEN true
	ELSE next < ends_checked_at OR ends_checked_at < now() - $1::interval END
FROM installation,
	(SELECT min(ends_at) AS next FROM documents WHERE ends_at IS NOT NULL AND NOT ended) AS ends,
	(SELECT EXISTS (SELECT FROM affected_tenants WHERE run_pending) AS waiting) AS runs`, maxDelay)
	return needed, err
}

// EndingTenants returns the chosen tenants of projects with a binding that has an end to come.
func (s *Store) EndingTenants(ctx context.Context, f TenantFilter) ([]access.TenantID, error) {
	rows, err := s.pool.Query(ctx, `SELECT workspace, project, platform FROM documents t
		JOIN LATERAL (SELECT t.name AS tenant) AS named ON true
		WHERE kind = 'meshTenant' AND `+chosen+` AND (workspace, project) IN (
			SELECT workspace, project FROM documents WHERE ends_at > now())
		ORDER BY platform, workspace, project`, f.args()...)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	tenants, err := pgx.CollectRows(rows, pgx.RowToStructByPos[access.TenantID])
	return tenants, prefixed(err)
}

// RevisionAt returns the revision of the documents and the time, by the database's clock.
func (s *Store) RevisionAt(ctx context.Context) (revision int64, now time.Time, err error) {
	if err := s.pool.QueryRow(ctx, "SELECT revision, clock_timestamp() FROM installation").Scan(&revision, &now); err != nil {
		return 0, now, fmt.Errorf("store: %w", err)
	}
	return revision, now, nil
}

// HasEnds reports whether any binding has an end that is not counted, or a run is pending.
func (s *Store) HasEnds(ctx context.Context) (bool, error) {
	var has bool
	err := s.one(ctx, &has, `SELECT EXISTS (SELECT FROM documents WHERE ends_at IS NOT NULL AND NOT ended)
		OR EXISTS (SELECT FROM affected_tenants WHERE run_pending)`)
	return has, err
}
