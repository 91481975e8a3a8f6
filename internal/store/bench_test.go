package store_test

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/engines/postgres"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// crowd returns about n documents: a fifth of them people, a tenth projects and
// as many tenants, the rest bindings.
func crowd(n int) []document.Document {
	documents := []document.Document{
		of(document.KindWorkspace, "big", `{"apiVersion":"v2","kind":"meshWorkspace","metadata":{"name":"big"},"spec":{"displayName":"Big"}}`),
		of(document.KindProjectRole, "admin", `{"apiVersion":"v1","kind":"meshProjectRole","metadata":{"name":"admin"},"spec":{"name":"Admin","rank":1}}`),
		of(document.KindPlatform, "lab.here", `{"apiVersion":"v1","kind":"meshPlatform","metadata":{"name":"lab"},"spec":{"config":{"memory":{`+
			`"replication":{"groupNamePattern":"#{projectIdentifier}-#{platformGroupAlias}","roleMappings":[{"projectRoleRef":{"name":"admin"},"roles":["owner"]}]}}},`+
			`"displayName":"Lab","locationRef":{"name":"here"}}}`),
	}
	users, projects := n/5, n/10
	for i := range users {
		documents = append(documents, of(document.KindUser, fmt.Sprintf("user-%d", i), fmt.Sprintf(
			`{"apiVersion":"v2","kind":"meshUser","metadata":{"name":"user-%d"},"spec":{"email":"user-%[1]d@example.com","euid":"euid-%[1]d","firstName":"First","lastName":"Last"}}`, i)))
	}
	for i := range projects {
		documents = append(documents,
			of(document.KindProject, fmt.Sprintf("big.p-%d", i), fmt.Sprintf(
				`{"apiVersion":"v2","kind":"meshProject","metadata":{"name":"p-%d","ownedByWorkspace":"big"},"spec":{"displayName":"P","tags":{"stage":["test"]}}}`, i)),
			of(document.KindTenant, fmt.Sprintf("big.p-%d/lab.here", i), fmt.Sprintf(
				`{"apiVersion":"v3","kind":"meshTenant","metadata":{"ownedByProject":"p-%d","ownedByWorkspace":"big","platformIdentifier":"lab.here"},"spec":{"localId":"id-%[1]d"}}`, i)))
	}
	for i := 0; len(documents) < n; i++ {
		documents = append(documents, of(document.KindUserBinding, fmt.Sprintf("b-%d", i), fmt.Sprintf(
			`{"apiVersion":"v3","kind":"meshProjectUserBinding","metadata":{"name":"b-%d"},"roleRef":{"name":"admin"},"subject":{"name":"user-%d"},"targetRef":{"name":"p-%d","ownedByWorkspace":"big"}}`,
			i, i%users, i%projects)))
	}
	return documents
}

func of(kind document.Kind, name, body string) document.Document {
	return document.Document{ID: document.ID{Kind: kind, Name: name}, Body: []byte(body)}
}

// benchmarkSize is how many documents the benchmarks store; the environment may
// ask for more.
func benchmarkSize(b *testing.B) int {
	n, err := strconv.Atoi(os.Getenv("ROLLCALL_BENCH_DOCUMENTS"))
	if err != nil {
		n = 10_000
	}
	b.Logf("%d documents", n)
	return n
}

func BenchmarkApplyAll(b *testing.B) {
	documents := crowd(benchmarkSize(b))
	for b.Loop() {
		b.StopTimer()
		s := fresh(b)
		b.StartTimer()
		apply(b, s, store.ApplyRequest{Documents: documents, Checks: store.Checks{Validate: validateNames}})
	}
	reportMemory(b)
}

// BenchmarkApplyRest stores all documents but the first, to which the others refer: they fit
// what is stored, and no role changes.
func BenchmarkApplyRest(b *testing.B) {
	documents := crowd(benchmarkSize(b))
	for b.Loop() {
		b.StopTimer()
		s := fresh(b)
		apply(b, s, store.ApplyRequest{Documents: documents[:3], Checks: store.Checks{Validate: validateNames}})
		b.StartTimer()
		apply(b, s, store.ApplyRequest{Documents: documents[3:], Checks: store.Checks{Validate: validateNames}})
	}
	reportMemory(b)
}

func BenchmarkApplyOneChanged(b *testing.B) {
	s := fresh(b)
	documents := crowd(benchmarkSize(b))
	apply(b, s, store.ApplyRequest{Documents: documents, Checks: store.Checks{Validate: validateNames}})
	user := documents[3]
	for i := 0; b.Loop(); i++ {
		changed := user
		changed.Body = []byte(strings.Replace(string(user.Body), "First", "Name"+strconv.Itoa(i), 1))
		if got := apply(b, s, store.ApplyRequest{Documents: []document.Document{changed}, Checks: store.Checks{Validate: validateNames}}); len(got.Changed) != 1 {
			b.Fatalf("changes: %+v, want one", got)
		}
	}
	reportMemory(b)
}

func BenchmarkTenantInput(b *testing.B) {
	s := fresh(b)
	apply(b, s, store.ApplyRequest{Documents: crowd(benchmarkSize(b))})
	tenants, err := s.Tenants(b.Context(), store.TenantFilter{})
	if err != nil {
		b.Fatal(err)
	}
	for i := 0; b.Loop(); i++ {
		if _, err := s.TenantInput(b.Context(), tenants[i%len(tenants)]); err != nil {
			b.Fatal(err)
		}
	}
}

// reportMemory says what the process took from the system at most.
func reportMemory(b *testing.B) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.Sys)/(1<<20), "MiB-sys")
}

// BenchmarkReserveRemovals plans a shard of 500 tenants that lose four people
// each, on a platform where 20,000 were taken within the day.
func BenchmarkReserveRemovals(b *testing.B) {
	s := fresh(b)
	if _, err := s.Pool().Exec(b.Context(), `INSERT INTO removals (tenant, kind, group_name, role, name, ref, platform, revision, reserved, at)
		SELECT 'w.q-' || n % 700 || '/lab.here', 'members', 'g', '', '', 'u-' || n, 'lab.here', n % 9, true, now() - n * interval '4 seconds'
		FROM generate_series(1, 20000) AS n`); err != nil {
		b.Fatal(err)
	}
	var shard []store.Taking
	for i := range 500 {
		shard = append(shard, taking(access.TenantID{Workspace: "w", Project: fmt.Sprintf("p-%d", i), Platform: "lab.here"}, "a", 4))
	}
	for b.Loop() {
		exceeded, err := s.ReserveRemovals(b.Context(), "lab.here", store.RemovalLimits{Change: 1 << 20, Hour: 1 << 20}, shard, false)
		if err != nil || len(exceeded) > 0 {
			b.Fatal(exceeded, err)
		}
	}
}

// BenchmarkTenantInputs reads the inputs of a shard of 1,000 tenants: the first time, and
// again as a sweep does that finds the documents as they were.
func BenchmarkTenantInputs(b *testing.B) {
	url := postgres.ForTest(b)
	if _, err := store.Migrate(b.Context(), url); err != nil {
		b.Fatal(err)
	}
	open := func() *store.Store {
		s, err := store.Open(b.Context(), url)
		if err != nil {
			b.Fatal(err)
		}
		return s
	}
	s := open()
	defer s.Close()
	apply(b, s, store.ApplyRequest{Documents: crowd(benchmarkSize(b))})
	tenants, err := s.TenantsAfter(b.Context(), "lab.here", access.TenantID{}, 1000)
	if err != nil {
		b.Fatal(err)
	}
	read := func(s *store.Store) {
		if inputs, err := s.TenantInputs(b.Context(), tenants); err != nil || len(inputs) != len(tenants) {
			b.Fatal(len(inputs), err)
		}
	}
	b.Run("First", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			first := open()
			b.StartTimer()
			read(first)
			b.StopTimer()
			first.Close()
			b.StartTimer()
		}
	})
	b.Run("Again", func(b *testing.B) {
		for b.Loop() {
			read(s)
		}
	})
}
