package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/store"
)

func examplePlan() plan.Plan {
	return plan.Plan{
		Tenant: web,
		Steps: []plan.Step{{
			ID: "1", Op: plan.Create, Kind: access.KindGroup, Object: "web <admin> & co",
			Want: plan.Object{Group: &access.Group{Name: "web <admin> & co", Mark: access.Mark{Installation: "i", Tenant: web.String()}}},
			Why:  "role admin",
		}},
		Remarks: []access.Remark{{Code: access.UserNotFound, Object: "ada", Text: "no such account"}},
	}
}

func TestPlanIsWhatItsDigestNames(t *testing.T) {
	s := fresh(t)
	want := examplePlan()
	digest, err := s.PutPlan(t.Context(), want, 4)
	if err != nil {
		t.Fatal(err)
	}
	for _, generation := range []int64{7, 5} { // found again, then by one who was slow
		if again, err := s.PutPlan(t.Context(), want, generation); err != nil || again != digest {
			t.Fatalf("PutPlan again: %s, %v; want %s", again, err, digest)
		}
	}
	got, generation, err := s.Plan(t.Context(), digest)
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "Plan", want, got)
	if generation != 7 {
		t.Errorf("generation %d, want 7, the newest the plan was found for", generation)
	}
	if _, _, err := s.Plan(t.Context(), "unknown"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Plan of an unknown digest: %v, want ErrNotFound", err)
	}
	const tamper = `UPDATE plans SET body = replace(body::text, 'admin', 'owner')::json`
	if _, err := s.Pool().Exec(t.Context(), tamper); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Plan(t.Context(), digest); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("Plan that somebody changed: %v, want ErrCorrupt", err)
	}
}

func TestStatusKeepsSinceWhenARemarkHolds(t *testing.T) {
	s := fresh(t)
	apply(t, s, store.ApplyRequest{Documents: organisation(t)})
	ada := access.Remark{Code: access.UserNotFound, Object: "ada", Text: "no such account"}
	held := access.Remark{Code: access.RemovalHeld, Object: "web", Text: "3 of 4"}
	more := access.Remark{Code: access.RemovalHeld, Object: "web", Text: "4 of 4"}
	put := func(remarks ...access.Remark) store.Status {
		t.Helper()
		want := store.Status{
			Tenant: web, Outcome: "converged", RunID: "run", Digest: "digest", Steps: 3, Held: 1, Calls: 7,
			Generation: 1, Remarks: remarks, Duration: 1500 * time.Millisecond,
		}
		if err := s.PutStatus(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		got, err := s.Statuses(t.Context(), store.TenantFilter{IDs: []access.TenantID{web}})
		if err != nil || len(got) != 1 {
			t.Fatalf("Statuses: %d, %v; want 1", len(got), err)
		}
		diff(t, "status", want, got[0], cmpopts.IgnoreUnexported(store.Status{}),
			cmpopts.IgnoreFields(store.Status{}, "At"), cmpopts.EquateEmpty())
		return got[0]
	}
	first := put(ada, held)
	second := put(ada, more)
	if first.Since(ada).IsZero() || !second.Since(ada).Equal(first.Since(ada)) {
		t.Errorf("a remark that still holds: since %v, then %v", first.Since(ada), second.Since(ada))
	}
	if !second.Since(more).Equal(first.Since(held)) {
		t.Errorf("a remark with another count: since %v, then %v", first.Since(held), second.Since(more))
	}
	if third := put(held); !third.Since(ada).IsZero() {
		t.Errorf("a remark that ended holds since %v", third.Since(ada))
	}
	if fourth := put(ada); !fourth.Since(ada).After(first.Since(ada)) {
		t.Errorf("a remark that came back holds since %v, as at first", fourth.Since(ada))
	}
}

func TestStatusGoesWithItsTenant(t *testing.T) {
	s := fresh(t)
	apply(t, s, store.ApplyRequest{Documents: organisation(t)})
	if err := s.PutStatus(t.Context(), store.Status{Tenant: web, Outcome: "converged"}); err != nil {
		t.Fatal(err)
	}
	count := func() int {
		t.Helper()
		got, err := s.Statuses(t.Context(), store.TenantFilter{})
		if err != nil {
			t.Fatal(err)
		}
		return len(got)
	}
	apply(t, s, store.ApplyRequest{Prune: true})
	if count() != 1 {
		t.Error("the status of a tenant that waits for its cleanup is not shown")
	}
	if err := s.TombstonesDone(t.Context(), []access.TenantID{web}); err != nil {
		t.Fatal(err)
	}
	if count() != 0 {
		t.Error("the status of a tenant that is gone is still shown")
	}
}

func TestAccountsAreKnownForADay(t *testing.T) {
	s := fresh(t)
	keep := func(answers map[string]access.Resolution) {
		t.Helper()
		if err := s.KeepLookups(t.Context(), store.LookupKey{Platform: "lab.here", Attribute: "name"}, answers, 0); err != nil {
			t.Fatal(err)
		}
	}
	keep(found(map[string]string{"ada@example.com": "u-1", "ben@example.com": "u-2"}))
	known := func(attribute string) map[string]string {
		t.Helper()
		got, err := s.KnownAccounts(t.Context(), "lab.here", attribute, []string{"ada@example.com", "ben@example.com", "cora@example.com"})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	diff(t, "known", map[string]string{"ada@example.com": "u-1", "ben@example.com": "u-2"}, known("name"))
	diff(t, "known by another attribute", map[string]string{}, known("mail"))
	keep(map[string]access.Resolution{"ben@example.com": {Found: access.No}})
	diff(t, "known after one was contradicted", map[string]string{"ada@example.com": "u-1"}, known("name"))
	if _, err := s.Pool().Exec(t.Context(), "UPDATE accounts SET found_at = now() - interval '25 hours'"); err != nil {
		t.Fatal(err)
	}
	diff(t, "known after a day", map[string]string{}, known("name"))
	names, err := s.AccountNames(t.Context(), "lab.here", []string{"u-1", "u-3"})
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "names for showing, however old", map[string]string{"u-1": "ada@example.com"}, names)
}

// TestOtherNames: an account has other names if lookups of the last week found it by them, with
// the same attribute.
func TestOtherNames(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	keep := func(platform, attribute string, refs map[string]string) {
		t.Helper()
		if err := s.KeepLookups(t.Context(), store.LookupKey{Platform: platform, Attribute: attribute}, found(refs), 0); err != nil {
			t.Fatal(err)
		}
	}
	keep("lab.here", "name", map[string]string{"ada": "u-1", "ada.l": "u-1", "old": "u-1", "ben": "u-2"})
	keep("lab.here", "mail", map[string]string{"by another attribute": "u-1"})
	keep("other.here", "name", map[string]string{"on another platform": "u-1"})
	age := func(interval string) {
		t.Helper()
		if _, err := s.Pool().Exec(t.Context(), "UPDATE accounts SET found_at = now() - $1::interval WHERE name = 'old'", interval); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		reason, age string
		refs        map[string]string
		want        []access.Account
	}{
		{"of a name", "6 days", map[string]string{"ada": "u-1"}, []access.Account{{Name: "ada.l", Ref: "u-1"}, {Name: "old", Ref: "u-1"}}},
		{"a lookup of long ago", "8 days", map[string]string{"ada": "u-1"}, []access.Account{{Name: "ada.l", Ref: "u-1"}}},
		{"of both names", "8 days", map[string]string{"ada": "u-1", "ada.l": "u-1"}, []access.Account{{Name: "ada", Ref: "u-1"}, {Name: "ada.l", Ref: "u-1"}}},
		{"of an account with one name", "8 days", map[string]string{"ben": "u-2"}, []access.Account{}},
		{"of nothing", "8 days", nil, nil},
	} {
		age(tc.age)
		got, err := s.OtherNames(t.Context(), store.LookupKey{Platform: "lab.here", Attribute: "name"}, tc.refs)
		if err != nil {
			t.Fatal(err)
		}
		diff(t, "other names, "+tc.reason, tc.want, got)
	}
}

// found are the answers for accounts that a platform has, by name.
func found(refs map[string]string) map[string]access.Resolution {
	answers := make(map[string]access.Resolution, len(refs))
	for name, ref := range refs {
		answers[name] = access.Resolution{Found: access.Yes, Refs: []string{ref}}
	}
	return answers
}

// TestLookups_ServeTheRunThatAsked: accounts that were found are known for a day, all other
// answers only to the run that asked for them.
func TestLookups_ServeTheRunThatAsked(t *testing.T) {
	s := fresh(t)
	key := store.LookupKey{Platform: "lab.here", Attribute: "name"}
	yes := func(ref string) access.Resolution { return access.Resolution{Found: access.Yes, Refs: []string{ref}} }
	keep := func(answers map[string]access.Resolution) {
		t.Helper()
		if err := s.KeepLookups(t.Context(), key, answers, 0); err != nil {
			t.Fatal(err)
		}
	}
	now := func() time.Time {
		t.Helper()
		now, err := s.Now(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return now
	}
	check := func(reason string, age store.LookupAge, want map[string]access.Resolution) {
		t.Helper()
		found, err := s.Lookups(t.Context(), key, []string{"ada", "ben", "cora", "dan"}, age)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]access.Resolution{}
		for name, answer := range found {
			got[name] = answer.Resolution
			if remembered := age.Since.IsZero(); answer.Fresh == remembered {
				t.Errorf("%s: the answer about %s is fresh: %t", reason, name, answer.Fresh)
			}
		}
		diff(t, reason, want, got, cmpopts.EquateEmpty())
	}
	const day = 24 * time.Hour
	ambiguous := access.Resolution{Found: access.Ambiguous, Refs: []string{"u-3", "u-4"}}
	keep(map[string]access.Resolution{"ada": yes("u-1"), "ben": {Found: access.No, Similar: access.DiffersByCase}})
	began := now()
	check("another run's answers: only found ones count", store.LookupAge{Found: day}, map[string]access.Resolution{"ada": yes("u-1")})
	check("a run that asks for all has none", store.LookupAge{Since: began, Within: time.Hour}, nil)
	keep(map[string]access.Resolution{"ada": yes("u-2"), "cora": ambiguous})
	want := map[string]access.Resolution{"ada": yes("u-2"), "cora": ambiguous}
	check("the run's own answers, whatever they are", store.LookupAge{Since: began, Within: time.Hour}, want)
	check("beside those that are remembered", store.LookupAge{Found: day, Since: began, Within: time.Hour}, want)
	if _, err := s.Pool().Exec(t.Context(), "UPDATE accounts SET found_at = now() - interval '2 hours'"); err != nil {
		t.Fatal(err)
	}
	check("an answer grows too old for its run", store.LookupAge{Since: began.Add(-day), Within: time.Hour},
		map[string]access.Resolution{"ben": {Found: access.No, Similar: access.DiffersByCase}, "cora": ambiguous})
	keep(map[string]access.Resolution{"cora": yes("u-3")})
	check("the account is no longer ambiguous", store.LookupAge{Since: began, Within: time.Hour}, map[string]access.Resolution{"cora": yes("u-3")})
	keep(map[string]access.Resolution{"cora": {Found: access.Disabled, Refs: []string{"u-3"}}})
	check("what the platform contradicts is known no longer", store.LookupAge{Found: day}, map[string]access.Resolution{"ada": yes("u-2")})
}

// TestKeepLookups_KeepsTheAnswerToTheLaterQuestion: a slow answer is as old as its question. It
// does not replace the answer to a later one, and a run does not take it for its own.
func TestKeepLookups_KeepsTheAnswerToTheLaterQuestion(t *testing.T) {
	key := store.LookupKey{Platform: "lab.here", Attribute: "name"}
	former := access.Resolution{Found: access.Yes, Refs: []string{"u-former"}}
	current := access.Resolution{Found: access.Yes, Refs: []string{"u-current"}}
	none := access.Resolution{Found: access.No}
	for _, tc := range []struct {
		reason      string
		later, slow access.Resolution
	}{
		{"the name is another account's now", current, former},
		{"the account is new", current, none},
		{"the account is gone", none, former},
		{"it is still gone", none, access.Resolution{Found: access.No, Similar: access.DiffersByCase}},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			s := fresh(t)
			since, err := s.Now(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			lookups := func(when string, want map[string]access.Resolution) {
				t.Helper()
				age := store.LookupAge{Since: since, Within: time.Hour}
				found, err := s.Lookups(t.Context(), key, []string{"ada"}, age)
				if err != nil {
					t.Fatal(err)
				}
				got := map[string]access.Resolution{}
				for name, answer := range found {
					got[name] = answer.Resolution
				}
				diff(t, when, want, got, cmpopts.EquateEmpty())
			}
			keep := func(answer access.Resolution, age time.Duration) {
				t.Helper()
				if err := s.KeepLookups(t.Context(), key, map[string]access.Resolution{"ada": answer}, age); err != nil {
					t.Fatal(err)
				}
			}
			keep(tc.slow, time.Minute)
			lookups("an answer to a question before the run", nil)
			keep(tc.later, 0)
			keep(tc.slow, time.Minute)
			lookups("a slow answer after a later one", map[string]access.Resolution{"ada": tc.later})
		})
	}
}

// TestObservationOfAStatus: the last successful observation is kept with the status, over runs
// that could not read the platform.
func TestObservationOfAStatus(t *testing.T) {
	l := newLife(t)
	planned := plan.Plan{Tenant: web, Steps: []plan.Step{{ID: "1"}}}
	digest, err := l.s.PutPlan(t.Context(), planned, 7)
	if err != nil {
		t.Fatal(err)
	}
	put := func(status store.Status) (store.Status, time.Duration) {
		t.Helper()
		status.Tenant = web
		if err := l.s.PutStatus(t.Context(), status); err != nil {
			t.Fatal(err)
		}
		got, err := l.s.Statuses(t.Context(), store.TenantFilter{IDs: []access.TenantID{web}})
		if err != nil || len(got) != 1 {
			t.Fatalf("%d statuses, %v", len(got), err)
		}
		return got[0], got[0].At.Sub(got[0].Observed.At)
	}
	first, _ := put(store.Status{Outcome: "failed", Blind: true})
	if !first.Observed.At.IsZero() {
		t.Errorf("a first run that read nothing observed the tenant at %v", first.Observed.At)
	}
	converged, age := put(store.Status{Outcome: "converged", Age: time.Minute, Generation: 8, Desired: "d1"})
	diff(t, "an observation of its own", store.Observation{At: converged.Observed.At, Revision: 8, Desired: "d1"}, converged.Observed)
	if age != time.Minute {
		t.Errorf("it began %v before the status, want a minute", age)
	}
	blind, _ := put(store.Status{Outcome: "failed", Blind: true, Generation: 9, Desired: "d2"})
	diff(t, "a run that read nothing leaves the observation", converged.Observed, blind.Observed)
	failed, _ := put(store.Status{Outcome: "failed", Digest: digest, Generation: 9})
	diff(t, "a run that ended later tells of its plan", store.Observation{At: failed.Observed.At, Digest: digest, Revision: 7}, failed.Observed)
	if _, err := l.s.PutPlan(t.Context(), planned, 7); err != nil {
		t.Fatal(err)
	}
	again, _ := put(store.Status{Outcome: "failed", Digest: digest, Generation: 9})
	if !again.Observed.At.After(failed.Observed.At) {
		t.Errorf("an equal plan of a later observation is of %v, want after %v", again.Observed.At, failed.Observed.At)
	}
}
