package store

import (
	"context"
	"fmt"
	"io/fs"
	"strings"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/rollcall-iam/rollcall/internal/identity"
)

// Migration is a change of a database's schema: the one that Migrate would make, or
// the one that it made.
type Migration struct {
	// From and To are the database's versions before and after, 0 for an empty
	// database. They are equal if there is nothing to do, and above Program if a newer
	// program migrated the database.
	From, To int64
	// OldFloor and Floor are the oldest programs that may run before and after.
	OldFloor, Floor int64
	// Program is this program's version.
	Program int64
	// Steps are the migrations between From and To, in order.
	Steps []MigrationStep
}

// Breaking reports whether programs that may run before the migration cannot run
// after it. No program runs on an empty database.
func (m Migration) Breaking() bool { return m.From > 0 && m.Floor > m.OldFloor }

// Pending returns the migration that Migrate would make now. It returns an error that
// wraps ErrSchema for a database that this program is too old for, and changes
// nothing.
func Pending(ctx context.Context, url string) (Migration, error) {
	s, err := Open(ctx, url)
	if err != nil {
		return Migration{}, err
	}
	defer s.Close()
	return s.pending(ctx)
}

func (s *Store) pending(ctx context.Context) (Migration, error) {
	known, err := knownMigrations(migrations)
	if err != nil {
		return Migration{}, err
	}
	database, err := s.schema(ctx)
	if err != nil {
		return Migration{}, err
	}
	return pendingOn(database, known)
}

// pendingOn returns the migration of a database to a program's migrations.
func pendingOn(database schema, known []MigrationStep) (Migration, error) {
	m := Migration{
		From: database.version, To: database.version, OldFloor: database.floor, Floor: database.floor, Program: newest(known),
	}
	if m.From >= m.Program {
		return m, database.admits(m.Program)
	}
	for _, step := range known {
		if step.Version <= m.From {
			continue
		}
		m.To, m.Floor = step.Version, max(m.Floor, step.Floor)
		m.Steps = append(m.Steps, step)
	}
	return m, nil
}

// Migrate brings the database's tables to this program's version, and returns what it
// changed. It leaves a newer database as it is, and returns an error that wraps
// ErrSchema if this program is too old for it. Concurrent calls wait for each other.
func Migrate(ctx context.Context, url string) (Migration, error) {
	s, err := Open(ctx, url)
	if err != nil {
		return Migration{}, err
	}
	defer s.Close()
	planned, err := s.pending(ctx)
	if err != nil {
		return planned, err
	}
	if planned.From > planned.Program {
		return planned, nil // the tables are a newer program's
	}
	if planned.From == planned.Program {
		return planned, s.fillSearchKeys(ctx)
	}
	made, err := s.migrate(ctx, planned)
	if err != nil {
		return Migration{}, err
	}
	return made, s.fillSearchKeys(ctx)
}

// migrate makes the planned migration, and returns what it changed.
func (s *Store) migrate(ctx context.Context, planned Migration) (Migration, error) {
	provider, err := s.migrator()
	if err != nil {
		return Migration{}, err
	}
	defer func() { _ = provider.Close() }() // every statement has been answered
	results, err := provider.Up(ctx)
	if err != nil {
		return Migration{}, fmt.Errorf("store: migrate the database: %w", err)
	}
	if len(results) >= len(planned.Steps) {
		return planned, nil
	}
	// A concurrent call made a part of the planned migration, or all of it.
	made, err := s.pending(ctx)
	if err != nil {
		return Migration{}, err
	}
	made.Steps = planned.Steps[len(planned.Steps)-len(results):]
	if len(results) > 0 {
		made.From = made.Steps[0].Version - 1
	}
	return made, nil
}

// fillSearchKeys computes the search keys of users that no program of this version stored. A
// user whom another program stores meanwhile has the key that it stored.
func (s *Store) fillSearchKeys(ctx context.Context) error {
	euids, err := s.pairs(ctx, `SELECT name, body -> 'spec' ->> 'euid' FROM documents
		WHERE kind = 'meshUser' AND subject = '' AND trim(body -> 'spec' ->> 'euid') <> ''`)
	if err != nil || len(euids) == 0 {
		return err
	}
	var names, keys []string
	for name, euid := range euids {
		names, keys = append(names, name), append(keys, identity.SearchKey(strings.TrimSpace(euid)))
	}
	return s.exec(ctx, `UPDATE documents SET subject = key FROM unnest($1::text[], $2::text[]) AS filled (user_name, key)
		WHERE kind = 'meshUser' AND name = user_name AND subject = ''`, names, keys)
}

// migrator runs this program's migrations, one call at a time.
func (s *Store) migrator() (*goose.Provider, error) {
	// One second between attempts for five minutes.
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, stdlib.OpenDBFromPool(s.pool), files, goose.WithSessionLocker(locker))
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return provider, nil
}
