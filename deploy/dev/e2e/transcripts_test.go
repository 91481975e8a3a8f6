package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/connection/connectiontest"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/workflows"
)

// The tenants of the transcripts.
const (
	webSandbox  = "shop.web/sandbox.local"
	dataSandbox = "shop.data/sandbox.local"
	webAnnex    = "shop.web/annex.north"
	dataAnnex   = "shop.data/annex.north"
)

// scenario is what the transcripts record, with the state that its parts share.
type scenario struct {
	*transcripts
	sandbox, annex string // the platforms' files
	documents      string // as they were applied last
	first          *exec.Cmd
}

// TestTranscripts runs every command of rollcall on a stack that fills up as the
// scenario goes on, and compares the JSON, the error stream and the exit code of each
// with testdata/transcripts. starter/transcripts_test.go checks that no command is
// missing.
func TestTranscripts(t *testing.T) {
	dir := t.TempDir()
	s := newScenario(t, dir)
	s.begin()
	for _, part := range []func(){
		s.program, s.applied, s.replicated, s.planned, s.explained, s.adoption, s.guarded, s.decided, s.groupsReplaced, s.usersRevoked,
		s.drifted, s.killed, s.removed, s.waits, s.connected, s.builds, s.forgotten, s.direct,
	} {
		part()
	}
	s.end()
	s.dump()
}

func newScenario(t *testing.T, dir string) *scenario {
	t.Helper()
	s := &scenario{
		transcripts: &transcripts{stack: newStack(t), t: t},
		sandbox:     filepath.Join(dir, "sandbox.json"), annex: filepath.Join(dir, "annex.json"),
	}
	body, err := os.ReadFile(filepath.Join("testdata", "organisation.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	s.documents = string(body)
	s.connect(
		connectiontest.Of("sandbox.local", "memory", map[string]string{
			"file": strconv.Quote(s.sandbox), "limits": "{callsPerSecond: 500, concurrent: 4}",
		}),
		connectiontest.Memory("annex.north", s.annex),
		connectiontest.Memory("depot.south", filepath.Join(dir, "depot.json")),
	)
	s.seed()
	s.known = map[string]string{dir: "/srv/platforms", s.connections: "/srv/connections", s.installation(): "<installation>"}
	return s
}

// seed makes the platforms as they were before Rollcall came.
func (s *scenario) seed() {
	s.t.Helper()
	var people []memory.User
	for name := range strings.FieldsSeq("ada ben cara dora eli fay gus hana ivo kai") {
		people = append(people, memory.User{ID: "u-" + name, Name: name + "@example.com"})
	}
	tenants := []memory.Tenant{{ID: "t-web"}, {ID: "t-data"}}
	mark := access.Mark{Installation: "elsewhere", Tenant: dataSandbox}
	snapshots := map[string]memory.World{
		s.sandbox: {
			Tenants: tenants,
			Users: slices.Concat(people, []memory.User{
				{ID: "u-dirk", Name: "dirk@example.com", Disabled: true},
				{ID: "u-amy", Name: "amy@example.com"}, {ID: "u-amy-again", Name: "amy@example.com"},
				{ID: "u-stranger", Name: "stranger@example.com"},
			}),
			Groups: []memory.Group{
				{ID: "g-admin", Name: "shop-data-admin", Description: "ask Ada", Members: []string{"u-ada", "u-stranger"}},
				{ID: "g-user", Name: "shop-data-user", Description: mark.Text(), Members: []string{"u-gus"}},
				{ID: "g-team", Name: "platform-team", Members: []string{"u-fay"}},
			},
			Bindings: []memory.Binding{
				{ID: "b-admin", Tenant: "t-data", Role: "billing", Group: "g-admin"},
				{ID: "b-team", Tenant: "t-web", Role: "support", Group: "g-team"},
			},
		},
		s.annex: {
			Tenants: tenants,
			Users:   slices.DeleteFunc(slices.Clone(people), func(u memory.User) bool { return u.ID == "u-cara" }),
		},
	}
	for file, world := range snapshots {
		if err := memory.Seed(file, world); err != nil {
			s.t.Fatal(err)
		}
	}
}

// edit changes a platform behind Rollcall's back.
func (s *scenario) edit(file string, change func(*memory.World)) {
	s.t.Helper()
	if err := memory.Edit(file, func(w *memory.World) error { change(w); return nil }); err != nil {
		s.t.Fatal(err)
	}
}

// open opens the database; the caller closes it.
func (s *stack) open() *store.Store {
	s.t.Helper()
	db, err := store.Open(s.t.Context(), s.database)
	if err != nil {
		s.t.Fatal(err)
	}
	return db
}

// installation is the random text in the marks of this database.
func (s *stack) installation() string {
	s.t.Helper()
	db := s.open()
	defer db.Close()
	id, err := db.Installation(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

// program: what needs neither documents nor a worker.
func (s *scenario) program() {
	var build map[string]string
	if err := json.Unmarshal([]byte(s.must(done, "version", "-o", "json")), &build); err != nil {
		s.t.Fatal(err)
	}
	for name, value := range build {
		s.known[fmt.Sprintf("%q: %q", name, value)] = fmt.Sprintf("%q: %q", name, "<"+name+">")
	}
	s.run("help", done, "help")
	s.run("version", done, "version", "-o", "json")
	s.run("platforms", done, "platforms", "-o", "json")
	s.do(command{slug: "schema", args: []string{"schema", "Guard"}, keys: true})
	s.run("migrate", done, "migrate", "-o", "json")
	s.run("codec-refused", invalid, "codec", "--listen", "0.0.0.0:0", "--origin", "http://127.0.0.1:8233")
	s.run("serve-refused", invalid, "serve", "--issuers", "no-such-file.yaml")
	s.run("get-nothing", done, "get", "-o", "json")
}

// input applies documents, or tries to, with the flags.
func (s *scenario) input(slug string, exit int, from, documents string, flags ...string) {
	s.t.Helper()
	s.do(command{slug: slug, exit: exit, input: documents, from: from, args: append([]string{"apply", "-", "-o", "json"}, flags...)})
}

// applied: the documents are refused, shown, stored and read again.
func (s *scenario) applied() {
	s.input("apply-refused", invalid, "organisation.yaml with a misspelt field and an unknown user",
		strings.NewReplacer("displayName: Web", "displayname: Web", "subject: {name: ivo}", "subject: {name: nobody}").Replace(s.documents))
	s.input("apply-shown", done, "organisation.yaml", s.documents, "--dry-run")
	s.input("apply", done, "organisation.yaml", s.documents)
	s.input("apply-unchanged", done, "organisation.yaml", s.documents)
	s.learnAllocated()
	s.run("get", done, "get", "-o", "json")
	s.run("get-kind", done, "get", "users", "-o", "json")
	s.run("get-one", done, "get", "meshTenant", webAnnex, "-o", "json")
	s.run("get-unknown", invalid, "get", "meshTenant", "shop.web/nowhere.east", "-o", "json")
	s.run("export", done, "export", "-o", "json")
	s.run("status-never", done, "status", "-o", "json")
	s.run("explain-never", done, "explain", "ada", webSandbox, "-o", "json")
	s.run("plan-without-worker", failed, "plan", "--all", "-o", "json")
}

// learnAllocated has the parts of names that were drawn written as what they are.
func (s *scenario) learnAllocated() {
	s.t.Helper()
	db := s.open()
	defer db.Close()
	tenants, err := db.Tenants(s.t.Context(), store.TenantFilter{})
	if err != nil {
		s.t.Fatal(err)
	}
	inputs, err := db.TenantInputs(s.t.Context(), tenants)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, in := range inputs {
		s.known["."+in.Drawn.Random[:8]] = fmt.Sprintf(".<random of %d>", in.Drawn.Number)
	}
}

// replicated: a plan, the first replication, one that finds nothing to do, and what
// is known then.
func (s *scenario) replicated() {
	s.first = s.worker()
	s.run("plan", changes, "plan", "--all", "--exit-code", "-o", "json")
	s.run("replicate-all", failed, "replicate", "--all", "--wait", "-o", "json")
	s.run("replicate-tenant", done, "replicate", webSandbox, "--wait", "-o", "json")
	s.run("status", done, "status", "-o", "json")
	s.run("status-of-code", done, "status", "--code", "user-not-found,user-disabled", "-o", "json")
	s.run("status-of-user", done, "status", "--user", "una@example.com", "-o", "json")
	s.run("status-refused", invalid, "status", "--code", "no-such-code", "-o", "json")
}

// planned: a binding with an end is planned before it is stored, stored as it was planned, and
// removed again.
func (s *scenario) planned() {
	binding := `{apiVersion: v3, kind: meshProjectUserBinding, metadata: {name: data-reader-kai}, roleRef: {name: reader}, ` +
		`targetRef: {name: data, ownedByWorkspace: shop}, subject: {name: kai}, spec: {expiresAt: "2034-01-01T12:00:00Z"}}`
	ended := strings.NewReplacer("data-reader-kai", "data-reader-hana", "name: kai", "name: hana", "2034", "2024").Replace(binding)
	from := "a binding that ends in 2034"
	s.do(command{slug: "plan-file", exit: changes, input: binding, from: from, args: []string{"plan", "--file", "-", "--exit-code", "-o", "json"}})
	s.do(command{slug: "plan-file-markdown", exit: done, input: binding, from: from, args: []string{"plan", "--file", "-", "-o", "markdown"}})
	digest := s.digestOf(binding)
	s.concurrent()
	s.run("apply-plan-unknown", invalid, "apply", "--plan", strings.Repeat("0", 32), "-o", "json")
	s.run("apply-plan", done, "apply", "--plan", digest, "-o", "json")
	s.run("status-ends", done, "status", dataSandbox, "-o", "json")
	s.input("apply-ended", done, "a binding that ended in 2024", ended)
	s.input("apply-without-ends", done, "organisation.yaml", s.documents, "--prune", "--yes")
}

// concurrent: another apply stores a document that a plan changes, after it was made. Nothing of
// the plan is stored.
func (s *scenario) concurrent() {
	binding := func(role string) string {
		return `{apiVersion: v3, kind: meshProjectUserBinding, metadata: {name: data-extra-kai}, roleRef: {name: ` + role + `}, ` +
			`targetRef: {name: data, ownedByWorkspace: shop}, subject: {name: kai}}`
	}
	digest := s.digestOf(binding("user"))
	s.apply(binding("reader"))
	s.run("apply-plan-concurrent", invalid, "apply", "--plan", digest, "-o", "json")
	s.run("get-concurrent", done, "get", "meshProjectUserBinding", "data-extra-kai", "-o", "json")
	s.must(done, "delete", "meshProjectUserBinding", "data-extra-kai", "--yes")
}

// digestOf plans documents and returns the digest of the plan.
func (s *scenario) digestOf(documents string) string {
	s.t.Helper()
	var plan struct{ Documents struct{ Digest string } }
	_, text, _ := s.rollcall(documents, "plan", "--file", "-", "-o", "json")
	if err := json.Unmarshal([]byte(text), &plan); err != nil || plan.Documents.Digest == "" {
		s.t.Fatalf("no digest, %v:\n%s", err, text)
	}
	return plan.Documents.Digest
}

// explained: one person for each reason to have or lack access.
func (s *scenario) explained() {
	for _, who := range []struct{ slug, person, tenant string }{
		{"bound", "ada", webSandbox},
		{"in-a-group", "eli@example.com", webSandbox},
		{"without-euid", "nils", webSandbox},
		{"not-found", "una", webSandbox},
		{"disabled", "dirk", webSandbox},
		{"ambiguous", "amy", webSandbox},
		{"unmapped", "ivo", webSandbox},
		{"provisioned", "cara", webAnnex},
		{"unmanaged-group", "cara", dataSandbox},
		{"no-platform-tenant", "hana", "labs.probe/sandbox.local"},
		{"no-binding", "dora", dataSandbox},
		{"no-tenant", "ada", "labs.probe/annex.north"},
		{"no-platform", "ada", "shop.web/nowhere.east"},
	} {
		s.run("explain-"+who.slug, done, "explain", who.person, who.tenant, "-o", "json")
	}
	s.edit(s.sandbox, func(w *memory.World) { w.Tenants = append(w.Tenants, memory.Tenant{ID: "t-probe"}) })
	s.run("explain-tenant", done, "explain", dataSandbox, "-o", "json")
	s.run("explain-unknown", invalid, "explain", "nobody", webSandbox, "-o", "json")
}

// adoption: a group that somebody made by hand is taken over.
func (s *scenario) adoption() {
	s.run("adopt-none", done, "adopt", "-o", "json")
	s.run("adopt-shown", done, "adopt", dataSandbox, "--dry-run", "-o", "json")
	s.run("adopt-refused", invalid, "adopt", dataSandbox, "shop-data-user", "--reason", "CHG-77", "--as", "ada", "--yes", "-o", "json")
	s.run("adopt", done, "adopt", dataSandbox, "shop-data-admin", "--reason", "made by hand, CHG-77", "--as", "ada", "--yes", "--wait", "-o", "json")
	s.run("adopt-listed", done, "adopt", "-o", "json")
	s.run("explain-adopted", done, "explain", "ada", dataSandbox, "-o", "json")
}

// leave applies the documents without those of the names, from now on.
func (s *scenario) leave(names ...string) {
	s.documents = without(s.documents, names...)
}

// change replaces a part of the documents from now on.
func (s *scenario) change(from, to string) {
	s.t.Helper()
	if !strings.Contains(s.documents, from) {
		s.t.Fatalf("the documents lack %q", from)
	}
	s.documents = strings.ReplaceAll(s.documents, from, to)
}

// guarded: three of a group leave at once, which a guard holds.
func (s *scenario) guarded() {
	s.run("approve-nothing", done, "approve", "-o", "json")
	s.leave("web-user-ben", "web-user-cara", "web-user-dora", "web-reader-kai", "kai")
	s.input("apply-prune-unasked", invalid, "organisation.yaml without four bindings and a user", s.documents, "--prune")
	s.input("apply-prune", done, "organisation.yaml without four bindings and a user", s.documents, "--prune", "--yes")
	s.run("plan-pending", changes, "plan", webSandbox, "--exit-code", "-o", "json")
	s.run("replicate-pending", waiting, "replicate", "--workspace", "shop", "--wait", "-o", "json")
	s.run("status-pending", done, "status", "--workspace", "shop", "-o", "json")
	s.run("explain-pending", done, "explain", "ben", webSandbox, "-o", "json")
}

// digest names what is held on a tenant.
func (s *scenario) digest(tenant string) string {
	s.t.Helper()
	for _, h := range s.held() {
		if h.Tenant+"/"+h.Platform == tenant {
			s.known[h.Digest] = "<digest held on " + tenant + ">"
			return h.Digest
		}
	}
	s.t.Fatalf("nothing is held on %s", tenant)
	return ""
}

// decided: one removal is rejected, one approved, one left open; on the other
// platform all are approved, which does not answer yet.
func (s *scenario) decided() {
	held := s.digest(webSandbox)
	s.run("approve-listed", done, "approve", "-o", "json")
	s.run("approve-mistaken", invalid, "approve", webSandbox, "no-such-digest", "--reason", "left", "--as", "ada", "-o", "json")
	s.run("reject", done, "reject", webSandbox, held, "--only", "ben@example.com", "--reason", "wrong export, INC-77", "--as", "ada", "-o", "json")
	s.idle()
	s.run("approve-one", waiting, "approve", webSandbox, held, "--only", "cara@example.com", "--reason", "left, CHG-12", "--as", "ada", "--wait", "-o", "json")
	s.run("explain-rejected", done, "explain", "ben", webSandbox, "-o", "json")
	s.run("explain-undecided", done, "explain", "dora", webSandbox, "-o", "json")

	breakPlatform(s.t, s.annex, memory.Fault{Op: "*", Class: "unavailable"})
	s.run("approve-all", done, "approve", webAnnex, s.digest(webAnnex), "--reason", "left, CHG-12", "--as", "ada", "-o", "json")
	s.run("explain-approved", done, "explain", "ben", webAnnex, "-o", "json")
	breakPlatform(s.t, s.annex)
	s.idle()
	s.run("plan-waiting", waiting, "plan", webSandbox, "--exit-code", "-o", "json")
	s.run("status-decided", done, "status", "--workspace", "shop", "-o", "json")
}

// idle waits until no run is open.
func (s *scenario) idle() {
	s.t.Helper()
	s.eventually("all runs to end", func() bool {
		var status struct{ Live []struct{ Workflow string } }
		if err := json.Unmarshal([]byte(s.must(done, "status", "-o", "json")), &status); err != nil {
			s.t.Fatal(err)
		}
		return !slices.ContainsFunc(status.Live, func(l struct{ Workflow string }) bool { return l.Workflow != "" })
	})
}

// groupsReplaced: groups get other names, one of which has a role of somebody else's,
// and one of which holds people back.
func (s *scenario) groupsReplaced() {
	s.change("groupAlias: admin, roles: [owner]", "groupAlias: leads, roles: [owner]")
	s.input("apply-replaced", done, "organisation.yaml with admin called leads", s.documents)
	s.run("plan-replaced", changes, "plan", dataSandbox, "--exit-code", "-o", "json")
	s.run("replicate-replaced", waiting, "replicate", "--project", "shop.data", "--wait", "-o", "json")
	s.run("approve-copied-listed", done, "approve", "-o", "json")
	s.run("explain-replacing", done, "explain", "ben", dataSandbox, "-o", "json")
	s.run("approve-copied", done, "approve", dataSandbox, s.digest(dataSandbox), "--reason", "billing goes on", "--as", "ada", "--wait", "-o", "json")
	s.run("explain-replaced", done, "explain", "ben", dataSandbox, "-o", "json")
	s.change("rename: recreate", "rename: in-place")
	s.change("groupAlias: reader, roles: [viewer]", "groupAlias: viewers, roles: [viewer, auditor]")
	s.apply(s.documents)
	s.run("replicate-in-place", waiting, "replicate", "--platform", "sandbox.local", "--wait", "-o", "json")
	s.run("explain-replaced-in-place", done, "explain", "hana", dataSandbox, "-o", "json")
}

// usersRevoked: one person's access is revoked and given back; another one's stays
// revoked, where one platform refuses.
func (s *scenario) usersRevoked() {
	s.run("revoke-none", done, "revoke", "-o", "json")
	// The command ends when the platforms have accepted: what it shows then depends on how
	// far the verification is.
	s.must(done, "revoke", "fay", "--reason", "left, HR-1", "--as", "hr", "--wait")
	s.verified("fay")
	s.run("revoke-shown", done, "revoke", "fay", "-o", "json")
	s.idle() // the runs that the verification starts observe the tenants
	s.run("explain-revoked", done, "explain", "fay", webSandbox, "-o", "json")
	s.run("revoke-lifted", waiting, "revoke", "--lift", "fay", "--reason", "back", "--as", "hr", "--wait", "-o", "json")
	s.run("revoke-lifted-shown", done, "revoke", "fay", "-o", "json")
	s.run("revoke-unknown", invalid, "revoke", "nobody", "--reason", "left", "--as", "hr", "-o", "json")

	breakPlatform(s.t, s.annex, memory.Fault{Op: "write:*", Class: "denied"})
	s.must(failed, "revoke", "gus", "--reason", "left, HR-2", "--as", "hr", "--wait")
	s.eventually("the other platform", func() bool {
		_, on := s.revocation("gus")
		return on["sandbox.local"].State == string(store.RevocationDone)
	})
	s.run("revoke-denied", done, "revoke", "gus", "-o", "json")
	s.run("revoke-listed", done, "revoke", "-o", "json")
	breakPlatform(s.t, s.annex)
	s.idle()
	s.must(done, "revoke", "gus", "--reason", "the annex answers again, HR-2", "--as", "hr", "--wait")
	s.verified("gus")
	s.verificationsEnded("gus")
	s.idle()
	s.run("revoke-repeated", done, "revoke", "--list", "-o", "json")
}

// verificationsEnded waits for the runs that verify a revocation: they start runs of tenants
// after they have stored the end of the verification.
func (s *scenario) verificationsEnded(user string) {
	s.t.Helper()
	db := s.open()
	defer db.Close()
	found, err := db.Revocations(s.t.Context(), store.RevocationFilter{Person: user})
	if err != nil || len(found) != 1 {
		s.t.Fatalf("%d revocations, %v, want one", len(found), err)
	}
	for _, p := range found[0].Platforms {
		id := workflows.VerifyRevocationID(found[0].ID, p.Platform)
		if err := s.client().GetWorkflow(s.t.Context(), id, "").Get(s.t.Context(), nil); err != nil {
			s.t.Fatal(err)
		}
	}
}

// drifted: others put somebody into a group of ours and give it a role.
func (s *scenario) drifted() {
	s.edit(s.sandbox, func(w *memory.World) {
		i := slices.IndexFunc(w.Groups, func(g memory.Group) bool { return g.Name == "shop-web-leads" })
		w.Groups[i].Members = append(w.Groups[i].Members, "u-stranger")
		w.Bindings = append(w.Bindings, memory.Binding{ID: "b-extra", Tenant: "t-web", Role: "extra", Group: w.Groups[i].ID})
	})
	s.edit(s.annex, func(w *memory.World) {
		i := slices.IndexFunc(w.Groups, func(g memory.Group) bool { return strings.HasPrefix(g.Name, "staff.") })
		w.Bindings = append(w.Bindings, memory.Binding{ID: "b-extra", Tenant: "t-web", Role: "extra", Group: w.Groups[i].ID})
	})
	s.run("replicate-drifted", waiting, "replicate", "--all", "--wait", "-o", "json")
	s.run("replicate-repaired", waiting, "replicate", "--all", "--wait", "-o", "json")
	s.run("status-ended", done, "status", "--ended", "-o", "json")
}

// killed: a command dies between the commit of a change and the start of its runs. The worker
// starts them.
func (s *scenario) killed() {
	const binding = `{apiVersion: v3, kind: meshProjectUserBinding, metadata: {name: data-user-dora}, roleRef: {name: user}, ` +
		`targetRef: {name: data, ownedByWorkspace: shop}, subject: {name: dora}}`
	db := s.open()
	defer db.Close()
	before := changesOf(s.t, db)
	// The platforms do not answer, so that the run is open when status shows it.
	for _, file := range []string{s.sandbox, s.annex} {
		breakPlatform(s.t, file, memory.Fault{Op: "*", Class: "unavailable"})
	}
	// Temporal accepts the connection of the command and never answers.
	listener, err := (&net.ListenConfig{}).Listen(s.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	cmd := exec.Command(filepath.Join(s.bin, "rollcall"), "apply", "-", "--replicate")
	cmd.Env, cmd.Stdin = append(slices.Clone(s.environ), "TEMPORAL_ADDRESS="+listener.Addr().String()), strings.NewReader(binding)
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.eventually("the commit", func() bool { return changesOf(s.t, db) > before })
	kill(cmd)
	s.eventually("an outbox that the worker has emptied", func() bool {
		state, err := db.Outbox(s.t.Context())
		return err == nil && state.Starts == 0
	})
	s.do(command{
		slug: "status-killed", args: []string{"status", "--project", "shop.data", "-o", "json"},
		until: func(out string) bool { return strings.Count(out, `"next_try_ms"`) == 2 },
	})
	for _, file := range []string{s.sandbox, s.annex} {
		breakPlatform(s.t, file)
	}
	s.idle()
	s.run("explain-killed", done, "explain", "dora", dataAnnex, "-o", "json")
	s.must(done, "delete", "meshProjectUserBinding", "data-user-dora", "--yes")
	s.rollcall("", "replicate", "--project", "shop.data", "--wait")
}

// removed: documents go, and with them a tenant that is to be cleaned up; others
// come, of a platform that is not replicated yet.
func (s *scenario) removed() {
	s.run("delete-refused", invalid, "delete", "meshUser", "ada", "--yes", "-o", "json")
	s.run("delete", done, "delete", "meshTenant", dataAnnex, "--yes", "-o", "json")
	s.run("replicate-removed", waiting, "replicate", "--platform", "annex.north", "--wait", "-o", "json")
	s.run("explain-removed", done, "explain", "ivo", dataAnnex, "-o", "json")
	s.input("apply-replicate", done, "one binding more", `{apiVersion: v3, kind: meshProjectUserBinding, metadata: {name: web-user-ivo}, `+
		`roleRef: {name: user}, targetRef: {name: web, ownedByWorkspace: shop}, subject: {name: ivo}}`, "--replicate")
	s.idle()
	s.input("apply-project", done, "a third platform with a tenant",
		`{apiVersion: v1, kind: meshPlatform, metadata: {name: depot}, spec: {displayName: Depot, locationRef: {name: south}, config: {memory: {replication: {groupNamePattern: "depot-#{projectIdentifier}-#{platformGroupAlias}", roleMappings: [{projectRoleRef: {name: user}, groupAlias: user, roles: [developer]}]}}}}}
---
{apiVersion: v4, kind: meshTenant, metadata: {ownedByWorkspace: shop, ownedByProject: web}, spec: {platformIdentifier: depot.south, platformTenantId: t-web}}`)
	s.run("status-removed", done, "status", "-o", "json")
	s.run("export-allocated", done, "export", "-o", "json")
}

// waits: a platform does not answer, and Temporal does not.
func (s *scenario) waits() {
	breakPlatform(s.t, s.annex, memory.Fault{Op: "*", Class: "unavailable"})
	s.run("replicate-started", done, "replicate", webAnnex, "-o", "json")
	s.do(command{
		slug: "status-waits", args: []string{"status", "--platform", "annex.north", "-o", "json"},
		until: func(out string) bool { return strings.Contains(out, `"next_try_ms"`) },
	})
	environ := s.environ
	s.environ = append(slices.Clone(environ), "TEMPORAL_ADDRESS=127.0.0.1:1")
	s.run("status-without-temporal", done, "status", "--platform", "annex.north", "-o", "json")
	s.environ = environ
}

// connected: the accounts that the worker holds. One of their platforms does not
// answer, one connection was taken away, and one is wrong.
func (s *scenario) connected() {
	s.disconnect("depot.south")
	s.put("wrong.yaml", "{kind: Connection, name: wrong, type: memory, usedBy: [wrong.west], path: wrong.json}")
	s.do(command{
		slug: "connection-list", args: []string{"connection", "list", "-o", "json"},
		until: func(out string) bool {
			return strings.Contains(out, `"platform": "depot.south"`) && strings.Contains(out, `"name": "wrong"`)
		},
	})
	s.run("connection-check", done, "connection", "check", "sandbox.local", "-o", "json")
	s.run("connection-check-refused", failed, "connection", "check", "-o", "json")
	s.disconnect("wrong")
	s.run("connection-extract-nothing", failed, "connection", "extract")
	s.former()
	s.run("connection-extract", done, "connection", "extract")
}

// former stores what the migration of an earlier version's platforms leaves.
func (s *scenario) former() {
	s.t.Helper()
	db := s.open()
	defer db.Close()
	_, err := db.Pool().Exec(s.t.Context(), `INSERT INTO former_connections VALUES
		('sandbox.local', 'memory', '{"file": "/srv/platforms/sandbox.json", "replication": {"budget": {"callsPerSecond": 500, "concurrent": 4}}}'),
		('cluster.west', 'kubernetes', '{"server": "https://cluster.example.com", "replication": {"credentials": {"environment": {"prefix": "CLUSTER"}}}}')`)
	if err != nil {
		s.t.Fatal(err)
	}
}

// direct: commands that use the database are switched off, and on again.
func (s *scenario) direct() {
	s.run("direct-mode", done, "database", "direct-mode", "-o", "json")
	s.run("direct-mode-off", done, "database", "direct-mode", "off", "--reason", "all callers sign in", "-o", "json")
	s.run("direct-mode-refused", failed, "get", "-o", "json")
	s.run("direct-mode-on", done, "database", "direct-mode", "on", "--reason", "INC-7", "-o", "json")
	s.run("audit", done, "audit", "--refused", "-o", "json")
	s.run("grant-refused", failed, "database", "grant", "--writer", "no_such_role", "-o", "json")
}

// forgotten: the cleanup of a platform that no longer exists is given up.
func (s *scenario) forgotten() {
	forget := []string{"forget", "depot.south", "--reason", "decommissioned, OPS-77", "--as", "ada", "-o", "json"}
	s.run("forget-refused", invalid, append(forget, "--yes")...)
	s.must(done, "delete", "meshTenant", "shop.web/depot.south", "--yes")
	s.must(done, "delete", "meshPlatform", "depot.south", "--yes")
	s.run("forget-shown", done, forget...)
	s.run("forget", done, append(forget, "--yes")...)
	s.run("forget-listed", done, "forget", "--list", "-o", "json")
}

// builds: another build takes over, and the run that the one before leaves.
func (s *scenario) builds() {
	s.second()
	s.do(command{
		slug: "worker-versions", args: []string{"worker", "versions", "-o", "json"},
		until: func(out string) bool { return strings.Count(out, `"open_runs": 1`) == 1 },
	})
	s.run("worker-ramp", done, "worker", "ramp", secondBuild, "10", "--yes", "-o", "json")
	s.run("worker-versions-ramping", done, "worker", "versions", "-o", "json")
	s.run("worker-ramp-none", done, "worker", "ramp", secondBuild, "0", "--yes", "-o", "json")
	s.run("worker-current-refused", failed, "worker", "current", "e2e-3", "--yes", "-o", "json")
	s.run("worker-current", done, "worker", "current", secondBuild, "--yes", "-o", "json")
	s.terminate(s.first)
	s.do(command{
		slug: "worker-versions-left", args: []string{"worker", "versions", "-o", "json"},
		until: func(out string) bool { return strings.Count(out, `"workers": 0`) == 1 },
	})
	s.run("worker-move", done, "worker", "move", "--from", firstBuild, "--yes", "-o", "json")
	breakPlatform(s.t, s.annex)
	s.idle()
	s.run("status-last", done, "status", "-o", "json")
}
