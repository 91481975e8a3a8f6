package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-iam/rollcall/internal/plan"
)

// PutPlan stores a plan under its digest. A plan that is stored already is the
// same plan: only the generation it is known to be right for moves on, so that
// a run which planned again and found nothing different may apply it.
func (s *Store) PutPlan(ctx context.Context, p plan.Plan, generation int64) (digest string, err error) {
	body, err := json.Marshal(p)
	if err != nil {
		return "", fmt.Errorf("store: %w", err)
	}
	digest = p.Digest()
	return digest, s.exec(ctx, `INSERT INTO plans (digest, tenant, revision, body) VALUES ($1, $2, $3, $4)
		ON CONFLICT (digest) DO UPDATE SET revision = greatest(plans.revision, excluded.revision)`,
		digest, p.Tenant.String(), generation, body)
}

// Plan returns the plan of that digest and the newest generation of documents
// that it is the plan for. It is ErrNotFound where there is none, and ErrCorrupt
// if what is stored is not what the digest names.
func (s *Store) Plan(ctx context.Context, digest string) (plan.Plan, int64, error) {
	var body []byte
	var generation int64
	err := s.pool.QueryRow(ctx, "SELECT body, revision FROM plans WHERE digest = $1", digest).Scan(&body, &generation)
	if errors.Is(err, pgx.ErrNoRows) {
		return plan.Plan{}, 0, fmt.Errorf("store: plan %s: %w", digest, ErrNotFound)
	}
	if err != nil {
		return plan.Plan{}, 0, fmt.Errorf("store: %w", err)
	}
	if plan.DigestOf(body) != digest {
		return plan.Plan{}, 0, fmt.Errorf("store: plan %s: %w: its text is not what the digest names", digest, ErrCorrupt)
	}
	var p plan.Plan
	if err := json.Unmarshal(body, &p); err != nil {
		return plan.Plan{}, 0, fmt.Errorf("store: plan %s: %w: %w", digest, ErrCorrupt, err)
	}
	return p, generation, nil
}
