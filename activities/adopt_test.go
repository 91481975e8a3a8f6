package activities_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
)

// TestAdoptionLastsUntilItIsDone: an order to take a group over counts for that
// group alone, is done once, and ends with what came of it.
func TestAdoptionLastsUntilItIsDone(t *testing.T) {
	t.Parallel()
	const group = "web-user"
	theirs := func(l *lab, id, description string) {
		l.edit(func(w *memory.World) {
			w.Groups = append(w.Groups, memory.Group{ID: id, Name: group, Description: description, Members: []string{"u-yvonne"}})
		})
	}
	stranger, both := []string{"u-yvonne"}, []string{"u-adaline", "u-benedict"}
	cases := map[string]struct {
		reason string
		there  func(*lab)
		change func(*lab) // between the order and the run
		end    store.AdoptionEnd
		ours   bool
		// members are who is in the group then.
		members []string
	}{
		"done":        {"the group becomes ours", func(l *lab) { theirs(l, "g-1", "made by hand") }, nil, store.Adopted, true, both},
		"another one": {"the group was made anew since", func(l *lab) { theirs(l, "g-2", "") }, nil, store.Gone, false, stranger},
		"gone":        {"there is no such group: one is made", func(*lab) {}, nil, store.Gone, true, both},
		"unwanted": {"the documents do not ask for it any more", func(l *lab) { theirs(l, "g-1", "") },
			func(l *lab) { l.documents(settings{mappings: "[]"}) }, store.Unwanted, false, stranger},
		"marked": {"another owner's group is left alone, and the order stays",
			func(l *lab) {
				theirs(l, "g-1", access.Mark{Installation: "other", Tenant: web.String()}.Text())
			}, nil, "", false, stranger},
		"our mark": {"we made it, and forgot", func(l *lab) {
			theirs(l, "g-1", access.Mark{Installation: "lab", Tenant: web.String()}.Text())
		}, nil, store.Adopted, true, both},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			l.documents(settings{bound: 2})
			tc.there(l)
			order := store.Adoption{Group: group, Ref: "g-1", By: storetest.By("ada"), Reason: "CHG-1"}
			if err := l.store.Adopt(t.Context(), web, []store.Adoption{order}); err != nil {
				t.Fatal(err)
			}
			if tc.change != nil {
				tc.change(l)
			}
			l.runOnce()
			l.runOnce()
			all, err := l.store.AllAdoptions(t.Context(), []access.TenantID{web})
			if err != nil || len(all) != 1 || all[0].End != tc.end {
				t.Errorf("%s: %+v, %v; want it to have ended %q", tc.reason, all, err, tc.end)
			}
			owned, err := l.ledger.Owned(t.Context(), web)
			if err != nil || (len(owned) > 0) != tc.ours {
				t.Errorf("%s: the ledger has %+v, %v; want something: %t", tc.reason, owned, err, tc.ours)
			}
			if diff := cmp.Diff(tc.members, l.members()); diff != "" {
				t.Errorf("%s: members (-want +got):\n%s\n%v", tc.reason, diff, l.remarks())
			}
		})
	}
}

// TestAdoptionIsPlannedWithoutAnOrder: a dry run shows what it would change, and
// leaves everything as it is.
func TestAdoptionIsPlannedWithoutAnOrder(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.documents(settings{bound: 2})
	l.edit(func(w *memory.World) {
		w.Groups = append(w.Groups, memory.Group{ID: "g-1", Name: "web-user", Members: []string{"u-yvonne", "u-adaline"}})
	})
	before := l.revision()
	out, err := l.plan(activities.PlanInput{DryRun: true, Adopt: []string{"web-user", "other"}})
	if err != nil {
		t.Fatal(err)
	}
	p, _, err := l.store.Plan(t.Context(), out.Digest)
	if err != nil || len(p.Steps) == 0 {
		t.Fatalf("plan %+v, %v; want steps", p, err)
	}
	first := p.Steps[0]
	if first.Kind != access.KindGroup || first.Have.Group == nil || first.Have.Group.Ref != "g-1" || first.Want.Group.Mark.Tenant != web.String() {
		t.Errorf("the first step is %+v, want our mark on the group g-1", first)
	}
	if l.revision() != before {
		t.Error("a dry run changed the platform")
	}
	out, err = l.plan(activities.PlanInput{})
	if err != nil || out.Steps != 0 || out.Remarks != 1 {
		t.Errorf("without an order: %+v, %v; want a remark and no step", out, err)
	}
}
