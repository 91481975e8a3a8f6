package store_test

import (
	"encoding/json"
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver/types"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
)

// report has a worker report, and returns the last request for a check.
func report(t *testing.T, s *store.Store, worker string, reports []store.ConnectionReport, unserved ...store.UnservedPlatform) time.Time {
	t.Helper()
	requested, err := s.ReportConnections(t.Context(), worker, reports, unserved)
	if err != nil {
		t.Fatal(err)
	}
	return requested
}

func connectionReports(t *testing.T, s *store.Store) []store.ConnectionReport {
	t.Helper()
	reports, err := s.ConnectionReports(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return reports
}

func unserved(t *testing.T, s *store.Store) []store.UnservedPlatform {
	t.Helper()
	found, err := s.UnservedPlatforms(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func execute(t *testing.T, s *store.Store, sql string, args ...any) {
	t.Helper()
	if _, err := s.Pool().Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

// rowsOf counts the rows of a table.
func rowsOf(t *testing.T, s *store.Store, table string) int {
	t.Helper()
	var n int
	if err := s.Pool().QueryRow(t.Context(), "SELECT count(*) FROM "+pgx.Identifier{table}.Sanitize()).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestReportConnections_ReplacesTheWorkersLastReport(t *testing.T) {
	s := fresh(t)
	checked := time.Now().UTC().Truncate(time.Microsecond)
	keystone := store.ConnectionReport{
		Name: "openstack-main", Type: "openstack", UsedBy: []string{"os.a", "os.b"}, Digest: "d1",
		Error: "denied", Checked: checked, Answers: checked.Add(-time.Second),
	}
	memory := store.ConnectionReport{Name: "memory-main", Type: "memory", Digest: "d2"}
	broken := store.ConnectionReport{Name: "/etc/rollcall/z.yaml", Error: "z.yaml:3: is not YAML"}
	report(t, s, "worker-b", []store.ConnectionReport{keystone}, store.UnservedPlatform{Platform: "mem.a", Reason: "not held"})
	report(t, s, "worker-a", []store.ConnectionReport{keystone, memory, broken},
		store.UnservedPlatform{Platform: "mem.b", Reason: "not for mem.b"}, store.UnservedPlatform{Platform: "mem.a", Reason: "not held"})

	of := func(worker string, r store.ConnectionReport) store.ConnectionReport {
		r.Worker = worker
		return r
	}
	ignore := cmpopts.IgnoreFields(store.ConnectionReport{}, "Reported")
	diff(t, "reports by name and worker", []store.ConnectionReport{
		of("worker-a", broken), of("worker-a", memory), of("worker-a", keystone), of("worker-b", keystone),
	}, connectionReports(t, s), ignore, cmpopts.EquateEmpty(), cmpopts.EquateApproxTime(0))
	diff(t, "platforms that are not served, by platform and worker", []store.UnservedPlatform{
		{Worker: "worker-a", Platform: "mem.a", Reason: "not held"}, {Worker: "worker-b", Platform: "mem.a", Reason: "not held"},
		{Worker: "worker-a", Platform: "mem.b", Reason: "not for mem.b"},
	}, unserved(t, s), cmpopts.IgnoreFields(store.UnservedPlatform{}, "Reported"))
	for _, r := range connectionReports(t, s) {
		if age := time.Since(r.Reported); age < -time.Minute || age > time.Minute {
			t.Errorf("%s of %s was reported at %s, want just now", r.Name, r.Worker, r.Reported)
		}
	}

	memory.Digest = "d3"
	report(t, s, "worker-a", []store.ConnectionReport{memory})
	diff(t, "reports after worker-a reported again", []store.ConnectionReport{of("worker-a", memory), of("worker-b", keystone)},
		connectionReports(t, s), ignore, cmpopts.EquateEmpty(), cmpopts.EquateApproxTime(0))
	diff(t, "platforms that worker-a serves now", []store.UnservedPlatform{{Worker: "worker-b", Platform: "mem.a", Reason: "not held"}},
		unserved(t, s), cmpopts.IgnoreFields(store.UnservedPlatform{}, "Reported"))
	report(t, s, "worker-a", nil)
	report(t, s, "worker-b", nil)
	if left := len(connectionReports(t, s)) + len(unserved(t, s)); left != 0 {
		t.Errorf("%d reports are left of workers that hold nothing and serve all", left)
	}
}

// TestReportConnections_StoresAllOrNothing: half a report would look like a connection
// that was removed.
func TestReportConnections_StoresAllOrNothing(t *testing.T) {
	s := fresh(t)
	one := store.ConnectionReport{Name: "one", Type: "memory", Digest: "d"}
	report(t, s, "worker", []store.ConnectionReport{one})
	twice := []store.ConnectionReport{{Name: "two", Type: "memory", Digest: "d"}, {Name: "two", Type: "memory", Digest: "d"}}
	if _, err := s.ReportConnections(t.Context(), "worker", twice, nil); err == nil {
		t.Error("a report with one name twice was stored")
	}
	reports := connectionReports(t, s)
	if len(reports) != 1 || reports[0].Name != "one" {
		t.Errorf("reports after one that failed: %+v, want the one before", reports)
	}
}

// TestReports_ExpireAfterAMinute: a worker that is gone holds nothing and refuses
// nothing. Its rows go when another worker reports.
func TestReports_ExpireAfterAMinute(t *testing.T) {
	s := fresh(t)
	held := []store.ConnectionReport{{Name: "memory-main", Type: "memory", Digest: "d"}}
	for _, worker := range []string{"gone", "slow"} {
		report(t, s, worker, held, store.UnservedPlatform{Platform: "mem.a", Reason: "not held"})
	}
	for _, table := range []string{"connections", "unserved_platforms"} {
		execute(t, s, "UPDATE "+table+" SET reported_at = now() - interval '61 seconds' WHERE worker = 'gone'")
		execute(t, s, "UPDATE "+table+" SET reported_at = now() - interval '30 seconds' WHERE worker = 'slow'")
	}
	reports, missing := connectionReports(t, s), unserved(t, s)
	if len(reports) != 1 || reports[0].Worker != "slow" {
		t.Errorf("reports: %+v, want the slow worker's", reports)
	}
	if len(missing) != 1 || missing[0].Worker != "slow" {
		t.Errorf("platforms not served: %+v, want the slow worker's", missing)
	}
	report(t, s, "new", nil)
	diff(t, "rows after another worker reported", []int{1, 1}, []int{rowsOf(t, s, "connections"), rowsOf(t, s, "unserved_platforms")})
}

func TestRequestConnectionCheck_IsSeenWithTheNextReport(t *testing.T) {
	s := fresh(t)
	if requested := report(t, s, "worker", nil); !requested.IsZero() {
		t.Errorf("requested at %s, want zero: there was no request", requested)
	}
	first, err := s.RequestConnectionCheck(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, worker := range []string{"worker", "another"} {
		if requested := report(t, s, worker, nil); !requested.Equal(first) || first.IsZero() {
			t.Errorf("%s sees the request of %s, want %s", worker, requested, first)
		}
	}
	// The answer names its request, to the microsecond, so that the one who waits can tell.
	report(t, s, "worker", []store.ConnectionReport{{Name: "main", Type: "memory", Digest: "d", Checked: time.Now(), Answers: first}})
	if got := connectionReports(t, s)[0].Answers; !got.Equal(first) {
		t.Errorf("the report answers %s, want %s", got, first)
	}
	second, err := s.RequestConnectionCheck(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !second.After(first) {
		t.Errorf("the second request is of %s, the first of %s", second, first)
	}
	if requested := report(t, s, "worker", nil); !requested.Equal(second) {
		t.Errorf("requested at %s, want %s, the last", requested, second)
	}
}

// TestFormerConnections_AreWhatDocumentsSaid migrates documents of version 12.
func TestFormerConnections_AreWhatDocumentsSaid(t *testing.T) {
	t.Parallel()
	s := migratedDump(t)
	former, err := s.FormerConnections(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range former {
		var settings any
		if err := json.Unmarshal(f.Settings, &settings); err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(settings)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, f.Platform+" "+f.Type+" "+string(text))
	}
	diff(t, "former connections", []string{
		`annex.north memory {"file":"/srv/platforms/annex.json"}`,
		`cluster.west kubernetes {"replication":{"credentials":{"environment":{"prefix":"CLUSTER"}}},"server":"https://cluster.example.com"}`,
		`depot.south memory {"file":"/srv/platforms/depot.json"}`,
		`sandbox.local memory {"file":"/srv/platforms/sandbox.json","replication":{"budget":{"callsPerSecond":500,"concurrent":4}}}`,
	}, got)
}

// TestMigration15_TakesEveryFieldThatDocumentsRefuse compares the migration with the
// schemas: a field that stayed in a stored document could not be applied again.
func TestMigration15_TakesEveryFieldThatDocumentsRefuse(t *testing.T) {
	t.Parallel()
	sql, err := os.ReadFile("migrations/00015_connections.sql")
	if err != nil {
		t.Fatal(err)
	}
	taken := map[string][]string{}
	for _, m := range regexp.MustCompile(`WHEN '(\w+)' THEN '\{([\w,]+)\}'`).FindAllStringSubmatch(string(sql), -1) {
		taken[m[1]] = strings.Split(m[2], ",")
	}
	for _, of := range types.All() {
		var schema struct {
			Properties map[string]map[string]any `json:"properties"`
		}
		if err := json.Unmarshal(of.Document, &schema); err != nil {
			t.Fatal(err)
		}
		for name, property := range schema.Properties {
			if property["not"] != nil && !slices.Contains(taken[of.Name()], name) {
				t.Errorf("%s: documents refuse %s, and the migration leaves it in them", of.Name(), name)
			}
			if property["not"] == nil && slices.Contains(taken[of.Name()], name) {
				t.Errorf("%s: documents have %s, and the migration takes it from them", of.Name(), name)
			}
		}
	}
}

// migratedDump returns a store on a database of version 12, migrated.
func migratedDump(t *testing.T) *store.Store {
	t.Helper()
	url := storetest.Restore(t, dumpFile(".sql"))
	if _, err := store.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// deleteSandbox deletes the documents of the dump's platform with most to forget.
func deleteSandbox(t *testing.T, s *store.Store) {
	t.Helper()
	ids := []document.ID{
		{Kind: document.KindPlatform, Name: sandbox}, {Kind: document.KindLandingZone, Name: "zone"},
		{Kind: document.KindGuard, Name: "careful"},
	}
	for _, id := range tenants(t, s, store.TenantFilter{Platform: sandbox}) {
		ids = append(ids, tenantID(id))
	}
	if _, err := s.Delete(t.Context(), ids, store.Checks{}); err != nil {
		t.Fatal(err)
	}
}

const sandbox = "sandbox.local"

// tablesAbout counts the rows about a platform in every table that has any.
func tablesAbout(t *testing.T, s *store.Store, platform string) map[string]int {
	t.Helper()
	rows, err := s.Pool().Query(t.Context(), `SELECT table_name::text, array_agg(column_name::text) FROM information_schema.columns
		JOIN information_schema.tables USING (table_schema, table_name)
		WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND column_name IN ('tenant', 'platform') GROUP BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	type table struct {
		Name    string
		Columns []string
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[table])
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, table := range all {
		condition := "platform = $1"
		if slices.Contains(table.Columns, "tenant") {
			condition = "tenant LIKE '%/' || $1"
		}
		var n int
		sql := "SELECT count(*) FROM " + pgx.Identifier{table.Name}.Sanitize() + " WHERE " + condition
		if err := s.Pool().QueryRow(t.Context(), sql, platform).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			counts[table.Name] = n
		}
	}
	return counts
}

func TestForgetPlatform_Refuses(t *testing.T) {
	t.Parallel()
	s := migratedDump(t)
	for _, tt := range []struct {
		name, platform, reason string
		want                   error
	}{
		{"a platform that is stored", sandbox, "its cleanup can happen", store.ErrStored},
		{"a stored platform with a removed tenant", "annex.north", "its cleanup can happen", store.ErrStored},
		{"an unknown platform", "nowhere.local", "a typo must not look like a success", store.ErrNotFound},
		{"no platform", "", "all platforms are not one", store.ErrNotFound},
	} {
		for _, dry := range []bool{true, false} {
			before := tablesAbout(t, s, tt.platform)
			result, err := s.ForgetPlatform(t.Context(), tt.platform, "decommissioned", storetest.By("ada"), dry)
			if !errors.Is(err, tt.want) {
				t.Errorf("%s (dry %v): %+v, %v; want %v: %s", tt.name, dry, result, err, tt.want, tt.reason)
			}
			diff(t, tt.name+": rows", before, tablesAbout(t, s, tt.platform))
		}
	}
	if n := rowsOf(t, s, "abandoned_platforms"); n != 0 {
		t.Errorf("%d platforms are noted as forgotten, want none", n)
	}
}

// TestForgetPlatform_IsRefusedOnceCleanedUp: there is nothing left to give up.
func TestForgetPlatform_IsRefusedOnceCleanedUp(t *testing.T) {
	s := fresh(t)
	apply(t, s, store.ApplyRequest{Documents: organisation(t)})
	apply(t, s, store.ApplyRequest{Prune: true})
	for _, id := range []access.TenantID{web, db} {
		if err := s.TombstonesDone(t.Context(), []access.TenantID{id}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.ForgetPlatform(t.Context(), "lab.here", "decommissioned", storetest.By("ada"), false); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("forget after the cleanup: %v, want ErrNotFound", err)
	}
}

func TestForgetPlatform_DropsAllThatItOwns(t *testing.T) {
	t.Parallel()
	s := migratedDump(t)
	others := tablesAbout(t, s, "annex.north")
	deleteSandbox(t, s)
	before, served := tablesAbout(t, s, sandbox), version(t, s)
	for _, table := range []string{"tombstones", "owned", "allocations", "affected_tenants", "statuses"} {
		if before[table] == 0 {
			t.Fatalf("the dump has nothing to forget in %s", table)
		}
	}
	want := store.ForgetResult{Tenants: 3, Objects: before["owned"]}

	planned, err := s.ForgetPlatform(t.Context(), sandbox, "decommissioned, OPS-77", storetest.By("ada"), true)
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "what a dry run says", want, planned)
	diff(t, "rows after a dry run", before, tablesAbout(t, s, sandbox))
	if now := version(t, s); now != served {
		t.Errorf("a dry run moves PlatformsVersion from %d to %d", served, now)
	}

	done, err := s.ForgetPlatform(t.Context(), sandbox, "decommissioned, OPS-77", storetest.By("ada"), false)
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "what was forgotten", want, done)
	left := map[string]int{"abandoned_platforms": 1}
	for table, why := range map[string]string{
		"accounts":             "known accounts expire",
		"adoptions":            "history",
		"decisions":            "history",
		"counters":             "a number is never given twice",
		"ended_warnings":       "history, for as long as RemarksKept says",
		"group_replacements":   "history",
		"places":               "revocations list those that cannot be reached any more",
		"plans":                "history",
		"records":              "history: who gave and took what, and why",
		"removals":             "what was taken within an hour counts for the guard",
		"revocation_platforms": "history of revocations",
		"revoked_accounts":     "history of revocations",
	} {
		if before[table] == 0 {
			t.Errorf("the dump has no row in %s, which are kept: %s", table, why)
		}
		left[table] = before[table]
	}
	diff(t, "rows that are kept", left, tablesAbout(t, s, sandbox))
	diff(t, "rows about another platform", others, tablesAbout(t, s, "annex.north"))

	var reason, actor string
	var n, objects int
	var at time.Time
	err = s.Pool().QueryRow(t.Context(), "SELECT reason, actor, tenants, objects, at FROM abandoned_platforms WHERE platform = $1", sandbox).
		Scan(&reason, &actor, &n, &objects, &at)
	if err != nil || reason != "decommissioned, OPS-77" || actor != "os:ada@test" || n != want.Tenants || objects != want.Objects || at.IsZero() {
		t.Errorf("noted: %q by %q at %s, %d tenants, %d objects, %v; want the reason, who gave it and %+v", reason, actor, at, n, objects, err, want)
	}
	if now := version(t, s); now == served {
		t.Error("PlatformsVersion stays: workers would go on serving the platform")
	}
	for _, p := range platforms(t, s) {
		if p.Identifier() == sandbox {
			t.Error("the forgotten platform is still one that workers serve")
		}
	}
	diff(t, "tenants that remain", []access.TenantID(nil), tenants(t, s, store.TenantFilter{Platform: sandbox}), cmpopts.EquateEmpty())
	if _, err := s.ForgetPlatform(t.Context(), sandbox, "once more", storetest.By("ben"), false); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("forgotten twice: %v, want ErrNotFound", err)
	}
}

// TestForgetPlatform_LetsThePlatformComeBack: the numbers of before are not given
// twice, and nothing is owned.
func TestForgetPlatform_LetsThePlatformComeBack(t *testing.T) {
	s := fresh(t)
	apply(t, s, store.ApplyRequest{Documents: organisation(t)})
	before, err := s.TenantInput(t.Context(), web)
	if err != nil {
		t.Fatal(err)
	}
	apply(t, s, store.ApplyRequest{Prune: true})
	if _, err := s.ForgetPlatform(t.Context(), "lab.here", "decommissioned", storetest.By("ada"), false); err != nil {
		t.Fatal(err)
	}
	apply(t, s, store.ApplyRequest{Documents: organisation(t)})
	after, err := s.TenantInput(t.Context(), web)
	if err != nil {
		t.Fatal(err)
	}
	if after.Deleted || after.Drawn.Number <= before.Drawn.Number || after.Drawn.Random == before.Drawn.Random {
		t.Errorf("the tenant came back with the number %d, deleted %v; want a new number above %d", after.Drawn.Number, after.Deleted, before.Drawn.Number)
	}
}

// TestForgetPlatform_NeedsAReason: the database refuses a note that says nothing, and
// then nothing is forgotten.
func TestForgetPlatform_NeedsAReason(t *testing.T) {
	s := fresh(t)
	apply(t, s, store.ApplyRequest{Documents: organisation(t)})
	apply(t, s, store.ApplyRequest{Prune: true})
	before := tablesAbout(t, s, "lab.here")
	if _, err := s.ForgetPlatform(t.Context(), "lab.here", "", storetest.By("ada"), false); err == nil {
		t.Error("forgotten without a reason")
	}
	diff(t, "rows", before, tablesAbout(t, s, "lab.here"))
}
