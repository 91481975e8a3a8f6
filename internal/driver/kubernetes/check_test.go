package kubernetes_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/connection"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// TestCheck finds out whether the cluster accepts the account: looking people up
// would call nothing.
func TestCheck(t *testing.T) {
	w := newWorld(t)
	before := w.proxy.Count()
	if err := connection.Check(t.Context(), w.open(t)); err != nil || w.proxy.Count() == before {
		t.Errorf("Check: %v after %d calls", err, w.proxy.Count()-before)
	}
	limited := connection.Limit(w.open(t), connection.Limits{Scopes: [][]string{{"team-*"}}, Deny: []string{"cluster-admin"}})
	if err := connection.Check(t.Context(), limited); err != nil {
		t.Errorf("Check within limits: %v", err)
	}
	const wrong = "a-token-that-nobody-has"
	if err := connection.Check(t.Context(), w.openAs(t, wrong)); !errors.Is(err, fault.ErrDenied) || strings.Contains(err.Error(), wrong) {
		t.Errorf("Check with a wrong token: %v, want ErrDenied without it", err)
	}
}
