package activities_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/connection/connectiontest"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/aws"
	"github.com/rollcall-iam/rollcall/internal/driver/azure"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest/faultproxy"
	"github.com/rollcall-iam/rollcall/internal/driver/gcp"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/simulate"
	simaws "github.com/rollcall-iam/rollcall/internal/simulate/aws"
	simazure "github.com/rollcall-iam/rollcall/internal/simulate/azure"
	simgoogle "github.com/rollcall-iam/rollcall/internal/simulate/google"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
)

// stage is a platform on which an incident is played again: tenants, people, and
// the activities that serve them.
type stage struct {
	lab
	kind string // of the platform
	open driver.Open
	// config is spec.config of the platform; %s stands for more replication settings.
	config string
	// connection are the fields of the platform's connection.
	connection map[string]string
	// roles are those of the platform that the project role maps to.
	roles []string
	// ids are the platform's own of the tenants, by project.
	ids map[string]string
	// euids are of people whose euid is not their name; an empty one is left out.
	euids map[string]string
	// more are further replication settings, each with a comma behind it.
	more string
	// alias is the platformGroupAlias, "user" where it is empty.
	alias string
	pass  int
}

// newStage gives a platform type a database of its own.
func newStage(t *testing.T, kind string, open driver.Open, roles ...string) *stage {
	t.Helper()
	database := storetest.URL(t)
	db, err := store.Open(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	s := &stage{kind: kind, open: open, roles: roles, ids: map[string]string{}, euids: map[string]string{}}
	s.lab = lab{t: t, store: db, ledger: ledger.New(db)}
	return s
}

// stageAuth is where the clouds' credentials are.
const stageAuth = "{environment: {prefix: LAB}}"

// connect starts a worker that holds a connection with these fields.
func (s *stage) connect(fields map[string]string) {
	s.connection = fields
	s.restart()
}

// restart replaces the worker: what it remembered is gone, the database is not.
func (s *stage) restart() {
	s.platform = activities.NewPlatform(s.store, s.ledger, "lab", connectiontest.Drivers(s.t, s.store,
		map[string]driver.Open{s.kind: s.open}, connectiontest.Of("stage.local", s.kind, s.connection)))
	s.env = (&testsuite.WorkflowTestSuite{}).NewTestActivityEnvironment()
	s.env.SetTestTimeout(time.Minute)
	s.platform.Register(s.env)
}

// laterRun makes what was recorded so far that of an earlier run: activities in a test
// environment all have the same run ID. A run does not try a refused step again.
func (l *lab) laterRun() {
	l.t.Helper()
	if _, err := l.store.Pool().Exec(l.t.Context(), `UPDATE records SET run_id = 'earlier ' || run_id`); err != nil {
		l.t.Fatal(err)
	}
}

func (s *stage) tenant(project string) access.TenantID {
	return access.TenantID{Workspace: "acme", Project: project, Platform: "stage.local"}
}

// group is the name of a project's only group.
func group(project string) string { return project + "-user" }

// ask stores documents in which these people have the role on each project; one
// that is not named is no tenant.
func (s *stage) ask(projects map[string][]string) store.Changes {
	s.t.Helper()
	changes, err := s.store.Apply(s.t.Context(), store.ApplyRequest{Documents: s.documents(projects), Prune: true})
	if err != nil {
		s.t.Fatal(err)
	}
	return changes
}

func (s *stage) documents(projects map[string][]string) []document.Document {
	s.t.Helper()
	var b strings.Builder
	write := func(format string, args ...any) { fmt.Fprintf(&b, "---\n"+format+"\n", args...) }
	write(`{apiVersion: v1, kind: meshWorkspace, metadata: {name: acme}, spec: {displayName: Acme}}`)
	write(`{apiVersion: v1, kind: meshProjectRole, metadata: {name: user}, spec: {name: User, rank: 1}}`)
	mapping := fmt.Sprintf(`%s roleMappings: [{projectRoleRef: {name: user}, groupAlias: %s, roles: [%s]}]`, s.more, cmp.Or(s.alias, "user"), strings.Join(s.roles, ", "))
	write(`{apiVersion: v1, kind: meshPlatform, metadata: {name: stage}, spec: {displayName: S, locationRef: {name: local}, config: %s}}`,
		fmt.Sprintf(s.config, `groupNamePattern: "#{projectIdentifier}-#{platformGroupAlias}", `+mapping))
	for _, p := range everybody(projects) {
		euid, other := s.euids[p]
		if !other {
			euid = p
		}
		field := ""
		if euid != "" {
			field = fmt.Sprintf(", euid: %q", euid)
		}
		write(`{apiVersion: v2, kind: meshUser, metadata: {name: %s}, spec: {email: %s@mail.example.com, firstName: A, lastName: B%s}}`, p, p, field)
	}
	for _, project := range slices.Sorted(maps.Keys(projects)) {
		write(`{apiVersion: v2, kind: meshProject, metadata: {name: %s, ownedByWorkspace: acme}, spec: {displayName: P}}`, project)
		write(`{apiVersion: v4, kind: meshTenant, metadata: {ownedByWorkspace: acme, ownedByProject: %s}, spec: {platformIdentifier: stage.local, platformTenantId: %q}}`,
			project, s.ids[project])
		for _, p := range projects[project] {
			write(`{apiVersion: v3, kind: meshProjectUserBinding, metadata: {name: %s-%s}, roleRef: {name: user}, targetRef: {name: %s, ownedByWorkspace: acme}, subject: {name: %s}}`,
				project, p, project, p)
		}
	}
	docs, _, err := document.Decode(strings.NewReader(b.String()), "stage")
	if err != nil {
		s.t.Fatal(err)
	}
	return docs
}

// everybody are the people of all projects, and those who are always there.
func everybody(projects map[string][]string) []string {
	all := slices.Clone(people)
	for _, members := range projects {
		all = append(all, members...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// look runs the Plan activity for one project.
func (s *stage) look(project string, in activities.PlanInput) (activities.PlanOutput, error) {
	s.t.Helper()
	in.Tenant = s.tenant(project)
	return execute[activities.PlanOutput](&s.lab, activities.PlanActivity, in)
}

// must is look for a plan that has to be made.
func (s *stage) must(project string, in activities.PlanInput) activities.PlanOutput {
	s.t.Helper()
	p, err := s.look(project, in)
	if err != nil {
		s.t.Fatalf("plan %s: %v", project, err)
	}
	return p
}

// verify plans as Temporal has it done: while the platform may not show what was written, it
// looks again after the delay that the attempt asks for.
func (s *stage) verify(project string, in activities.PlanInput) activities.PlanOutput {
	s.t.Helper()
	in.Tenant = s.tenant(project)
	for ends := time.Now().Add(in.Patience); ; {
		p, err := execute[activities.PlanOutput](&s.lab, activities.VerifyActivity, in)
		app, failed := errors.AsType[*temporal.ApplicationError](err)
		switch {
		case err == nil:
			return p
		case !failed || app.Type() != activities.TypePending:
			s.t.Fatalf("plan %s: %v", project, err)
		}
		time.Sleep(app.NextRetryDelay())
		in.Patience = max(0, time.Until(ends))
	}
}

// carryOut runs the Apply activity for each batch of a plan, as far as it holds.
func (s *stage) carryOut(project string, p activities.PlanOutput) (all activities.ApplyOutput, err error) {
	s.t.Helper()
	s.pass++
	for _, batch := range p.Batches {
		out, err := s.applyBatch(project, p, batch)
		all.Done, all.Refused, all.Replan = all.Done+out.Done, all.Refused+out.Refused, out.Replan
		if err != nil || out.Replan || out.Refused > 0 {
			return all, err
		}
	}
	return all, nil
}

func (s *stage) applyBatch(project string, p activities.PlanOutput, batch activities.Batch) (activities.ApplyOutput, error) {
	return execute[activities.ApplyOutput](&s.lab, activities.ApplyActivity, activities.ApplyInput{
		Tenant: s.tenant(project), Digest: p.Digest, Desired: p.Desired, Pass: s.pass, Batch: batch,
	})
}

// run replicates projects as the workflow does: what fails for now is tried
// again, what does not hold is planned again, what was written is verified.
func (s *stage) run(projects ...string) {
	s.t.Helper()
	for _, project := range projects {
		plans := 0
		var patience time.Duration
		var done activities.Tally
		for {
			plans++
			if plans > 12 {
				s.t.Fatalf("%s does not settle", project)
			}
			p := s.verify(project, activities.PlanInput{Done: done, Patience: patience, Fresh: patience == 0 && plans > 1})
			if p.Outcome != activities.Open {
				break
			}
			replan := s.persist(project, p, &done)
			patience = p.Settle
			if replan {
				patience = 0
				time.Sleep(min(p.Settle, 200*time.Millisecond))
			}
		}
	}
}

// persist applies a plan until nothing of it fails for now.
func (s *stage) persist(project string, p activities.PlanOutput, done *activities.Tally) (replan bool) {
	s.t.Helper()
	s.pass++
	tries := 0
	for _, batch := range p.Batches {
		for {
			tries++
			out, err := s.applyBatch(project, p, batch)
			if err == nil && out.Refused == 0 {
				done.Steps += out.Done
				if out.Replan {
					return true
				}
				break
			}
			app, _ := errors.AsType[*temporal.ApplicationError](err)
			if app == nil || app.NonRetryable() || tries > 60 {
				s.t.Fatalf("apply %s: %+v, %v", project, out, err)
			}
			time.Sleep(min(max(app.NextRetryDelay(), 50*time.Millisecond), time.Second))
		}
	}
	return false
}

// survey looks at all tenants together.
func (s *stage) survey() activities.DetectDriftOutput {
	s.t.Helper()
	out, err := execute[activities.DetectDriftOutput](&s.lab, activities.DetectDriftActivity, activities.DetectDriftInput{Platform: "stage.local", Limit: 500})
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

// status returns how a project stands, with the codes of its remarks.
func (s *stage) status(project string) (outcome activities.Outcome, codes []access.Code) {
	s.t.Helper()
	all, err := s.store.Statuses(s.t.Context(), store.TenantFilter{})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, one := range all {
		if one.Tenant == s.tenant(project) {
			for _, r := range one.Remarks {
				codes = append(codes, r.Code)
			}
			return activities.Outcome(one.Outcome), codes
		}
	}
	return "none", nil
}

// conclude ends a run that did not converge.
func (s *stage) conclude(project string, p activities.PlanOutput, outcome activities.Outcome) {
	s.t.Helper()
	_, err := execute[activities.RecordOutcomeOutput](&s.lab, activities.RecordOutcomeActivity, activities.RecordOutcomeInput{
		Tenant: s.tenant(project), Outcome: outcome, Digest: p.Digest, Pass: s.pass,
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// retryable demands an error that Temporal tries again.
func (s *stage) retryable(err error, types ...string) {
	s.t.Helper()
	app, ok := errors.AsType[*temporal.ApplicationError](err)
	if !ok || app.NonRetryable() || !slices.Contains(types, app.Type()) {
		s.t.Fatalf("got the error %v, want one that is tried again, of the types %v", err, types)
	}
}

// memoryStage is a stage on a memory platform with those projects.
func memoryStage(t *testing.T, page int, projects ...string) *stage {
	t.Helper()
	s := newStage(t, "memory", paged(page), "developer")
	s.file = filepath.Join(t.TempDir(), "world.json")
	var w memory.World
	for _, p := range people {
		w.Users = append(w.Users, memory.User{ID: "u-" + p, Name: p})
	}
	for _, project := range projects {
		w.Tenants = append(w.Tenants, memory.Tenant{ID: "t-" + project})
		s.ids[project] = "t-" + project
	}
	if err := memory.Seed(s.file, w); err != nil {
		t.Fatal(err)
	}
	s.config = `{memory: {replication: {%s}}}`
	s.connect(map[string]string{"file": strconv.Quote(s.file)})
	return s
}

// paged opens memory platforms whose lists have pages of that size.
func paged(page int) driver.Open {
	return func(ctx context.Context, config driver.Config) (driver.Driver, error) {
		settings := string(config.Connection.Settings)
		config.Connection.Settings = json.RawMessage(strings.Replace(settings, "{", fmt.Sprintf(`{"pageSize": %d, `, page), 1))
		return memory.Open(ctx, config)
	}
}

// world reads the memory platform behind Rollcall's back.
func (s *stage) world() memory.World {
	s.t.Helper()
	w, err := memory.Read(s.file)
	if err != nil {
		s.t.Fatal(err)
	}
	w.Faults, w.Revision = nil, 0
	return w
}

// breaks makes calls to the memory platform fail; without faults it mends it.
func (s *stage) breaks(faults ...memory.Fault) {
	s.t.Helper()
	s.edit(func(w *memory.World) { w.Faults = faults })
}

// front serves a simulated cloud behind a proxy, and counts answers by status.
type front struct {
	proxy  *faultproxy.Proxy
	direct string // past the proxy

	mu      sync.Mutex
	answers map[int]int
}

func newFront(t *testing.T) (f *front, serve func(http.Handler)) {
	t.Helper()
	f = &front{answers: map[int]int{}}
	var behind http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		noted := &noting{ResponseWriter: w, status: http.StatusOK}
		defer func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.answers[noted.status]++
		}()
		behind.ServeHTTP(noted, r)
	}))
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	target, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	f.proxy, f.direct = faultproxy.New(t, target), server.URL
	return f, func(h http.Handler) { behind = h }
}

// answered returns how often the cloud answered with a status.
func (f *front) answered(status int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.answers[status]
}

// noting remembers an answer's status.
type noting struct {
	http.ResponseWriter
	status int
}

func (n *noting) WriteHeader(status int) {
	n.status = status
	n.ResponseWriter.WriteHeader(status)
}

func (n *noting) Flush() {
	if f, ok := n.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

// awsStage is a stage on a simulated AWS.
type awsStage struct {
	*stage
	*front
	cloud *simaws.Server
	sets  map[string]string // ARNs by name
	users map[string]string // ids by name
}

const stageSecret = "the-secret-of-the-stage"

func newAWSStage(t *testing.T, projects ...string) *awsStage {
	t.Helper()
	var options simaws.Options
	t.Setenv("LAB_ACCESS_KEY_ID", "AKIAROLLCALLTEST0000")
	t.Setenv("LAB_SECRET_ACCESS_KEY", stageSecret)
	s := &awsStage{stage: newStage(t, "aws", aws.Open, "PowerUserAccess"), sets: map[string]string{}, users: map[string]string{}}
	f, serve := newFront(t)
	s.front = f
	options.AccessKey, options.SecretKey = "AKIAROLLCALLTEST0000", stageSecret
	options.Hosts = []string{strings.TrimPrefix(f.proxy.URL(), "http://")}
	options.Stale, options.Assignment = -1, 20*time.Millisecond
	var err error
	if s.cloud, err = simaws.New(options); err != nil {
		t.Fatal(err)
	}
	serve(s.cloud)
	for _, name := range []string{"PowerUserAccess", "AdministratorAccess"} {
		s.sets[name] = s.cloud.PermissionSet(name)
	}
	for i, project := range projects {
		s.ids[project] = fmt.Sprintf("%012d", 300000000000+i)
		s.cloud.Account(s.ids[project], project)
	}
	for _, p := range people {
		s.users[p] = s.cloud.User(p)
	}
	s.config = `{aws: {replication: {%s}}}`
	s.connect(map[string]string{"region": "eu-central-1", "endpoint": strconv.Quote(f.proxy.URL()), "auth": stageAuth})
	return s
}

// azureStage is a stage on a simulated Azure; projects are resource groups.
type azureStage struct {
	*stage
	*front
	cloud  *simazure.Server
	tenant string // the Entra tenant
	sub    string
	users  map[string]string // ids by name
}

func newAzureStage(t *testing.T, options simazure.Options, projects ...string) *azureStage {
	t.Helper()
	const client = "11111111-2222-3333-4444-555555555555"
	t.Setenv("LAB_CLIENT_ID", client)
	t.Setenv("LAB_CLIENT_SECRET", stageSecret)
	s := &azureStage{stage: newStage(t, "azure", azure.Open, "Reader"), users: map[string]string{}}
	f, serve := newFront(t)
	s.front = f
	if options.Stale == 0 {
		options.Stale = -1
	}
	var err error
	if s.cloud, err = simazure.New(options); err != nil {
		t.Fatal(err)
	}
	serve(s.cloud)
	s.tenant = s.cloud.AddTenant("", "example.com")
	s.cloud.AddApp(s.tenant, client, stageSecret)
	s.sub = s.cloud.AddSubscription(s.tenant, "")
	for _, project := range projects {
		s.ids[project] = s.cloud.AddResourceGroup(s.sub, project)
	}
	for _, p := range people {
		s.users[p] = s.cloud.AddUser(s.tenant, p+"@example.com", "", true)
	}
	s.config = `{azure: {replication: {euidPattern: "%%s@example.com", userLookUpStrategy: userByUsername, %s}}}`
	s.connect(map[string]string{
		"tenantId": strconv.Quote(s.tenant), "auth": stageAuth,
		"endpoints":    fmt.Sprintf("{login: %q, graph: %q, resourceManager: %q}", f.direct, f.proxy.URL(), f.proxy.URL()),
		"redirectUrls": `["https://portal.azure.com", "https://portal.example.com"]`,
	})
	return s
}

// named returns the groups of that name.
func (s *azureStage) named(name string) (found []simazure.Group) {
	for _, g := range s.cloud.Groups(s.tenant) {
		if g.DisplayName == name {
			found = append(found, g)
		}
	}
	return found
}

// googleKey makes the one key pair of all tests: that takes a while.
var googleKey = sync.OnceValues(simgoogle.NewKey)

// googleStage is a stage on a simulated Google Cloud.
type googleStage struct {
	*stage
	*front
	cloud *simgoogle.Server
}

func newGoogleStage(t *testing.T, options simgoogle.Options, projects ...string) *googleStage {
	t.Helper()
	const robot = "rollcall@rollcall.iam.gserviceaccount.com"
	s := &googleStage{stage: newStage(t, "gcp", gcp.Open, "roles/viewer")}
	f, serve := newFront(t)
	s.front = f
	if options.Stale == 0 {
		options.Stale = -1
	}
	if options.IAMLag == 0 {
		options.IAMLag = -1
	}
	var err error
	if s.cloud, err = simgoogle.New(options); err != nil {
		t.Fatal(err)
	}
	serve(s.cloud)
	pair, err := googleKey()
	if err != nil {
		t.Fatal(err)
	}
	s.cloud.AddAccount(simgoogle.Account{Email: robot, PublicKey: pair.Public, GroupsAdmin: true, UsersReader: true, PolicyAdmin: true})
	text, err := pair.File(robot, f.direct+"/token")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("LAB_CREDENTIALS_FILE", file)
	for _, project := range projects {
		s.ids[project] = "acme-" + project // six characters at least
		s.cloud.AddProject(s.ids[project])
	}
	for _, p := range people {
		s.cloud.AddUser(simgoogle.User{PrimaryEmail: p + "@example.com", GivenName: p, FamilyName: "Example"})
	}
	s.config = `{gcp: {replication: {euidPattern: "%%s@example.com", %s}}}`
	s.connect(map[string]string{
		"domain": "example.com", "customerId": "C01rollcall", "endpoint": strconv.Quote(f.proxy.URL()), "auth": stageAuth,
	})
	return s
}

// inGroup are the people of the group of the project web, by address.
func (s *googleStage) inGroup() []string {
	id, ok := s.cloud.GroupID(group("web") + "@example.com")
	if !ok {
		return nil
	}
	return s.cloud.Members(id)
}

// refusal is how a cloud says that it has no time now.
func refusal(status int, code string) simulate.Fault {
	return simulate.Fault{Status: status, Code: code}
}
