package cloudfoundry

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/cloudfoundry/go-cfclient/v3/resource"

	"github.com/rollcall-iam/rollcall/internal/calls"
	"github.com/rollcall-iam/rollcall/internal/credential"
)

// early is how long before its end a token is not used any more.
const early = 30 * time.Second

// session is one token that all calls share. However many of them find it
// expired at once, one call renews it: a caller who leaves fails nobody else.
type session struct {
	api      *api
	from     *credential.Source
	renewing calls.Shared[string]
	finding  calls.Shared[string]

	mu    sync.Mutex
	uaa   string // UAA's address; empty until it is known
	token string
	until time.Time
	stamp credential.Stamp // of the credentials that the token was got with
}

// current returns the token there is, or a new one where there is none, where it
// ends soon, or where the credentials have changed since.
func (s *session) current(ctx context.Context) (string, error) {
	s.mu.Lock()
	token, until, stamp := s.token, s.until, s.stamp
	s.mu.Unlock()
	if token != "" && time.Now().Before(until) && stamp == s.from.Changed() {
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
	const operation = "POST /oauth/token"
	stamp := s.from.Changed()
	with, err := credentials(s.from)
	if err != nil {
		return "", named(err)
	}
	uaa, err := s.address(ctx)
	if err != nil {
		return "", err
	}
	var answer struct {
		Token   string `json:"access_token"`
		Expires int64  `json:"expires_in"`
	}
	ask := request{
		operation: operation, method: http.MethodPost, url: uaa + "/oauth/token",
		form: with.form, user: with.client, password: with.secret,
	}
	if err := s.api.send(ctx, ask, &answer); err != nil {
		return "", err
	}
	if answer.Token == "" {
		return "", unreadable(operation, "token")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// A token that lasts no longer than that is used as long as it is taken.
	life := max(time.Duration(answer.Expires)*time.Second-early, time.Duration(answer.Expires)*time.Second/2)
	s.token, s.stamp, s.until = answer.Token, stamp, time.Now().Add(life)
	return answer.Token, nil
}

// address returns UAA's address, which the Cloud Controller tells.
func (s *session) address(ctx context.Context) (string, error) {
	s.mu.Lock()
	known := s.uaa
	s.mu.Unlock()
	if known != "" {
		return known, nil
	}
	return shared(ctx, &s.finding, func(ctx context.Context) (string, error) {
		const operation = "GET /"
		var root resource.Root
		if err := s.api.send(ctx, request{operation: operation, method: http.MethodGet, url: s.api.base + "/"}, &root); err != nil {
			return "", err
		}
		uaa, err := address("links.uaa", root.Links.Uaa.Href)
		if err != nil {
			return "", unreadable(operation, "address of UAA")
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.uaa = strings.TrimRight(uaa, "/")
		return s.uaa, nil
	})
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
