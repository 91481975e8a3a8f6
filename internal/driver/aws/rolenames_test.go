package aws_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/connection"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
	simulated "github.com/rollcall-iam/rollcall/internal/simulate/aws"
)

func TestRoleNames(t *testing.T) {
	w := newWorld(t, simulated.Options{})
	d := w.open(t)
	for _, role := range lawRoles {
		got, err := d.RoleNames(t.Context(), driver.Scope{}, role)
		if diff := cmp.Diff([]string{role, w.sets[role]}, got); err != nil || diff != "" {
			t.Errorf("%s: %v, names (-want +got):\n%s", role, err, diff)
		}
	}
	got, err := d.RoleNames(t.Context(), driver.Scope{}, "NoSuchAccess")
	if err != nil && !errors.Is(err, fault.ErrInvalid) {
		t.Errorf("RoleNames of an unknown role = %q, %v", got, err)
	}
	for _, name := range got {
		if name != "NoSuchAccess" && name != "" {
			t.Errorf("an unknown role has the name %q", name)
		}
	}
}

// TestLimit_DeniesByNameAndARN: documents write names only, operators either.
func TestLimit_DeniesByNameAndARN(t *testing.T) {
	w := newWorld(t, simulated.Options{})
	account := w.tenant(t, "shop")
	scope := driver.Scope{ID: account, Mark: access.Mark{Installation: "test", Tenant: "a.b/c"}}
	group := access.Group{Name: "admins"}
	made := w.open(t).Apply(t.Context(), scope, []plan.Step{makeGroup(group.Name)})
	if made[0].Err != nil {
		t.Fatal(made[0].Err)
	}
	group.Ref = made[0].Ref
	w.settle()
	const set = "AdministratorAccess"
	for _, denied := range []string{set, strings.ToLower(set), w.sets[set]} {
		d := connection.Limit(w.open(t), connection.Limits{Deny: []string{denied}})
		step := give(group)
		step.Want.Binding.Role = set
		if got := d.Apply(t.Context(), scope, []plan.Step{step}); !errors.Is(got[0].Err, fault.ErrForbidden) {
			t.Errorf("%q is denied: %v, want ErrForbidden", denied, got[0].Err)
		}
		step.Want.Binding.Role = w.sets[set] // no name of a permission set
		if got := d.Apply(t.Context(), scope, []plan.Step{step}); !errors.Is(got[0].Err, fault.ErrInvalid) && !errors.Is(got[0].Err, fault.ErrForbidden) {
			t.Errorf("%q is denied and the ARN is given: %v, want it refused", denied, got[0].Err)
		}
		if got := d.Apply(t.Context(), scope, []plan.Step{give(group)}); got[0].Err != nil {
			t.Errorf("%q is denied: another role: %v", denied, got[0].Err)
		}
	}
	if n := w.calls(func(operation string) bool { return strings.HasSuffix(operation, ".CreateAccountAssignment") }); n != 3 {
		t.Errorf("%d assignments were made, want that of another role, three times", n)
	}
}

// TestLimit_DeniesAPermissionSetMadeAgain: one that is deleted and made again has the
// same name and another ARN, which the driver must not take for the old one.
func TestLimit_DeniesAPermissionSetMadeAgain(t *testing.T) {
	w := newWorld(t, simulated.Options{})
	scope := driver.Scope{ID: w.tenant(t, "shop"), Mark: access.Mark{Installation: "test", Tenant: "a.b/c"}}
	d := w.open(t)
	made := d.Apply(t.Context(), scope, []plan.Step{makeGroup("admins")})
	if made[0].Err != nil {
		t.Fatal(made[0].Err)
	}
	step := give(access.Group{Name: "admins", Ref: made[0].Ref})
	if _, err := d.RoleNames(t.Context(), scope, step.Want.Binding.Role); err != nil {
		t.Fatal(err)
	}
	w.cloud.DeletePermissionSet(w.sets[lawRoles[0]])
	again := w.cloud.PermissionSet(lawRoles[0])
	w.settle()
	limited := connection.Limit(d, connection.Limits{Deny: []string{again}})
	for range 3 {
		if got := limited.Apply(t.Context(), scope, []plan.Step{step}); got[0].Err == nil {
			t.Fatal("the denied permission set was given")
		} else if errors.Is(got[0].Err, fault.ErrForbidden) {
			return
		}
	}
	t.Error("the new ARN is never found out")
}

// TestCheck finds out whether AWS accepts the account.
func TestCheck(t *testing.T) {
	w := newWorld(t, simulated.Options{})
	if err := connection.Check(t.Context(), w.open(t)); err != nil {
		t.Errorf("Check: %v", err)
	}
	wrong := openWith(t, w.proxy.URL(), map[string]string{"CLOUD_ACCESS_KEY_ID": accessKey, "CLOUD_SECRET_ACCESS_KEY": "another"}, nil)
	if err := connection.Check(t.Context(), wrong); !errors.Is(err, fault.ErrDenied) || strings.Contains(err.Error(), "another") {
		t.Errorf("Check with a wrong secret: %v, want ErrDenied without it", err)
	}
}
