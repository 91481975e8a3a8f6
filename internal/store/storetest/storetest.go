// Package storetest gives tests a store of their own.
package storetest

import (
	"context"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/engines/postgres"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// Open returns a store on an empty, migrated database of a real PostgreSQL, which
// ends with the test.
func Open(t testing.TB) *store.Store {
	t.Helper()
	s, _ := OpenURL(t)
	return s
}

// OpenURL is Open for tests that need the database's URL, too.
func OpenURL(t testing.TB) (s *store.Store, url string) {
	t.Helper()
	return open(t)
}

// URL returns the URL of such a database. Its installation has a name of its own.
func URL(t testing.TB) string {
	t.Helper()
	url := postgres.CopyForTest(t, func(ctx context.Context, url string) error {
		_, err := store.Migrate(ctx, url)
		return err
	})
	s, err := store.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	// Migrations draw the name of an installation, which a copy of a database has, too.
	const rename = "UPDATE installation SET id = substr(replace(gen_random_uuid()::text, '-', ''), 1, 10)"
	if _, err := s.Pool().Exec(t.Context(), rename); err != nil {
		t.Fatal(err)
	}
	return url
}

func open(t testing.TB, options ...store.Option) (s *store.Store, url string) {
	t.Helper()
	url = URL(t)
	s, err := store.Open(t.Context(), url, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, url
}
