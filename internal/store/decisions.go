package store

import (
	"context"
	"errors"
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

// DecisionEnd says how a decision ended.
type DecisionEnd string

// The ends. A decision that still counts has none. An expired decision counts for nothing,
// whether or not its end is stored yet.
const (
	DecisionUsed        DecisionEnd = "used"         // a run made the approved removal
	DecisionReplaced    DecisionEnd = "replaced"     // by a later decision about the same removal
	DecisionExpired     DecisionEnd = "expired"      // nothing used it in time
	DecisionNothingLeft DecisionEnd = "nothing-left" // the tenant had nothing left to remove
	DecisionAbandoned   DecisionEnd = "abandoned"    // with the tenant's platform
)

// Decision is what an operator decided about one removal that a guard holds. Decisions are
// kept for ever; the latest about a removal counts.
type Decision struct {
	Tenant  access.TenantID
	Removal plan.Removal
	Verdict Verdict
	// By decided.
	By     access.Actor
	Reason string
	// Digest names all that was held when it was decided.
	Digest string
	// Decided and Expires are by the database's clock. Expired decisions count
	// for nothing.
	Decided, Expires time.Time
	// EndedAt is zero, and End empty, while it counts.
	EndedAt time.Time
	End     DecisionEnd
	// Life is how long a decision to be stored is to count.
	Life time.Duration
}

// State returns how the decision ended, as of now: an expired one has ended before its end is
// stored. It is open for one that counts.
func (d Decision) State(now time.Time) DecisionEnd {
	switch {
	case d.End != "":
		return d.End
	case !now.Before(d.Expires):
		return DecisionExpired
	default:
		return "open"
	}
}

// Decide stores decisions on one tenant. They end earlier ones about the same removals, but
// an undecided removal keeps the decision that it has. Their times are the database's. The
// starts are stored with them, for the actor of the first decision.
func (s *Store) Decide(ctx context.Context, tenant access.TenantID, decisions []Decision, starts ...Start) error {
	if len(decisions) == 0 {
		return nil
	}
	batch := &pgx.Batch{}
	// Of two calls, the later one must see the decisions of the earlier one to end them.
	batch.Queue("SELECT pg_advisory_xact_lock($1, hashtext($2))", decideLock, tenant.String())
	for _, d := range decisions {
		if err := checkDecided(d.By, d.Reason); err != nil {
			return err
		}
		key := d.Removal.Object
		batch.Queue(`UPDATE decisions SET ended_at = now(), ended = CASE WHEN expires_at <= now() THEN 'expired' ELSE 'replaced' END
			WHERE tenant = $1 AND kind = $2 AND group_name = $3 AND role = $4 AND name = $5 AND ref = $6 AND ended_at IS NULL
				AND ($7 <> 'open' OR expires_at <= now())`,
			tenant.String(), string(key.Kind), key.Group, key.Role, key.Name, d.Removal.Ref, string(d.Verdict))
		batch.Queue(`INSERT INTO decisions (tenant, kind, group_name, role, name, ref, verdict, actor, claim, reason, digest, expires_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, now() + $12)
			ON CONFLICT (tenant, kind, group_name, role, name, ref) WHERE ended_at IS NULL DO NOTHING -- an undecided removal`,
			tenant.String(), string(key.Kind), key.Group, key.Role, key.Name, d.Removal.Ref,
			string(d.Verdict), d.By.ID(), d.By.Claim, d.Reason, d.Digest, d.Life)
	}
	if err := queueStarts(batch, decisions[0].By, starts); err != nil {
		return err
	}
	return prefixed(pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error { return tx.SendBatch(ctx, batch).Close() }))
}

// decideLock is the first key of the advisory locks on the decisions of one tenant.
const decideLock = 0x64656364 // "decd"

// ErrReason reports a reason or a name of an actor that cannot be kept.
var ErrReason = errors.New("cannot be kept")

// checkDecided checks what is kept for ever.
func checkDecided(by access.Actor, reason string) error {
	if err := errors.Join(access.CheckReason(reason), by.Check()); err != nil {
		return fmt.Errorf("store: the record of the decision %w: %w", ErrReason, err)
	}
	return nil
}

// Decisions returns what was decided and still counts, by tenant.
func (s *Store) Decisions(ctx context.Context, tenants []access.TenantID) (map[access.TenantID][]Decision, error) {
	all, err := s.decisions(ctx, `tenant = ANY($1) AND ended_at IS NULL AND expires_at > now()
		ORDER BY tenant, kind, group_name, role, name, ref`, notNil(texts(tenants)))
	if err != nil {
		return nil, err
	}
	found := map[access.TenantID][]Decision{}
	for _, d := range all {
		found[d.Tenant] = append(found[d.Tenant], d)
	}
	return found, nil
}

// AllDecisions returns the decisions on the tenants, all tenants' when there are none, ended
// ones among them, the newest first. Undecided removals are not among them.
func (s *Store) AllDecisions(ctx context.Context, tenants []access.TenantID) ([]Decision, error) {
	return s.decisions(ctx, "($1::text[] IS NULL OR tenant = ANY($1)) AND verdict <> 'open' ORDER BY id DESC", texts(tenants))
}

func (s *Store) decisions(ctx context.Context, condition string, tenants []string) ([]Decision, error) {
	rows, err := s.pool.Query(ctx, `SELECT tenant, kind, group_name, role, name, ref, verdict, actor, claim, reason, digest,
			decided_at, expires_at, ended_at, coalesce(ended, '')
		FROM decisions WHERE `+condition, tenants)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	all, err := pgx.CollectRows(rows, scanDecision)
	return all, prefixed(err)
}

func scanDecision(row pgx.CollectableRow) (Decision, error) {
	var d Decision
	var tenant, actor, claim string
	var ended *time.Time
	key := &d.Removal.Object
	err := row.Scan(&tenant, &key.Kind, &key.Group, &key.Role, &key.Name, &d.Removal.Ref, &d.Verdict, &actor, &claim, &d.Reason,
		&d.Digest, &d.Decided, &d.Expires, &ended, &d.End)
	if err != nil {
		return d, err
	}
	d.By = access.ParseActor(actor, claim)
	if ended != nil {
		d.EndedAt = *ended
	}
	d.Tenant, err = access.ParseTenantID(tenant)
	return d, err
}

// EndDecisions ends the decisions on tenants that have nothing left to decide, and
// those that expired anywhere.
func (s *Store) EndDecisions(ctx context.Context, tenants []access.TenantID) error {
	if len(tenants) == 0 {
		return nil
	}
	// Rows are locked in one order: two runs may end the same expired decisions.
	return s.exec(ctx, `
WITH locked AS (SELECT id FROM decisions WHERE ended_at IS NULL AND (tenant = ANY($1) OR expires_at <= now()) ORDER BY id FOR UPDATE)
UPDATE decisions d SET ended_at = now(), ended = CASE
			WHEN verdict = 'approved' AND EXISTS (SELECT FROM records r
				WHERE r.tenant = d.tenant AND r.intended_at >= d.decided_at AND r.done_at IS NOT NULL AND r.error = ''
					AND jsonb_path_query_array((r.step -> 'have')::jsonb, '$.**.ref') ? d.ref
					AND NOT coalesce(jsonb_path_query_array((r.step -> 'want')::jsonb, '$.**.ref') ? d.ref, false)) THEN 'used'
			WHEN expires_at <= now() THEN 'expired'
			ELSE 'nothing-left' END
	FROM locked WHERE d.id = locked.id AND d.ended_at IS NULL`, texts(tenants))
}
