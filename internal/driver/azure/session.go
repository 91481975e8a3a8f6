package azure

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/calls"
	"github.com/rollcall-iam/rollcall/internal/credential"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// session holds the tokens that all calls share, one for each API. The SDK's
// credentials keep tokens, too, but give up none that the API refuses: here each
// token is fetched by a fresh one.
type session struct {
	identity identity
	renewing calls.Shared[string]

	mu     sync.Mutex
	tokens map[string]token // by audience
}

type token struct {
	text    string
	expires time.Time
	stamp   credential.Stamp // of the credentials that it was got with
}

// early is how long before its end a token is not used any more.
const early = time.Minute

// current returns a token that is not the stale one, if that is not empty.
func (s *session) current(ctx context.Context, audience, stale string) (string, error) {
	stamp := s.identity.changed()
	s.mu.Lock()
	t := s.tokens[audience]
	s.mu.Unlock()
	if t.text != "" && t.text != stale && t.stamp == stamp && time.Until(t.expires) > early {
		return t.text, nil
	}
	return shared(ctx, &s.renewing, audience, func(ctx context.Context) (string, error) {
		s.mu.Lock()
		newest := s.tokens[audience]
		s.mu.Unlock()
		if newest.text != t.text {
			return newest.text, nil // somebody was faster
		}
		return s.signIn(ctx, audience)
	})
}

// signIn reads the credentials again and gets a token for them.
func (s *session) signIn(ctx context.Context, audience string) (string, error) {
	stamp := s.identity.changed()
	with, err := s.identity.credential()
	if err != nil {
		return "", fmt.Errorf("azure: %w", err)
	}
	named := calls.WithDeadline(ctx, "signing in", calls.Default())
	got, err := with.GetToken(named, policy.TokenRequestOptions{Scopes: []string{audience}})
	if err != nil {
		return "", signInFailure(ctx, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[audience] = token{text: got.Token, expires: got.ExpiresOn, stamp: stamp}
	return got.Token, nil
}

// gate is what every call to one API passes: it puts a token on it, once more a
// new one where the first is refused, and lets none go anywhere else. That is
// where pages lead to as well.
type gate struct {
	session  *session
	base     *url.URL
	audience string
	next     http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (g gate) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != g.base.Scheme || r.URL.Host != g.base.Host {
		closeBody(r)
		return nil, fmt.Errorf("azure: %w: the platform points to another host than its own", fault.ErrUnavailable)
	}
	text, err := g.session.current(r.Context(), g.audience, "")
	if err != nil {
		closeBody(r)
		return nil, err
	}
	answer, err := g.next.RoundTrip(with(r, text, r.Body))
	if err != nil || answer.StatusCode != http.StatusUnauthorized {
		return answer, err
	}
	body, ok := again(r)
	if !ok {
		return quiet(answer), nil
	}
	fresh, err := g.session.current(r.Context(), g.audience, text)
	_, _ = io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close()
	if err != nil {
		return nil, err
	}
	answer, err = g.next.RoundTrip(with(r, fresh, body))
	if err != nil {
		return nil, err
	}
	return quiet(answer), nil
}

// with is the request under a token.
func with(r *http.Request, token string, body io.ReadCloser) *http.Request {
	r = r.Clone(r.Context())
	r.Body = body
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("User-Agent", "rollcall")
	return r
}

// again returns the body once more, where that can be had.
func again(r *http.Request) (io.ReadCloser, bool) {
	switch seeker, ok := r.Body.(io.Seeker); {
	case r.Body == nil || r.Body == http.NoBody:
		return r.Body, true
	case ok:
		_, err := seeker.Seek(0, io.SeekStart)
		return r.Body, err == nil
	case r.GetBody != nil:
		body, err := r.GetBody()
		return body, err == nil
	default:
		return nil, false
	}
}

// quiet takes away the challenge, which the SDK of the Resource Manager would answer
// by a call of its own.
func quiet(answer *http.Response) *http.Response {
	answer.Header.Del("WWW-Authenticate")
	return answer
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
}

// nobody is the credential that the ARM SDK insists on; gate has the real one.
type nobody struct{}

// GetToken implements azcore.TokenCredential.
func (nobody) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "-", ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// connection makes the clients of one cloud, which share a transport and a session.
type connection struct {
	session   *session
	transport http.RoundTripper
}

func connect(c Connection, who identity, limits *budget.Budget) connection {
	transport := limits.Transport(calls.Bounded(calls.NewTransport()))
	signIn := plain{next: transport}
	if host, ok := strings.CutPrefix(c.Endpoints.Login, "http://"); ok {
		signIn.host, _, _ = strings.Cut(host, "/")
	}
	who.http = client(signIn)
	return connection{session: &session{identity: who, tokens: map[string]token{}}, transport: transport}
}

// to returns a client for the API at the address.
func (c connection) to(address, public string) (*http.Client, error) {
	base, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("%w: an endpoint is not an address", fault.ErrInvalid)
	}
	return client(gate{session: c.session, base: base, audience: audience(address, public), next: c.transport}), nil
}

// client follows no redirect: that would carry the token to wherever it points.
func client(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// shared calls fetch once for all who ask at the same time. A caller who leaves
// does not end it.
func shared[T any](ctx context.Context, flight *calls.Shared[T], key string, fetch func(context.Context) (T, error)) (T, error) {
	return flight.Do(ctx, key, fetch)
}
