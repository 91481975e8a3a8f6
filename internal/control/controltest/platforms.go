package controltest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// onSandbox is a connection that the platform of the organization uses.
func onSandbox(digest string) store.ConnectionReport {
	return store.ConnectionReport{Name: "sandbox.local", Type: "memory", UsedBy: []string{"sandbox.local"}, Digest: digest}
}

// report writes what a worker reports.
func (i Installation) report(t *testing.T, worker string, unserved []store.UnservedPlatform, connections ...store.ConnectionReport) {
	t.Helper()
	if _, err := i.Store.ReportConnections(t.Context(), worker, connections, unserved); err != nil {
		t.Fatal(err)
	}
}

func testConnections(t *testing.T, i Installation) {
	i.apply(t, organization)
	list := func() control.ConnectionsReport {
		t.Helper()
		r, err := i.Service.ListConnections(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	without := []control.UnservedPlatform{{Platform: "sandbox.local", Connection: "sandbox.local", Reason: control.NoReport}}
	if diff := cmp.Diff(control.ConnectionsReport{Connections: []control.Connection{}, Unserved: without}, list(), cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(control.Connection{})); diff != "" {
		t.Errorf("without workers (-want +got):\n%s", diff)
	}
	refusal := []store.UnservedPlatform{{Platform: "sandbox.local", Reason: "not for it"}}
	i.report(t, "1@a", refusal, onSandbox("d1"))
	if got := list().Unserved; len(got) != 1 || got[0].Reason != "not for it" {
		t.Errorf("the only worker does not serve the platform: %+v, want its reason", got)
	}
	i.report(t, "2@b", nil, onSandbox("d1"))
	i.report(t, "3@c", nil, onSandbox("d2"))
	got := list()
	if len(got.Unserved) > 0 {
		t.Errorf("two workers serve the platform: %+v, want no platform without a worker", got.Unserved)
	}
	var workers [][]string
	for _, c := range got.Connections {
		workers = append(workers, c.Workers)
	}
	if diff := cmp.Diff([][]string{{"1@a", "2@b"}, {"3@c"}}, workers); diff != "" {
		t.Errorf("workers with one digest share a connection (-want +got):\n%s", diff)
	}
	if err := got.CheckError(nil); err != nil {
		t.Errorf("%v, want no connection that is not usable", err)
	}
	fails(t, "no worker has the connection", got.CheckError([]string{"other"}), control.Partial, "other")
}

// testCheck: a check waits for each worker that holds a connection of a platform.
func testCheck(t *testing.T, i Installation) {
	i.apply(t, organization)
	unused := store.ConnectionReport{Name: "unused", Type: "memory"}
	i.report(t, "1@a", nil, onSandbox("d1"), unused)
	i.report(t, "2@b", nil, onSandbox("d1"))
	ctx, stop := context.WithCancel(t.Context())
	waiting := make(chan error, 1)
	go func() {
		_, err := i.Service.CheckConnections(ctx, control.CheckRequest{})
		waiting <- err
	}()
	answer := func(worker, refusal string) { // the request that it finds, if there is one
		requested, err := i.Store.ReportConnections(t.Context(), worker, []store.ConnectionReport{onSandbox("d1")}, nil)
		if err != nil {
			t.Error(err)
			return
		}
		answered := onSandbox("d1")
		answered.Error, answered.Checked, answered.Answers = refusal, time.Now(), requested
		i.report(t, worker, nil, answered, unused)
	}
	answer("1@a", "") // and 2@b does not
	stop()
	if err := <-waiting; !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want a check that waits for the second worker until its caller gives up", err)
	}

	answering, end := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		for answering.Err() == nil {
			answer("1@a", "")
			answer("2@b", "denied")
			time.Sleep(20 * time.Millisecond)
		}
	})
	defer running.Wait()
	defer end()
	got, err := i.Service.CheckConnections(t.Context(), control.CheckRequest{Connections: []string{"sandbox.local"}})
	if err != nil || len(got.Connections) != 2 {
		t.Fatalf("%+v, %v, want the answers of two workers that differ, and no other connection", got.Connections, err)
	}
	fails(t, "one worker's account is refused", got.CheckError(nil), control.Partial, "")
}

func testForget(t *testing.T, i Installation) {
	i.apply(t, organization)
	request := control.ForgetRequest{Platform: "sandbox.local", Reason: "decommissioned, OPS-77", By: access.Actor{Kind: access.OSUser, Name: "ada@host"}}
	_, err := i.Service.Forget(t.Context(), request)
	fails(t, "the cleanup of a stored platform can happen", err, control.Conflict, "sandbox.local")

	var rest []document.Document
	for _, d := range documents(t, organization) {
		if d.ID.Kind == document.KindWorkspace || d.ID.Kind == document.KindProject {
			rest = append(rest, d)
		}
	}
	if _, err := i.Store.Apply(t.Context(), store.ApplyRequest{Documents: rest, Prune: true}); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		reason string
		wrong  func(*control.ForgetRequest)
		code   control.Code
		object string
	}{
		{"the reason is kept", func(r *control.ForgetRequest) { r.Reason = " " }, control.Invalid, "reason"},
		{"the caller is kept", func(r *control.ForgetRequest) { r.By = access.Actor{} }, control.Invalid, "by"},
		{"a typing error must not pass for a success", func(r *control.ForgetRequest) { r.Platform = "sandbx.local" }, control.NotFound, "sandbx.local"},
	} {
		r := request
		tc.wrong(&r)
		_, err := i.Service.Forget(t.Context(), r)
		fails(t, tc.reason, err, tc.code, tc.object)
	}
	dry := request
	dry.DryRun = true
	for _, r := range []control.ForgetRequest{dry, dry, request} {
		got, err := i.Service.Forget(t.Context(), r)
		want := control.ForgetResult{Platform: "sandbox.local", ForgetResult: store.ForgetResult{Tenants: 2}, Done: !r.DryRun}
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("dry run %v: %v (-want +got):\n%s", r.DryRun, err, diff)
		}
	}
	_, err = i.Service.Forget(t.Context(), request)
	fails(t, "nothing is left to forget", err, control.NotFound, "sandbox.local")

	want := []control.AbandonedPlatform{{
		Platform: "sandbox.local", ForgetResult: store.ForgetResult{Tenants: 2}, By: "os:ada@host", Reason: request.Reason,
	}}
	for _, name := range []string{"", "sandbox.local"} {
		listed, err := i.Service.ListAbandoned(t.Context(), name)
		if diff := cmp.Diff(want, listed, cmpopts.IgnoreFields(control.AbandonedPlatform{}, "At")); diff != "" || err != nil || listed[0].At.IsZero() {
			t.Errorf("abandoned platforms of %q, %v (-want +got):\n%s", name, err, diff)
		}
	}
	if listed, err := i.Service.ListAbandoned(t.Context(), "annex.north"); err != nil || listed == nil || len(listed) > 0 {
		t.Errorf("abandoned platforms of another identifier: %+v, %v, want an empty list", listed, err)
	}
}

func testFormerConnections(t *testing.T, i Installation) {
	i.apply(t, organization)
	if former, err := i.Service.ListFormerConnections(t.Context()); err != nil || len(former) > 0 {
		t.Errorf("%+v, %v, want none", former, err)
	}
	const settings = `{"file": "/srv/platform.json"}`
	if _, err := i.Store.Pool().Exec(t.Context(), "INSERT INTO former_connections VALUES ('sandbox.local', 'memory', $1)", settings); err != nil {
		t.Fatal(err)
	}
	former, err := i.Service.ListFormerConnections(t.Context())
	if err != nil || len(former) != 1 || former[0].Platform != "sandbox.local" || former[0].Type != "memory" || former[0].RedirectURL != "" {
		t.Fatalf("%+v, %v, want the one of the platform", former, err)
	}
	if !strings.Contains(string(former[0].Settings), "/srv/platform.json") {
		t.Errorf("settings %s, want %s", former[0].Settings, settings)
	}
}
