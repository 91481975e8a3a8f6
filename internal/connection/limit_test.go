package connection_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/connection"
	"github.com/rollcall-iam/rollcall/internal/driver"
	azure "github.com/rollcall-iam/rollcall/internal/driver/azure/rules"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// namer is a fake whose platform knows roles by ids, too.
type namer struct {
	*fake
	names map[string][]string // by how a mapping writes the role
	err   error
	asked []string
}

func (n *namer) RoleNames(_ context.Context, scope driver.Scope, role string) ([]string, error) {
	n.asked = append(n.asked, scope.ID+" "+role)
	if names, ok := n.names[role]; ok || n.err != nil {
		return names, n.err
	}
	return nil, fmt.Errorf("%w: there is no role %q", fault.ErrInvalid, role)
}

// sharer is a fake that shares roles.
type sharer struct{ *fake }

func (sharer) Within(_ context.Context, ids []string) ([]string, error) { return ids, nil }

// checker is a fake that has its own way to check an account.
type checker struct {
	*fake
	err error
}

func (c checker) Check(context.Context) error { return c.err }

func give(id, role string) plan.Step {
	return plan.Step{
		ID: id, Op: plan.Create, Kind: access.KindBinding, Want: plan.Object{Binding: &access.Binding{Role: role, Group: "g"}},
	}
}

func take(id, role string) plan.Step {
	return plan.Step{
		ID: id, Op: plan.Delete, Kind: access.KindBinding, Have: plan.Object{Binding: &access.Binding{Role: role, Group: "g", Ref: "r"}},
	}
}

// change is a step that changes who has a role.
func change(id, role string, from, to []string) plan.Step {
	binding := func(names []string) plan.Object {
		b := &access.Binding{Role: role}
		for _, name := range names {
			b.Subjects = append(b.Subjects, access.Member{Account: access.Account{Name: name, Ref: name}})
		}
		return plan.Object{Binding: b}
	}
	return plan.Step{ID: id, Op: plan.Change, Kind: access.KindBinding, Have: binding(from), Want: binding(to)}
}

// ids returns the ids of steps.
func ids(steps []plan.Step) []string {
	var all []string
	for _, s := range steps {
		all = append(all, s.ID)
	}
	return all
}

func TestLimit_Scopes(t *testing.T) {
	const sub = "/subscriptions/7c1e0a52-2d1e-4b6a-9f57-0e7c1b1d2a44"
	for _, c := range []struct {
		reason  string
		allow   []string
		id      string
		allowed bool
	}{
		{"the id itself", []string{"team-a"}, "team-a", true},
		{"another id", []string{"team-a"}, "team-b", false},
		{"an id that begins so", []string{"team-a"}, "team-ab", false},
		{"an id that ends so", []string{"team-a"}, "my-team-a", false},
		{"case is part of an id", []string{"team-a"}, "Team-A", false},
		{"any of the list", []string{"x", "team-a"}, "team-a", true},
		{"none of the list", []string{"x", "y"}, "team-a", false},
		{"no id", []string{"team-a"}, "", false},
		{"a space is part of an id", []string{"team-a"}, "team-a ", false},

		{"what * stands for", []string{"team-*"}, "team-a", true},
		{"* may stand for nothing", []string{"team-*"}, "team-", true},
		{"* in the middle", []string{"team-*-prod"}, "team-a-prod", true},
		{"what is around * counts", []string{"team-*-prod"}, "team-a-dev", false},
		{"all of the id counts", []string{"team-*"}, "my-team-a", false},
		{"* alone", []string{"*"}, "kube-system", true},
		{"* stands for no slash", []string{"*"}, "a/b", false},
		{"nor below", []string{"team-*"}, "team-a/../kube-system", false},
		{"on each side of a slash", []string{"org/*"}, "org/space", true},
		{"in another organization", []string{"org/*"}, "other/space", false},
		{"a space without its organization", []string{"org/*"}, "space", false},
		{"an id with a star is one", []string{"a*b"}, "a*b", true},
		{"a pattern that is none matches itself", []string{"team-["}, "team-[", true},
		{"a pattern that is none matches nothing else", []string{"team-["}, "team-a", false},
		{"an author cannot write patterns", []string{"team-a"}, "team-*", false},
		{"nor this one", []string{"team-a"}, "*", false},

		{"a path itself", []string{sub}, sub, true},
		{"a path in another case", []string{sub}, strings.ToUpper(sub), true},
		{"the operator's case", []string{strings.ToUpper(sub)}, sub, true},
		{"a path below", []string{sub}, sub + "/resourceGroups/shop", true},
		{"a path far below", []string{sub}, sub + "/resourceGroups/shop/providers/x", true},
		{"a path below in another case", []string{sub + "/resourceGroups/Shop"}, sub + "/RESOURCEGROUPS/shop", true},
		{"another subscription by its id", []string{sub}, "8c1e0a52-2d1e-4b6a-9f57-0e7c1b1d2a44", false},
		{"a subscription, where one group in it is allowed", []string{sub + "/resourceGroups/shop"}, strings.TrimPrefix(sub, "/subscriptions/"), false},
		{"a slash at the end means nothing", []string{sub + "/"}, sub, true},
		{"a prefix that ends inside a segment", []string{sub}, sub + "x", false},
		{"a name that begins like another", []string{sub + "/resourceGroups/shop"}, sub + "/resourceGroups/shop-prod", false},
		{"a path above", []string{sub + "/resourceGroups/shop"}, sub, false},
		{"the root", []string{sub}, "/", false},
		{"upwards out of it", []string{sub}, sub + "/../8c1e0a52-2d1e-4b6a-9f57-0e7c1b1d2a44", false},
		{"upwards and back again", []string{sub}, sub + "/x/../y", false},
		{"upwards at the end", []string{sub}, sub + "/..", false},
		{"dots are part of a name", []string{sub}, sub + "/resourceGroups/a..b", true},
		{"an id alone does not lead upwards", []string{sub}, "../subscriptions/x", false},
		{"without the first slash", []string{sub}, strings.TrimPrefix(sub, "/"), false},
		{"an empty first segment", []string{sub}, "/" + sub, false},

		{"nothing is listed", nil, "kube-system", true},
	} {
		// A denied role has the driver limited also where all scopes are allowed.
		inner := &fake{}
		d := connection.Limit(inner, connection.Limits{Name: "main", Scopes: [][]string{c.allow}, Deny: []string{"owner"}})
		_, err := d.Observe(t.Context(), []driver.Scope{{ID: c.id}})
		results := d.Apply(t.Context(), driver.Scope{ID: c.id}, []plan.Step{give("1", "view"), take("2", "owner")})
		for what, err := range map[string]error{"Observe": err, "Apply": results[0].Err, "Apply of a removal": results[1].Err} {
			if (err == nil) != c.allowed || err != nil && !errors.Is(err, fault.ErrForbidden) {
				t.Errorf("%s: %s of %q within %q: %v, want it allowed: %t", c.reason, what, c.id, c.allow, err, c.allowed)
			}
		}
		if called := inner.calls > 0; called != c.allowed {
			t.Errorf("%s: the platform was called: %t, want %t", c.reason, called, c.allowed)
		}
	}
}

// TestLimit_ScopesOfAllParts: each list has to allow a tenant.
func TestLimit_ScopesOfAllParts(t *testing.T) {
	d := connection.Limit(&fake{}, connection.Limits{Scopes: [][]string{{"a*"}, nil, {"*b", "*c"}}})
	for id, want := range map[string]bool{"ab": true, "axc": true, "a": false, "b": false, "ad": false} {
		if _, err := d.Observe(t.Context(), []driver.Scope{{ID: id}}); (err == nil) != want {
			t.Errorf("%q: %v, want it allowed: %t", id, err, want)
		}
	}
}

// TestLimit_ScopesHoldBelow: no path that a prefix allows is outside of it, whatever
// the text.
func TestLimit_ScopesHoldBelow(t *testing.T) {
	segment := rapid.OneOf(rapid.SampledFrom([]string{"a", "A", "b", "ab", "..", ".", "", "%2e%2e", "a b"}), rapid.String())
	rapid.Check(t, func(t *rapid.T) {
		prefix := "/" + strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b"}), 1, 3).Draw(t, "prefix"), "/")
		id := strings.Join(rapid.SliceOfN(segment, 0, 6).Draw(t, "id"), "/")
		if rapid.Bool().Draw(t, "absolute") {
			id = "/" + id
		}
		d := connection.Limit(&fake{}, connection.Limits{Scopes: [][]string{{prefix}}})
		if _, err := d.Observe(t.Context(), []driver.Scope{{ID: id}}); err != nil {
			return
		}
		var at []string
		for part := range strings.SplitSeq(strings.ToLower(id), "/") {
			switch part {
			case "", ".":
			case "..":
				at = at[:max(0, len(at)-1)]
			default:
				at = append(at, part)
			}
		}
		if got := "/" + strings.Join(at, "/"); got != prefix && !strings.HasPrefix(got, prefix+"/") {
			t.Fatalf("%q is allowed by %q and is %q", id, prefix, got)
		}
	})
}

// TestLimit_ObserveIsWhole: one tenant that may not be touched fails all, and nothing
// is read.
func TestLimit_ObserveIsWhole(t *testing.T) {
	inner := &fake{}
	d := connection.Limit(inner, connection.Limits{Name: "main", Scopes: [][]string{{"a"}}})
	got, err := d.Observe(t.Context(), []driver.Scope{{ID: "a"}, {ID: "b"}})
	if !errors.Is(err, fault.ErrForbidden) || got != nil || inner.calls > 0 {
		t.Errorf("Observe = %v, %v after %d calls, want ErrForbidden without a call", got, err, inner.calls)
	}
	for _, part := range []string{`"main"`, `"b"`, "scopes.allow"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error is %q, want %s in it", err, part)
		}
	}
	if got, err := d.Observe(t.Context(), nil); err != nil || len(got) > 0 {
		t.Errorf("Observe of nothing = %v, %v", got, err)
	}
}

// TestLimit_Roles: a role is denied by all of its names.
func TestLimit_Roles(t *testing.T) {
	const id = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
	known := map[string][]string{
		"Owner": {"Owner", id}, "owner": {"owner", id, "Owner"}, id: {id, "Owner"}, strings.ToUpper(id): {strings.ToUpper(id), id, "Owner"},
		"Reader": {"Reader", "acdd72a7"}, "Owner of shoes": {"Owner of shoes", "4711"},
	}
	for _, c := range []struct {
		reason string
		denied string
		role   string
		given  bool
	}{
		{"the name", "Owner", "Owner", false},
		{"the name in another case", "OWNER", "Owner", false},
		{"the document writes another case", "Owner", "owner", false},
		{"the operator writes the id", id, "Owner", false},
		{"the operator writes the id in another case", strings.ToUpper(id), "Owner", false},
		{"the document writes the id", "Owner", id, false},
		{"the document writes the id in another case", "Owner", strings.ToUpper(id), false},
		{"both write the id", id, id, false},
		{"both write the id, in two cases", id, strings.ToUpper(id), false},
		{"another role", "Owner", "Reader", true},
		{"another role, by id", id, "Reader", true},
		{"a name that begins so", "Owner", "Owner of shoes", true},
		{"a role is no pattern", "Own*", "Owner", true},
	} {
		for list, limits := range map[string]connection.Limits{
			"roles.deny":         {Name: "main", Deny: []string{"other", c.denied}},
			"roles.secondPerson": {Name: "main", SecondPerson: []string{"other", c.denied}},
		} {
			inner := &namer{fake: &fake{}, names: known}
			r := connection.Limit(inner, limits).Apply(t.Context(), driver.Scope{ID: "t"}, []plan.Step{give("1", c.role)})
			if (r[0].Err == nil) != c.given || !c.given && !errors.Is(r[0].Err, fault.ErrForbidden) {
				t.Errorf("%s: %q in %s, document writes %q: %v, want it given: %t", c.reason, c.denied, list, c.role, r[0].Err, c.given)
			}
			if (inner.calls > 0) != c.given {
				t.Errorf("%s: Apply was called: %t, want %t", c.reason, inner.calls > 0, c.given)
			}
			if r[0].Err != nil && (!strings.Contains(r[0].Err.Error(), list) || !strings.Contains(r[0].Err.Error(), `"main"`)) {
				t.Errorf("%s: the error is %q, want the list and the connection in it", c.reason, r[0].Err)
			}
			if diff := cmp.Diff([]string{"t " + c.role}, inner.asked); diff != "" {
				t.Errorf("%s: asked for the names of (-want +got):\n%s", c.reason, diff)
			}
		}
	}
}

// TestLimit_RolesOfPlainPlatforms: where a role has one name, that counts.
func TestLimit_RolesOfPlainPlatforms(t *testing.T) {
	for role, given := range map[string]bool{"cluster-admin": false, "Cluster-Admin": false, "admin": true, "cluster-admins": true, "": true} {
		r := connection.Limit(&fake{}, connection.Limits{Deny: []string{"cluster-admin"}}).Apply(t.Context(), driver.Scope{}, []plan.Step{give("1", role)})
		if (r[0].Err == nil) != given {
			t.Errorf("%q: %v, want it given: %t", role, r[0].Err, given)
		}
	}
}

// TestLimit_UnknownRoles: whether a role is denied must be known before it is given.
func TestLimit_UnknownRoles(t *testing.T) {
	for reason, c := range map[string]struct {
		err   error
		class error
		calls int
	}{
		"no such role: the driver refuses it":     {nil, nil, 1},
		"the platform does not answer":            {fault.ErrUnavailable, fault.ErrUnavailable, 0},
		"the account may not ask":                 {fault.ErrDenied, fault.ErrDenied, 0},
		"the platform answers too much":           {fault.Throttled(nil, 0), fault.ErrThrottled, 0},
		"an error that nobody classified":         {errors.New("?"), fault.ErrUnavailable, 0},
		"the caller went away":                    {context.Canceled, context.Canceled, 0},
		"a role that is gone since it was listed": {fault.ErrNotFound, fault.ErrNotFound, 0},
	} {
		inner := &namer{fake: &fake{}, err: c.err}
		r := connection.Limit(inner, connection.Limits{Deny: []string{"Owner"}}).Apply(t.Context(), driver.Scope{}, []plan.Step{give("1", "Reader")})
		if fault.Class(r[0].Err) != c.class || inner.calls != c.calls { //nolint:errorlint // Class returns one of them.
			t.Errorf("%s: %v after %d calls, want class %v after %d", reason, r[0].Err, inner.calls, c.class, c.calls)
		}
	}
	inner := &namer{fake: &fake{}}
	r := connection.Limit(inner, connection.Limits{Deny: []string{"Owner"}}).Apply(t.Context(), driver.Scope{}, []plan.Step{give("1", "OWNER")})
	if !errors.Is(r[0].Err, fault.ErrForbidden) || inner.calls > 0 {
		t.Errorf("a role that the platform does not know, and that is denied: %v after %d calls", r[0].Err, inner.calls)
	}
}

// TestLimit_Steps: which steps give a role.
func TestLimit_Steps(t *testing.T) {
	carried := give("1", "Owner")
	carried.Want.Binding.Carried, carried.Carries = true, "ref"
	below := give("1", "Owner")
	below.Want.Binding.Name = "resourceGroups/inner"
	member := []access.Member{{Account: access.Account{Ref: "ada"}}}
	condition := change("1", "Owner", nil, nil)
	condition.Want.Binding.Condition = "true"
	for _, c := range []struct {
		reason  string
		step    plan.Step
		allowed bool
	}{
		{"a role is given", give("1", "Owner"), false},
		{"a role that another system gave is copied", carried, false},
		{"a role is given below the tenant", below, false},
		{"somebody more gets the role", change("1", "Owner", []string{"ada"}, []string{"ada", "ben"}), false},
		{"the role counts under another condition", condition, false},
		{"a role is taken away", take("1", "Owner"), true},
		{"a group is made", plan.Step{ID: "1", Op: plan.Create, Kind: access.KindGroup, Want: plan.Object{Group: &access.Group{Name: "Owner"}}}, true},
		{"a group goes", plan.Step{ID: "1", Op: plan.Delete, Kind: access.KindGroup, Have: plan.Object{Group: &access.Group{Name: "Owner"}}}, true},
		{
			"members come into a group that has no denied role", plan.Step{
				ID: "1", Op: plan.Change, Kind: access.KindMembers, Want: plan.Object{Members: &plan.Members{Group: "Owner", Accounts: member}},
			}, true,
		},
		{
			"an account is made", plan.Step{
				ID: "1", Op: plan.Create, Kind: access.KindAccount, Want: plan.Object{Account: &access.Newcomer{Account: member[0].Account}},
			}, true,
		},
		{"another role is given", give("1", "Reader"), true},
		{"a step about nothing: the driver refuses it", plan.Step{ID: "1", Op: plan.Create, Kind: access.KindBinding}, true},
	} {
		inner := &fake{}
		r := connection.Limit(inner, connection.Limits{Deny: []string{"Owner"}}).Apply(t.Context(), driver.Scope{ID: "t"}, []plan.Step{c.step})
		if (r[0].Err == nil) != c.allowed || !c.allowed && !errors.Is(r[0].Err, fault.ErrForbidden) {
			t.Errorf("%s: %v, want it allowed: %t", c.reason, r[0].Err, c.allowed)
		}
		if (len(inner.applied) > 0) != c.allowed {
			t.Errorf("%s: the driver got %v", c.reason, ids(inner.applied))
		}
	}
}

// TestLimit_KeepsOrder: a step that is refused does not stop the others, and results
// stay in the order of the steps.
func TestLimit_KeepsOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		roles := rapid.SliceOfN(rapid.SampledFrom([]string{"Owner", "owner", "Reader", "Writer", "-Owner"}), 0, 8).Draw(rt, "roles")
		inner := &fake{conflicts: map[string]error{}}
		var steps []plan.Step
		var want []string
		for i, role := range roles {
			id := strconv.Itoa(i)
			if strings.HasPrefix(role, "-") {
				steps = append(steps, take(id, role[1:]))
			} else {
				steps = append(steps, give(id, role))
			}
			if role == "Writer" {
				inner.conflicts[id] = fault.ErrConflict
			}
			if !strings.EqualFold(role, "Owner") {
				want = append(want, id)
			}
		}
		before := slices.Clone(steps)
		results := connection.Limit(inner, connection.Limits{Deny: []string{"OWNER"}}).Apply(t.Context(), driver.Scope{ID: "t"}, steps)
		if diff := cmp.Diff(want, ids(inner.applied)); diff != "" {
			rt.Fatalf("steps that the driver got (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(before, steps); diff != "" {
			rt.Fatalf("the caller's steps changed:\n%s", diff)
		}
		if calls := min(len(want), 1); inner.calls != calls || len(results) != len(steps) {
			rt.Fatalf("%d calls and %d results of %d steps, want %d calls", inner.calls, len(results), len(steps), calls)
		}
		for i, r := range results {
			switch role := roles[i]; {
			case strings.EqualFold(role, "Owner"):
				if !errors.Is(r.Err, fault.ErrForbidden) || r.Ref != "" {
					rt.Fatalf("step %d is %+v, want ErrForbidden", i, r)
				}
			case r.Ref != "ref of "+strconv.Itoa(i) || errors.Is(r.Err, fault.ErrConflict) != (role == "Writer"):
				rt.Fatalf("step %d is %+v", i, r)
			}
		}
	})
}

// TestLimit_Unlimited: without limits nothing stands between.
func TestLimit_Unlimited(t *testing.T) {
	inner := &fake{}
	for _, limits := range []connection.Limits{{}, {Name: "main"}, {Scopes: [][]string{{}, nil}}, {Deny: []string{}}} {
		if got := connection.Limit(inner, limits); got != driver.Driver(inner) {
			t.Errorf("Limit by %+v is %T, want the driver itself", limits, got)
		}
	}
}

// TestLimit_KeepsAbilities: what a driver can do besides, it can do within limits.
func TestLimit_KeepsAbilities(t *testing.T) {
	limits := connection.Limits{Scopes: [][]string{{"a"}}, Deny: []string{"Owner"}}
	shared, ok := connection.Limit(sharer{&fake{}}, limits).(driver.Sharer)
	if !ok {
		t.Fatal("a driver that shares roles does not share them within limits")
	}
	got, err := shared.Within(t.Context(), []string{"a"})
	if diff := cmp.Diff([]string{"a"}, got); err != nil || diff != "" {
		t.Errorf("Within: %v (-want +got):\n%s", err, diff)
	}
	if d := connection.Limit(sharer{&fake{}}, limits); d.Apply(t.Context(), driver.Scope{ID: "a"}, []plan.Step{give("1", "Owner")})[0].Err == nil {
		t.Error("a driver that shares roles gives a denied one")
	}
	if _, ok := connection.Limit(&fake{}, limits).(driver.Sharer); ok {
		t.Error("a driver that shares no roles shares them within limits")
	}
}

// TestLimit_LeavesResolve: accounts belong to no tenant and have no role.
func TestLimit_LeavesResolve(t *testing.T) {
	inner := &fake{}
	d := connection.Limit(inner, connection.Limits{Scopes: [][]string{{"nothing"}}, Deny: []string{"ada"}})
	if got, err := d.Resolve(t.Context(), []string{"ada", "ben"}); err != nil || len(got) != 2 {
		t.Errorf("Resolve = %v, %v", got, err)
	}
	if diff := cmp.Diff([]string{"ada", "ben"}, inner.resolved); diff != "" {
		t.Errorf("resolved (-want +got):\n%s", diff)
	}
}

func TestCheck(t *testing.T) {
	limits := connection.Limits{Scopes: [][]string{{"a"}}, Deny: []string{"Owner"}}
	for reason, limit := range map[string]func(d driver.Driver) driver.Driver{
		"without limits": func(d driver.Driver) driver.Driver { return d },
		"within limits":  func(d driver.Driver) driver.Driver { return connection.Limit(d, limits) },
	} {
		plain := &fake{}
		if err := connection.Check(t.Context(), limit(plain)); err != nil || len(plain.resolved) != 1 {
			t.Errorf("%s: Check: %v after looking up %v, want one account looked up", reason, err, plain.resolved)
		}
		own := checker{fake: &fake{}, err: fault.ErrDenied}
		if err := connection.Check(t.Context(), limit(own)); !errors.Is(err, fault.ErrDenied) || len(own.resolved) > 0 {
			t.Errorf("%s: Check of a driver with its own way: %v after looking up %v", reason, err, own.resolved)
		}
	}
}

// TestLimit_ScopeOfType: a type may write one tenant in two ways, and both are allowed
// or neither is.
func TestLimit_ScopeOfType(t *testing.T) {
	const id = "7c1e0a52-2d1e-4b6a-9f57-0e7c1b1d2a44"
	for _, c := range []struct {
		reason, allow, id string
		allowed           bool
	}{
		{"a subscription by its id alone", "/subscriptions/" + id, id, true},
		{"the operator writes the id alone", id, "/subscriptions/" + id + "/resourceGroups/shop", true},
		{"both do, in another case", id, strings.ToUpper(id), true},
		{"another subscription", id, "8" + id[1:], false},
	} {
		limits := connection.Limits{Scopes: [][]string{{c.allow}}, Scope: azure.PlatformType().Scope}
		_, err := connection.Limit(&fake{}, limits).Observe(t.Context(), []driver.Scope{{ID: c.id}})
		if (err == nil) != c.allowed {
			t.Errorf("%s: %q within %q: %v, want it allowed: %t", c.reason, c.id, c.allow, err, c.allowed)
		}
	}
}

// member is an account whose id is its name.
func member(name string) access.Member {
	return access.Member{Account: access.Account{Name: name, Ref: name}}
}

// members is a step that replaces the members of the group "admins".
func members(have, want []string) plan.Step {
	object := func(names []string) plan.Object {
		m := &plan.Members{Group: "admins", GroupRef: "g1"}
		for _, name := range names {
			m.Accounts = append(m.Accounts, member(name))
		}
		return plan.Object{Members: m}
	}
	return plan.Step{ID: "m", Op: plan.Change, Kind: access.KindMembers, Have: object(have), Want: object(want)}
}

// TestLimit_GroupsWithDeniedRoles: a role that a group had before it was denied reaches
// no new member. Members leave all the same, also in the step that is refused.
func TestLimit_GroupsWithDeniedRoles(t *testing.T) {
	for name, c := range map[string]struct {
		reason  string
		binding access.Binding
		step    plan.Step
		refused bool
		applied []string // accounts that the driver is asked to leave in the group; nil for no call
	}{
		"Comes":     {"the group has the role", access.Binding{Role: "Owner", GroupRef: "g1"}, members(nil, []string{"ada"}), true, nil},
		"ByName":    {"the platform names groups", access.Binding{Role: "owner", Group: "admins"}, members(nil, []string{"ada"}), true, nil},
		"Other":     {"another role", access.Binding{Role: "Reader", GroupRef: "g1"}, members(nil, []string{"ada"}), false, []string{"ada"}},
		"OtherOnes": {"another group", access.Binding{Role: "Owner", GroupRef: "g2", Group: "others"}, members(nil, []string{"ada"}), false, []string{"ada"}},
		"Leaves":    {"a removal", access.Binding{Role: "Owner", GroupRef: "g1"}, members([]string{"ada", "ben"}, []string{"ben"}), false, []string{"ben"}},
		"Replaced":  {"one leaves as another comes", access.Binding{Role: "Owner", GroupRef: "g1"}, members([]string{"ada", "ben"}, []string{"ben", "eve"}), true, []string{"ben"}},
	} {
		for _, observed := range []bool{true, false} {
			inner := &fake{state: access.State{Bindings: []access.Binding{c.binding}}}
			d := connection.Limit(inner, connection.Limits{Deny: []string{"Owner"}})
			scope := driver.Scope{ID: "t"}
			if observed {
				if _, err := d.Observe(t.Context(), []driver.Scope{scope}); err != nil {
					t.Fatal(err)
				}
			}
			r := d.Apply(t.Context(), scope, []plan.Step{c.step})
			if errors.Is(r[0].Err, fault.ErrForbidden) != c.refused {
				t.Errorf("%s: %s: %v, want it refused: %t", name, c.reason, r[0].Err, c.refused)
			}
			var applied []string
			for _, step := range inner.applied {
				for _, m := range step.Want.Members.Accounts {
					applied = append(applied, m.Name)
				}
			}
			if diff := cmp.Diff(c.applied, applied); diff != "" {
				t.Errorf("%s: %s: members that the driver is to leave (-want +got):\n%s", name, c.reason, diff)
			}
		}
	}
}

// TestLimit_UnreadGroups: what roles a group has could not be read, so nobody joins.
func TestLimit_UnreadGroups(t *testing.T) {
	inner := &fake{failing: fault.ErrUnavailable}
	r := connection.Limit(inner, connection.Limits{Deny: []string{"Owner"}}).
		Apply(t.Context(), driver.Scope{ID: "t"}, []plan.Step{members([]string{"ada"}, []string{"ben"})})
	if !errors.Is(r[0].Err, fault.ErrUnavailable) || len(inner.applied) != 1 || len(inner.applied[0].Want.Members.Accounts) != 0 {
		t.Errorf("%v, applied %+v; want the addition retried, and the removal made", r[0].Err, inner.applied)
	}
}

// TestLimit_SubjectsAreTaken: a binding of a denied role whose subject is replaced goes
// away, where it was the only one.
func TestLimit_SubjectsAreTaken(t *testing.T) {
	inner := &fake{}
	r := connection.Limit(inner, connection.Limits{Deny: []string{"Owner"}}).
		Apply(t.Context(), driver.Scope{ID: "t"}, []plan.Step{change("1", "Owner", []string{"ada"}, []string{"ben"})})
	if !errors.Is(r[0].Err, fault.ErrForbidden) {
		t.Errorf("ben gets the role: %v", r[0].Err)
	}
	if len(inner.applied) != 1 || inner.applied[0].Op != plan.Delete || inner.applied[0].Want.Binding != nil {
		t.Errorf("the driver got %+v, want the binding deleted", inner.applied)
	}
}
