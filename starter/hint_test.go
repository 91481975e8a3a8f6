package main

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

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
		"no key ring is set":  {"the workers encrypt results", errNoKeyring, nil, "export ROLLCALL_KEYRING=DIRECTORY"},
		"key ring":            {"the files in it are wrong", engine.ErrKeyring, keys, `ls -l "$ROLLCALL_KEYRING"`},
		"no worker":           {"one must be started", errNoWorker, nil, "rollcall-worker"},
		"no deployment":       {"no worker was ever started", engine.ErrNoDeployment, nil, "rollcall-worker"},
		"with its own":        {"the cause decides", commandError{errIdle, "rollcall worker current a"}, nil, "rollcall worker current a"},
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

// TestEncrypted: a result that a worker encrypted is not a failure of its run.
func TestEncrypted(t *testing.T) {
	t.Parallel()
	if err := encrypted(fmt.Errorf("payload item 0: %w", converter.ErrEncodingIsNotSupported)); !errors.Is(err, errNoKeyring) {
		t.Errorf("%v, want the missing key ring", err)
	}
	if err := encrypted(temporal.NewApplicationError(encodedFailure, "Failed")); !errors.Is(err, errNoKeyring) {
		t.Errorf("%v, want the missing key ring", err)
	}
	if err := encrypted(errNoWorker); !errors.Is(err, errNoWorker) {
		t.Errorf("%v, want another failure as it is", err)
	}
	if err := encrypted(nil); err != nil {
		t.Errorf("%v, want none", err)
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
	url := database(t)
	c := &cli{getenv: func(string) string { return url }}
	run := func(state string, age int64) live { return live{Platform: "sandbox.local", State: state, SinceMS: age} }
	failed := func(class, reason string) live {
		return live{Platform: "sandbox.local", State: statePlatform, SinceMS: 60_000, Error: class, Reason: reason}
	}
	reported(t, opened(t, url), map[string]workerReport{"1@a": holds().without("sandbox.local", "not for it")})
	defer func() {
		if c.documents != nil {
			c.documents.Close()
		}
	}()
	for _, tc := range []struct {
		reason string
		runs   []live
		want   hint
	}{
		{"nothing waits", []live{run(stateRunning, 60_000)}, hint{}},
		{"a worker takes up a young run soon", []live{run(stateQueued, 100)}, hint{}},
		{
			"no worker serves the platform", []live{run(stateQueued, 60_000)},
			hint{"No worker serves sandbox.local: not for it", "rollcall connection check sandbox.local"},
		},
		{
			"workers of other platforms are busy", []live{{Platform: "other.local", State: stateQueued, SinceMS: 60_000}},
			hint{"1 run waiting for a worker.", "rollcall worker versions"},
		},
		{
			"the platform is down", []live{run(statePlatform, 60_000), run(statePlatform, 50_000)},
			hint{"2 runs waiting for a platform that does not answer.", "rollcall connection check"},
		},
		{
			"one cause is named", []live{failed("Unavailable", "gcp: set the policy: 503"), failed("Unavailable", "gcp: set the policy: 503")},
			hint{"2 runs waiting after a failed attempt: gcp: set the policy: 503.", "rollcall connection check"},
		},
		{
			"several causes, or texts that cannot be read", []live{failed("Unavailable", "503"), failed("Unavailable", "")},
			hint{"2 runs waiting after a failed attempt.", "rollcall connection check"},
		},
		{"the platform throttles", []live{failed("Throttled", "")}, hint{"1 run waiting for a platform that takes no more calls for now.", ""}},
		{
			"a worker died", []live{failed("TimedOut", "heartbeat")},
			hint{"1 run waiting for an activity whose worker stopped or does not report: heartbeat.", "rollcall worker versions"},
		},
		{
			"each class has a line, the most frequent first",
			[]live{failed("Throttled", "429"), failed("Throttled", "429"), failed("Conflict", "\x1b[2J")},
			hint{
				"2 runs waiting for a platform that takes no more calls for now: 429.\n1 run waiting after an attempt that failed as Conflict: \uFFFD[2J.", "",
			},
		},
	} {
		got, err := c.waitingRuns(t.Context(), tc.runs)
		if err != nil || got != tc.want {
			t.Errorf("%s: %+v, %v; want %+v", tc.reason, got, err, tc.want)
		}
	}
}
