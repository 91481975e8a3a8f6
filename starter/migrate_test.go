package main

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/internal/engines/postgres"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
)

// beforeFloors is the last version of a database that names no oldest program.
const beforeFloors = 12

// oldDatabase returns the URL of a database at that version.
func oldDatabase(t *testing.T, version int64) string {
	t.Helper()
	url := postgres.ForTest(t)
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	db := stdlib.OpenDB(*config)
	defer func() { _ = db.Close() }()
	migrations, err := goose.NewProvider(goose.DialectPostgres, db, os.DirFS("../internal/store/migrations"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := migrations.UpTo(t.Context(), version); err != nil {
		t.Fatal(err)
	}
	return url
}

// programVersion is the version that this program migrates to.
func programVersion(t *testing.T) int64 {
	t.Helper()
	m, err := store.Pending(t.Context(), postgres.ForTest(t))
	if err != nil {
		t.Fatal(err)
	}
	return m.Program
}

// result runs migrate and reads its JSON.
func result(t *testing.T, database string, flags ...string) migrated {
	t.Helper()
	var m migrated
	if err := json.Unmarshal([]byte(must(t, database, "", append([]string{"migrate", "-o", "json"}, flags...)...)), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// withoutTemporal has Temporal be nowhere.
func withoutTemporal(t *testing.T) {
	t.Helper()
	t.Setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
	t.Setenv("TEMPORAL_CONFIG_FILE", os.DevNull)
}

func TestMigrate_NeedsNoTemporalForANewDatabase(t *testing.T) {
	withoutTemporal(t)
	url, program := postgres.ForTest(t), programVersion(t)
	planned := result(t, url, "--dry-run")
	if planned.From != 0 || planned.To != program || planned.Breaking || !planned.DryRun || len(planned.Migrations) != int(program) {
		t.Errorf("--dry-run on an empty database: %+v, want %d migrations, not breaking: no program runs on it", planned, program)
	}
	first, second := result(t, url), result(t, url)
	if first.From != 0 || first.To != program || first.DryRun {
		t.Errorf("migrate after --dry-run: %+v, want from 0 to %d", first, program)
	}
	if second.From != program || second.To != program || len(second.Migrations) != 0 {
		t.Errorf("migrate again: %+v, want nothing to do", second)
	}
	if out := must(t, url, "", "migrate"); !strings.Contains(out, "up to date") {
		t.Errorf("migrate again says %q", out)
	}
}

func TestMigrate_JSONIsStable(t *testing.T) {
	t.Parallel()
	_, url := storetest.OpenURL(t)
	var fields map[string]any
	if err := json.Unmarshal([]byte(must(t, url, "", "migrate", "-o", "json")), &fields); err != nil {
		t.Fatal(err)
	}
	version := float64(programVersion(t))
	want := map[string]any{
		"from": version, "to": version, "program": version, "oldest_program": fields["oldest_program"],
		"breaking": false, "dry_run": false, "migrations": []any{},
	}
	if diff := cmp.Diff(want, fields); diff != "" {
		t.Errorf("fields are added, never renamed (-want +got):\n%s", diff)
	}
	if oldest, ok := fields["oldest_program"].(float64); !ok || oldest < 13 || oldest > version {
		t.Errorf("oldest_program is %v, want a version from 13 to %g", fields["oldest_program"], version)
	}
}

func TestMigrate_AsksTemporalBeforeABreakingMigration(t *testing.T) {
	withoutTemporal(t)
	url := oldDatabase(t, beforeFloors)
	planned := result(t, url, "--dry-run")
	if planned.From != beforeFloors || !planned.Breaking || planned.Migrations[0] != "00013_schema_floor.sql" {
		t.Errorf("--dry-run: %+v, want a breaking migration from version %d on", planned, beforeFloors)
	}
	if out := must(t, url, "", "migrate", "--dry-run"); !strings.Contains(out, "breaking") || !strings.Contains(out, "00013_schema_floor.sql") {
		t.Errorf("--dry-run does not tell of the breaking migration:\n%s", out)
	}
	run(t, url, "", "migrate").ends(t, "whether runs are open is unknown", exitFailed, "127.0.0.1:1", "unknown", "--force")
	if again := result(t, url, "--dry-run"); again.From != beforeFloors {
		t.Errorf("the refused migration changed the database: %+v", again)
	}
	if out := must(t, url, "", "migrate", "--force"); !strings.Contains(out, "cannot run on it any more") {
		t.Errorf("migrate --force does not tell what it broke:\n%s", out)
	}
	if after := result(t, url); after.From != planned.To {
		t.Errorf("after migrate --force the database is at version %d, want %d", after.From, planned.To)
	}
}

func TestMigrate_OnANewerDatabase(t *testing.T) {
	withoutTemporal(t)
	cases := map[string]struct {
		reason string
		above  int64 // the floor, beside this program's version
		code   int
		out    string
		says   []string
	}{
		"admitted": {"it may run there", 0, exitDone, "there is nothing to do", nil},
		"too old":  {"a newer build is needed", 1, exitFailed, "", []string{"newer build"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s, url := storetest.OpenURL(t)
			floor := programVersion(t) + tc.above
			_, err := s.Pool().Exec(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied)
				SELECT max(version_id) + 1, true FROM goose_db_version`)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Pool().Exec(t.Context(), "UPDATE installation SET schema_floor = $1", floor); err != nil {
				t.Fatal(err)
			}
			for _, args := range [][]string{{"migrate"}, {"migrate", "--force"}, {"migrate", "--dry-run"}} {
				o := run(t, url, "", args...)
				o.ends(t, tc.reason, tc.code, tc.says...)
				if !strings.Contains(o.out, tc.out) {
					t.Errorf("%s: rollcall %s says %q, want %q in it", tc.reason, strings.Join(args, " "), o.out, tc.out)
				}
			}
			run(t, url, "", "status").ends(t, tc.reason, tc.code, tc.says...)
		})
	}
}

func TestOpenRunsError(t *testing.T) {
	t.Parallel()
	m := store.Migration{From: 13, To: 15, OldFloor: 13, Floor: 14, Program: 15}
	build := func(id string, runs int64, workers int) engine.Build {
		return engine.Build{ID: id, OpenRuns: runs, Workers: workers}
	}
	cases := map[string]struct {
		reason string
		open   engine.OpenRuns
		says   []string
		lacks  string
	}{
		"one": {
			"a build whose workers complete its run",
			engine.OpenRuns{Total: 1, Deployments: []engine.WorkerDeployment{{Name: engine.DefaultDeployment, Builds: []engine.Build{build("a", 1, 2)}}}},
			[]string{"version 15", "older than version 14", "1 run is open: 1 on build a\n", "rollcall worker versions", "--force"}, "no workers",
		},
		"many": {
			"each build is named, and what keeps its runs open",
			engine.OpenRuns{Total: 9, Deployments: []engine.WorkerDeployment{
				{Name: engine.DefaultDeployment, Builds: []engine.Build{build("a", 1, 1), build("b", 3, 0)}},
				{Name: "other", Builds: []engine.Build{build("c", 2, 1)}},
			}},
			[]string{
				"9 runs are open: 1 on build a, 3 on build b, which has no workers, 2 on build c of deployment other, 3 on no build",
				"rollcall worker move",
			}, "",
		},
		"strange name": {
			"a terminal obeys control characters",
			engine.OpenRuns{Total: 1, Deployments: []engine.WorkerDeployment{{Name: "x\x1b[2J", Builds: []engine.Build{build("a", 1, 1)}}}}, nil, "\x1b",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := openRunsError(m, tc.open).Error()
			for _, want := range tc.says {
				if !strings.Contains(text, want) {
					t.Errorf("%s: the message lacks %q:\n%s", tc.reason, want, text)
				}
			}
			if tc.lacks != "" && strings.Contains(text, tc.lacks) {
				t.Errorf("%s: the message has %q:\n%q", tc.reason, tc.lacks, text)
			}
			if lines := strings.Count(text, "\n") + 1; lines > 2 {
				t.Errorf("%s: the message has %d lines, want two at most:\n%s", tc.reason, lines, text)
			}
		})
	}
	if err := unknownRuns(m, invalid(errors.New("no key"))); exitCode(err) != exitInvalid {
		t.Errorf("a broken key ring ends migrate with %d, want %d as everywhere", exitCode(err), exitInvalid)
	}
}
