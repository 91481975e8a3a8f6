package plan_test

import (
	"fmt"
	"slices"

	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// decidedWorld returns a generator that draws a tenant with another one and adds what
// operators and other systems did: conditions, groups that another system renamed,
// adoptions, provisioned users, unmanaged members, revocations, limits that are
// reached, a removed tenant, approvals and rejections.
func decidedWorld(draw func(*rapid.T) plan.Input) func(*rapid.T) plan.Input {
	return func(t *rapid.T) plan.Input {
		w := drawing{T: t, in: draw(t), owned: map[access.Key]bool{}}
		w.conditions()
		w.external()
		w.renamedElsewhere()
		w.adoptions()
		w.people()
		w.limits()
		w.decisions()
		return w.in
	}
}

// one reports true once in so many draws.
func (w *drawing) one(in int, label string) bool {
	return rapid.IntRange(0, in-1).Draw(w.T, label) == 0
}

// conditions gives conditions to desired and observed roles, shields some of the
// latter, and has some in use.
func (w *drawing) conditions() {
	if !w.one(3, "conditions") {
		return
	}
	conditions := rapid.SampledFrom([]string{"", "", "c1", "c2"})
	w.in.Desired.Bindings, w.in.Observed.Bindings = slices.Clone(w.in.Desired.Bindings), slices.Clone(w.in.Observed.Bindings)
	for i := range w.in.Desired.Bindings {
		w.in.Desired.Bindings[i].Condition = conditions.Draw(w.T, "condition")
	}
	for i := range w.in.Observed.Bindings {
		w.in.Observed.Bindings[i].Condition = conditions.Draw(w.T, "condition")
		w.in.Observed.Bindings[i].Shielded = w.one(6, "shielded")
		w.in.Observed.Bindings[i].Mark = w.mark()
	}
}

// external gives roles to groups on the platform that the ledger does not know, also
// such as Rollcall gives to others.
func (w *drawing) external() {
	if !w.one(3, "external permissions") {
		return
	}
	if w.one(2, "kept where possible") {
		w.in.Rules.Additional, w.in.Rules.Cleanup, w.in.Rules.Carry = plan.KeepAdditional, true, true
	}
	for _, g := range w.in.Observed.Groups {
		b := access.Binding{Group: g.Name, GroupRef: g.Ref, Mark: access.Unread()}
		b.Role = rapid.SampledFrom([]string{"r1", "r2", "r3", "f1", "f2"}).Draw(w.T, "external role")
		if !slices.ContainsFunc(w.in.Observed.Bindings, func(c access.Binding) bool { return c.Key() == b.Key() }) {
			w.in.Observed.Bindings = append(w.in.Observed.Bindings, b)
		}
	}
	if !w.one(2, "a role of ours ends on new groups") {
		return
	}
	for _, g := range w.in.Observed.Groups {
		b := access.Binding{Role: "f9", Group: g.Name, GroupRef: g.Ref, Mark: access.Unread()}
		w.in.Observed.Bindings = append(w.in.Observed.Bindings, b)
		if slices.ContainsFunc(w.in.Desired.Groups, func(want access.Group) bool { return want.Name == g.Name }) {
			w.in.Owned = append(w.in.Owned, plan.Owned{Key: b.Key()})
		}
	}
}

// renamedElsewhere gives groups on the platform another name, which the ledger does
// not know.
func (w *drawing) renamedElsewhere() {
	for i, g := range w.in.Observed.Groups {
		if !w.one(6, "renamed elsewhere") {
			continue
		}
		to := g.Name + "x"
		w.in.Observed.Groups[i].Name = to
		for j, b := range w.in.Observed.Bindings {
			if b.GroupRef == g.Ref {
				w.in.Observed.Bindings[j].Group = to
			}
		}
	}
}

func (w *drawing) adoptions() {
	for _, g := range w.in.Observed.Groups {
		if w.one(6, "adopt") {
			ref := rapid.SampledFrom([]string{g.Ref, g.Ref, "gone"}).Draw(w.T, "adopted")
			w.in.Adopted = append(w.in.Adopted, plan.Owned{Key: g.Key(), Ref: ref})
		}
	}
}

// people provisions users, puts unmanaged members into sets, and revokes access.
func (w *drawing) people() {
	for i := range rapid.SampledFrom([]int{0, 0, 1, 2}).Draw(w.T, "newcomers") {
		name := fmt.Sprintf("new%d", i)
		w.in.Newcomers = append(w.in.Newcomers, access.Newcomer{
			Account: access.Account{Name: name + "@example.com"}, Person: name, Email: name + "@example.org", FirstName: "New", LastName: name,
		})
	}
	if w.one(3, "unmanaged members") {
		for _, g := range w.in.Observed.Groups {
			w.unmanaged(access.Key{Kind: access.KindMembers, Group: g.Name}, g.Members)
		}
		for _, b := range w.in.Observed.Bindings {
			key := b.Key()
			if w.in.Rules.Separate {
				key = access.Key{Kind: access.KindBinding, Role: b.Role}
			}
			w.unmanaged(key, b.Subjects)
		}
	}
	if w.one(3, "revoked") {
		w.in.Revoked = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"u1", "u2", "u3"}), 1, 3, rapid.ID[string]).Draw(w.T, "who is revoked")
	}
}

func (w *drawing) unmanaged(set access.Key, members []access.Member) {
	for _, who := range members {
		if w.one(3, "unmanaged") {
			w.in.Strangers = append(w.in.Strangers, plan.Removal{Object: set, Ref: who.Ref})
		}
	}
}

// limits closes the guard, and removes the tenant.
func (w *drawing) limits() {
	if w.one(5, "closed") {
		w.in.Rules.Guard.Closed = "the limit of 10 removals an hour is reached"
	}
	if w.one(6, "gone") {
		w.in.Rules.Gone, w.in.Rules.AutoDelete = true, rapid.Bool().Draw(w.T, "delete automatically")
		w.in.Desired, w.in.Newcomers = access.State{}, nil
		if w.one(2, "nothing is kept") {
			w.in.Keep, w.in.Elsewhere = nil, nil
		}
	}
}

// decisions approves and rejects some of what the plan holds, and of what it does.
func (w *drawing) decisions() {
	const rounds = 2 // an approval lets the plan hold something else
	for range rounds {
		if !w.one(2, "decisions") {
			return
		}
		p := plan.Make(w.in)
		all := p.HeldRemovals()
		for _, s := range p.Steps {
			if w.one(8, "decide on a step") {
				all = append(all, s.Removals()...)
			}
		}
		for _, r := range all {
			switch rapid.SampledFrom([]string{"approved", "approved", "rejected", "later", ""}).Draw(w.T, "decision") {
			case "approved":
				w.in.Approved = append(slices.Clip(w.in.Approved), r)
			case "rejected":
				w.in.Rejected = append(slices.Clip(w.in.Rejected), plan.Rejection{Removal: r, By: "otto", Reason: "not now"})
			case "later":
				w.in.Rejected = append(slices.Clip(w.in.Rejected), plan.Rejection{Removal: r})
			}
		}
	}
}
