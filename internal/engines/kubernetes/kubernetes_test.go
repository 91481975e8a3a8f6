package kubernetes_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/rollcall-iam/rollcall/internal/engines/kubernetes"
)

// parentOf is the directory for a child of TestStateSurvives, see there.
const parentOf = "ROLLCALL_TEST_KUBERNETES"

func start(t *testing.T, dir string) *kubernetes.Server {
	t.Helper()
	s, err := kubernetes.Start(t.Context(), kubernetes.Options{Dir: dir, Fast: true, Log: t.Output()})
	if errors.Is(err, kubernetes.ErrUnavailable) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
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

// namespaces are those that the kubeconfig shows.
func namespaces(t *testing.T, s *kubernetes.Server) corev1client.NamespaceInterface {
	t.Helper()
	text, err := s.Kubeconfig()
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(text)
	if err != nil {
		t.Fatal(err)
	}
	core, err := corev1client.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return core.Namespaces()
}

// listens reports whether anybody listens at the address.
func listens(url string) bool {
	connection, err := net.DialTimeout("tcp", strings.TrimPrefix(url, "https://"), time.Second)
	if err != nil {
		return false
	}
	return connection.Close() == nil
}

// TestStateSurvives stops a server in order, and another one by killing its
// parent, a child of this test that runs the test binary again.
func TestStateSurvives(t *testing.T) {
	if dir := os.Getenv(parentOf); dir != "" {
		fmt.Println("URL", start(t, dir).URL())
		time.Sleep(time.Minute)
		return
	}
	if testing.Short() {
		t.Skip("it starts a real kube-apiserver, which -short leaves out")
	}
	dir := filepath.Join(t.TempDir(), "deep", "kubernetes")
	first := start(t, dir)
	kept := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "kept"}}
	if _, err := namespaces(t, first).Create(t.Context(), kept, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time there is nothing to do
		if err := first.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	if listens(first.URL()) {
		t.Error("the server listens although it was stopped")
	}
	orphaned := startInChild(t, dir)
	if orphaned != first.URL() {
		t.Errorf("the second start is at %s, want the address of the first, %s", orphaned, first.URL())
	}
	for deadline := time.Now().Add(time.Minute); listens(orphaned); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the server outlives its parent")
		}
	}
	third := start(t, dir)
	if _, err := namespaces(t, third).Get(t.Context(), "kept", metav1.GetOptions{}); err != nil {
		t.Errorf("what was made before two restarts: %v", err)
	}
}

// startInChild starts a server in another process, kills that without notice, and
// returns where the server was.
func startInChild(t *testing.T, dir string) string {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestStateSurvives$", "-test.v")
	child.Env = append(os.Environ(), parentOf+"="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = child.Wait() }()
	defer func() { _ = child.Process.Kill() }()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if _, url, found := strings.Cut(lines.Text(), "URL "); found {
			return url
		}
	}
	t.Fatal("the child started no server")
	return ""
}

// TestOutage stops the API server alone, and asks again when it is back.
func TestOutage(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts a real kube-apiserver, which -short leaves out")
	}
	s := start(t, t.TempDir())
	if err := s.StopAPI(); err != nil {
		t.Fatal(err)
	}
	if listens(s.URL()) {
		t.Error("the API server listens although it was stopped")
	}
	if err := s.StartAPI(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := namespaces(t, s).Get(t.Context(), "default", metav1.GetOptions{}); err != nil {
		t.Errorf("after an outage: %v", err)
	}
}

// TestNobodyIsAnonymous asks without credentials, for what any other server would
// tell everybody.
func TestNobodyIsAnonymous(t *testing.T) {
	s := kubernetes.ForTest(t)
	core, err := corev1client.NewForConfig(&rest.Config{Host: s.URL(), TLSClientConfig: rest.TLSClientConfig{CAFile: s.CAFile()}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := core.Namespaces().List(t.Context(), metav1.ListOptions{}); !apierrors.IsUnauthorized(err) {
		t.Errorf("a list without credentials = %v, want 401", err)
	}
	status := 0
	core.RESTClient().Get().AbsPath("/healthz").Do(t.Context()).StatusCode(&status)
	if status != http.StatusUnauthorized {
		t.Errorf("/healthz without credentials answers %d, want 401", status)
	}
}

func TestForTestIsShared(t *testing.T) {
	first, second := kubernetes.ForTest(t), kubernetes.ForTest(t)
	if first != second {
		t.Error("two tests of one process have two servers")
	}
}
