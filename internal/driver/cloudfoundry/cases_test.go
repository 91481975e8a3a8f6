package cloudfoundry_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/cloudfoundry"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest/faultproxy"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/simulate"
	simulated "github.com/rollcall-iam/rollcall/internal/simulate/cloudfoundry"
)

// give is the step that gives a role, and take the one that takes it.
func give(role, who string) plan.Step {
	return plan.Step{ID: "give", Op: plan.Create, Kind: access.KindBinding, Want: plan.Object{Binding: binding(role, who, "")}}
}

func take(role, who, ref string) plan.Step {
	return plan.Step{ID: "take", Op: plan.Delete, Kind: access.KindBinding, Have: plan.Object{Binding: binding(role, who, ref)}}
}

func binding(role, who, ref string) *access.Binding {
	return &access.Binding{Role: role, Name: who, Ref: ref, Subjects: []access.Member{{Account: access.Account{Ref: who}}}}
}

// must applies steps that have to succeed, and returns the last one's id.
func must(t testing.TB, d driver.Driver, space string, steps ...plan.Step) (ref string) {
	t.Helper()
	for i, r := range d.Apply(t.Context(), driver.Scope{ID: space}, steps) {
		if r.Err != nil {
			t.Fatalf("%s %s failed: %v", steps[i].Op, steps[i].Kind, r.Err)
		}
		ref = r.Ref
	}
	return ref
}

// one applies a step and returns what became of it.
func one(t testing.TB, d driver.Driver, space string, step plan.Step) driver.Result {
	t.Helper()
	return d.Apply(t.Context(), driver.Scope{ID: space}, []plan.Step{step})[0]
}

// look observes scopes, with what rests on roles.
func look(t testing.TB, d driver.Driver, ids ...string) []driver.Observation {
	t.Helper()
	var scopes []driver.Scope
	for _, id := range ids {
		scopes = append(scopes, driver.Scope{ID: id, Marks: true})
	}
	seen, err := d.Observe(t.Context(), scopes)
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

// inOrg finds the organization_user of a user in an observation.
func inOrg(o driver.Observation, who string) (access.Binding, bool) {
	i := slices.IndexFunc(o.State.Bindings, func(b access.Binding) bool { return b.Role == "organization_user" && b.Name == who })
	if i < 0 {
		return access.Binding{}, false
	}
	return o.State.Bindings[i], true
}

// TestCallsOfAConvergedCloud counts what a look and a change cost.
func TestCallsOfAConvergedCloud(t *testing.T) {
	w := newWorld(t, simulated.Options{PageCap: 5000})
	d := w.open(t)
	var scopes []driver.Scope
	ada := w.cloud.AddUser("ada@example.com", sso)
	for i := range 100 {
		scopes = append(scopes, driver.Scope{ID: w.cloud.AddSpace(w.org, fmt.Sprintf("space-%d", i))})
		w.cloud.GiveRole("space_developer", scopes[i].ID, "", ada)
	}
	count := func(reason string, want int, do func()) {
		t.Helper()
		before := w.calls(http.MethodGet, http.MethodPost, http.MethodDelete)
		do()
		if got := w.calls(http.MethodGet, http.MethodPost, http.MethodDelete) - before; got != want {
			t.Errorf("%s: %d calls, want %d", reason, got, want)
		}
	}
	observe := func(scopes []driver.Scope) {
		if _, err := d.Observe(t.Context(), scopes); err != nil {
			t.Fatal(err)
		}
	}
	count("one tenant", 2, func() { observe(scopes[:1]) })
	count("a hundred tenants", 2, func() { observe(scopes) })
	empty := driver.Scope{ID: w.cloud.AddSpace(w.org, "empty")}
	count("one without any role must be looked for", 3, func() { observe([]driver.Scope{empty}) })
	ben, ref := w.cloud.AddUser("ben@example.com", sso), ""
	count("somebody's first role", 2, func() {
		ref = must(t, d, scopes[0].ID, give("organization_user", ben), give("space_auditor", ben))
	})
	count("somebody's second role", 1, func() { must(t, d, scopes[0].ID, give("space_manager", ben)) })
	count("a role is taken", 2, func() { must(t, d, scopes[0].ID, take("space_auditor", ben, ref)) })
	count("names of users", 2, func() { resolve(t, d, "ada@example.com", "ben@example.com", "nobody@example.com") })
}

func resolve(t testing.TB, d driver.Driver, names ...string) []access.Resolution {
	t.Helper()
	got, err := d.Resolve(t.Context(), names)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestPeople(t *testing.T) {
	w := newWorld(t, simulated.Options{})
	ada := w.cloud.AddUser("Ada@Example.com", sso)
	bob := w.cloud.AddUser("bob@example.com", sso)
	w.cloud.AddUser("BOB@example.com", "ldap")
	w.cloud.AddUser("eve@example.com", "ldap")
	unseen := w.cloud.AddAccount("unseen@example.com", sso)
	gone := w.cloud.AddUser("gone@example.com", sso)
	w.cloud.RemoveAccount(gone)
	yes := func(guid string) access.Resolution { return access.Resolution{Found: access.Yes, Refs: []string{guid}} }
	no := access.Resolution{Found: access.No}
	tests := []struct {
		reason, name string
		want         access.Resolution
	}{
		{"UAA ignores case", "ada@EXAMPLE.com", yes(ada)},
		{"the user of another origin is another user", "bob@example.com", yes(bob)},
		{"only another origin has the name", "Eve@example.com", access.Resolution{Found: access.No, Similar: access.DiffersByOrigin}},
		{"UAA knows them, the Cloud Controller does not: " + unseen, "unseen@example.com", no},
		{"a user whom UAA has forgotten has no name", "gone@example.com", no},
		{"the filter would take it apart", "ada@example.com,bob@example.com", no},
		{"no name at all", "", no},
	}
	d := w.open(t)
	for _, test := range tests {
		if diff := cmp.Diff(test.want, resolve(t, d, test.name)[0], cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.reason, diff)
		}
	}
}

// TestOrigin: without the origin, the user of any identity provider with a name would get the
// role. An account of another origin than the lookups' would never be found.
func TestOrigin(t *testing.T) {
	w := newWorld(t, simulated.Options{})
	creation := func(origin string) map[string]any {
		return map[string]any{"userCreation": map[string]any{"origin": origin}}
	}
	for name, tc := range map[string]struct {
		reason      string
		origin      any
		replication map[string]any
		want        string
	}{
		"missing":  {"lookups need it", nil, map[string]any{}, "origin: is missing: write UAA's key"},
		"empty":    {"it is no origin", "", map[string]any{}, "origin: is missing: write UAA's key"},
		"alone":    {"users are looked up only", sso, map[string]any{}, ""},
		"the same": {"created users are found", sso, creation(sso), ""},
		"another":  {"created users are not found", "ldap", creation(sso), `userCreation.origin: "corporate-sso" is not the platform's origin "ldap"`},
		"uaa":      {"nobody would know the password", "uaa", creation("uaa"), "userCreation.origin: name the identity provider"},
	} {
		t.Run(name, func(t *testing.T) {
			settings := map[string]any{
				"apiUrl": w.proxy.URL(), "auth": map[string]any{"environment": map[string]any{"prefix": "CF"}}, "replication": tc.replication,
			}
			if tc.origin != nil {
				settings["origin"] = tc.origin
			}
			_, err := tryOpen(t, settings, map[string]string{"CF_CLIENT_ID": "admin", "CF_CLIENT_SECRET": "admin-secret"})
			switch {
			case tc.want == "" && err != nil:
				t.Errorf("%s: %v", tc.reason, err)
			case tc.want != "" && (!errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("%s: %v, want ErrInvalid with %q", tc.reason, err, tc.want)
			}
		})
	}
}

// TestWithoutSCIM looks people up with credentials that may not read UAA's users.
func TestWithoutSCIM(t *testing.T) {
	w := newWorld(t, simulated.Options{Readers: map[string]string{"reader": "reader-secret"}})
	ada := w.cloud.AddUser("ada@example.com", sso)
	w.cloud.Disable(ada)
	space := w.cloud.AddSpace(w.org, "space")
	settings := map[string]any{
		"apiUrl": w.proxy.URL(), "origin": sso, "auth": map[string]any{"environment": map[string]any{"prefix": "CF"}},
	}
	d := openWith(t, settings, map[string]string{"CF_CLIENT_ID": "reader", "CF_CLIENT_SECRET": "reader-secret"})
	if got := resolve(t, d, "ada@example.com")[0]; got.Found != access.Yes {
		t.Errorf("who may not sign in is %q, want %q: nobody can say", got.Found, access.Yes)
	}
	if r := one(t, d, space, give("organization_user", ada)); !errors.Is(r.Err, fault.ErrDenied) {
		t.Errorf("a role given by who may only read: %v, want ErrDenied", r.Err)
	}
}

func TestManyNamesAreAskedForInParts(t *testing.T) {
	w := newWorld(t, simulated.Options{PageCap: 5000})
	d := w.open(t)
	var names []string
	for i := range 1000 {
		names = append(names, fmt.Sprintf("somebody-with-a-long-name-%d@department.example.com", i))
		if i%100 == 0 {
			w.cloud.AddUser(names[i], sso)
		}
	}
	for i, got := range resolve(t, d, names...) {
		if (got.Found == access.Yes) != (i%100 == 0) {
			t.Errorf("person %d is %q", i, got.Found)
		}
	}
	if calls := w.proxy.Count(http.MethodGet); calls < 3 || calls > 15 {
		t.Errorf("a thousand names took %d calls, want a few", calls)
	}
}

func TestScopes(t *testing.T) {
	w := newWorld(t, simulated.Options{})
	d := w.open(t)
	space := w.cloud.AddSpace(w.org, "space")
	other := w.cloud.AddOrganization("other")
	tests := []struct {
		reason, id string
		missing    bool
		within     string
	}{
		{"a space", space, false, w.org},
		{"a space of the organization that was expected", w.org + "/" + space, false, w.org},
		{"a space of another organization", other + "/" + space, true, ""},
		{"no space", "01234567-89ab-cdef-0123-456789abcdef", true, ""},
		{"more than one word of an address", space + "," + space, true, ""},
		{"nothing", "", true, ""},
	}
	for _, test := range tests {
		if got := look(t, d, test.id)[0]; got.Missing != test.missing {
			t.Errorf("%s: Missing = %t, want %t", test.reason, got.Missing, test.missing)
		}
		fresh := w.open(t)
		within, err := fresh.Within(t.Context(), []string{test.id})
		if err != nil || within[0] != test.within {
			t.Errorf("%s: Within = %q, %v; want %q", test.reason, within, err, test.within)
		}
	}
}

// TestInUse shows organization_user while somebody has a role in another space.
func TestInUse(t *testing.T) {
	w := newWorld(t, simulated.Options{})
	d := w.open(t)
	here, there := w.cloud.AddSpace(w.org, "here"), w.cloud.AddSpace(w.org, "there")
	ada, ben := w.cloud.AddUser("ada@example.com", sso), w.cloud.AddUser("ben@example.com", sso)
	w.cloud.GiveRole("space_developer", here, "", ada)
	w.cloud.GiveRole("space_developer", here, "", ben)
	rests := w.cloud.GiveRole("space_auditor", there, "", ben)
	for who, want := range map[string]bool{ada: false, ben: true} {
		b, found := inOrg(look(t, d, here)[0], who)
		if !found || b.InUse != want {
			t.Errorf("organization_user: found %t, in use %t, want %t", found, b.InUse, want)
		}
	}
	both := look(t, d, here, there)
	if b, _ := inOrg(both[0], ben); !b.InUse {
		t.Error("with both spaces read it is not in use")
	}
	b, _ := inOrg(both[1], ada)
	step := take("organization_user", ada, b.Ref)
	if r := one(t, d, there, step); !errors.Is(r.Err, fault.ErrConflict) {
		t.Errorf("taking what a role elsewhere rests on: %v, want ErrConflict", r.Err)
	}
	w.cloud.RemoveRole(rests)
	if b, _ := inOrg(look(t, d, here)[0], ben); b.InUse {
		t.Error("nothing rests on it any more and it is in use")
	}
}

// TestRefusals names what the Cloud Controller cannot do, each with its class.
func TestRefusals(t *testing.T) {
	w := newWorld(t, simulated.Options{})
	d := w.open(t)
	space, gone := w.cloud.AddSpace(w.org, "space"), w.cloud.AddSpace(w.org, "gone")
	ada := w.cloud.AddUser("ada@example.com", sso)
	look(t, d, gone)
	w.cloud.RemoveSpace(gone)
	tests := []struct {
		reason string
		space  string
		step   plan.Step
		want   error
	}{
		{"who lost organization_user since the plan was made is to be planned for again", space, give("space_developer", ada), fault.ErrConflict},
		{"the space was deleted since the plan was made", gone, give("space_developer", ada), fault.ErrNotFound},
		{"there is no such space", "nowhere", give("organization_user", ada), fault.ErrNotFound},
		{"the id of a tenant is none", "a,b", give("space_developer", ada), fault.ErrNotFound},
		{"a binding is about one person", space, plan.Step{Op: plan.Create, Kind: access.KindBinding, Want: plan.Object{
			Binding: &access.Binding{Role: "space_developer"},
		}}, fault.ErrInvalid},
		{"no such role", space, give("space_king", ada), fault.ErrInvalid},
		{"a role's id is none", space, take("space_developer", ada, "a/b"), fault.ErrInvalid},
		{"a role that is gone is taken", space, take("space_developer", ada, "gone"), nil},
		{"a role of which only the intent is known, and which is not there", space, take("space_developer", ada, ""), nil},
	}
	for _, test := range tests {
		if r := one(t, d, test.space, test.step); !errors.Is(r.Err, test.want) {
			t.Errorf("%s: %v, want %v", test.reason, r.Err, test.want)
		}
	}
	ref := must(t, d, space, give("organization_user", ada), give("space_developer", ada))
	must(t, d, space, take("space_developer", ada, ""))
	if slices.ContainsFunc(w.cloud.Roles(), func(r simulated.Role) bool { return r.GUID == ref }) {
		t.Error("a role of which only the intent is known is still there")
	}
}

// TestLateLists gives a role that is there, while lists do not show it yet.
func TestLateLists(t *testing.T) {
	var late atomic.Int64
	start := time.Now()
	clock := func() time.Time { return start.Add(time.Duration(late.Load())) }
	w := newWorld(t, simulated.Options{Stale: time.Minute, Clock: clock, JobTime: time.Nanosecond, TokenTime: 24 * time.Hour})
	space, ada := w.cloud.AddSpace(w.org, "space"), w.cloud.AddUser("ada@example.com", sso)
	late.Store(int64(time.Hour))
	d := w.open(t)
	step := give("organization_user", ada)
	ref := must(t, d, space, step)
	if r := one(t, d, space, step); !errors.Is(r.Err, fault.ErrUnavailable) {
		t.Errorf("a role that is there and not shown: %+v, want an error that is retried", r)
	}
	late.Add(int64(2 * time.Minute))
	if r := one(t, d, space, step); r.Err != nil || r.Ref != ref {
		t.Errorf("once it is shown: %+v, want the id %s", r, ref)
	}
}

func TestJobs(t *testing.T) {
	w := newWorld(t, simulated.Options{JobTime: 120 * time.Millisecond})
	d := w.open(t)
	space, ada := w.cloud.AddSpace(w.org, "space"), w.cloud.AddUser("ada@example.com", sso)
	step := take("organization_user", ada, must(t, d, space, give("organization_user", ada)))
	w.cloud.FailJobs(1)
	if r := one(t, d, space, step); !errors.Is(r.Err, fault.ErrUnavailable) {
		t.Errorf("a job that failed: %v, want an error that is retried", r.Err)
	}
	if len(w.cloud.Roles()) != 1 {
		t.Error("the failed job took the role")
	}
	must(t, d, space, step)
	if left := w.cloud.Roles(); len(left) > 0 {
		t.Errorf("the job is done and the roles are %v", left)
	}
}

func TestRateLimit(t *testing.T) {
	w := newWorld(t, simulated.Options{Throttle: &simulate.Throttle{PerSecond: 0.1, Burst: 1}})
	d := w.open(t)
	space := w.cloud.AddSpace(w.org, "space")
	_, err := d.Observe(t.Context(), []driver.Scope{{ID: space}}) // its second call is one too many
	after, _ := fault.RetryAfter(err)
	if !errors.Is(err, fault.ErrThrottled) || after < time.Second || after > 15*time.Second {
		t.Errorf("above the rate limit: %v, retry after %s; want some ten seconds", err, after)
	}
}

// TestNewcomers brings people in whom the Cloud Controller, UAA or neither knows,
// each twice: a worker may die in between.
func TestNewcomers(t *testing.T) {
	for _, guidsOnly := range []bool{false, true} {
		w := newWorld(t, simulated.Options{GUIDsOnly: guidsOnly})
		known := map[string]string{
			"user@example.com":     w.cloud.AddUser("user@example.com", sso),
			"account@example.com":  w.cloud.AddAccount("Account@example.com", sso),
			"stranger@example.com": "",
			"without-address":      "",
		}
		for name, want := range known {
			who := access.Newcomer{Account: access.Account{Name: name}, Person: "p", FirstName: "New", LastName: "Comer"}
			if name == "without-address" {
				who.Email = "somebody@example.com"
			}
			step := plan.Step{Op: plan.Create, Kind: access.KindAccount, Want: plan.Object{Account: &who}}
			first := must(t, w.open(t), "", step)
			if again := must(t, w.open(t), "", step); again != first || want != "" && first != want {
				t.Errorf("%s, ids only %t: made as %s and %s, want %q", name, guidsOnly, first, again, want)
			}
			if got := resolve(t, w.open(t), name)[0]; got.Found != access.Yes || got.Refs[0] != first {
				t.Errorf("%s, ids only %t: found %+v, want %s", name, guidsOnly, got, first)
			}
		}
		without := w.open(t, func(settings map[string]any) { delete(settings["replication"].(map[string]any), "userCreation") })
		step := plan.Step{Op: plan.Create, Kind: access.KindAccount, Want: plan.Object{Account: &access.Newcomer{Account: access.Account{Name: "x"}}}}
		if r := one(t, without, "", step); !errors.Is(r.Err, fault.ErrInvalid) {
			t.Errorf("an account without an origin: %v, want ErrInvalid", r.Err)
		}
	}
}

// TestCreateAccount_RefusesSimilarName: UAA may take two names for one that are two accounts here. The
// account of the other user is not the created one.
func TestCreateAccount_RefusesSimilarName(t *testing.T) {
	for _, guidsOnly := range []bool{false, true} {
		w := newWorld(t, simulated.Options{GUIDsOnly: guidsOnly})
		other := w.cloud.AddAccount("zo\u00eb@example.com", sso)
		who := access.Newcomer{Account: access.Account{Name: "zo\u00cb@example.com"}, Person: "p"}
		step := plan.Step{Op: plan.Create, Kind: access.KindAccount, Want: plan.Object{Account: &who}}
		if r := one(t, w.open(t), "", step); r.Err == nil || r.Ref == other {
			t.Errorf("ids only %t: an account was created as %s, %v; want an error, as UAA has %s under nearly the name", guidsOnly, r.Ref, r.Err, other)
		}
	}
}

// TestExpiredToken uses a token that the platform takes no more.
func TestExpiredToken(t *testing.T) {
	var late atomic.Int64
	clock := func() time.Time { return time.Now().Add(time.Duration(late.Load())) }
	w := newWorld(t, simulated.Options{Clock: clock})
	d := w.open(t)
	space := w.cloud.AddSpace(w.org, "space")
	look(t, d, space)
	late.Store(int64(time.Hour))
	if look(t, d, space)[0].Missing {
		t.Error("the space is missing")
	}
	if tokens := w.cloud.Control().Calls()["POST /oauth/token"]; tokens != 2 {
		t.Errorf("%d tokens were asked for, want a second one", tokens)
	}
}

func TestSigningIn(t *testing.T) {
	w := newWorld(t, simulated.Options{Passwords: map[string]string{"robot": "robot-secret"}})
	space := w.cloud.AddSpace(w.org, "space")
	settings := func(auth map[string]any) map[string]any {
		return map[string]any{"apiUrl": w.proxy.URL() + "/", "origin": sso, "auth": auth}
	}
	environment := map[string]any{"environment": map[string]any{"prefix": "CF"}}
	tests := []struct {
		reason string
		env    map[string]string
		want   error
	}{
		{"a client", map[string]string{"CF_CLIENT_ID": "admin", "CF_CLIENT_SECRET": "admin-secret"}, nil},
		{"a user", map[string]string{"CF_USERNAME": "robot", "CF_PASSWORD": "robot-secret"}, nil},
		{"a wrong secret", map[string]string{"CF_CLIENT_ID": "admin", "CF_CLIENT_SECRET": "wrong"}, fault.ErrDenied},
		{"a wrong password", map[string]string{"CF_USERNAME": "robot", "CF_PASSWORD": "wrong"}, fault.ErrDenied},
	}
	for _, test := range tests {
		_, err := openWith(t, settings(environment), test.env).Observe(t.Context(), []driver.Scope{{ID: space}})
		if !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.reason, err, test.want)
		}
	}
}

// TestTheFileIsReadAgain when its content changes, without a restart. Its time and its
// size, which stay the same, do not matter.
func TestTheFileIsReadAgain(t *testing.T) {
	w := newWorld(t, simulated.Options{})
	space := w.cloud.AddSpace(w.org, "space")
	dir, at := t.TempDir(), time.Now().Add(-time.Hour)
	file := filepath.Join(dir, "credentials.json")
	write := func(secret string) {
		text := []byte(`{"client_id":"admin","client_secret":"` + secret + `"}`)
		if err := errors.Join(os.WriteFile(file, text, 0o600), os.Chtimes(file, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	text := []byte(`{"origin":"corporate-sso","apiUrl":"` + w.proxy.URL() + `","auth":{"file":"credentials.json"}}`)
	config := drivertest.Config("cloudfoundry.test", text, budget.New(budget.Limits{}), func(string) string { return "" })
	config.Connection.Dir = dir // a relative name starts from here
	write("wrong-secret")
	d, err := cloudfoundry.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	denied := func() {
		t.Helper()
		if _, err := d.Observe(t.Context(), []driver.Scope{{ID: space}}); !errors.Is(err, fault.ErrDenied) {
			t.Errorf("with a wrong secret in the file: %v, want ErrDenied", err)
		}
	}
	denied()
	write("admin-secret")
	look(t, d, space)
	look(t, d, space)
	if tokens := w.cloud.Control().Calls()["POST /oauth/token"]; tokens != 2 {
		t.Errorf("%d tokens were asked for, want one for each content", tokens)
	}
	write("wrong-secret")
	denied()
}

func TestOpenRefuses(t *testing.T) {
	good := map[string]string{"CF_CLIENT_ID": "admin", "CF_CLIENT_SECRET": "secret"}
	tests := []struct {
		reason, settings string
		env              map[string]string
		want             error
	}{
		{"no settings", `[]`, good, fault.ErrInvalid},
		{"no address", `{"origin":"corporate-sso","auth":{"environment":{"prefix":"CF"}}}`, good, fault.ErrInvalid},
		{"a password in the address", `{"origin":"corporate-sso","apiUrl":"https://a:b@c","auth":{"environment":{"prefix":"CF"}}}`, good, fault.ErrInvalid},
		{"another address is none", `{"origin":"corporate-sso","apiUrl":"https://c","uaaUrl":"c","auth":{"environment":{"prefix":"CF"}}}`, good, fault.ErrInvalid},
		{"an address without TLS", `{"origin":"corporate-sso","apiUrl":"http://c","auth":{"environment":{"prefix":"CF"}}}`, good, fault.ErrInvalid},
		{"a network's address without TLS", `{"origin":"corporate-sso","apiUrl":"http://10.0.0.1","auth":{"environment":{"prefix":"CF"}}}`, good, fault.ErrInvalid},
		{"another machine's name without TLS", `{"origin":"corporate-sso","apiUrl":"http://localhost.example.com","auth":{"environment":{"prefix":"CF"}}}`, good, fault.ErrInvalid},
		{"UAA's address without TLS", `{"origin":"corporate-sso","apiUrl":"https://c","uaaUrl":"http://c","auth":{"environment":{"prefix":"CF"}}}`, good, fault.ErrInvalid},
		{"this machine without TLS", `{"origin":"corporate-sso","apiUrl":"http://localhost:8080","uaaUrl":"http://127.0.0.1:8081","auth":{"environment":{"prefix":"CF"}}}`, good, nil},
		{"this machine without TLS, by IPv6", `{"origin":"corporate-sso","apiUrl":"http://[::1]:8080","auth":{"environment":{"prefix":"CF"}}}`, good, nil},
		{"no credentials", `{"origin":"corporate-sso","apiUrl":"https://c","replication":{}}`, good, fault.ErrInvalid},
		{"credentials that are not there", `{"origin":"corporate-sso","apiUrl":"https://c","auth":{"environment":{"prefix":"CF"}}}`, nil, fault.ErrDenied},
		{"a password that is not there", `{"origin":"corporate-sso","apiUrl":"https://c","auth":{"environment":{"prefix":"CF"}}}`, map[string]string{"CF_USERNAME": "u"}, fault.ErrDenied},
		{"credentials in the document", `{"origin":"corporate-sso","apiUrl":"https://c","replication":{"credentials":{"environment":{"prefix":"CF"}}}}`, good, fault.ErrInvalid},
		{"the worker's own identity", `{"origin":"corporate-sso","apiUrl":"https://c","auth":{"workloadIdentity":{}}}`, good, fault.ErrUnsupported},
		{"a token that was issued before", `{"origin":"corporate-sso","apiUrl":"https://c","auth":{"tokenFile":"token"}}`, good, fault.ErrUnsupported},
		{"a device as file", `{"origin":"corporate-sso","apiUrl":"https://c","auth":{"file":"/dev/zero"}}`, good, fault.ErrDenied},
		{"accounts with a password", `{"origin":"uaa","apiUrl":"https://c","auth":{"environment":{"prefix":"CF"}},"replication":{"userCreation":{"origin":"uaa"}}}`, good, fault.ErrInvalid},
		{"a document of another shape", `{"origin":"corporate-sso","apiUrl":"https://c","auth":{"environment":{"prefix":"CF"}},"replication":7}`, good, fault.ErrInvalid},
	}
	for _, test := range tests {
		_, err := cloudfoundry.Open(t.Context(), drivertest.Config("p", []byte(test.settings), budget.New(budget.Limits{}),
			func(name string) string { return test.env[name] }))
		if !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.reason, err, test.want)
		}
	}
}

// TestUAAElsewhere: the secret does not go where the Cloud Controller says unless that
// is safe.
func TestUAAElsewhere(t *testing.T) {
	for href, reason := range map[string]string{
		"http://uaa.example.com":                "the secret would be readable on the way",
		"https://admin:hunter2@uaa.example.com": "addresses hold no password",
		"uaa.example.com":                       "it is no address",
		"":                                      "there is none",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/" || r.Header.Get("Authorization") != "" {
				t.Errorf("%s: the driver asks for %s", reason, r.URL.Path)
			}
			_, _ = fmt.Fprintf(answer, `{"links":{"uaa":{"href":%q}}}`, href)
		}))
		d := openWith(t, map[string]any{"apiUrl": server.URL, "origin": sso, "auth": map[string]any{"environment": map[string]any{"prefix": "CF"}}},
			map[string]string{"CF_CLIENT_ID": "admin", "CF_CLIENT_SECRET": "admin-secret"})
		_, err := d.Observe(t.Context(), []driver.Scope{{ID: "s"}})
		if !errors.Is(err, fault.ErrUnavailable) || !strings.Contains(err.Error(), "address of UAA") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want ErrUnavailable that names the address and does not quote it", reason, err)
		}
		server.Close()
	}
}

// TestAddressesInDocumentsCountForNothing: only the operator says where secrets go.
func TestAddressesInDocumentsCountForNothing(t *testing.T) {
	w := newWorld(t, simulated.Options{})
	space := w.cloud.AddSpace(w.org, "space")
	text := []byte(`{"apiUrl":"` + w.proxy.URL() + `","auth":{"environment":{"prefix":"CF"}}}`)
	config := drivertest.Config("cloudfoundry.test", text, budget.New(budget.Limits{}), func(name string) string {
		return map[string]string{"CF_CLIENT_ID": "admin", "CF_CLIENT_SECRET": "admin-secret"}[name]
	})
	config.Settings = json.RawMessage(`{"origin":"corporate-sso","apiUrl":"https://evil.example.com","uaaUrl":"https://evil.example.com",
		"auth":{"file":"/nonexistent"},"replication":{"credentials":{"file":{"path":"/nonexistent"}}}}`)
	d, err := cloudfoundry.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	look(t, d, space)
}

// TestPagesThatMove answers a list whose pages do not belong together.
func TestPagesThatMove(t *testing.T) {
	w := newWorld(t, simulated.Options{PageCap: 2})
	space := w.cloud.AddSpace(w.org, "space")
	var roles []string
	for i := range 3 {
		roles = append(roles, w.cloud.GiveRole("space_auditor", space, "", w.cloud.AddUser(fmt.Sprintf("user-%d@example.com", i), sso)))
	}
	d := w.open(t)
	look(t, d, space)
	w.proxy.Add(faultproxy.Rule{Match: func(r *http.Request) bool {
		if r.URL.Query().Get("page") == "2" {
			w.cloud.RemoveRole(roles[0])
		}
		return false
	}})
	if _, err := d.Observe(t.Context(), []driver.Scope{{ID: space}}); !errors.Is(err, fault.ErrTruncated) {
		t.Errorf("a role went while the pages were read: %v, want ErrTruncated", err)
	}
}
