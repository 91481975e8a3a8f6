package login

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"html"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const (
	// CodeTimeout is how long a user has to sign in with a browser.
	CodeTimeout = 5 * time.Minute
	// pageTimeout is how long the last page may take to reach the browser.
	pageTimeout = 2 * time.Second

	callbackPath = "/callback"
	startPath    = "/start"
)

// Page is where a user signs in.
type Page struct {
	// URL is the page of the provider.
	URL string
	// Local leads to URL once, and says nothing of the request: arguments of a program that
	// opens a browser are readable by the other users of the machine.
	Local string
}

// Code signs a user in with the authorization code flow, PKCE (RFC 7636) and a redirect to a
// free port on 127.0.0.1 (RFC 8252). It calls show with the page to open, and waits for the
// user until the context ends or CodeTimeout has passed. A *RefusedError is the provider's, or the
// user's, refusal.
func (c *Client) Code(ctx context.Context, m Method, show func(Page)) (Login, error) {
	p, err := c.provider(ctx, m.Issuer)
	if err != nil {
		return Login{}, err
	}
	if p.Endpoint().AuthURL == "" || !p.supportsS256() {
		return Login{}, fmt.Errorf("login: %s has no authorization code flow with PKCE and S256: add --device", m.Issuer)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return Login{}, fmt.Errorf("login: %w", err)
	}
	config := p.config(m.ClientID, m.Scopes)
	host := listener.Addr().String()
	config.RedirectURL = "http://" + host + callbackPath
	verifier, nonce := oauth2.GenerateVerifier(), rand.Text()
	w := &waiter{
		host: host, issuer: m.Issuer, sendsIssuer: p.metadata.SendsIssuer, state: rand.Text(), result: make(chan answer, 1),
	}
	options := append(m.options(), oauth2.S256ChallengeOption(verifier), oidc.Nonce(nonce))
	w.page = config.AuthCodeURL(w.state, options...)
	ctx, cancel := context.WithTimeout(ctx, CodeTimeout)
	defer cancel()
	code, err := w.wait(ctx, listener, func() { show(Page{URL: w.page, Local: "http://" + host + startPath}) })
	if err != nil {
		return Login{}, err
	}
	token, err := config.Exchange(p.context(ctx), code, oauth2.VerifierOption(verifier))
	if err != nil {
		return Login{}, p.refusal("exchange the code", err)
	}
	return p.loginOf(ctx, m.ClientID, token, nonce)
}

// waiter waits for the answer of a provider on a loopback address.
type waiter struct {
	host, issuer, state, page string
	// sendsIssuer is true if each answer names its issuer (RFC 9207).
	sendsIssuer bool
	started     sync.Once
	answered    sync.Once
	result      chan answer
}

// answer is a code, or why there is none.
type answer struct {
	code string
	err  error
}

// wait serves the listener until the provider has answered.
func (w *waiter) wait(ctx context.Context, listener net.Listener, show func()) (string, error) {
	server := &http.Server{Handler: w, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	defer func() {
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), pageTimeout)
		defer cancel()
		if server.Shutdown(limited) != nil { // a browser that does not read the page
			_ = server.Close()
		}
	}()
	show()
	select {
	case a := <-w.result:
		return a.code, a.err
	case err := <-failed:
		return "", fmt.Errorf("login: %w", err)
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return "", fmt.Errorf("login: no one signed in at %s in time: run the command again, or add --device "+
				"if the browser is on another machine: %w", w.issuer, ctx.Err())
		}
		return "", ctx.Err()
	}
}

// ServeHTTP leads a browser to the provider, and takes the provider's answer. A request that does
// not belong to the sign-in ends nothing: any program and any page can send one.
func (w *waiter) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	header := out.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	header.Set("X-Content-Type-Options", "nosniff")
	switch {
	case r.Method != http.MethodGet || r.Host != w.host: // another host is a name that was bound to this address
		http.Error(out, "not found", http.StatusNotFound)
	case r.URL.Path == startPath:
		first := false
		w.started.Do(func() { first = true })
		if !first {
			http.Error(out, "The sign-in has begun already: open the address that rollcall login printed.", http.StatusGone)
			return
		}
		http.Redirect(out, r, w.page, http.StatusFound)
	case r.URL.Path == callbackPath:
		w.callback(out, r)
	default:
		http.Error(out, "not found", http.StatusNotFound)
	}
}

func (w *waiter) callback(out http.ResponseWriter, r *http.Request) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || subtle.ConstantTimeCompare([]byte(single(query, "state")), []byte(w.state)) != 1 {
		http.Error(out, "This is not the sign-in that rollcall login waits for: begin it again from the terminal.", http.StatusBadRequest)
		return
	}
	a := w.read(query)
	text := "You can close this window and return to the terminal."
	if a.err != nil {
		text = "The sign-in failed: the terminal says why."
	}
	header := out.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Connection", "close")
	_, _ = fmt.Fprintf(out, "<!doctype html><title>Rollcall</title><p>%s</p>\n", html.EscapeString(text)) // the user sees the terminal too
	w.answered.Do(func() { w.result <- a })
}

// read returns what an answer with the right state says (RFC 6749, section 4.1.2; RFC 9207,
// section 2.4).
func (w *waiter) read(query url.Values) answer {
	iss, code, refused := single(query, "iss"), single(query, "code"), single(query, "error")
	switch {
	case iss != w.issuer && (query.Has("iss") || w.sendsIssuer):
		return answer{err: fmt.Errorf("login: the answer is not of %s (iss %q): another provider may try to get the code; "+
			"sign in again", w.issuer, visible(iss))}
	case refused != "":
		text := single(query, "error_description")
		return answer{err: &RefusedError{Issuer: w.issuer, Code: visible(refused), Description: visible(text)}}
	case code == "":
		return answer{err: fmt.Errorf("login: the answer of %s has no code: sign in again", w.issuer)}
	default:
		return answer{code: code}
	}
}

// single returns a parameter that is there once; empty otherwise (RFC 6749, section 3.1).
func single(query url.Values, name string) string {
	if len(query[name]) != 1 {
		return ""
	}
	return query.Get(name)
}
