package aks_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/connection"
	"github.com/rollcall-iam/rollcall/internal/driver/aks"
	"github.com/rollcall-iam/rollcall/internal/driver/aks/rules"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// TestLimit_DeniesRolesOfAzure: a role of Azure on the cluster has a name, an id and
// paths, each with the prefix that mappings write.
func TestLimit_DeniesRolesOfAzure(t *testing.T) {
	w := newWorld(t)
	free, scope, _ := shop(t, w)
	owner := w.cloud.RoleID("Owner")
	for _, denied := range []string{rules.OfAzure + "Owner", rules.OfAzure + owner, w.resource + "/providers/Microsoft.Authorization/roleDefinitions/" + owner} {
		d := connection.Limit(free, connection.Limits{Deny: []string{denied}})
		for _, written := range []string{rules.OfAzure + "Owner", rules.OfAzure + owner} {
			b := access.Binding{Role: written, Group: "admins", GroupRef: scope.Groups[0].Ref}
			got := d.Apply(t.Context(), scope, []plan.Step{{Op: plan.Create, Kind: access.KindBinding, Want: plan.Object{Binding: &b}}})
			if !errors.Is(got[0].Err, fault.ErrForbidden) {
				t.Errorf("%q denied, %q given: %v", denied, written, got[0].Err)
			}
		}
	}
}

// TestCheck_AsksBothAccounts: an AKS platform needs the directory and the cluster.
func TestCheck_AsksBothAccounts(t *testing.T) {
	w := newWorld(t)
	settings, err := json.Marshal(map[string]any{
		"clusterResourceId": w.resource,
		"uses": map[string]any{
			"directory": map[string]any{
				"tenantId":  w.tenantID,
				"endpoints": map[string]any{"login": w.login, "graph": w.proxy.URL(), "resourceManager": w.proxy.URL()},
				"auth":      map[string]any{"environment": map[string]any{"prefix": "AZ"}},
			},
			"cluster": map[string]any{"server": w.proxy.URL(), "auth": map[string]any{"environment": map[string]any{"prefix": "CLUSTER"}}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	variables := map[string]string{"AZ_CLIENT_ID": clientID, "AZ_CLIENT_SECRET": secret, "CLUSTER_TOKEN": "unknown"}
	d, err := aks.Open(t.Context(), drivertest.Config("aks.test", settings, budget.New(budget.Limits{}), func(name string) string { return variables[name] }))
	if err != nil {
		t.Fatal(err)
	}
	if err := connection.Check(t.Context(), d); err == nil {
		t.Error("check says yes with a token that the cluster refuses")
	}
}
