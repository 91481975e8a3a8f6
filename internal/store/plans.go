package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// PutPlan stores a plan under its digest. A plan that is stored already is the
// same plan: only the generation it is known to be right for and the time of the
// observation move on, so that a run which planned again and found nothing different
// may apply it.
func (s *Store) PutPlan(ctx context.Context, p plan.Plan, generation int64) (digest string, err error) {
	digests, err := s.PutPlans(ctx, []DatedPlan{{p, generation}})
	if err != nil {
		return "", err
	}
	return digests[0], nil
}

// DatedPlan is a plan and the revision of the documents that it is right for.
type DatedPlan struct {
	Plan     plan.Plan
	Revision int64
}

// planBytes is how much text of plans one statement stores.
const planBytes = 8 << 20

// PutPlans is PutPlan for many, in a few statements. It returns the digests in order.
func (s *Store) PutPlans(ctx context.Context, plans []DatedPlan) ([]string, error) {
	all := make([]string, len(plans))
	var digests, tenants, bodies []string
	var revisions []int64
	queued := map[string]bool{} // in this statement, which may write a row once
	size := 0
	put := func() error {
		err := s.exec(ctx, `INSERT INTO plans (digest, tenant, revision, body)
			SELECT digest, tenant, revision, body::json
			FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[]) AS put (digest, tenant, revision, body) ORDER BY digest
			ON CONFLICT (digest) DO UPDATE SET revision = greatest(plans.revision, excluded.revision), observed_at = now()`,
			digests, tenants, revisions, bodies)
		digests, tenants, bodies, revisions, size = nil, nil, nil, nil, 0
		clear(queued)
		return err
	}
	for i, p := range plans {
		body, err := json.Marshal(p.Plan)
		if err != nil {
			return nil, fmt.Errorf("store: %w", err)
		}
		all[i] = p.Plan.Digest()
		if size > 0 && (size+len(body) > planBytes || queued[all[i]]) {
			if err := put(); err != nil {
				return nil, err
			}
		}
		digests, tenants, bodies = append(digests, all[i]), append(tenants, p.Plan.Tenant.String()), append(bodies, string(body))
		revisions, size, queued[all[i]] = append(revisions, p.Revision), size+len(body), true
	}
	if size == 0 {
		return all, nil
	}
	return all, put()
}

// AppliedObservation returns the newest observation of a tenant since a time whose plan a run
// of the tenant has begun to apply, and false if there is none: the run may not have ended
// yet. Plans of revocations and of group replacements are parts of what is observed.
func (s *Store) AppliedObservation(ctx context.Context, tenant access.TenantID, since time.Time) (Observation, bool, error) {
	var o Observation
	err := s.pool.QueryRow(ctx, `SELECT p.observed_at, p.digest, p.revision FROM plans p
		WHERE p.digest IN (SELECT digest FROM records
			WHERE tenant = $1 AND intended_at > $2 AND workflow_id NOT LIKE 'revoke/%' AND workflow_id NOT LIKE 'group/%')
			AND p.observed_at > $2
		ORDER BY p.observed_at DESC LIMIT 1`, tenant.String(), since).Scan(&o.At, &o.Digest, &o.Revision)
	if errors.Is(err, pgx.ErrNoRows) {
		return Observation{}, false, nil
	}
	if err != nil {
		return Observation{}, false, fmt.Errorf("store: %w", err)
	}
	return o, true, nil
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
