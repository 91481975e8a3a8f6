package engine_test

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/rollcall-iam/rollcall/internal/engine"
	temporalserver "github.com/rollcall-iam/rollcall/internal/engines/temporal"
)

// versioned is a workflow with a marker of a version, a side effect and a timer, whose payloads
// the SDK writes.
func versioned(ctx workflow.Context, name string) (string, error) {
	workflow.GetVersion(ctx, "change", workflow.DefaultVersion, 1)
	var text string
	effect := workflow.SideEffect(ctx, func(workflow.Context) any { return "hello " + name })
	if err := effect.Get(&text); err != nil {
		return "", err
	}
	return text, workflow.Sleep(ctx, time.Millisecond)
}

// TestWorker_RefusesPlaintext on a real Temporal server: the run of a client without the keys
// fails at once, and one of a client with them works and replays.
func TestWorker_RefusesPlaintext(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it starts a real Temporal server, which -short leaves out")
	}
	if err := temporalserver.Available(); err != nil && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	server, err := temporalserver.Start(t.Context(), temporalserver.Options{BuildLog: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() })
	dir := t.TempDir()
	addKey(t, dir, "k1")
	dial := func(keyring string) client.Client {
		options, err := engine.Encrypt(client.Options{
			HostPort: server.Address(), Namespace: server.Namespace(), Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
		}, func(name string) string { return map[string]string{engine.KeyringVariable: keyring}[name] })
		if err != nil {
			t.Fatal(err)
		}
		c, err := client.DialContext(t.Context(), options)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	withKeys, without := dial(dir), dial("")
	w := worker.New(withKeys, "queue", worker.Options{})
	w.RegisterWorkflow(versioned)
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
	run := func(c client.Client, id string) error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
			ID: id, TaskQueue: "queue", RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1},
		}, versioned, "jane")
		if err != nil {
			return err
		}
		var text string
		return withKeys.GetWorkflow(ctx, id, r.GetRunID()).Get(ctx, &text)
	}
	err = run(without, "plain")
	if err == nil || !strings.Contains(err.Error(), `workflow "plain"`) || !strings.Contains(err.Error(), engine.KeyringVariable) {
		t.Errorf("%v; want the failure of a run whose client lacks the keys", err)
	}
	if err := run(withKeys, "encrypted"); err != nil {
		t.Errorf("a run of a client with the keys: %v", err)
	}

	replayer, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{
		DataConverter: converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), engine.NewCodec(openKeyring(t, dir), server.Namespace(), false)),
	})
	if err != nil {
		t.Fatal(err)
	}
	replayer.RegisterWorkflow(versioned)
	if err := replayer.ReplayWorkflowExecution(t.Context(), withKeys.WorkflowService(), nil, server.Namespace(), workflow.Execution{ID: "encrypted"}); err != nil {
		t.Errorf("the history with markers of the SDK does not replay: %v", err)
	}
}
