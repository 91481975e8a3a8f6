package azure_test

import (
	"errors"
	"net/http"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/connection"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/azure/rules"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
	simulated "github.com/rollcall-iam/rollcall/internal/simulate/azure"
)

// TestRoleNames_HasNameAndID: however a document writes a role, its operator may write
// the name or the id.
func TestRoleNames_HasNameAndID(t *testing.T) {
	w := newWorld(t, simulated.Options{Stale: -1})
	sub := w.cloud.AddSubscription(w.tenant, "")
	custom := w.cloud.AddRole(sub, "Boss of the shop", "*")
	owner := w.cloud.RoleID("Owner")
	for _, c := range []struct {
		reason, role string
		want         []string
	}{
		{"a name", "Owner", []string{"Owner", owner}},
		{"a name in another case", "oWNER", []string{"Owner", owner}},
		{"an id", owner, []string{"Owner", owner}},
		{"an id in another case", strings.ToUpper(owner), []string{"Owner", owner}},
		{"a custom role by its name", "Boss of the shop", []string{"Boss of the shop", custom}},
		{"a custom role by its id", custom, []string{"Boss of the shop", custom}},
	} {
		for _, id := range []string{"/subscriptions/" + sub, sub, "/SUBSCRIPTIONS/" + strings.ToUpper(sub)} {
			namer := w.open(t).(driver.RoleNamer) // nothing is known of a cloud yet
			got, err := namer.RoleNames(t.Context(), driver.Scope{ID: id}, c.role)
			if err != nil {
				t.Errorf("%s at %s: %v", c.reason, id, err)
			}
			for _, want := range c.want {
				if !slices.ContainsFunc(got, func(name string) bool { return strings.EqualFold(name, want) }) {
					t.Errorf("%s at %s: RoleNames = %q, want %q in it", c.reason, id, got, want)
				}
			}
		}
	}
}

func TestRoleNames_OfUnknownRole(t *testing.T) {
	w := newWorld(t, simulated.Options{Stale: -1})
	scope := driver.Scope{ID: w.cloud.AddSubscription(w.tenant, "")}
	namer := w.open(t).(driver.RoleNamer)
	if got, err := namer.RoleNames(t.Context(), scope, "No such role"); !errors.Is(err, fault.ErrInvalid) {
		t.Errorf("RoleNames = %q, %v, want ErrInvalid", got, err)
	}
	// An id that Azure does not list is no name of another role.
	const id = "00000000-1111-2222-3333-444444444444"
	got, err := namer.RoleNames(t.Context(), scope, id)
	if err != nil || slices.ContainsFunc(got, func(name string) bool { return path.Base(name) != id }) {
		t.Errorf("RoleNames of an unknown id = %q, %v", got, err)
	}
}

// TestLimit_DeniesByNameAndID: a denied role is not given, whichever of its names the
// operator and the document write, and can be taken away.
func TestLimit_DeniesByNameAndID(t *testing.T) {
	w := newWorld(t, simulated.Options{Stale: -1})
	owner := w.cloud.RoleID("Owner")
	for _, denied := range []string{"Owner", "OWNER", owner, strings.ToUpper(owner)} {
		for _, written := range []string{"Owner", "owner", owner, strings.ToUpper(owner)} {
			shop := w.newTenant(t, "prod")
			ref := shop.must(createGroup("admins"))
			given := shop.must(give(access.Binding{Role: written, Group: "admins", GroupRef: ref}))
			free := shop.driver
			shop.driver = connection.Limit(w.open(t), connection.Limits{Name: "main", Deny: []string{denied}})
			before := w.proxy.Count(http.MethodPut)
			for _, carried := range []bool{false, true} {
				b := access.Binding{Role: written, Group: "admins", GroupRef: ref, Carried: carried}
				if _, err := shop.apply(give(b)); !errors.Is(err, fault.ErrForbidden) {
					t.Errorf("%q is denied, %q is given, copied %t: %v, want ErrForbidden", denied, written, carried, err)
				}
			}
			if calls := w.proxy.Count(http.MethodPut) - before; calls > 0 {
				t.Errorf("%q is denied, %q is given: %d calls that write", denied, written, calls)
			}
			shop.must(give(access.Binding{Role: "Reader", Group: "admins", GroupRef: ref}))
			shop.must(take(access.Binding{Role: written, Group: "admins", GroupRef: ref, Ref: given}))
			shop.driver = free
			if left := shop.look("admins").Bindings; len(left) != 1 || left[0].Role != "Reader" {
				t.Errorf("%q is denied: left are %+v, want Reader alone", denied, left)
			}
		}
	}
}

// TestLimit_Scopes: what is outside of a connection's scopes is not called.
func TestLimit_Scopes(t *testing.T) {
	w := newWorld(t, simulated.Options{Stale: -1})
	mine, other := w.cloud.AddSubscription(w.tenant, ""), w.cloud.AddSubscription(w.tenant, "")
	d := connection.Limit(w.open(t), connection.Limits{Scope: rules.PlatformType().Scope, Scopes: [][]string{{"/subscriptions/" + mine}}})
	for _, id := range []string{mine, "/subscriptions/" + mine, "/SUBSCRIPTIONS/" + strings.ToUpper(mine), "/subscriptions/" + mine + "/resourceGroups/none"} {
		if _, err := d.Observe(t.Context(), []driver.Scope{{ID: id}}); err != nil {
			t.Errorf("Observe of %s: %v", id, err)
		}
	}
	before := w.proxy.Count()
	for _, id := range []string{
		other, "/subscriptions/" + other, "/subscriptions/" + mine + "/../" + other, "/subscriptions/" + mine + "x", mine + "/../" + other, "",
		"/providers/Microsoft.Management/managementGroups/root", "/",
	} {
		scope := driver.Scope{ID: id}
		if got, err := d.Observe(t.Context(), []driver.Scope{scope}); !errors.Is(err, fault.ErrForbidden) {
			t.Errorf("Observe of %q = %v, %v, want ErrForbidden", id, got, err)
		}
		if got := d.Apply(t.Context(), scope, []plan.Step{createGroup("g")}); !errors.Is(got[0].Err, fault.ErrForbidden) {
			t.Errorf("Apply at %q: %v, want ErrForbidden", id, got[0].Err)
		}
	}
	if calls := w.proxy.Count() - before; calls > 0 {
		t.Errorf("%d calls for what may not be touched", calls)
	}
}

// TestCheck finds out whether Entra accepts the account.
func TestCheck(t *testing.T) {
	w := newWorld(t, simulated.Options{Stale: -1})
	if err := connection.Check(t.Context(), w.open(t)); err != nil {
		t.Errorf("Check: %v", err)
	}
	w.getenv = environment(map[string]string{"AZ_CLIENT_ID": clientID, "AZ_CLIENT_SECRET": "another"})
	if err := connection.Check(t.Context(), w.open(t)); !errors.Is(err, fault.ErrDenied) || strings.Contains(err.Error(), "another") {
		t.Errorf("Check with a wrong secret: %v, want ErrDenied without it", err)
	}
}
