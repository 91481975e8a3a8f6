package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.temporal.io/sdk/client"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
)

func get(t *testing.T, o *operations, path string) (status int, body string) {
	t.Helper()
	w := httptest.NewRecorder()
	o.handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

func TestProbes(t *testing.T) {
	t.Parallel()
	down := func(context.Context) error { return errors.New("connection refused") }
	up := func(context.Context) error { return nil }
	cases := map[string]struct {
		reason string
		checks map[string]func(context.Context) error
		ready  int
		says   string
	}{
		"starting":      {"a worker is not ready before it is connected", nil, http.StatusServiceUnavailable, "starting"},
		"running":       {"it is ready when all it needs answers", map[string]func(context.Context) error{"temporal": up}, http.StatusOK, "ok"},
		"temporal down": {"it says what does not answer", map[string]func(context.Context) error{"temporal": down, "database": up}, http.StatusServiceUnavailable, "refused"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, err := newOperations()
			if err != nil {
				t.Fatal(err)
			}
			if tc.checks != nil {
				o.checks = tc.checks
			}
			if status, body := get(t, o, "/readyz"); status != tc.ready || !strings.Contains(body, tc.says) {
				t.Errorf("%s: /readyz is %d, %s; want %d with %q", tc.reason, status, body, tc.ready, tc.says)
			}
			if status, _ := get(t, o, "/healthz"); status != http.StatusOK {
				t.Errorf("/healthz is %d: what others do must not restart the worker", status)
			}
		})
	}
}

// TestReadiness_EndsWithABreakingMigration: a worker that the database does not admit
// any more says so, and what to do.
func TestReadiness_EndsWithABreakingMigration(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	temporal, err := client.NewLazyClient(client.Options{HostPort: deadAddress(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(temporal.Close)
	o, err := newOperations()
	if err != nil {
		t.Fatal(err)
	}
	if err := o.watch(s, temporal); err != nil {
		t.Fatal(err)
	}
	delete(o.checks, "temporal") // it does not answer here, and takes the probe's time
	if status, body := get(t, o, "/readyz"); status != http.StatusOK || !strings.Contains(body, `"schema":"ok"`) {
		t.Errorf("/readyz on a migrated database: %d, %s; want %d with its schema ok", status, body, http.StatusOK)
	}
	_, err = s.Pool().Exec(t.Context(), `WITH ahead AS (
		INSERT INTO goose_db_version (version_id, is_applied) SELECT max(version_id) + 1, true FROM goose_db_version RETURNING version_id
	) UPDATE installation SET schema_floor = version_id FROM ahead`)
	if err != nil {
		t.Fatal(err)
	}
	status, body := get(t, o, "/readyz")
	if status != http.StatusServiceUnavailable || !strings.Contains(body, "run a newer build") {
		t.Errorf("/readyz after a breaking migration: %d, %s; want %d, and that a newer build is needed", status, body, http.StatusServiceUnavailable)
	}
}

func TestMetricsCountTenants(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	for _, project := range []string{"a", "b"} {
		tenant := access.TenantID{Workspace: "acme", Project: project, Platform: "sandbox.local"}
		if err := s.PutStatus(t.Context(), store.Status{Tenant: tenant, Outcome: "converged"}); err != nil {
			t.Fatal(err)
		}
	}
	o, err := newOperations()
	if err != nil {
		t.Fatal(err)
	}
	if err := o.countTenants(s); err != nil {
		t.Fatal(err)
	}
	o.temporalMetrics().WithTags(map[string]string{"platform": "sandbox.local"}).Counter("rollcall_calls").Inc(7)
	_, body := get(t, o, "/metrics")
	for _, want := range []string{
		`rollcall_tenants{outcome="converged",platform="sandbox.local"} 2`,
		`rollcall_calls{platform="sandbox.local"} 7`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("/metrics lacks %s:\n%s", want, body)
		}
	}
}
