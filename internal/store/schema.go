package store

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Schema floor
//
// A database has a version, the number of its newest migration, and a floor, the
// oldest program that may run on it. A program is named by the number of its newest
// migration. A program runs on a database of its own version, and on a newer one
// whose floor is not above the program. So workers of the previous build can restart
// after a migration and complete the runs that are pinned to them.
//
// A migration that the programs before it cannot work with raises the floor to its
// own number, with this statement on a line of its own, and lowers it again below
// "+goose Down":
//
//	UPDATE installation SET schema_floor = 14;
//
// Examples are a renamed or dropped column, a new column that every insert must fill,
// another meaning of a value, another shape of stored JSON or of a workflow's input. A migration that only adds what older
// programs leave alone has no such statement. A migration that removes what an
// earlier one replaced raises the floor to the number of that earlier one.
//
// The statement is the only mark: floorOf reads it before the migration runs, and
// `rollcall migrate` refuses to raise the floor while older builds have open runs.

//go:embed migrations/*.sql
var migrations embed.FS

// floorPattern matches the statement that raises the floor.
var floorPattern = regexp.MustCompile(`(?m)^UPDATE installation SET schema_floor = ([0-9]+);$`)

// The PostgreSQL errors of a database that is older than the question.
const (
	undefinedTable  = "42P01"
	undefinedColumn = "42703"
)

// CheckSchema reports a database that this program cannot run on, wrapping ErrSchema.
// The check costs two rows.
func (s *Store) CheckSchema(ctx context.Context) error {
	known, err := knownMigrations(migrations)
	if err != nil {
		return err
	}
	database, err := s.schema(ctx)
	if err != nil {
		return err
	}
	return database.admits(newest(known))
}

// schema is what a database says about its tables.
type schema struct {
	// version is the number of the newest migration, 0 for an empty database.
	version int64
	// floor is the oldest program that may run.
	floor int64
}

// schema reads the database's version and floor. A database that stores no floor
// admits only programs of its own version.
func (s *Store) schema(ctx context.Context) (schema, error) {
	var d schema
	err := s.one(ctx, &d.version, "SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied")
	if isUndefined(err) {
		return schema{}, nil
	}
	if err != nil {
		return schema{}, err
	}
	err = s.one(ctx, &d.floor, "SELECT schema_floor FROM installation")
	if isUndefined(err) {
		d.floor, err = d.version, nil
	}
	return d, err
}

func isUndefined(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == undefinedTable || e.Code == undefinedColumn)
}

// admits reports why a program cannot run on the database.
func (d schema) admits(program int64) error {
	switch {
	case d.version < program:
		return fmt.Errorf("store: %w: it has version %d, this program needs %d: run `rollcall migrate`", ErrSchema, d.version, program)
	case program < d.floor:
		return fmt.Errorf("store: %w: it has version %d and admits programs from version %d on, this program has %d: "+
			"run a newer build", ErrSchema, d.version, d.floor, program)
	default:
		return nil
	}
}

// MigrationStep is one migration of the schema.
type MigrationStep struct {
	// Version is the migration's number.
	Version int64
	// Name is the migration's file name.
	Name string
	// Floor is what the migration raises the floor to; 0 if it leaves the floor.
	Floor int64
}

// knownMigrations reads the migrations of a program, in order.
func knownMigrations(files fs.FS) ([]MigrationStep, error) {
	names, err := fs.Glob(files, "migrations/*.sql")
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	known := make([]MigrationStep, 0, len(names))
	for _, name := range names {
		step := MigrationStep{Name: path.Base(name)}
		number, _, _ := strings.Cut(step.Name, "_")
		if step.Version, err = strconv.ParseInt(number, 10, 64); err != nil {
			return nil, fmt.Errorf("store: migration %s: %w", name, err)
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, fmt.Errorf("store: %w", err)
		}
		if step.Floor, err = floorOf(string(text)); err != nil {
			return nil, fmt.Errorf("store: migration %s: %w", name, err)
		}
		known = append(known, step)
	}
	slices.SortFunc(known, func(a, b MigrationStep) int { return cmp.Compare(a.Version, b.Version) })
	return known, nil
}

// floorOf returns the floor that a migration sets on its way up, 0 for none.
func floorOf(migration string) (int64, error) {
	up, _, _ := strings.Cut(migration, "-- +goose Down")
	found := floorPattern.FindStringSubmatch(up)
	if found == nil {
		return 0, nil
	}
	return strconv.ParseInt(found[1], 10, 64)
}

// newest returns the number of the last of a program's migrations.
func newest(known []MigrationStep) int64 {
	if len(known) == 0 {
		return 0
	}
	return known[len(known)-1].Version
}
