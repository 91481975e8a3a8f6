package google_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/simulate/google"
)

// set writes the policy of the project and returns the status, the code and the message.
func (l *lab) set(bindings ...any) (int, string, string) {
	l.Helper()
	status, answer := l.do("POST", "/v3/projects/shop:setIamPolicy", nil, map[string]any{"policy": map[string]any{"bindings": bindings}})
	e, _ := answer["error"].(map[string]any)
	code, _ := e["status"].(string)
	message, _ := e["message"].(string)
	return status, code, message
}

// TestDomainRestrictedSharing refuses new principals of customers that are not permitted.
func TestDomainRestrictedSharing(t *testing.T) {
	const viewer, words = "roles/viewer", "do not belong to a permitted customer"
	l := newLab(t, google.Options{Stale: -1, IAMLag: time.Hour, WriteTime: -1})
	l.server.AddProject("shop")
	l.server.AddGroup("old@example.com", "")
	l.server.AllowDomains("shop", "example.com")
	l.make("new@example.com")
	for _, c := range []struct {
		reason  string
		members []string
		refused bool
	}{
		{"a group of the customer", []string{"group:old@example.com"}, false},
		{"a user of another customer", []string{"user:a@other.example"}, true},
		{"a domain of another customer", []string{"domain:other.example"}, true},
		{"a user who is there already", []string{"user:there@partner.example", "group:old@example.com"}, false},
		{"a group that IAM does not know yet", []string{"group:new@example.com"}, true},
	} {
		l.server.Bind("shop", google.Binding{Role: viewer, Members: []string{"user:there@partner.example"}})
		status, code, message := l.set(binding(viewer, c.members...))
		if refused := status == 400 && code == "FAILED_PRECONDITION" && strings.Contains(message, words); refused != c.refused || !refused && status != 200 {
			t.Errorf("%s: got %d %s %q, want refused to be %t", c.reason, status, code, message, c.refused)
		}
	}
	l.server.AllowDomains("shop")
	if status, _, message := l.set(binding(viewer, "user:a@other.example")); status != 200 {
		t.Errorf("without the restriction: %d %s", status, message)
	}
}

// TestFullPolicy refuses one principal too many, with Google's words.
func TestFullPolicy(t *testing.T) {
	l := newLab(t, quick())
	l.server.AddProject("shop")
	members := func(kind string, n int) (all []string) {
		for i := range n {
			all = append(all, fmt.Sprintf("%s:%s-%d@other.example", kind, kind, i))
		}
		return all
	}
	for _, c := range []struct {
		reason  string
		members []string
		text    string
	}{
		{"as many as are allowed", members("user", 1500), ""},
		{"one user too many", members("user", 1501), "The number of members in the policy (1,501) is larger than the maximum allowed size 1,500."},
		{"one group too many", members("group", 251), "The number of groups in the policy (251) is larger than the maximum allowed size 250."},
	} {
		status, code, message := l.set(binding("roles/viewer", c.members...))
		if c.text == "" && status != 200 || c.text != "" && (status != 400 || code != "INVALID_ARGUMENT" || message != c.text) {
			t.Errorf("%s: got %d %s %q, want %q", c.reason, status, code, message, c.text)
		}
	}
}
