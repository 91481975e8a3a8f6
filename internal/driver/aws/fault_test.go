package aws

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	storetypes "github.com/aws/aws-sdk-go-v2/service/identitystore/types"

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
	if !errors.Is(refused("operation", fault.Answer{Status: 400, Code: "ServiceQuotaExceededException"}, ""), fault.ErrInvalid) {
		t.Error("a quota that is used up does not get larger by trying again")
	}
}

// TestRefusals walks the table: each row is what an answer of its kind ends as.
func TestRefusals(t *testing.T) {
	wrap := func(a fault.Answer) error {
		state, isState := strings.CutPrefix(a.Code, codeAccount)
		switch {
		case isState:
			return accountRefused("123456789012", state)
		case a.Code == codeFailed:
			return failed("operation", a.Message)
		case a.Code != "" && a.Status == 0:
			a.Status = http.StatusBadRequest
		}
		return refused("operation", a, "")
	}
	for _, finding := range refusals().Findings(wrap) {
		t.Error(finding)
	}
}

// TestUnknownRefusal: the JSON protocol answers 400 for nearly all, so that a new code is
// no reason to give up.
func TestUnknownRefusal(t *testing.T) {
	for reason, c := range map[string]struct {
		status int
		code   string
		want   error
	}{
		"a code that is new":            {400, "BrandNewException", fault.ErrUnknown},
		"a 400 without a code":          {400, "UnknownError", fault.ErrInvalid},
		"a new code with a status":      {403, "BrandNewException", fault.ErrDenied},
		"a status that no document has": {420, "", fault.ErrUnknown},
		"a code that is no code":        {400, "ada@example.com may not", fault.ErrUnknown},
	} {
		err := refused("operation", fault.Answer{Status: c.status, Code: c.code}, "")
		if !errors.Is(fault.Class(err), fault.Class(c.want)) || strings.Contains(err.Error(), "ada@") {
			t.Errorf("%s: got %v, want %v", reason, err, c.want)
		}
	}
	if err := failed("operation", "a reason that is new"); !errors.Is(err, fault.ErrUnknown) || !errors.Is(err, errFailed) {
		t.Errorf("an assignment that FAILED for a new reason: got %v, want ErrUnknown", err)
	}
}

// TestReasonOfTheKey: an error about the key that encrypts Identity Center is not about
// the permissions of the connection.
func TestReasonOfTheKey(t *testing.T) {
	err := &storetypes.AccessDeniedException{Reason: storetypes.AccessDeniedExceptionReasonKmsAccessDenied}
	got := refused("operation", fault.Answer{Status: 400, Code: err.ErrorCode()}, reasonOf(err))
	if !errors.Is(got, fault.ErrDenied) || !strings.Contains(fault.Advice(got), "KMS") || !strings.Contains(got.Error(), "KMS_ACCESS_DENIED") {
		t.Errorf("got %v with the advice %q, want ErrDenied about the key", got, fault.Advice(got))
	}
	other := &storetypes.ConflictException{Reason: storetypes.ConflictExceptionReasonUniquenessConstraintViolation}
	if reason := reasonOf(other); reason != "" {
		t.Errorf("the reason %q is about something else", reason)
	}
}
