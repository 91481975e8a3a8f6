package store

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestSchema_Admits(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason   string
		database schema
		program  int64
		says     []string // none if the program may run
	}{
		"same version":     {"the usual case", schema{14, 13}, 14, nil},
		"empty database":   {"its tables are missing", schema{0, 0}, 14, []string{"version 0", "needs 14", "rollcall migrate"}},
		"older database":   {"its migrations are missing", schema{13, 13}, 14, []string{"version 13", "needs 14", "rollcall migrate"}},
		"newer, at floor":  {"the oldest program that may run", schema{16, 14}, 14, nil},
		"newer, above":     {"a program between floor and version", schema{16, 14}, 15, nil},
		"newer, below":     {"the migrations broke it", schema{16, 14}, 13, []string{"version 16", "from version 14 on", "has 13", "newer build"}},
		"newer, no floors": {"before floors only the very version ran", schema{12, 12}, 11, []string{"version 12", "has 11", "newer build"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := tc.database.admits(tc.program)
			if errors.Is(err, ErrSchema) != (tc.says != nil) || (err == nil) != (tc.says == nil) {
				t.Fatalf("%s: program %d on %+v: %v", tc.reason, tc.program, tc.database, err)
			}
			for _, want := range tc.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%s: the message lacks %q: %v", tc.reason, want, err)
				}
			}
		})
	}
}

func TestPendingOn(t *testing.T) {
	t.Parallel()
	known := []MigrationStep{{1, "1_a.sql", 0}, {2, "2_b.sql", 2}, {3, "3_c.sql", 0}, {4, "4_d.sql", 3}}
	cases := map[string]struct {
		reason   string
		database schema
		want     Migration
		breaking bool
		refused  bool
	}{
		"empty database": {"no program runs on it", schema{0, 0}, Migration{0, 4, 0, 3, 4, known}, false, false},
		"two floors":     {"the last one holds", schema{1, 1}, Migration{1, 4, 1, 3, 4, known[1:]}, true, false},
		"one floor":      {"program 2 breaks", schema{2, 2}, Migration{2, 4, 2, 3, 4, known[2:]}, true, false},
		"raised before": {
			"the migration asks for nothing that the database does not ask for already", schema{3, 3}, Migration{3, 4, 3, 3, 4, known[3:]}, false, false,
		},
		"up to date":   {"nothing is pending", schema{4, 3}, Migration{4, 4, 3, 3, 4, nil}, false, false},
		"newer":        {"an older program leaves it alone", schema{6, 4}, Migration{6, 6, 4, 4, 4, nil}, false, false},
		"newer, below": {"an older program says that it is too old", schema{6, 5}, Migration{6, 6, 5, 5, 4, nil}, false, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := pendingOn(tc.database, known)
			if errors.Is(err, ErrSchema) != tc.refused || (err == nil) == tc.refused {
				t.Errorf("%s: error %v, want one: %v", tc.reason, err, tc.refused)
			}
			if diff := cmp.Diff(tc.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
			if got.Breaking() != tc.breaking {
				t.Errorf("%s: breaking is %v, want %v", tc.reason, got.Breaking(), tc.breaking)
			}
		})
	}
}

func TestKnownMigrations(t *testing.T) {
	t.Parallel()
	raise := "UPDATE installation SET schema_floor = "
	cases := map[string]struct {
		reason string
		text   string
		floor  int64
		fails  bool
	}{
		"none":            {"the floor stays", "-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 1;\n", 0, false},
		"up":              {"the floor rises", "-- +goose Up\nSELECT 1;\n" + raise + "7;\n-- +goose Down\n" + raise + "6;\n", 7, false},
		"down only":       {"going down is no upgrade", "-- +goose Up\nSELECT 1;\n-- +goose Down\n" + raise + "6;\n", 0, false},
		"in a comment":    {"a comment does nothing", "-- +goose Up\n-- " + raise + "7;\nSELECT 1;\n", 0, false},
		"no such version": {"a number that no migration can have", "-- +goose Up\n" + raise + "99999999999999999999;\n", 0, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := knownMigrations(fstest.MapFS{
				"migrations/00007_x.sql": {Data: []byte(tc.text)}, "migrations/00002_y.sql": {}, "migrations/README.md": {},
			})
			if tc.fails {
				if err == nil || !strings.Contains(err.Error(), "00007_x.sql") {
					t.Errorf("%s: error %v, want one that names the file", tc.reason, err)
				}
				return
			}
			want := []MigrationStep{{2, "00002_y.sql", 0}, {7, "00007_x.sql", tc.floor}}
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("%s: error %v (-want +got):\n%s", tc.reason, err, diff)
			}
		})
	}
	if _, err := knownMigrations(fstest.MapFS{"migrations/first.sql": {}}); err == nil || !strings.Contains(err.Error(), "first.sql") {
		t.Errorf("a migration without a number: error %v, want one that names the file", err)
	}
}

// TestMigrations_MarkTheFloor checks this program's own migrations: a floor above the
// migration would shut out the program that brings it, and a gap in the numbers would
// have Migrate report a wrong version.
func TestMigrations_MarkTheFloor(t *testing.T) {
	t.Parallel()
	known, err := knownMigrations(migrations)
	if err != nil {
		t.Fatal(err)
	}
	var floor int64
	for i, step := range known {
		if step.Version != int64(i+1) {
			t.Errorf("%s is migration number %d: number the files without gaps", step.Name, i+1)
		}
		if step.Floor > step.Version || step.Floor != 0 && step.Floor <= floor {
			t.Errorf("%s sets the floor to %d: choose a number above %d, the floor before, and at most its own", step.Name, step.Floor, floor)
		}
		floor = max(floor, step.Floor)
	}
	if floor < 13 {
		t.Errorf("the floor after all migrations is %d, want 13 at least: 00013 sets it", floor)
	}
}
