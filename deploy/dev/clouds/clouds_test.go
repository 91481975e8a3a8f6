package clouds_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/deploy/dev/clouds"
)

func start(t *testing.T, dir string) *clouds.Clouds {
	t.Helper()
	c, err := clouds.Start(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Stop() })
	return c
}

// places makes one place on each cloud and returns the ids.
func places(t *testing.T, c *clouds.Clouds) map[string]string {
	t.Helper()
	ids := map[string]string{}
	for _, cloud := range append(clouds.Names(), "cluster") {
		id, err := c.Place(cloud, "storefront-payments")
		if err != nil || id == "" {
			t.Fatalf("a place on %s: %q, %v", cloud, id, err)
		}
		ids[cloud] = id
	}
	return ids
}

// TestCloudsSurviveARestart: documents name addresses and ids, and workers have
// credentials, that must hold the next time.
func TestCloudsSurviveARestart(t *testing.T) {
	dir := t.TempDir()
	first := start(t, dir)
	ids, environ := places(t, first), first.Environ()
	for range 2 { // making people again makes nobody twice
		if err := first.People([]string{"ada", "ben"}); err != nil {
			t.Fatal(err)
		}
	}
	urls := map[string]string{}
	for _, name := range clouds.Names() {
		urls[name] = first.URL(name)
	}
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}

	second := start(t, dir)
	if diff := cmp.Diff(ids, places(t, second)); diff != "" {
		t.Errorf("places have other ids: %s", diff)
	}
	if diff := cmp.Diff(environ, second.Environ()); diff != "" {
		t.Errorf("credentials are others: %s", diff)
	}
	for _, name := range clouds.Names() {
		if second.URL(name) != urls[name] {
			t.Errorf("%s is at %s, it was at %s", name, second.URL(name), urls[name])
		}
	}
}

func TestCallsAreCountedAndFaultsMade(t *testing.T) {
	c := start(t, t.TempDir())
	get := func() int {
		t.Helper()
		response, err := http.Get(c.URL(clouds.CloudFoundry) + "/v3/info")
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		return response.StatusCode
	}
	if status := get(); status != http.StatusOK {
		t.Errorf("before the fault: status %d, want 200", status)
	}
	fault := strings.NewReader(`{"fault": {"status": 503}}`)
	response, err := http.Post(c.URL(clouds.CloudFoundry)+"/_sim/faults", "application/json", fault)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if status := get(); status != http.StatusServiceUnavailable {
		t.Errorf("with the fault: status %d, want 503", status)
	}
	total := 0
	for _, n := range c.Calls(clouds.CloudFoundry) {
		total += n
	}
	if total != 2 {
		t.Errorf("%d calls were counted, want 2: %v", total, c.Calls(clouds.CloudFoundry))
	}
}
