package token

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"
)

const (
	// maxMissing is how many identifiers of unknown keys are remembered for each issuer.
	maxMissing = 1024
	// missingFor is how long a key that the issuer did not publish causes no other fetch.
	missingFor = 5 * time.Minute
	// storeTimeout bounds one call of the KeyStore.
	storeTimeout = 5 * time.Second
)

// KeyStore keeps the last keys of issuers, so that a process can start while an issuer is
// down. internal/store has one.
type KeyStore interface {
	// LoadIssuerKeys returns the JWKS that StoreIssuerKeys stored for the issuer's URL, and
	// nil if there is none.
	LoadIssuerKeys(ctx context.Context, issuer string) (jwks []byte, fetchedAt, freshUntil time.Time, err error)
	// StoreIssuerKeys stores a JWKS, unless a later one is stored.
	StoreIssuerKeys(ctx context.Context, issuer string, jwks []byte, fetchedAt, freshUntil time.Time) error
}

// keySource has the keys of one issuer. At most one fetch runs, and at most one starts in
// each interval.
type keySource struct {
	fetcher  *fetcher
	store    KeyStore
	interval time.Duration
	maxStale time.Duration
	now      func() time.Time
	log      *slog.Logger

	set     atomic.Pointer[keySet]
	flight  singleflight.Group
	missing *lru.Cache[string, time.Time]

	mu sync.Mutex
	// attemptedAt is when the last fetch started, zero if none did; failure is its error.
	attemptedAt time.Time
	failure     error
}

// find returns keys that a token may be signed with, and the set that they are from.
func (s *keySource) find(ctx context.Context, id []byte, a algorithm) ([]key, *keySet, *Error) {
	set, err := s.current(ctx)
	if err != nil {
		return nil, nil, s.unavailable(err)
	}
	found, known := set.find(id, a)
	if len(found) > 0 {
		return found, set, nil
	}
	if known {
		return nil, nil, refuse(WrongAlgorithm, "the key is not for the algorithm of the token: reject its sender")
	}
	return s.findNew(ctx, id, a)
}

// findNew fetches the keys if a key may be new.
func (s *keySource) findNew(ctx context.Context, id []byte, a algorithm) ([]key, *keySet, *Error) {
	unknown := refuse(UnknownKey, "the issuer publishes no such key: if it rotated its keys just now, try again in a minute")
	if until, ok := s.missing.Get(string(id)); ok && s.now().Before(until) {
		return nil, nil, unknown
	}
	failure, err := s.update(ctx)
	if err != nil {
		return nil, nil, s.unavailable(err)
	}
	set := s.set.Load()
	if found, _ := set.find(id, a); len(found) > 0 {
		return found, set, nil
	}
	if failure != nil {
		return nil, nil, s.unavailable(failure)
	}
	s.missing.Add(string(id), s.now().Add(missingFor))
	return nil, nil, unknown
}

func (s *keySource) unavailable(err error) *Error {
	return &Error{
		Code: KeysUnavailable, cause: err,
		detail: "check that the issuer is up, and that this host reaches it and trusts its certificate",
	}
}

// current returns the keys. While they are fresh it waits for nobody, and has them fetched
// when that is due. Stale keys are fetched first, unless the last fetch failed.
func (s *keySource) current(ctx context.Context) (*keySet, error) {
	set, now := s.set.Load(), s.now()
	if set != nil && now.Before(set.refreshAt) {
		return set, nil
	}
	ready, failure := s.last()
	switch {
	case set == nil, failure == nil && !now.Before(set.freshUntil):
		var err error
		if failure, err = s.update(ctx); err != nil {
			return nil, err
		}
		if set = s.set.Load(); set == nil {
			return nil, failure
		}
	case ready:
		s.start(ctx)
	}
	if now.After(set.freshUntil.Add(s.maxStale)) {
		return nil, errors.New("the last known keys are too old")
	}
	return set, nil
}

// last returns whether a fetch may start, and the failure of the last one.
func (s *keySource) last() (ready bool, failure error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.attemptedAt.IsZero() || s.now().Sub(s.attemptedAt) >= s.interval, s.failure
}

// start has the keys fetched, unless a fetch runs. The fetch ends within its timeouts,
// even if ctx ends.
func (s *keySource) start(ctx context.Context) <-chan singleflight.Result {
	ctx = context.WithoutCancel(ctx)
	return s.flight.DoChan("", func() (any, error) { return nil, s.refresh(ctx) })
}

// update has the keys fetched and waits. failure is that of the last fetch, and err that
// of ctx.
func (s *keySource) update(ctx context.Context) (failure, err error) {
	select {
	case result := <-s.start(ctx):
		return result.Err, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// refresh loads the stored keys if there are none, and fetches unless that is not due. It
// returns the failure of the last fetch.
func (s *keySource) refresh(ctx context.Context) error {
	if ready, failure := s.last(); !ready {
		return failure
	}
	if s.set.Load() == nil && s.load(ctx) {
		return nil
	}
	now := s.now()
	s.mu.Lock()
	s.attemptedAt = now
	s.mu.Unlock()

	err := s.fetch(ctx, now)
	if err != nil {
		s.log.WarnContext(ctx, "keys of an issuer cannot be fetched; the last known ones stay in use",
			"issuer", s.fetcher.issuer, "error", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failure = err
	return err
}

func (s *keySource) fetch(ctx context.Context, now time.Time) error {
	body, fresh, err := s.fetcher.fetch(ctx)
	if err != nil {
		return err
	}
	set, err := newKeySet(body, now, now.Add(fresh))
	if err != nil {
		return err
	}
	s.replace(ctx, set)
	if s.store == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if err := s.store.StoreIssuerKeys(ctx, s.fetcher.issuer, set.body, set.fetchedAt, set.freshUntil); err != nil {
		s.log.WarnContext(ctx, "keys of an issuer cannot be stored; a restart while the issuer is down will not have them",
			"issuer", s.fetcher.issuer, "error", err)
	}
	return nil
}

// load takes the stored keys, and reports whether they are fresh.
func (s *keySource) load(ctx context.Context) bool {
	if s.store == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	body, fetchedAt, freshUntil, err := s.store.LoadIssuerKeys(ctx, s.fetcher.issuer)
	if err == nil && body == nil {
		return false
	}
	var set *keySet
	if err == nil {
		set, err = newKeySet(body, fetchedAt, freshUntil)
	}
	now := s.now()
	if err == nil && (fetchedAt.After(now.Add(time.Minute)) || freshUntil.Sub(fetchedAt) > maxFresh) {
		err = fmt.Errorf("the stored keys are from the future (%s)", fetchedAt.UTC().Format(time.RFC3339))
	}
	if err != nil {
		s.log.WarnContext(ctx, "stored keys of an issuer cannot be used", "issuer", s.fetcher.issuer, "error", err)
		return false
	}
	s.replace(ctx, set)
	return now.Before(freshUntil)
}

// replace puts a set in use. Only refresh calls it, so that one call runs at a time.
func (s *keySource) replace(ctx context.Context, set *keySet) {
	if old := s.set.Load(); old != nil {
		set.version = old.version
		if !old.same(set) {
			set.version++
			s.log.InfoContext(ctx, "an issuer changed its keys", "issuer", s.fetcher.issuer, "keys", len(set.all))
		}
	}
	s.set.Store(set)
}
