package aks_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/connection"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/aks/rules"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

func TestRoleNames(t *testing.T) {
	w := newWorld(t)
	namer := w.open(t).(driver.RoleNamer)
	owner := w.cloud.RoleID("Owner")
	for _, c := range []struct {
		reason, role string
		want         []string
		not          string
	}{
		{"a role of the cluster", "cluster-admin", []string{"cluster-admin"}, ""},
		{"a role of the cluster is none of Azure", "Owner", []string{"Owner"}, owner},
		{"a role of Azure", rules.OfAzure + "Owner", []string{"Owner", owner}, ""},
		{"a role of Azure in another case", rules.OfAzure + "owner", []string{"Owner", owner}, ""},
		{"a role of Azure by its id", rules.OfAzure + owner, []string{"Owner", owner}, ""},
	} {
		got, err := namer.RoleNames(t.Context(), driver.Scope{ID: "any"}, c.role)
		if err != nil {
			t.Errorf("%s: %v", c.reason, err)
		}
		for _, want := range c.want {
			if !slices.Contains(got, want) {
				t.Errorf("%s: RoleNames = %q, want %q in it", c.reason, got, want)
			}
		}
		if c.not != "" && slices.Contains(got, c.not) {
			t.Errorf("%s: RoleNames = %q, want no %q in it", c.reason, got, c.not)
		}
	}
	if got, err := namer.RoleNames(t.Context(), driver.Scope{}, rules.OfAzure+"No such role"); !errors.Is(err, fault.ErrInvalid) {
		t.Errorf("RoleNames of an unknown role = %q, %v, want ErrInvalid", got, err)
	}
}

// TestLimit_DeniesRolesOfBoth: of the cluster, and of Azure by name and by id.
func TestLimit_DeniesRolesOfBoth(t *testing.T) {
	w := newWorld(t)
	free, scope, _ := shop(t, w)
	owner := w.cloud.RoleID("Owner")
	d := connection.Limit(free, connection.Limits{Name: "main", Deny: []string{role, "Owner"}})
	for _, written := range []string{role, rules.OfAzure + "Owner", rules.OfAzure + "OWNER", rules.OfAzure + owner} {
		b := access.Binding{Role: written, Group: "admins", GroupRef: scope.Groups[0].Ref}
		got := d.Apply(t.Context(), scope, []plan.Step{{Op: plan.Create, Kind: access.KindBinding, Want: plan.Object{Binding: &b}}})
		if !errors.Is(got[0].Err, fault.ErrForbidden) {
			t.Errorf("%q is given: %v, want ErrForbidden", written, got[0].Err)
		}
	}
	if given := w.cloud.Assignments(w.resource); len(given) != 1 || given[0].Role == owner {
		t.Errorf("given are %+v, want the role that every group needs", given)
	}
	for _, b := range look(t, free, scope).Bindings { // all may be taken away
		got := d.Apply(t.Context(), scope, []plan.Step{{Op: plan.Delete, Kind: access.KindBinding, Have: plan.Object{Binding: &b}}})
		if got[0].Err != nil {
			t.Errorf("taking %q: %v", b.Role, got[0].Err)
		}
	}
}

// TestCheck finds out whether Entra accepts the account.
func TestCheck(t *testing.T) {
	w := newWorld(t)
	if err := connection.Check(t.Context(), w.open(t)); err != nil {
		t.Errorf("Check: %v", err)
	}
	d := w.open(t)
	w.cloud.RemoveSecrets(w.tenantID, clientID)
	if err := connection.Check(t.Context(), d); !errors.Is(err, fault.ErrDenied) || strings.Contains(err.Error(), secret) {
		t.Errorf("Check without a secret at Entra: %v, want ErrDenied without it", err)
	}
}
