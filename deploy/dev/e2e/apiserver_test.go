package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	authv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"github.com/rollcall-iam/rollcall/internal/connection/connectiontest"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest/faultproxy"
	"github.com/rollcall-iam/rollcall/internal/engines/kubernetes"
)

// behindProxy puts a proxy between Rollcall and the cluster, which Rollcall then
// signs in to with a token. It returns what the worker needs for that.
func (c *cluster) behindProxy(t testing.TB) (proxy *faultproxy.Proxy, environ []string) {
	t.Helper()
	target, err := url.Parse(c.server.URL())
	if err != nil {
		t.Fatal(err)
	}
	trusted, err := rest.TLSConfigFor(&rest.Config{TLSClientConfig: rest.TLSClientConfig{CAFile: c.server.CAFile()}})
	if err != nil {
		t.Fatal(err)
	}
	next := &http.Transport{TLSClientConfig: trusted}
	t.Cleanup(next.CloseIdleConnections)
	proxy = faultproxy.New(t, target, faultproxy.Through(next))
	c.connection = connectiontest.Of(c.platform, "kubernetes", map[string]string{
		"server": strconv.Quote(proxy.URL()), "auth": "{environment: {prefix: E2E_CLUSTER}}",
	})
	return proxy, []string{"E2E_CLUSTER_TOKEN=" + c.token(t)}
}

// token returns a token of an account that may do everything.
func (c *cluster) token(t testing.TB) string {
	t.Helper()
	config, err := c.server.AdminConfig()
	if err != nil {
		t.Fatal(err)
	}
	core, err := corev1client.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	namespace := c.tenants[0]
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "rollcall"}}
	if _, err := core.ServiceAccounts(namespace).Create(t.Context(), account, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	given := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "rollcall-"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: account.Name}},
	}
	if _, err := c.rbac.ClusterRoleBindings().Create(t.Context(), given, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	request, err := core.ServiceAccounts(namespace).CreateToken(t.Context(), account.Name, &authv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return request.Status.Token
}

// crowd fills a tenant with so many bindings of others that a list of them has two
// pages.
func (c *cluster) crowd(t testing.TB, tenant int) {
	t.Helper()
	const page = 500
	var running errgroup.Group
	running.SetLimit(16)
	for i := range page + 20 {
		running.Go(func() error {
			_, err := c.rbac.RoleBindings(c.tenants[tenant]).Create(t.Context(), &rbacv1.RoleBinding{
				ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("others-%03d", i)},
				RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"},
				Subjects:   []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "guest"}},
			}, metav1.CreateOptions{})
			return err
		})
	}
	if err := running.Wait(); err != nil {
		t.Fatal(err)
	}
}

// ours counts the people of the tenant's bindings that Rollcall made, by role.
func (c *cluster) ours(t testing.TB, tenant int) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for name, people := range c.subjects(t, tenant) {
		if role, ok := strings.CutPrefix(name, "rollcall-"); ok {
			counts[role] = people
		}
	}
	return counts
}

// secondPage are the calls that go on where a page ended.
func secondPage(r *http.Request) bool { return r.URL.Query().Has("continue") }

// strike breaks so many of the calls that match: of reads that are not the first,
// and of writes, where match is nil. What it returns says whether all of that has
// happened.
func strike(proxy *faultproxy.Proxy, match func(*http.Request) bool, times int, fault faultproxy.Fault) func() bool {
	if match != nil {
		hits := proxy.Add(faultproxy.Rule{Match: match, Times: times, Fault: fault})
		return func() bool { return hits() == times }
	}
	reads := proxy.Add(faultproxy.Rule{Match: faultproxy.To(http.MethodGet, ""), Skip: 1, Times: times, Fault: fault})
	writes := proxy.Add(faultproxy.Rule{Match: faultproxy.To(http.MethodPatch, ""), Times: times, Fault: fault})
	return func() bool { return reads() == times && writes() == times }
}

// TestAPIServerFaultsTakeNothingFromAnybody lets one person come and another go
// while the API server fails in one way after the other. Each time it ends as the
// documents say, without a twin and without a removal that nobody asked for.
func TestAPIServerFaultsTakeNothingFromAnybody(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	c := newCluster(t, kubernetes.ForTest(t), 1, 5)
	proxy, environ := c.behindProxy(t)
	c.crowd(t, 0)
	s.connect(c.connection)
	s.worker(environ...)
	s.apply(c.documents())
	s.replicate(done)

	expired := `{"kind":"Status","apiVersion":"v1","metadata":{"continue":"x"},"status":"Failure","reason":"Expired","code":410}`
	faults := []struct {
		name  string
		match func(*http.Request) bool // nil: a read that is not the first, and the first write
		times int                      // 0: one
		fault faultproxy.Fault
	}{
		{"429 with Retry-After", nil, 0, faultproxy.Fault{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"1"}}}},
		{"429 with a date", nil, 0, faultproxy.Fault{
			Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {time.Now().Add(time.Second).UTC().Format(http.TimeFormat)}},
		}},
		{"500", nil, 0, faultproxy.Fault{Status: http.StatusInternalServerError}},
		{"503", nil, 0, faultproxy.Fault{Status: http.StatusServiceUnavailable}},
		{"token expired", nil, 0, faultproxy.Fault{Status: http.StatusUnauthorized}},
		{"connection dropped", nil, 0, faultproxy.Fault{Drop: true}},
		{"answer lost", nil, 0, faultproxy.Fault{Lose: true}},
		{"answer cut", nil, 0, faultproxy.Fault{Cut: true}},
		{"half a page", secondPage, 2, faultproxy.Fault{Cut: true}},
		{"the rest of the pages gone", secondPage, 1, faultproxy.Fault{Status: http.StatusGone, Body: expired}},
		{"web page", nil, 0, faultproxy.Fault{Garbage: true}},
		{"slow", nil, 0, faultproxy.Fault{Delay: 300 * time.Millisecond}},
	}
	gone := bindingName(0, "user", 0)
	for i, f := range faults {
		documents, want := c.documents(), map[string]int{"admin": 5, "edit": 5, "view": 5}
		if i%2 == 0 {
			documents, want["edit"] = without(documents, gone), 4
		}
		s.apply(documents, "--prune", "--yes")
		struck := strike(proxy, f.match, max(1, f.times), f.fault)
		r := s.replicate(done)
		if !struck() && f.fault.Delay == 0 { // a delay is no failure, and not counted
			t.Errorf("%s: the fault did not strike reads and writes", f.name)
		}
		proxy.Clear()
		if r.Changed != 1 {
			t.Errorf("%s: %+v, want the tenant changed", f.name, r)
		}
		if got := c.ours(t, 0); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: roles and people %v, want %v", f.name, got, want)
		}
	}
	s.oneRecordAStep()
}
