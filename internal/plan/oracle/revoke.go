package oracle

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/plan/oracle/access"
)

// Revoke returns the steps that take the accounts, by id, out of every set of
// ours that has them, and nothing else: what is desired, kept or held does not
// count, and no guard does. A set of somebody else that has one of them is
// remarked and left alone. A role of ours that the platform does not let go yet
// (Binding.InUse) is left for a later look.
func Revoke(in Input, refs []string) Plan {
	in.Desired, in.Keep, in.Newcomers, in.Elsewhere, in.Approved, in.Rejected = access.State{}, nil, nil, nil, nil, nil
	r := revoking{maker: newMaker(in), gone: set(refs), taken: map[string][]string{}}
	for _, g := range r.in.Observed.Groups {
		r.members(g)
	}
	var base []access.Binding
	for _, b := range r.in.Observed.Bindings {
		if in.Rules.Separate && r.isBase(b.Role) {
			base = append(base, b)
			continue
		}
		r.binding(b)
	}
	for _, b := range base {
		r.binding(b)
	}
	return Plan{Tenant: in.Tenant, Steps: r.steps, Remarks: access.SortRemarks(r.remarks)}
}

// revoking is a plan that only takes certain accounts away.
type revoking struct {
	*maker
	gone map[string]bool
	// taken are the IDs of the steps that take roles from each account.
	taken   map[string][]string
	steps   []Step
	remarks []access.Remark
}

// add adds a step and returns its ID.
func (r *revoking) add(s Step) string {
	s.Why = "access is revoked by name"
	s = named(r.in.Tenant, s)
	r.steps = append(r.steps, s)
	return s.ID
}

// leaving returns those of the people who are to go.
func (r *revoking) leaving(people []access.Member) []access.Member {
	var leave []access.Member
	for _, who := range people {
		if r.gone[who.Ref] {
			who.Why = "access is revoked by name"
			leave = append(leave, who)
		}
	}
	return leave
}

// members plans one observed group.
func (r *revoking) members(have access.Group) {
	leave := r.leaving(have.Members)
	if len(leave) == 0 {
		return
	}
	if r.whose(have.Key(), have.Ref, have.Mark) != ours {
		r.notOurs("the group", have.Key(), have.Mark, leave)
		return
	}
	size := r.in.Rules.MemberChunk
	if size <= 0 {
		size = len(leave)
	}
	for part := range slices.Chunk(leave, size) {
		r.add(Step{Op: Change, Have: Object{Members: &Members{Group: have.Name, GroupRef: have.Ref, Accounts: part}}})
	}
}

// binding plans one observed binding of people. One without people goes.
func (r *revoking) binding(have access.Binding) {
	leave := r.leaving(have.Subjects)
	if have.Group != "" || len(leave) == 0 {
		return
	}
	if r.whose(have.Key(), have.Ref, have.Mark) != ours {
		r.notOurs("the role", have.Key(), have.Mark, leave)
		return
	}
	if have.InUse {
		return
	}
	s := Step{Op: Delete, Have: Object{Binding: &have}}
	if stay := without(have.Subjects, leave); len(stay) > 0 {
		want := have
		want.Subjects, want.Version = stay, ""
		s.Op, s.Want = Change, Object{Binding: &want}
	}
	base := r.in.Rules.Separate && r.isBase(have.Role)
	for _, who := range leave {
		if base {
			s.Needs = append(s.Needs, r.taken[who.Ref]...)
		}
	}
	id := r.add(s)
	for _, who := range leave {
		if !base {
			r.taken[who.Ref] = append(r.taken[who.Ref], id)
		}
	}
}

// notOurs remarks a set of somebody else that has one of the accounts. What is
// another tenant's of ours is seen to there.
func (r *revoking) notOurs(what string, key access.Key, mark access.Mark, leave []access.Member) {
	if mark.Installation != "" && mark.Installation == r.in.Rules.Mark.Installation && mark.Tenant != r.in.Rules.Mark.Tenant {
		return
	}
	for _, who := range leave {
		r.remarks = append(r.remarks, access.Remark{Code: access.UserRevoked, Object: key.String(), Text: fmt.Sprintf(
			"%s %q is not Rollcall's and has the account %q, whose access is revoked by name: take it out there",
			what, key, cmp.Or(who.Name, who.Ref))})
	}
}
