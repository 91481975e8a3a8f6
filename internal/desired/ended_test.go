package desired_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/desired"
	"github.com/rollcall-iam/rollcall/internal/document"
)

// day returns a day of January 2027.
func day(d int) time.Time { return time.Date(2027, 1, d, 0, 0, 0, 0, time.UTC) }

// TestCompute_IsThatWithoutEndedBindings: at any time, ended bindings count as if they were
// not there, and the others as if they had no end.
func TestCompute_IsThatWithoutEndedBindings(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		now := day(rapid.IntRange(1, 9).Draw(t, "now"))
		in := shop()
		draw := func(bindings []document.Binding) (all, left []document.Binding) {
			for _, b := range bindings {
				if d := rapid.IntRange(0, 9).Draw(t, "end of "+b.Name); d > 0 {
					b.Ends = day(d)
				}
				all = append(all, b)
				if b.Ends.IsZero() || b.Ends.After(now) {
					left = append(left, b)
				}
			}
			return all, left
		}
		without := in
		in.UserBindings, without.UserBindings = draw(in.UserBindings)
		in.GroupBindings, without.GroupBindings = draw(in.GroupBindings)
		in.Now = now
		for _, o := range []desired.Options{options(), peopleOptions()} {
			got, err := desired.Compute(in, o)
			if err != nil {
				t.Fatal(err)
			}
			want, err := desired.Compute(without, o)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(desired.Desired{}, "Ended")); diff != "" {
				t.Fatalf("desired access (-without the bindings +with them):\n%s", diff)
			}
			if got.Digest() != want.Digest() {
				t.Fatal("the digests differ")
			}
		}
	})
}

func TestCompute_ReportsEnds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		reason string
		ends   map[string]time.Time // by binding; b1 and g1 make jane an admin
		why    string               // of jane's membership; empty if there is none
		ended  []desired.Ended
	}{
		{"no binding ends", nil, `binding "b1" gives jane the role "Project Admin", and 1 more`, nil},
		{
			"the one without an end is the reason", map[string]time.Time{"b1": day(5)},
			`group "ops" has the role "project-admin" through binding "g1", and 1 more`, nil,
		},
		{
			"the one that ends last is the reason", map[string]time.Time{"b1": day(7), "g1": day(5)},
			`binding "b1" gives jane the role "Project Admin" until 2027-01-07 00:00:00 UTC, and 1 more`, nil,
		},
		{
			"both have ended, and the last end comes first", map[string]time.Time{"b1": day(1), "g1": day(2)}, "",
			[]desired.Ended{
				{Group: "retail.shop-admin", Account: "jane@example.com", Reason: `binding "g1" ended at 2027-01-02 00:00:00 UTC`},
				{Group: "retail.shop-admin", Account: "jane@example.com", Reason: `binding "b1" ended at 2027-01-01 00:00:00 UTC`},
			},
		},
	} {
		t.Run(c.reason, func(t *testing.T) {
			t.Parallel()
			in := shop()
			in.Now = day(3)
			for _, list := range [][]document.Binding{in.UserBindings, in.GroupBindings} {
				for i, b := range list {
					list[i].Ends = c.ends[b.Name]
				}
			}
			got, err := desired.Compute(in, options())
			if err != nil {
				t.Fatal(err)
			}
			why := ""
			for _, g := range got.State.Groups {
				for _, m := range g.Members {
					if g.Name == "retail.shop-admin" && m.Person == "jane" {
						why = m.Why
					}
				}
			}
			if why != c.why {
				t.Errorf("jane is an admin because %q, want %q", why, c.why)
			}
			ended := slices.DeleteFunc(got.Ended, func(e desired.Ended) bool { return !strings.HasPrefix(e.Account, "jane@") })
			if diff := cmp.Diff(c.ended, ended, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("ended access (-want +got):\n%s", diff)
			}
		})
	}
}
