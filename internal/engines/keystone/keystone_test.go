package keystone_test

import (
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/engines/keystone"
)

func TestSeedIsIdempotent(t *testing.T) {
	s := keystone.ForTest(t, keystone.Options{})
	began := time.Now()
	seed, err := s.Seed(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Log(time.Since(began))
	makers := map[string]func() (string, error){
		"domain":  func() (string, error) { return seed.DomainNamed(t.Context(), "seed-domain") },
		"project": func() (string, error) { return seed.Project(t.Context(), "seed-project") },
		"user":    func() (string, error) { return seed.User(t.Context(), "seed-user@example.com", true) },
		"group":   func() (string, error) { return seed.Group(t.Context(), "seed-group", "") },
		"role":    func() (string, error) { return seed.Role(t.Context(), "seed-role") },
	}
	for name, make := range makers {
		first, err := make()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		second, err := make()
		if err != nil {
			t.Fatalf("%s again: %v", name, err)
		}
		if first == "" || first != second {
			t.Errorf("%s: got %q, then %q: want the same", name, first, second)
		}
	}
}
