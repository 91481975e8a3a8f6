package gcp

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/api/cloudidentity/v1"
	"google.golang.org/api/googleapi"
	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/fault"
)

// TestOperationsThatEndBadly has the class of each code of gRPC's.
func TestOperationsThatEndBadly(t *testing.T) {
	for code, want := range map[int64]error{
		3: fault.ErrInvalid, 5: fault.ErrNotFound, 6: errExists, 7: fault.ErrDenied, 8: fault.ErrThrottled, 9: fault.ErrInvalid,
		10: fault.ErrConflict, 13: fault.ErrUnavailable, 14: fault.ErrUnavailable, 16: fault.ErrDenied, 99: fault.ErrUnavailable,
	} {
		operation := &cloudidentity.Operation{Done: true, Error: &cloudidentity.Status{Code: code, Message: "ada@example.com"}}
		_, err := madeRef(operation)
		err = failure(t.Context(), "groups.create", err)
		if !errors.Is(err, want) {
			t.Errorf("an operation that ends with %d: %v, want %v", code, err, want)
		}
	}
	if ref, err := madeRef(&cloudidentity.Operation{}); ref != "" || err != nil {
		t.Errorf("an operation under way: %q, %v", ref, err)
	}
	if _, err := madeRef(&cloudidentity.Operation{Done: true, Response: []byte(`{"name":"x"}`)}); !errors.Is(err, fault.ErrUnavailable) {
		t.Errorf("an operation that made nothing known: %v", err)
	}
}

// TestRefusals has what Google says beside a status, and what that means.
func TestRefusals(t *testing.T) {
	body := func(status string) string { return `{"error":{"status":"` + status + `"}}` }
	cases := []struct {
		reason string
		answer googleapi.Error
		want   error
		not    error
	}{
		{"gone or hidden", googleapi.Error{Code: 403, Message: "Error(2028): Permission denied for resource groups/x (or it may not exist)."}, errHidden, nil},
		{"plainly forbidden", googleapi.Error{Code: 403, Message: "The caller does not have permission"}, fault.ErrDenied, errHidden},
		{"too fast", googleapi.Error{Code: 403, Errors: []googleapi.ErrorItem{{Reason: "userRateLimitExceeded"}}}, fault.ErrThrottled, fault.ErrDenied},
		{"there already", googleapi.Error{Code: 409, Body: body("ALREADY_EXISTS")}, errExists, nil},
		{"aborted", googleapi.Error{Code: 409, Body: body("ABORTED")}, fault.ErrConflict, errExists},
		{"not yet known", googleapi.Error{Code: 400, Message: "Group x@example.com does not exist."}, errUnknownMember, nil},
		{"of another customer, for now", googleapi.Error{Code: 400, Message: "One or more users named in the policy do not belong to a permitted customer."}, errOtherCustomer, nil},
		{"wrong", googleapi.Error{Code: 400, Message: "Role roles/x is not supported for this resource."}, fault.ErrInvalid, errUnknownMember},
		{"moved", googleapi.Error{Code: 412}, fault.ErrConflict, nil},
		{"a redirect is no answer", googleapi.Error{Code: 302}, fault.ErrUnavailable, nil},
	}
	for _, c := range cases {
		if c.answer.Header == nil {
			c.answer.Header = http.Header{}
		}
		err := refused("x", &c.answer)
		if !errors.Is(err, c.want) || c.not != nil && errors.Is(err, c.not) {
			t.Errorf("%s: %v, want %v and not %v", c.reason, err, c.want, c.not)
		}
	}
}

// TestRefusals_HaveAdvice: what Google says for good has advice of its own, without the
// message, which may name users.
func TestRefusals_HaveAdvice(t *testing.T) {
	for _, c := range []struct{ reason, message, advice string }{
		{"a full policy", "The number of members in the policy (1,503) is larger than the maximum allowed size 1,500.", "1,500 principals"},
		{"a role for other resources", "Role roles/x is not supported for this resource.", "correct the role mapping"},
		{"an unknown reason", "Request contains an invalid argument: user:mei@example.com.", ""},
	} {
		err := refused("projects.setIamPolicy", &googleapi.Error{Code: 400, Message: c.message, Header: http.Header{}})
		if got := fault.Advice(err); c.advice == "" && got != "" || !strings.Contains(got, c.advice) {
			t.Errorf("%s: the advice is %q, want %q", c.reason, got, c.advice)
		}
		if !errors.Is(err, fault.ErrInvalid) || strings.Contains(err.Error(), "mei") {
			t.Errorf("%s: the error is %v, want an invalid request that names no user", c.reason, err)
		}
	}
}

// TestYoung: a refusal that a new group may explain is for good once the group is old.
func TestYoung(t *testing.T) {
	for _, c := range []struct {
		reason string
		age    time.Duration
		want   bool
	}{
		{"made a moment ago", time.Second, true},
		{"made within what IAM may need", unknownFor - time.Minute, true},
		{"older", unknownFor + time.Minute, false},
	} {
		if got := (&Driver{}).young(t.Context(), group{created: time.Now().Add(-c.age)}); got != c.want {
			t.Errorf("%s: young is %t, want %t", c.reason, got, c.want)
		}
	}
}

// TestShownGivesUp when the caller does.
func TestShownGivesUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	err := shown(ctx, "nothing", func() (bool, error) { cancel(); return false, nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v, want the context's", err)
	}
}

// TestMembershipNamesAreBounded fills the memory beyond its limit.
func TestMembershipNamesAreBounded(t *testing.T) {
	m := &membershipNames{}
	for i := range 5 {
		names := map[string]string{}
		for j := range maxNames / 2 {
			names[string(rune('a'+i))+time.Duration(j).String()] = "n"
		}
		m.put(string(rune('a'+i)), names)
		if m.count > maxNames {
			t.Fatalf("%d names are remembered, at most %d may be", m.count, maxNames)
		}
	}
	m.put("g", map[string]string{"ada": "one"})
	m.set("g", "bob", "two")
	m.set("g", "ada", "")
	if m.get("g", "ada") != "" || m.get("g", "bob") != "two" {
		t.Error("a membership that went is remembered, or one that came is not")
	}
}

// TestAddressesInPoliciesIgnoreCase takes a role from a group however its address
// is spelled.
func TestAddressesInPoliciesIgnoreCase(t *testing.T) {
	p, err := parsePolicy([]byte(`{"etag":"x","bindings":[{"role":"a","members":["group:G@Example.com"]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	g := grant{role: "a", member: "group:g@example.com", give: true}
	if p.make(g) {
		t.Error("the group is given a role that it has")
	}
	if g.give = false; !p.make(g) || len(p.bindings) > 0 {
		t.Errorf("the group keeps the role: %+v", p.bindings)
	}
}

// TestPolicyProperties gives and takes at random: what was asked for is so, and
// the rest as before.
func TestPolicyProperties(t *testing.T) {
	const text = `{"etag":"x","version":3,"other":{"n":1e400},"bindings":[
		{"role":"a","members":["user:x","group:g"],"new":[1]},{"role":"a","members":["group:h"]},
		{"role":"b","members":["group:g"],"condition":{"title":"t","expression":"e"}}]}`
	rapid.Check(t, func(t *rapid.T) {
		p, err := parsePolicy([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		var grants []grant
		for range rapid.IntRange(1, 6).Draw(t, "grants") {
			g := grant{
				role:   rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "role"),
				member: rapid.SampledFrom([]string{"group:g", "group:h", "group:i"}).Draw(t, "member"), give: rapid.Bool().Draw(t, "give"),
			}
			p.make(g)
			if p.make(g) {
				t.Fatalf("%+v, made twice, changes something", g)
			}
			if has(p, g) != g.give {
				t.Fatalf("after %+v it is not so: %+v", g, p.bindings)
			}
			grants = append(grants, g)
		}
		for _, g := range grants { // back to where it was
			before, err := parsePolicy([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			g.give = has(before, g)
			p.make(g)
		}
		if !has(p, grant{role: "a", member: "user:x"}) || !has(p, grant{role: "b", member: "group:g", name: p.nameOf("t")}) {
			t.Fatalf("somebody else has lost a role: %+v", p.bindings)
		}
	})
}

func has(p *policy, g grant) bool {
	for _, e := range p.bindings {
		for _, m := range e.members {
			if e.role == g.role && e.name == g.name && m == g.member {
				return true
			}
		}
	}
	return false
}

// nameOf is the name of the condition of that title.
func (p *policy) nameOf(title string) string {
	for _, e := range p.bindings {
		if len(e.name) > len(title) && e.name[:len(title)] == title {
			return e.name
		}
	}
	return ""
}

// FuzzPolicy reads anything, and what can be read goes back as it came.
func FuzzPolicy(f *testing.F) {
	for _, seed := range []string{
		`{"etag":"x"}`, `{}`, `null`, `{"etag":"x","bindings":[{"role":"r","members":["a"],"condition":null,"more":1}],"auditConfigs":[]}`,
		`{"etag":"x","bindings":[{"role":"r","members":["a"],"condition":{"title":"<&>","expression":"e"}}]}`, `{"etag":"x","bindings":null}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := parsePolicy(text)
		if err != nil {
			if !errors.Is(err, fault.ErrUnavailable) {
				t.Fatalf("an answer that cannot be read: %v", err)
			}
			return
		}
		written, err := p.encode()
		if err != nil {
			t.Fatal(err)
		}
		var back struct {
			Policy json.RawMessage `json:"policy"`
		}
		if err := json.Unmarshal(written, &back); err != nil {
			t.Fatal(err)
		}
		again, err := parsePolicy(back.Policy)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		if !reflect.DeepEqual(roles(p), roles(again)) {
			t.Error(cmp.Diff(roles(p), roles(again)))
		}
	})
}

func roles(p *policy) [][]string {
	all := [][]string{}
	for _, e := range p.bindings {
		all = append(all, append([]string{e.role, e.name}, e.members...))
	}
	return all
}

// FuzzCredentials reads any file and shows nothing of it.
func FuzzCredentials(f *testing.F) {
	for _, seed := range []string{`{"type":"service_account","private_key":"x"}`, `{"type":"external_account"}`, `[]`, ``} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := parse(text, "it")
		if err != nil && !errors.Is(err, fault.ErrInvalid) || err == nil && got.sort != externalAccount && got.sort != serviceAccount {
			t.Errorf("parse = %q, %v", got.sort, err)
		}
	})
}

// TestTable walks the table: each row is what an answer of its kind ends as.
func TestTable(t *testing.T) {
	for _, finding := range refusals().Findings(func(a fault.Answer) error {
		answer := &googleapi.Error{Code: a.Status, Message: a.Message, Header: http.Header{"Retry-After": {"7"}}}
		body, err := json.Marshal(map[string]any{"error": map[string]any{"status": a.Code}})
		if err != nil {
			t.Fatal(err)
		}
		answer.Body = string(body)
		row, found := rowOf(answer)
		return row.Wrap(answered("operation", found), found.After)
	}) {
		t.Error(finding)
	}
}

// TestRefusals_QuoteCodes: the code, and the numbers of a limit.
func TestRefusals_QuoteCodes(t *testing.T) {
	for reason, c := range map[string]struct {
		answer googleapi.Error
		text   string
	}{
		"a limit": {
			googleapi.Error{Code: 400, Message: "The number of members in the policy (1,503) is larger than the maximum allowed size 1,500."},
			"1,503 members, Google allows 1,500",
		},
		"a code":          {googleapi.Error{Code: 400, Body: `{"error":{"status":"FAILED_PRECONDITION"}}`}, "400 Bad Request (FAILED_PRECONDITION)"},
		"no code":         {googleapi.Error{Code: 400, Body: `{"error":{"status":"ada@example.com"}}`}, "400 Bad Request: invalid"},
		"an unknown code": {googleapi.Error{Code: 420, Body: `{"error":{"status":"NEW"}}`}, "420"},
	} {
		c.answer.Header = http.Header{}
		if err := refused("x", &c.answer); !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), "ada") {
			t.Errorf("%s: got %v, want it to say %q", reason, err, c.text)
		}
	}
}

// TestIsMemberAddress: no account is granted by an address that the platform could take for
// that of another user.
func TestIsMemberAddress(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		reason, account string
		want            bool
	}{
		{"an address", "ana.moreno@example.com", true},
		{"ASCII case", "Ana.Moreno@example.com", true},
		{"an accented letter has no other form", "josé@example.com", true},
		{"a long s folds to s", "ſaziz@example.com", false},
		{"a dotted capital I folds to i", "İcarvalho@example.com", false},
		{"a ligature folds to its letters", "ﬁnn@example.com", false},
		{"a sharp s folds to two", "straße@example.com", false},
		{"no address", "ana", false},
	} {
		if got := isMemberAddress(tc.account); got != tc.want {
			t.Errorf("%s: isMemberAddress(%q) = %t, want %t", tc.reason, tc.account, got, tc.want)
		}
	}
}
