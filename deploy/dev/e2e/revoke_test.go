package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/connection/connectiontest"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/internal/engines/keystone"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/workflows"
)

// revocation is the JSON of rollcall revoke USER.
type revocation struct {
	User, Reason, By string
	Claim            string `json:"claim"`
	Lifted           struct {
		By, Reason string
		Claim      string `json:"claim"`
	}
	Platforms []revokedOn
}

type revokedOn struct {
	Platform, State, Problem string
	AcceptedMS               int64 `json:"accepted_ms"`
	Tenants, Sets, Calls     int
}

// revocation reads how a person's revocation stands, by platform.
func (s *stack) revocation(person string) (revocation, map[string]revokedOn) {
	s.t.Helper()
	var r revocation
	if err := json.Unmarshal([]byte(s.must(done, "revoke", person, "-o", "json")), &r); err != nil {
		s.t.Fatal(err)
	}
	on := map[string]revokedOn{}
	for _, p := range r.Platforms {
		on[p.Platform] = p
	}
	return r, on
}

// verified waits until a revocation is done on all platforms: the command ends when they
// have accepted it.
func (s *stack) verified(person string) {
	s.t.Helper()
	s.eventually("a revocation that is verified", func() bool {
		_, on := s.revocation(person)
		for _, p := range on {
			if p.State != string(store.RevocationDone) {
				return false
			}
		}
		return true
	})
}

// company is one leaver and two who stay, with the same role on the same projects of
// several memory platforms.
type company struct {
	stack     *stack
	files     map[string]string // of the platforms, by identifier
	documents string
	groups    int
}

const leaver, colleague = "leaver-of-all", "colleague-of-all"

// newCompany makes projects on platforms a.local, b.local and so on, and connects the
// stack with those.
func newCompany(s *stack, platforms, projects int) *company {
	s.t.Helper()
	c := &company{stack: s, files: map[string]string{}, groups: platforms * projects}
	var b strings.Builder
	write := func(format string, args ...any) { fmt.Fprintf(&b, "---\n"+format+"\n", args...) }
	write(`{apiVersion: v1, kind: meshWorkspace, metadata: {name: acme}, spec: {displayName: Acme}}`)
	write(`{apiVersion: v1, kind: meshProjectRole, metadata: {name: user}, spec: {name: User, rank: 1}}`)
	for _, p := range []string{leaver, colleague} {
		write(`{apiVersion: v2, kind: meshUser, metadata: {name: %s}, spec: {email: %s@example.com, firstName: A, lastName: B, euid: %s@example.com}}`, p, p, p)
	}
	for i := range projects {
		write(`{apiVersion: v2, kind: meshProject, metadata: {name: p%03d, ownedByWorkspace: acme}, spec: {displayName: P}}`, i)
		for _, p := range []string{leaver, colleague} {
			write(`{apiVersion: v3, kind: meshProjectUserBinding, metadata: {name: %s-p%03d}, roleRef: {name: user}, targetRef: {name: p%03d, ownedByWorkspace: acme}, subject: {name: %s}}`, p, i, i, p)
		}
	}
	for n := range platforms {
		name := string(rune('a' + n))
		file := filepath.Join(s.t.TempDir(), name+".json")
		c.files[name+".local"] = file
		w := memory.World{Users: []memory.User{{ID: "u-" + leaver, Name: leaver + "@example.com"}, {ID: "u-" + colleague, Name: colleague + "@example.com"}}}
		s.connect(connectiontest.Memory(name+".local", file))
		write(`{apiVersion: v1, kind: meshPlatform, metadata: {name: %s}, spec: {displayName: S, locationRef: {name: local}, config: {memory: {
  replication: {groupNamePattern: "#{projectIdentifier}-#{platformGroupAlias}", roleMappings: [{projectRoleRef: {name: user}, groupAlias: user, roles: [developer]}]}}}}}`, name)
		for i := range projects {
			w.Tenants = append(w.Tenants, memory.Tenant{ID: fmt.Sprintf("t%03d", i)})
			write(`{apiVersion: v4, kind: meshTenant, metadata: {ownedByWorkspace: acme, ownedByProject: p%03d}, spec: {platformIdentifier: %s.local, platformTenantId: t%03d}}`, i, name, i)
		}
		if err := memory.Seed(file, w); err != nil {
			s.t.Fatal(err)
		}
	}
	c.documents = b.String()
	return c
}

// holds counts the groups of a platform that have the person.
func (c *company) holds(platform, person string) int {
	n := 0
	for _, g := range world(c.stack.t, c.files[platform]).Groups {
		if slices.Contains(g.Members, "u-"+person) {
			n++
		}
	}
	return n
}

func (c *company) expect(when string, want map[string]int) {
	c.stack.t.Helper()
	for platform, n := range want {
		if got := c.holds(platform, leaver); got != n {
			c.stack.t.Errorf("%s: %s is in %d groups of %s, want %d", when, leaver, got, platform, n)
		}
		if got, all := c.holds(platform, colleague), c.groups/len(c.files); got != all {
			c.stack.t.Errorf("%s: %s is in %d groups of %s, want all %d", when, colleague, got, platform, all)
		}
	}
}

// TestALeaverIsTakenOutOfEverything: twenty-one groups on three platforms, one of
// which is down and comes back.
func TestALeaverIsTakenOutOfEverything(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	c := newCompany(s, 3, 7)
	s.worker()
	s.apply(c.documents)
	s.replicate(done)
	c.expect("before", map[string]int{"a.local": 7, "b.local": 7, "c.local": 7})

	breakPlatform(t, c.files["c.local"], memory.Fault{Op: "*", Class: "unavailable"})
	s.must(done, "revoke", leaver, "--reason", "left, HR-1", "--as", "hr")
	s.eventually("two platforms that are done and one that waits", func() bool {
		_, on := s.revocation(leaver)
		return on["a.local"].State == string(store.RevocationDone) && on["b.local"].State == string(store.RevocationDone) &&
			on["c.local"].Problem != ""
	})
	c.expect("during the outage", map[string]int{"a.local": 0, "b.local": 0, "c.local": 7})
	r, on := s.revocation(leaver)
	if r.Reason != "left, HR-1" || !strings.HasPrefix(r.By, "os:") || r.Claim != "hr" || on["a.local"].Sets != 7 || on["a.local"].Tenants != 7 || on["a.local"].AcceptedMS == 0 {
		t.Errorf("the revocation %+v, want who, why, and 7 groups of each platform with the time it took", r)
	}
	t.Logf("accepted with 7 groups each: a %d ms, b %d ms, %d calls", on["a.local"].AcceptedMS, on["b.local"].AcceptedMS, on["a.local"].Calls)

	breakPlatform(t, c.files["c.local"])
	s.eventually("the platform that was down", func() bool {
		_, on := s.revocation(leaver)
		return on["c.local"].State == string(store.RevocationDone)
	})
	after := s.replicate(done)
	c.expect("after the outage", map[string]int{"a.local": 0, "b.local": 0, "c.local": 0})
	if after.Steps != 0 || after.Failed != 0 || len(after.Items) == 0 || after.Items[0].Warnings[0].Code != string(access.UserRevoked) {
		t.Errorf("a replication after it: %+v, want nothing to do, and the remark %s", after, access.UserRevoked)
	}
	s.goesFirst(r)
	s.eachOnce(leaver)

	if list := s.must(done, "revoke"); !strings.Contains(list, leaver) || !strings.Contains(list, "3 of 3") {
		t.Errorf("the list of revocations:\n%s", list)
	}
	s.must(done, "revoke", "--lift", leaver, "--reason", "back, HR-2", "--as", "hr", "--wait")
	c.expect("when it is lifted", map[string]int{"a.local": 7, "b.local": 7, "c.local": 7})
	if r, _ := s.revocation(leaver); r.Lifted.Claim != "hr" || r.Lifted.Reason != "back, HR-2" || !strings.HasPrefix(r.Lifted.By, "os:") {
		t.Errorf("the lifted revocation: %+v, want who lifted it", r)
	}
	s.must(invalid, "revoke", "nobody-at-all", "--reason", "r", "--as", "hr")
	s.must(invalid, "revoke", colleague)
	s.must(invalid, "revoke", "--lift", colleague, "--reason", "back", "--as", "hr")
}

// goesFirst checks that Temporal was told to do the revocation before all else.
func (s *stack) goesFirst(r revocation) {
	s.t.Helper()
	found := 0
	for _, id := range s.revocationIDs() {
		for _, e := range s.history(workflows.RevokeUserID(id)) {
			if e.GetEventType() != enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED {
				continue
			}
			a := e.GetActivityTaskScheduledEventAttributes()
			found++
			if a.GetPriority().GetPriorityKey() != engine.PriorityRevoke || a.GetTaskQueue().GetName() != engine.RevocationQueue {
				s.t.Errorf("the activity %s has priority %d in queue %s, want it first in the revocations' own",
					a.GetActivityId(), a.GetPriority().GetPriorityKey(), a.GetTaskQueue().GetName())
			}
		}
	}
	if found != len(r.Platforms) {
		s.t.Errorf("%d activities for %d platforms, want one each", found, len(r.Platforms))
	}
}

// revocationIDs are the random ids of all revocations.
func (s *stack) revocationIDs() []string {
	s.t.Helper()
	db, err := store.Open(s.t.Context(), s.database)
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	all, err := db.Revocations(s.t.Context(), store.RevocationFilter{Lifted: true})
	if err != nil {
		s.t.Fatal(err)
	}
	var ids []string
	for _, r := range all {
		ids = append(ids, r.ID)
	}
	return ids
}

// eachOnce checks that the ledger has every removal of the person once, done and by
// the revocation.
func (s *stack) eachOnce(person string) {
	s.t.Helper()
	seen := map[string]int{}
	for _, r := range s.records() {
		for _, who := range r.Step.Removes() {
			if who.Ref != "u-"+person || r.Err != "" {
				continue
			}
			seen[r.Run.Tenant.String()]++
			if r.Run.Cause != "revoke" || !strings.HasPrefix(r.Run.Actor, "os:") || r.DoneAt.IsZero() {
				s.t.Errorf("the removal on %s: cause %q, actor %q, done at %v; want it done by the revocation",
					r.Run.Tenant, r.Run.Cause, r.Run.Actor, r.DoneAt)
			}
		}
	}
	for tenant, n := range seen {
		if n != 1 {
			s.t.Errorf("the ledger has the removal on %s %d times, want once", tenant, n)
		}
	}
	if len(seen) != 21 {
		s.t.Errorf("the ledger has removals on %d tenants, want 21", len(seen))
	}
}

// TestARevocationOvertakesAFullQueue: a worker with all its slots taken, and more work
// waiting than it gets done in the time.
func TestARevocationOvertakesAFullQueue(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	const projects = 150
	c := newCompany(s, 1, projects)
	s.worker()
	s.apply(c.documents)
	s.replicate(done)
	breakPlatform(t, c.files["a.local"], memory.Fault{Op: "*", Delay: memory.Duration(time.Second)})
	var tenants []string
	for i := range projects {
		tenants = append(tenants, fmt.Sprintf("acme.p%03d/a.local", i))
	}
	s.must(done, append([]string{"replicate"}, tenants...)...)
	s.eventually("a slow platform", func() bool { return world(t, c.files["a.local"]).Faults[0].Hits > 8 })
	s.must(done, "revoke", leaver, "--reason", "left", "--as", "hr", "-o", "json")
	s.eventually("the acceptance", func() bool {
		_, on := s.revocation(leaver)
		return on["a.local"].AcceptedMS > 0
	})
	open := 0
	client := s.client()
	for i := range projects {
		id := workflows.ReplicateTenantID(access.TenantID{Workspace: "acme", Project: fmt.Sprintf("p%03d", i), Platform: "a.local"})
		described, err := client.DescribeWorkflowExecution(t.Context(), id, "")
		if err == nil && described.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
			open++
		}
	}
	_, on := s.revocation(leaver)
	t.Logf("out of %d groups after %d ms, with calls of a second each; %d of %d runs are still open", on["a.local"].Sets, on["a.local"].AcceptedMS, open, projects)
	if open == 0 {
		t.Error("all runs had ended: the revocation overtook nothing")
	}
	breakPlatform(t, c.files["a.local"])
	s.eventually("the end", func() bool {
		_, on := s.revocation(leaver)
		return on["a.local"].State == string(store.RevocationDone)
	})
	if n := c.holds("a.local", leaver); n != 0 {
		t.Errorf("%s is in %d groups, want none", leaver, n)
	}
}

// TestRevocationsRaceRuns lets revocations race runs that put the person in, on a real
// Temporal.
func TestRevocationsRaceRuns(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	c := newCompany(s, 2, 2)
	s.worker()
	s.apply(c.documents)
	s.replicate(done)
	for i := range 6 {
		breakPlatform(t, c.files["a.local"], memory.Fault{Op: "write:*", Delay: memory.Duration(time.Duration(i) * 40 * time.Millisecond)})
		s.must(done, "revoke", leaver, "--reason", "left", "--as", "hr", "--wait")
		s.verified(leaver)
		c.expect("revoked", map[string]int{"a.local": 0, "b.local": 0})
		s.must(done, "revoke", "--lift", leaver, "--reason", "back, HR-1", "--as", "hr") // starts runs that give it back
		s.must(done, "revoke", leaver, "--reason", "left for good", "--as", "hr", "--wait")
		s.verified(leaver)
		c.expect("revoked while it was given back", map[string]int{"a.local": 0, "b.local": 0})
		if r := s.replicate(done); r.Failed != 0 || r.Steps != 0 {
			t.Errorf("round %d: a replication after it %+v, want nothing to do", i, r)
		}
		c.expect("in the end", map[string]int{"a.local": 0, "b.local": 0})
		s.must(done, "revoke", "--lift", leaver, "--reason", "back, HR-2", "--as", "hr", "--wait")
		c.expect("lifted", map[string]int{"a.local": 2, "b.local": 2})
	}
}

// TestARevocationNamesNobodyOutsideTheDatabase looks for people in all that Temporal
// keeps and in all that the worker tells, with a platform that refuses and one that
// is down.
func TestARevocationNamesNobodyOutsideTheDatabase(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	c := newCompany(s, 3, 2)
	s.observed()
	s.apply(c.documents)
	s.replicate(done)
	breakPlatform(t, c.files["a.local"], memory.Fault{Op: "write:*", Class: "denied"})
	breakPlatform(t, c.files["b.local"], memory.Fault{Op: "*", Class: "unavailable"})
	s.must(done, "revoke", leaver, "--reason", "harassment", "--as", "officer-of-all")
	s.eventually("one that refuses, one that is down, one that is done", func() bool {
		_, on := s.revocation(leaver)
		return on["a.local"].State == string(store.RevocationFailed) && on["b.local"].Problem != "" && on["c.local"].State == string(store.RevocationDone)
	})
	found := s.scan("")
	found.lacks("person", []string{leaver, colleague, "officer-of-all", "harassment", "@example.com"})
	found.covers("revoke/"+s.revocationIDs()[0], "RevokeUser", "rollcall_calls")
	about := []string{"documents", "allocations", "accounts", "plans", "statuses", "records", "decisions", "tombstones", "revocations",
		"revocation_platforms", "revoked_accounts", "removals", "places", "former_tenants",
		"revisions", "starts"} // name the actor, with the claim
	tables := s.tables()
	maps.DeleteFunc(tables, func(name, _ string) bool { return slices.Contains(about, name) })
	scan{t: t, texts: tables}.lacks("person", []string{leaver, colleague, "officer-of-all", "harassment"})

	breakPlatform(t, c.files["a.local"])
	breakPlatform(t, c.files["b.local"])
	s.must(done, "revoke", leaver, "--reason", "again", "--as", "officer-of-all", "--wait")
	s.verified(leaver)
	c.expect("asked again", map[string]int{"a.local": 0, "b.local": 0, "c.local": 0})
}

// leaverIsRemoved: twenty groups on a real Keystone.
func leaverIsRemoved(t *testing.T) {
	server := keystone.ForTest(t, keystone.Options{})
	s := newStack(t)
	c := newCloud(t, server, server.URL(), 20, 3)
	s.connect(c.connection)
	s.worker(c.environ()...)
	s.apply(c.documents())
	s.replicate(done)
	s.must(done, "revoke", person("admin", 0), "--reason", "left", "--as", "hr", "--wait")
	s.verified(person("admin", 0))
	for name, n := range c.members(t.Context(), t) {
		want := 3
		if strings.HasSuffix(name, "-admin") {
			want = 2
		}
		if n != want {
			t.Errorf("the group %s has %d members, want %d", name, n, want)
		}
	}
	_, on := s.revocation(person("admin", 0))
	if on["openstack.lab"].Sets != 20 || on["openstack.lab"].State != string(store.RevocationDone) {
		t.Errorf("it stands as %+v, want it out of 20 groups", on)
	}
	t.Logf("out of 20 groups after %d ms, in %d calls", on["openstack.lab"].AcceptedMS, on["openstack.lab"].Calls)
}

// removesLeaverFromFormerTenants: Keystone keeps the groups of removed tenants, and a revocation
// reaches them, also where the platform's document is removed.
func removesLeaverFromFormerTenants(t *testing.T) {
	server := keystone.ForTest(t, keystone.Options{})
	s := newStack(t)
	c := newCloud(t, server, server.URL(), 2, 3)
	s.connect(c.connection)
	s.worker(c.environ()...)
	s.apply(c.documents())
	s.replicate(done)
	s.apply(lacking(c.documents(), "kind: meshTenant"), "--prune", "--yes")
	s.replicate(done)
	s.forgets("the removed tenants")
	c.want(t, 2*len(roles), 3)
	for i, without := range [][]string{nil, {"kind: meshPlatform", "kind: meshLandingZone"}} {
		who := person(roles[i], 0)
		s.apply(lacking(c.documents(), append(without, "kind: meshTenant")...), "--prune", "--yes")
		s.must(done, "revoke", who, "--reason", "left", "--as", "hr", "--wait")
		s.verified(who)
		if _, on := s.revocation(who); on[c.platform].Sets != 2 {
			t.Errorf("without the documents %v the revocation of %s is %+v, want it out of 2 groups", without, who, on)
		}
		for name, n := range c.members(t.Context(), t) {
			if want := 2; strings.HasSuffix(name, "-"+roles[i]) && n != want {
				t.Errorf("without the documents %v the group %s has %d members, want %d", without, name, n, want)
			}
		}
	}
}

// forgets waits until no tenant is left.
func (s *stack) forgets(what string) {
	s.t.Helper()
	db, err := store.Open(s.t.Context(), s.database)
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	s.eventually("that nothing remembers "+what, func() bool {
		left, err := db.Tenants(s.t.Context(), store.TenantFilter{})
		return err == nil && len(left) == 0
	})
}

// revoked: a person is taken out where nothing runs, where a run has the tenant in
// hand, and where the platform refuses.
func (r *recorder) revoked() {
	who := person("admin", 0)
	r.must(done, "revoke", who, "--reason", "left", "--as", "hr", "--wait")
	r.verified(who)
	r.keep("revoked", workflows.RevokeUserID(r.revocationIDs()[0]))
	r.keepEnded("revoke-verified", workflows.VerifyRevocationID(r.revocationIDs()[0], r.org.platform))
	r.must(done, "revoke", "--lift", who, "--reason", "back", "--as", "hr", "--wait")

	r.wants(bindingName(0, "user", 3))
	breakPlatform(r.t, r.file, memory.Fault{Op: "write:groups.members", Class: "unavailable", Times: 3})
	r.must(done, "replicate", r.tenant.String())
	r.eventually("a failed write", func() bool { return world(r.t, r.file).Faults[0].Hits > 0 })
	breakPlatform(r.t, r.file, memory.Fault{Op: "write:groups.members", Delay: memory.Duration(2 * time.Second)})
	r.must(done, "revoke", who, "--reason", "left", "--as", "hr", "--wait")
	r.verified(who)
	r.keepEnded("revoke-busy", workflows.VerifyRevocationID(r.revocationIDs()[0], r.org.platform))
	r.mend()
	r.must(done, "revoke", "--lift", who, "--reason", "back", "--as", "hr", "--wait")

	breakPlatform(r.t, r.file, memory.Fault{Op: "write:*", Class: "denied"})
	r.must(failed, "revoke", who, "--reason", "left", "--as", "hr", "--wait")
	r.keep("revoke-failed", workflows.RevokeUserID(r.revocationIDs()[0]))
	breakPlatform(r.t, r.file)
	r.must(done, "revoke", "--lift", who, "--reason", "back", "--as", "hr", "--wait")
	r.mend()
}
