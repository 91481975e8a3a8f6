package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/store"
)

// abandoned returns a database whose platform was removed with its tenant, of which the
// ledger knows two objects.
func abandoned(t *testing.T) (url string, s *store.Store) {
	t.Helper()
	url = database(t)
	s = opened(t, url)
	_, err := s.Pool().Exec(t.Context(), `INSERT INTO owned (tenant, platform, kind, group_name, role, ref, state)
		VALUES ($1, 'sandbox.local', 'group', 'web-admin', '', 'g-1', 'made'), ($1, 'sandbox.local', 'binding', 'web-admin', 'owner', 'b-1', 'made')`,
		tenant().String())
	if err != nil {
		t.Fatal(err)
	}
	must(t, url, without("sandbox"), "apply", "--prune", "--yes", "-")
	return url, s
}

// remembered counts the removed tenants that wait for a cleanup.
func remembered(t *testing.T, s *store.Store) (tenants, forgotten int) {
	t.Helper()
	err := s.Pool().QueryRow(t.Context(), "SELECT (SELECT count(*) FROM tombstones), (SELECT count(*) FROM abandoned_platforms)").Scan(&tenants, &forgotten)
	if err != nil {
		t.Fatal(err)
	}
	return tenants, forgotten
}

func TestForget(t *testing.T) {
	t.Parallel()
	url, s := abandoned(t)
	args := []string{"forget", "sandbox.local", "--reason", "decommissioned, OPS-77", "--as", "ada"}
	want := "Would forget 1 removed tenant of sandbox.local with 2 objects, which stay at the platform.\nAdd --yes to forget them.\n"
	if diff := cmp.Diff(want, must(t, url, "", args...)); diff != "" {
		t.Errorf("without --yes (-want +got):\n%s", diff)
	}
	planned := fromJSON[map[string]any](t, must(t, url, "", append(args, "-o", "json")...))
	if diff := cmp.Diff(map[string]any{"platform": "sandbox.local", "tenants": 1.0, "objects": 2.0, "done": false}, planned); diff != "" {
		t.Errorf("without --yes, in JSON (-want +got):\n%s", diff)
	}
	if tenants, forgotten := remembered(t, s); tenants != 1 || forgotten != 0 {
		t.Errorf("%d tenants are remembered and %d platforms forgotten without --yes, want 1 and 0", tenants, forgotten)
	}

	want = "Forgot 1 removed tenant of sandbox.local with 2 objects, which stay at the platform.\n"
	if diff := cmp.Diff(want, must(t, url, "", append(args, "--yes")...)); diff != "" {
		t.Errorf("with --yes (-want +got):\n%s", diff)
	}
	if tenants, forgotten := remembered(t, s); tenants != 0 || forgotten != 1 {
		t.Errorf("%d tenants are remembered and %d platforms forgotten, want 0 and 1", tenants, forgotten)
	}
	var reason, by, claim string
	if err := s.Pool().QueryRow(t.Context(), "SELECT reason, actor, claim FROM abandoned_platforms").Scan(&reason, &by, &claim); err != nil {
		t.Fatal(err)
	}
	if reason != "decommissioned, OPS-77" || by != actor("").ID() || claim != "ada" {
		t.Errorf("kept: %q by %q, claimed %q", reason, by, claim)
	}
	for _, list := range [][]string{{"forget", "--list"}, {"forget", "sandbox.local", "--list"}} {
		out := must(t, url, "", list...)
		for _, text := range []string{"PLATFORM", "sandbox.local", "decommissioned, OPS-77", by} {
			if !strings.Contains(out, text) {
				t.Errorf("%q lacks %q:\n%s", list, text, out)
			}
		}
	}
	listed := fromJSON[[]map[string]any](t, must(t, url, "", "forget", "--list", "-o", "json"))
	if len(listed) != 1 || listed[0]["reason"] != reason || listed[0]["by"] != by || listed[0]["claim"] != "ada" || listed[0]["objects"] != 2.0 {
		t.Errorf("listed %+v, want the decision", listed)
	}
	run(t, url, "", "forget", "annex.north", "--list").ends(t, "another platform", exitDone, "No cleanup was given up.")
	if out := must(t, url, "", "connection", "list"); strings.Contains(out, "sandbox.local") {
		t.Errorf("a forgotten platform is still missed:\n%s", out)
	}
	run(t, url, "", append(args, "--yes")...).ends(t, "there is nothing left to forget", exitInvalid, "sandbox.local", "no removed tenant")
}

func TestForget_JSONOfWhatIsDone(t *testing.T) {
	t.Parallel()
	url, _ := abandoned(t)
	done := fromJSON[map[string]any](t, must(t, url, "", "forget", "sandbox.local", "--reason", "gone", "--as", "ada", "--yes", "-o", "json"))
	if diff := cmp.Diff(map[string]any{"platform": "sandbox.local", "tenants": 1.0, "objects": 2.0, "done": true}, done); diff != "" {
		t.Errorf("with --yes (-want +got):\n%s", diff)
	}
}

func TestForget_Refuses(t *testing.T) {
	t.Parallel()
	stored := database(t)
	gone, s := abandoned(t)
	for _, tc := range []struct {
		reason, url string
		args        []string
		says        []string
	}{
		{"its cleanup can happen", stored, []string{"sandbox.local", "--reason", "gone", "--as", "ada"}, []string{"sandbox.local", "is stored", "delete its document first"}},
		{"also with --yes", stored, []string{"sandbox.local", "--reason", "gone", "--as", "ada", "--yes"}, []string{"is stored"}},
		{"a typo must not look like a success", gone, []string{"sandbx.local", "--reason", "gone", "--as", "ada", "--yes"}, []string{"sandbx.local", "no removed tenant"}},
		{"a reason is kept", gone, []string{"sandbox.local", "--as", "ada", "--yes"}, []string{"--reason"}},
		{"blanks are none", gone, []string{"sandbox.local", "--reason", " ", "--as", "ada", "--yes"}, []string{"--reason"}},
		{"one at a time", gone, []string{"sandbox.local", "annex.north", "--reason", "gone", "--as", "ada"}, []string{"one platform"}},
		{"a platform is named", gone, []string{"--reason", "gone", "--as", "ada"}, []string{"one platform"}},
	} {
		run(t, tc.url, "", append([]string{"forget"}, tc.args...)...).ends(t, tc.reason, exitInvalid, tc.says...)
	}
	if tenants, forgotten := remembered(t, s); tenants != 1 || forgotten != 0 {
		t.Errorf("%d tenants are remembered and %d platforms forgotten, want 1 and 0: all was refused", tenants, forgotten)
	}
}
