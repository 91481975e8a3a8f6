package storetest

import (
	"context"
	"crypto/rand"
	"net/url"
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/store"
)

// Role creates a role of the cluster, which ends with the test, and returns its name and the
// database's URL for it.
func Role(t testing.TB, owner *store.Store, address string) (name, as string) {
	t.Helper()
	name = "rollcall_test_" + strings.ToLower(rand.Text()[:12])
	if _, err := owner.Pool().Exec(t.Context(), "CREATE ROLE "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, err := owner.Pool().Exec(context.WithoutCancel(t.Context()), "DROP OWNED BY "+name+"; DROP ROLE "+name)
		if err != nil {
			t.Errorf("drop the role of the test: %v", err)
		}
	})
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	query.Set("options", "-crole="+name) // a blank would be encoded as a plus sign
	u.RawQuery = query.Encode()
	return name, u.String()
}

// OpenWriter is Open with the role of servers and workers, which owns no table.
func OpenWriter(t testing.TB) *store.Store {
	t.Helper()
	owner, address := OpenURL(t)
	name, as := Role(t, owner, address)
	if err := owner.Grant(t.Context(), store.Grants{Writer: name}); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), as)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}
