package store_test

import (
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/token"
)

// TestIssuerKeys_LastFetchWins: servers share the keys, and one that is slow does not bring
// back what a later fetch replaced.
func TestIssuerKeys_LastFetchWins(t *testing.T) {
	var s token.KeyStore = fresh(t)
	const issuer = "https://sso.example.org/realms/staff"
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	expect := func(reason, issuer, want string, wantAt, wantUntil time.Time) {
		t.Helper()
		jwks, fetchedAt, freshUntil, err := s.LoadIssuerKeys(t.Context(), issuer)
		if err != nil {
			t.Fatal(err)
		}
		if string(jwks) != want || !fetchedAt.Equal(wantAt) || !freshUntil.Equal(wantUntil) {
			t.Errorf("%s: %q, fetched %s, fresh until %s", reason, jwks, fetchedAt, freshUntil)
		}
	}
	put := func(issuer, jwks string, at, until time.Time) {
		t.Helper()
		if err := s.StoreIssuerKeys(t.Context(), issuer, []byte(jwks), at, until); err != nil {
			t.Fatal(err)
		}
	}

	expect("nothing is stored", issuer, "", time.Time{}, time.Time{})
	put(issuer, `{"keys": [1]}`, at, at.Add(time.Minute))
	expect("as the issuer wrote it", issuer, `{"keys": [1]}`, at, at.Add(time.Minute))
	put(issuer, `{"keys": [2]}`, at.Add(time.Hour), at.Add(2*time.Hour))
	expect("a later fetch", issuer, `{"keys": [2]}`, at.Add(time.Hour), at.Add(2*time.Hour))
	put(issuer, `{"keys": [1]}`, at, at.Add(24*time.Hour))
	expect("an earlier fetch that is stored later", issuer, `{"keys": [2]}`, at.Add(time.Hour), at.Add(2*time.Hour))

	put(issuer+"/", `{"keys": [3]}`, at, at)
	expect("another issuer", issuer, `{"keys": [2]}`, at.Add(time.Hour), at.Add(2*time.Hour))
}
