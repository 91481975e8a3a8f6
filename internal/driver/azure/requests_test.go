package azure_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/simulate"
	simulated "github.com/rollcall-iam/rollcall/internal/simulate/azure"
)

var update = flag.Bool("update", false, "write testdata/requests.golden instead of comparing with it")

// oddName holds what paths, queries, filters and JSON each write in their own way.
const oddName = `R&D <o'neil> "é" 50%+$x/=?#,`

// recorder keeps the requests to Graph as they arrive, in a form that is the same
// in each run. It leaves out how a body's length is told.
type recorder struct {
	mu   sync.Mutex
	on   bool
	text strings.Builder
}

// front records what goes to the cloud.
func (r *recorder) front(cloud http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			rw.WriteHeader(http.StatusBadRequest)
			return
		}
		if strings.HasPrefix(request.URL.Path, "/v1.0/") {
			r.add(request, body)
		}
		request.Body = io.NopCloser(bytes.NewReader(body))
		cloud.ServeHTTP(rw, request)
	})
}

func (r *recorder) add(request *http.Request, body []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.on {
		return
	}
	fmt.Fprintf(&r.text, "%s %s\n", request.Method, request.RequestURI)
	for _, name := range slices.Sorted(maps.Keys(request.Header)) {
		if name != "Content-Length" {
			fmt.Fprintf(&r.text, "  %s: %s\n", name, strings.Join(request.Header[name], " | "))
		}
	}
	if len(body) > 0 {
		fmt.Fprintf(&r.text, "%s\n", body)
	}
}

// during returns the requests that do makes.
func (r *recorder) during(do func()) string {
	r.mu.Lock()
	r.on = true
	r.mu.Unlock()
	do()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.on = false
	return r.text.String()
}

var (
	guidPattern   = regexp.MustCompile(`[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
	bearerPattern = regexp.MustCompile(`Bearer \S+`)
	pagePattern   = regexp.MustCompile(`skiptoken=[\w%-]+`)
	// batchIDPattern is the id of a request in a batch: any text that is there once.
	batchIDPattern = regexp.MustCompile(`\{"id":"[^"]*","method"`)
)

// normalize replaces what differs from run to run. GUIDs are numbered in the order in
// which they appear, so that the same one is seen to be the same.
func normalize(text, base string) string {
	text = strings.ReplaceAll(text, base, "<base>")
	text = bearerPattern.ReplaceAllString(text, "Bearer <token>")
	text = pagePattern.ReplaceAllString(text, "skiptoken=<page>")
	text = batchIDPattern.ReplaceAllString(text, `{"id":"<id>","method"`)
	seen := map[string]int{}
	return guidPattern.ReplaceAllStringFunc(text, func(guid string) string {
		if seen[guid] == 0 {
			seen[guid] = len(seen) + 1
		}
		return fmt.Sprintf("<guid %d>", seen[guid])
	})
}

// recorded is an operation whose requests are compared. prepare makes what must be
// there before, and returns the operation.
type recorded struct {
	name    string
	options simulated.Options
	prepare func(t *testing.T, w *world) func()
}

// TestRequests compares what the driver sends to Graph, byte by byte.
func TestRequests(t *testing.T) {
	var text strings.Builder
	for _, c := range slices.Concat(recordedReads(), recordedGroups(), recordedMembers(), recordedInvitations()) {
		if c.options.Stale == 0 {
			c.options.Stale = -1
		}
		r := &recorder{}
		w := newWorldBehind(t, c.options, r.front)
		w.settings["endpoints"] = map[string]any{"login": w.direct, "graph": w.direct, "resourceManager": w.direct}
		requests := r.during(c.prepare(t, w))
		fmt.Fprintf(&text, "# %s\n%s\n", c.name, normalize(requests, w.direct))
	}
	file := filepath.Join("testdata", "requests.golden")
	if *update {
		if err := os.WriteFile(file, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text.String()); diff != "" {
		t.Errorf("(-want +got); if that is right, run go test ./internal/driver/azure -run TestRequests -update:\n%s", diff)
	}
}

func recordedReads() []recorded {
	return []recorded{
		{name: "resolve an account by userPrincipalName or mail", prepare: func(t *testing.T, w *world) func() {
			shop := w.newTenant(t, "prod")
			return func() { shop.resolve("o'neil+x&y $1#é@example.com") }
		}},
		{name: "resolve an account by mail", prepare: func(t *testing.T, w *world) func() {
			w.settings["replication"] = replication(map[string]any{"userLookUpStrategy": "userByMail"})
			shop := w.newTenant(t, "prod")
			return func() { shop.resolve("o'neil+x&y $1#é@example.com") }
		}},
		{name: "observe groups by name, of which one is large", prepare: func(t *testing.T, w *world) func() {
			shop := w.newTenant(t, "prod")
			w.addUnmanagedGroup("large", w.users("p", 21))
			return func() { shop.look(oddName, "large") }
		}},
		{name: "observe groups by id", prepare: func(t *testing.T, w *world) func() {
			shop := w.newTenant(t, "prod")
			scope := shop.scope
			for _, name := range []string{"a", "b"} {
				scope.Groups = append(scope.Groups, access.Group{Name: name, Ref: w.addUnmanagedGroup(name, nil)})
			}
			return func() {
				if _, err := shop.driver.Observe(t.Context(), []driver.Scope{scope}); err != nil {
					t.Error(err)
				}
			}
		}},
		{name: "observe two large groups, page by page", options: simulated.Options{PageSize: 15}, prepare: func(t *testing.T, w *world) func() {
			shop := w.newTenant(t, "prod")
			w.addUnmanagedGroup("a", w.users("p", 25))
			w.addUnmanagedGroup("b", w.users("q", 25))
			return func() { shop.look("a", "b") }
		}},
		{name: "observe a list that has pages", options: simulated.Options{PageSize: 2}, prepare: func(t *testing.T, w *world) func() {
			shop := w.newTenant(t, "prod")
			for range 3 {
				w.addUnmanagedGroup("same", nil)
			}
			return func() { shop.look("same") }
		}},
	}
}

// addUnmanagedGroup makes a group as another system would, and returns its id.
func (w *world) addUnmanagedGroup(name string, members []string) string {
	ref := w.cloud.PlantGroup(w.tenant, simulated.Group{DisplayName: name})
	for _, member := range members {
		w.cloud.AddMember(w.tenant, ref, member)
	}
	return ref
}

func recordedGroups() []recorded {
	at := newClock()
	stale := simulated.Options{Stale: time.Minute, Clock: at.read}
	// again creates a group that another worker made a moment ago.
	again := func(t *testing.T, w *world, fail ...simulate.Rule) func() {
		t.Helper()
		shop := w.newTenant(t, "prod")
		at.advance(time.Hour)
		shop.must(createGroup("admins"))
		shop.driver = w.open(t)
		for _, rule := range fail {
			w.cloud.Control().Fail(rule)
		}
		return func() {
			if _, err := shop.apply(createGroup("admins")); !errors.Is(err, fault.ErrUnavailable) {
				t.Errorf("got %v, want unavailable", err)
			}
		}
	}
	return []recorded{
		{name: "create a group", prepare: func(t *testing.T, w *world) func() {
			shop := w.newTenant(t, "prod")
			return func() { shop.must(createGroup(oddName)) }
		}},
		{name: "create a group in an administrative unit", prepare: func(t *testing.T, w *world) func() {
			w.settings["administrativeUnitId"] = w.cloud.AddAdministrativeUnit(w.tenant, "Rollcall")
			shop := w.newTenant(t, "prod")
			return func() { shop.must(createGroup("admins")) }
		}},
		{name: "create a group whose predecessor was deleted", prepare: func(t *testing.T, w *world) func() {
			shop := w.newTenant(t, "prod")
			w.cloud.DeleteGroup(w.tenant, shop.must(createGroup("admins")))
			shop.driver = w.open(t)
			return func() { shop.must(createGroup("admins")) }
		}},
		{name: "create a group that exists and is not shown yet", options: stale, prepare: func(t *testing.T, w *world) func() {
			return again(t, w)
		}},
		{name: "create such a group where Graph refuses the creation", options: stale, prepare: func(t *testing.T, w *world) func() {
			return again(t, w, simulate.Rule{Operation: "PATCH /*", Times: 1, Fault: simulate.Fault{Status: http.StatusBadRequest}})
		}},
		{name: "rename a group", prepare: func(t *testing.T, w *world) func() {
			shop := w.newTenant(t, "prod")
			ref := shop.must(createGroup("admins"))
			return func() { shop.must(shop.rename("admins", ref, oddName)) }
		}},
		{name: "adopt a group", prepare: func(t *testing.T, w *world) func() {
			shop := w.newTenant(t, "prod")
			ref := w.addUnmanagedGroup("admins", nil)
			return func() { shop.must(shop.rename("admins", ref, "admins")) }
		}},
		{name: "delete a group", prepare: func(t *testing.T, w *world) func() {
			shop := w.newTenant(t, "prod")
			ref := shop.must(createGroup("admins"))
			return func() { shop.must(deleteGroup("admins", ref)) }
		}},
		{name: "delete a group whose id is not known", prepare: func(t *testing.T, w *world) func() {
			shop := w.newTenant(t, "prod")
			shop.must(createGroup("admins"))
			return func() { shop.must(deleteGroup("admins", "")) }
		}},
	}
}

func recordedMembers() []recorded {
	return []recorded{
		{name: "add members", prepare: func(t *testing.T, w *world) func() {
			shop := w.newTenant(t, "prod")
			ref, people := shop.must(createGroup("admins")), w.users("p", 3)
			return func() { shop.must(change("admins", ref, people, nil)) }
		}},
		{name: "add members of whom one is there", prepare: func(t *testing.T, w *world) func() {
			shop := w.newTenant(t, "prod")
			ref, people := shop.must(createGroup("admins")), w.users("p", 3)
			w.cloud.AddMember(w.tenant, ref, people[1])
			return func() { shop.must(change("admins", ref, people, nil)) }
		}},
		{name: "add a member who is there", prepare: func(t *testing.T, w *world) func() {
			shop := w.newTenant(t, "prod")
			ref, people := shop.must(createGroup("admins")), w.users("p", 1)
			w.cloud.AddMember(w.tenant, ref, people[0])
			return func() { shop.must(change("admins", ref, people, nil)) }
		}},
		{name: "remove members", prepare: func(t *testing.T, w *world) func() {
			shop := w.newTenant(t, "prod")
			ref, people := shop.must(createGroup("admins")), w.users("p", 3)
			shop.must(change("admins", ref, people, nil))
			return func() { shop.must(change("admins", ref, nil, people)) }
		}},
		{name: "remove a member", prepare: func(t *testing.T, w *world) func() {
			shop := w.newTenant(t, "prod")
			ref, people := shop.must(createGroup("admins")), w.users("p", 1)
			return func() { shop.must(change("admins", ref, nil, people)) }
		}},
	}
}

func recordedInvitations() []recorded {
	return []recorded{
		{name: "invite a user", prepare: func(t *testing.T, w *world) func() {
			shop := w.newTenant(t, "prod")
			return func() { shop.must(invite("o'neil@partner.example")) }
		}},
		{name: "invite a user without a name, by mail", prepare: func(t *testing.T, w *world) func() {
			w.settings["replication"] = replication(map[string]any{
				"b2bUserInvitation": map[string]any{"redirectUrl": redirectURL, "sendAzureInvitationMail": true},
			})
			shop := w.newTenant(t, "prod")
			step := invite("a@partner.example")
			step.Want.Account.FirstName, step.Want.Account.LastName = "", ""
			return func() { shop.must(step) }
		}},
	}
}
