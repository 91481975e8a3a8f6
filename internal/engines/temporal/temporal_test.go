package temporal_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	engine "github.com/rollcall-iam/rollcall/internal/engines/temporal"
)

const queue = "greetings"

func hello(ctx workflow.Context, name string) (string, error) {
	key := temporal.NewSearchAttributeKeyKeyword("Greeted")
	if err := workflow.UpsertTypedSearchAttributes(ctx, key.ValueSet(name)); err != nil {
		return "", err
	}
	return "Hello, " + name + ".", nil
}

func attributes() map[string]enumspb.IndexedValueType {
	return map[string]enumspb.IndexedValueType{"Greeted": enumspb.INDEXED_VALUE_TYPE_KEYWORD}
}

func start(t *testing.T, options engine.Options) *engine.Server {
	t.Helper()
	available(t)
	options.BuildLog = t.Output()
	s, err := engine.Start(t.Context(), options)
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	return s
}

// available skips the test where the server cannot be built, and with -short.
func available(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("it starts a real Temporal server, which -short leaves out")
	}
	if err := engine.Available(); err != nil && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
}

func dial(t *testing.T, s *engine.Server) client.Client {
	t.Helper()
	c, err := client.DialContext(t.Context(), client.Options{HostPort: s.Address(), Namespace: s.Namespace()})
	if err != nil {
		t.Fatalf("dial %s: %v", s.Address(), err)
	}
	t.Cleanup(c.Close)
	return c
}

func greet(t *testing.T, c client.Client, id string) {
	t.Helper()
	w := worker.New(c, queue, worker.Options{})
	w.RegisterWorkflow(hello)
	if err := w.Start(); err != nil {
		t.Fatalf("start worker: %v", err)
	}
	defer w.Stop()
	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: queue}, hello, "Ada")
	if err != nil {
		t.Fatalf("start workflow: %v", err)
	}
	var got string
	if err := run.Get(t.Context(), &got); err != nil {
		t.Fatalf("workflow: %v", err)
	}
	if want := "Hello, Ada."; got != want {
		t.Errorf("workflow: got %q, want %q", got, want)
	}
}

func TestServerInMemory(t *testing.T) {
	t.Parallel()
	s := start(t, engine.Options{SearchAttributes: attributes()})
	t.Cleanup(func() { stop(t, s) })
	c := dial(t, s)
	greet(t, c, "in-memory")
	waitFound(t, c, "Greeted = 'Ada'")
}

func TestStateSurvivesRestart(t *testing.T) {
	t.Parallel()
	options := engine.Options{Dir: t.TempDir(), SearchAttributes: attributes()}
	first := start(t, options)
	greet(t, dial(t, first), "before")
	stop(t, first)

	second := start(t, options)
	t.Cleanup(func() { stop(t, second) })
	if _, err := dial(t, second).DescribeWorkflowExecution(t.Context(), "before", ""); err != nil {
		t.Errorf("a workflow of before the restart: %v", err)
	}
}

func TestStateOfAnotherVersion(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	state := filepath.Join(dir, "temporal.db")
	for file, text := range map[string]string{state: "anything", state + ".version": "temporal 1.0.0\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	available(t)
	_, err := engine.Start(t.Context(), engine.Options{Dir: dir, BuildLog: t.Output()})
	if !errors.Is(err, engine.ErrOtherVersion) {
		t.Fatalf("Start on the state of temporal 1.0.0: got %v, want ErrOtherVersion", err)
	}
	s := start(t, engine.Options{Dir: dir, SetAside: true})
	defer stop(t, s)
	for _, file := range []string{s.Aside(), s.Aside() + ".version"} {
		if _, err := os.Stat(file); err != nil {
			t.Errorf("the old state was not kept: %v", err)
		}
	}
}

func TestUI(t *testing.T) {
	t.Parallel()
	first := start(t, engine.Options{UI: true, UIPort: 0})
	t.Cleanup(func() { stop(t, first) })
	second := start(t, engine.Options{UI: true})
	t.Cleanup(func() { stop(t, second) })
	if first.UIURL() == second.UIURL() {
		t.Fatalf("two servers have one UI at %s", first.UIURL())
	}
	for _, s := range []*engine.Server{first, second} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.UIURL()+"/namespaces/default/workflows", nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatalf("get the UI: %v", err)
		}
		if err := response.Body.Close(); err != nil {
			t.Error(err)
		}
		if response.StatusCode != http.StatusOK {
			t.Errorf("the UI at %s answers %s", s.UIURL(), response.Status)
		}
	}
}

func stop(t *testing.T, s *engine.Server) {
	t.Helper()
	if err := s.Stop(); err != nil {
		t.Errorf("Stop: %v", err)
	}
}

// waitFound waits for the list of workflows, which lags behind the workflows.
func waitFound(t *testing.T, c client.Client, query string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		answer, err := c.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Query: query})
		if err != nil {
			t.Fatalf("count workflows where %s: %v", query, err)
		}
		if answer.GetCount() > 0 {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}
