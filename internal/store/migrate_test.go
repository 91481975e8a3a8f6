package store_test

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/rollcall-iam/rollcall/internal/engines/postgres"
	"github.com/rollcall-iam/rollcall/internal/identity"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
)

// goosed returns the migrations in this directory, to be run one by one on the
// database.
func goosed(t *testing.T, url string) (*goose.Provider, *sql.DB) {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	db := stdlib.OpenDB(*config)
	t.Cleanup(func() { _ = db.Close() })
	provider, err := goose.NewProvider(goose.DialectPostgres, db, os.DirFS("migrations"))
	if err != nil {
		t.Fatal(err)
	}
	return provider, db
}

// TestMigrationsGoDownAndUpAgain: whoever has to go back to an older program can,
// and forward again. Down to the version of the dump and back nothing is lost; below
// it there may be no place for what a database holds, but nothing fails over it.
func TestMigrationsGoDownAndUpAgain(t *testing.T) {
	t.Parallel()
	url := storetest.Restore(t, dumpFile(".sql"))
	migrations, db := goosed(t, url)
	before := platformTexts(t, db)
	if _, err := store.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	if _, err := migrations.DownTo(t.Context(), dumped); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, platformTexts(t, db)); diff != "" || len(before) == 0 {
		t.Errorf("platforms up and down again (-want +got):\n%s", diff)
	}
	if _, err := migrations.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	checkMeaning(t, url)

	down, err := migrations.DownTo(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	var tables int
	row := db.QueryRowContext(t.Context(), `SELECT count(*) FROM information_schema.tables
		WHERE table_schema = 'public' AND table_name <> 'goose_db_version'`)
	if err := row.Scan(&tables); err != nil || tables != 0 {
		t.Errorf("%d tables are left, %v; want none", tables, err)
	}
	up, err := migrations.Up(t.Context())
	if err != nil || len(up) != len(down) {
		t.Errorf("%d migrations went up again, %v; want all %d that went down", len(up), err, len(down))
	}
}

// TestMigrations_FloorIsTheOneThatPendingTells runs each migration alone, up and down.
// The floor in the database must be the one that Pending announces from the text of
// the migrations, and the one before when the migration is gone again.
func TestMigrations_FloorIsTheOneThatPendingTells(t *testing.T) {
	t.Parallel()
	url := postgres.ForTest(t)
	plan, err := store.Pending(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	migrations, db := goosed(t, url)
	stored := func() (floor int64) {
		t.Helper()
		if err := db.QueryRowContext(t.Context(), "SELECT schema_floor FROM installation").Scan(&floor); err != nil {
			t.Fatal(err)
		}
		return floor
	}
	const first = 13 // the migration that brings the floor
	floors := map[int64]int64{}
	var floor int64
	for _, step := range plan.Steps {
		if _, err := migrations.UpTo(t.Context(), step.Version); err != nil {
			t.Fatal(err)
		}
		floor = max(floor, step.Floor)
		floors[step.Version] = floor
		if step.Version >= first && stored() != floor {
			t.Errorf("%s sets the floor to %d, and its text is read as %d: write the statement as schema.go shows it", step.Name, stored(), floor)
		}
	}
	if floor != plan.Floor {
		t.Errorf("Pending announces the floor %d, the migrations set %d", plan.Floor, floor)
	}
	for version := plan.To - 1; version >= first; version-- {
		if _, err := migrations.DownTo(t.Context(), version); err != nil {
			t.Fatal(err)
		}
		if stored() != floors[version] {
			t.Errorf("back at version %d the floor is %d, want %d: have the migration after it lower the floor below \"+goose Down\"",
				version, stored(), floors[version])
		}
	}
}

// TestCheckSchema_OfADatabaseFromBeforeFloors: it has no column to ask for.
func TestCheckSchema_OfADatabaseFromBeforeFloors(t *testing.T) {
	t.Parallel()
	url := postgres.ForTest(t)
	migrations, _ := goosed(t, url)
	if _, err := migrations.UpTo(t.Context(), 12); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if err := s.CheckSchema(t.Context()); !errors.Is(err, store.ErrSchema) || !strings.Contains(err.Error(), "rollcall migrate") {
		t.Errorf("CheckSchema: %v, want ErrSchema that names rollcall migrate", err)
	}
	plan, err := store.Pending(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	if plan.From != 12 || plan.OldFloor != 12 || plan.To != plan.Program || !plan.Breaking() {
		t.Errorf("Pending: %+v, want a breaking one from 12 on: programs of version 12 run on their own version only", plan)
	}
	made, err := store.Migrate(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "Migrate does what Pending announces", plan, made)
	if err := s.CheckSchema(t.Context()); err != nil {
		t.Errorf("CheckSchema after Migrate: %v", err)
	}
}

// newer makes a migrated database look as a program two migrations ahead leaves it.
func newer(t *testing.T, s *store.Store, floor int64) (version int64) {
	t.Helper()
	row := s.Pool().QueryRow(t.Context(), `WITH ahead AS (
		INSERT INTO goose_db_version (version_id, is_applied)
		SELECT max(version_id) + n, true FROM goose_db_version, generate_series(1, 2) n GROUP BY n RETURNING version_id
	) SELECT max(version_id) FROM ahead`)
	if err := row.Scan(&version); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Pool().Exec(t.Context(), "UPDATE installation SET schema_floor = $1", floor); err != nil {
		t.Fatal(err)
	}
	return version
}

// TestNewerDatabase: an older program runs on it as long as the floor admits it, and
// never changes it.
func TestNewerDatabase(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason  string
		above   int64 // the floor, beside this program's version
		refused bool
	}{
		"far below": {"nothing broke since then", -1, false},
		"at":        {"this is the oldest program that may run", 0, false},
		"above":     {"a migration broke this program", 1, true},
		"newest":    {"the last migration broke it", 2, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, url := storetest.OpenURL(t)
			plan, err := store.Pending(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			floor := plan.Program + tc.above
			version := newer(t, s, floor)
			check := func(what string, err error) {
				t.Helper()
				if errors.Is(err, store.ErrSchema) != tc.refused || (err == nil) == tc.refused {
					t.Errorf("%s: %s: %v, want ErrSchema: %v", tc.reason, what, err, tc.refused)
				}
				if err != nil && !strings.Contains(err.Error(), "newer build") {
					t.Errorf("%s: %s does not say what to do: %v", tc.reason, what, err)
				}
			}
			check("CheckSchema", s.CheckSchema(t.Context()))
			_, err = store.Pending(t.Context(), url)
			check("Pending", err)
			made, err := store.Migrate(t.Context(), url)
			check("Migrate", err)
			want := store.Migration{From: version, To: version, OldFloor: floor, Floor: floor, Program: plan.Program}
			diff(t, "Migrate leaves it alone", want, made)
		})
	}
}

// TestCheckSchema_NoticesAMigration: a program that runs already asks again.
func TestCheckSchema_NoticesAMigration(t *testing.T) {
	t.Parallel()
	s, url := storetest.OpenURL(t)
	plan, err := store.Pending(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.CheckSchema(t.Context()); err != nil {
		t.Fatal(err)
	}
	newer(t, s, plan.Program+1)
	if err := s.CheckSchema(t.Context()); !errors.Is(err, store.ErrSchema) {
		t.Errorf("CheckSchema after a breaking migration: %v, want ErrSchema", err)
	}
}

// platformTexts returns the stored texts of all platforms, also of tombstones.
func platformTexts(t *testing.T, db *sql.DB) (texts []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), `SELECT body::text FROM documents WHERE kind = 'meshPlatform'
		UNION ALL SELECT platform_doc::text FROM tombstones ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			t.Fatal(err)
		}
		texts = append(texts, text)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return texts
}

// TestMigrations_SearchKeysOfALanguage: the keys that the migration computes are those of
// package identity in a database of any language. In Turkish, the capital of i has a dot.
func TestMigrations_SearchKeysOfALanguage(t *testing.T) {
	t.Parallel()
	server := postgres.ForTest(t)
	_, admin := goosed(t, server)
	const name = "turkish"
	if _, err := admin.ExecContext(t.Context(), "CREATE DATABASE "+name+" TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'tr-TR'"); err != nil {
		t.Skipf("the server has no ICU: %v", err)
	}
	t.Cleanup(func() { _, _ = admin.ExecContext(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)") })
	config, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	config.Path = name
	migrations, db := goosed(t, config.String())
	if _, err := migrations.UpTo(t.Context(), 19); err != nil {
		t.Fatal(err)
	}
	const add = `INSERT INTO documents (kind, name, api_version, body, workspace, project, platform, landing_zone, subject, members)
		VALUES ('meshUser', 'ian', 'v2', '{"spec": {"euid": " ian "}}', '', '', '', '', '', '{}')`
	if _, err := db.ExecContext(t.Context(), add); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Migrate(t.Context(), config.String()); err != nil {
		t.Fatal(err)
	}
	var key string
	if err := db.QueryRowContext(t.Context(), "SELECT subject FROM documents WHERE name = 'ian'").Scan(&key); err != nil {
		t.Fatal(err)
	}
	if want := identity.SearchKey("ian"); key != want {
		t.Errorf("search key %q, want %q", key, want)
	}
}
