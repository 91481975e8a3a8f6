package reconcile_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/connection/connectiontest"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/internal/engines/postgres"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/reconcile"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// sweepTenants is how many tenants BenchmarkCompareShard compares.
const sweepTenants = 1000

// sweepDocuments are tenants with five users each, of twenty users.
func sweepDocuments(b *testing.B) []document.Document {
	b.Helper()
	var text strings.Builder
	text.WriteString(`{apiVersion: v1, kind: meshWorkspace, metadata: {name: acme}, spec: {displayName: Acme}}
---
{apiVersion: v1, kind: meshProjectRole, metadata: {name: user}, spec: {name: User, rank: 1}}
---
{apiVersion: v1, kind: meshPlatform, metadata: {name: sandbox}, spec: {displayName: S, locationRef: {name: local}, config: {memory: {
  replication: {groupNamePattern: "#{projectIdentifier}-#{platformGroupAlias}", roleMappings: [{projectRoleRef: {name: user}, groupAlias: user, roles: [developer]}]}}}}}
`)
	for i := range 20 {
		fmt.Fprintf(&text, `---
{apiVersion: v2, kind: meshUser, metadata: {name: u%[1]d}, spec: {email: u%[1]d@example.com, firstName: A, lastName: B, euid: u%[1]d}}
`, i)
	}
	for i := range sweepTenants {
		fmt.Fprintf(&text, `---
{apiVersion: v2, kind: meshProject, metadata: {name: p%[1]d, ownedByWorkspace: acme}, spec: {displayName: P}}
---
{apiVersion: v4, kind: meshTenant, metadata: {ownedByWorkspace: acme, ownedByProject: p%[1]d}, spec: {platformIdentifier: sandbox.local, platformTenantId: t-%[1]d}}
`, i)
		for n := range 5 {
			fmt.Fprintf(&text, `---
{apiVersion: v3, kind: meshProjectUserBinding, metadata: {name: b-%[1]d-%[2]d}, roleRef: {name: user}, targetRef: {name: p%[1]d, ownedByWorkspace: acme}, subject: {name: u%[3]d}}
`, i, n, (i+n)%20)
		}
	}
	docs, _, err := document.Decode(strings.NewReader(text.String()), "bench")
	if err != nil {
		b.Fatal(err)
	}
	return docs
}

// seedConverged makes the platform as the documents of sweepDocuments want it, and the ledger
// know it.
func seedConverged(b *testing.B, s *store.Store, file, installation string) {
	b.Helper()
	var w memory.World
	for i := range 20 {
		w.Users = append(w.Users, memory.User{ID: fmt.Sprintf("id-u%d", i), Name: fmt.Sprintf("u%d", i)})
	}
	for i := range sweepTenants {
		marker := access.Mark{Installation: installation, Tenant: fmt.Sprintf("acme.p%d/sandbox.local", i)}
		group := memory.Group{ID: fmt.Sprintf("g-%d", i), Name: fmt.Sprintf("p%d-user", i), Description: marker.Text()}
		for n := range 5 {
			group.Members = append(group.Members, fmt.Sprintf("id-u%d", (i+n)%20))
		}
		w.Tenants = append(w.Tenants, memory.Tenant{ID: fmt.Sprintf("t-%d", i)})
		w.Groups = append(w.Groups, group)
		w.Bindings = append(w.Bindings, memory.Binding{
			ID: fmt.Sprintf("b-%d", i), Tenant: fmt.Sprintf("t-%d", i), Role: "developer", Group: group.ID,
		})
	}
	if err := memory.Seed(file, w); err != nil {
		b.Fatal(err)
	}
	if _, err := s.Pool().Exec(b.Context(), `INSERT INTO owned (tenant, platform, kind, group_name, role, ref, state)
		SELECT 'acme.p' || i || '/sandbox.local', 'sandbox.local', kind, 'p' || i || '-user', role, ref || i, 'made'
			FROM generate_series(0, $1::int - 1) AS i, (VALUES ('group', '', 'g-'), ('binding', 'developer', 'b-')) AS o (kind, role, ref)`,
		sweepTenants); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkCompareShard compares a shard of converged tenants: the first time after a worker
// started, which parses all documents, and again. The difference is what is saved by keeping
// parsed documents.
func BenchmarkCompareShard(b *testing.B) {
	url := postgres.ForTest(b)
	if _, err := store.Migrate(b.Context(), url); err != nil {
		b.Fatal(err)
	}
	file := filepath.Join(b.TempDir(), "world.json")
	platform := &repeated{seen: map[string][]driver.Observation{}}
	open := func() (*store.Store, *reconcile.Reconciler) {
		s, err := store.Open(b.Context(), url)
		if err != nil {
			b.Fatal(err)
		}
		installation, err := s.Installation(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		drivers := connectiontest.Drivers(b, s, map[string]driver.Open{"memory": platform.open}, connectiontest.Memory("sandbox.local", file))
		return s, reconcile.NewReconciler(s, ledger.New(s), installation, drivers)
	}
	s, r := open()
	defer s.Close()
	if _, err := s.Apply(b.Context(), store.ApplyRequest{Documents: sweepDocuments(b)}); err != nil {
		b.Fatal(err)
	}
	installation, err := s.Installation(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	seedConverged(b, s, file, installation)
	tenants, err := s.TenantsAfter(b.Context(), "sandbox.local", access.TenantID{}, sweepTenants)
	if err != nil {
		b.Fatal(err)
	}
	compare := func(r *reconcile.Reconciler) {
		found, failed, err := r.CompareShard(b.Context(), tenants, time.Now(), 1)
		if err != nil || len(failed) > 0 || len(found) != sweepTenants {
			b.Fatal(len(found), failed, err)
		}
		for _, t := range found {
			if !t.InSync() {
				b.Fatalf("%s is not converged: %+v", t.ID(), t.Plan().Steps)
			}
		}
	}
	compare(r) // looks up the accounts, which later shards know
	// Time on the clock depends on the database and on what else runs.
	measured := func(b *testing.B, r *reconcile.Reconciler) time.Duration {
		b.Helper()
		start := processorTime(b)
		compare(r)
		return processorTime(b) - start
	}
	b.Run("First", func(b *testing.B) {
		var used time.Duration
		for b.Loop() {
			b.StopTimer()
			s, r := open()
			b.StartTimer()
			used += measured(b, r)
			b.StopTimer()
			s.Close()
			b.StartTimer()
		}
		b.ReportMetric(float64(used.Milliseconds())/float64(b.N), "processor-ms/op")
	})
	b.Run("Again", func(b *testing.B) {
		var used time.Duration
		for b.Loop() {
			used += measured(b, r)
		}
		b.ReportMetric(float64(used.Milliseconds())/float64(b.N), "processor-ms/op")
	})
}

// repeated is the memory platform, which reads its file once: what a platform spends on its
// answers is none of the worker's time.
type repeated struct {
	driver.Driver

	seen map[string][]driver.Observation
}

func (r *repeated) open(ctx context.Context, config driver.Config) (driver.Driver, error) {
	opened, err := memory.Open(ctx, config)
	return &repeated{opened, r.seen}, err
}

func (r *repeated) Observe(ctx context.Context, scopes []driver.Scope) ([]driver.Observation, error) {
	key := fmt.Sprint(scopes[0].Tenant, len(scopes))
	if seen, ok := r.seen[key]; ok {
		return slices.Clone(seen), nil
	}
	seen, err := r.Driver.Observe(ctx, scopes)
	r.seen[key] = slices.Clone(seen)
	return seen, err
}

// processorTime is what the process has used.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
