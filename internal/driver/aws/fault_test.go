package aws

import (
	"errors"
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/fault"
)

// FuzzBindingRef reads whatever a ledger may hold.
func FuzzBindingRef(f *testing.F) {
	f.Add(bindingRef("123456789012", "group", "arn:aws:sso:::permissionSet/ssoins-0123456789abcdef/ps-0123456789abcdef"))
	f.Add("a,GROUP,b,AWS_ACCOUNT,")
	f.Add(",,,,")
	f.Fuzz(func(t *testing.T, ref string) {
		account, group, set, ok := parseBindingRef(ref)
		if ok && bindingRef(account, group, set) != ref {
			t.Errorf("%q is read as %q, %q, %q", ref, account, group, set)
		}
	})
}

// FuzzFailed reads whatever AWS may give as a reason: it has a class, and is
// never quoted.
func FuzzFailed(f *testing.F) {
	f.Add("Received a 404 status error: ada@example.com")
	f.Add("")
	f.Fuzz(func(t *testing.T, reason string) {
		err := failed("operation", reason)
		if fault.Class(err) == nil {
			t.Errorf("%q has no class", reason)
		}
		if len(reason) > 40 && strings.Contains(err.Error(), reason) {
			t.Errorf("the error quotes %q", reason)
		}
	})
}

func TestQuotaIsNotRetried(t *testing.T) {
	if !errors.Is(known("ServiceQuotaExceededException"), fault.ErrInvalid) {
		t.Error("a quota that is used up does not get larger by trying again")
	}
}
