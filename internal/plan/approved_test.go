package plan_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/plan"
)

// TestApprovedIsNotHeld: what was held and is approved goes on. That may make
// another role the last one that people have, which is a question of its own.
func TestApprovedIsNotHeld(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := anyWorld(t)
		p := plan.Make(in)
		if len(p.Held) == 0 && p.HeldDigest() != "" {
			t.Errorf("nothing is held, and the digest is %q", p.HeldDigest())
		}
		const rounds = 3
		for range rounds {
			held := p.HeldRemovals()
			in.Approved = append(in.Approved, held...)
			p = plan.Make(in)
			for _, r := range p.HeldRemovals() {
				if slices.Contains(held, r) {
					t.Errorf("%+v is approved and held:\n%s", r, p)
				}
			}
		}
		if len(p.Held) > 0 {
			t.Errorf("after %d approvals there is held:\n%s", rounds, p)
		}
	})
}

// TestApprovalOfSome: what is not approved stays held, and only that.
func TestApprovalOfSome(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := anyWorld(t)
		held := plan.Make(in).HeldRemovals()
		if len(held) == 0 {
			t.Skip("nothing is held")
		}
		in.Approved = held[:rapid.IntRange(0, len(held)-1).Draw(t, "approved")]
		approved := map[plan.Removal]bool{}
		for _, r := range in.Approved {
			approved[r] = true
		}
		p := plan.Make(in)
		for _, r := range p.HeldRemovals() {
			// A role that others rest on waits with them.
			if approved[r] && !slices.Contains(in.Rules.Base, r.Object.Role) {
				t.Errorf("%+v is approved and held:\n%s", r, p)
			}
		}
		for _, s := range p.Steps {
			for _, r := range s.Removals() {
				for _, still := range held[len(in.Approved):] {
					if r == still {
						t.Errorf("%+v was held, is not approved, and goes:\n%s", r, p)
					}
				}
			}
		}
	})
}
