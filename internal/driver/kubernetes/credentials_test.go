package kubernetes_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest/faultproxy"
	"github.com/rollcall-iam/rollcall/internal/driver/kubernetes"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// TestWaysToSignIn goes to the API server itself, over TLS, in every way there
// is.
func TestWaysToSignIn(t *testing.T) {
	w := newWorld(t)
	n := w.newTenant(t, "signin")
	dir := t.TempDir()
	admin, err := w.server.Kubeconfig()
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(w.server.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	config, token := write(t, dir, "kubeconfig", string(admin)), write(t, dir, "token", w.token+"\n")
	environment := map[string]any{"environment": map[string]any{"prefix": "P"}}
	for name, c := range map[string]struct {
		settings    map[string]any
		environment map[string]string
		want        error
	}{
		"Token":          {map[string]any{"caFile": w.server.CAFile()}, map[string]string{"P_TOKEN": w.token}, nil},
		"TokenFile":      {map[string]any{"caData": base64.StdEncoding.EncodeToString(ca)}, map[string]string{"P_TOKEN_FILE": token}, nil},
		"Kubeconfig":     {map[string]any{}, map[string]string{"P_KUBECONFIG": config}, nil},
		"KubeconfigFile": {map[string]any{"auth": map[string]any{"file": config}}, nil, nil},
		"OwnTokenFile":   {map[string]any{"caFile": w.server.CAFile(), "auth": map[string]any{"tokenFile": token}}, nil, nil},
		"WrongToken":     {map[string]any{"caFile": w.server.CAFile()}, map[string]string{"P_TOKEN": "none"}, fault.ErrDenied},
		"NoCA":           {map[string]any{}, map[string]string{"P_TOKEN": w.token}, fault.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			c.settings["server"] = w.server.URL()
			if c.settings["auth"] == nil {
				c.settings["auth"] = environment
			}
			_, err := openWith(t, c.settings, c.environment).Observe(t.Context(), []driver.Scope{n.scope})
			if !errors.Is(err, c.want) {
				t.Errorf("Observe = %v, want %v", err, c.want)
			}
		})
	}
}

// TestTokenIsRenewed writes a new token into the file, as a cluster does for its
// pods, and lets the server refuse one that is still in it. The file's time stays the
// same: its content alone tells.
func TestTokenIsRenewed(t *testing.T) {
	w := newWorld(t)
	n := w.newTenant(t, "renewed")
	file := write(t, t.TempDir(), "token", w.token)
	d := openWith(t, map[string]any{
		"server": w.proxy.URL(), "auth": map[string]any{"environment": map[string]any{"prefix": "P"}},
	}, map[string]string{"P_TOKEN_FILE": file})
	read := func() error {
		_, err := d.Observe(t.Context(), []driver.Scope{n.scope})
		return err
	}
	if err := read(); err != nil {
		t.Fatal(err)
	}
	once := w.proxy.Add(faultproxy.Rule{Times: 1, Fault: faultproxy.Fault{Status: http.StatusUnauthorized}})
	if err := read(); err != nil || once() != 1 {
		t.Errorf("one refusal ended with %v after %d hits, want a second try", err, once())
	}
	w.proxy.Clear()
	write(t, filepath.Dir(file), "token", "expired")
	if err := read(); !errors.Is(err, fault.ErrDenied) {
		t.Errorf("with an expired token: %v, want ErrDenied", err)
	}
	write(t, filepath.Dir(file), "token", w.token)
	if err := read(); err != nil {
		t.Errorf("with a new token: %v", err)
	}
}

// TestPodSignsIn gives the driver what a cluster gives to its pods, and renews the
// token.
func TestPodSignsIn(t *testing.T) {
	w := newWorld(t)
	n := w.newTenant(t, "pod")
	ca, err := os.ReadFile(w.server.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config := drivertest.Config("kubernetes.test", []byte(`{"server":"`+w.server.URL()+`","auth":{"workloadIdentity":{}}}`), nil, nil)
	if _, err := kubernetes.OpenAt(config, dir); !errors.Is(err, fault.ErrDenied) {
		t.Errorf("outside of a pod Open = %v, want ErrDenied", err)
	}
	write(t, dir, "token", "expired")
	write(t, dir, "ca.crt", string(ca))
	d, err := kubernetes.OpenAt(config, dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Observe(t.Context(), []driver.Scope{n.scope}); !errors.Is(err, fault.ErrDenied) {
		t.Errorf("with an expired token: %v, want ErrDenied", err)
	}
	write(t, dir, "token", w.token)
	if _, err := d.Observe(t.Context(), []driver.Scope{n.scope}); err != nil {
		t.Errorf("with the renewed token: %v", err)
	}
}

// TestTokensAreAskedFor lets somebody else sign in, as a cloud does for its own
// clusters: a token that is refused is asked for once more.
func TestTokensAreAskedFor(t *testing.T) {
	w := newWorld(t)
	n := w.newTenant(t, "asked")
	var refused []string
	answers := []string{"stale", w.token, w.token, "stale", "stale"}
	connection := driver.Connection{Settings: json.RawMessage(`{"server":"` + w.proxy.URL() + `"}`), Budget: budget.New(budget.Limits{})}
	cluster, err := kubernetes.Connect(connection, nil, func(c *kubernetes.Connection) {
		c.Token = func(_ context.Context, stale string) (string, error) {
			refused = append(refused, stale)
			return answers[len(refused)-1], nil
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []error{nil, nil, fault.ErrDenied} {
		_, err := cluster.Exists(t.Context(), "GET namespaces", "/api/v1", "namespaces", n.scope.ID)
		if !errors.Is(err, want) {
			t.Errorf("read %d with answers of all sorts = %v, want %v", i+1, err, want)
		}
	}
	if diff := cmp.Diff([]string{"", "stale", "", "", "stale"}, refused); diff != "" {
		t.Errorf("asked for others than: %s", diff)
	}
	down := errors.New("the identity provider is down")
	cluster, err = kubernetes.Connect(connection, nil, func(c *kubernetes.Connection) {
		c.Token = func(context.Context, string) (string, error) {
			return "", fmt.Errorf("%w: %w", fault.ErrUnavailable, down)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cluster.Look(t.Context(), []driver.Scope{n.scope}); !errors.Is(err, fault.ErrUnavailable) {
		t.Errorf("without a token = %v, want ErrUnavailable", err)
	}
}

// write writes a file, and keeps the time of change of the one before: the content
// alone tells that it is another.
func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	before, errBefore := os.Stat(path)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if errBefore == nil {
		if err := os.Chtimes(path, before.ModTime(), before.ModTime()); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func TestOpenRefusesBadSettings(t *testing.T) {
	broken := write(t, t.TempDir(), "kubeconfig", "users: [{name: x, user: {token: hunter2")
	const credentials = `"auth":{"environment":{"prefix":"P"}}`
	for reason, c := range map[string]struct {
		settings    string
		environment map[string]string
		want        error
	}{
		"no JSON":                {`server: x`, nil, fault.ErrInvalid},
		"no server":              {`{` + credentials + `}`, nil, fault.ErrInvalid},
		"a password in it":       {`{"server":"https://me:hunter2@k.example.com",` + credentials + `}`, nil, fault.ErrInvalid},
		"no TLS":                 {`{"server":"http://k.example.com",` + credentials + `}`, nil, fault.ErrInvalid},
		"no TLS to a network":    {`{"server":"http://10.0.0.1:8001",` + credentials + `}`, nil, fault.ErrInvalid},
		"no TLS to this machine": {`{"server":"http://127.0.0.1:8001",` + credentials + `}`, map[string]string{"P_TOKEN": "hunter2"}, nil},
		"no TLS to localhost":    {`{"server":"http://localhost:8001",` + credentials + `}`, map[string]string{"P_TOKEN": "hunter2"}, nil},
		"no TLS by IPv6":         {`{"server":"http://[::1]:8001",` + credentials + `}`, map[string]string{"P_TOKEN": "hunter2"}, nil},
		"two CAs":                {`{"server":"https://k.example.com","caFile":"a","caData":"Yg==",` + credentials + `}`, nil, fault.ErrInvalid},
		"a CA that is no base64": {`{"server":"https://k.example.com","caData":"-----BEGIN",` + credentials + `}`, nil, fault.ErrInvalid},
		"no credentials named":   {`{"server":"https://k.example.com","replication":{}}`, nil, fault.ErrInvalid},
		"those of a document":    {`{"server":"https://k.example.com","replication":{"credentials":{"environment":{"prefix":"P"}}}}`, map[string]string{"P_TOKEN": "hunter2"}, fault.ErrInvalid},
		"two named":              {`{"server":"https://k.example.com","auth":{"file":"a","tokenFile":"b"}}`, nil, fault.ErrInvalid},
		"the old form":           {`{"server":"https://k.example.com","auth":{"file":{"path":"a"}}}`, nil, fault.ErrInvalid},
		"none there":             {`{"server":"https://k.example.com",` + credentials + `}`, nil, fault.ErrDenied},
		"too many": {
			`{"server":"https://k.example.com",` + credentials + `}`,
			map[string]string{"P_TOKEN": "hunter2", "P_TOKEN_FILE": "hunter2"}, fault.ErrDenied,
		},
		"no such file": {
			`{"server":"https://k.example.com",` + credentials + `}`,
			map[string]string{"P_TOKEN_FILE": "/nonexistent/token"}, fault.ErrDenied,
		},
		"a broken kubeconfig": {
			`{"server":"https://k.example.com",` + credentials + `}`,
			map[string]string{"P_KUBECONFIG": broken}, fault.ErrInvalid,
		},
	} {
		_, err := kubernetes.Open(t.Context(), drivertest.Config("kubernetes.test", []byte(c.settings), nil,
			func(name string) string { return c.environment[name] }))
		if !errors.Is(err, c.want) {
			t.Errorf("with %s Open = %v, want %v", reason, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("with %s the error holds a secret: %v", reason, err)
		}
	}
}
