package aws

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/fault"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	cases := map[string]struct {
		reason, header string
		want           time.Duration
	}{
		"Seconds":  {"the usual form", "12", 12 * time.Second},
		"Date":     {"the other form", now.Add(time.Minute).Format(http.TimeFormat), time.Minute},
		"Missing":  {"nothing was asked", "", 0},
		"Past":     {"that is over", now.Add(-time.Minute).Format(http.TimeFormat), 0},
		"Negative": {"nobody waits backwards", "-3", 0},
		"Forever":  {"nobody waits that long", "999999999", 24 * time.Hour},
		"Nonsense": {"what cannot be read asks for nothing", "soon", 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := retryAfter(c.header, now); got != c.want {
				t.Errorf("%s: got %s, want %s", c.reason, got, c.want)
			}
		})
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, header := range []string{"", "1", "-1", "1e9", "Wed, 04 Mar 2026 05:06:07 GMT"} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		if got := retryAfter(header, time.Now()); got < 0 || got > longest {
			t.Errorf("%q is read as %s", header, got)
		}
	})
}

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
