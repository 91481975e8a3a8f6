package gcp_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest/faultproxy"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/simulate"
	"github.com/rollcall-iam/rollcall/internal/simulate/google"
)

// TestItConverges makes Google difficult in one way after the other, and lets a
// workflow's loop run: in the end everybody is where they belong.
func TestItConverges(t *testing.T) {
	fail := func(operation string, skip, times int, f simulate.Fault) func(*world) {
		return func(w *world) {
			w.server.Control().Fail(simulate.Rule{Operation: operation, Skip: skip, Times: times, Fault: f})
		}
	}
	throttled := simulate.Fault{Status: http.StatusTooManyRequests, Code: "RESOURCE_EXHAUSTED"}
	cases := []struct {
		name, reason string
		options      google.Options
		trouble      func(*world)
	}{
		{"IAMIsLate", "a policy that names a new group is refused for a while", google.Options{Stale: -1, IAMLag: 300 * time.Millisecond}, nil},
		{"GroupIsSlow", "a group is an operation that is not done", google.Options{Stale: -1, IAMLag: -1, Slow: 250 * time.Millisecond}, nil},
		{"Everything", "all lags at once", google.Options{Stale: 150 * time.Millisecond, IAMLag: 300 * time.Millisecond, Slow: 100 * time.Millisecond}, nil},
		{"StalePolicy", "the policy that is read is old", google.Options{Stale: -1, IAMLag: -1, PolicyStale: 200 * time.Millisecond}, nil},
		{"ThrottledGroup", "creating is refused for now", calm(), fail(makeGroup, 0, 2, throttled)},
		{"ThrottledMember", "so is adding", calm(), fail(addMember, 1, 2, throttled)},
		{"ThrottledPolicy", "so is writing", calm(), fail(writePolicy, 0, 2, throttled)},
		{"LostGroup", "the group is made and nobody hears of it", calm(), fail(makeGroup, 0, 1, simulate.Fault{Lose: true})},
		{"LostMember", "a member is added and nobody hears of it", calm(), fail(addMember, 0, 1, simulate.Fault{Lose: true})},
		{"LostPolicy", "the policy is written and nobody hears of it", calm(), fail(writePolicy, 0, 1, simulate.Fault{Lose: true})},
		{"ForbiddenGroup", "Google answers 403 for a group that it made", calm(),
			func(w *world) {
				fail(makeGroup, 0, 1, simulate.Fault{Lose: true})(w)
				fail(makeGroup, 1, 1, simulate.Fault{Status: http.StatusForbidden})(w)
			}},
		{"GroupEndsBadly", "the operation ends aborted", calm(), func(w *world) { w.server.EndBadly(makeGroup, 10) }},
		{"MemberEndsBadly", "the operation ends unavailable", calm(), func(w *world) { w.server.EndBadly(addMember, 14) }},
		{"Aborted", "somebody else writes the members", calm(),
			fail(addMember, 0, 2, simulate.Fault{Status: http.StatusConflict, Code: "ABORTED"})},
		{"PolicyMoved", "somebody else writes the policy", calm(),
			fail(writePolicy, 0, 2, simulate.Fault{Status: http.StatusConflict, Code: "ABORTED"})},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			t.Log(c.reason)
			w := newWorld(t, c.options)
			tenant := w.tenant(t, "hard")
			people := w.people("ada", "bob", "eve")
			time.Sleep(c.options.Stale + c.options.Slow) // the people are no news
			if c.trouble != nil {
				c.trouble(w)
			}
			for _, want := range []access.State{
				tenant.roles(lawRoles()[:2], people[:2]...), tenant.roles(lawRoles()[1:], people[1:]...),
			} {
				tenant.sync(want)
			}
			tenant.has(people[1:]...)
			roles := tenant.roleHolders()
			want := map[string][]string{"roles/editor": {"group:" + email(tenant.group)}, "roles/logging.admin": {"group:" + email(tenant.group)}}
			delete(roles, "roles/owner")
			if diff := cmp.Diff(want, roles); diff != "" {
				t.Errorf("the project has other roles: %s", diff)
			}
		})
	}
}

// roleHolders are the members of each role without a condition.
func (t *tenant) roleHolders() map[string][]string {
	t.Helper()
	holders := map[string][]string{}
	bindings, _ := t.policy()["bindings"].([]any)
	for _, row := range bindings {
		b := row.(map[string]any)
		if b["condition"] != nil {
			continue
		}
		for _, m := range b["members"].([]any) {
			holders[b["role"].(string)] = append(holders[b["role"].(string)], m.(string))
		}
	}
	return holders
}

// TestGroupIsDeletedByHand takes the group away between a plan and its steps.
func TestGroupIsDeletedByHand(t *testing.T) {
	w := newWorld(t, calm())
	tenant := w.tenant(t, "byhand")
	people := w.people("ada", "bob")
	tenant.sync(tenant.want(people[0]))
	p := tenant.plan(tenant.roles([]string{"roles/viewer", "roles/editor"}, people...))
	id, _ := w.server.GroupID(email(tenant.group))
	w.server.RemoveGroup(id)
	for _, err := range tenant.run(p) {
		if !errors.Is(err, fault.ErrNotFound) {
			t.Errorf("a step on a group that is gone failed with %v, want not found", err)
		}
	}
	tenant.sync(tenant.roles([]string{"roles/viewer", "roles/editor"}, people...))
	tenant.has(people...)
	if again, _ := w.server.GroupID(email(tenant.group)); again == id {
		t.Error("the group that was deleted is still there")
	}
}

// TestMemberLeavesAndComesBack removes a member whose membership is another by
// now than the one that was read.
func TestMemberLeavesAndComesBack(t *testing.T) {
	w := newWorld(t, calm())
	tenant := w.tenant(t, "back")
	people := w.people("ada", "bob")
	tenant.sync(tenant.want(people...))
	p := tenant.plan(tenant.want(people[0]))
	id, _ := w.server.GroupID(email(tenant.group))
	w.server.Leave(id, people[1].Ref)
	w.server.Join(id, people[1].Ref)
	if failed := tenant.run(p); len(failed) > 0 {
		t.Fatal(failed)
	}
	tenant.has(people[0])
}

// TestTwoWorkersOneGroup lets two workers that share a budget write the members of
// one group: neither is aborted.
func TestTwoWorkersOneGroup(t *testing.T) {
	options := calm()
	options.WriteTime = 20 * time.Millisecond
	w := newWorld(t, options)
	tenant := w.tenant(t, "two")
	people := w.people("a", "b", "c", "d", "e", "f")
	tenant.sync(tenant.want())
	id, _ := w.server.GroupID(email(tenant.group))
	var running sync.WaitGroup
	for _, part := range [][]access.Member{people[:3], people[3:]} {
		step := plan.Step{ID: "add", Op: plan.Change, Kind: access.KindMembers, Object: tenant.group}
		step.Want.Members = &plan.Members{Group: tenant.group, GroupRef: "groups/" + id, Accounts: part}
		running.Go(func() {
			if got := tenant.driver.Apply(t.Context(), tenant.scope, []plan.Step{step}); got[0].Err != nil {
				t.Errorf("beside another worker: %v", got[0].Err)
			}
		})
	}
	running.Wait()
	tenant.has(people...)
}

// TestProjects tells what is missing from what is forbidden.
func TestProjects(t *testing.T) {
	w := newWorld(t, calm())
	here := w.tenant(t, "here")
	number := w.server.AddProject("laws-by-number")
	w.project("closing")
	w.server.CloseProject("laws-closing")
	cases := []struct {
		reason, id string
		missing    bool
	}{
		{"it is there", here.scope.ID, false},
		{"by its number", number, false},
		{"there is none", "laws-nothing", true},
		{"no such number", "123456", true},
		{"it is being deleted", "laws-closing", true},
		{"not the id of any project", "Laws/../x", true},
	}
	for _, c := range cases {
		got, err := here.driver.Observe(t.Context(), []driver.Scope{{ID: c.id}})
		if err != nil || got[0].Missing != c.missing {
			t.Errorf("%s: %+v, %v, want missing to be %t", c.reason, got, err, c.missing)
		}
	}
	pair, err := key()
	if err != nil {
		t.Fatal(err)
	}
	w.server.AddAccount(google.Account{Email: robot, PublicKey: pair.Public, GroupsAdmin: true, UsersReader: true})
	w.server.Revoke()
	if got, err := here.driver.Observe(t.Context(), []driver.Scope{here.scope}); !errors.Is(err, fault.ErrDenied) {
		t.Errorf("credentials that see no project: %+v, %v, want denied", got, err)
	}
}

// TestReadsAreDenied makes each API refuse alone: never an empty answer.
func TestReadsAreDenied(t *testing.T) {
	w := newWorld(t, calm())
	tenant := w.tenant(t, "denied")
	people := w.people("ada")
	tenant.sync(tenant.want(people...))
	pair, err := key()
	if err != nil {
		t.Fatal(err)
	}
	w.server.AddAccount(google.Account{Email: robot, PublicKey: pair.Public, PolicyAdmin: true})
	w.server.Revoke()
	for _, group := range []access.Group{{Name: tenant.group}, {Name: tenant.group, Ref: "groups/0123456789abcde"}} {
		scope := tenant.scope
		scope.Groups = []access.Group{group}
		if got, err := tenant.driver.Observe(t.Context(), []driver.Scope{scope}); !errors.Is(err, fault.ErrDenied) {
			t.Errorf("groups that nobody may see: %+v, %v, want denied", got, err)
		}
	}
	if got, err := tenant.driver.Resolve(t.Context(), []string{people[0].Name}); !errors.Is(err, fault.ErrDenied) {
		t.Errorf("people whom nobody may see: %+v, %v, want denied", got, err)
	}
}

// TestQuotas has each API say in its own way that this was too fast.
func TestQuotas(t *testing.T) {
	for _, api := range []string{"cloudidentity", "directory", "policyRead"} {
		options := calm()
		options.Quotas = map[string]float64{api: 1}
		w := newWorld(t, options)
		tenant := w.tenant(t, "quota")
		w.people("ada")
		scope := tenant.scope
		scope.Groups = []access.Group{{Name: tenant.group}}
		var err error
		for range 2 {
			if _, err = tenant.driver.Resolve(t.Context(), []string{"ada@" + domain}); err == nil {
				_, err = tenant.driver.Observe(t.Context(), []driver.Scope{scope})
			}
		}
		if !errors.Is(err, fault.ErrThrottled) {
			t.Errorf("%s: over its quota the error is %v, want throttled", api, err)
		}
	}
}

// TestRetryAfterDate reads the header's other form.
func TestRetryAfterDate(t *testing.T) {
	w := newWorld(t, calm())
	w.user("ada@" + domain)
	w.proxy.Add(faultproxy.Rule{
		Match: faultproxy.To(http.MethodGet, "/admin/*"),
		Fault: faultproxy.Fault{Status: http.StatusTooManyRequests, Header: http.Header{
			"Retry-After": {time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)},
		}},
	})
	_, err := w.open(t).Resolve(t.Context(), []string{"ada@" + domain})
	if after, ok := fault.RetryAfter(err); !ok || after < 59*time.Minute || after > time.Hour {
		t.Errorf("the error %v says to come back after %s, want an hour", err, after)
	}
}

// TestPagesInACircle refuses a list that never ends.
func TestPagesInACircle(t *testing.T) {
	w := newWorld(t, calm())
	w.proxy.Add(faultproxy.Rule{
		Match: faultproxy.To(http.MethodGet, "/admin/*"),
		Fault: faultproxy.Fault{Status: http.StatusOK, Body: `{"users":[{"primaryEmail":"ada@example.com"}],"nextPageToken":"again"}`},
	})
	_, err := w.open(t).Resolve(t.Context(), []string{"ada@" + domain})
	if !errors.Is(err, fault.ErrTruncated) {
		t.Errorf("the error is %v, want a partial read", err)
	}
}

// TestAnswersThatAreNone has success without what was asked for: an empty object
// is no policy, and a group without a name is none.
func TestAnswersThatAreNone(t *testing.T) {
	w := newWorld(t, calm())
	tenant := w.tenant(t, "none")
	scope := tenant.scope
	scope.Groups = []access.Group{{Name: tenant.group}}
	for path, body := range map[string]string{
		"*:getIamPolicy":    `{}`,
		"/v1/groups:search": `{"groups":[{"groupKey":{"id":"laws.none-users@example.com"}}]}`,
	} {
		w.proxy.Add(faultproxy.Rule{Match: faultproxy.To("", path), Fault: faultproxy.Fault{Status: http.StatusOK, Body: body}})
		got, err := tenant.driver.Observe(t.Context(), []driver.Scope{scope})
		if !errors.Is(err, fault.ErrUnavailable) || len(got) > 0 {
			t.Errorf("%s answers %s: %+v, %v, want unavailable", path, body, got, err)
		}
		w.proxy.Clear()
	}
	if text := tenant.driver.String(); !strings.Contains(text, "gcp.test") {
		t.Errorf("the driver prints as %q", text)
	}
}

// TestTheAddressIsAUsers says so, instead of waiting for a group to appear.
func TestTheAddressIsAUsers(t *testing.T) {
	w := newWorld(t, calm())
	tenant := w.tenant(t, "taken")
	w.server.AddUser(google.User{PrimaryEmail: "ada@" + domain, Aliases: []string{email(tenant.group)}})
	step := plan.Step{ID: "group", Op: plan.Create, Kind: access.KindGroup, Want: plan.Object{Group: &access.Group{Name: tenant.group}}}
	if failed := tenant.apply(step); len(failed) != 1 || !errors.Is(failed[0], fault.ErrInvalid) {
		t.Errorf("a group with the address of a user: %v, want invalid", failed)
	}
}

// TestEachPageOfEachList breaks one page after the other of lists that the laws
// see one page of: never a part of an answer.
func TestEachPageOfEachList(t *testing.T) {
	options := calm()
	options.PageSize = 4
	w := newWorld(t, options)
	tenant := w.tenant(t, "pages")
	var names, refs []string
	for i := range 120 {
		names = append(names, fmt.Sprintf("page-%d@%s", i, domain))
		refs = append(refs, w.user(names[i]))
	}
	for i := range 12 {
		w.project(fmt.Sprintf("page-%d", i))
	}
	w.server.AddGroup(email(tenant.group), "", refs[:13]...)
	observe := func(id string) func() (int, error) {
		return func() (int, error) {
			got, err := tenant.driver.Observe(t.Context(), []driver.Scope{{ID: id, Groups: []access.Group{{Name: tenant.group}}}})
			return len(got), err
		}
	}
	resolve := func() (int, error) {
		got, err := tenant.driver.Resolve(t.Context(), names)
		return len(got), err
	}
	for _, c := range []struct {
		path  string
		pages int
		read  func() (int, error)
	}{
		{"/v1/groups/*/memberships", 4, observe(tenant.scope.ID)},
		{"/admin/directory/v1/users", 30, resolve},
		{"/v3/projects:search", 4, observe("123456")}, // no such number: all are searched
	} {
		for page := range c.pages {
			for _, how := range []faultproxy.Fault{{Status: http.StatusServiceUnavailable}, {Cut: true}, {Garbage: true}} {
				hits := w.proxy.Add(faultproxy.Rule{Match: faultproxy.To(http.MethodGet, c.path), Skip: page, Times: 1, Fault: how})
				if n, err := c.read(); n > 0 || !fault.Retryable(err) || hits() != 1 {
					t.Errorf("%s: with page %d broken (%d times): %d answers, %v", c.path, page+1, hits(), n, err)
				}
				w.proxy.Clear()
			}
		}
		if n, err := c.read(); n == 0 || err != nil {
			t.Errorf("%s: with nothing broken: %d answers, %v", c.path, n, err)
		}
	}
}

// TestMembersOfEveryKindAreRemoved: Cloud Identity lists groups, service accounts and users
// of other customers among the members of a group. They are members as any other.
func TestMembersOfEveryKindAreRemoved(t *testing.T) {
	w := newWorld(t, calm())
	shop := w.tenant(t, "kinds")
	want := shop.want(w.people("ada")...)
	shop.sync(want)
	id := strings.TrimPrefix(shop.owned[access.Key{Kind: access.KindGroup, Group: shop.group}], "groups/")
	w.server.AddGroup("nested@"+domain, "")
	others := map[string]string{ // by reason
		"a nested group":             "nested@" + domain,
		"a service account":          robot,
		"a user of another customer": "eve@partner.example",
	}
	for _, other := range others {
		w.server.Join(id, other)
	}
	deadline := time.Now().Add(10 * time.Second)
	for reason, other := range others {
		seen := func() bool {
			return slices.ContainsFunc(shop.look().Groups[0].Members, func(m access.Member) bool { return m.Ref == other })
		}
		for !seen() {
			if time.Now().After(deadline) {
				t.Fatalf("%s is not observed among the members", reason)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	shop.sync(want)
	if got := shop.look().Groups[0].Members; len(got) != 1 || got[0].Ref != "ada@"+domain {
		t.Errorf("members after the next run: %v, want the desired one only", got)
	}
}
