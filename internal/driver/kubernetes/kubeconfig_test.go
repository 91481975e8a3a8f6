package kubernetes_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest"
	"github.com/rollcall-iam/rollcall/internal/driver/kubernetes"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// apiServer answers every call with an object, over TLS, and remembers what the
// callers sign in with.
type apiServer struct {
	*httptest.Server

	mu    sync.Mutex
	calls []signIn
}

// signIn is a bearer token, and the name in a client's certificate.
type signIn struct{ token, certificate string }

func newAPIServer(t *testing.T) *apiServer {
	t.Helper()
	s := &apiServer{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
		call := signIn{token: strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")}
		if len(r.TLS.PeerCertificates) > 0 {
			call.certificate = r.TLS.PeerCertificates[0].Subject.CommonName
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.calls = append(s.calls, call)
		answer.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(answer, `{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"name":"x","uid":"1"}}`)
	}))
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS12, ClientAuth: tls.RequestClientCert}
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that clients break off
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// seen returns the sign-ins since the last time.
func (s *apiServer) seen() []signIn {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := s.calls
	s.calls = nil
	return calls
}

// ca returns the certificate that the server is trusted by.
func (s *apiServer) ca() string { return encodePEM("CERTIFICATE", s.Certificate().Raw) }

func encodePEM(kind string, data []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}))
}

// certificate makes a certificate that is signed by itself, and its key.
func certificate(t *testing.T, name string) (certificate, key string) {
	t.Helper()
	pair, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	of := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	public, err := x509.CreateCertificate(rand.Reader, of, of, pair.Public(), pair)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(pair)
	if err != nil {
		t.Fatal(err)
	}
	return encodePEM("CERTIFICATE", public), encodePEM("PRIVATE KEY", private)
}

// kubeconfig returns a kubeconfig of one user and one cluster, whose address does not
// count.
func kubeconfig(user, cluster string) string {
	return `{"apiVersion": "v1", "kind": "Config", "current-context": "c",
		"contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
		"clusters": [{"name": "c", "cluster": {"server": "https://ignored.example.com"` + cluster + `}}],
		"users": [{"name": "u", "user": {` + user + `}}]}`
}

// openIn opens a driver on the server for a connection whose relative files are in dir.
func (s *apiServer) openIn(t *testing.T, dir string, more map[string]any, environment map[string]string) (*kubernetes.Driver, error) {
	t.Helper()
	fields := map[string]any{"server": s.URL}
	maps.Copy(fields, more)
	text, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	config := drivertest.Config("kubernetes.test", text, nil, func(name string) string { return environment[name] })
	config.Connection.Dir = dir
	d, err := kubernetes.Open(t.Context(), config)
	if err != nil {
		return nil, err
	}
	return d.(*kubernetes.Driver), nil
}

// authFile names a file as auth does.
func authFile(name string) map[string]any {
	return map[string]any{"auth": map[string]any{"file": name}}
}

// withTimeout fails the test unless do returns soon. A read that waits for a pipe's
// writer, or for the end of a device, never returns.
func withTimeout(t *testing.T, do func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- do() }()
	select {
	case err := <-done:
		return err
	case <-time.After(20 * time.Second):
		t.Fatal("the call does not return")
		return nil
	}
}

// execConfig is a kubeconfig that runs a program to sign in, which writes the worker's
// account and the number of secrets in its environment into a file.
const execConfig = `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://127.0.0.1:18999"}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
current-context: c
users:
- name: u
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1
      interactiveMode: Never
      command: /bin/sh
      args: ["-c", "id > /PATH/TO/FILE; env | grep -c SECRET >> /PATH/TO/FILE"]
`

// TestKubeconfig_RefusesPlugins: nothing that a file says makes a worker run a program
// or act for another account.
func TestKubeconfig_RefusesPlugins(t *testing.T) {
	const exec = `"exec": {"apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never",
		"command": "/bin/sh", "args": ["-c", "echo hunter2 > /PATH/TO/FILE"]}`
	for name, c := range map[string]struct{ reason, text string }{
		"Exec":        {"a program", execConfig},
		"Beside":      {"a program beside a token", kubeconfig(`"token": "hunter2", `+exec, "")},
		"OldExec":     {"a program by an older interface", kubeconfig(strings.Replace(exec, "k8s.io/v1", "k8s.io/v1beta1", 1), "")},
		"Relative":    {"a program beside the kubeconfig", kubeconfig(`"exec": {"apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never", "command": "./plugin"}`, "")},
		"Provider":    {"a plugin that runs a program", kubeconfig(`"auth-provider": {"name": "gcp", "config": {"cmd-path": "/bin/sh", "cmd-args": "-c 'id > /PATH/TO/FILE'"}}`, "")},
		"OIDC":        {"a plugin that calls an issuer", kubeconfig(`"auth-provider": {"name": "oidc", "config": {"refresh-token": "hunter2"}}`, "")},
		"Impersonate": {"another user", kubeconfig(`"token": "hunter2", "as": "system:admin"`, "")},
		"AsGroups":    {"a group of another user", kubeconfig(`"token": "hunter2", "as": "me", "as-groups": ["system:masters"]`, "")},
		"OnlyGroups":  {"a group without a user", kubeconfig(`"token": "hunter2", "as-groups": ["system:masters"]`, "")},
	} {
		for place, auth := range map[string]map[string]any{
			"File": authFile("kubeconfig"), "Variable": {"auth": map[string]any{"environment": map[string]any{"prefix": "P"}}},
		} {
			t.Run(name+place, func(t *testing.T) {
				s, dir := newAPIServer(t), t.TempDir()
				output := filepath.Join(dir, "output")
				write(t, dir, "kubeconfig", strings.ReplaceAll(c.text, "/PATH/TO/FILE", output))
				plugin := write(t, dir, "plugin", "#!/bin/sh\nid > "+output+"\n")
				if err := os.Chmod(plugin, 0o700); err != nil {
					t.Fatal(err)
				}
				d, err := s.openIn(t, dir, auth, map[string]string{"P_KUBECONFIG": "kubeconfig"})
				if err == nil {
					_ = d.Check(t.Context()) // what it would run, it runs now
				}
				if !errors.Is(err, fault.ErrUnsupported) || strings.Contains(err.Error(), "hunter2") {
					t.Errorf("with %s Open = %v, want ErrUnsupported without secrets", c.reason, err)
				}
				if _, err := os.Stat(output); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("with %s a program ran: %v", c.reason, err)
				}
				if calls := s.seen(); len(calls) > 0 {
					t.Errorf("with %s the server was called: %+v", c.reason, calls)
				}
			})
		}
	}
}

// TestKubeconfig_RefusesPluginsLater: a kubeconfig is as little trusted after it
// changed as at the start.
func TestKubeconfig_RefusesPluginsLater(t *testing.T) {
	s, dir := newAPIServer(t), t.TempDir()
	output := filepath.Join(dir, "output")
	write(t, dir, "ca.crt", s.ca())
	valid := kubeconfig(`"token": "good"`, `, "certificate-authority": "ca.crt"`)
	write(t, dir, "kubeconfig", valid)
	d, err := s.openIn(t, dir, authFile("kubeconfig"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "kubeconfig", strings.ReplaceAll(execConfig, "/PATH/TO/FILE", output))
	if err := d.Check(t.Context()); !errors.Is(err, fault.ErrUnsupported) {
		t.Errorf("with a program Check = %v, want ErrUnsupported", err)
	}
	if _, err := os.Stat(output); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the program ran: %v", err)
	}
	write(t, dir, "kubeconfig", valid)
	if err := d.Check(t.Context()); err != nil {
		t.Errorf("with the token back Check = %v", err)
	}
	if calls := s.seen(); len(calls) != 2 {
		t.Errorf("the server was called with %+v, want the token twice", calls)
	}
}

// TestKubeconfig_RelativeFiles names files relative to the kubeconfig, which is
// elsewhere than the worker and the connections.
func TestKubeconfig_RelativeFiles(t *testing.T) {
	s, dir := newAPIServer(t), t.TempDir()
	deep := filepath.Join(dir, "clusters", "main")
	if err := os.MkdirAll(filepath.Join(deep, "pki"), 0o700); err != nil {
		t.Fatal(err)
	}
	public, private := certificate(t, "rollcall")
	write(t, deep, "pki/client.crt", public)
	write(t, deep, "pki/client.key", private)
	write(t, deep, "ca.crt", s.ca())
	token := write(t, t.TempDir(), "token", "secret\n")
	write(t, deep, "kubeconfig", kubeconfig(
		`"client-certificate": "pki/client.crt", "client-key": "./pki/client.key", "tokenFile": "`+token+`"`,
		`, "certificate-authority": "../main/ca.crt"`))
	for place, auth := range map[string]map[string]any{
		"file": authFile("clusters/main/kubeconfig"), "variable": {"auth": map[string]any{"environment": map[string]any{"prefix": "P"}}},
	} {
		d, err := s.openIn(t, dir, auth, map[string]string{"P_KUBECONFIG": "clusters/main/kubeconfig"})
		if err == nil {
			err = d.Check(t.Context())
		}
		if calls := s.seen(); err != nil || len(calls) != 1 || calls[0] != (signIn{"secret", "rollcall"}) {
			t.Errorf("by a %s: %v, and the calls %+v, want one with the token and the certificate", place, err, calls)
		}
	}
}

// TestKubeconfig_FilesAreReadAgain: each file that a kubeconfig names counts as soon
// as its content changes. Its time stays the same.
func TestKubeconfig_FilesAreReadAgain(t *testing.T) {
	s, dir := newAPIServer(t), t.TempDir()
	pair := func(name string) {
		public, private := certificate(t, name)
		write(t, dir, "client.crt", public)
		write(t, dir, "client.key", private)
	}
	pair("first")
	write(t, dir, "ca.crt", s.ca())
	write(t, dir, "token", "one")
	write(t, dir, "kubeconfig", kubeconfig(
		`"client-certificate": "client.crt", "client-key": "client.key", "tokenFile": "token"`, `, "certificate-authority": "ca.crt"`))
	d, err := s.openIn(t, dir, authFile("kubeconfig"), nil)
	if err != nil {
		t.Fatal(err)
	}
	other, _ := certificate(t, "another authority")
	for _, c := range []struct {
		reason string
		change func()
		want   error
		call   signIn
	}{
		{"as they were", func() {}, nil, signIn{"one", "first"}},
		{"a new token", func() { write(t, dir, "token", "two") }, nil, signIn{"two", "first"}},
		{"a new certificate", func() { pair("other") }, nil, signIn{"two", "other"}},
		{"an authority that did not sign the server's certificate", func() { write(t, dir, "ca.crt", other) }, fault.ErrUnavailable, signIn{}},
		{"the right authority", func() { write(t, dir, "ca.crt", s.ca()) }, nil, signIn{"two", "other"}},
		{"a missing token", func() { _ = os.Remove(filepath.Join(dir, "token")) }, fault.ErrDenied, signIn{}},
		{"the token again", func() { write(t, dir, "token", "six") }, nil, signIn{"six", "other"}},
		{"the key of another certificate", func() {
			_, private := certificate(t, "x")
			write(t, dir, "client.key", private)
		}, fault.ErrInvalid, signIn{}},
		{"a kubeconfig without files but the authority's", func() {
			write(t, dir, "kubeconfig", kubeconfig(`"token": "own"`, `, "certificate-authority": "ca.crt"`))
		}, nil, signIn{token: "own"}},
	} {
		c.change()
		err := d.Check(t.Context())
		calls := s.seen()
		if !errors.Is(err, c.want) || c.want == nil && (len(calls) != 1 || calls[0] != c.call) || c.want != nil && len(calls) > 0 {
			t.Errorf("with %s Check = %v and the calls are %+v, want %v and %+v", c.reason, err, calls, c.want, c.call)
		}
	}
}

// TestCAFileIsReadAgain: the connection's own CA may be renewed too.
func TestCAFileIsReadAgain(t *testing.T) {
	s, dir := newAPIServer(t), t.TempDir()
	other, _ := certificate(t, "another authority")
	write(t, dir, "ca.crt", other)
	write(t, dir, "token", "one")
	d, err := s.openIn(t, dir, map[string]any{"caFile": "ca.crt", "auth": map[string]any{"tokenFile": "token"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Check(t.Context()); !errors.Is(err, fault.ErrUnavailable) {
		t.Errorf("with another CA Check = %v, want ErrUnavailable", err)
	}
	write(t, dir, "ca.crt", s.ca())
	if err := d.Check(t.Context()); err != nil {
		t.Errorf("with the server's CA Check = %v", err)
	}
	write(t, dir, "token", "two")
	if err := d.Check(t.Context()); err != nil {
		t.Errorf("with a new token Check = %v", err)
	}
	if calls := s.seen(); len(calls) != 2 || calls[0].token != "one" || calls[1].token != "two" {
		t.Errorf("the server was called with %+v, want each token once", calls)
	}
}

// TestKubeconfig_DoesNotSkipVerification: a server is trusted by certificates only.
func TestKubeconfig_DoesNotSkipVerification(t *testing.T) {
	s, dir := newAPIServer(t), t.TempDir()
	write(t, dir, "kubeconfig", kubeconfig(`"token": "hunter2"`, `, "insecure-skip-tls-verify": true`))
	d, err := s.openIn(t, dir, authFile("kubeconfig"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Check(t.Context()); !errors.Is(err, fault.ErrUnavailable) || len(s.seen()) > 0 {
		t.Errorf("with a certificate that nobody knows Check = %v, want ErrUnavailable without a call", err)
	}
}

// TestFilesAreBounded: no file that a connection or a kubeconfig names makes a worker
// wait, or fills its memory.
func TestFilesAreBounded(t *testing.T) {
	dir := t.TempDir()
	pipe, large := filepath.Join(dir, "pipe"), write(t, dir, "large", strings.Repeat("x", 1<<20+1))
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	s := newAPIServer(t)
	for file, path := range map[string]string{"a pipe": pipe, "a device": "/dev/zero", "a directory": dir, "a file of more than 1 MiB": large} {
		for field, text := range map[string]string{
			"client-certificate":    kubeconfig(`"client-certificate": "`+path+`", "client-key-data": "eA=="`, ""),
			"client-key":            kubeconfig(`"client-certificate-data": "eA==", "client-key": "`+path+`"`, ""),
			"tokenFile":             kubeconfig(`"token": "hunter2", "tokenFile": "`+path+`"`, ""),
			"certificate-authority": kubeconfig(`"token": "hunter2"`, `, "certificate-authority": "`+path+`"`),
		} {
			write(t, dir, "kubeconfig", text)
			err := withTimeout(t, func() error { _, err := s.openIn(t, dir, authFile("kubeconfig"), nil); return err })
			if !errors.Is(err, fault.ErrDenied) || !strings.Contains(err.Error(), path) {
				t.Errorf("with %s as the kubeconfig's %s Open = %v, want ErrDenied that names it", file, field, err)
			}
		}
		variable := map[string]any{"environment": map[string]any{"prefix": "P"}}
		for place, c := range map[string]struct {
			fields      map[string]any
			environment map[string]string
		}{
			"auth.file":             {authFile(path), nil},
			"auth.tokenFile":        {map[string]any{"auth": map[string]any{"tokenFile": path}}, nil},
			"caFile":                {map[string]any{"caFile": path, "auth": variable}, map[string]string{"P_TOKEN": "hunter2"}},
			"the variable's token":  {map[string]any{"auth": variable}, map[string]string{"P_TOKEN_FILE": path}},
			"the variable's config": {map[string]any{"auth": variable}, map[string]string{"P_KUBECONFIG": path}},
		} {
			err := withTimeout(t, func() error { _, err := s.openIn(t, dir, c.fields, c.environment); return err })
			if !errors.Is(err, fault.ErrDenied) || !strings.Contains(err.Error(), path) {
				t.Errorf("with %s as %s Open = %v, want ErrDenied that names it", file, place, err)
			}
		}
	}
}

// TestFilesAreBoundedLater: a file that becomes a pipe stops calls, not the worker.
func TestFilesAreBoundedLater(t *testing.T) {
	s, dir := newAPIServer(t), t.TempDir()
	write(t, dir, "ca.crt", s.ca())
	token := write(t, dir, "token", "one")
	write(t, dir, "kubeconfig", kubeconfig(`"tokenFile": "token"`, `, "certificate-authority": "ca.crt"`))
	d, err := s.openIn(t, dir, authFile("kubeconfig"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(token), syscall.Mkfifo(token, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := withTimeout(t, func() error { return d.Check(t.Context()) }); !errors.Is(err, fault.ErrDenied) {
		t.Errorf("with a pipe as token's file Check = %v, want ErrDenied", err)
	}
}

// TestAddressesInDocumentsCountForNothing: only the operator says where secrets go.
func TestAddressesInDocumentsCountForNothing(t *testing.T) {
	s, dir := newAPIServer(t), t.TempDir()
	write(t, dir, "ca.crt", s.ca())
	config := driver.Config{
		Platform: "kubernetes.test", Getenv: func(name string) string { return map[string]string{"P_TOKEN": "own"}[name] },
		Settings: json.RawMessage(`{"server":"https://evil.example.com","caFile":"/nonexistent","auth":{"file":"/nonexistent"},
			"replication":{"credentials":{"file":{"path":"/nonexistent"}}}}`),
		Connection: driver.Connection{Dir: dir, Settings: json.RawMessage(
			`{"server":"` + s.URL + `","caFile":"ca.crt","auth":{"environment":{"prefix":"P"}}}`)},
	}
	d, err := kubernetes.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.(*kubernetes.Driver).Check(t.Context()); err != nil || len(s.seen()) != 1 {
		t.Errorf("Check = %v, want a call to the connection's server", err)
	}
}
