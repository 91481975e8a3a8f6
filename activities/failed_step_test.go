package activities

import (
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// TestRefusal_TellsARefusalFromADelay: the warning about a failed step says whether the
// platform refused it or has not carried it out yet.
func TestRefusal_TellsARefusalFromADelay(t *testing.T) {
	t.Parallel()
	step := plan.Step{Op: plan.Create, Kind: access.KindBinding, Object: "owner → web-admin"}
	for _, c := range []struct {
		reason string
		answer string
		code   access.Code
		says   string
	}{
		{"a user or an operator has to act", "Invalid: no such role", access.PlatformRefused, "the platform refused to create"},
		{"the connection's account lacks a permission", "Denied: 403", access.PlatformDenied, "the platform refused to create"},
		{"the operator of the workers forbids it", "Forbidden: roles.deny", access.ForbiddenByConnection, "Rollcall may not create"},
		{"the platform is carrying it out", "Pending: still creating it", access.PlatformPending, "the platform has not finished yet to create"},
		{"an outage did not end", "Unavailable: 503", access.PlatformPending, "the platform failed to create"},
		{"the platform takes it after another write", "Throttled: another change", access.PlatformPending, "the platform has not finished yet to create"},
	} {
		got := refusal(ledger.Record{Step: step, Err: c.answer}, 0)
		if got.Code != c.code || !strings.HasPrefix(got.Text, c.says) {
			t.Errorf("%s: warning %s %q, want %s %q", c.reason, got.Code, got.Text, c.code, c.says)
		}
	}
}
