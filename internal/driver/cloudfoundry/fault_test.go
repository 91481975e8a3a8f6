package cloudfoundry

import (
	"errors"
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/fault"
)

// TestRefusals walks the table: each row is what an answer of its kind ends as.
func TestRefusals(t *testing.T) {
	for _, finding := range refusals().Findings(func(a fault.Answer) error { return refuse("POST /v3/roles", a) }) {
		t.Error(finding)
	}
}

func TestExplained(t *testing.T) {
	for reason, c := range map[string]struct{ body, code, message string }{
		"the Cloud Controller": {`{"errors":[{"code":10008,"title":"CF-UnprocessableEntity","detail":"no"}]}`, "CF-UnprocessableEntity", "no"},
		"UAA":                  {`{"error":"invalid_token","error_description":"expired"}`, "invalid_token", "expired"},
		"a proxy":              {`<html>`, "", ""},
		"nothing":              {``, "", ""},
	} {
		if code, message := explained("operation", []byte(c.body)); code != c.code || message != c.message {
			t.Errorf("%s: got %q and %q, want %q and %q", reason, code, message, c.code, c.message)
		}
	}
	err := refuse("operation", fault.Answer{Status: 422, Code: "ada@example.com", Message: "User 'ada@example.com' already has it"})
	if !errors.Is(err, fault.ErrUnavailable) || strings.Contains(err.Error(), "ada") {
		t.Errorf("got %v, want ErrUnavailable that names no user", err)
	}
}
