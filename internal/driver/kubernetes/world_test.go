package kubernetes_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	rbacv1client "k8s.io/client-go/kubernetes/typed/rbac/v1"
	"k8s.io/client-go/rest"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest/answers"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest/faultproxy"
	"github.com/rollcall-iam/rollcall/internal/driver/kubernetes"
	engine "github.com/rollcall-iam/rollcall/internal/engines/kubernetes"
)

// lawRoles exist in every world and do not imply one another.
var lawRoles = []string{"laws-reader", "laws-operator", "laws:owner"}

// counter gives each world, and each binding of somebody else, a name of its own.
var counter atomic.Int64

// world is a set of namespaces on a real cluster, with a proxy in front.
type world struct {
	server *engine.Server
	core   *corev1client.CoreV1Client
	rbac   *rbacv1client.RbacV1Client
	proxy  *faultproxy.Proxy
	name   string
	token  string // of an account that may do what the package's comment lists
}

// newWorld makes roles and credentials on the cluster of all tests.
func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{server: engine.ForTest(t), name: fmt.Sprintf("world-%d", counter.Add(1))}
	config := w.admin(t)
	var err error
	if w.core, err = corev1client.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	if w.rbac, err = rbacv1client.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	w.proxy = w.proxied(t)
	for _, role := range lawRoles {
		w.role(t, role, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{role}, Verbs: []string{"get"}})
	}
	w.token = w.account(t, allowed()...)
	return w
}

// allowed is what the package's comment says that the credentials need.
func allowed() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		{APIGroups: []string{rbacv1.GroupName}, Resources: []string{"rolebindings"}, Verbs: []string{"list", "get", "create", "patch", "delete"}},
		{APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: []string{"list", "get"}},
		{APIGroups: []string{rbacv1.GroupName}, Resources: []string{"clusterroles"}, Verbs: []string{"get"}},
		{APIGroups: []string{rbacv1.GroupName}, Resources: []string{"clusterroles"}, Verbs: []string{"bind"}, ResourceNames: lawRoles},
	}
}

func (w *world) admin(t testing.TB) *rest.Config {
	t.Helper()
	config, err := w.server.AdminConfig()
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// proxied starts a proxy that knows the cluster's CA and nothing else.
func (w *world) proxied(t testing.TB) *faultproxy.Proxy {
	t.Helper()
	target, err := url.Parse(w.server.URL())
	if err != nil {
		t.Fatal(err)
	}
	trusted, err := rest.TLSConfigFor(&rest.Config{TLSClientConfig: rest.TLSClientConfig{CAFile: w.server.CAFile()}})
	if err != nil {
		t.Fatal(err)
	}
	next := &http.Transport{TLSClientConfig: trusted}
	t.Cleanup(next.CloseIdleConnections)
	return faultproxy.New(t, target, faultproxy.Through(next))
}

// account makes a service account that may do what the rules say, and returns a
// token of it.
func (w *world) account(t testing.TB, may ...rbacv1.PolicyRule) string {
	t.Helper()
	name := fmt.Sprintf("rollcall-%d", counter.Add(1))
	w.role(t, name, may...)
	token, err := w.server.Account(t.Context(), name, name, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// role makes a ClusterRole unless there is one of that name.
func (w *world) role(t testing.TB, name string, may ...rbacv1.PolicyRule) {
	t.Helper()
	if err := w.server.Role(t.Context(), name, may...); err != nil {
		t.Fatal(err)
	}
}

// laws is the world as package drivertest needs it.
func (w *world) laws() drivertest.World {
	return drivertest.World{
		Open:     func(t testing.TB) driver.Driver { return w.open(t) },
		Roles:    lawRoles,
		NoTenant: "no-such-namespace",
		Secrets:  []string{w.token},
		PageSize: 500,
		Tenant:   w.tenant,
		User:     func(_ testing.TB, name string) string { return name },
		Plant:    w.plant,
		Touch:    w.touch,
		Breaker:  breaker{drivertest.ThroughProxy(w.proxy, func(*http.Request) bool { return false })},
		Refusals: &drivertest.Refusals{
			Proxy: w.proxy, Writes: func(r *http.Request) bool { return r.Method != http.MethodGet },
			Permanent: answers.Kubernetes, Retryable: answers.KubernetesTimesOut,
		},
		Writes: func() int { return w.proxy.Count(http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete) },
		Calls:  func() int { return w.proxy.Count() },
	}
}

// breaker is the proxy's but for truncated lists: a part of a list comes with a
// token for the rest, and never looks like the whole. TestSnapshotIsGone has what
// can go wrong with that.
type breaker struct{ drivertest.Breaker }

func (b breaker) Break(which drivertest.Match, how drivertest.Fault) func() int {
	if how.Truncated {
		return func() int { return 0 }
	}
	return b.Breaker.Break(which, how)
}

// open returns a new driver that goes through the proxy.
func (w *world) open(t testing.TB) *kubernetes.Driver {
	t.Helper()
	return w.openAs(t, w.token)
}

func (w *world) openAs(t testing.TB, token string) *kubernetes.Driver {
	t.Helper()
	return openWith(t,
		map[string]any{
			"server": w.proxy.URL(),
			"auth":   map[string]any{"environment": map[string]any{"prefix": "CLUSTER"}},
		},
		map[string]string{"CLUSTER_TOKEN": token})
}

// openWith returns a driver with these settings and environment.
func openWith(t testing.TB, settings map[string]any, environment map[string]string) *kubernetes.Driver {
	t.Helper()
	text, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	d, err := kubernetes.Open(t.Context(), drivertest.Config("kubernetes.test", text, budget.New(budget.Limits{}),
		func(name string) string { return environment[name] }))
	if err != nil {
		t.Fatal(err)
	}
	return d.(*kubernetes.Driver)
}

func (w *world) tenant(t testing.TB, name string) string {
	t.Helper()
	return w.namespace(t, w.name+"-"+name)
}

func (w *world) namespace(t testing.TB, name string) string {
	t.Helper()
	n := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if _, err := w.core.Namespaces().Create(t.Context(), n, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	return name
}

// plant makes bindings under names of somebody else's.
func (w *world) plant(t testing.TB, tenant string, foreign access.State) access.State {
	t.Helper()
	for i, b := range foreign.Bindings {
		made := w.bind(t, tenant, fmt.Sprintf("others-%d", counter.Add(1)), b.Role, refs(b.Subjects)...)
		foreign.Bindings[i].Name, foreign.Bindings[i].Ref = made.Name, made.Name+"/"+string(made.UID)
	}
	return foreign
}

func refs(members []access.Member) []string {
	all := []string{}
	for _, m := range members {
		all = append(all, m.Ref)
	}
	return all
}

// bind makes a binding by hand.
func (w *world) bind(t testing.TB, namespace, name, role string, users ...string) *rbacv1.RoleBinding {
	t.Helper()
	b := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
	}
	for _, user := range users {
		b.Subjects = append(b.Subjects, rbacv1.Subject{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: user})
	}
	made, err := w.rbac.RoleBindings(namespace).Create(t.Context(), b, metav1.CreateOptions{FieldManager: "kubectl-create"})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// touch changes something about a binding of ours that is not ours.
func (w *world) touch(t testing.TB, tenant string, b access.Binding) {
	t.Helper()
	w.patch(t, tenant, "rollcall-"+b.Role, `{"metadata":{"annotations":{"note":"seen"}}}`)
}

// patch edits a binding as kubectl does.
func (w *world) patch(t testing.TB, namespace, name, change string) {
	t.Helper()
	_, err := w.rbac.RoleBindings(namespace).Patch(
		t.Context(), name, types.MergePatchType, []byte(change), metav1.PatchOptions{FieldManager: "kubectl-edit"})
	if err != nil {
		t.Fatal(err)
	}
}

// readerName is what our binding of the first role is called.
const readerName = "rollcall-laws-reader"

// reader reads that binding past the driver.
func (w *world) reader(t testing.TB, namespace string) *rbacv1.RoleBinding {
	t.Helper()
	b, err := w.rbac.RoleBindings(namespace).Get(t.Context(), readerName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return b
}
