package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/api"
	"github.com/rollcall-iam/rollcall/internal/authz"
	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/meshapi"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/internal/token"
)

// shutdownTimeout is how long calls may go on when the server stops.
const shutdownTimeout = 25 * time.Second

// serveFlags say where to serve and whose tokens count.
type serveFlags struct {
	listen, issuers, certFile, keyFile string
	proxies                            []string
}

func serveCommand(c *cli) *cobra.Command {
	var flags serveFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve Rollcall's interface to callers with tokens",
		Long: `serve lets callers use Rollcall without the database: over HTTP, with the rights that
AccessPolicy documents give them. The commands are such callers where ROLLCALL_SERVER has
the server's address. GET /openapi.json describes the interface.

A caller shows an access token of one of the issuers in the file --issuers:

  issuers:
    - url: https://login.example.com/realms/company
      rules:
        - {kind: user, audiences: [rollcall]}
    - entra: {tenant: 00000000-0000-0000-0000-000000000001, audiences: [api://rollcall]}
    - github: {ownerIDs: ["1234567"], audiences: [rollcall]}
    - kubernetes: {url: https://cluster.example.com, audiences: [rollcall]}

An issuer with login: {clientID: rollcall-cli} lets rollcall login sign users in there, with a
public client: it has no secret, and the redirect http://127.0.0.1/callback with any port.

A caller that no policy names may do nothing. While no policy is stored the server prints a
token that has all rights until the first policy, for a day at most.

Without --tls-cert the server listens on this machine only: a token is readable on the way.
Approvals, adoptions, lifts, forgetting a platform and changes of guards need a user who is
not an author of what they rest on.`,
		Example: `  rollcall serve --issuers issuers.yaml
  rollcall serve --issuers issuers.yaml --listen :8443 --tls-cert tls.crt --tls-key tls.key`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.serve(cmd.Context(), flags) },
	}
	cmd.Flags().StringVar(&flags.listen, "listen", "127.0.0.1:8090", "where to listen")
	cmd.Flags().StringVar(&flags.issuers, "issuers", "", "the file with the issuers whose tokens are accepted")
	cmd.Flags().StringVar(&flags.certFile, "tls-cert", "", "the certificate of the server, in PEM")
	cmd.Flags().StringVar(&flags.keyFile, "tls-key", "", "the key of the certificate, in PEM")
	cmd.Flags().StringSliceVar(&flags.proxies, "trusted-proxies", nil,
		"addresses or networks of proxies whose X-Forwarded-For names the caller in the audit")
	cobra.CheckErr(cmd.MarkFlagRequired("issuers"))
	return cmd
}

// trusted returns the networks of the proxies.
func (f serveFlags) trusted() ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range f.proxies {
		p, err := netip.ParsePrefix(text)
		if a, failed := netip.ParseAddr(text); failed == nil {
			p, err = a.Prefix(a.BitLen())
		}
		if err != nil {
			return nil, fmt.Errorf("--trusted-proxies: %q is no address and no network: write 10.0.0.0/8, as one example", text)
		}
		all = append(all, p)
	}
	return all, nil
}

func (c *cli) serve(ctx context.Context, flags serveFlags) error {
	handler, err := c.apiHandler(ctx, flags)
	if err != nil {
		return err
	}
	config, scheme, err := flags.tls()
	if err != nil {
		return invalid(err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", flags.listen)
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	server := &http.Server{
		Handler: handler, TLSConfig: config, MaxHeaderBytes: 64 << 10,
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
	}
	fmt.Fprintf(c.err, "Serving %s://%s\n", scheme, listener.Addr())
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		err := server.Shutdown(limited)
		if errors.Is(err, context.DeadlineExceeded) { // calls that wait for runs: these go on without
			err = server.Close()
		}
		stopped <- err
	}()
	if config != nil {
		err = server.ServeTLS(listener, "", "")
	} else {
		err = server.Serve(listener)
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return <-stopped
}

// tls returns the configuration of the listener; nil for plain HTTP, which only a listener on
// this machine may speak.
func (f serveFlags) tls() (*tls.Config, string, error) {
	if f.certFile != "" || f.keyFile != "" {
		files := &certificateFiles{cert: f.certFile, key: f.keyFile}
		if _, err := files.get(nil); err != nil {
			return nil, "", err
		}
		return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: files.get}, "https", nil
	}
	host, _, err := net.SplitHostPort(f.listen)
	if err != nil {
		return nil, "", fmt.Errorf("--listen: %w", err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return nil, "", fmt.Errorf("--listen %s would send tokens in plain text: add --tls-cert and --tls-key, or listen on 127.0.0.1",
			f.listen)
	}
	return nil, "http", nil
}

// certificateFiles are a certificate and its key, which are renewed while the server runs.
type certificateFiles struct {
	cert, key string

	mu     sync.Mutex
	loaded *tls.Certificate
	at     time.Time // of the files
}

// get returns the certificate, read again when its file has changed. Files that cannot be read
// leave the last one in use: a renewal writes two files one after the other.
func (f *certificateFiles) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(f.cert)
	if err == nil && f.loaded != nil && info.ModTime().Equal(f.at) {
		return f.loaded, nil
	}
	var read tls.Certificate
	if err == nil {
		read, err = tls.LoadX509KeyPair(f.cert, f.key)
	}
	if err != nil {
		if f.loaded != nil {
			return f.loaded, nil
		}
		return nil, fmt.Errorf("--tls-cert and --tls-key: %w", err)
	}
	f.loaded, f.at = &read, info.ModTime()
	return f.loaded, nil
}

// apiHandler returns the handler of the interface.
func (c *cli) apiHandler(ctx context.Context, flags serveFlags) (http.Handler, error) {
	proxies, err := flags.trusted()
	if err != nil {
		return nil, invalid(err)
	}
	issuers, logins, err := readIssuers(flags.issuers)
	if err != nil {
		return nil, invalid(err)
	}
	s, err := c.database(ctx)
	if err != nil {
		return nil, err
	}
	log := slog.New(slog.NewTextHandler(c.err, nil))
	verifier, err := token.New(token.Config{Issuers: issuers, Keys: s, Log: log})
	if err != nil {
		return nil, invalid(fmt.Errorf("--issuers %s: %w", flags.issuers, err))
	}
	go func() { _ = verifier.Refresh(ctx) }() // so that the first tokens do not wait; it logs what fails
	local, connect := c.local(), sync.Mutex{}
	dial := local.Temporal
	local.Temporal = func(ctx context.Context) (control.Temporal, error) { // a server has many callers at one time
		connect.Lock()
		defer connect.Unlock()
		return dial(ctx)
	}
	if err := c.printBootstrap(ctx, s); err != nil {
		return nil, err
	}
	callers := callers{verifier: verifier, store: s, local: local}
	return api.NewHandler(api.Options{
		Service: callers.service, Login: logins, Whoami: callers.whoami, Audit: control.Recorder{Store: c.database}, Proxies: proxies,
		Ready: s.CheckSchema, State: s, Log: log, Version: buildVersion().Version,
		Mounts: meshapi.Endpoints(),
	})
}

// callers knows the callers of a server.
type callers struct {
	verifier *token.Verifier
	store    *store.Store
	local    *control.Local
}

// service returns the caller of a request, and the service with their rights.
func (c callers) service(r *http.Request) (control.Service, access.Actor, error) {
	known, err := c.identify(r)
	if err != nil {
		return nil, access.Actor{}, err
	}
	return c.local.For(known.actor, known.rights), known.actor, nil
}

// verifiedCaller is the caller of a request.
type verifiedCaller struct {
	actor   access.Actor
	rights  authz.Rights
	expires time.Time // of the token; zero for a bootstrap token
}

// identify returns the caller of a request, or an *api.AuthError.
func (c callers) identify(r *http.Request) (verifiedCaller, error) {
	scheme, bearer, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || len(r.Header.Values("Authorization")) != 1 {
		return verifiedCaller{}, &api.AuthError{Code: "missing", Message: "the request has no token: run rollcall login, " +
			"set ROLLCALL_TOKEN_FILE, or send Authorization: Bearer with an access token"}
	}
	if isBootstrap(bearer) {
		return c.bootstrap(r.Context(), bearer)
	}
	found, err := c.verifier.Verify(r.Context(), bearer)
	if err != nil {
		return verifiedCaller{}, tokenError(err)
	}
	kind := access.VerifiedUser
	if found.Kind == token.Workload {
		kind = access.Workload
	}
	actor, err := access.VerifiedActor(kind, found.Issuer, found.Subject)
	if err != nil {
		return verifiedCaller{}, &api.AuthError{Code: "subject", Message: err.Error()}
	}
	rights, err := c.local.Rights(r.Context(), authz.Caller{Actor: actor, Claims: found.Claims})
	if err != nil {
		return verifiedCaller{}, err
	}
	return verifiedCaller{actor, rights, found.Expires}, nil
}

// whoami returns who the caller of a request is.
func (c callers) whoami(r *http.Request) (api.Whoami, access.Actor, error) {
	known, err := c.identify(r)
	if err != nil {
		return api.Whoami{}, access.Actor{}, err
	}
	w := api.Whoami{Subject: known.actor.Name, Kind: string(known.actor.Kind), Roles: []api.CallerRole{}, Expires: known.expires}
	if issuer, subject, ok := known.actor.Verified(); ok {
		w.Issuer, w.Subject = issuer, subject
	}
	for _, role := range known.rights.Roles() {
		w.Roles = append(w.Roles, api.CallerRole{Role: role, Workspaces: known.rights.Workspaces(role).Names()})
	}
	return w, known.actor, nil
}

// tokenError returns a refused token as the caller's mistake, and keys that cannot be had as
// the server's.
func tokenError(err error) error {
	if code := token.CodeOf(err); code != "" && code != token.KeysUnavailable {
		return &api.AuthError{Code: string(code), Message: strings.TrimPrefix(err.Error(), "token: ")}
	}
	return err
}
