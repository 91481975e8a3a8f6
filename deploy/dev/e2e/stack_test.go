package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/rollcall-iam/rollcall/internal/connection"
	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/internal/engines/keystone"
	"github.com/rollcall-iam/rollcall/internal/engines/kubernetes"
	"github.com/rollcall-iam/rollcall/internal/engines/postgres"
	"github.com/rollcall-iam/rollcall/internal/engines/temporal"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
)

// The exit codes of rollcall.
const (
	done    = 0
	failed  = 1
	invalid = 2
	waiting = 3
	changes = 4
)

// patience bounds whatever a test waits for: machines may be slow.
const patience = 4 * time.Minute

var programs = sync.OnceValues(buildPrograms)

// buildPrograms compiles rollcall and rollcall-worker once a test process.
func buildPrograms() (string, error) {
	dir, err := os.MkdirTemp("", "rollcall-e2e")
	if err != nil {
		return "", err
	}
	return dir, errors.Join(build(dir, "rollcall"), build(dir, "rollcall-worker"))
}

// build compiles one program into a directory, with flags of go build.
func build(dir, name string, flags ...string) error {
	pkg := map[string]string{"rollcall": "./starter", "rollcall-worker": "./worker"}[name]
	cmd := exec.Command("go", append(append([]string{"build", "-o", filepath.Join(dir, name)}, flags...), pkg)...)
	cmd.Dir = filepath.Join("..", "..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", pkg, err, out)
	}
	return nil
}

// inParallel is how many tests run at once where the command line does not say:
// more than there are processors, as most of a test's time is waiting.
const inParallel = "5"

// TestSharedServers starts the servers that tests share. It is not parallel, so it
// ends before any test begins that is: Keystone takes minutes to start beside them.
func TestSharedServers(t *testing.T) {
	t.Run("PostgreSQL", func(t *testing.T) { postgres.ForTest(t) })
	t.Run("Keystone", func(t *testing.T) { keystone.ForTest(t, keystone.Options{}) })
	t.Run("Kubernetes", func(t *testing.T) { kubernetes.ForTest(t) })
}

func TestMain(m *testing.M) {
	flag.Parse()
	if !slices.ContainsFunc(os.Args[1:], func(arg string) bool { return strings.HasPrefix(strings.TrimLeft(arg, "-"), "test.parallel") }) {
		_ = flag.Set("test.parallel", inParallel) // a number, so it is accepted
	}
	code := m.Run()
	if dir, err := programs(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// stack is a database and a Temporal of one test's own.
type stack struct {
	t        testing.TB
	bin      string
	database string
	temporal *temporal.Server
	// connections is the directory of the workers' connections.
	connections string
	environ     []string
	logs        []*tail // of the workers
	said        *tail   // what all commands wrote
}

func newStack(t testing.TB) *stack {
	t.Helper()
	return stackOn(t, storetest.URL(t), temporal.Options{})
}

// stackOn is a stack on a certain database and Temporal.
func stackOn(t testing.TB, database string, options temporal.Options) *stack {
	t.Helper()
	bin, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	s := &stack{t: t, bin: bin, database: database, connections: t.TempDir(), said: &tail{}}
	options.SearchAttributes = engine.Attributes()
	if s.temporal, err = temporal.Start(t.Context(), options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.temporal.Stop() })
	s.environ = append(os.Environ(),
		"ROLLCALL_DATABASE_URL="+s.database, "TEMPORAL_ADDRESS="+s.temporal.Address(), "TEMPORAL_NAMESPACE="+s.temporal.Namespace(),
		connection.Variable+"="+s.connections,
		engine.KeyringVariable+"="+keyring(t), engine.DeploymentVariable+"="+engine.DefaultDeployment, engine.BuildVariable+"="+firstBuild,
	)
	s.begins(firstBuild)
	s.must(done, "migrate")
	return s
}

// firstBuild is the build id of workers that are given no other.
const firstBuild = "e2e-1"

// begins has new runs begin on a build, whether it has workers already or not.
func (s *stack) begins(build string) {
	s.t.Helper()
	_, err := s.client().WorkerDeploymentClient().GetHandle(engine.DefaultDeployment).SetCurrentVersion(s.t.Context(),
		client.WorkerDeploymentSetCurrentVersionOptions{BuildID: build, AllowNoPollers: true, IgnoreMissingTaskQueues: true})
	if err != nil {
		s.t.Fatal(err)
	}
}

// nameInConnection matches a connection's name.
var nameInConnection = regexp.MustCompile(`\bname: "?([a-z0-9.-]+)`)

// connect writes connections, one a text, in place of those of the same names. Workers
// that run read them within a second, and look every three seconds which platforms
// they can serve.
func (s *stack) connect(connections ...string) {
	s.t.Helper()
	for _, text := range connections {
		name := nameInConnection.FindStringSubmatch(text)
		if name == nil {
			s.t.Fatalf("a connection has no name: %s", text)
		}
		s.put(name[1]+".yaml", text)
	}
}

// put writes a file of the directory of connections, in place of one of that name.
func (s *stack) put(name, text string) {
	s.t.Helper()
	file := filepath.Join(s.connections, name)
	if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		s.t.Fatal(err)
	}
}

// disconnect takes a connection away.
func (s *stack) disconnect(name string) {
	s.t.Helper()
	if err := os.Remove(filepath.Join(s.connections, name+".yaml")); err != nil {
		s.t.Fatal(err)
	}
}

// keyring returns a key ring with one key, so that histories are encrypted.
func keyring(t testing.TB) string {
	t.Helper()
	dir, key := t.TempDir(), make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	if err := os.WriteFile(filepath.Join(dir, "k1"), []byte(base64.StdEncoding.EncodeToString(key)), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// rollcall runs one command with an input and returns what it left.
func (s *stack) rollcall(input string, args ...string) (code int, stdout, stderr string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, "rollcall"), args...)
	cmd.Env, cmd.Stdin = s.environ, strings.NewReader(input)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = io.MultiWriter(&out, s.said), io.MultiWriter(&errs, s.said)
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatalf("rollcall %s: %v", strings.Join(args, " "), err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// must runs one command that has to end with that code.
func (s *stack) must(code int, args ...string) string {
	s.t.Helper()
	got, out, errs := s.rollcall("", args...)
	if got != code {
		s.t.Fatalf("rollcall %s ended with %d, want %d\n%s%s", strings.Join(args, " "), got, code, out, errs)
	}
	return out
}

// apply stores documents.
func (s *stack) apply(documents string, flags ...string) {
	s.t.Helper()
	code, out, errs := s.rollcall(documents, append([]string{"apply", "-"}, flags...)...)
	if code != done {
		s.t.Fatalf("rollcall apply ended with %d\n%s%s", code, out, errs)
	}
}

// report is the JSON of replicate.
type report struct {
	Tenants, Converged, Changed, Waiting, Failed, Steps, Warnings, Calls int
	DurationMS                                                           int64 `json:"duration_ms"`
	Items                                                                []item
}

type item struct {
	Tenant, Platform, Outcome string
	Warnings                  []struct{ Code, Object, Text string }
}

// replicate replicates some tenants, or all if none is named, and waits.
func (s *stack) replicate(code int, tenants ...string) report {
	s.t.Helper()
	if tenants == nil {
		tenants = []string{"--all"}
	}
	var r report
	if err := json.Unmarshal([]byte(s.must(code, append([]string{"replicate", "--wait", "-o", "json"}, tenants...)...)), &r); err != nil {
		s.t.Fatal(err)
	}
	return r
}

// worker starts a worker; it is killed with the test.
func (s *stack) worker(environ ...string) *exec.Cmd {
	s.t.Helper()
	return s.workerWith(nil, environ...)
}

// workerWith starts a worker with flags.
func (s *stack) workerWith(flags []string, environ ...string) *exec.Cmd {
	s.t.Helper()
	cmd := exec.Command(filepath.Join(s.bin, "rollcall-worker"), flags...)
	cmd.Env = append(append([]string{}, s.environ...), environ...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	log := &tail{t: s.t}
	s.logs = append(s.logs, log)
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { kill(cmd) })
	return cmd
}

// kills lets one goroutine at a time end a worker: a test and its gate may both do.
var kills sync.Mutex

// kill ends a worker as a crash does.
func kill(cmd *exec.Cmd) {
	kills.Lock()
	defer kills.Unlock()
	if cmd.ProcessState == nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
}

// tail keeps a worker's log and prints it when the test failed.
type tail struct {
	t    testing.TB
	once sync.Once
	mu   sync.Mutex
	body bytes.Buffer
}

func (w *tail) Write(p []byte) (int, error) {
	w.once.Do(func() {
		if w.t == nil {
			return // nobody wants to see it
		}
		w.t.Cleanup(func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			if body := w.body.Bytes(); w.t.Failed() {
				w.t.Logf("worker's log, last part:\n%s", body[max(0, len(body)-8000):])
			}
		})
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.body.Write(p)
}

// text returns all that was logged.
func (w *tail) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.body.String()
}

// client returns a connection to Temporal.
func (s *stack) client() client.Client {
	s.t.Helper()
	c, err := client.Dial(client.Options{HostPort: s.temporal.Address(), Namespace: s.temporal.Namespace()})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(c.Close)
	return c
}

// records returns the whole ledger.
func (s *stack) records() []ledger.Record {
	s.t.Helper()
	db, err := store.Open(s.t.Context(), s.database)
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	records, err := ledger.New(db).Records(s.t.Context(), ledger.Filter{Limit: 100_000})
	if err != nil {
		s.t.Fatal(err)
	}
	return records
}

// eventually waits until ok.
func (s *stack) eventually(what string, ok func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if ok() {
			return
		}
	}
	s.t.Fatalf("waited %s in vain for: %s", patience, what)
}

// restartTemporal stops Temporal and starts it again, on the same port, from the
// state that it keeps in dir.
func (s *stack) restartTemporal(dir string) {
	s.t.Helper()
	_, number, err := net.SplitHostPort(s.temporal.Address())
	if err != nil {
		s.t.Fatal(err)
	}
	port, err := strconv.Atoi(number)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.temporal.Stop(); err != nil {
		s.t.Fatal(err)
	}
	was := s.temporal.Address()
	s.temporal, err = temporal.Start(s.t.Context(), temporal.Options{Dir: dir, Port: port, SearchAttributes: engine.Attributes()})
	if err != nil {
		s.t.Fatal(err)
	}
	if s.temporal.Address() != was {
		s.t.Fatalf("Temporal came back at %s, not at %s: the port was taken", s.temporal.Address(), was)
	}
}
