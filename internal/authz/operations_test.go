package authz_test

import (
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/authz"
	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/document"
)

// TestOperations_AreThoseOfTheService: a new method of the service is denied until it has a
// rule, and this test fails until then.
func TestOperations_AreThoseOfTheService(t *testing.T) {
	t.Parallel()
	var methods, rules []string
	for method := range reflect.TypeFor[control.Service]().Methods() {
		methods = append(methods, method.Name)
	}
	for _, rule := range authz.Operations() {
		rules = append(rules, string(rule.Operation))
		if rule.Reason == "" {
			t.Errorf("%s has no reason", rule.Operation)
		}
		if rule.Limit == authz.Whole && slices.ContainsFunc(rule.Roles, document.PolicyRole.OfWorkspaces) {
			t.Errorf("%s has no part of a workspace and allows roles of workspaces: %v", rule.Operation, rule.Roles)
		}
	}
	slices.Sort(methods)
	slices.Sort(rules)
	if diff := cmp.Diff(methods, rules); diff != "" {
		t.Errorf("methods of control.Service without a rule, and rules without a method (-methods +rules): add a line to authz.Operations\n%s", diff)
	}
}

func TestRights_DenyByDefault(t *testing.T) {
	t.Parallel()
	tenant := access.TenantID{Workspace: "marketing", Project: "p", Platform: "m.a"}
	for _, none := range []authz.Rights{{}, rights(t)} {
		for _, rule := range authz.Operations() {
			for _, d := range []authz.Decision{
				none.Allow(rule.Operation), none.AllowTenants(rule.Operation, tenant), none.AllowChanges(rule.Operation, nil),
			} {
				if d.Allowed || d.Reason == "" {
					t.Errorf("%s without a role: %+v", rule.Operation, d)
				}
			}
			if w := none.Scope(rule.Operation); w.All() || len(w.Names()) > 0 {
				t.Errorf("%s without a role is allowed in %v", rule.Operation, w.Names())
			}
		}
	}
	admin := rights(t, "admin")
	for _, rule := range authz.Operations() {
		if d := admin.Allow(rule.Operation); !d.Allowed {
			t.Errorf("%s is denied to an administrator: %s", rule.Operation, d.Reason)
		}
	}
	for _, op := range []authz.Operation{"", "get", "Drop"} {
		if d := admin.Allow(op); d.Allowed || d.Reason == "" {
			t.Errorf("an operation without a rule, %q: %+v", op, d)
		}
	}
}

func TestRights_Operations(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		reason string
		roles  []string
		op     authz.Operation
		want   bool
	}{
		{"reading one's workspaces", []string{"viewer of marketing"}, "Get", true},
		{"connection reports are about all workspaces", []string{"viewer of marketing", "editor of sales"}, "ListConnections", false},
		{"nor does a viewer of all operate", []string{"viewer"}, "ListConnections", false},
		{"an export has all documents", []string{"viewer"}, "Export", false},
		{"a viewer changes nothing", []string{"viewer"}, "Apply", false},
		{"a viewer replicates nothing", []string{"viewer"}, "Replicate", false},
		{"an editor does not approve", []string{"editor"}, "Decide", false},
		{"an operator does not approve", []string{"operator"}, "Decide", false},
		{"an approver does", []string{"approver"}, "Decide", true},
		{"an approver adopts", []string{"approver"}, "Adopt", true},
		{"an approver changes no documents", []string{"approver"}, "Apply", false},
		{"an operator does not revoke", []string{"operator"}, "Revoke", false},
		{"security does", []string{"security"}, "Revoke", true},
		{"and lifts", []string{"security"}, "Lift", true},
		{"security changes no documents", []string{"security"}, "Apply", false},
		{"what a platform still has is given up by administrators", []string{"operator", "approver", "security"}, "Forget", false},
		{"revocations name users of all workspaces", []string{"viewer", "approver"}, "ListRevocations", false},
	} {
		if d := rights(t, tt.roles...).Allow(tt.op); d.Allowed != tt.want {
			t.Errorf("%s: %s by %v: %+v", tt.reason, tt.op, tt.roles, d)
		}
	}
}

func TestRights_Tenants(t *testing.T) {
	t.Parallel()
	tenant := access.TenantID{Workspace: "marketing", Project: "p", Platform: "m.a"}
	other := access.TenantID{Workspace: "sales", Project: "p", Platform: "m.a"}
	upper := access.TenantID{Workspace: "Marketing", Project: "p", Platform: "m.a"}
	for _, tt := range []struct {
		reason  string
		roles   []string
		op      authz.Operation
		tenants []access.TenantID
		want    bool
	}{
		{"one's own", []string{"viewer of marketing"}, "Status", []access.TenantID{tenant}, true},
		{"another's", []string{"viewer of marketing"}, "Status", []access.TenantID{other}, false},
		{"one's own and another's", []string{"viewer of marketing"}, "Plan", []access.TenantID{tenant, other}, false},
		{"the order does not matter", []string{"viewer of marketing"}, "Explain", []access.TenantID{other, tenant}, false},
		{"workspaces have a case", []string{"viewer of marketing"}, "Explain", []access.TenantID{upper}, false},
		{"a tenant of no workspace", []string{"viewer"}, "Explain", []access.TenantID{{}}, false},
		{"roles add up", []string{"viewer of marketing", "editor of sales"}, "Plan", []access.TenantID{tenant, other}, true},
		{"a role adds only what it allows", []string{"viewer of marketing", "editor of sales"}, "Replicate", []access.TenantID{tenant, other}, false},
		{"an operator replicates all", []string{"operator"}, "Replicate", []access.TenantID{tenant, other}, true},
		{"a reader of all", []string{"approver"}, "Plan", []access.TenantID{tenant, other}, true},
		{"an approval is of no workspace", []string{"approver"}, "Decide", []access.TenantID{tenant}, true},
		{"an editor of the tenant does not approve", []string{"editor of marketing"}, "Decide", []access.TenantID{tenant}, false},
		{"documents are not asked for by tenant", []string{"admin"}, "Get", []access.TenantID{tenant}, false},
	} {
		if d := rights(t, tt.roles...).AllowTenants(tt.op, tt.tenants...); d.Allowed != tt.want || d.Reason == "" {
			t.Errorf("%s: %s by %v: %+v", tt.reason, tt.op, tt.roles, d)
		}
	}
	r := rights(t, "viewer of marketing", "editor of sales")
	if diff := cmp.Diff([]string{"marketing", "sales"}, r.Scope("ListPending").Names()); diff != "" {
		t.Errorf("readers of two workspaces (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"sales"}, r.Scope("Replicate").Names()); diff != "" {
		t.Errorf("an editor of one of them (-want +got):\n%s", diff)
	}
	if !rights(t, "operator").Scope("Status").All() || rights(t, "admin").Scope("Apply").All() {
		t.Error("the scope is that of operations about tenants alone")
	}
}

func TestDecision_Reason(t *testing.T) {
	t.Parallel()
	allowed := rights(t, "approver", "operator").Allow("Replicate")
	contains(t, "what allows it", allowed.Reason, `rule 1 of the policy "p2"`, "role operator")
	if allowed.Missing != nil {
		t.Errorf("allowed, and %v are missing", allowed.Missing)
	}
	denied := rights(t, "viewer of marketing").Allow("Revoke")
	contains(t, "what is missing, and where to get it", denied.Reason, "Revoke", "role security or admin", "administrator", "AccessPolicy")
	if diff := cmp.Diff([]document.PolicyRole{document.RoleSecurity, document.RoleAdmin}, denied.Missing); diff != "" {
		t.Errorf("missing (-want +got):\n%s", diff)
	}
	other := policies(t, "{callers: {issuer: 'https://secret.example.com', subject: ceo}, roles: [security]}").
		Rights(authz.Caller{Actor: user(t, "ada")}).Allow("Revoke")
	if slices.ContainsFunc([]string{"p1", "secret", "ceo"}, func(s string) bool { return containsText(other.Reason, s) }) {
		t.Errorf("a denial shows the policy of others: %s", other.Reason)
	}
}
