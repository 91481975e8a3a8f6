package openstack_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/connection"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

func TestRoleNames(t *testing.T) {
	w := newWorld(t)
	d := w.open(t)
	for _, role := range lawRoles {
		got, err := d.RoleNames(t.Context(), driver.Scope{}, role)
		if diff := cmp.Diff([]string{role, w.roles[role]}, got); err != nil || diff != "" {
			t.Errorf("%s: %v, names (-want +got):\n%s", role, err, diff)
		}
	}
	for reason, role := range map[string]string{
		"no such role": "no-such-role", "documents write no ids": w.roles[lawRoles[0]], "names have a case": strings.ToUpper(lawRoles[0]), "no name": "",
	} {
		if got, err := d.RoleNames(t.Context(), driver.Scope{}, role); !errors.Is(err, fault.ErrInvalid) {
			t.Errorf("%s: RoleNames = %q, %v, want ErrInvalid", reason, got, err)
		}
	}
}

// TestLimit_DeniesByNameAndID: the operator may write either.
func TestLimit_DeniesByNameAndID(t *testing.T) {
	w := newWorld(t)
	scope := driver.Scope{ID: w.tenant(t, "deny"), Mark: access.Mark{Installation: "test", Tenant: "a.b/c"}}
	free := w.open(t)
	if got := free.Apply(t.Context(), scope, createGroup("admins")); got[0].Err != nil {
		t.Fatal(got[0].Err)
	}
	const role = "laws-owner"
	for _, denied := range []string{role, strings.ToUpper(role), w.roles[role]} {
		d := connection.Limit(w.open(t), connection.Limits{Name: "main", Deny: []string{denied}})
		for _, carried := range []bool{false, true} {
			steps := bindGroup("admins", role)
			steps[0].Want.Binding.Carried = carried
			if got := d.Apply(t.Context(), scope, steps); !errors.Is(got[0].Err, fault.ErrForbidden) {
				t.Errorf("%q is denied, copied %t: %v, want ErrForbidden", denied, carried, got[0].Err)
			}
		}
		if got := d.Apply(t.Context(), scope, bindGroup("admins", w.roles[role])); !errors.Is(got[0].Err, fault.ErrInvalid) && !errors.Is(got[0].Err, fault.ErrForbidden) {
			t.Errorf("%q is denied and the id is given: %v, want it refused", denied, got[0].Err)
		}
	}
	seen, err := free.Observe(t.Context(), []driver.Scope{scope})
	if err != nil || len(seen[0].State.Bindings) > 0 {
		t.Errorf("given are %+v, %v, want none", seen, err)
	}
}

// TestCheck finds out whether Keystone accepts the account.
func TestCheck(t *testing.T) {
	w := newWorld(t)
	if err := connection.Check(t.Context(), w.open(t)); err != nil {
		t.Errorf("Check: %v", err)
	}
	account := w.server.Admin()
	account.Password = "another"
	if err := connection.Check(t.Context(), openAt(t, w.proxy.URL(), w.name, account.Environ("CLOUD"))); !errors.Is(err, fault.ErrDenied) || strings.Contains(err.Error(), "another") {
		t.Errorf("Check with a wrong password: %v, want ErrDenied without it", err)
	}
}
