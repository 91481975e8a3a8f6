// Package openid starts a real OpenID provider for tests: zitadel/oidc, built once for a machine
// from deploy/engines/openid, where its package comment says what it does.
package openid

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/engines/child"
	"github.com/rollcall-iam/rollcall/internal/engines/program"
)

// ErrUnavailable reports a machine on which the provider cannot be built.
var ErrUnavailable = errors.New("the OpenID provider is not available")

// stopTimeout is how long the provider may take to end.
const stopTimeout = 5 * time.Second

// Provider is a running provider. It ends with the process that started it.
type Provider struct {
	// Issuer is its URL, ClientID that of its public client, and Subject that of its user.
	Issuer   string `json:"issuer"`
	ClientID string `json:"client_id"`
	Subject  string `json:"subject"`
	// CA is the certificate of the provider, in PEM.
	CA string `json:"ca"`

	process *child.Process
}

func server() program.Program {
	return program.Program{Name: "openid", Module: "github.com/zitadel/oidc/v3", Package: ".", LinkerFlags: "-s -w"}
}

// Available reports why this machine cannot run the provider, wrapping ErrUnavailable, or nil. It
// builds nothing.
func Available() error { return unavailable(server().Available()) }

func unavailable(err error) error {
	if errors.Is(err, program.ErrUnavailable) {
		return fmt.Errorf("openid: %w: %w", ErrUnavailable, err)
	}
	return err
}

// Start builds the provider if need be, which takes half a minute, starts it and returns when it
// serves. An error wraps ErrUnavailable where that is the cause.
func Start(ctx context.Context) (*Provider, error) {
	binary, err := server().Build(ctx, nil)
	if err != nil {
		return nil, unavailable(err)
	}
	// The provider outlives ctx, which bounds the start only.
	cmd := exec.Command(binary)
	cmd.Env = os.Environ()
	stderr := &program.Tail{}
	out, in := io.Pipe()
	cmd.Stdout, cmd.Stderr = in, stderr
	announced := make(chan []byte, 1)
	go func() {
		reader := bufio.NewReader(out)
		line, _ := reader.ReadBytes('\n') // an end without one is that of the process
		announced <- line
		_, _ = io.Copy(io.Discard, reader)
	}()
	process, err := child.Supervise("the OpenID provider", cmd, syscall.SIGTERM)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("openid: %w", err), in.Close())
	}
	go func() {
		<-process.Done
		_ = in.Close() // it never fails
	}()
	p := &Provider{process: process}
	select {
	case line := <-announced:
		if err := json.Unmarshal(line, p); err != nil || p.Issuer == "" {
			return nil, errors.Join(fmt.Errorf("openid: the provider announced %q: %s", line, stderr), err, p.Stop())
		}
		return p, nil
	case <-ctx.Done():
		return nil, errors.Join(fmt.Errorf("openid: the provider does not answer: %w\n%s", ctx.Err(), stderr), p.Stop())
	}
}

// Stop ends the provider. A second Stop does nothing.
func (p *Provider) Stop() error {
	if err := p.process.Stop(stopTimeout, syscall.SIGTERM); err != nil {
		return fmt.Errorf("openid: %w", err)
	}
	return nil
}

// Transport returns a transport that trusts the provider beside the system's certificates.
func (p *Provider) Transport() (*http.Transport, error) {
	pool, err := x509.SystemCertPool()
	if err != nil || !pool.AppendCertsFromPEM([]byte(p.CA)) {
		return nil, errors.Join(errors.New("openid: the certificate of the provider cannot be read"), err)
	}
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}, nil
}

// ForTest returns a provider that ends with the test. Where it cannot be built the test is
// skipped, or fails if CI=true; with -short it is always skipped.
func ForTest(t testing.TB) *Provider {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a real server: run without -short")
	}
	if err := Available(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute) // the first start builds it
	defer cancel()
	p, err := Start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	return p
}
