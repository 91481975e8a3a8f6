package store_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/desired"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
)

var updateMeaning = flag.Bool("update", false, "write what the dumps mean instead of comparing with it")

// dumped is the version of the schema that the dump has. A later migration does not
// replace it: it has to carry over what databases hold.
const dumped = 12

func dumpFile(ending string) string {
	return filepath.Join("testdata", "dumps", fmt.Sprintf("%05d%s", dumped, ending))
}

// since are the words of the dump that a later migration changes, each with what it
// changes them to: table names and codes. It is the one place to write them down.
func since() map[string]string {
	return map[string]string{
		"rows: drawn ": "rows: allocations ", "rows: touched ": "rows: affected_tenants ", "rows: generations ": "rows: removed_platforms 0\nrows: repeated_revocations 0\nrows: revisions ",
		"rows: renamings ": "rows: group_names 0\nrows: group_replacements ", "rows: ended_remarks ": "rows: ended_warnings ",
		// What workers share of a rate limit lives for seconds and is not migrated.
		"rows: budgets 1\n": "rows: proposals 0\nrows: proposed_documents 0\nrows: proposed_tenants 0\nrows: rate_limits 0\n", "budget: annex.north is shared\n": "",
		" removal-held on ": " removal-pending-approval on ", " rename-waiting on ": " replacement-pending-approval on ",
		" object-foreign on ": " object-unmanaged on ", " foreign-member-removed on ": " unmanaged-member-removed on ",
		" foreign-permission-kept on ": " external-permission-kept on ", " foreign-permission-removed on ": " external-permission-removed on ",
		" contested on ": " drifting on ", " contested,": " drifting,",
		// Connections hold what platform documents held; see former_connections.
		"      file: /srv/platforms/annex.json\n": "", "      file: /srv/platforms/depot.json\n": "",
		"      file: /srv/platforms/sandbox.json\n": "", "      server: https://cluster.example.com\n": "",
		"        credentials:\n          environment:\n            prefix: CLUSTER\n": "",
		"        budget:\n          callsPerSecond: 500\n          concurrent: 4\n":   "",
		"rows: owned ":    "rows: bootstrap_tokens 0\nrows: calls 0\nrows: refused_calls 0\nrows: direct_modes 0\nrows: lookups 0\nrows: issuer_keys 0\nrows: server_keys 0\nrows: idempotent_requests 0\nrows: lists 0\nrows: list_items 0\nrows: mesh_collections 0\nrows: mesh_collection_objects 0\nrows: owned ",
		"rows: counters ": "rows: connections 0\nrows: unserved_platforms 0\nrows: abandoned_platforms 0\nrows: former_connections 4\nrows: counters ",
		// The places follow from the records of steps.
		// Version 12 started runs without an outbox.
		"rows: documents ": "rows: outbox 0\nrows: run_causes 0\nrows: documents ",
		"rows: plans ":     "rows: former_tenants 0\nrows: places 25\nrows: revocation_tenants 0\nrows: plans ",
	}
}

// TestMigrationsKeepTheMeaning: a database that was filled by the version of the dump
// is migrated to this one's, and every query answers as before. A query into JSON that
// silently finds nothing would leave revoked users their access.
func TestMigrationsKeepTheMeaning(t *testing.T) {
	t.Parallel()
	url := storetest.Restore(t, dumpFile(".sql"))
	done, err := store.Migrate(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	if done.From != dumped {
		t.Errorf("the dump has the version %d, want %d", done.From, dumped)
	}
	checkMeaning(t, url)
}

// checkMeaning compares all that a database answers with what is checked in.
func checkMeaning(t *testing.T, url string) {
	t.Helper()
	s, err := store.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	m := &meaning{t: t, store: s, ledger: ledger.New(s), url: url, kinds: map[string]int{}}
	compareFile(t, dumpFile(".export.yaml"), m.export())
	m.read()
	for _, kind := range kinds() {
		if m.kinds[kind] == 0 {
			t.Errorf("nothing is said of %q: a query finds nothing any more, or the dump has none", kind)
		}
	}
	compareFile(t, dumpFile(".meaning.txt"), strings.Join(m.lines, "\n")+"\n")
	m.revokesTheForgotten()
}

// kinds are what a line of the meaning may begin with. Each has to be there.
func kinds() []string {
	return []string{
		"rows", "tenant", "removed", "allocated", "status", "warning", "ended warning", "plan", "record", "owned", "replacement", "decision", "revocation",
		"revoked account", "adoption", "counted removal", "account", "user by documents", "user by euid", "user by name", "user by account", "user by ref",
		"user pending", "given", "addition", "pending",
	}
}

func compareFile(t *testing.T, file, got string) {
	t.Helper()
	if *updateMeaning {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := string(body)
	for from, to := range since() {
		want = strings.ReplaceAll(want, from, to)
	}
	if diff := cmp.Diff(slices.Sorted(strings.SplitSeq(want, "\n")), slices.Sorted(strings.SplitSeq(got, "\n"))); diff != "" {
		t.Errorf("the database does not mean what %s says (-want +got):\n%s", file, diff)
	}
}

// meaning is what a database answers, as values without the names of fields.
type meaning struct {
	t      *testing.T
	store  *store.Store
	ledger *ledger.Ledger
	url    string

	tenants []access.TenantID
	inputs  []document.TenantInput
	// held are the last plans of tenants that hold something back.
	held  map[access.TenantID]plan.Plan
	lines []string
	kinds map[string]int
}

// sayf adds a line of a kind.
func (m *meaning) sayf(kind, format string, args ...any) {
	m.kinds[kind]++
	m.lines = append(m.lines, kind+": "+fmt.Sprintf(format, args...))
}

// check fails the test when what is read cannot be.
func check[T any](m *meaning, value T, err error) T {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
	return value
}

func (m *meaning) export() string {
	m.t.Helper()
	docs, err := m.store.Export(m.t.Context())
	var text bytes.Buffer
	if err == nil {
		err = document.Encode(&text, docs)
	}
	if err != nil {
		m.t.Fatal(err)
	}
	return text.String()
}

// read asks for everything.
func (m *meaning) read() {
	m.t.Helper()
	if err := m.store.CheckSchema(m.t.Context()); err != nil {
		m.t.Fatal(err)
	}
	tenants, err := m.store.Tenants(m.t.Context(), store.TenantFilter{})
	m.tenants = check(m, tenants, err)
	inputs, err := m.store.TenantInputs(m.t.Context(), m.tenants)
	m.inputs = check(m, inputs, err)
	m.held = map[access.TenantID]plan.Plan{}
	m.rows()
	for _, in := range m.inputs {
		m.tenant(in)
	}
	m.statuses()
	m.plans()
	m.records()
	m.decisions()
	m.revocations()
	m.taken()
	platforms, err := m.store.ServedPlatforms(m.t.Context())
	for _, platform := range check(m, platforms, err) {
		m.platform(platform)
	}
	m.given()
	slices.Sort(m.lines)
}

// rows counts them in every table, so that none is lost that no other line shows.
func (m *meaning) rows() {
	rows, err := m.store.Pool().Query(m.t.Context(), `SELECT table_name::text FROM information_schema.tables
		WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND table_name <> 'goose_db_version'`)
	tables, err2 := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || err2 != nil {
		m.t.Fatal(err, err2)
	}
	for _, table := range tables {
		var n int
		err := m.store.Pool().QueryRow(m.t.Context(), "SELECT count(*) FROM "+pgx.Identifier{table}.Sanitize()).Scan(&n)
		if err != nil {
			m.t.Fatal(err)
		}
		// Rate limits and what workers report live for seconds, lookups for a run, revocations of version 12 are
		// verified by their runs; version 12 forgot nothing, kept no former tenant and knew no
		// names of groups: the next change stores them.
		short := []string{"rate_limits", "lookups", "connections", "unserved_platforms", "abandoned_platforms", "former_tenants", "revocation_tenants", "group_names",
			"proposals", "proposed_documents", "proposed_tenants", "outbox", "run_causes", "repeated_revocations", "issuer_keys", "removed_platforms", "bootstrap_tokens", "direct_modes", "calls", "refused_calls", "server_keys", "idempotent_requests", "lists", "list_items",
			"mesh_collections", "mesh_collection_objects"}
		if n == 0 && !slices.Contains(short, table) {
			m.t.Errorf("the table %s has no row: the dump has to fill it", table)
		}
		m.sayf("rows", "%s %d", table, n)
	}
}

// tenant is what is to be had there and what was done about it.
func (m *meaning) tenant(in document.TenantInput) {
	m.t.Helper()
	id := in.Tenant.TenantID
	m.sayf("tenant", "%s with %d bindings of %d users", id, len(in.UserBindings)+len(in.GroupBindings), len(in.Users))
	if in.Deleted {
		m.sayf("removed", "%s", id)
	}
	m.sayf("allocated", "%s %d %s", id, in.Drawn.Number, in.Drawn.Random)
	owned, err := m.ledger.Owned(m.t.Context(), id)
	for _, o := range check(m, owned, err) {
		m.sayf("owned", "%s %s %q ref %q for the role %q", id, o.Key.Kind, o.Key, o.Ref, o.Serves)
	}
	renamings, err := m.ledger.Renamings(m.t.Context(), id)
	for _, r := range check(m, renamings, err) {
		m.sayf("replacement", "%s from %s to %s, %s: %s after %d states", id, r.From, r.To, r.Mode, r.State(), len(r.Changes))
	}
}

func (m *meaning) statuses() {
	m.t.Helper()
	found, err := m.store.Statuses(m.t.Context(), store.TenantFilter{})
	for _, s := range check(m, found, err) {
		m.sayf("status", "%s %s, %d steps, %d pending, %d removals, %d calls, generation %d",
			s.Tenant, s.Outcome, s.Steps, s.Held, s.Removals, s.Calls, s.Generation)
		for _, r := range s.Remarks {
			if s.Since(r).IsZero() {
				m.t.Errorf("%s: since when %s holds on %s is not known", s.Tenant, r.Code, r.Object)
			}
			m.sayf("warning", "%s %s on %s: %s", s.Tenant, r.Code, r.Object, r.Text)
		}
		if s.Digest == "" {
			continue
		}
		p, _, err := m.store.Plan(m.t.Context(), s.Digest)
		if p = check(m, p, err); s.Held > 0 {
			m.held[s.Tenant] = p
		}
	}
	ended, err := m.store.EndedRemarks(m.t.Context(), store.TenantFilter{})
	for _, r := range check(m, ended, err) {
		m.sayf("ended warning", "%s %s on %s: %s", r.Tenant, r.Code, r.Object, r.Text)
	}
	counts, err := m.store.CountHeld(m.t.Context())
	for _, c := range check(m, counts, err) {
		m.sayf("pending", "%s %d on %d", c.Platform, c.Removals, c.Tenants)
	}
}

// plans decodes every body strictly: a field that today's types do not know would be
// lost without a word.
func (m *meaning) plans() {
	m.t.Helper()
	rows, err := m.store.Pool().Query(m.t.Context(), "SELECT digest, body FROM plans")
	if err != nil {
		m.t.Fatal(err)
	}
	var digest string
	var body []byte
	_, err = pgx.ForEachRow(rows, []any{&digest, &body}, func() error {
		var p plan.Plan
		if err := strictly(body, &p); err != nil {
			return fmt.Errorf("plan %s: %w", digest, err)
		}
		if got := p.Digest(); got != digest {
			m.t.Errorf("the plan %s of %s has the digest %s now: what refers to it finds nothing", digest, p.Tenant, got)
		}
		m.sayf("plan", "%s with %d steps, %d pending, %d replacements, %d warnings: %s",
			p.Tenant, len(p.Steps), len(p.Held), len(p.Renames), len(p.Remarks), plannedFor(p))
		return nil
	})
	if err != nil {
		m.t.Fatal(err)
	}
}

func strictly(body []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

// plannedFor says what the steps of a plan do.
func plannedFor(p plan.Plan) string {
	var texts []string
	for _, s := range slices.Concat(p.Steps, p.Held) {
		texts = append(texts, does(s))
	}
	return strings.Join(slices.Sorted(slices.Values(texts)), "; ")
}

// does says what a step does, to whom.
func does(s plan.Step) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s %s %q", s.Op, s.Kind, s.Object)
	for _, who := range s.Adds() {
		fmt.Fprintf(&text, " +%s=%s=%s", who.Person, who.Name, who.Ref)
	}
	for _, who := range s.Removes() {
		fmt.Fprintf(&text, " -%s=%s=%s", who.Person, who.Name, who.Ref)
	}
	return text.String()
}

func (m *meaning) records() {
	m.t.Helper()
	all, err := m.ledger.Records(m.t.Context(), ledger.Filter{Limit: 100_000})
	for _, r := range check(m, all, err) {
		m.sayf("record", "%s %s, ref %q, error %q, %d attempts, %d calls, done %v, by %q because of %s",
			r.Run.Tenant, does(r.Step), r.Ref, r.Err, r.Attempts, r.Calls, !r.DoneAt.IsZero(), r.Run.Actor, r.Run.Cause)
	}
	rows, err := m.store.Pool().Query(m.t.Context(), "SELECT step FROM records")
	if err != nil {
		m.t.Fatal(err)
	}
	var body []byte
	_, err = pgx.ForEachRow(rows, []any{&body}, func() error {
		var s plan.Step
		return strictly(body, &s)
	})
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *meaning) decisions() {
	m.t.Helper()
	decided, err := m.store.Decisions(m.t.Context(), m.tenants)
	for tenant, all := range check(m, decided, err) {
		for _, d := range all {
			m.sayf("decision", "%s %s %q ref %q: %s by %s (%s)",
				tenant, d.Removal.Object.Kind, d.Removal.Object, d.Removal.Ref, d.Verdict, d.By.Claim, d.Reason)
		}
	}
	adoptions, err := m.store.AllAdoptions(m.t.Context(), nil)
	for _, a := range check(m, adoptions, err) {
		m.sayf("adoption", "%s %s ref %s by %s (%s): %q", a.Tenant, a.Group, a.Ref, a.By.Claim, a.Reason, a.End)
		if _, _, err := m.store.Plan(m.t.Context(), a.Digest); err != nil {
			m.t.Errorf("the plan that the adoption of %s was agreed to: %v", a.Group, err)
		}
	}
}

func (m *meaning) revocations() {
	m.t.Helper()
	found, err := m.store.Revocations(m.t.Context(), store.RevocationFilter{Lifted: true})
	for _, r := range check(m, found, err) {
		m.sayf("revocation", "%s of euid %s by %s (%s), lifted by %q", r.Person, r.EUID, r.By.Claim, r.Reason, r.LiftedBy.Claim)
		for _, p := range r.Platforms {
			m.sayf("revocation", "%s on %s: %s, accepted %v, %d tenants, %d sets, %d calls, problem %q",
				r.Person, p.Platform, p.State, p.Took > 0, p.Tenants, p.Sets, p.Calls, p.Problem)
			for _, remark := range p.Remarks {
				m.sayf("revocation", "%s on %s: %s on %s: %s", r.Person, p.Platform, remark.Code, remark.Object, remark.Text)
			}
		}
	}
}

// taken asks of every removal that was done or is held whether it is counted already
// towards a guard's limits: then there is room for it where there is room for none.
func (m *meaning) taken() {
	m.t.Helper()
	records, err := m.ledger.Records(m.t.Context(), ledger.Filter{Limit: 100_000})
	asked := map[access.TenantID][]plan.Removal{}
	for _, r := range check(m, records, err) {
		asked[r.Run.Tenant] = append(asked[r.Run.Tenant], r.Step.Removals()...)
	}
	for tenant, p := range m.held {
		for _, s := range p.Held {
			asked[tenant] = append(asked[tenant], s.Removals()...)
		}
	}
	for tenant, removals := range asked {
		slices.SortFunc(removals, func(a, b plan.Removal) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		for _, r := range slices.Compact(removals) {
			full, err := m.store.ReserveRemovals(m.t.Context(), tenant.Platform, store.RemovalLimits{},
				[]store.Taking{{Tenant: tenant, Removals: []plan.Removal{r}}}, true)
			if _, none := check(m, full, err)[tenant]; !none {
				m.sayf("counted removal", "%s %s %q ref %q", tenant, r.Object.Kind, r.Object, r.Ref)
			}
		}
	}
}

// platform is what is known of the people on one platform.
func (m *meaning) platform(name string) {
	m.t.Helper()
	ctx := m.t.Context()
	if state, _, _, err := m.store.ReadBudget(ctx, name); len(check(m, state, err)) > 0 {
		m.sayf("budget", "%s is shared", name)
	}
	revoked, err := m.store.RevokedRefs(ctx, name)
	for _, ref := range check(m, revoked, err) {
		m.sayf("revoked account", "%s %s", name, ref)
	}
	platforms, err := m.store.Platforms(ctx)
	i := slices.IndexFunc(check(m, platforms, err), func(p document.Platform) bool { return p.Identifier() == name })
	people, refs := m.people(name)
	for _, who := range slices.Sorted(maps.Keys(people)) {
		if i >= 0 {
			m.user(platforms[i], who, people[who])
		}
	}
	for _, ref := range refs {
		tenants, err := m.ledger.TenantsOf(ctx, name, "", []string{ref})
		if tenants = check(m, tenants, err); len(tenants) > 0 {
			m.sayf("user by ref", "%s has steps on %s", ref, names(tenants))
		}
		additions, err := m.ledger.Additions(ctx, name, []string{ref}, 1000*time.Hour)
		for _, a := range check(m, additions, err) {
			m.sayf("addition", "%s %s: %q, open %v", a.Tenant, ref, a.Step.Object, a.Open)
		}
	}
}

// people are those of the documents and of the record, with their euids, and all
// accounts of a platform that the record ever named.
func (m *meaning) people(platform string) (euids map[string]string, refs []string) {
	m.t.Helper()
	euids = map[string]string{}
	records, err := m.ledger.Records(m.t.Context(), ledger.Filter{Limit: 100_000})
	for _, r := range check(m, records, err) {
		for _, who := range slices.Concat(r.Step.Adds(), r.Step.Removes()) {
			if who.Person != "" {
				euids[who.Person] = ""
			}
			if who.Ref != "" && r.Run.Tenant.Platform == platform {
				refs = append(refs, who.Ref)
			}
		}
	}
	docs, err := m.store.Documents(m.t.Context(), store.Filter{Kind: document.KindUser})
	for _, d := range check(m, docs, err) {
		typed, err := document.Parse(d)
		if user, ok := check(m, typed, err).(document.User); ok {
			euids[user.Name] = user.EUID
		}
	}
	slices.Sort(refs)
	return euids, slices.Compact(refs)
}

// user is where a revocation would look for one person on one platform.
func (m *meaning) user(p document.Platform, who, euid string) {
	m.t.Helper()
	ctx, platform := m.t.Context(), p.Identifier()
	say := func(kind string, tenants []access.TenantID, err error) {
		m.t.Helper()
		if tenants = check(m, tenants, err); len(tenants) > 0 {
			m.sayf(kind, "%s on %s: %s", who, platform, names(tenants))
		}
	}
	documented, err := m.store.PersonTenants(ctx, who, euid, platform)
	say("user by documents", documented, err)
	alike, err := m.store.PersonTenants(ctx, "", euid, platform)
	say("user by euid", alike, err)
	recorded, err := m.ledger.TenantsOf(ctx, platform, who, nil)
	say("user by name", recorded, err)
	refs, err := m.ledger.RefsOf(ctx, platform, who)
	if refs = check(m, refs, err); len(refs) > 0 {
		m.sayf("user by account", "%s has %s on %s", who, strings.Join(refs, ", "), platform)
	}
	accounts, err := desired.AccountsOf(p, []string{euid})
	held, err2 := m.store.HeldTenants(ctx, platform, refs, check(m, accounts, err))
	say("user pending", held, err2)
	known, err := m.store.KnownRefs(ctx, platform, "name", accounts)
	for _, ref := range check(m, known, err) {
		m.sayf("account", "%s is %s on %s", who, ref, platform)
	}
}

func names(tenants []access.TenantID) string {
	texts := make([]string, len(tenants))
	for i, t := range tenants {
		texts[i] = t.String()
	}
	slices.Sort(texts)
	return strings.Join(texts, ", ")
}

// given asks of every set that was ever filled who of its accounts Rollcall put there.
func (m *meaning) given() {
	m.t.Helper()
	records, err := m.ledger.Records(m.t.Context(), ledger.Filter{Limit: 100_000})
	leaving := map[access.TenantID][]plan.Removal{}
	for _, r := range check(m, records, err) {
		for _, who := range slices.Concat(r.Step.Adds(), r.Step.Removes(), stays(r.Step)) {
			removal := plan.Removal{Object: r.Step.Key(), Ref: who.Ref}
			if !slices.Contains(leaving[r.Run.Tenant], removal) {
				leaving[r.Run.Tenant] = append(leaving[r.Run.Tenant], removal)
			}
		}
	}
	known, err := m.ledger.Given(m.t.Context(), leaving)
	for tenant, removals := range check(m, known, err) {
		for removal := range removals {
			m.sayf("given", "%s %s %q: %s", tenant, removal.Object.Kind, removal.Object, removal.Ref)
		}
	}
}

// stays are the accounts of a binding that a step neither adds nor removes.
func stays(s plan.Step) []access.Member {
	if s.Have.Binding == nil {
		return nil
	}
	return s.Have.Binding.Subjects
}

// revokesTheForgotten revokes users whom only the records name. It changes the
// database, so it comes last.
func (m *meaning) revokesTheForgotten() {
	m.t.Helper()
	forgotten := 0
	euids, _ := m.people("")
	for _, who := range slices.Sorted(maps.Keys(euids)) {
		docs, err := m.store.Documents(m.t.Context(), store.Filter{Kind: document.KindUser, Name: who})
		if len(check(m, docs, err)) > 0 {
			continue
		}
		forgotten++
		if _, err := m.store.Revoke(m.t.Context(), who, "left", storetest.By("hr"), nil); err != nil {
			m.t.Errorf("%s is in the record only, and cannot be revoked: %v", who, err)
		}
	}
	if forgotten == 0 {
		m.t.Error("the record names nobody who has no document any more: the dump has to")
	}
}
