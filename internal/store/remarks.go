package store

import (
	"context"
	"encoding/json"
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

// endRemarks keeps the remarks that ended now, and forgets a part of those that
// are too old.
func endRemarks(ctx context.Context, tx pgx.Tx, tenant access.TenantID, ended []keptRemark) error {
	if len(ended) == 0 {
		return nil
	}
	body, err := json.Marshal(ended)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO ended_warnings (tenant, code, object, text, since)
		SELECT $1, code, object, text, since FROM jsonb_to_recordset($2) AS r(code text, object text, text text, since timestamptz)`,
		tenant.String(), string(body))
	if err != nil {
		return err
	}
	// Whoever else does the same now takes others.
	_, err = tx.Exec(ctx, `DELETE FROM ended_warnings WHERE id IN (SELECT id FROM ended_warnings
		WHERE ended_at < now() - $1::interval ORDER BY ended_at LIMIT 1000 FOR UPDATE SKIP LOCKED)`, RemarksKept)
	return err
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

// AppliedSince returns the digests of the plans of which steps were set out to be
// done since the tenant's status was stored.
func (s *Store) AppliedSince(ctx context.Context, tenant access.TenantID) ([]string, error) {
	rows, err := s.pool.Query(ctx, `SELECT DISTINCT digest FROM records WHERE tenant = $1 AND intended_at >
		coalesce((SELECT at FROM statuses WHERE tenant = $1), '-infinity') ORDER BY digest`, tenant.String())
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	digests, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return digests, prefixed(err)
}
