package gcp

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/rollcall-iam/rollcall/internal/calls"
	"github.com/rollcall-iam/rollcall/internal/credential"
)

// session is one token that many calls share. However many of them find it
// expired at once, one call renews it; a caller who leaves fails nobody else.
type session struct {
	from    *source
	next    http.RoundTripper // through the budget
	subject string
	scopes  []string

	renewing calls.Shared[string]
	mu       sync.Mutex
	token    string
	expires  time.Time
	stamp    credential.Stamp // of the credentials that the token was got with
}

// early is how long before its end a token is renewed.
const early = time.Minute

// current returns the token there is, or a new one where there is none, it is
// about to expire, or the credentials have changed since.
func (s *session) current(ctx context.Context) (string, error) {
	s.mu.Lock()
	token, stamp, expires := s.token, s.stamp, s.expires
	s.mu.Unlock()
	fresh := expires.IsZero() || time.Until(expires) > early
	if token != "" && fresh && stamp == s.from.changed() {
		return token, nil
	}
	return s.renew(ctx, token)
}

// renew returns a token other than the stale one.
func (s *session) renew(ctx context.Context, stale string) (string, error) {
	return shared(ctx, &s.renewing, func(ctx context.Context) (string, error) {
		s.mu.Lock()
		token := s.token
		s.mu.Unlock()
		if token != stale {
			return token, nil // somebody was faster
		}
		return s.signIn(ctx)
	})
}

// signIn reads the credentials again and gets a token for them.
func (s *session) signIn(ctx context.Context) (string, error) {
	stamp := s.from.changed()
	named := calls.WithDeadline(ctx, "signing in", calls.Default())
	// The library posts without a context of its own.
	client := &http.Client{Transport: bound{named, s.next}, CheckRedirect: noRedirect}
	got, err := s.from.token(named, client, s.subject, s.scopes)
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token, s.stamp, s.expires = got.AccessToken, stamp, got.Expiry
	return s.token, nil
}

// noRedirect keeps a token from going to wherever an answer points.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// bound makes every request under one context.
type bound struct {
	ctx  context.Context //nolint:containedctx // that is what it is for
	next http.RoundTripper
}

func (b bound) RoundTrip(r *http.Request) (*http.Response, error) {
	return b.next.RoundTrip(r.WithContext(b.ctx))
}

// shared calls fetch once for all who ask at the same time. A caller who leaves
// does not end it.
func shared[T any](ctx context.Context, flight *calls.Shared[T], fetch func(context.Context) (T, error)) (T, error) {
	value, err := flight.Do(ctx, "", fetch)
	if err != nil && ctx.Err() != nil {
		return value, failure(ctx, "waiting for another call", err)
	}
	return value, err
}

// classified carries a failure that has its class through the library's own errors.
type classified struct{ error }

func (e classified) Unwrap() error { return e.error }

// authorized puts the session's token on every request, and once more a new one
// where the first one's is refused. That is the only retry there is.
type authorized struct {
	session *session
	next    http.RoundTripper
}

func (a authorized) RoundTrip(r *http.Request) (*http.Response, error) {
	token, err := a.session.current(r.Context())
	if err != nil {
		closeBody(r)
		return nil, classified{err}
	}
	response, err := a.next.RoundTrip(withToken(r, token))
	if err != nil || response.StatusCode != http.StatusUnauthorized || r.Body != nil && r.GetBody == nil {
		return response, err
	}
	const most = 1 << 16 // enough of a refusal to use the connection again
	_, _ = io.CopyN(io.Discard, response.Body, most)
	_ = response.Body.Close()
	if token, err = a.session.renew(r.Context(), token); err != nil {
		return nil, classified{err}
	}
	again := withToken(r, token)
	if r.GetBody != nil {
		if again.Body, err = r.GetBody(); err != nil {
			return nil, fmt.Errorf("gcp: a request cannot be sent again: %w", err)
		}
	}
	return a.next.RoundTrip(again)
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close() // a RoundTripper closes it in every case
	}
}

func withToken(r *http.Request, token string) *http.Request {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}
