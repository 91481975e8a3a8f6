package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Grants are the roles of the database beside its owner. An empty name grants nothing.
type Grants struct {
	// Writer is the role of servers and workers. It reads and writes rows, creates and
	// changes no table, and adds to the records that are kept for ever but changes none.
	Writer string
	// Reader reads all tables but those with secrets.
	Reader string
}

// secretTables are not read by Grants.Reader.
const secretTables = "bootstrap_tokens, server_keys"

// ownerTables are not written by Grants.Writer.
const ownerTables = "direct_modes, goose_db_version"

// Grant gives roles, which the cluster must have, their rights on the tables of this schema, those
// of later migrations among them. Granted again, rights stay as they are. Only the owner of the
// tables may grant.
func (s *Store) Grant(ctx context.Context, g Grants) error {
	var schema string
	if err := s.one(ctx, &schema, "SELECT quote_ident(current_schema())"); err != nil {
		return err
	}
	var statements []string
	if g.Writer != "" {
		role := pgx.Identifier{g.Writer}.Sanitize()
		statements = append(statements,
			"GRANT USAGE ON SCHEMA "+schema+" TO "+role,
			"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "+schema+" TO "+role,
			"GRANT USAGE ON ALL SEQUENCES IN SCHEMA "+schema+" TO "+role,
			"ALTER DEFAULT PRIVILEGES IN SCHEMA "+schema+" GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO "+role,
			"ALTER DEFAULT PRIVILEGES IN SCHEMA "+schema+" GRANT USAGE ON SEQUENCES TO "+role,
			"REVOKE INSERT, UPDATE, DELETE ON "+ownerTables+" FROM "+role,
		)
	}
	if g.Reader != "" {
		role := pgx.Identifier{g.Reader}.Sanitize()
		statements = append(statements,
			"GRANT USAGE ON SCHEMA "+schema+" TO "+role,
			"GRANT SELECT ON ALL TABLES IN SCHEMA "+schema+" TO "+role,
			"ALTER DEFAULT PRIVILEGES IN SCHEMA "+schema+" GRANT SELECT ON TABLES TO "+role,
			"REVOKE SELECT ON "+secretTables+" FROM "+role,
		)
	}
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		for _, statement := range statements {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return fmt.Errorf("%s: %w", statement, err)
			}
		}
		return nil
	})
	return prefixed(err)
}
