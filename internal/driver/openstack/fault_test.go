package openstack

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"

	"github.com/gophercloud/gophercloud/v2"

	"github.com/rollcall-iam/rollcall/internal/fault"
)

func TestFailure(t *testing.T) {
	const person = "ada@example.com"
	answered := func(status int) error {
		return gophercloud.ErrUnexpectedResponseCode{
			Actual: status, URL: "https://cloud.example.com/v3/users?name=" + person, Body: []byte(person),
		}
	}
	lost := func(err error) error {
		return &url.Error{Op: "Get", URL: "https://cloud.example.com/v3/users?name=" + person, Err: err}
	}
	cases := map[string]struct {
		reason string
		err    error
		want   error
	}{
		"BadRequest":  {"our request is wrong", answered(400), fault.ErrInvalid},
		"Denied":      {"a second 401 is an answer", answered(401), fault.ErrDenied},
		"Forbidden":   {"the policy says no", answered(403), fault.ErrDenied},
		"NotFound":    {"something is missing", answered(404), fault.ErrNotFound},
		"Conflict":    {"a name is taken", answered(409), fault.ErrConflict},
		"TooLarge":    {"what older OpenStacks say for too many", answered(413), fault.ErrThrottled},
		"TooMany":     {"a proxy in front limits rates", answered(429), fault.ErrThrottled},
		"Redirect":    {"we never follow one", answered(302), fault.ErrUnavailable},
		"Broken":      {"Keystone's database is away", answered(500), fault.ErrUnavailable},
		"Refused":     {"nobody listens", lost(syscall.ECONNREFUSED), fault.ErrUnavailable},
		"Cut":         {"it ended in the middle", lost(io.ErrUnexpectedEOF), fault.ErrUnavailable},
		"Slow":        {"our own limit for one call", lost(context.DeadlineExceeded), fault.ErrUnavailable},
		"Unreadable":  {"whatever it is", errors.New("invalid character '<' after " + person), fault.ErrUnavailable},
		"NothingElse": {"success stays success", nil, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := failure(t.Context(), "GET /v3/users", c.err)
			if !errors.Is(got, c.want) {
				t.Errorf("%s: got %v, want %v", c.reason, got, c.want)
			}
			if got != nil && strings.Contains(got.Error(), person) {
				t.Errorf("the error names a person: %v", got)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := failure(ctx, "GET /v3/users", lost(context.Canceled)); !errors.Is(fault.Class(got), context.Canceled) {
		t.Errorf("the caller left: got %v, want the context's error", got)
	}
}

// TestRefusals walks the table: each row is what an answer of its kind ends as.
func TestRefusals(t *testing.T) {
	for _, finding := range refusals().Findings(func(a fault.Answer) error {
		body, err := json.Marshal(map[string]any{"error": map[string]any{"code": a.Status, "message": a.Message}})
		if err != nil {
			t.Fatal(err)
		}
		return failure(t.Context(), "PUT /v3/groups", gophercloud.ErrUnexpectedResponseCode{
			Actual: a.Status, Body: body, ResponseHeader: http.Header{"Retry-After": {"7"}},
		})
	}) {
		t.Error(finding)
	}
}

// TestForbiddenForAReason: Keystone says 403 for a lack of rights and for a directory that
// it cannot write to.
func TestForbiddenForAReason(t *testing.T) {
	for says, advice := range map[string]string{
		"You are not authorized to perform the requested action: identity:add_user_to_group.":             "role admin",
		"You are not authorized to perform the requested action: LDAP does not support write operations.": "read-only LDAP",
		"something new": "",
	} {
		body := []byte(`{"error":{"code":403,"title":"Forbidden","message":"` + says + `"}}`)
		err := failure(t.Context(), "PUT /v3/groups", gophercloud.ErrUnexpectedResponseCode{Actual: 403, Body: body})
		if !errors.Is(err, fault.ErrDenied) || (advice == "") != (fault.Advice(err) == "") || !strings.Contains(fault.Advice(err), advice) {
			t.Errorf("%s: got %v with the advice %q, want %q", says, err, fault.Advice(err), advice)
		}
	}
}

func FuzzBindingRef(f *testing.F) {
	f.Add("projects/p/groups/g/roles/r")
	f.Add("projects//groups/g/roles/r")
	f.Add("projects/p/groups/g/roles/r/x")
	f.Fuzz(func(t *testing.T, ref string) {
		project, group, role, ok := parseBindingRef(ref)
		if ok && bindingRef(project, group, role) != ref {
			t.Errorf("%q reads as %q, %q, %q", ref, project, group, role)
		}
	})
}

func FuzzMembership(f *testing.F) {
	f.Add("https://cloud.example.com:5000/v3/groups/g/users/u", "u")
	f.Add("https://cloud.example.com/identity/v3/groups/g/users/u", "u")
	f.Add("/v3/groups//users/u", "u")
	f.Fuzz(func(t *testing.T, link, userID string) {
		row := assignment{User: &actor{ID: userID}}
		row.Links.Membership = link
		groupID, expanded, err := row.membership()
		if expanded && (err != nil || groupID == "" || !strings.HasSuffix(link, "/v3/groups/"+groupID+"/users/"+userID)) {
			t.Errorf("%q reads as group %q, user %q: %v", link, groupID, userID, err)
		}
	})
}
