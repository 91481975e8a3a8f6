package plan

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// Revoke returns the steps that take the accounts, by id, out of every set of
// ours that has them, and nothing else: what is desired, kept or held does not
// count, and no guard does. A set of somebody else that has one of them is
// remarked and left alone. A role of ours that the platform does not let go yet
// (Binding.InUse) is left for a later look.
func Revoke(in Input, refs []string) Plan {
	in.Desired, in.Keep, in.Newcomers, in.Elsewhere, in.Approved, in.Rejected = access.State{}, nil, nil, nil, nil, nil
	r := revoking{facts: normalise(in), gone: asSet(refs), taken: map[string][]Need{}}
	for at := range r.groups {
		r.members(at)
	}
	for _, base := range []bool{false, true} {
		for at, b := range r.in.Observed.Bindings {
			if base == (in.Rules.Separate && r.isBase(b.Role)) {
				r.binding(at)
			}
		}
	}
	return Plan{Tenant: in.Tenant, Steps: r.steps, Remarks: access.SortRemarks(r.remarks)}
}

// revoking is a plan that only takes certain accounts away.
type revoking struct {
	*facts
	gone map[string]bool
	// taken are the steps that take roles from each account.
	taken   map[string][]Need
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

// leaving returns those of the members whose accounts are revoked.
func (r *revoking) leaving(members []access.Member) []access.Member {
	var leave []access.Member
	for _, who := range members {
		if r.gone[who.Ref] {
			who.Why = "access is revoked by name"
			leave = append(leave, who)
		}
	}
	return leave
}

// members plans one observed group.
func (r *revoking) members(at int) {
	have := r.in.Observed.Groups[at]
	leave := r.leaving(have.Members)
	if len(leave) == 0 {
		return
	}
	if r.groups[at].owner != managed {
		r.unmanaged("the group", have.Key(), have.Mark, leave)
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
func (r *revoking) binding(at int) {
	have := r.in.Observed.Bindings[at]
	leave := r.leaving(have.Subjects)
	if have.Group != "" || len(leave) == 0 {
		return
	}
	if r.roles[at].owner != managed {
		r.unmanaged("the role", have.Key(), have.Mark, leave)
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
			r.taken[who.Ref] = append(r.taken[who.Ref], Need{id, NeedsEnd})
		}
	}
}

// unmanaged warns of an unmanaged set that has one of the accounts. What Rollcall manages
// for another tenant is revoked there.
func (r *revoking) unmanaged(what string, key access.Key, mark access.Mark, leave []access.Member) {
	if mark.Installation != "" && mark.Installation == r.in.Rules.Mark.Installation && mark.Tenant != r.in.Rules.Mark.Tenant {
		return
	}
	for _, who := range leave {
		r.remarks = append(r.remarks, access.Remark{Code: access.UserRevoked, Object: key.String(), Text: fmt.Sprintf(
			"%s %q is unmanaged and has the account %q, whose access is revoked by name: remove the account there",
			what, key, cmp.Or(who.Name, who.Ref))})
	}
}
