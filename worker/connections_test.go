package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/worker"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/connection"
	"github.com/rollcall-iam/rollcall/internal/connection/connectiontest"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/internal/driver/types"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
)

// quietWorker stands for a worker of Temporal's that was started before.
type quietWorker struct {
	worker.Worker
	stopped chan struct{}
}

func (w *quietWorker) Stop() { close(w.stopped) }

// pool is a fleet without Temporal: workers of the two platforms run already.
type pool struct {
	*fleet
	t       *testing.T
	dir     string
	log     *lockedBuffer
	workers map[string]*quietWorker

	mu sync.Mutex
	// asked counts the checks, by platform. answer is what the platforms answer, where
	// it is set, after the channel hold is closed, where that is set.
	asked  map[string]int
	answer error
	hold   chan struct{}
}

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) count(text string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Count(b.text.String(), text)
}

// lookedUp is a driver whose lookups the pool counts and answers.
type lookedUp struct {
	driver.Driver
	pool     *pool
	platform string
}

func (d lookedUp) Resolve(ctx context.Context, accounts []string) ([]access.Resolution, error) {
	d.pool.mu.Lock()
	d.pool.asked[d.platform]++
	answer, hold := d.pool.answer, d.pool.hold
	d.pool.mu.Unlock()
	if hold != nil {
		<-hold
	}
	if answer != nil {
		return nil, answer
	}
	return d.Driver.Resolve(ctx, accounts)
}

// newPool returns a fleet that holds the connections, on a database with the two
// platforms lab.a and lab.b, whose worlds are a.json and b.json.
func newPool(t *testing.T, connections ...string) *pool {
	t.Helper()
	s := storetest.Open(t)
	docs, _, err := document.Decode(strings.NewReader(twoPlatforms), "test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Apply(t.Context(), store.ApplyRequest{Documents: docs}); err != nil {
		t.Fatal(err)
	}
	p := &pool{t: t, dir: t.TempDir(), log: &lockedBuffer{}, workers: map[string]*quietWorker{}, asked: map[string]int{}}
	for _, file := range []string{"a.json", "b.json"} {
		if err := memory.Seed(filepath.Join(p.dir, file), memory.World{}); err != nil {
			t.Fatal(err)
		}
	}
	connectiontest.Write(t, p.dir, connections...)
	known, err := connection.NewTypes(types.All())
	if err != nil {
		t.Fatal(err)
	}
	directory, err := connection.Open(p.dir, known)
	if err != nil {
		t.Fatal(err)
	}
	opened := connection.NewDrivers(directory, map[string]driver.Open{"memory": p.open}, s, os.Getenv)
	log := slog.New(slog.NewTextHandler(p.log, nil))
	p.fleet = &fleet{
		store: s, log: log, drivers: opened, platforms: map[string]worker.Worker{}, unserved: map[string]string{},
		revocations: activities.NewRevocations(),
		reporter:    &reporter{store: s, drivers: opened, log: log, worker: "7@host", checks: map[string]check{}},
	}
	for _, platform := range []string{"lab.a", "lab.b"} {
		p.workers[platform] = &quietWorker{stopped: make(chan struct{})}
		p.platforms[platform] = p.workers[platform]
	}
	return p
}

func (p *pool) open(ctx context.Context, config driver.Config) (driver.Driver, error) {
	d, err := memory.Open(ctx, config)
	return lookedUp{d, p, config.Platform}, err
}

// connect replaces the connections, and waits until they are read.
func (p *pool) connect(connections ...string) {
	p.t.Helper()
	connectiontest.Write(p.t, p.dir, connections...)
	time.Sleep(1100 * time.Millisecond) // see connection.Directory
}

// looks has the fleet look once, as it does every few seconds.
func (p *pool) looks() {
	p.t.Helper()
	if err := p.look(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
}

// until has the fleet look until what it reports is as wanted.
func (p *pool) until(what string, wanted func([]store.ConnectionReport) bool) []store.ConnectionReport {
	p.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		p.looks()
		reports, err := p.store.ConnectionReports(p.t.Context())
		if err != nil {
			p.t.Fatal(err)
		}
		if wanted(reports) {
			return reports
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("not %s within 10 s: %+v", what, reports)
		}
	}
}

// checked reports whether every connection of a list was checked.
func checked(reports []store.ConnectionReport) bool {
	for _, r := range reports {
		if r.Checked.IsZero() {
			return false
		}
	}
	return len(reports) > 0
}

// missing are the platforms that are not served, with the reasons, as the database has them.
func (p *pool) missing() map[string]string {
	p.t.Helper()
	found, err := p.store.UnservedPlatforms(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	reasons := map[string]string{}
	for _, u := range found {
		if u.Worker != "7@host" {
			p.t.Errorf("reported by %q, want 7@host", u.Worker)
		}
		reasons[u.Platform] = u.Reason
	}
	return reasons
}

// count returns how often a platform was checked.
func (p *pool) count(platform string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[platform]
}

// answers sets what platforms answer from now on.
func (p *pool) answers(err error, hold chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer, p.hold = err, hold
}

func TestReporter_AcceptedAccount(t *testing.T) {
	t.Parallel()
	p := newPool(t, connectiontest.Memory("lab.a", "a.json"), connectiontest.Memory("lab.b", "b.json"))
	began := time.Now()
	reports := p.until("checked", checked)
	if len(reports) != 2 {
		t.Fatalf("reports %+v, want two connections", reports)
	}
	for i, name := range []string{"lab.a", "lab.b"} {
		r := reports[i]
		if r.Worker != "7@host" || r.Name != name || r.Type != "memory" || len(r.UsedBy) != 1 || r.UsedBy[0] != name || len(r.Digest) != 16 || r.Error != "" {
			t.Errorf("report %+v, want that %s is accepted", r, name)
		}
		if age := r.Checked.Sub(began); age < -time.Second || age > time.Minute {
			t.Errorf("%s was checked at %s, want after %s", name, r.Checked, began)
		}
	}
	if reasons := p.missing(); len(reasons) != 0 {
		t.Errorf("platforms not served: %v, want none", reasons)
	}
	for range 3 { // what is known is not asked again
		p.looks()
	}
	if a, b := p.count("lab.a"), p.count("lab.b"); a != 1 || b != 1 {
		t.Errorf("the platforms were checked %d and %d times within seconds, want once each", a, b)
	}
}

// TestReporter_MissingFile: the platform is served, so that runs tell what is wrong, and
// the operator reads it in the list.
func TestReporter_MissingFile(t *testing.T) {
	t.Parallel()
	p := newPool(t, connectiontest.Memory("lab.a", "gone.json"), connectiontest.Memory("lab.b", "b.json"))
	reports := p.until("checked", checked)
	if reports[0].Error == "" || reports[1].Error != "" {
		t.Errorf("reports %+v, want an error of lab.a alone", reports)
	}
	if reasons := p.missing(); len(reasons) != 0 {
		t.Errorf("platforms not served: %v, want none: the connection is held", reasons)
	}
	for range 3 {
		p.looks()
	}
	if n := p.log.count("does not accept its connection"); n != 1 {
		t.Errorf("logged %d times, want once", n)
	}
	if err := memory.Seed(filepath.Join(p.dir, "gone.json"), memory.World{}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.store.RequestConnectionCheck(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.until("accepted after a request", func(reports []store.ConnectionReport) bool { return reports[0].Error == "" && checked(reports) })
}

func TestReporter_ChecksAgainAfterAChange(t *testing.T) {
	t.Parallel()
	p := newPool(t, connectiontest.Memory("lab.a", "a.json"), connectiontest.Memory("lab.b", "b.json"))
	before := p.until("checked", checked)
	hold := make(chan struct{})
	p.answers(errors.New("denied: another account"), hold)
	p.connect(connectiontest.Of("lab.a", "memory", map[string]string{"file": "a.json", "limits": "{callsPerSecond: 5}"}),
		connectiontest.Memory("lab.b", "b.json"))
	p.looks()
	p.looks()
	reports, err := p.store.ConnectionReports(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if reports[0].Digest == before[0].Digest || !reports[0].Checked.IsZero() || reports[0].Error != "" {
		t.Errorf("the changed connection: %+v, want another digest than %s, and no answer yet", reports[0], before[0].Digest)
	}
	if reports[1].Digest != before[1].Digest || reports[1].Checked.IsZero() {
		t.Errorf("the other connection: %+v, want it as before: %+v", reports[1], before[1])
	}
	close(hold)
	after := p.until("checked again", checked)
	if after[0].Error != "denied: another account" || after[1].Error != "" {
		t.Errorf("after the check: %+v, want that lab.a alone is refused", after)
	}
	if a, b := p.count("lab.a"), p.count("lab.b"); a != 2 || b != 1 {
		t.Errorf("checked %d and %d times, want the changed one twice, while a check ran no second began", a, b)
	}
}

func TestReporter_AnswersRequests(t *testing.T) {
	t.Parallel()
	p := newPool(t, connectiontest.Memory("lab.a", "a.json"), connectiontest.Memory("lab.b", "b.json"))
	for _, r := range p.until("checked", checked) {
		if !r.Answers.IsZero() {
			t.Errorf("%s answers a request of %s that nobody made", r.Name, r.Answers)
		}
	}
	for range 2 {
		requested, err := p.store.RequestConnectionCheck(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p.until("answered", func(reports []store.ConnectionReport) bool {
			return reports[0].Answers.Equal(requested) && reports[1].Answers.Equal(requested)
		})
	}
	if a := p.count("lab.a"); a != 3 {
		t.Errorf("checked %d times, want once for itself and once for each request", a)
	}
}

// TestFleet_ServesWhatItHoldsAConnectionFor: a worker of a pool serves the platforms of
// its connections, stops when one is taken away, and says why.
func TestFleet_ServesWhatItHoldsAConnectionFor(t *testing.T) {
	t.Parallel()
	p := newPool(t, connectiontest.Memory("lab.a", "a.json"), connectiontest.Memory("lab.b", "b.json"))
	p.looks()
	p.connect(connectiontest.Memory("lab.b", "b.json"))
	p.looks()
	p.looks()
	select {
	case <-p.workers["lab.a"].stopped:
	case <-time.After(5 * time.Second):
		t.Error("the worker of lab.a goes on, want it stopped: its connection is gone")
	}
	if p.platforms["lab.a"] != nil || p.platforms["lab.b"] == nil {
		t.Errorf("served: %v, want lab.b alone", p.platforms)
	}
	reasons := p.missing()
	if len(reasons) != 1 || !strings.Contains(reasons["lab.a"], `uses connection "lab.a", which this worker does not hold`) ||
		!strings.Contains(reasons["lab.a"], connection.Variable) {
		t.Errorf("platforms not served: %v, want lab.a with what to do", reasons)
	}
	reports, err := p.store.ConnectionReports(t.Context())
	if err != nil || len(reports) != 1 || reports[0].Name != "lab.b" {
		t.Errorf("reports: %+v, %v; want lab.b alone", reports, err)
	}
	if n := p.log.count("platform not served"); n != 1 {
		t.Errorf("logged %d times, want once", n)
	}

	p.connect(connectiontest.Memory("lab.a", "a.json"), connectiontest.Memory("lab.b", "b.json"))
	platforms := p.stored()
	for _, platform := range platforms { // beginning needs Temporal
		if !p.available(platform) {
			t.Errorf("%s is not served, although its connection is back: %v", platform.Identifier(), p.unserved)
		}
	}
	if err := p.report(t.Context(), platforms); err != nil {
		t.Fatal(err)
	}
	if reasons := p.missing(); len(reasons) != 0 {
		t.Errorf("platforms not served: %v, want none", reasons)
	}
}

// stored are the platforms of the database.
func (p *pool) stored() []document.Platform {
	p.t.Helper()
	platforms, err := p.store.Platforms(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	return platforms
}

func TestFleet_SaysWhyAPlatformIsNotServed(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, reason string
		connections  []string
		want         string
	}{
		{"none", "another worker may hold it", nil, "does not hold"},
		{
			"not for the platform", "else any author could borrow any account",
			[]string{"{kind: Connection, name: lab.a, type: memory, usedBy: [lab.b], file: a.json}"}, `connection "lab.a" is not for platform lab.a: add the platform to its usedBy`,
		},
		{
			"of another type", "its account means nothing there",
			[]string{connectiontest.Of("lab.a", "cloudfoundry", map[string]string{"apiUrl": "https://api.example.com", "auth": "{environment: {prefix: CF}}"})},
			`needs a connection of type memory, and "lab.a" is of type cloudfoundry`,
		},
		{"with a mistake", "a connection with a mistake is not held", []string{connectiontest.Of("lab.a", "memory", map[string]string{"fil": "a.json"})}, "does not hold"},
		{"twice", "which of two holds is a guess", []string{connectiontest.Memory("lab.a", "a.json"), connectiontest.Memory("lab.a", "b.json")}, "does not hold"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := newPool(t, append(tc.connections, connectiontest.Memory("lab.b", "b.json"))...)
			p.looks()
			reasons := p.missing()
			if len(reasons) != 1 || !strings.Contains(reasons["lab.a"], tc.want) {
				t.Errorf("%s: not served: %v, want lab.a: %s", tc.reason, reasons, tc.want)
			}
			if p.platforms["lab.a"] != nil || p.platforms["lab.b"] == nil {
				t.Errorf("%s: served: %v, want lab.b alone", tc.reason, p.platforms)
			}
			p.until("lab.b checked", func(reports []store.ConnectionReport) bool {
				for _, r := range reports {
					if r.Name == "lab.b" {
						return !r.Checked.IsZero()
					}
				}
				return false
			})
			if n := p.count("lab.a"); n != 0 {
				t.Errorf("%s: lab.a was checked %d times, want never: nobody serves it", tc.reason, n)
			}
		})
	}
}

// TestFleet_ForgetsPlatformsThatAreGone: a platform that no document describes is not
// missed.
func TestFleet_ForgetsPlatformsThatAreGone(t *testing.T) {
	t.Parallel()
	p := newPool(t, connectiontest.Memory("lab.b", "b.json"))
	p.looks()
	if reasons := p.missing(); len(reasons) != 1 {
		t.Fatalf("platforms not served: %v, want lab.a", reasons)
	}
	if _, err := p.store.Delete(t.Context(), []document.ID{
		{Kind: document.KindTenant, Name: "w.p/lab.a"}, {Kind: document.KindPlatform, Name: "lab.a"},
	}, store.Checks{}); err != nil {
		t.Fatal(err)
	}
	p.looks()
	if reasons := p.missing(); len(reasons) != 1 {
		t.Errorf("platforms not served: %v, want lab.a still: its tenant waits for a cleanup", reasons)
	}
	if _, err := p.store.ForgetPlatform(t.Context(), "lab.a", "decommissioned", storetest.By("ada"), false); err != nil {
		t.Fatal(err)
	}
	p.looks()
	if reasons := p.missing(); len(reasons) != 0 || len(p.unserved) != 0 {
		t.Errorf("platforms not served: %v and %v, want none: lab.a is gone", reasons, p.unserved)
	}
}

// TestReporter_FilesThatCannotBeUsed: each is a line of the list, and the log tells all
// once.
func TestReporter_FilesThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	p := newPool(t, connectiontest.Memory("lab.a", "a.json"), connectiontest.Memory("lab.b", "b.json"),
		"{kind: Connection, name: bad, type: memory, usedBy: [lab.c], fil: x, password: hunter2}")
	if err := os.WriteFile(filepath.Join(p.dir, "z.yaml"), []byte("kind: [\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.connect(connectiontest.Memory("lab.a", "a.json"), connectiontest.Memory("lab.b", "b.json"),
		"{kind: Connection, name: bad, type: memory, usedBy: [lab.c], fil: x, password: hunter2}")
	p.looks()
	p.looks()
	reports, err := p.store.ConnectionReports(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range reports {
		if r.Type == "" && (r.Error == "" || !r.Checked.IsZero() || r.Digest != "") {
			t.Errorf("a file that cannot be used: %+v, want an error and nothing else", r)
		}
		if strings.Contains(fmt.Sprint(r), "hunter2") {
			t.Errorf("the report shows a secret: %+v", r)
		}
		got = append(got, strings.TrimPrefix(r.Name, p.dir)+" "+r.Type)
	}
	if diff := cmp.Diff([]string{"/z.yaml ", "bad ", "lab.a memory", "lab.b memory"}, got); diff != "" {
		t.Errorf("what is reported, one line for each (-want +got):\n%s", diff)
	}
	if n := p.log.count("connections cannot be used"); n == 0 || n > 2 { // once without z.yaml, once with it
		t.Errorf("logged %d times, want once for each change", n)
	}
	if p.log.count("hunter2") != 0 {
		t.Error("the log shows a secret")
	}
}

// TestFleet_WithoutItsDirectory: a directory that cannot be read holds nothing, and the
// fleet says so.
func TestFleet_WithoutItsDirectory(t *testing.T) {
	t.Parallel()
	p := newPool(t, connectiontest.Memory("lab.a", "a.json"), connectiontest.Memory("lab.b", "b.json"))
	p.looks()
	if err := os.Rename(p.dir, p.dir+".gone"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1100 * time.Millisecond)
	err := p.look(t.Context())
	if err == nil || !strings.Contains(err.Error(), connection.Variable) {
		t.Errorf("error %v, want one that names %s", err, connection.Variable)
	}
	if len(p.platforms) != 0 {
		t.Errorf("served: %v, want none: nothing is held", p.platforms)
	}
}

func TestOpenDrivers_NamesWhatIsMissing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		reason, dir string
		says        []string
	}{
		{"a worker without connections serves nothing, and nobody would notice", "", []string{"set ROLLCALL_CONNECTIONS"}},
		{"the directory is named", filepath.Join(t.TempDir(), "nowhere"), []string{"ROLLCALL_CONNECTIONS", "nowhere"}},
		{"a file is no directory", file, []string{"ROLLCALL_CONNECTIONS", file}},
	} {
		t.Setenv(connection.Variable, tc.dir)
		_, err := openDrivers(nil)
		if err == nil {
			t.Errorf("%s: no error", tc.reason)
			continue
		}
		for _, want := range tc.says {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: the message lacks %q: %v", tc.reason, want, err)
			}
		}
	}
	t.Setenv(connection.Variable, t.TempDir())
	if opened, err := openDrivers(nil); err != nil || opened == nil {
		t.Errorf("an empty directory: %v, want drivers: connections may come later", err)
	}
}

func TestWorkerName_NamesTheProcess(t *testing.T) {
	t.Parallel()
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := workerName(), fmt.Sprintf("%d@%s", os.Getpid(), host); got != want {
		t.Errorf("worker %q, want %q", got, want)
	}
}

// TestCheck_EndsWithTheWorker: a check that hangs does not keep a worker from stopping.
func TestCheck_EndsWithTheWorker(t *testing.T) {
	t.Parallel()
	p := newPool(t, connectiontest.Memory("lab.a", "a.json"), connectiontest.Memory("lab.b", "b.json"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.reporter.check(ctx, p.stored()[0]); !errors.Is(err, context.Canceled) {
		t.Errorf("a check after the end: %v, want context.Canceled", err)
	}
}
