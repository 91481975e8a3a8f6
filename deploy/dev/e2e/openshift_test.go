package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rollcall-iam/rollcall/internal/connection/connectiontest"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest/faultproxy"
	"github.com/rollcall-iam/rollcall/internal/engines/kubernetes"
)

// openshift is a cluster with OpenShift's types and people in it, behind a proxy.
type openshift struct {
	*cluster
	proxy   *faultproxy.Proxy
	front   string // past the proxy
	bearer  string
	environ []string
}

func newOpenshift(t testing.TB, tenants, people int) *openshift {
	t.Helper()
	server := kubernetes.ForTest(t)
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
	o := &openshift{cluster: newCluster(t, server, tenants, people), proxy: faultproxy.New(t, target), front: front.URL}
	o.bearer = o.token(t)
	o.environ = []string{"E2E_CLUSTER_TOKEN=" + o.bearer}
	o.platform = "openshift.lab"
	o.config = `{openshift: {replication: {groupNamePattern: "#{projectIdentifier}-#{platformGroupAlias}", roleMappings: ` +
		roleMappings("admin", "edit", "view") + `}}}`
	o.connection = connectiontest.Of(o.platform, "openshift", map[string]string{
		"server": strconv.Quote(o.proxy.URL()), "auth": "{environment: {prefix: E2E_CLUSTER}}",
	})
	for _, role := range roles {
		for n := range people {
			o.ask(t, http.MethodPost, "users", `{"apiVersion":"user.openshift.io/v1","kind":"User","metadata":{"name":"`+person(role, n)+`@example.com"}}`, nil)
		}
	}
	t.Cleanup(func() {
		for _, resource := range []string{"users", "groups"} { // they are in no namespace
			o.ask(t, http.MethodDelete, resource, "", nil)
		}
	})
	return o
}

// ask makes a call to OpenShift's user API past the proxy.
func (o *openshift) ask(t testing.TB, method, path, body string, into any) {
	t.Helper()
	r, err := http.NewRequest(method, o.front+"/apis/user.openshift.io/v1/"+path, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+o.bearer)
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode > http.StatusCreated {
		t.Fatalf("%s %s answered %d %s (%v)", method, path, answer.StatusCode, text, err)
	}
	if into != nil {
		if err := json.Unmarshal(text, into); err != nil {
			t.Fatal(err)
		}
	}
}

// members counts the users of every group, by name.
func (o *openshift) members(t testing.TB) map[string]int {
	t.Helper()
	var list struct {
		Items []struct {
			Metadata metav1.ObjectMeta `json:"metadata"`
			Users    []string          `json:"users"`
		} `json:"items"`
	}
	o.ask(t, http.MethodGet, "groups", "", &list)
	counts := map[string]int{}
	for _, g := range list.Items {
		counts[g.Metadata.Name] += len(g.Users)
	}
	return counts
}

// pages is how many a list of all bindings on the cluster has.
func (o *openshift) pages(t testing.TB) int {
	t.Helper()
	all, err := o.rbac.RoleBindings("").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	const page = 500
	return len(all.Items)/page + 1
}

// TestOnOpenShift runs what makes users on the shared cluster, one after the other:
// users belong to no project, and each test makes the same ones.
func TestOnOpenShift(t *testing.T) {
	t.Parallel()
	t.Run("Converges", openShiftConverges)
	t.Run("Probe", openShiftProbe)
}

func openShiftConverges(t *testing.T) {
	o := newOpenshift(t, 2, 2)
	s := newStack(t)
	s.connect(o.connection)
	s.worker(o.environ...)
	s.apply(o.documents())
	if r := s.replicate(done); r.Changed != 2 || r.Warnings != 0 {
		t.Fatalf("first replication: %+v, want 2 tenants changed and no remarks", r)
	}
	want := map[string]int{}
	for i := range o.tenants {
		for _, role := range roles {
			want[tenantID(i)+"-"+role] = 2
		}
		if got := o.subjects(t, i); len(got) != 3 {
			t.Errorf("tenant %d has the bindings %v, want one a role", i, got)
		}
	}
	if got := o.members(t); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("groups and members %v, want %v", got, want)
	}
	before := o.proxy.Count()
	if r := s.replicate(done); r.Converged != 2 || r.Steps != 0 {
		t.Errorf("second replication: %+v, want 2 tenants converged", r)
	}
	// One list of groups and one of bindings, of which other tests left some pages.
	if calls := o.proxy.Log()[before:]; len(calls) > 1+o.pages(t) {
		t.Errorf("checking converged tenants took %d calls, want the %d that the API allows: %v", len(calls), 1+o.pages(t), calls)
	}
	patches := o.proxy.Count(http.MethodPatch)
	s.apply(without(o.documents(), bindingName(0, "admin", 0)), "--prune", "--yes")
	if r := s.replicate(done); r.Changed != 1 || r.Steps != 1 {
		t.Errorf("after one person left: %+v, want one tenant changed in one step", r)
	}
	want[tenantID(0)+"-admin"] = 1
	if got := o.members(t); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("after one person left: groups and members %v, want %v", got, want)
	}
	if n := o.proxy.Count(http.MethodPatch) - patches; n != 1 {
		t.Errorf("taking one person out took %d writes, want 1", n)
	}
	s.oneRecordAStep()
}
