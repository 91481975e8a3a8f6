package aks_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	rbacv1client "k8s.io/client-go/kubernetes/typed/rbac/v1"
	"k8s.io/client-go/rest"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/aks"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest/answers"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest/faultproxy"
	engine "github.com/rollcall-iam/rollcall/internal/engines/kubernetes"
	simulated "github.com/rollcall-iam/rollcall/internal/simulate/azure"
)

// principalName is what a userPrincipalName can be
// (https://learn.microsoft.com/graph/api/resources/user, userPrincipalName).
var principalName = regexp.MustCompile(`^[A-Za-z0-9'._!#^~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$`)

// pageSize is that of Entra and Azure. Package kubernetes has its own pages tested.
const pageSize = 7

const (
	clientID = "11111111-2222-3333-4444-555555555555"
	secret   = "the-secret-of-the-client"
)

// lawRoles exist in every world and do not imply one another.
var lawRoles = []string{"laws-reader", "laws-operator", "laws:owner"}

// counter gives each object of a test a name of its own.
var counter atomic.Int64

// world is a real cluster and a simulated Azure behind one address, with a proxy in
// front.
type world struct {
	server   *engine.Server
	cloud    *simulated.Server
	login    string
	tenantID string
	resource string
	core     *corev1client.CoreV1Client
	rbac     *rbacv1client.RbacV1Client
	proxy    *faultproxy.Proxy
	token    string // of an account that may do what package kubernetes lists
	name     string
}

func newWorld(t testing.TB) *world {
	t.Helper()
	server := engine.ForTest(t)
	cloud, err := simulated.New(simulated.Options{Stale: -1, PageSize: pageSize})
	if err != nil {
		t.Fatal(err)
	}
	config, err := server.AdminConfig()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{server: server, cloud: cloud, tenantID: cloud.AddTenant("", "example.com"), name: fmt.Sprintf("aks-%d", counter.Add(1))}
	if w.core, err = corev1client.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	if w.rbac, err = rbacv1client.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	cloud.AddApp(w.tenantID, clientID, secret)
	w.resource = cloud.AddCluster(cloud.AddSubscription(w.tenantID, ""), "rg", "cluster")
	both := httptest.NewServer(behindOne(t, cloud, server))
	t.Cleanup(both.Close)
	target, err := url.Parse(both.URL)
	if err != nil {
		t.Fatal(err)
	}
	w.login, w.proxy = both.URL, faultproxy.New(t, target)
	for _, role := range lawRoles {
		w.role(t, role, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{role}, Verbs: []string{"get"}})
	}
	w.token = w.account(t, allowed()...)
	return w
}

// behindOne serves both: their paths do not clash.
func behindOne(t testing.TB, cloud http.Handler, server *engine.Server) http.Handler {
	t.Helper()
	target, err := url.Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	trusted, err := rest.TLSConfigFor(&rest.Config{TLSClientConfig: rest.TLSClientConfig{CAFile: server.CAFile()}})
	if err != nil {
		t.Fatal(err)
	}
	next := &http.Transport{TLSClientConfig: trusted}
	t.Cleanup(next.CloseIdleConnections)
	cluster := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }, Transport: next}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/api/") || strings.HasPrefix(r.URL.Path, "/apis/") {
			cluster.ServeHTTP(w, r)
			return
		}
		cloud.ServeHTTP(w, r)
	})
}

// allowed is what package kubernetes says that the credentials need.
func allowed() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		{APIGroups: []string{rbacv1.GroupName}, Resources: []string{"rolebindings"}, Verbs: []string{"list", "get", "create", "patch", "delete"}},
		{APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: []string{"list", "get"}},
		{APIGroups: []string{rbacv1.GroupName}, Resources: []string{"clusterroles"}, Verbs: []string{"get"}},
		{APIGroups: []string{rbacv1.GroupName}, Resources: []string{"clusterroles"}, Verbs: []string{"bind"}, ResourceNames: lawRoles},
	}
}

// role makes a ClusterRole unless there is one of that name.
func (w *world) role(t testing.TB, name string, may ...rbacv1.PolicyRule) {
	t.Helper()
	if err := w.server.Role(t.Context(), name, may...); err != nil {
		t.Fatal(err)
	}
}

// account makes a service account that may do what the rules say, and returns a
// token of it.
func (w *world) account(t testing.TB, may ...rbacv1.PolicyRule) string {
	t.Helper()
	name := "rollcall-" + w.name
	w.role(t, name, may...)
	token, err := w.server.Account(t.Context(), name, name, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func (w *world) namespace(t testing.TB, name string) {
	t.Helper()
	_, err := w.core.Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) tenant(t testing.TB, name string) string {
	t.Helper()
	id := strings.ToLower(w.name + "-" + name)
	w.namespace(t, id)
	return id
}

// remove deletes a namespace, and does what a controller would on a whole cluster.
func (w *world) remove(t testing.TB, name string) {
	t.Helper()
	ctx := t.Context()
	if err := w.rbac.RoleBindings(name).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := w.core.Namespaces().Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	n := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if _, err := w.core.Namespaces().Finalize(ctx, n, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// open returns a new driver that goes through the proxy.
func (w *world) open(t testing.TB) driver.Driver {
	t.Helper()
	settings, err := json.Marshal(map[string]any{
		"clusterResourceId": w.resource,
		"uses": map[string]any{
			"directory": map[string]any{
				"tenantId":     w.tenantID,
				"endpoints":    map[string]any{"login": w.login, "graph": w.proxy.URL(), "resourceManager": w.proxy.URL()},
				"auth":         map[string]any{"environment": map[string]any{"prefix": "AZ"}},
				"redirectUrls": []string{"https://portal.example.com"},
			},
			"cluster": map[string]any{
				"server": w.proxy.URL(),
				"auth":   map[string]any{"environment": map[string]any{"prefix": "CLUSTER"}},
			},
		},
		"replication": map[string]any{
			"userLookUpStrategy": "userByMail",
			"b2bUserInvitation":  map[string]any{"redirectUrl": "https://portal.example.com"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	variables := map[string]string{"AZ_CLIENT_ID": clientID, "AZ_CLIENT_SECRET": secret, "CLUSTER_TOKEN": w.token}
	d, err := aks.Open(t.Context(), drivertest.Config(
		"aks.test", settings, budget.New(budget.Limits{}), func(name string) string { return variables[name] }))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// laws is the world as package drivertest needs it.
func (w *world) laws() drivertest.World {
	return drivertest.World{
		Open:     w.open,
		Roles:    lawRoles,
		NoTenant: "no-such-namespace",
		Secrets:  []string{secret, w.token},
		PageSize: pageSize,
		Tenant:   w.tenant,
		Remove:   w.remove,
		User:     func(_ testing.TB, name string) string { return w.cloud.AddUser(w.tenantID, name, name, true) },
		Holds:    principalName.MatchString,
		Twin: func(_ testing.TB, name string) string {
			return w.cloud.AddUser(w.tenantID, "twin-of-"+name, name, true)
		},
		Disable: func(_ testing.TB, ref string) { w.cloud.DisableUser(w.tenantID, ref) },
		Plant:   w.plant,
		Remark: func(_ testing.TB, ref string, mark access.Mark) {
			w.cloud.SetGroup(w.tenantID, ref, func(g *simulated.Group) { g.Description = mark.Text() })
		},
		Describe: func(_ testing.TB, ref, text string) {
			w.cloud.SetGroup(w.tenantID, ref, func(g *simulated.Group) { g.Description = text })
		},
		Description: func(_ testing.TB, ref string) string {
			g, _ := w.cloud.Group(w.tenantID, ref)
			return g.Description
		},
		Breaker: breaker{drivertest.ThroughProxyWhere(w.proxy, func(*http.Request) bool { return false }, reads)},
		Refusals: &drivertest.Refusals{
			Proxy: w.proxy, Writes: func(r *http.Request) bool { return !reads(r) },
			Permanent: clusterOr(answers.Kubernetes, answers.Microsoft), Retryable: clusterOr(answers.KubernetesTimesOut, answers.MicrosoftThrottles),
		},
		Writes: func() int {
			return w.proxy.Count(http.MethodPut, http.MethodPatch, http.MethodDelete) +
				w.proxy.CountIf(func(e faultproxy.Entry) bool {
					return e.Method == http.MethodPost && !strings.HasSuffix(e.Path, "/$batch")
				})
		},
		Calls: func() int { return w.proxy.Count() },
	}
}

// clusterOr answers as the side does that a request goes to.
func clusterOr(cluster, cloud func(*http.Request) faultproxy.Fault) func(*http.Request) faultproxy.Fault {
	return func(r *http.Request) faultproxy.Fault {
		if strings.HasPrefix(r.URL.Path, "/apis/") {
			return cluster(r)
		}
		return cloud(r)
	}
}

// reads tells batches of reads from batches of writes by a header.
func reads(r *http.Request) bool {
	return r.Method == http.MethodGet || strings.HasSuffix(r.URL.Path, "/$batch") && r.Header.Get("Prefer") == ""
}

// breaker knows that neither Microsoft nor Kubernetes says that a list is cut: they
// have pages.
type breaker struct{ drivertest.Breaker }

func (b breaker) Break(which drivertest.Match, how drivertest.Fault) func() int {
	if how.Truncated {
		return func() int { return 0 }
	}
	return b.Breaker.Break(which, how)
}

func (w *world) plant(t testing.TB, tenant string, foreign access.State) access.State {
	t.Helper()
	ids := map[string]string{}
	for i, g := range foreign.Groups {
		id := w.cloud.PlantGroup(w.tenantID, simulated.Group{DisplayName: g.Name, Description: g.Mark.Text()})
		for _, m := range g.Members {
			w.cloud.AddMember(w.tenantID, id, m.Ref)
		}
		foreign.Groups[i].Ref, ids[g.Name] = id, id
	}
	for i, b := range foreign.Bindings {
		group := cmp.Or(b.GroupRef, ids[b.Group])
		made := w.bind(t, tenant, b.Role, group)
		foreign.Bindings[i].GroupRef, foreign.Bindings[i].Name = group, made.Name
		foreign.Bindings[i].Ref = made.Name + "/" + string(made.UID)
	}
	return foreign
}

// bind gives a ClusterRole to a group in the namespace, as somebody else would.
func (w *world) bind(t testing.TB, namespace, role, group string) *rbacv1.RoleBinding {
	t.Helper()
	made, err := w.rbac.RoleBindings(namespace).Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("foreign-%d", counter.Add(1))},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.GroupKind, APIGroup: rbacv1.GroupName, Name: group}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return made
}
