package store_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// life is one tenant whose runs leave remarks.
type life struct {
	*testing.T
	s *store.Store
}

func newLife(t *testing.T) life {
	t.Helper()
	s := fresh(t)
	apply(t, s, store.ApplyRequest{Documents: organisation(t)})
	return life{t, s}
}

// run stores the end of a run, and returns the status as it is then.
func (l life) run(blind bool, remarks ...access.Remark) store.Status {
	l.Helper()
	err := l.s.PutStatus(l.Context(), store.Status{Tenant: web, Outcome: "converged", Remarks: remarks, Blind: blind})
	if err != nil {
		l.Fatal(err)
	}
	got, err := l.s.Statuses(l.Context(), store.TenantFilter{IDs: []access.TenantID{web}})
	if err != nil || len(got) != 1 {
		l.Fatalf("Statuses: %d, %v; want 1", len(got), err)
	}
	return got[0]
}

func (l life) ended(reason string, want ...access.Remark) []store.EndedRemark {
	l.Helper()
	got, err := l.s.EndedRemarks(l.Context(), store.TenantFilter{Workspace: web.Workspace})
	if err != nil {
		l.Fatal(err)
	}
	var remarks []access.Remark
	for _, r := range got {
		remarks = append(remarks, r.Remark)
	}
	diff(l.T, reason, want, remarks, cmpopts.EquateEmpty())
	return got
}

func TestRemarksEndWhenARunFindsThemMended(t *testing.T) {
	l := newLife(t)
	ada := access.Remark{Code: access.UserNotFound, Object: "ada", Text: "no such account"}
	held := access.Remark{Code: access.RemovalHeld, Object: "web", Text: "3 of 4"}
	first := l.run(false, held, ada)
	l.ended("nothing has ended")
	l.run(false, access.Remark{Code: access.RemovalHeld, Object: "web", Text: "4 of 4"}, ada)
	l.ended("the same with another count has not ended")
	l.run(false, ada)
	ended := l.ended("what was approved has ended, as it was last said", access.Remark{Code: access.RemovalHeld, Object: "web", Text: "4 of 4"})
	if !ended[0].Since.Equal(first.Since(held)) || !ended[0].Ended.After(ended[0].Since) {
		t.Errorf("it held from %v to %v, want from %v on", ended[0].Since, ended[0].Ended, first.Since(held))
	}
	l.run(false)
	l.ended("newest first", ada, ended[0].Remark)
	l.run(false, ada)
	l.run(false)
	if all := l.ended("each time it held is remembered", ada, ada, ended[0].Remark); !all[0].Since.After(all[1].Ended) {
		t.Errorf("it held again since %v, want later than %v", all[0].Since, all[1].Ended)
	}
}

// TestPutStatus_KeepsEachWarningOfOneObject: two members that another system added to one
// group are two events, and two refusals on one group are two warnings.
func TestPutStatus_KeepsEachWarningOfOneObject(t *testing.T) {
	member := func(who string) access.Remark {
		return access.Remark{Code: access.ForeignMemberRemoved, Object: "web", Text: who + " goes"}
	}
	refusal := func(text string) access.Remark {
		return access.Remark{Code: access.PlatformRefused, Object: "web", Text: text}
	}
	a, b, c := member("ada"), member("bob"), member("cem")
	ada, bob := refusal("ada: request 1"), refusal("bob: request 2")
	for name, tc := range map[string]struct {
		reason        string
		first, second []access.Remark
		blind         bool
		holds         []access.Remark // after the second run
		since         []access.Remark // of the second run that held since the first
		ended         []access.Remark // newest first
	}{
		"one of two ends":    {"the other goes on", []access.Remark{a, b}, []access.Remark{b}, false, []access.Remark{b}, []access.Remark{b}, []access.Remark{a}},
		"another comes":      {"an event is not the former one with another text", []access.Remark{a}, []access.Remark{c}, false, []access.Remark{c}, nil, []access.Remark{a}},
		"one more":           {"only the new one is new", []access.Remark{b}, []access.Remark{a, b}, false, []access.Remark{a, b}, []access.Remark{b}, nil},
		"both end":           {"each is in the history", []access.Remark{a, b}, nil, false, nil, nil, []access.Remark{b, a}},
		"unseen":             {"a run that saw nothing ends neither", []access.Remark{a, b}, nil, true, []access.Remark{a, b}, nil, nil},
		"other words":        {"a state whose text changes goes on", []access.Remark{ada}, []access.Remark{bob}, false, []access.Remark{bob}, []access.Remark{bob}, nil},
		"one refusal ends":   {"the one with the same text goes on", []access.Remark{ada, bob}, []access.Remark{bob}, false, []access.Remark{bob}, []access.Remark{bob}, []access.Remark{ada}},
		"a refusal is added": {"the one with the same text goes on", []access.Remark{bob}, []access.Remark{ada, bob}, false, []access.Remark{ada, bob}, []access.Remark{bob}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t)
			first := l.run(false, tc.first...)
			second := l.run(tc.blind, tc.second...)
			diff(t, tc.reason, tc.holds, second.Remarks, cmpopts.EquateEmpty())
			for _, r := range second.Remarks {
				if got, want := second.Since(r).Equal(first.Since(tc.first[0])), slices.Contains(tc.since, r) || tc.blind; got != want {
					t.Errorf("%s: %q holds since the first run: %t, want %t", tc.reason, r.Text, got, want)
				}
			}
			l.ended(tc.reason, tc.ended...)
		})
	}
}

// TestEveryCodeLives: no sort of remark is left out of history.
func TestEveryCodeLives(t *testing.T) {
	l := newLife(t)
	for _, code := range access.Codes() {
		r := access.Remark{Code: code, Object: "it", Text: "mend it"}
		first, second := l.run(false, r), l.run(false, r)
		if first.Since(r).IsZero() || !second.Since(r).Equal(first.Since(r)) {
			t.Errorf("%s holds since %v, then %v", code, first.Since(r), second.Since(r))
		}
		if last := l.run(false); !last.Since(r).IsZero() {
			t.Errorf("%s holds after it was mended", code)
		}
	}
	ended, err := l.s.EndedRemarks(t.Context(), store.TenantFilter{})
	if err != nil || len(ended) != len(access.Codes()) {
		t.Errorf("%d have ended, %v; want %d", len(ended), err, len(access.Codes()))
	}
}

func TestABlindRunMendsNothing(t *testing.T) {
	l := newLife(t)
	ada := access.Remark{Code: access.UserNotFound, Object: "ada", Text: "no such account"}
	denied := access.Remark{Code: access.PlatformDenied, Object: web.String(), Text: "no permission"}
	refused := access.Remark{Code: access.PlatformRefused, Object: web.String(), Text: "invalid"}
	first := l.run(false, ada)
	blind := l.run(true, denied)
	diff(t, "what nobody looked at still holds", []access.Remark{denied, ada}, blind.Remarks)
	if !blind.Since(ada).Equal(first.Since(ada)) {
		t.Errorf("it holds since %v, then %v", first.Since(ada), blind.Since(ada))
	}
	diff(t, "how the last run ended counts alone", []access.Remark{refused, ada}, l.run(true, refused).Remarks)
	l.ended("the first failure is over", denied)
	l.run(false)
	l.ended("a run that looked found both mended", ada, refused, denied)
}

func TestEndedRemarksAreForgottenInTime(t *testing.T) {
	l := newLife(t)
	ada := access.Remark{Code: access.UserNotFound, Object: "ada", Text: "no such account"}
	age := func(by time.Duration) {
		t.Helper()
		if _, err := l.s.Pool().Exec(t.Context(), "UPDATE ended_warnings SET ended_at = ended_at - $1::interval", by); err != nil {
			t.Fatal(err)
		}
	}
	l.run(false, ada)
	l.run(false)
	age(store.RemarksKept - time.Hour)
	l.ended("it is not old enough", ada)
	age(2 * time.Hour)
	l.ended("it is too old to be shown")
	l.run(false, ada)
	l.run(false)
	l.ended("a new one is shown", ada)
	var left int
	if err := l.s.Pool().QueryRow(t.Context(), "SELECT count(*) FROM ended_warnings").Scan(&left); err != nil || left != 1 {
		t.Errorf("%d are stored, %v; want the old one to be gone", left, err)
	}
}
