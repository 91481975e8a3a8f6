package openshift_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	rbacv1client "k8s.io/client-go/kubernetes/typed/rbac/v1"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest/answers"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest/faultproxy"
	"github.com/rollcall-iam/rollcall/internal/driver/openshift"
	"github.com/rollcall-iam/rollcall/internal/driver/openshift/rules"
	engine "github.com/rollcall-iam/rollcall/internal/engines/kubernetes"
)

// lawRoles exist in every world and do not imply one another.
var lawRoles = []string{"laws-reader", "laws-operator", "laws:owner"}

// counter gives each world, and each binding of somebody else, a name of its own.
var counter atomic.Int64

// userAPI is where users and groups are.
const userAPI = "/apis/user.openshift.io/v1/"

// world is a real cluster with OpenShift's types on it, and a proxy in front. One
// world is there at a time: users and groups belong to no namespace.
type world struct {
	server *engine.Server
	core   *corev1client.CoreV1Client
	rbac   *rbacv1client.RbacV1Client
	front  string // OpenShift's API, without the faults
	proxy  *faultproxy.Proxy
	name   string
	token  string // of an account that may do what the package's comment lists
	admin  string // the token of one that may do everything

	mu         sync.Mutex
	namespaces []string
}

func newWorld(t testing.TB) *world {
	t.Helper()
	server := engine.ForTest(t)
	handler, err := server.OpenShift(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(handler)
	t.Cleanup(front.Close)
	target, err := url.Parse(front.URL)
	if err != nil {
		t.Fatal(err)
	}
	config, err := server.AdminConfig()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{server: server, name: fmt.Sprintf("world-%d", counter.Add(1)), front: front.URL, proxy: faultproxy.New(t, target)}
	if w.core, err = corev1client.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	if w.rbac, err = rbacv1client.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	for _, role := range lawRoles {
		w.role(t, role, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{role}, Verbs: []string{"get"}})
	}
	w.token = w.account(t, allowed()...)
	w.admin = w.account(t, rbacv1.PolicyRule{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}})
	t.Cleanup(func() { w.clear(t) })
	return w
}

// allowed is what the package's comment says that the credentials need.
func allowed() []rbacv1.PolicyRule {
	const users = "user.openshift.io"
	return []rbacv1.PolicyRule{
		{APIGroups: []string{users}, Resources: []string{"groups"}, Verbs: []string{"list", "get", "create", "patch", "delete"}},
		{APIGroups: []string{users}, Resources: []string{"users"}, Verbs: []string{"list", "get"}},
		{APIGroups: []string{rbacv1.GroupName}, Resources: []string{"rolebindings"}, Verbs: []string{"list", "get", "create", "patch", "delete"}},
		{APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: []string{"list", "get"}},
		{APIGroups: []string{rbacv1.GroupName}, Resources: []string{"clusterroles"}, Verbs: []string{"get"}},
		{APIGroups: []string{rbacv1.GroupName}, Resources: []string{"clusterroles"}, Verbs: []string{"bind"}, ResourceNames: lawRoles},
	}
}

// clear removes the world's users, groups and bindings.
func (w *world) clear(t testing.TB) {
	ctx := context.Background()
	for _, path := range []string{userAPI + "groups", userAPI + "users"} {
		if status, body := w.ask(ctx, t, http.MethodDelete, path, nil); status != http.StatusOK {
			t.Errorf("DELETE %s answered %d: %s", path, status, body)
		}
	}
	for _, namespace := range w.namespaces {
		err := w.rbac.RoleBindings(namespace).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{})
		if err != nil {
			t.Error(err)
		}
	}
}

// ask makes a call to OpenShift's API as its admin.
func (w *world) ask(ctx context.Context, t testing.TB, method, path string, body any) (int, []byte) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Error(err)
	}
	if body == nil {
		text = nil
	}
	r, err := http.NewRequestWithContext(ctx, method, w.front+path, bytes.NewReader(text))
	if err != nil {
		t.Error(err)
		return 0, nil
	}
	r.Header.Set("Authorization", "Bearer "+w.admin)
	r.Header.Set("Content-Type", "application/json")
	if method == http.MethodPatch {
		r.Header.Set("Content-Type", "application/merge-patch+json")
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Error(err)
		return 0, nil
	}
	defer func() { _ = answer.Body.Close() }()
	text, err = io.ReadAll(answer.Body)
	if err != nil {
		t.Error(err)
	}
	return answer.StatusCode, text
}

// must makes such a call, which has to succeed, and decodes its answer.
func (w *world) must(t testing.TB, method, path string, body, into any) {
	t.Helper()
	status, text := w.ask(t.Context(), t, method, path, body)
	if status != http.StatusOK && status != http.StatusCreated {
		t.Errorf("%s %s answered %d: %s", method, path, status, text)
		return
	}
	if into != nil {
		if err := json.Unmarshal(text, into); err != nil {
			t.Error(err)
		}
	}
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
		NoTenant: "no-such-project",
		Secrets:  []string{w.token},
		PageSize: 500,
		Tenant:   w.tenant,
		Remove:   w.remove,
		User:     w.user,
		Holds:    func(name string) bool { return rules.Name(name) == "" },
		Plant:    w.plant,
		Remark:   w.remark,
		Describe: func(t testing.TB, group, text string) { // as oc annotate does
			w.patch(t, group, map[string]any{"metadata": map[string]any{"annotations": map[string]any{"description": text}}})
		},
		Description: func(t testing.TB, group string) string { return w.group(t, group).Metadata.Annotations["description"] },
		Breaker:     breaker{drivertest.ThroughProxy(w.proxy, func(*http.Request) bool { return false })},
		Refusals: &drivertest.Refusals{
			Proxy: w.proxy, Writes: func(r *http.Request) bool { return r.Method != http.MethodGet },
			Permanent: answers.Kubernetes, Retryable: answers.KubernetesTimesOut,
		},
		Writes: func() int { return w.proxy.Count(http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete) },
		Calls:  func() int { return w.proxy.Count() },
	}
}

// breaker is the proxy's but for truncated lists: a part of a list comes with a
// token for the rest, and never looks like the whole.
type breaker struct{ drivertest.Breaker }

func (b breaker) Break(which drivertest.Match, how drivertest.Fault) func() int {
	if how.Truncated {
		return func() int { return 0 }
	}
	return b.Breaker.Break(which, how)
}

// open returns a new driver that goes through the proxy.
func (w *world) open(t testing.TB) *openshift.Driver {
	t.Helper()
	return w.openAs(t, w.token)
}

func (w *world) openAs(t testing.TB, token string) *openshift.Driver {
	t.Helper()
	settings, err := json.Marshal(map[string]any{
		"server": w.proxy.URL(),
		"auth":   map[string]any{"environment": map[string]any{"prefix": "CLUSTER"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	d, err := openshift.Open(t.Context(), drivertest.Config("openshift.test", settings, budget.New(budget.Limits{}),
		func(name string) string { return map[string]string{"CLUSTER_TOKEN": token}[name] }))
	if err != nil {
		t.Fatal(err)
	}
	return d.(*openshift.Driver)
}

// tenant makes a project, which is a namespace and, here, an object beside it.
func (w *world) tenant(t testing.TB, name string) string {
	t.Helper()
	name = w.name + "-" + name
	w.namespace(t, name)
	w.must(t, http.MethodPost, "/apis/project.openshift.io/v1/projects", object("project.openshift.io", "Project", name, nil), nil)
	return name
}

// remove deletes a project, and does what a controller would on a whole cluster.
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
	w.must(t, http.MethodDelete, "/apis/project.openshift.io/v1/projects/"+name, nil, nil)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.namespaces = slices.DeleteFunc(w.namespaces, func(n string) bool { return n == name })
}

func (w *world) namespace(t testing.TB, name string) {
	t.Helper()
	n := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if _, err := w.core.Namespaces().Create(t.Context(), n, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.namespaces = append(w.namespaces, name)
}

// object is an object of one of OpenShift's APIs, as JSON has it.
func object(group, kind, name string, more map[string]any) map[string]any {
	o := map[string]any{"apiVersion": group + "/v1", "kind": kind, "metadata": map[string]any{"name": name}}
	maps.Copy(o, more)
	return o
}

// user makes a user as a sign-in would.
func (w *world) user(t testing.TB, name string) string {
	t.Helper()
	w.must(t, http.MethodPost, userAPI+"users", object("user.openshift.io", "User", name, map[string]any{"fullName": "Somebody"}), nil)
	return name
}

// groupOf is a group as the API has it.
type groupOf struct {
	Metadata metav1.ObjectMeta `json:"metadata"`
	Users    []string          `json:"users"`
}

// group reads a group past the driver.
func (w *world) group(t testing.TB, name string) groupOf {
	t.Helper()
	var found groupOf
	w.must(t, http.MethodGet, userAPI+"groups/"+url.PathEscape(name), nil, &found)
	return found
}

// patch edits a group as oc does.
func (w *world) patch(t testing.TB, name string, change map[string]any) {
	t.Helper()
	w.must(t, http.MethodPatch, userAPI+"groups/"+url.PathEscape(name)+"?fieldManager=kubectl-edit", change, nil)
}

// marked are the labels and the annotation of a mark.
func marked(mark access.Mark) map[string]any {
	return map[string]any{
		"labels":      map[string]any{"rollcall-iam.github.io/installation": mark.Installation},
		"annotations": map[string]any{"rollcall-iam.github.io/tenant": mark.Tenant},
	}
}

// remark overwrites the mark on a group.
func (w *world) remark(t testing.TB, group string, mark access.Mark) {
	t.Helper()
	w.patch(t, group, map[string]any{"metadata": marked(mark)})
}

// plant makes groups and bindings as somebody else would.
func (w *world) plant(t testing.TB, tenant string, foreign access.State) access.State {
	t.Helper()
	var running errgroup.Group
	running.SetLimit(16)
	for i, g := range foreign.Groups {
		running.Go(func() error {
			made := object("user.openshift.io", "Group", g.Name, map[string]any{"users": refs(g.Members)})
			if g.Mark != (access.Mark{}) {
				metadata := marked(g.Mark)
				metadata["name"] = g.Name
				made["metadata"] = metadata
			}
			w.must(t, http.MethodPost, userAPI+"groups", made, nil)
			foreign.Groups[i].Ref = g.Name
			return nil
		})
	}
	for i, b := range foreign.Bindings {
		running.Go(func() error {
			made := w.bind(t, tenant, fmt.Sprintf("others-%d", counter.Add(1)), b.Role, subjects(b)...)
			foreign.Bindings[i].Name, foreign.Bindings[i].Ref = made.Name, made.Name+"/"+string(made.UID)
			foreign.Bindings[i].GroupRef = b.Group
			return nil
		})
	}
	_ = running.Wait()
	return foreign
}

func refs(members []access.Member) []string {
	all := []string{}
	for _, m := range members {
		all = append(all, m.Ref)
	}
	return all
}

func subjects(b access.Binding) []rbacv1.Subject {
	if b.Group != "" {
		return []rbacv1.Subject{{Kind: rbacv1.GroupKind, APIGroup: rbacv1.GroupName, Name: b.Group}}
	}
	var all []rbacv1.Subject
	for _, name := range refs(b.Subjects) {
		all = append(all, rbacv1.Subject{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: name})
	}
	return all
}

// bind makes a binding by hand.
func (w *world) bind(t testing.TB, namespace, name, role string, subjects ...rbacv1.Subject) *rbacv1.RoleBinding {
	t.Helper()
	b := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   subjects,
	}
	made, err := w.rbac.RoleBindings(namespace).Create(t.Context(), b, metav1.CreateOptions{FieldManager: "kubectl-create"})
	if err != nil {
		t.Error(err)
		return b
	}
	return made
}
