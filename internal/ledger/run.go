package ledger

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Done returns the IDs of the steps that a pass of a run has finished, so that
// a retried activity does not repeat them.
func (l *Ledger) Done(ctx context.Context, run Run) (map[string]bool, error) {
	rows, err := l.pool.Query(ctx, `SELECT step_id FROM records
		WHERE run_id = $1 AND pass = $2 AND done_at IS NOT NULL AND error = ''`, run.RunID, run.Pass)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	done := make(map[string]bool, len(ids))
	for _, id := range ids {
		done[id] = true
	}
	return done, nil
}

// Failed returns the records of a pass whose last answer was a failure, in the
// order of their steps' IDs. Pass 0 stands for all passes of the run.
func (l *Ledger) Failed(ctx context.Context, run Run) ([]Record, error) {
	rows, err := l.pool.Query(ctx, `SELECT `+recordColumns+` FROM records
		WHERE run_id = $1 AND (pass = $2 OR $2 = 0) AND error <> '' ORDER BY pass, step_id`, run.RunID, run.Pass)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	records, err := pgx.CollectRows(rows, scanRecord)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return records, nil
}
