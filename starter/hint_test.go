package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// TestNextCommand: each message about a missing part comes with one command.
func TestNextCommand(t *testing.T) {
	t.Parallel()
	database, temporal, keys := map[string]string{store.URLVariable: "x"}, map[string]string{addressVariable: "x"}, map[string]string{engine.KeyringVariable: "x"}
	for name, tc := range map[string]struct {
		reason  string
		err     error
		environ map[string]string
		want    string
	}{
		"nothing is set":      {"a newcomer starts the demo, which commands find", store.ErrUnreachable, nil, "make demo"},
		"no database is set":  {"there is a Temporal, so this is no demo", store.ErrUnreachable, temporal, "export ROLLCALL_DATABASE_URL=postgres://USER@HOST:5432/DATABASE"},
		"database":            {"the server's own client says why", store.ErrUnreachable, database, `psql "$ROLLCALL_DATABASE_URL" -c "SELECT 1"`},
		"no Temporal is set":  {"nothing listens at the default address", engine.ErrUnreachable, database, "export TEMPORAL_ADDRESS=HOST:7233"},
		"Temporal":            {"the server's own client reads the same variables", engine.ErrUnreachable, temporal, "temporal operator cluster health"},
		"Temporal of profile": {"as it reads the same profile", engine.ErrUnreachable, map[string]string{profileVariable: "x"}, "temporal operator cluster health"},
		"no key ring is set":  {"the workers encrypt results", &control.Error{Code: control.NoKeyring}, nil, "export ROLLCALL_KEYRING=DIRECTORY"},
		"key ring":            {"the files in it are wrong", engine.ErrKeyring, keys, `ls -l "$ROLLCALL_KEYRING"`},
		"another key ring":    {"it lacks the workers' key", &control.Error{Code: control.NoKeyring}, keys, `ls -l "$ROLLCALL_KEYRING"`},
		"plaintext":           {"the workers lack a key ring", fmt.Errorf("read: %w", engine.ErrPlaintext), keys, ""},
		"no worker":           {"one must be started", &control.Error{Code: control.NoWorker, Idle: &control.Idle{}}, nil, "rollcall-worker"},
		"no deployment":       {"no worker was ever started", engine.ErrNoDeployment, nil, "rollcall-worker"},
		"with its own":        {"the cause decides", commandError{errors.New("no build is current"), "rollcall worker current a"}, nil, "rollcall worker current a"},
		"another":             {"its text says what to do", errors.New("--all: write it once"), nil, ""},
		"none":                {"there is nothing to say", nil, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &cli{getenv: func(name string) string { return tc.environ[name] }}
			err := tc.err
			if err != nil {
				err = fmt.Errorf("rollcall: %w", err)
			}
			if got := c.nextCommand(err); got != tc.want {
				t.Errorf("%s: %q, want %q", tc.reason, got, tc.want)
			}
		})
	}
}

func TestUnservedHint(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason   string
		unserved []control.UnservedPlatform
		want     string
	}{
		"none": {"all are served", nil, ""},
		"no worker": {
			"the reason is the same for all", []control.UnservedPlatform{{Platform: "a.x", Connection: "a", Reason: control.NoReport}, {Platform: "b.x", Connection: "b", Reason: control.NoReport}},
			"No worker serves 2 platforms: no worker has reported: start one (rollcall-worker)\nNext:  rollcall-worker\n",
		},
		"one": {
			"its connection is checked after the fix", []control.UnservedPlatform{{Platform: "a.x", Connection: "a", Reason: "not for it\x1b[2J"}},
			"No worker serves a.x: not for it\uFFFD[2J\nNext:  rollcall connection check a\n",
		},
		"several": {
			"all connections are checked after the fix", []control.UnservedPlatform{{Platform: "a.x", Connection: "a", Reason: "not for it"}, {Platform: "b.x", Connection: "b", Reason: "missing"}},
			"No worker serves a.x: not for it\nNo worker serves b.x: missing\nNext:  rollcall connection check\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			unservedHint(tc.unserved).write(&out)
			if diff := cmp.Diff(tc.want, out.String()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// TestWaitingRuns: of runs that wait, the status says for what.
func TestWaitingRuns(t *testing.T) {
	t.Parallel()
	run := func(state string, age int64) control.OpenRun {
		return control.OpenRun{Platform: "sandbox.local", State: state, SinceMS: age}
	}
	failed := func(class, reason string) control.OpenRun {
		return control.OpenRun{Platform: "sandbox.local", State: control.StatePlatform, SinceMS: 60_000, Error: class, Reason: reason}
	}
	unserved := []control.UnservedPlatform{{Platform: "sandbox.local", Connection: "sandbox.local", Reason: "not for it"}}
	for _, tc := range []struct {
		reason string
		runs   []control.OpenRun
		want   hint
	}{
		{"nothing waits", []control.OpenRun{run(control.StateRunning, 60_000)}, hint{}},
		{"a worker takes up a young run soon", []control.OpenRun{run(control.StateQueued, 100)}, hint{}},
		{
			"no worker serves the platform", []control.OpenRun{run(control.StateQueued, 60_000)},
			hint{"No worker serves sandbox.local: not for it", "rollcall connection check sandbox.local"},
		},
		{
			"workers of other platforms are busy", []control.OpenRun{{Platform: "other.local", State: control.StateQueued, SinceMS: 60_000}},
			hint{"1 run waiting for a worker.", "rollcall worker versions"},
		},
		{
			"the platform is down", []control.OpenRun{run(control.StatePlatform, 60_000), run(control.StatePlatform, 50_000)},
			hint{"2 runs waiting for a platform that does not answer.", "rollcall connection check"},
		},
		{
			"one cause is named", []control.OpenRun{failed("Unavailable", "gcp: set the policy: 503"), failed("Unavailable", "gcp: set the policy: 503")},
			hint{"2 runs waiting after a failed attempt: gcp: set the policy: 503.", "rollcall connection check"},
		},
		{
			"several causes, or texts that cannot be read", []control.OpenRun{failed("Unavailable", "503"), failed("Unavailable", "")},
			hint{"2 runs waiting after a failed attempt.", "rollcall connection check"},
		},
		{"the platform throttles", []control.OpenRun{failed("Throttled", "")}, hint{"1 run waiting for a platform that takes no more calls for now.", ""}},
		{
			"a worker died", []control.OpenRun{failed("TimedOut", "heartbeat")},
			hint{"1 run waiting for an activity whose worker stopped or does not report: heartbeat.", "rollcall worker versions"},
		},
		{
			"each class has a line, the most frequent first",
			[]control.OpenRun{failed("Throttled", "429"), failed("Throttled", "429"), failed("Conflict", "\x1b[2J")},
			hint{
				"2 runs waiting for a platform that takes no more calls for now: 429.\n1 run waiting after an attempt that failed as Conflict: \uFFFD[2J.", "",
			},
		},
	} {
		result := control.StatusResult{Report: control.StatusReport{Live: tc.runs}}
		if strings.HasPrefix(tc.want.text, "No worker serves") {
			result.Unserved = unserved
		}
		if got := (&cli{}).delayHint(result); got != tc.want {
			t.Errorf("%s: %+v, want %+v", tc.reason, got, tc.want)
		}
	}
}
