package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/identity"
)

// WorkspaceBindings are the documents that decide which workspace bindings are those of a user.
type WorkspaceBindings struct {
	Documents []document.Document
	// Revoked are the revocations that are not lifted.
	Revoked []document.Revocation
	// Now is the time of the database's clock.
	Now time.Time
}

// memberships selects the users with the search key $1, the user groups that have one as a
// member, with all groups of the same names, and the workspace bindings of the users and groups.
const memberships = `
WITH people AS (SELECT ` + columns + ` FROM documents WHERE kind = 'meshUser' AND subject = $1 AND subject <> ''),
groups AS (SELECT ` + columns + ` FROM documents WHERE kind = 'meshWorkspaceUserGroup'
	AND subject IN (SELECT subject FROM documents WHERE kind = 'meshWorkspaceUserGroup'
		AND members && ARRAY(SELECT name::text FROM people))),
bindings AS (
	SELECT ` + columns + ` FROM documents WHERE kind = 'meshWorkspaceUserBinding' AND subject IN (SELECT name FROM people)
	UNION ALL SELECT ` + columns + ` FROM documents WHERE kind = 'meshWorkspaceGroupBinding' AND subject IN (SELECT subject FROM groups))
SELECT ` + columns + ` FROM (TABLE people UNION ALL TABLE groups UNION ALL TABLE bindings) AS parts`

// WorkspaceBindings returns the bindings of the users who may have an euid: the caller compares
// the euid itself.
func (s *Store) WorkspaceBindings(ctx context.Context, euid string) (WorkspaceBindings, error) {
	var b WorkspaceBindings
	err := s.snapshot(ctx, func(tx pgx.Tx) error {
		batch := &pgx.Batch{}
		batch.Queue(memberships, identity.SearchKey(euid)).Query(func(rows pgx.Rows) error {
			found, err := pgx.CollectRows(rows, scanRow)
			b.Documents = documentsOf(found)
			return err
		})
		batch.Queue(`SELECT user_name, euid FROM revocations WHERE lifted_at IS NULL`).Query(func(rows pgx.Rows) error {
			var err error
			b.Revoked, err = pgx.CollectRows(rows, pgx.RowToStructByPos[document.Revocation])
			return err
		})
		batch.Queue("SELECT clock_timestamp()").QueryRow(func(row pgx.Row) error { return row.Scan(&b.Now) })
		return tx.SendBatch(ctx, batch).Close()
	})
	return b, prefixed(err)
}
