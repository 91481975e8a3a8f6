// Package ledger records what Rollcall set out to do, what came of it, and which
// objects on the platforms it made.
//
// The intent of a step is recorded before the call and the answer after it, so
// that a crash in between leaves a trace on this side. Both are one record for
// each step of a pass, however often the step was tried.
//
// # Ownership
//
// An object is owned from the intent to create it until its deletion is done.
// An intent that never got its answer stays, and so does that of a creation
// that failed: nobody can say whether the platform made the object, and a later
// run that finds it must be able to go on from there. Only the intent to give a
// role to one person is forgotten when the platform refuses its only attempt.
//
// Such an intent takes nothing from anybody. If somebody else makes a group of
// that name, its mark does not agree with the ledger, and the planner leaves a
// group alone on which the two disagree. A binding needs no mark: a binding to
// our own group is ours to give and to take, whoever wrote it down.
//
// A group that the platform renames is owned under both names from the intent
// to the answer: a crash in between leaves it ours, whichever name it has.
// A role carried over from a renamed group is somebody else's, and never owned.
package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// Run says on whose behalf steps are done.
type Run struct {
	Tenant     access.TenantID
	WorkflowID string
	RunID      string
	// Pass counts the plans of one run: a run plans again after a conflict.
	Pass   int
	Digest string // of the plan
	// Actor is the ID of the access.Actor who caused the run. If it is empty, the ledger records
	// the one who last asked for a run of the tenant or its platform with that Cause: "apply", "sweep".
	Actor string
	Cause string
}

// Entry is what a run is about to do.
type Entry struct {
	Run   Run
	Steps []plan.Step
}

// Outcome is what became of one step.
type Outcome struct {
	Step plan.Step
	// Ref is the platform's id of what the step made or changed.
	Ref string
	// Err says why the step failed, without people: "<class>: <text>", with the
	// class as the activities name it; empty for success. A second line says what to
	// do, where the driver knows it.
	Err string
	// Calls to the platform that this attempt took.
	Calls int
}

// Record is one step of a run as the ledger has it.
type Record struct {
	Run  Run
	Step plan.Step
	// Attempts counts how often the step was about to be done.
	Attempts int
	// IntendedAt is when it was for the first time.
	IntendedAt time.Time
	// DoneAt is when the last attempt was answered; zero until then.
	DoneAt time.Time
	Ref    string
	Err    string // of the last answer
	Calls  int    // of all attempts
}

// Ledger keeps records and ownership in the store's database. It is safe for
// use by many goroutines.
type Ledger struct {
	pool *pgxpool.Pool
}

// New returns the ledger of a store.
func New(s *store.Store) *Ledger { return &Ledger{pool: s.Pool()} }

// Intend records steps that are about to be done, and takes ownership of what
// they create, and of groups under the names they are about to get. Steps that were intended before in the same pass, by an attempt
// that failed or whose worker died, count one attempt more.
func (l *Ledger) Intend(ctx context.Context, e Entry) error {
	batch := &pgx.Batch{}
	for _, step := range e.Steps {
		if err := queueRecord(batch, e.Run, step); err != nil {
			return err
		}
		queuePut(batch, e.Run.Tenant, step)
		switch {
		case changesGroup(step):
			queueRenamed(batch, e.Run.Tenant, step)
		case step.Op == plan.Create && !carried(step):
			queueOwned(batch, e.Run.Tenant, step, "", "intended")
		}
	}
	return l.send(ctx, batch)
}

// Record stores what became of steps. What was made is owned with its id, what
// was deleted no more, and neither is a group under its former name; a failed
// step changes no ownership.
func (l *Ledger) Record(ctx context.Context, run Run, outcomes []Outcome) error {
	batch := &pgx.Batch{}
	for _, o := range outcomes {
		// The intent may be missing, after a restore of the database: what the
		// platform answered must not be lost over that.
		if err := queueAnswer(batch, run, o); err != nil {
			return err
		}
		switch {
		case o.Err != "":
			queueRefused(batch, run, o)
			queueNotPut(batch, run, o)
		case o.Step.Kind == access.KindMembers, carried(o.Step):
		case o.Step.Op == plan.Delete:
			batch.Queue("DELETE FROM owned WHERE tenant = $1 AND kind = $2 AND group_name = $3 AND role = $4 AND name = $5",
				keyArgs(run.Tenant, o.Step.Key())...)
			queueShared(batch, run.Tenant.Platform, o.Step.Have.Binding)
		case changesGroup(o.Step):
			queueRenamed(batch, run.Tenant, o.Step) // the intent may be missing here, too
			queueOwned(batch, run.Tenant, o.Step, o.Ref, "made")
			queueFormer(batch, run.Tenant, o.Step)
		default:
			queueOwned(batch, run.Tenant, o.Step, o.Ref, "made")
		}
	}
	for _, o := range outcomes { // after the refusals: a refused step may have parts that are done
		if o.Err == "" {
			queuePut(batch, run.Tenant, o.Step)
			queueOut(batch, run.Tenant, o.Step)
		}
	}
	return l.send(ctx, batch)
}

// actorOf is the actor of a run: the one that the run names ($7), else the one who last asked
// with the run's cause ($8) for the tenant ($4) or its platform ($10). Rollcall itself follows
// up sweeps and revocations.
const actorOf = `coalesce(nullif($7, ''), (SELECT actor FROM run_causes WHERE scope IN ($4, $10) AND cause = $8 ORDER BY at DESC LIMIT 1),
	CASE WHEN $8 IN ('sweep', 'revoke') THEN 'system:' || $8 ELSE '' END)`

func queueRecord(batch *pgx.Batch, run Run, step plan.Step) error {
	body, err := json.Marshal(step)
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	batch.Queue(`INSERT INTO records (run_id, pass, step_id, tenant, workflow_id, digest, actor, cause, step)
		VALUES ($1, $2, $3, $4, $5, $6, `+actorOf+`, $8, $9)
		ON CONFLICT (run_id, pass, step_id) DO UPDATE SET attempts = records.attempts + 1, done_at = NULL`,
		run.RunID, run.Pass, step.ID, run.Tenant.String(), run.WorkflowID, run.Digest, run.Actor, run.Cause, body, run.Tenant.Platform)
	return nil
}

func queueAnswer(batch *pgx.Batch, run Run, o Outcome) error {
	body, err := json.Marshal(o.Step)
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	batch.Queue(`INSERT INTO records (run_id, pass, step_id, tenant, workflow_id, digest, actor, cause, step,
			done_at, ref, error, calls)
		VALUES ($1, $2, $3, $4, $5, $6, `+actorOf+`, $8, $9, now(), $11, $12, $13)
		ON CONFLICT (run_id, pass, step_id) DO UPDATE SET done_at = now(),
			ref = CASE WHEN excluded.ref = '' THEN records.ref ELSE excluded.ref END,
			error = excluded.error, calls = records.calls + excluded.calls`,
		run.RunID, run.Pass, o.Step.ID, run.Tenant.String(), run.WorkflowID, run.Digest, run.Actor, run.Cause, body,
		run.Tenant.Platform, o.Ref, o.Err, o.Calls)
	return nil
}

// queueOwned notes an object. An intent never takes back that it was made, and
// an answer without an id never takes back the id.
func queueOwned(batch *pgx.Batch, t access.TenantID, step plan.Step, ref, state string) {
	serves := ""
	if g := step.Want.Group; g != nil {
		serves = g.Serves
	}
	batch.Queue(`INSERT INTO owned (tenant, kind, group_name, role, name, platform, ref, state, grants)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (tenant, kind, group_name, role, name) DO UPDATE SET
			ref = CASE WHEN excluded.ref = '' THEN owned.ref ELSE excluded.ref END,
			state = CASE WHEN owned.state = 'made' THEN owned.state ELSE excluded.state END,
			grants = CASE WHEN excluded.grants = '' THEN owned.grants ELSE excluded.grants END`,
		append(keyArgs(t, step.Key()), t.Platform, ref, state, serves)...)
}

// queueRefused forgets the intent to give a role to one person, where the
// platform said no to the only attempt. Nothing was made then, and there is no
// mark that would tell somebody else's, made later, from ours.
func queueRefused(batch *pgx.Batch, run Run, o Outcome) {
	if o.Step.Op != plan.Create || o.Step.Kind != access.KindBinding || o.Step.Key().Name == "" || !saysNo(o.Err) {
		return
	}
	// An intent is as old as the record that was made with it.
	batch.Queue(`DELETE FROM owned WHERE tenant = $1 AND kind = $2 AND group_name = $3 AND role = $4 AND name = $5
		AND state = 'intended' AND ref = '' AND since = (SELECT intended_at FROM records
			WHERE run_id = $6 AND pass = $7 AND step_id = $8 AND attempts = 1)`,
		append(keyArgs(run.Tenant, o.Step.Key()), run.RunID, run.Pass, o.Step.ID)...)
}

// saysNo reports whether an answer says for sure that the platform did not do it.
func saysNo(answer string) bool {
	class, _, _ := strings.Cut(answer, ":")
	return slices.Contains([]string{"Invalid", "Unsupported", "Denied", "NotFound", "Conflict", "Throttled"}, class)
}

// Refused reports whether the platform said no to the only attempt: nothing was
// made then.
func (r Record) Refused() bool { return r.Attempts <= 1 && saysNo(r.Err) }

// queueShared forgets a deleted binding of one person for every tenant that made
// it: a role that counts beyond the tenant may have been made by several.
func queueShared(batch *pgx.Batch, platform string, b *access.Binding) {
	if b == nil || b.Name == "" || b.Ref == "" {
		return
	}
	batch.Queue(`DELETE FROM owned WHERE platform = $1 AND kind = $2 AND group_name = $3 AND role = $4 AND name = $5 AND ref = $6`,
		platform, string(access.KindBinding), b.Group, b.Role, b.Name, b.Ref)
}

func keyArgs(t access.TenantID, key access.Key) []any {
	return []any{t.String(), string(key.Kind), key.Group, key.Role, key.Name}
}

// send runs a batch as one transaction.
func (l *Ledger) send(ctx context.Context, batch *pgx.Batch) error {
	err := pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error { return tx.SendBatch(ctx, batch).Close() })
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return nil
}

// Owned returns the tenant's objects in the order of access.Key.Compare, what
// was only intended without a Ref.
func (l *Ledger) Owned(ctx context.Context, tenant access.TenantID) ([]plan.Owned, error) {
	many, err := l.OwnedMany(ctx, []access.TenantID{tenant})
	return many[tenant], err
}

// OwnedMany is Owned for many tenants; those that own nothing are left out.
func (l *Ledger) OwnedMany(ctx context.Context, tenants []access.TenantID) (map[access.TenantID][]plan.Owned, error) {
	byName := make(map[string]access.TenantID, len(tenants))
	names := make([]string, len(tenants))
	for i, t := range tenants {
		names[i] = t.String()
		byName[names[i]] = t
	}
	rows, err := l.pool.Query(ctx, `SELECT tenant, kind, group_name, role, name, ref, grants FROM owned WHERE tenant = ANY($1)
		ORDER BY tenant, kind, group_name, role, name`, names)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	owned := map[access.TenantID][]plan.Owned{}
	var name string
	var o plan.Owned
	_, err = pgx.ForEachRow(rows, []any{&name, &o.Key.Kind, &o.Key.Group, &o.Key.Role, &o.Key.Name, &o.Ref, &o.Serves}, func() error {
		owned[byName[name]] = append(owned[byName[name]], o)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return owned, nil
}

// OwnedBindings returns those of the bindings with these ids that any tenant of
// the platform made, also one that is removed since.
func (l *Ledger) OwnedBindings(ctx context.Context, platform string, refs []string) (map[plan.Owned]bool, error) {
	rows, err := l.pool.Query(ctx, `SELECT kind, group_name, role, name, ref FROM owned
		WHERE platform = $1 AND kind = $2 AND ref = ANY($3)`, platform, string(access.KindBinding), refs)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	owned := map[plan.Owned]bool{}
	var o plan.Owned
	_, err = pgx.ForEachRow(rows, []any{&o.Key.Kind, &o.Key.Group, &o.Key.Role, &o.Key.Name, &o.Ref}, func() error {
		owned[o] = true
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return owned, nil
}

// Filter chooses records; empty fields choose all.
type Filter struct {
	Tenant access.TenantID
	RunID  string
	// Limit is the most records to return, the newest; 0 means 1000.
	Limit int
}

// recordColumns are what scanRecord reads.
const recordColumns = `run_id, pass, tenant, workflow_id, digest, actor, cause, step,
	attempts, intended_at, done_at, ref, error, calls`

// Records returns the chosen records, newest first.
func (l *Ledger) Records(ctx context.Context, f Filter) ([]Record, error) {
	tenant := ""
	if f.Tenant != (access.TenantID{}) {
		tenant = f.Tenant.String()
	}
	limit := f.Limit
	if limit == 0 {
		limit = 1000
	}
	rows, err := l.pool.Query(ctx, `SELECT `+recordColumns+` FROM records
		WHERE ($1 = '' OR tenant = $1) AND ($2 = '' OR run_id = $2)
		ORDER BY intended_at DESC, run_id, pass DESC, step_id LIMIT $3`, tenant, f.RunID, limit)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	records, err := pgx.CollectRows(rows, scanRecord)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return records, nil
}

func scanRecord(row pgx.CollectableRow) (Record, error) {
	var r Record
	var tenant string
	var step []byte
	var done *time.Time
	err := row.Scan(&r.Run.RunID, &r.Run.Pass, &tenant, &r.Run.WorkflowID, &r.Run.Digest, &r.Run.Actor, &r.Run.Cause,
		&step, &r.Attempts, &r.IntendedAt, &done, &r.Ref, &r.Err, &r.Calls)
	if err != nil {
		return r, err
	}
	if done != nil {
		r.DoneAt = *done
	}
	var errTenant error
	r.Run.Tenant, errTenant = access.ParseTenantID(tenant)
	return r, errors.Join(errTenant, json.Unmarshal(step, &r.Step))
}
