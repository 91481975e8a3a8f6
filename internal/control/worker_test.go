package control_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/connection/connectiontest"
	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/control/controltest"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/internal/engines/temporal"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
	"github.com/rollcall-iam/rollcall/workflows"
)

// TestLocal_WithWorker runs on a real Temporal server.
func TestLocal_WithWorker(t *testing.T) {
	t.Parallel()
	service, s := withWorker(t)
	controltest.RunWithWorker(t, controltest.Installation{Service: service, Store: s})
}

// TestHTTP_WithWorker is TestLocal_WithWorker through HTTP, with its streams of events.
func TestHTTP_WithWorker(t *testing.T) {
	t.Parallel()
	service, s := withWorker(t)
	controltest.RunWithWorker(t, controltest.Installation{Service: overHTTP(t, service, s), Store: s})
}

// withWorker returns a service with a Temporal server and a worker until the test ends.
func withWorker(t *testing.T) (control.Service, *store.Store) {
	t.Helper()
	if testing.Short() {
		t.Skip("it starts a real Temporal server, which -short leaves out")
	}
	if err := temporal.Available(); err != nil && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	server, err := temporal.Start(t.Context(), temporal.Options{BuildLog: t.Output(), SearchAttributes: engine.Attributes()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() })
	c, err := client.DialContext(t.Context(), client.Options{
		HostPort: server.Address(), Namespace: server.Namespace(), Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	s := storetest.Open(t)
	serve(t, c, s)
	service := local(s)
	service.Temporal = func(context.Context) (control.Temporal, error) {
		return control.Temporal{Client: c, Namespace: server.Namespace()}, nil
	}
	return service, s
}

// serve runs workers for the platform of the tests until the test ends.
func serve(t *testing.T, c client.Client, s *store.Store) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "platform.json")
	state := memory.World{Tenants: []memory.Tenant{{ID: "web-1"}, {ID: "crm-1"}}, Users: []memory.User{{ID: "u-1", Name: "jane-doe"}}}
	if err := memory.Seed(file, state); err != nil {
		t.Fatal(err)
	}
	drivers := connectiontest.Drivers(t, s, map[string]driver.Open{"memory": memory.Open}, connectiontest.Memory("sandbox.local", file))
	platform := activities.NewPlatform(s, ledger.New(s), "test", drivers)
	revocations := activities.NewRevocations()
	revocations.ServeFormer(platform)
	revocations.Serve("sandbox.local", platform)
	for queue, register := range map[string]func(worker.Worker){
		engine.WorkflowQueue:                  func(w worker.Worker) { workflows.Register(w) },
		engine.PlatformQueue("sandbox.local"): func(w worker.Worker) { platform.Register(w) },
		engine.RevocationQueue:                func(w worker.Worker) { revocations.Register(w) },
	} {
		w := worker.New(c, queue, worker.Options{})
		register(w)
		if err := w.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.Stop)
	}
}
