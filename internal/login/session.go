package login

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// refreshBefore is how long before the end of an access token a new one is requested.
	refreshBefore = time.Minute
	// refreshTimeout bounds a refresh. It goes on when the command is interrupted: the old
	// refresh token may be spent already.
	refreshTimeout = 45 * time.Second
)

// Session is the login at one server. It is safe for use by many goroutines.
type Session struct {
	Client *Client
	Store  *Store
	// Server is the address of the server.
	Server string
	// Now is the clock; nil is time.Now.
	Now func() time.Time

	mu    sync.Mutex
	known Login
}

// Token returns the access token of the stored login, renewed if it ends within a minute. It
// wraps ErrNone without a login. A login that has ended, or that cannot be renewed, is an error
// that says what to do.
func (s *Session) Token(ctx context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known.AccessToken != "" && !s.ends(s.known) {
		return s.known.AccessToken, nil
	}
	found, err := s.Store.Get(s.Server)
	if err != nil {
		return "", err
	}
	if s.ends(found) {
		if found, err = s.refresh(ctx); err != nil {
			return "", err
		}
	}
	s.known = found
	return found.AccessToken, nil
}

// refresh refreshes the login for all commands: the one with the lock spends the refresh token, and
// the others find what it stored.
func (s *Session) refresh(ctx context.Context) (Login, error) {
	unlock, err := s.Store.Lock(ctx, s.Server)
	if err != nil {
		return Login{}, err
	}
	defer unlock()
	found, err := s.Store.Get(s.Server)
	if err != nil || !s.ends(found) {
		return found, err
	}
	if found.RefreshToken == "" {
		return s.last(found, fmt.Errorf("login: the login at %s ended at %s: run rollcall login",
			s.Server, found.Expires.UTC().Format(time.RFC3339)))
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), refreshTimeout)
	defer cancel()
	next, err := s.Client.Refresh(limited, found)
	if refused, ok := errors.AsType[*RefusedError](err); ok && refused.Code == "invalid_grant" {
		return s.last(found, fmt.Errorf("login: the login at %s has ended: run rollcall login: %w", s.Server, err))
	}
	if err != nil {
		return s.last(found, err)
	}
	_, err = s.Store.Put(next)
	return next, err
}

// last returns a login that could not be renewed while its access token counts, and the failure
// afterwards.
func (s *Session) last(l Login, failure error) (Login, error) {
	if s.now().Before(l.Expires) {
		return l, nil
	}
	return Login{}, failure
}

// ends reports whether an access token ends soon.
func (s *Session) ends(l Login) bool {
	return !l.Expires.IsZero() && !s.now().Before(l.Expires.Add(-refreshBefore))
}

func (s *Session) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}
