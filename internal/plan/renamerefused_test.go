package plan_test

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// TestRefusedNameBlocksNoRemoval: the platform refuses to give a managed group its new
// name. Who leaves the group, and a role that the group loses, go all the same; members
// and roles that come need the name, as a group that another system owns must not get any.
func TestRefusedNameBlocksNoRemoval(t *testing.T) {
	_, renamed := readCase(t, filepath.Join("testdata", "115-rename-in-place", "input.json"))
	renamed.Desired.Groups[0].Members = renamed.Desired.Groups[0].Members[1:] // ada leaves
	without := func(role string) func(*plan.Input) {
		return func(in *plan.Input) {
			in.Desired.Bindings = slices.DeleteFunc(slices.Clone(in.Desired.Bindings), func(b access.Binding) bool { return b.Role == role })
		}
	}
	for _, c := range []struct {
		reason string
		change func(*plan.Input)
		step   string
		want   plan.Fate
	}{
		{"a member leaves while another comes", func(*plan.Input) {}, "- members shop-view", plan.Done},
		{"a member leaves in steps of one account", func(in *plan.Input) { in.Rules.MemberChunk = 1 }, "- members shop-view", plan.Done},
		{"a role that no document asks for goes", without("reader"), "delete binding reader → shop-view", plan.Done},
		{"a member comes", func(*plan.Input) {}, "+ members shop-view", plan.Blocked},
		{"a role comes", func(*plan.Input) {}, "create binding edit → shop-view", plan.Blocked},
		{
			"a member leaves a group that only an operator's word makes managed, and that differs in case",
			func(in *plan.Input) {
				in.Rules.IgnoreCase = true
				in.Observed.Groups = slices.Clone(in.Observed.Groups)
				in.Observed.Groups[0].Name, in.Observed.Groups[0].Mark, in.Owned = "Shop-View", access.Mark{}, nil
				in.Observed.Bindings, in.Rules.MemberChunk = nil, 1
				in.Adopted = []plan.Owned{{Key: in.Observed.Groups[0].Key(), Ref: in.Observed.Groups[0].Ref}}
			}, "- members shop-view", plan.Blocked,
		},
	} {
		in := renamed
		c.change(&in)
		p := plan.Make(in)
		fates := execute(p, func(s plan.Step) bool { return s.Op == plan.Change && s.Kind == access.KindGroup })
		found := false
		for _, s := range p.Steps {
			if stepName(s) == c.step {
				found = true
				if got := fates[s.ID]; got != c.want {
					t.Errorf("%s: %q is %d, want %d", c.reason, c.step, got, c.want)
				}
			}
		}
		if !found {
			t.Errorf("%s: no step %q:\n%s", c.reason, c.step, p)
		}
	}
}
