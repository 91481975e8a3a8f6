package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// Start is a run to be started, or told to look again if it is open. It is stored in the
// transaction of its cause and names no user.
type Start struct {
	WorkflowID, Workflow, Summary string
	// Scope is the tenant or the platform that the run is about; empty for neither.
	Scope string
	// Input is the workflow's input as JSON.
	Input json.RawMessage
	Cause string
	// Attributes are search attributes by name.
	Attributes  map[string]any
	Priority    int
	FairnessKey string
}

// StoreStarts stores starts without another change, for a command that asks for runs.
func (s *Store) StoreStarts(ctx context.Context, by access.Actor, starts []Start) error {
	return prefixed(pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		batch := &pgx.Batch{}
		if err := queueStarts(batch, by, starts); err != nil {
			return err
		}
		return tx.SendBatch(ctx, batch).Close()
	}))
}

// queueStarts stores starts, and the actor of their cause.
func queueStarts(batch *pgx.Batch, by access.Actor, starts []Start) error {
	if len(starts) == 0 {
		return nil
	}
	var ids, names, summaries, inputs, causes, attributes, keys, scopes []string
	var priorities []int
	for _, start := range starts {
		body, err := json.Marshal(start.Attributes)
		if err != nil {
			return fmt.Errorf("store: search attributes of %s: %w", start.WorkflowID, err)
		}
		ids, names, summaries = append(ids, start.WorkflowID), append(names, start.Workflow), append(summaries, start.Summary)
		inputs, causes = append(inputs, string(start.Input)), append(causes, start.Cause)
		attributes, keys = append(attributes, string(body)), append(keys, start.FairnessKey)
		priorities, scopes = append(priorities, start.Priority), append(scopes, start.Scope)
	}
	batch.Queue(`INSERT INTO outbox (workflow_id, workflow, summary, input, cause, attributes, priority, fairness_key)
		SELECT id, workflow, summary, input::json, cause, attributes::jsonb, priority, fairness_key
			FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::int[], $8::text[])
				AS new (id, workflow, summary, input, cause, attributes, priority, fairness_key)`,
		ids, names, summaries, inputs, causes, attributes, priorities, keys)
	batch.Queue(`INSERT INTO run_causes (scope, cause, actor, claim)
		SELECT DISTINCT scope, cause, $3, $4 FROM unnest($1::text[], $2::text[]) AS new (scope, cause)
			WHERE scope <> '' ORDER BY scope, cause
		ON CONFLICT (scope, cause) DO UPDATE SET actor = excluded.actor, claim = excluded.claim, at = now()`,
		scopes, causes, by.ID(), by.Claim)
	return nil
}

// maxStartError is how much of an error is stored with a start, in bytes.
const maxStartError = 500

// DrainStarts gives stored starts to start, which returns one error for each, and deletes
// those without one. Others, also those of a call that dies, stay and are due again: each is
// given to start at least once. The starts are locked meanwhile, and those that another call
// has locked are skipped.
//
// It takes at most limit starts: those of the workflow IDs, or those that are due if there
// are none. It returns how many it deleted.
func (s *Store) DrainStarts(
	ctx context.Context, workflowIDs []string, limit int, start func(context.Context, []Start) []error,
) (int, error) {
	var deleted int
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		ids, starts, err := lockStarts(ctx, tx, workflowIDs, limit)
		if err != nil || len(ids) == 0 {
			return err
		}
		var done, failed []int64
		var failures []string
		for i, err := range start(ctx, starts) {
			if err == nil {
				done = append(done, ids[i])
				continue
			}
			text := strings.ReplaceAll(strings.ToValidUTF8(err.Error(), ""), "\x00", "")
			failed, failures = append(failed, ids[i]), append(failures, strings.ToValidUTF8(text[:min(len(text), maxStartError)], ""))
		}
		batch := &pgx.Batch{}
		batch.Queue("DELETE FROM outbox WHERE id = ANY($1)", done)
		// Attempts are one second apart at first, and five minutes at most.
		batch.Queue(`UPDATE outbox o SET attempts = attempts + 1, last_error = failed.error,
				next_attempt_at = now() + least(interval '1 second' * 2 ^ least(attempts, 10), interval '5 minutes') * (0.5 + random())
			FROM unnest($1::bigint[], $2::text[]) AS failed (id, error) WHERE o.id = failed.id`, failed, failures)
		deleted = len(done)
		return tx.SendBatch(ctx, batch).Close()
	})
	if err != nil {
		return 0, prefixed(err)
	}
	return deleted, nil
}

func lockStarts(ctx context.Context, tx pgx.Tx, workflowIDs []string, limit int) (ids []int64, starts []Start, err error) {
	chosen, args := "next_attempt_at <= now()", []any{limit}
	if workflowIDs != nil {
		chosen, args = "workflow_id = ANY($2)", append(args, workflowIDs)
	}
	rows, err := tx.Query(ctx, `SELECT id, workflow_id, workflow, summary, input, cause, attributes, priority, fairness_key FROM outbox
		WHERE `+chosen+` ORDER BY priority, id LIMIT $1 FOR UPDATE SKIP LOCKED`, args...)
	if err != nil {
		return nil, nil, err
	}
	var id int64
	var start Start
	_, err = pgx.ForEachRow(rows, []any{
		&id, &start.WorkflowID, &start.Workflow, &start.Summary, &start.Input, &start.Cause, &start.Attributes, &start.Priority,
		&start.FairnessKey,
	}, func() error {
		ids, starts = append(ids, id), append(starts, start)
		start.Input, start.Attributes = nil, nil // the next row gets its own
		return nil
	})
	return ids, starts, err
}

// StartsLeft counts the stored starts of the workflow IDs.
func (s *Store) StartsLeft(ctx context.Context, workflowIDs []string) (int, error) {
	var n int
	err := s.one(ctx, &n, "SELECT count(*) FROM outbox WHERE workflow_id = ANY($1)", notNil(workflowIDs))
	return n, err
}

// OutboxState is how much waits in the outbox.
type OutboxState struct {
	// Starts are stored, of which Failing were tried in vain.
	Starts, Failing int64
	// Oldest is the age of the oldest, zero if there is none.
	Oldest time.Duration
}

// Outbox returns how much waits in the outbox.
func (s *Store) Outbox(ctx context.Context) (OutboxState, error) {
	var o OutboxState
	err := s.pool.QueryRow(ctx, `SELECT count(*), count(*) FILTER (WHERE attempts > 0), coalesce(now() - min(created_at), '0')
		FROM outbox`).Scan(&o.Starts, &o.Failing, &o.Oldest)
	return o, prefixed(err)
}
