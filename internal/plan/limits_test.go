package plan_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// TestClosedGuardTakesNothing demands that nobody loses anything of ours once a
// limit beyond the plan is reached; a rename takes nothing, and goes on.
func TestClosedGuardTakesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := renameWorld(t)
		if rapid.IntRange(0, 3).Draw(t, "any") == 0 {
			in = anyWorld(t)
		}
		in.Rules.Guard.Closed = "the limit of 10 removals an hour is reached until 10:00"
		in.Rules.Gone = rapid.Bool().Draw(t, "gone")
		if in.Rules.Gone {
			in.Desired = access.State{}
		}
		p := plan.Make(in)
		before, now := newPlatform(in), newPlatform(in)
		now.run(t, p, func(plan.Step) bool { return true })
		can := now.can()
		for what := range before.ourCan() {
			if !can[what] {
				t.Errorf("%q is taken although the limit is reached:\n%s", what, p)
			}
		}
		for _, s := range p.Held {
			if s.Op != plan.Create && !slices.ContainsFunc(p.Remarks, func(r access.Remark) bool {
				return r.Code == access.RemovalHeld && r.Object == s.Object && strings.Contains(r.Text, in.Rules.Guard.Closed)
			}) && s.Kind != access.KindGroup {
				t.Errorf("%q is held and does not say that the limit is reached:\n%s", s.Object, p)
			}
		}
	})
}

// ourCan is can for what we gave.
func (p *platform) ourCan() map[string]bool {
	given := &platform{State: access.State{Groups: p.Groups}}
	for _, b := range p.Bindings {
		mine, isOurs := p.mine(b.Group)
		if p.ours(b.Key(), b.Ref, b.Mark) && p.ledgers(b.Key(), b.Ref) && (b.Group == "" || isOurs && mine.Ref == b.GroupRef) {
			given.Bindings = append(given.Bindings, b)
		}
	}
	return given.can()
}

// TestRevokedLeaveAtOnce demands that whose access is revoked by name is in
// nothing of ours after a plan that nobody approved anything of, that no limit
// keeps them, that they count for none, and that they are given nothing.
func TestRevokedLeaveAtOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := renameWorld(t)
		if rapid.IntRange(0, 2).Draw(t, "any") == 0 {
			in = world(t)
		}
		in.Revoked = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"u1", "u2", "u3"}), 1, 3, rapid.ID[string]).Draw(t, "revoked")
		if rapid.Bool().Draw(t, "closed") {
			in.Rules.Guard.Closed = "the limit is reached"
		}
		p := plan.Make(in)
		for _, s := range slices.Concat(p.Steps, p.Held) {
			for _, who := range s.Adds() {
				if slices.Contains(in.Revoked, who.Ref) {
					t.Errorf("%s is revoked and added to %q", who.Ref, s.Object)
				}
			}
		}
		end := newPlatform(in)
		end.run(t, p, func(plan.Step) bool { return true })
		for what := range end.ourCan() {
			if who, _, _ := strings.Cut(what, " "); slices.Contains(in.Revoked, who) {
				t.Errorf("%q is left although the person is revoked:\n%s", what, p)
			}
		}
	})
}

// TestRevokedCountForNobody demands that the guard holds the same of all others,
// whether somebody is revoked or never was there.
func TestRevokedCountForNobody(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := world(t)
		in.Revoked, in.Rules.MemberChunk, in.Adopted = []string{"u1"}, 0, nil
		revoked := plan.Make(in)
		without := func(people []access.Member) []access.Member {
			return slices.DeleteFunc(slices.Clone(people), func(m access.Member) bool { return m.Ref == "u1" })
		}
		in.Observed = access.State{Groups: slices.Clone(in.Observed.Groups), Bindings: slices.Clone(in.Observed.Bindings)}
		for i, g := range in.Observed.Groups {
			in.Observed.Groups[i].Members = without(g.Members)
		}
		for i, b := range in.Observed.Bindings {
			in.Observed.Bindings[i].Subjects = without(b.Subjects)
		}
		if left := plan.Make(in); !slices.Equal(revoked.HeldRemovals(), left.HeldRemovals()) {
			t.Errorf("with somebody revoked:\n%swithout them:\n%s", revoked, left)
		}
	})
}

// TestGoneTenantIsDisabledAtOnce demands that a removed tenant keeps none of our
// roles, whatever the limit per group, and that its groups with members wait for
// an approval unless the landing zone gave it.
func TestGoneTenantIsDisabledAtOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := renameWorld(t)
		if rapid.IntRange(0, 1).Draw(t, "any") == 0 {
			in = anyWorld(t)
		}
		in.Desired, in.Keep, in.Elsewhere = access.State{}, nil, nil
		in.Rules.Gone, in.Rules.AutoDelete = true, rapid.Bool().Draw(t, "approved by the landing zone")
		for i := range in.Observed.Bindings {
			in.Observed.Bindings[i].InUse = false
		}
		p := plan.Make(in)
		before, end := newPlatform(in), newPlatform(in)
		end.run(t, p, func(plan.Step) bool { return true })
		for _, b := range end.Bindings {
			mine, isOurs := end.mine(b.Group)
			rests := b.Role == base // stays with what others gave
			if !rests && (b.Group == "" || isOurs && mine.Ref == b.GroupRef) && end.ours(b.Key(), b.Ref, b.Mark) && end.ledgers(b.Key(), b.Ref) {
				t.Errorf("the role %q is still there:\n%s", b.Key(), p)
			}
		}
		for _, g := range before.Groups {
			mine, isOurs := before.mine(g.Name)
			if !isOurs || mine.Ref != g.Ref || !in.Rules.Cleanup {
				continue
			}
			_, left := end.mine(g.Name)
			held := slices.ContainsFunc(p.Held, func(s plan.Step) bool { return s.Have.Group != nil && s.Have.Group.Ref == g.Ref })
			waits := len(g.Members) > 0 && !in.Rules.AutoDelete
			if left != waits || held != waits {
				t.Errorf("the group %q with %d members is left: %t, held: %t:\n%s", g.Name, len(g.Members), left, held, p)
			}
		}
	})
}

// TestStrangersAreNamed demands a remark and a reason for everybody of ours to
// lose whom somebody else put there, held or not, and for nobody else.
func TestStrangersAreNamed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := world(t)
		if rapid.Bool().Draw(t, "renames") {
			in = renameWorld(t)
		}
		for _, g := range in.Observed.Groups {
			key := access.Key{Kind: access.KindMembers, Group: g.Name}
			in.Strangers = append(in.Strangers, plan.Removal{Object: key, Ref: "u1"}, plan.Removal{Object: key, Ref: "u2"})
		}
		for _, b := range in.Observed.Bindings {
			if b.Group == "" {
				in.Strangers = append(in.Strangers, plan.Removal{Object: b.Key(), Ref: "u1"}, plan.Removal{Object: b.Key(), Ref: "u2"})
			}
		}
		p := plan.Make(in)
		for _, s := range slices.Concat(p.Steps, p.Held) {
			if s.Op != plan.Change {
				continue
			}
			for _, who := range s.Removes() {
				stranger := who.Ref == "u1" || who.Ref == "u2"
				if (who.Why == "another system added this account") != stranger && s.Kind == access.KindMembers {
					t.Errorf("%s leaves %q because %q", who.Ref, s.Object, who.Why)
				}
				remarked := slices.ContainsFunc(p.Remarks, func(r access.Remark) bool {
					return r.Code == access.ForeignMemberRemoved && r.Object == s.Object && strings.Contains(r.Text, "account "+who.Ref+" ")
				})
				if remarked != stranger {
					t.Errorf("%s leaves %q, and there is a remark: %t", who.Ref, s.Object, remarked)
				}
			}
		}
	})
}
