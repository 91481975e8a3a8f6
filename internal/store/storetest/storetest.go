// Package storetest gives tests a store of their own.
package storetest

import (
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

func open(t testing.TB, options ...store.Option) (s *store.Store, url string) {
	t.Helper()
	url = postgres.ForTest(t)
	if _, err := store.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), url, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, url
}
