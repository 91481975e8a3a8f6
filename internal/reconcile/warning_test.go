package reconcile

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// TestStepWarning_DistinguishesRefusalAndDelay: the warning about a failed step says whether the
// platform refused it or has not carried it out yet.
func TestStepWarning_DistinguishesRefusalAndDelay(t *testing.T) {
	t.Parallel()
	step := plan.Step{Op: plan.Create, Kind: access.KindBinding, Object: "owner → web-admin"}
	for _, c := range []struct {
		reason string
		answer string
		code   access.Code
		begins string
	}{
		{"a user or an operator has to act", "Invalid: no such role", access.PlatformRefused, "the platform refused to create"},
		{"the connection's account lacks a permission", "Denied: 403", access.PlatformDenied, "the platform refused to create"},
		{"the operator of the workers forbids it", "Forbidden: roles.deny", access.ForbiddenByConnection, "Rollcall may not create"},
		{"the platform is carrying it out", "Pending: still creating it", access.PlatformPending, "the platform has not finished yet to create"},
		{"an outage did not end", "Unavailable: 503", access.PlatformPending, "the platform failed to create"},
		{"the platform takes it after another write", "Throttled: another change", access.PlatformPending, "the platform has not finished yet to create"},
	} {
		got := stepWarning(ledger.Record{Step: step, Err: c.answer}, 0)
		if got.Code != c.code || !strings.HasPrefix(got.Text, c.begins) {
			t.Errorf("%s: warning %s %q, want %s %q", c.reason, got.Code, got.Text, c.code, c.begins)
		}
	}
}

func TestWholesOf(t *testing.T) {
	t.Parallel()
	record := func(id, partOf string) ledger.Record {
		return ledger.Record{Step: plan.Step{ID: id, PartOf: partOf}}
	}
	for _, c := range []struct {
		reason string
		failed []ledger.Record
		want   map[string]string
	}{
		{"a step without parts counts its own dependants", []ledger.Record{record("a", "")}, map[string]string{"a": "a"}},
		{
			"a part of a part counts those of the plan's step, in whatever order the records come",
			[]ledger.Record{record("a-2-1", "a-2"), record("a", ""), record("a-2", "a"), record("b", "")},
			map[string]string{"a": "a", "a-2": "a", "a-2-1": "a", "b": "b"},
		},
		{"a part whose step is not among the records", []ledger.Record{record("c-1", "c")}, map[string]string{"c-1": "c"}},
	} {
		if diff := cmp.Diff(c.want, wholesOf(c.failed)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.reason, diff)
		}
	}
}

// TestStepWarning_NamesTheAccount: a warning about a step for one account names it, and ends
// with what to do.
func TestStepWarning_NamesTheAccount(t *testing.T) {
	t.Parallel()
	named := access.Member{Account: access.Account{Name: "ann", Ref: "u1"}}
	nameless := access.Member{Account: access.Account{Ref: "u2"}}
	change := func(have, want []access.Member) plan.Step {
		s := plan.Step{Op: plan.Change, Kind: access.KindMembers, Object: "web-user"}
		if have != nil {
			s.Have.Members = &plan.Members{Group: "web-user", Accounts: have}
		}
		if want != nil {
			s.Want.Members = &plan.Members{Group: "web-user", Accounts: want}
		}
		return s
	}
	for _, c := range []struct {
		reason  string
		step    plan.Step
		blocked int
		answer  string
		want    access.Remark
	}{
		{
			"one account joins", change(nil, []access.Member{named}), 0, "Invalid: no seat",
			access.Remark{Code: access.PlatformRefused, Object: "web-user", Text: `the platform refused to add ann to the members "web-user": no seat: ` +
				"correct the platform's settings or its role mappings"},
		},
		{
			"one account without a known name leaves, and two steps need that", change([]access.Member{nameless}, nil), 2, "Denied: 403",
			access.Remark{Code: access.PlatformDenied, Object: "web-user", Text: `the platform refused to remove account u2 from the members "web-user" ` +
				"(2 other steps need it): 403: correct the credentials of the platform's connection, or give their account the permissions it lacks"},
		},
		{
			"one joins and one leaves: no account is named", change([]access.Member{nameless}, []access.Member{named}), 0, "Forbidden: roles.deny",
			access.Remark{Code: access.ForbiddenByConnection, Object: "web-user", Text: `Rollcall may not change the members "web-user": roles.deny: ` +
				"change the documents, or ask the operator of the workers to change the connection"},
		},
		{
			"the driver knows what to do", change(nil, []access.Member{named}), 0, "Invalid: no seat\nbuy a seat",
			access.Remark{Code: access.PlatformRefused, Object: "web-user", Text: `the platform refused to add ann to the members "web-user": no seat: buy a seat`},
		},
		{
			"an account cannot be created", plan.Step{Op: plan.Create, Kind: access.KindAccount, Object: "ann"}, 0, "Invalid: no such address",
			access.Remark{Code: access.PlatformRefused, Object: "ann", Text: `the platform refused to create the account "ann": no such address: ` +
				"correct the user's address in the documents, or have an administrator of the platform add the user"},
		},
	} {
		got := stepWarning(ledger.Record{Step: c.step, Err: c.answer}, c.blocked)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.reason, diff)
		}
	}
}

// TestStepWarnings_NamesTheSmallestParts: of a step that was tried in parts the failed parts
// have a warning, with the number of steps that need the whole.
func TestStepWarnings_NamesTheSmallestParts(t *testing.T) {
	t.Parallel()
	p := plan.Plan{Steps: []plan.Step{
		{ID: "a", Op: plan.Create, Kind: access.KindGroup, Object: "a"},
		{ID: "b", Op: plan.Create, Kind: access.KindBinding, Object: "b", Needs: []plan.Need{{ID: "a", Why: plan.NeedsObject}}},
	}}
	failed := func(id, partOf string) ledger.Record {
		return ledger.Record{Step: plan.Step{ID: id, PartOf: partOf, Op: plan.Create, Object: id}, Err: "Invalid: no"}
	}
	for _, c := range []struct {
		reason  string
		failed  []ledger.Record
		objects []string
		blocked bool
	}{
		{"no step failed", nil, nil, false},
		{"a whole step failed", []ledger.Record{failed("a", "")}, []string{"a"}, true},
		{"no step needs it", []ledger.Record{failed("b", "")}, []string{"b"}, false},
		{"two parts failed", []ledger.Record{failed("a", ""), failed("a-1", "a"), failed("a-2", "a")}, []string{"a-1", "a-2"}, true},
		{"a part of a part failed", []ledger.Record{failed("a", ""), failed("a-1", "a"), failed("a-1-1", "a-1")}, []string{"a-1-1"}, true},
	} {
		before := slices.Clone(c.failed)
		var objects []string
		for _, w := range stepWarnings(p, c.failed) {
			objects = append(objects, w.Object)
			if blocked := strings.Contains(w.Text, "(1 other steps need it)"); blocked != c.blocked {
				t.Errorf("%s: the warning %q names blocked steps: %t, want %t", c.reason, w.Text, blocked, c.blocked)
			}
		}
		if diff := cmp.Diff(c.objects, objects); diff != "" {
			t.Errorf("%s: objects (-want +got):\n%s", c.reason, diff)
		}
		if diff := cmp.Diff(before, c.failed); diff != "" {
			t.Errorf("%s: the records changed (-before +after):\n%s", c.reason, diff)
		}
	}
}

func TestRefusal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		reason, class string
		code          access.Code
		permanent     bool
	}{
		{"an administrator of the platform has to act", fault.NameDenied, access.PlatformDenied, true},
		{"the operator of the workers has to act", fault.NameForbidden, access.ForbiddenByConnection, true},
		{"the documents have to change", fault.NameInvalid, access.PlatformRefused, true},
		{"the platform cannot do that at all", fault.NameUnsupported, access.PlatformRefused, true},
		{"attempts enough were made", fault.NameExhausted, access.PlatformRefused, true},
		{"the platform is carrying it out", fault.NamePending, access.PlatformPending, false},
		{"the platform asks to come back later", fault.NameThrottled, access.PlatformPending, false},
		{"an outage ends", fault.NameUnavailable, access.PlatformPending, false},
		{"another plan follows a conflict", fault.NameConflict, access.PlatformRefused, false},
	} {
		if code, permanent := Refusal(c.class); code != c.code || permanent != c.permanent {
			t.Errorf("%s: %s, permanent: %t; want %s, %t", c.reason, code, permanent, c.code, c.permanent)
		}
	}
}
