package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// RemarksKept is how long a remark is remembered after it ended: a quarter, so
// that somebody can still be told why they had no access.
const RemarksKept = 90 * 24 * time.Hour

// EndedRemark is a remark that held once.
type EndedRemark struct {
	Tenant access.TenantID
	access.Remark
	// Since is when it began to hold, Ended when a run found that it did not.
	Since, Ended time.Time
}

// endedRemarks are warnings that ended now, as columns.
type endedRemarks struct {
	tenant, code, object, text []string
	since                      []time.Time
}

func (e *endedRemarks) add(tenant access.TenantID, ended []keptRemark) {
	for _, r := range ended {
		e.tenant, e.code = append(e.tenant, tenant.String()), append(e.code, string(r.Code))
		e.object, e.text, e.since = append(e.object, r.Object), append(e.text, r.Text), append(e.since, r.Since)
	}
}

// queue keeps them, and forgets a part of those that are too old.
func (e *endedRemarks) queue(batch *pgx.Batch) {
	if len(e.tenant) == 0 {
		return
	}
	batch.Queue(`INSERT INTO ended_warnings (tenant, code, object, text, since)
		SELECT tenant, code, object, text, since
		FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[]) AS e (tenant, code, object, text, since)`,
		e.tenant, e.code, e.object, e.text, e.since)
	// Another session that does the same now takes others.
	batch.Queue(`DELETE FROM ended_warnings WHERE id IN (SELECT id FROM ended_warnings
		WHERE ended_at < now() - $1::interval ORDER BY ended_at LIMIT 1000 FOR UPDATE SKIP LOCKED)`, RemarksKept)
}

// EndedRemarks returns the remarks on the chosen tenants that ended within
// RemarksKept, newest first. Those of tenants that are gone for good are left out.
func (s *Store) EndedRemarks(ctx context.Context, f TenantFilter) ([]EndedRemark, error) {
	rows, err := s.pool.Query(ctx, `SELECT workspace, project, platform, code, object, text, since, ended_at
		FROM ended_warnings JOIN `+living+` USING (tenant)
		WHERE `+chosen+` AND ended_at >= now() - $5::interval ORDER BY ended_at DESC, id DESC`, append(f.args(), RemarksKept)...)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	ended, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (EndedRemark, error) {
		var r EndedRemark
		err := row.Scan(&r.Tenant.Workspace, &r.Tenant.Project, &r.Tenant.Platform,
			&r.Code, &r.Object, &r.Text, &r.Since, &r.Ended)
		return r, err
	})
	return ended, prefixed(err)
}

// AppliedWarnings returns, for runs by their tenants, the warnings of these codes in the plans
// of which the run began to apply steps, and in those of which any run did since the tenant's
// status was stored: the run's own count even if a sweep stored a status meanwhile.
func (s *Store) AppliedWarnings(
	ctx context.Context, runs map[access.TenantID]string, codes []access.Code,
) (map[access.TenantID][]access.Remark, error) {
	var tenants, ids []string
	byName := make(map[string]access.TenantID, len(runs))
	for tenant, id := range runs {
		tenants, ids = append(tenants, tenant.String()), append(ids, id)
		byName[tenant.String()] = tenant
	}
	rows, err := s.pool.Query(ctx, `
WITH applied AS (
	SELECT DISTINCT r.tenant, r.digest FROM unnest($1::text[], $2::text[]) AS run (tenant, id)
		LEFT JOIN statuses s ON s.tenant = run.tenant
		JOIN records r ON r.tenant = run.tenant AND (r.run_id = run.id OR r.intended_at > coalesce(s.at, '-infinity'))
)
SELECT applied.tenant, w ->> 'code', w ->> 'object', w ->> 'text' FROM applied JOIN plans USING (digest)
	CROSS JOIN LATERAL json_array_elements(
			CASE json_typeof(plans.body -> 'warnings') WHEN 'array' THEN plans.body -> 'warnings' ELSE '[]' END)
		WITH ORDINALITY AS every (w, n)
	WHERE w ->> 'code' = ANY($3) ORDER BY applied.digest, n`, tenants, ids, codes)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	found := map[access.TenantID][]access.Remark{}
	var tenant string
	var warning access.Remark
	_, err = pgx.ForEachRow(rows, []any{&tenant, &warning.Code, &warning.Object, &warning.Text}, func() error {
		found[byName[tenant]] = append(found[byName[tenant]], warning)
		return nil
	})
	return found, prefixed(err)
}
