package openstack

import (
	"context"
	"fmt"
	"net/http"
	"sync"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"

	"github.com/rollcall-iam/rollcall/internal/calls"
	"github.com/rollcall-iam/rollcall/internal/credential"
)

// session is one token that all calls share. However many of them find it
// expired at once, one call renews it: none waits for a caller's context but
// its own, and a caller who leaves fails nobody else. gophercloud's own
// re-authentication fails all who wait when the one who asks is cancelled.
type session struct {
	http     *http.Client
	endpoint string // ends in /v3/
	from     *credential.Source
	renewing calls.Shared[string]

	mu    sync.Mutex
	token string
	stamp credential.Stamp // of the credentials that the token was got with
}

// client returns a client for one call. It is made anew because gophercloud's
// own is not meant to change its token while it is used.
func (s *session) client(token string) *gophercloud.ServiceClient {
	return &gophercloud.ServiceClient{
		ProviderClient: &gophercloud.ProviderClient{HTTPClient: *s.http, TokenID: token},
		Endpoint:       s.endpoint,
	}
}

// current returns the token there is, or a new one where there is none or the
// credentials have changed since.
func (s *session) current(ctx context.Context) (string, error) {
	s.mu.Lock()
	token, stamp := s.token, s.stamp
	s.mu.Unlock()
	if token != "" && stamp == s.from.Changed() {
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
	const operation = "POST /v3/auth/tokens"
	stamp := s.from.Changed()
	with, err := options(s.from)
	if err != nil {
		return "", fmt.Errorf("openstack: %w", err)
	}
	token, err := tokens.Create(calls.WithDeadline(ctx, operation, calls.Default()), s.client(""), with).ExtractTokenID()
	if err != nil {
		return "", failure(ctx, operation, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token, s.stamp = token, stamp
	return token, nil
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
