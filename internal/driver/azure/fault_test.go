package azure

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/fault"
)

// TestRefusals walks the table: each row is what an answer of its kind ends as.
func TestRefusals(t *testing.T) {
	for _, finding := range refusals().Findings(func(a fault.Answer) error {
		if a.Status == http.StatusServiceUnavailable {
			a.After = 0 // with a delay it is a throttle
		}
		return refusal("PUT /roleAssignments", a)
	}) {
		t.Error(finding)
	}
}

func TestRefusal(t *testing.T) {
	for reason, c := range map[string]struct {
		answer fault.Answer
		class  error
		says   string
	}{
		"Graph throttles with 503, too":     {fault.Answer{Status: 503, After: time.Second}, fault.ErrThrottled, "503"},
		"without a delay it is down":        {fault.Answer{Status: 503}, fault.ErrUnavailable, "503"},
		"the code is quoted":                {fault.Answer{Status: 409, Code: "ScopeLocked"}, fault.ErrDenied, "(ScopeLocked)"},
		"a code that is none is not quoted": {fault.Answer{Status: 409, Code: "ada@example.com"}, fault.ErrConflict, "answered 409 Conflict:"},
		"a conflict of another kind":        {fault.Answer{Status: 409, Code: "Conflict"}, fault.ErrConflict, "(Conflict)"},
		"a status that no document has":     {fault.Answer{Status: 420}, fault.ErrUnknown, "420"},
		"a guest whose domain is blocked":   {fault.Answer{Status: 400, Code: "BadRequest", Message: "The domain of the invited user ada@example.com is blocked."}, fault.ErrDenied, "(BadRequest)"},
	} {
		err := refusal("operation", c.answer)
		if !errors.Is(fault.Class(err), fault.Class(c.class)) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "ada@") {
			t.Errorf("%s: got %v, want %v that says %q", reason, err, c.class, c.says)
		}
	}
}

// TestAge: what is transient for a new object is not for an old one.
func TestAge(t *testing.T) {
	unknownMember := fault.Answer{Status: 400, Code: "Request_BadRequest", Message: "The source resource object does not exist."}
	for reason, c := range map[string]struct {
		answer fault.Answer
		age    time.Duration // 0: not known
		class  error
		advice bool
	}{
		"a role for a new group":           {fault.Answer{Code: "PrincipalNotFound"}, time.Minute, fault.ErrUnavailable, false},
		"a role for one of unknown age":    {fault.Answer{Code: "PrincipalNotFound"}, 0, fault.ErrUnavailable, false},
		"a role for an old group":          {fault.Answer{Code: "PrincipalNotFound"}, time.Hour, fault.ErrDenied, true},
		"a member for a new group":         {unknownMember, time.Minute, fault.ErrUnavailable, false},
		"a member for an old group":        {unknownMember, time.Hour, fault.ErrUnknown, false},
		"what no age changes":              {fault.Answer{Code: "ScopeLocked"}, time.Hour, fault.ErrDenied, true},
		"what no row has, for a new group": {fault.Answer{Status: 420}, time.Minute, fault.ErrUnknown, false},
	} {
		made := time.Time{}
		if c.age > 0 {
			made = time.Now().Add(-c.age)
		}
		err := ageError(errors.New("text"), c.answer, made)
		if !errors.Is(fault.Class(err), fault.Class(c.class)) || (fault.Advice(err) != "") != c.advice {
			t.Errorf("%s: got %v with the advice %q, want %v", reason, err, fault.Advice(err), c.class)
		}
	}
}
