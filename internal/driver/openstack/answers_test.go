package openstack_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/openstack"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// answering is a driver whose Keystone gives canned answers, for those that the
// real one cannot be brought to give. They are by path and query.
func answering(t *testing.T, answers map[string]string) *openstack.Driver {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if signIn(r.URL.Path) {
			w.Header().Set("X-Subject-Token", "token")
			w.WriteHeader(http.StatusCreated)
			_, _ = fmt.Fprint(w, `{"token":{}}`)
			return
		}
		answer, ok := answers[strings.TrimPrefix(r.URL.RequestURI(), "/v3/")]
		if !ok {
			t.Errorf("unexpected call: %s", r.URL.RequestURI())
			w.WriteHeader(http.StatusTeapot)
			return
		}
		_, _ = fmt.Fprint(w, answer)
	}))
	t.Cleanup(server.Close)
	return openAt(t, server.URL, "", map[string]string{
		"CLOUD_USERNAME": "rollcall", "CLOUD_PASSWORD": "secret", "CLOUD_PROJECT_NAME": "admin",
	})
}

const adaQuery = "users?domain_id=default&name=ada%40example.com"

func TestTwinsAreAmbiguous(t *testing.T) {
	d := answering(t, map[string]string{adaQuery: `{"links":{"next":null},"users":[
		{"id":"two","name":"ada@example.com","enabled":true},
		{"id":"one","name":"ada@example.com","enabled":false},
		{"id":"three","name":"Ada@example.com","enabled":true}]}`})
	got, err := d.Resolve(t.Context(), []string{"ada@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	want := []access.Resolution{{Found: access.Ambiguous, Refs: []string{"one", "two"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestPagesAreFollowed(t *testing.T) {
	// The address in the link is one that is seen from inside only.
	const next = "http://keystone.internal/v3/" + adaQuery + "&marker=1"
	d := answering(t, map[string]string{
		adaQuery: `{"truncated":true,"links":{"next":"` + next + `"},"users":[{"id":"other","name":"x"}]}`,
		"users?domain_id=default&marker=1&name=ada%40example.com": `{"links":{"next":null},"users":[{"id":"ada","name":"ada@example.com","enabled":true}]}`,
	})
	got, err := d.Resolve(t.Context(), []string{"ada@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]access.Resolution{{Found: access.Yes, Refs: []string{"ada"}}}, got); diff != "" {
		t.Error(diff)
	}
}

// TestHalfAnAnswerIsNone has answers that are JSON and yet say nothing.
func TestHalfAnAnswerIsNone(t *testing.T) {
	const plain, effective = "role_assignments?include_names=true&scope.project.id=p", "role_assignments?effective=true&scope.project.id=p"
	empty := `{"links":{"next":null},"role_assignments":[]}`
	cases := map[string]struct {
		reason, answer string
		want           error
	}{
		"NoList":     {"without the list, nobody knows", `{"links":{"next":null}}`, fault.ErrUnavailable},
		"NullList":   {"null is no list", `{"links":{"next":null},"role_assignments":null}`, fault.ErrUnavailable},
		"NoLinks":    {"without links, there may be more", `{"role_assignments":[]}`, fault.ErrUnavailable},
		"Truncated":  {"it says so itself", `{"truncated":true,"links":{"next":null},"role_assignments":[]}`, fault.ErrTruncated},
		"NoActor":    {"a row about nobody", `{"links":{"next":null},"role_assignments":[{"role":{"id":"r"},"scope":{}}]}`, fault.ErrUnavailable},
		"OtherShape": {"another kind of list", `{"links":{"next":null},"role_assignments":{}}`, fault.ErrUnavailable},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			d := answering(t, map[string]string{plain: c.answer, effective: empty})
			if _, err := d.Observe(t.Context(), []driver.Scope{{ID: "p"}}); !errors.Is(err, c.want) {
				t.Errorf("%s: got the error %v, want %v", c.reason, err, c.want)
			}
		})
	}
	t.Run("Membership", func(t *testing.T) {
		d := answering(t, map[string]string{plain: empty, effective: `{"links":{"next":null},"role_assignments":[
			{"role":{"id":"r"},"user":{"id":"u"},"scope":{"project":{"id":"p"}},"links":{"membership":"/v3/groups/g/users/v"}}]}`})
		if _, err := d.Observe(t.Context(), []driver.Scope{{ID: "p"}}); !errors.Is(err, fault.ErrUnavailable) {
			t.Errorf("a membership of somebody else: got the error %v, want ErrUnavailable", err)
		}
	})
}
