package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
	"github.com/rollcall-iam/rollcall/workflows"
)

// endsTemporal notes what starts or signals the workflow that ends bindings.
type endsTemporal struct {
	client.Client // of which the watcher uses two methods

	open    bool  // the workflow runs
	failure error // of every call
	calls   []string
}

func (c *endsTemporal) ExecuteWorkflow(
	_ context.Context, o client.StartWorkflowOptions, workflow any, _ ...any,
) (client.WorkflowRun, error) {
	c.calls = append(c.calls, fmt.Sprint("start ", o.ID, " ", workflow))
	switch {
	case c.failure != nil:
		return nil, c.failure
	case c.open:
		return nil, serviceerror.NewWorkflowExecutionAlreadyStarted("it runs", "", "run-1")
	}
	c.open = true
	return struct{ client.WorkflowRun }{}, nil
}

func (c *endsTemporal) SignalWorkflow(_ context.Context, id, _, signal string, _ any) error {
	c.calls = append(c.calls, "signal "+id+" "+signal)
	return c.failure
}

// endingBinding is a project with a binding that ends at a time.
const endingBinding = `---
{apiVersion: v1, kind: meshWorkspace, metadata: {name: shop}, spec: {displayName: Shop}}
---
{apiVersion: v2, kind: meshProject, metadata: {name: web, ownedByWorkspace: shop}, spec: {displayName: Web}}
---
{apiVersion: v1, kind: meshProjectRole, metadata: {name: admin}, spec: {name: Admin, rank: 1}}
---
{apiVersion: v2, kind: meshUser, metadata: {name: ada}, spec: {email: ada@example.com, firstName: A, lastName: B, euid: ada}}
---
{apiVersion: v3, kind: meshProjectUserBinding, metadata: {name: b-ada}, roleRef: {name: admin},
 targetRef: {name: web, ownedByWorkspace: shop}, subject: {name: ada}, spec: {expiresAt: "%s"}}
`

// endsIn stores a binding that ends after a time.
func endsIn(t *testing.T, s *store.Store, after time.Duration) {
	t.Helper()
	text := fmt.Sprintf(endingBinding, time.Now().Add(after).UTC().Format(time.RFC3339))
	docs, _, err := document.Load([]string{"-"}, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Apply(t.Context(), store.ApplyRequest{Documents: docs, Checks: store.Checks{By: storetest.By("ada")}}); err != nil {
		t.Fatal(err)
	}
}

func TestEndWatcher(t *testing.T) {
	t.Parallel()
	const start = "start " + workflows.EndBindingsID + " " + workflows.EndBindingsWorkflow
	const trigger = "signal " + workflows.EndBindingsID + " " + workflows.TriggerSignal
	now := time.Now()
	for _, tc := range []struct {
		reason string
		// A binding ends in an hour; the workflow counts that end; an end that comes earlier is
		// applied after that.
		ends, counted, earlier bool
		open                   bool
		// opened and triggered say how long ago the watcher last found the workflow open,
		// and triggered it; zero for never.
		opened, triggered time.Duration
		want              []string
	}{
		{reason: "no binding ends"},
		{
			reason: "a binding ends, and no workflow counts that",
			ends:   true,
			opened: time.Second, want: []string{start},
		},
		{
			reason: "the workflow waits for the end: it must be open, and is",
			ends:   true, counted: true,
			open: true, want: []string{start},
		},
		{
			reason: "the workflow was found open a moment ago",
			ends:   true, counted: true,
			open: true, opened: time.Second,
		},
		{
			reason: "the workflow is lost, and is looked for now and then",
			ends:   true, counted: true,
			opened: endsOpen, want: []string{start},
		},
		{
			reason: "an earlier end was applied",
			ends:   true, counted: true, earlier: true,
			open: true, opened: time.Second, want: []string{start, trigger},
		},
		{
			reason: "a trigger may take a moment to have an effect",
			ends:   true, counted: true, earlier: true,
			open: true, opened: time.Second, triggered: time.Second,
		},
		{
			reason: "the trigger had no effect",
			ends:   true, counted: true, earlier: true,
			open: true, opened: time.Second, triggered: endsTrigger, want: []string{start, trigger},
		},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			t.Parallel()
			s := storetest.Open(t)
			if tc.ends {
				endsIn(t, s, time.Hour)
			}
			if tc.counted {
				if _, _, err := s.CheckEnds(t.Context(), 24*time.Hour); err != nil {
					t.Fatal(err)
				}
			}
			if tc.earlier {
				endsIn(t, s, time.Minute)
			}
			temporal := &endsTemporal{open: tc.open}
			e := &endWatcher{store: s, temporal: temporal}
			if tc.opened > 0 {
				e.opened = now.Add(-tc.opened)
			}
			if tc.triggered > 0 {
				e.triggered = now.Add(-tc.triggered)
			}
			if err := e.watch(t.Context(), now); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, temporal.calls); diff != "" {
				t.Errorf("calls of Temporal (-want +got):\n%s", diff)
			}
			if err := e.watch(t.Context(), now); err != nil {
				t.Fatal(err)
			}
			if calls := temporal.calls[len(tc.want):]; len(calls) > 0 {
				t.Errorf("a second time at once: %q, want no call", calls)
			}
		})
	}
}

// TestEndWatcher_TriesAgain: without Temporal or the database, nothing counts as done.
func TestEndWatcher_TriesAgain(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	endsIn(t, s, time.Hour)
	down := errors.New("no Temporal")
	temporal := &endsTemporal{failure: down}
	e := &endWatcher{store: s, temporal: temporal}
	if err := e.watch(t.Context(), time.Now()); !errors.Is(err, down) {
		t.Errorf("%v, want the failure of Temporal", err)
	}
	temporal.failure = nil
	if err := e.watch(t.Context(), time.Now()); err != nil || !temporal.open {
		t.Errorf("%v, want the workflow started as soon as Temporal answers", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := e.watch(ctx, time.Now()); err == nil {
		t.Error("the database does not answer, and there is no error")
	}
}
