package keystone_test

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/groups"

	"github.com/rollcall-iam/rollcall/internal/engines/keystone"
	"github.com/rollcall-iam/rollcall/internal/engines/postgres"
)

// parentOf is the directory for a child of TestStateSurvives, see there.
const parentOf = "ROLLCALL_TEST_KEYSTONE"

// database starts a PostgreSQL for a Keystone of the test's own, and returns a
// directory that the servers' users can reach even when the tests run as root.
func database(t *testing.T) (dir, url string) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a real server: run without -short")
	}
	if err := errors.Join(keystone.Available(), postgres.Available()); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	parent, err := os.MkdirTemp("", "rollcall-engine-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(parent); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(parent, 0o711); err != nil {
		t.Fatal(err)
	}
	p, err := postgres.Start(t.Context(), postgres.Options{Dir: filepath.Join(parent, "postgres"), Fast: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := p.CreateDatabase(t.Context(), "identity"); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(parent, "keystone"), p.URL("identity")
}

func start(t *testing.T, dir, url string) *keystone.Server {
	t.Helper()
	s, err := keystone.Start(t.Context(), keystone.Options{Dir: dir, DatabaseURL: url, Log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// answers reports whether anybody answers at the address.
func answers(url string) bool {
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get(url)
	if err != nil {
		return false
	}
	return response.Body.Close() == nil
}

// TestStateSurvives stops a server in order, and another one by killing its
// parent, a child of this test that runs the test binary again.
func TestStateSurvives(t *testing.T) {
	if config := os.Getenv(parentOf); config != "" {
		dir, url, _ := strings.Cut(config, " ")
		fmt.Println("URL", start(t, dir, url).URL())
		time.Sleep(time.Minute)
		return
	}
	dir, url := database(t)
	first := start(t, dir, url)
	project := seedProject(t, first)
	for range 2 { // the second time there is nothing to do
		if err := first.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	if answers(first.URL()) {
		t.Error("the server answers although it was stopped")
	}
	orphaned := startInChild(t, dir, url)
	if orphaned != first.URL() {
		t.Errorf("the second start is at %s, want the address of the first, %s", orphaned, first.URL())
	}
	deadline := time.Now().Add(time.Minute)
	for answers(orphaned) {
		if time.Now().After(deadline) {
			t.Fatal("the server outlives its parent")
		}
	}
	third := start(t, dir, url)
	if again := seedProject(t, third); again != project {
		t.Errorf("the project has the id %s, before the restart it was %s", again, project)
	}
}

// startInChild starts a server in a child process, kills the child, and returns
// the server's address.
func startInChild(t *testing.T, dir, url string) string {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestStateSurvives$", "-test.v")
	cmd.Env = append(os.Environ(), parentOf+"="+dir+" "+url)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var address string
	lines := bufio.NewScanner(out)
	for address == "" && lines.Scan() {
		address = strings.TrimPrefix(lines.Text(), "URL ")
		if address == lines.Text() {
			address = ""
		}
	}
	if address == "" {
		t.Error("the child did not start a server")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	return address
}

func seedProject(t *testing.T, s *keystone.Server) string {
	t.Helper()
	seed, err := s.Seed(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	id, err := seed.Project(t.Context(), "survivor")
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestSeedIsIdempotent(t *testing.T) {
	seed, err := keystone.ForTest(t, keystone.Options{}).Seed(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	makers := map[string]func() (string, error){
		"domain":  func() (string, error) { return seed.DomainNamed(t.Context(), "seed-domain") },
		"project": func() (string, error) { return seed.Project(t.Context(), "seed-project") },
		"user":    func() (string, error) { return seed.User(t.Context(), "seed-user@example.com", true) },
		"group":   func() (string, error) { return seed.Group(t.Context(), "seed-group", "") },
		"role":    func() (string, error) { return seed.Role(t.Context(), "seed-role") },
	}
	for name, made := range makers {
		first, err := made()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		second, err := made()
		if err != nil {
			t.Fatalf("%s again: %v", name, err)
		}
		if first == "" || first != second {
			t.Errorf("%s: got %q, then %q: want the same", name, first, second)
		}
	}
}

func TestListLimitCutsLists(t *testing.T) {
	limited := keystone.ForTest(t, keystone.Options{ListLimit: 2})
	seed, err := limited.Seed(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"limit-1", "limit-2", "limit-3"} {
		if _, err := seed.Group(t.Context(), name, ""); err != nil {
			t.Fatal(err)
		}
	}
	var answer struct {
		Groups    []groups.Group `json:"groups"`
		Truncated bool           `json:"truncated"`
	}
	_, err = seed.Client.Get(t.Context(), seed.Client.ServiceURL("groups"), &answer, &gophercloud.RequestOpts{})
	if err != nil {
		t.Fatal(err)
	}
	if len(answer.Groups) != 2 || !answer.Truncated {
		t.Errorf("got %d groups, truncated %v: want 2, true", len(answer.Groups), answer.Truncated)
	}
	if unlimited := keystone.ForTest(t, keystone.Options{}); unlimited.URL() == limited.URL() {
		t.Error("servers with different limits are one")
	}
}

func TestStartRefusesOtherDatabases(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a real server: run without -short")
	}
	if err := keystone.Available(); err != nil {
		t.Skip(err)
	}
	const secret = "not-for-logs"
	_, err := keystone.Start(t.Context(), keystone.Options{
		Dir: t.TempDir(), DatabaseURL: "mysql://root:" + secret + "@127.0.0.1/keystone",
	})
	if err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("got the error %v, want one that does not hold the password", err)
	}
}
