package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// Verdict is what somebody decided.
type Verdict string

// The verdicts. Undecided is for a removal that was held together with others that
// were decided: it stays held, although it may be below the guard's limit now.
const (
	Approved  Verdict = "approved"
	Rejected  Verdict = "rejected"
	Undecided Verdict = "open"
)

// Decision is what somebody decided about one removal that a guard holds.
type Decision struct {
	Removal plan.Removal
	Verdict Verdict
	// Approver is who says to have decided: nobody checks it yet.
	Approver string
	Reason   string
	// Digest names all that was held when it was decided.
	Digest string
	// Decided and Expires are by the database's clock. Expired decisions count
	// for nothing.
	Decided, Expires time.Time
	// Life is how long a decision to be stored is to count.
	Life time.Duration
}

// Decide stores decisions on one tenant, in place of earlier ones about the same
// removals. Their times are the database's.
func (s *Store) Decide(ctx context.Context, tenant access.TenantID, decisions []Decision) error {
	batch := &pgx.Batch{}
	for _, d := range decisions {
		key := d.Removal.Object
		batch.Queue(`INSERT INTO decisions (tenant, kind, group_name, role, name, ref, verdict, approver, reason, digest, expires_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, now() + $11)
			ON CONFLICT (tenant, kind, group_name, role, name, ref) DO UPDATE SET verdict = excluded.verdict,
				approver = excluded.approver, reason = excluded.reason, digest = excluded.digest,
				decided_at = excluded.decided_at, expires_at = excluded.expires_at
				WHERE excluded.verdict <> 'open' -- what was decided before stays so`,
			tenant.String(), string(key.Kind), key.Group, key.Role, key.Name, d.Removal.Ref,
			string(d.Verdict), d.Approver, d.Reason, d.Digest, d.Life)
	}
	return prefixed(pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error { return tx.SendBatch(ctx, batch).Close() }))
}

// Decisions returns what was decided and still counts, by tenant.
func (s *Store) Decisions(ctx context.Context, tenants []access.TenantID) (map[access.TenantID][]Decision, error) {
	byName := make(map[string]access.TenantID, len(tenants))
	names := make([]string, len(tenants))
	for i, t := range tenants {
		names[i] = t.String()
		byName[names[i]] = t
	}
	rows, err := s.pool.Query(ctx, `SELECT tenant, kind, group_name, role, name, ref, verdict, approver, reason, digest,
			decided_at, expires_at
		FROM decisions WHERE tenant = ANY($1) AND expires_at > now()
		ORDER BY tenant, kind, group_name, role, name, ref`, names)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	found := map[access.TenantID][]Decision{}
	var name string
	var d Decision
	key := &d.Removal.Object
	_, err = pgx.ForEachRow(rows, []any{
		&name, &key.Kind, &key.Group, &key.Role, &key.Name, &d.Removal.Ref, &d.Verdict, &d.Approver, &d.Reason, &d.Digest,
		&d.Decided, &d.Expires,
	}, func() error {
		found[byName[name]] = append(found[byName[name]], d)
		return nil
	})
	return found, prefixed(err)
}

// Forget ends the decisions on tenants that have nothing left to decide, and
// those that expired anywhere.
func (s *Store) Forget(ctx context.Context, tenants []access.TenantID) error {
	if len(tenants) == 0 {
		return nil
	}
	return s.exec(ctx, "DELETE FROM decisions WHERE tenant = ANY($1) OR expires_at <= now()", texts(tenants))
}
