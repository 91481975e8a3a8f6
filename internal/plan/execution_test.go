package plan_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// execute runs every step that may run, in the plan's order; refuse says which ones the
// platform refuses.
func execute(p plan.Plan, refuse func(plan.Step) bool) map[string]plan.Fate {
	e := plan.NewExecution(p, nil, nil)
	fates := make(map[string]plan.Fate, len(p.Steps))
	for _, s := range p.Steps {
		fate := e.Fate(s.ID)
		if fate == plan.Pending {
			fate = plan.Done
			if refuse(s) {
				fate = plan.Refused
			}
		}
		e.Set(s.ID, fate)
		fates[s.ID] = fate
	}
	return fates
}

func account(ref string) access.Member { return access.Member{Account: access.Account{Ref: ref}} }

// TestExecution_RefusalBlocksOnlyWhatNeedsIt: the platform refuses one step of a plan in
// which users change roles, a group is new, a role goes and a user is provisioned.
func TestExecution_RefusalBlocksOnlyWhatNeedsIt(t *testing.T) {
	var (
		group     = plan.Object{Group: &access.Group{Name: "new"}}
		reader    = plan.Object{Binding: &access.Binding{Role: "reader", Group: "new"}}
		writer    = plan.Object{Binding: &access.Binding{Role: "writer", Group: "old"}}
		operator  = plan.Object{Binding: &access.Binding{Role: "operator", Group: "old"}}
		join      = plan.Object{Members: &plan.Members{Group: "new", Accounts: []access.Member{account("ada")}}}
		leave     = plan.Object{Members: &plan.Members{Group: "old", Accounts: []access.Member{account("ada")}}}
		provision = plan.Object{Account: &access.Newcomer{Account: access.Account{Name: "cara"}}}
	)
	p := plan.Plan{Steps: []plan.Step{
		{ID: "provision", Op: plan.Create, Kind: access.KindAccount, Want: provision},
		{ID: "group", Op: plan.Create, Kind: access.KindGroup, Want: group},
		{ID: "join", Op: plan.Change, Kind: access.KindMembers, Want: join, Needs: []plan.Need{{"group", plan.NeedsObject}}},
		{ID: "reader", Op: plan.Create, Kind: access.KindBinding, Want: reader, Needs: []plan.Need{{"group", plan.NeedsObject}}},
		{ID: "leave", Op: plan.Change, Kind: access.KindMembers, Have: leave, Needs: []plan.Need{{"join", plan.NeedsAccess}, {"reader", plan.NeedsAccess}}},
		{ID: "writer", Op: plan.Create, Kind: access.KindBinding, Want: writer},
		{ID: "operator", Op: plan.Delete, Kind: access.KindBinding, Have: operator, Needs: []plan.Need{{"writer", plan.NeedsAccess}}},
		{ID: "old", Op: plan.Delete, Kind: access.KindGroup, Have: group, Needs: []plan.Need{{"operator", plan.NeedsEnd}}},
	}}
	for _, c := range []struct {
		reason  string
		refused string
		blocked []string
	}{
		{"a user who cannot be provisioned stops no other user", "provision", nil},
		{"a group that cannot be made gets no members and no roles, but its future member leaves", "group", []string{"join", "reader"}},
		{"a member who cannot be added loses the old group all the same", "join", nil},
		{"a role that cannot be given does not keep the old one", "writer", nil},
		{"a group whose role cannot be taken stays", "operator", []string{"old"}},
		{"a member who cannot be removed stops nothing", "leave", nil},
	} {
		t.Run(c.reason, func(t *testing.T) {
			fates := execute(p, func(s plan.Step) bool { return s.ID == c.refused })
			want := map[string]plan.Fate{c.refused: plan.Refused}
			for _, s := range p.Steps {
				if s.ID != c.refused {
					want[s.ID] = plan.Done
				}
			}
			for _, id := range c.blocked {
				want[id] = plan.Blocked
			}
			if diff := cmp.Diff(want, fates); diff != "" {
				t.Errorf("%s is refused (-want +got):\n%s", c.refused, diff)
			}
			if got := p.BlockedBy(c.refused); got != len(c.blocked) {
				t.Errorf("%d steps are said to need %s, want %d", got, c.refused, len(c.blocked))
			}
		})
	}
}

// TestExecution_UnfinishedStepIsWaitedFor: also a step that takes access waits for one
// that gives access while that is tried again.
func TestExecution_UnfinishedStepIsWaitedFor(t *testing.T) {
	p := plan.Plan{Steps: []plan.Step{
		{ID: "give", Op: plan.Create, Kind: access.KindBinding, Want: plan.Object{Binding: &access.Binding{Role: "a", Group: "g"}}},
		{ID: "take", Op: plan.Delete, Kind: access.KindBinding, Needs: []plan.Need{{"give", plan.NeedsAccess}},
			Have: plan.Object{Binding: &access.Binding{Role: "b", Group: "g"}}},
	}}
	for _, c := range []struct {
		reason string
		give   plan.Fate
		want   plan.Fate
	}{
		{"another run may have given it", plan.Pending, plan.Pending},
		{"it is given", plan.Done, plan.Pending},
		{"it is tried again", plan.Unfinished, plan.Unfinished},
		{"the platform refuses it", plan.Refused, plan.Pending},
		{"it never comes, as it needs what was refused", plan.Blocked, plan.Pending},
	} {
		e := plan.NewExecution(p, nil, nil)
		e.Set("give", c.give)
		if got := e.Fate("take"); got != c.want {
			t.Errorf("%s: the removal is %d, want %d", c.reason, got, c.want)
		}
		e.StopWaiting()
		if got := e.Fate("take"); got != plan.Pending {
			t.Errorf("%s: the removal is %d although nothing is waited for any more, want %d", c.reason, got, plan.Pending)
		}
		e.Await(map[string]bool{"give": true})
		if got := e.Fate("take"); got != c.want {
			t.Errorf("%s: the removal is %d although this addition is waited for, want %d", c.reason, got, c.want)
		}
	}
}

// TestExecution_DeferredStepsAreWaitedFor: another execution left the first of three steps
// unfinished, of which the third needs the second only.
func TestExecution_DeferredStepsAreWaitedFor(t *testing.T) {
	p := plan.Plan{Steps: []plan.Step{
		{ID: "group", Op: plan.Create, Kind: access.KindGroup},
		{ID: "join", Op: plan.Change, Kind: access.KindMembers, Needs: []plan.Need{{"group", plan.NeedsObject}}},
		{ID: "leave", Op: plan.Change, Kind: access.KindMembers, Needs: []plan.Need{{"join", plan.NeedsAccess}}},
		{ID: "other", Op: plan.Create, Kind: access.KindGroup},
	}}
	for _, waitExpired := range []bool{false, true} {
		e := plan.NewExecution(p, nil, nil)
		want := map[string]plan.Fate{"group": plan.Unfinished, "join": plan.Unfinished, "leave": plan.Unfinished, "other": plan.Pending}
		if waitExpired {
			e.StopWaiting()
			want["leave"] = plan.Pending
		}
		e.Defer(map[string]bool{"group": true})
		got := map[string]plan.Fate{}
		for _, s := range p.Steps {
			got[s.ID] = e.Fate(s.ID)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("waitExpired: %t (-want +got):\n%s", waitExpired, diff)
		}
	}
}

// TestExecution_EveryRefusal refuses steps of random plans: what needs none of them is
// done, and so is each removal that only waited for access to be given.
func TestExecution_EveryRefusal(t *testing.T) {
	for name, draw := range map[string]func(*rapid.T) plan.Input{"groups": world, "decisions": decidedWorld(world)} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				p := plan.Make(draw(t))
				if len(p.Steps) == 0 {
					t.Skip("nothing to do")
				}
				refused := map[string]bool{}
				for range rapid.IntRange(1, 3).Draw(t, "refusals") {
					refused[p.Steps[rapid.IntRange(0, len(p.Steps)-1).Draw(t, "step")].ID] = true
				}
				fates := execute(p, func(s plan.Step) bool { return refused[s.ID] })
				for _, s := range p.Steps {
					blocked := slices.ContainsFunc(s.Needs, func(need plan.Need) bool {
						return need.Why != plan.NeedsAccess && fates[need.ID] != plan.Done
					})
					switch fate := fates[s.ID]; {
					case refused[s.ID]:
					case blocked && fate != plan.Blocked:
						t.Errorf("step %s needs a step that is not done, and its fate is %d", s.ID, fate)
					case !blocked && fate != plan.Done:
						t.Errorf("step %s needs no refused step, and its fate is %d", s.ID, fate)
					}
				}
			})
		})
	}
}

// TestParts_TogetherDoWhatTheWholeDoes: the parts of a step change the same accounts in
// the same way, and no part changes none.
func TestParts_TogetherDoWhatTheWholeDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := plan.Make(world(t))
		for _, s := range p.Steps {
			var adds, removes []string
			parts := p.Parts(s)
			for _, part := range parts {
				adds, removes = append(adds, refs(part.Adds())...), append(removes, refs(part.Removes())...)
				if len(part.Adds())+len(part.Removes()) == 0 || part.ID == s.ID || part.PartOf != s.ID || part.Key() != s.Key() {
					t.Errorf("%+v is no part of %+v", part, s)
				}
			}
			if parts == nil {
				continue
			}
			if diff := cmp.Diff(refs(s.Adds()), slices.Sorted(slices.Values(adds))); diff != "" {
				t.Errorf("additions of %s (-whole +parts):\n%s", s.ID, diff)
			}
			if diff := cmp.Diff(refs(s.Removes()), slices.Sorted(slices.Values(removes))); diff != "" {
				t.Errorf("removals of %s (-whole +parts):\n%s", s.ID, diff)
			}
		}
	})
}
