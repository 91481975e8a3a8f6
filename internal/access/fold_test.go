package access_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// TestFoldCase is what strings.EqualFold says.
func TestFoldCase(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.String().Draw(t, "a")
		b := rapid.OneOf(rapid.String(), rapid.Just(strings.ToUpper(a)), rapid.Just(strings.ToLower(a))).Draw(t, "b")
		if got, want := access.FoldCase(a) == access.FoldCase(b), strings.EqualFold(a, b); got != want {
			t.Errorf("%q and %q fold to one: %v, want %v", a, b, got, want)
		}
	})
}
