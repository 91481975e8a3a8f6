package e2e

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"github.com/rollcall-iam/rollcall/internal/connection/connectiontest"
	simaws "github.com/rollcall-iam/rollcall/internal/simulate/aws"
	simazure "github.com/rollcall-iam/rollcall/internal/simulate/azure"
	simgoogle "github.com/rollcall-iam/rollcall/internal/simulate/google"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/workflows"
)

// The case of the bar for revocations: leavers in 20 groups of each platform, while sweeps
// replicate 1,000 tenants of each platform for the first time, with 20 calls a second.
const (
	sweepTenants    = 1000
	groupsOfLeaver  = 20
	leaversMeasured = 20 // on idle platforms, and as many during the sweeps
	sweepRate       = 20
	// betweenLeavers lets the runs end that follow one revocation.
	betweenLeavers = 8 * time.Second
	// sweepTimeout bounds the sweeps, which take 1,000 tenants times the calls of each.
	sweepTimeout = 40 * time.Minute
)

// measuredCloud is a platform on which revocations are measured.
type measuredCloud struct {
	platform   string
	config     string // spec.config, as JSON
	connection string
	environ    []string // of the worker
	tenants    []string // the platform's ids of the projects
	// members returns how often the group has the user, as the platform itself has it.
	members func(group, user string) int
}

// TestRevocationDuringSweeps measures how long revocations take until each platform has
// accepted them: on idle platforms, then during sweeps that write. It asserts no time. It
// fails where a platform does not accept a revocation, where an accepted one leaves the
// user in a group, where another user leaves one, where a revocation cannot be verified, and
// where a sweep ended too early for the measurement.
func TestRevocationDuringSweeps(t *testing.T) {
	if os.Getenv("ROLLCALL_SOAK") == "" {
		t.Skip("takes ten minutes: run make soak")
	}
	s := newStack(t)
	m := &revocationTimes{stack: s, accepted: map[string]map[string][]store.RevokedPlatform{}, waitTime: map[string][]time.Duration{}, runTime: map[string][]time.Duration{}}
	m.clouds = []*measuredCloud{measuredAWS(t), measuredAzure(t), measuredGoogle(t)}
	var environ []string
	for _, c := range m.clouds {
		s.connect(c.connection)
		environ = append(environ, c.environ...)
	}
	s.workerWith([]string{"--log-format", "json", "--listen", "127.0.0.1:0"}, environ...)
	m.open()
	s.apply(m.documents(0, groupsOfLeaver))
	s.must(done, "replicate", "--all")
	m.finish()
	m.findGroups()
	m.each(func(string) int { return groupsOfLeaver })

	for n := range leaversMeasured {
		m.revoke("idle", n)
	}
	s.apply(m.documents(groupsOfLeaver, sweepTenants))
	s.must(done, "replicate", "--all")
	m.sweeping()
	for n := range leaversMeasured {
		m.revoke("sweeps", leaversMeasured+n)
		m.stillSweeping()
	}
	left := m.notStarted()
	for n := range 2 * leaversMeasured {
		m.verified(leaverName(n))
	}
	m.each(func(user string) int {
		if user == colleague {
			return groupsOfLeaver
		}
		return 0
	})
	t.Logf("tenants that the sweeps had not begun after the last acceptance: %v\n%s\n%s", left, m.throttles(), m.table())
	t.Logf("soak: %d leavers in %d groups of each of %d platforms, accepted everywhere after p50/p95/max %s idle, %s during sweeps of %d tenants",
		leaversMeasured, groupsOfLeaver, len(m.clouds), spread(m.everywhere("idle")), spread(m.everywhere("sweeps")), sweepTenants)
}

// revocationTimes is one measurement.
type revocationTimes struct {
	*stack
	clouds []*measuredCloud
	db     *store.Store
	// groups are the platform's ids of the groups of which leavers are members, by platform.
	groups map[string][]string
	// accepted are the accepted revocations, by phase and platform, in the order of the leavers.
	accepted map[string]map[string][]store.RevokedPlatform
	// waitTime is the time from the start of a revocation's run until its last RemoveUser
	// started, runTime that of its longest RemoveUser, by phase.
	waitTime, runTime map[string][]time.Duration
}

func (m *revocationTimes) open() {
	m.t.Helper()
	db, err := store.Open(m.t.Context(), m.database)
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(db.Close)
	m.db = db
}

// leaverName names the n-th leaver.
func leaverName(n int) string { return fmt.Sprintf("leaver-%02d", n) }

// measuredUsers are the leavers and the colleague, who stays.
func measuredUsers() []string {
	all := []string{colleague}
	for n := range 2 * leaversMeasured {
		all = append(all, leaverName(n))
	}
	return all
}

// measuredProject names the i-th project.
func measuredProject(i int) string { return fmt.Sprintf("project-%04d", i) }

// documents are the projects from the first one to before the last one, with a tenant on
// each platform. The first projects have the leavers, and all the colleague.
func (m *revocationTimes) documents(first, last int) string {
	var b strings.Builder
	write := func(format string, args ...any) { fmt.Fprintf(&b, "---\n"+format+"\n", args...) }
	write(`{apiVersion: v1, kind: meshWorkspace, metadata: {name: acme}, spec: {displayName: Acme}}`)
	write(`{apiVersion: v1, kind: meshProjectRole, metadata: {name: user}, spec: {name: User, rank: 1}}`)
	for _, user := range measuredUsers() {
		write(`{apiVersion: v2, kind: meshUser, metadata: {name: %[1]s}, spec: {email: %[1]s@example.com, firstName: A, lastName: B, euid: %[1]s@example.com}}`, user)
	}
	for _, c := range m.clouds {
		name, location, _ := strings.Cut(c.platform, ".")
		write(`{apiVersion: v1, kind: meshPlatform, metadata: {name: %s}, spec: {displayName: P, locationRef: {name: %s}, config: %s}}`, name, location, c.config)
	}
	for i := first; i < last; i++ {
		project := measuredProject(i)
		write(`{apiVersion: v2, kind: meshProject, metadata: {name: %s, ownedByWorkspace: acme}, spec: {displayName: P}}`, project)
		for _, c := range m.clouds {
			write(`{apiVersion: v4, kind: meshTenant, metadata: {ownedByWorkspace: acme, ownedByProject: %s}, spec: {platformIdentifier: %s, platformTenantId: %q}}`,
				project, c.platform, c.tenants[i])
		}
		for _, user := range measuredUsers() {
			if user == colleague || i < groupsOfLeaver {
				write(`{apiVersion: v3, kind: meshProjectUserBinding, metadata: {name: %s-%s}, roleRef: {name: user}, targetRef: {name: %s, ownedByWorkspace: acme}, subject: {name: %s}}`,
					project, user, project, user)
			}
		}
	}
	return b.String()
}

// finish waits until the sweeps end, and checks that they leave nothing to do.
func (m *revocationTimes) finish() {
	m.t.Helper()
	began := time.Now()
	temporal := m.client()
	for time.Since(began) < sweepTimeout && slices.ContainsFunc(m.clouds, func(c *measuredCloud) bool {
		run, err := temporal.DescribeWorkflowExecution(m.t.Context(), workflows.SweepID(c.platform), "")
		if err != nil {
			m.t.Fatal(err)
		}
		return run.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
	}) {
		time.Sleep(time.Second)
	}
	m.t.Logf("the sweeps ended after %s more", time.Since(began).Round(time.Second))
	if r := m.replicate(done); r.Failed+r.Waiting+r.Steps > 0 {
		m.t.Errorf("after the sweeps: %d failed, %d waiting, %d steps, want nothing left to do", r.Failed, r.Waiting, r.Steps)
	}
}

// throttles are the answers of the platforms that asked for a pause, as the worker counts them.
func (m *revocationTimes) throttles() string {
	m.t.Helper()
	var lines []string
	for line := range strings.Lines(m.metrics(m.logs[0].text())) {
		if strings.HasPrefix(line, "rollcall_throttles") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return strings.Join(lines, "\n")
}

// findGroups reads the ids of the groups from the ledger.
func (m *revocationTimes) findGroups() {
	m.t.Helper()
	m.groups = map[string][]string{}
	rows, err := m.db.Pool().Query(m.t.Context(), `SELECT split_part(tenant, '/', 2), ref FROM owned WHERE kind = 'group'`)
	if err != nil {
		m.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var platform, ref string
		if err := rows.Scan(&platform, &ref); err != nil {
			m.t.Fatal(err)
		}
		m.groups[platform] = append(m.groups[platform], ref)
	}
	if err := rows.Err(); err != nil {
		m.t.Fatal(err)
	}
	for _, c := range m.clouds {
		if n := len(m.groups[c.platform]); n != groupsOfLeaver {
			m.t.Fatalf("%s has %d groups, want %d", c.platform, n, groupsOfLeaver)
		}
	}
}

// each checks in how many of the groups each user is on each platform.
func (m *revocationTimes) each(want func(user string) int) {
	m.t.Helper()
	for _, c := range m.clouds {
		for _, user := range measuredUsers() {
			if got, want := m.in(c, user), want(user); got != want {
				m.t.Errorf("%s: %s is in %d groups, want %d", c.platform, user, got, want)
			}
		}
	}
}

// in counts the groups of a platform that have the user.
func (m *revocationTimes) in(c *measuredCloud, user string) (n int) {
	for _, group := range m.groups[c.platform] {
		n += c.members(group, user)
	}
	return n
}

// sweeping waits until the sweeps of all platforms write.
func (m *revocationTimes) sweeping() {
	m.t.Helper()
	m.eventually("the sweeps of all platforms to write", func() bool {
		left := m.notStarted()
		return !slices.ContainsFunc(m.clouds, func(c *measuredCloud) bool { return left[c.platform] > sweepTenants-groupsOfLeaver-10 })
	})
	m.t.Logf("tenants that the sweeps had not begun before the first revocation: %v", m.notStarted())
}

// notStarted counts the tenants for which no step was begun, by platform.
func (m *revocationTimes) notStarted() map[string]int {
	m.t.Helper()
	left := map[string]int{}
	for _, c := range m.clouds {
		var known int
		err := m.db.Pool().QueryRow(m.t.Context(), `SELECT count(DISTINCT tenant) FROM records WHERE split_part(tenant, '/', 2) = $1`, c.platform).Scan(&known)
		if err != nil {
			m.t.Fatal(err)
		}
		left[c.platform] = sweepTenants - known
	}
	return left
}

// stillSweeping checks that the last acceptance was during the sweeps of all platforms.
func (m *revocationTimes) stillSweeping() {
	m.t.Helper()
	for platform, n := range m.notStarted() {
		if n == 0 {
			m.t.Fatalf("the sweep of %s has begun all tenants: the measurement would be of an idle platform", platform)
		}
	}
}

// revoke revokes the n-th leaver, and keeps what each platform accepted.
func (m *revocationTimes) revoke(phase string, n int) {
	m.t.Helper()
	user := leaverName(n)
	all := make(chan map[string]store.RevokedPlatform, 1)
	ctx, cancel := context.WithTimeout(m.t.Context(), patience)
	defer cancel()
	go func() { all <- m.awaitAccepted(ctx, user) }()
	m.must(done, "revoke", user, "--reason", "left", "--as", "hr")
	accepted := <-all
	if m.accepted[phase] == nil {
		m.accepted[phase] = map[string][]store.RevokedPlatform{}
	}
	for _, c := range m.clouds {
		p, is := accepted[c.platform]
		if !is {
			m.t.Fatalf("%s: %s did not accept the revocation of %s in %s", phase, c.platform, user, patience)
		}
		if left := m.in(c, user); left != 0 {
			m.t.Errorf("%s: %s accepted the revocation of %s, who is still in %d groups", phase, c.platform, user, left)
		}
		m.accepted[phase][c.platform] = append(m.accepted[phase][c.platform], p)
	}
	time.Sleep(betweenLeavers)
	m.split(phase, user)
}

// split keeps where the time of a revocation went, by the history of its run.
func (m *revocationTimes) split(phase, user string) {
	m.t.Helper()
	found, err := m.db.Revocations(m.t.Context(), store.RevocationFilter{Person: user})
	if err != nil || len(found) != 1 {
		m.t.Fatalf("%d revocations of %s: %v", len(found), user, err)
	}
	var created, started time.Time
	var most time.Duration
	starts := map[int64]time.Time{}
	for _, e := range m.history(workflows.RevokeUserID(found[0].ID)) {
		at := e.GetEventTime().AsTime()
		if created.IsZero() {
			created = at
		}
		if a := e.GetActivityTaskStartedEventAttributes(); a != nil {
			starts[a.GetScheduledEventId()] = at
			if at.After(started) {
				started = at
			}
		}
		if a := e.GetActivityTaskCompletedEventAttributes(); a != nil {
			most = max(most, at.Sub(starts[a.GetScheduledEventId()]))
		}
	}
	m.waitTime[phase], m.runTime[phase] = append(m.waitTime[phase], started.Sub(created)), append(m.runTime[phase], most)
}

// awaitAccepted returns the state of each platform when it had accepted the revocation, once
// all have.
func (m *revocationTimes) awaitAccepted(ctx context.Context, user string) map[string]store.RevokedPlatform {
	accepted := map[string]store.RevokedPlatform{}
	for ctx.Err() == nil && len(accepted) < len(m.clouds) {
		found, err := m.db.Revocations(ctx, store.RevocationFilter{Person: user})
		if err == nil && len(found) == 1 {
			for _, p := range found[0].Platforms {
				if _, known := accepted[p.Platform]; !known && !p.AcceptedAt.IsZero() {
					accepted[p.Platform] = p
				}
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	return accepted
}

// everywhere is the time until the last platform accepted, for each leaver.
func (m *revocationTimes) everywhere(phase string) []time.Duration {
	took := make([]time.Duration, leaversMeasured)
	for _, platform := range m.accepted[phase] {
		for i, p := range platform {
			took[i] = max(took[i], p.Took)
		}
	}
	return took
}

// table lists the times of each phase and platform.
func (m *revocationTimes) table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-8s %-16s %8s %10s   %s\n", "", "PLATFORM", "GROUPS", "CALLS", "ACCEPTED AFTER P50/P95/MAX")
	for _, phase := range []string{"idle", "sweeps"} {
		for _, c := range m.clouds {
			var took []time.Duration
			least, most := math.MaxInt, 0
			for _, p := range m.accepted[phase][c.platform] {
				took = append(took, p.Took)
				least, most = min(least, p.Calls), max(most, p.Calls)
			}
			fmt.Fprintf(&b, "%-8s %-16s %8d %10s   %s\n", phase, c.platform, groupsOfLeaver, fmt.Sprintf("%d-%d", least, most), spread(took))
		}
		fmt.Fprintf(&b, "%-8s %-16s %8d %10s   %s\n", phase, "everywhere", groupsOfLeaver*len(m.clouds), "", spread(m.everywhere(phase)))
		fmt.Fprintf(&b, "%-8s of it until the last RemoveUser started %s, in the longest RemoveUser %s\n", phase, spread(m.waitTime[phase]), spread(m.runTime[phase]))
	}
	return b.String()
}

// spread writes the median, the 95th percentile (nearest rank) and the maximum.
func spread(took []time.Duration) string {
	sorted := slices.Sorted(slices.Values(took))
	at := func(p float64) string {
		return fmt.Sprintf("%.2f", sorted[int(math.Ceil(p*float64(len(sorted))))-1].Seconds())
	}
	return at(0.5) + "/" + at(0.95) + "/" + at(1) + " s"
}

// simulated starts a server for a simulated cloud.
func simulated(t *testing.T) (server *httptest.Server, serve func(http.Handler)) {
	t.Helper()
	var behind http.Handler
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { behind.ServeHTTP(w, r) }))
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	return server, func(h http.Handler) { behind = h }
}

// measuredConnection returns the connection of a measured platform.
func measuredConnection(platform, of string, fields map[string]string) string {
	fields["auth"] = cmp.Or(fields["auth"], "{environment: {prefix: E2E_"+strings.ToUpper(of)+"}}")
	fields["limits"] = fmt.Sprintf("{callsPerSecond: %d}", sweepRate)
	return connectiontest.Of(platform, of, fields)
}

// measuredConfig returns spec.config of a measured platform, with a group for the users of each
// project.
func measuredConfig(of, more, role string) string {
	return fmt.Sprintf(`{%s: {replication: {%sgroupNamePattern: "#{projectIdentifier}-#{platformGroupAlias}", `+
		`roleMappings: [{projectRoleRef: {name: user}, groupAlias: user, roles: [%s]}]}}}`, of, more, role)
}

// measuredAWS is a simulated AWS, which refuses calls above the vendor's limit.
func measuredAWS(t *testing.T) *measuredCloud {
	t.Helper()
	const key, secret = "AKIAROLLCALLTEST0000", "the-secret-of-the-measurement"
	cloud, err := simaws.New(simaws.Options{AccessKey: key, SecretKey: secret, CallsPerSecond: sweepRate})
	if err != nil {
		t.Fatal(err)
	}
	server, serve := simulated(t)
	serve(cloud)
	cloud.PermissionSet("PowerUserAccess")
	ids := map[string]string{}
	for _, user := range measuredUsers() {
		ids[user] = cloud.User(user + "@example.com")
	}
	c := &measuredCloud{
		platform: "aws.lab", config: measuredConfig("aws", "", "PowerUserAccess"),
		connection: measuredConnection("aws.lab", "aws", map[string]string{"region": "eu-central-1", "endpoint": strconv.Quote(server.URL)}),
		environ:    []string{"E2E_AWS_ACCESS_KEY_ID=" + key, "E2E_AWS_SECRET_ACCESS_KEY=" + secret},
		members:    func(group, user string) int { return count(cloud.MembersOf(group), ids[user]) },
	}
	for i := range sweepTenants {
		c.tenants = append(c.tenants, fmt.Sprintf("%012d", 300000000000+i))
		cloud.Account(c.tenants[i], measuredProject(i))
	}
	return c
}

// measuredAzure is a simulated Azure with Microsoft Graph, which enforces the documented limits.
func measuredAzure(t *testing.T) *measuredCloud {
	t.Helper()
	const clientID, secret = "11111111-2222-3333-4444-555555555555", "the-secret-of-the-measurement"
	cloud, err := simazure.New(simazure.Options{Throttle: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cloud.Close() })
	server, serve := simulated(t)
	serve(cloud)
	tenant := cloud.AddTenant("", "example.com")
	cloud.AddApp(tenant, clientID, secret)
	subscription := cloud.AddSubscription(tenant, "")
	ids := map[string]string{}
	for _, user := range measuredUsers() {
		ids[user] = cloud.AddUser(tenant, user+"@example.com", "", true)
	}
	c := &measuredCloud{
		platform: "azure.lab", config: measuredConfig("azure", "userLookUpStrategy: userByUsername, ", "Reader"),
		connection: measuredConnection("azure.lab", "azure", map[string]string{
			"tenantId":  strconv.Quote(tenant),
			"endpoints": fmt.Sprintf("{login: %[1]q, graph: %[1]q, resourceManager: %[1]q}", server.URL),
		}),
		environ: []string{"E2E_AZURE_CLIENT_ID=" + clientID, "E2E_AZURE_CLIENT_SECRET=" + secret},
		members: func(group, user string) int {
			g, _ := cloud.Group(tenant, group)
			return count(g.Members, ids[user])
		},
	}
	for i := range sweepTenants {
		c.tenants = append(c.tenants, cloud.AddResourceGroup(subscription, measuredProject(i)))
	}
	return c
}

// measuredGoogle is a simulated Google Cloud, which enforces the published quotas.
func measuredGoogle(t *testing.T) *measuredCloud {
	t.Helper()
	const account = "rollcall@rollcall.iam.gserviceaccount.com"
	cloud, err := simgoogle.New(simgoogle.Options{})
	if err != nil {
		t.Fatal(err)
	}
	server, serve := simulated(t)
	serve(cloud)
	pair, err := simgoogle.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	cloud.AddAccount(simgoogle.Account{Email: account, PublicKey: pair.Public, GroupsAdmin: true, UsersReader: true, PolicyAdmin: true})
	text, err := pair.File(account, server.URL+"/token")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, user := range measuredUsers() {
		cloud.AddUser(simgoogle.User{PrimaryEmail: user + "@example.com", GivenName: user, FamilyName: "Example"})
	}
	c := &measuredCloud{
		platform: "gcp.lab", config: measuredConfig("gcp", "", "roles/viewer"),
		connection: measuredConnection("gcp.lab", "gcp", map[string]string{
			"domain": "example.com", "customerId": "C01rollcall", "endpoint": strconv.Quote(server.URL), "auth": fmt.Sprintf("{file: %q}", file),
		}),
		members: func(group, user string) int {
			return count(cloud.Members(strings.TrimPrefix(group, "groups/")), user+"@example.com")
		},
	}
	for i := range sweepTenants {
		c.tenants = append(c.tenants, measuredProject(i))
		cloud.AddProject(c.tenants[i])
	}
	return c
}

// count returns how often the list has the value.
func count(list []string, value string) (n int) {
	for _, v := range list {
		if v == value {
			n++
		}
	}
	return n
}
