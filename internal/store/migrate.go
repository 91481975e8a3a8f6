package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrated says what Migrate did: the schema's version before and after.
type Migrated struct {
	From, To int64
}

// Migrate brings the database's tables to this program's version. Several may
// run it at once; each waits for the one before.
func Migrate(ctx context.Context, url string) (Migrated, error) {
	config, err := parseURL(url)
	if err != nil {
		return Migrated{}, err
	}
	db := stdlib.OpenDB(*config.ConnConfig)
	defer func() { _ = db.Close() }() // every statement has been answered
	if err := db.PingContext(ctx); err != nil {
		return Migrated{}, unreachable(config.ConnConfig, err)
	}
	// One second between attempts for five minutes.
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
	if err != nil {
		return Migrated{}, fmt.Errorf("store: %w", err)
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return Migrated{}, fmt.Errorf("store: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithSessionLocker(locker))
	if err != nil {
		return Migrated{}, fmt.Errorf("store: %w", err)
	}
	done, err := provider.Up(ctx)
	if err != nil {
		return Migrated{}, fmt.Errorf("store: migrating the database: %w", err)
	}
	to, err := provider.GetDBVersion(ctx)
	if err != nil {
		return Migrated{}, fmt.Errorf("store: %w", err)
	}
	return Migrated{From: to - int64(len(done)), To: to}, nil
}

// CheckSchema reports tables that are not this program's, wrapping ErrSchema.
func (s *Store) CheckSchema(ctx context.Context) error {
	want, err := latest()
	if err != nil {
		return err
	}
	var have int64
	err = s.one(ctx, &have, "SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied")
	var missing *pgconn.PgError
	if errors.As(err, &missing) && missing.Code == "42P01" { // undefined_table
		err = nil
	}
	switch {
	case err != nil:
		return err
	case have < want:
		return fmt.Errorf("store: %w: it has version %d, this program needs %d: run `rollcall migrate`", ErrSchema, have, want)
	case have > want:
		return fmt.Errorf("store: %w: it has version %d, this program knows %d: run a newer program", ErrSchema, have, want)
	default:
		return nil
	}
}

// latest returns the version of the last migration in this program.
func latest() (int64, error) {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return 0, fmt.Errorf("store: %w", err)
	}
	var last int64
	for _, name := range names {
		number, _, _ := strings.Cut(path.Base(name), "_")
		version, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("store: migration %s: %w", name, err)
		}
		last = max(last, version)
	}
	return last, nil
}
