package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	rbacv1client "k8s.io/client-go/kubernetes/typed/rbac/v1"

	"github.com/rollcall-iam/rollcall/internal/connection/connectiontest"
	"github.com/rollcall-iam/rollcall/internal/engines/kubernetes"
)

// cluster is a real Kubernetes with tenants in it, whose calls are counted.
type cluster struct {
	organisation
	server     *kubernetes.Server
	rbac       *rbacv1client.RbacV1Client
	kubeconfig string
}

func newCluster(t testing.TB, server *kubernetes.Server, tenants, people int) *cluster {
	t.Helper()
	c := &cluster{organisation: organisation{platform: "kubernetes.lab", people: people}, server: server}
	config, err := server.AdminConfig()
	if err != nil {
		t.Fatal(err)
	}
	core, err := corev1client.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	if c.rbac, err = rbacv1client.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	for i := range tenants {
		n := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: tenantID(i) + "-"}}
		made, err := core.Namespaces().Create(t.Context(), n, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		c.tenants = append(c.tenants, made.Name)
	}
	text, err := server.Kubeconfig()
	if err != nil {
		t.Fatal(err)
	}
	c.kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(c.kubeconfig, text, 0o600); err != nil {
		t.Fatal(err)
	}
	c.config = `{kubernetes: {replication: {roleMappings: ` + roleMappings("admin", "edit", "view") + `}}}`
	c.connection = connectiontest.Of(c.platform, "kubernetes", map[string]string{
		"server": strconv.Quote(server.URL()), "auth": fmt.Sprintf("{file: %q}", c.kubeconfig),
	})
	return c
}

// subjects counts the people of every binding of a tenant, by the binding's name.
func (c *cluster) subjects(t testing.TB, tenant int) map[string]int {
	t.Helper()
	found, err := c.rbac.RoleBindings(c.tenants[tenant]).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, b := range found.Items {
		counts[b.Name] = len(b.Subjects)
	}
	return counts
}

// want checks that every role of every tenant is bound to so many people.
func (c *cluster) want(t testing.TB, people int) {
	t.Helper()
	for i := range c.tenants {
		for _, role := range []string{"admin", "edit", "view"} {
			if got := c.subjects(t, i)["rollcall-"+role]; got != people {
				t.Errorf("tenant %d: the role %s has %d people, want %d", i, role, got, people)
			}
		}
	}
}

func TestKubernetesConverges(t *testing.T) {
	// Not parallel: it stops the API server that other tests share.
	server := kubernetes.ForTest(t)
	s := newStack(t)
	c := newCluster(t, server, 3, 3)
	s.connect(c.connection)
	s.worker()
	s.apply(c.documents())

	if r := s.replicate(done); r.Changed != 3 || r.Warnings != 0 {
		t.Fatalf("first replication: %+v, want 3 tenants changed and no remarks", r)
	}
	c.want(t, 3)
	if r := s.replicate(done); r.Converged != 3 || r.Steps != 0 {
		t.Errorf("second replication: %+v, want 3 tenants converged", r)
	}
	s.apply(without(c.documents(), bindingName(0, "admin", 0)), "--prune", "--yes")
	r := s.replicate(done)
	if r.Changed != 1 || r.Steps != 1 {
		t.Errorf("after one person left: %+v, want one tenant changed in one step", r)
	}
	if got := c.subjects(t, 0)["rollcall-admin"]; got != 2 {
		t.Errorf("the role has %d people, want 2", got)
	}

	// An outage of the API server is waited for.
	if err := server.StopAPI(); err != nil {
		t.Fatal(err)
	}
	s.apply(without(c.documents(), bindingName(1, "admin", 0)), "--prune", "--yes")
	s.must(done, "replicate", "--all")
	if err := server.StartAPI(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := s.replicate(done); r.Failed != 0 {
		t.Errorf("after the outage: %+v, want no failure", r)
	}
	if a, b := c.subjects(t, 0)["rollcall-admin"], c.subjects(t, 1)["rollcall-admin"]; a != 3 || b != 2 {
		t.Errorf("after the outage the roles have %d and %d people, want 3 and 2", a, b)
	}
}
