package openshift_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/connection"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// TestCheck finds out whether the cluster accepts the account.
func TestCheck(t *testing.T) {
	w := newWorld(t)
	if err := connection.Check(t.Context(), w.open(t)); err != nil {
		t.Errorf("Check: %v", err)
	}
	const wrong = "a-token-that-nobody-has"
	if err := connection.Check(t.Context(), w.openAs(t, wrong)); !errors.Is(err, fault.ErrDenied) || strings.Contains(err.Error(), wrong) {
		t.Errorf("Check with a wrong token: %v, want ErrDenied without it", err)
	}
}
