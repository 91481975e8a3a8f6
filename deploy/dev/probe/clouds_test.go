package probe_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcall-iam/rollcall/deploy/dev/probe"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/internal/simulate/aws"
	"github.com/rollcall-iam/rollcall/internal/simulate/azure"
	"github.com/rollcall-iam/rollcall/internal/simulate/google"
)

// has checks what an asker finds, without and with a group's rights.
func has(t *testing.T, a probe.Asker, tenant string, groups []string, want ...probe.Right) {
	t.Helper()
	got, err := a.Ask(t.Context(), tenant, nil)
	if err != nil {
		t.Fatal(err)
	}
	wanted := map[probe.Right]bool{}
	for _, r := range want {
		wanted[r] = true
	}
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Errorf("rights (-want +got):\n%s", diff)
	}
	names, err := a.Groups(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(groups, names, cmpopts.EquateEmpty(), cmpopts.SortSlices(func(a, b string) bool { return a < b })); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
}

func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

func TestSandbox(t *testing.T) {
	file := filepath.Join(t.TempDir(), "world.json")
	err := memory.Seed(file, memory.World{
		Tenants: []memory.Tenant{{ID: "t1"}, {ID: "t2"}},
		Users:   []memory.User{{ID: "u1", Name: "ada"}, {ID: "u2", Name: "ben"}},
		Groups: []memory.Group{
			{ID: "g1", Name: "admins", Members: []string{"u1", "u2"}}, {ID: "g2", Name: "idle", Members: []string{"u1"}},
		},
		Bindings: []memory.Binding{{ID: "b1", Tenant: "t1", Role: "owner", Group: "g1"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	s := probe.Sandbox{File: file}
	has(t, s, "t1", []string{"admins"}, probe.Right{Account: "ada", Role: "owner"}, probe.Right{Account: "ben", Role: "owner"})
	has(t, s, "t2", nil)
	if _, err := (probe.Sandbox{File: file + "x"}).Ask(t.Context(), "t1", nil); err == nil {
		t.Error("a platform that is not there has an answer")
	}
}

func TestAWS(t *testing.T) {
	cloud, err := aws.New(aws.Options{AccessKey: "AKIAPROBE0000000TEST", SecretKey: "the-secret", Stale: -1, Page: 1})
	if err != nil {
		t.Fatal(err)
	}
	const account = "123456789012"
	cloud.Account(account, "shop")
	ada, ben := cloud.User("ada@example.com"), cloud.User("ben@example.com")
	admin, reader := cloud.PermissionSet("Admin"), cloud.PermissionSet("Reader")
	admins, readers := cloud.Group("admins", "", ada), cloud.Group("readers", "", ada, ben)
	cloud.Group("idle", "", ben)
	cloud.Assign(account, admin, admins)
	cloud.Assign(account, reader, readers)
	a := &probe.AWS{URL: serve(t, cloud), Region: "eu-central-1", AccessKey: "AKIAPROBE0000000TEST", Secret: "the-secret"}
	has(t, a, account, []string{"admins", "readers"},
		probe.Right{Account: "ada@example.com", Role: admin}, probe.Right{Account: "ada@example.com", Role: reader},
		probe.Right{Account: "ben@example.com", Role: reader})
	cloud.Leave(readers, ben)
	cloud.DeleteGroup(admins)
	has(t, a, account, []string{"readers"}, probe.Right{Account: "ada@example.com", Role: reader})
	a.Secret = "another"
	if _, err := a.Ask(t.Context(), account, nil); err == nil {
		t.Error("a wrong signature has an answer")
	}
}

func TestAzureAndMarketplace(t *testing.T) {
	cloud, err := azure.New(azure.Options{Stale: -1, PageSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	address, tenant := serve(t, cloud), cloud.AddTenant("", "example.com")
	cloud.AddApp(tenant, "7e3c9b54-2a1d-4f68-b0c7-91d5e8a6f430", "the-secret")
	scope := cloud.AddResourceGroup(cloud.AddSubscription(tenant, ""), "shop")
	ada, ben := cloud.AddUser(tenant, "ada@example.com", "", true), cloud.AddUser(tenant, "ben@example.com", "", true)
	both := cloud.PlantGroup(tenant, azure.Group{DisplayName: "market.shop-admin", Members: []string{ada, ben}})
	cloud.PlantAssignment(azure.Assignment{Scope: scope, Role: "Reader", Principal: both})
	a := probe.NewAzure(address, tenant, "7e3c9b54-2a1d-4f68-b0c7-91d5e8a6f430", "the-secret")
	reader := cloud.RoleID("Reader")
	has(t, a, scope, []string{"market.shop-admin"},
		probe.Right{Account: "ada@example.com", Role: reader}, probe.Right{Account: "ben@example.com", Role: reader})
	has(t, probe.Marketplace{Azure: a, Prefix: "market."}, "", []string{"market.shop-admin"},
		probe.Right{Account: "ada@example.com", Role: "admin"}, probe.Right{Account: "ben@example.com", Role: "admin"})
	groups, names, err := probe.AKS{Azure: a, Cluster: scope}.Memberships(t.Context())
	if err != nil || len(groups) != 2 || names[both] != "market.shop-admin" {
		t.Errorf("memberships %v, names %v, %v; want two people in the one group", groups, names, err)
	}
	cloud.RemoveMember(tenant, both, ben)
	has(t, a, scope, []string{"market.shop-admin"}, probe.Right{Account: "ada@example.com", Role: reader})
}

func TestGoogle(t *testing.T) {
	cloud, err := google.New(google.Options{Stale: -1, IAMLag: -1, PageSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	const robot = "probe@lab.iam.gserviceaccount.com"
	address := serve(t, cloud)
	key, err := google.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	cloud.AddAccount(google.Account{Email: robot, PublicKey: key.Public, GroupsAdmin: true, UsersReader: true, PolicyAdmin: true})
	text, err := key.File(robot, address+"/token")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ada@example.com", "ben@example.com"} {
		cloud.AddUser(google.User{PrimaryEmail: name, GivenName: "A", FamilyName: "B"})
	}
	cloud.AddProject("acme-shop")
	id := cloud.AddGroup("readers@example.com", "", "ada@example.com", "ben@example.com")
	cloud.Bind("acme-shop", google.Binding{Role: "roles/viewer", Members: []string{"group:readers@example.com"}})
	g, err := probe.NewGoogle(address, file)
	if err != nil {
		t.Fatal(err)
	}
	has(t, g, "acme-shop", []string{"readers@example.com"},
		probe.Right{Account: "ada@example.com", Role: "roles/viewer"}, probe.Right{Account: "ben@example.com", Role: "roles/viewer"})
	cloud.Leave(id, "ben@example.com")
	has(t, g, "acme-shop", []string{"readers@example.com"}, probe.Right{Account: "ada@example.com", Role: "roles/viewer"})
}

// TestWatchSeesAGapOnACloud: what a probe never saw, it cannot rule out.
func TestWatchSeesAGapOnACloud(t *testing.T) {
	cloud, err := aws.New(aws.Options{AccessKey: "AKIAPROBE0000000TEST", SecretKey: "the-secret", Stale: -1})
	if err != nil {
		t.Fatal(err)
	}
	const account = "123456789012"
	cloud.Account(account, "shop")
	group := cloud.Group("admins", "", cloud.User("ada@example.com"))
	set := cloud.PermissionSet("Admin")
	cloud.Assign(account, set, group)
	a := &probe.AWS{URL: serve(t, cloud), Region: "eu-central-1", AccessKey: "AKIAPROBE0000000TEST", Secret: "the-secret"}
	w, err := probe.Start(t.Context(), "aws", a, []string{account}, 5*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	cloud.DeleteGroup(group)
	time.Sleep(50 * time.Millisecond)
	group = cloud.Group("renamed", "", cloud.User("ada@example.com"))
	cloud.Assign(account, set, group)
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if got, err := a.Ask(t.Context(), account, nil); err == nil && len(got) == 1 {
			break
		}
	}
	time.Sleep(50 * time.Millisecond)
	r := stop(t, w)
	if r.Longest() < 40*time.Millisecond || r.Renamed() != 1 {
		t.Errorf("report %+v, want the gap seen and one group renamed", r)
	}
}
