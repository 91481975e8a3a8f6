package plan_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

func member(i int) access.Member {
	return access.Member{Account: access.Account{Ref: fmt.Sprintf("u%07d", i), Name: fmt.Sprintf("u%07d@example.com", i)}}
}

// several returns a tenant with n groups, each of one member, one role and a project role
// of its own. Name returns the name that a document gives to a group, if any.
func several(n int, name func(i int) string) (in plan.Input) {
	in = plan.Input{Tenant: tenant, Rules: rules()}
	for i := range n {
		g := access.Group{Name: fmt.Sprintf("g%06d", i), Ref: fmt.Sprintf("ref%06d", i), Mark: mark, Members: []access.Member{member(i)}}
		b := access.Binding{Role: "reader", Group: g.Name, GroupRef: g.Ref, Mark: access.Unread()}
		in.Observed.Groups = append(in.Observed.Groups, g)
		in.Observed.Bindings = append(in.Observed.Bindings, b)
		serves := fmt.Sprintf("s%06d", i)
		in.Owned = append(in.Owned, plan.Owned{Key: g.Key(), Ref: g.Ref, Serves: serves}, plan.Owned{Key: b.Key()})
		if to := name(i); to != "" {
			in.Desired.Groups = append(in.Desired.Groups, access.Group{Name: to, Serves: serves, Members: g.Members})
			in.Desired.Bindings = append(in.Desired.Bindings, access.Binding{Role: "reader", Group: to})
		}
	}
	return in
}

// BenchmarkCompareShapes plans tenants of many objects of one sort, a small one and one of
// 16 times as many objects. The bar is a ratio of the time for each object below 4.
func BenchmarkCompareShapes(b *testing.B) {
	keep := func(i int) string { return fmt.Sprintf("g%06d", i) }
	other := func(i int) string { return fmt.Sprintf("h%06d", i) }
	none := func(int) string { return "" }
	upper := func(i int) string { return fmt.Sprintf("G%06d", i) }
	shapes := map[string]func(n int) plan.Input{
		"nothing differs":        func(n int) plan.Input { return several(n, keep) },
		"each group is replaced": func(n int) plan.Input { return several(n, other) },
		"each group is replaced in mode strict": func(n int) plan.Input {
			in := several(n, other)
			in.Rules.Rename = plan.Strict
			return in
		},
		"the platform renames each group": func(n int) plan.Input {
			in := several(n, other)
			in.Rules.Rename, in.Rules.CanRename = plan.InPlace, true
			return in
		},
		"each group keeps its name as removals are forbidden": func(n int) plan.Input {
			in := several(n, other)
			in.Rules.ForbiddenBy = "x"
			return in
		},
		"each group is renamed to a name that differs in case": func(n int) plan.Input {
			in := several(n, upper)
			in.Rules.IgnoreCase, in.Rules.CanRename = true, true
			return in
		},
		"each group keeps a name that differs in case": func(n int) plan.Input {
			in := several(n, upper)
			in.Rules.IgnoreCase = true
			return in
		},
		"an unmanaged group has each name, in another case": func(n int) plan.Input {
			in := several(n, upper)
			in.Rules.IgnoreCase, in.Owned = true, nil
			for i := range in.Observed.Groups {
				in.Observed.Groups[i].Mark = access.Mark{}
			}
			return in
		},
		"another system renamed each group": func(n int) plan.Input {
			in := several(n, keep)
			in.Rules.CanRename = true
			for i := range in.Observed.Groups {
				in.Observed.Groups[i].Name = other(i)
				in.Observed.Bindings[i].Group = other(i)
			}
			return in
		},
		"no document asks for any group": func(n int) plan.Input { return several(n, none) },
		"no document asks for any group, and the guard is closed": func(n int) plan.Input {
			in := several(n, none)
			in.Rules.Guard.Closed = "x"
			return in
		},
		"the platform takes no role": func(n int) plan.Input {
			in := several(n, none)
			in.Rules.Gone = true
			for _, b := range in.Observed.Bindings {
				in.Immovable = append(in.Immovable, plan.Removal{Object: b.Key(), Ref: b.Ref})
			}
			return in
		},
		"the end of each group is rejected": func(n int) plan.Input {
			in := several(n, none)
			for _, g := range in.Observed.Groups {
				in.Rejected = append(in.Rejected, plan.Rejection{Removal: plan.Removal{Object: g.Key(), Ref: g.Ref}, By: "ada"})
			}
			return in
		},
		"no group is the one that was adopted": func(n int) plan.Input {
			in := several(n, keep)
			in.Owned = nil
			for i, g := range in.Observed.Groups {
				in.Observed.Groups[i].Mark = access.Mark{}
				in.Adopted = append(in.Adopted, plan.Owned{Key: g.Key(), Ref: "gone"})
			}
			return in
		},
		"a copy of each role waits": func(n int) plan.Input {
			in := several(n, other)
			in.Rules.Carry = true
			for _, g := range in.Observed.Groups {
				b := access.Binding{Role: "external", Group: g.Name, GroupRef: g.Ref, Mark: access.Unread()}
				in.Observed.Bindings = append(in.Observed.Bindings, b)
				in.Rejected = append(in.Rejected, plan.Rejection{Removal: plan.Removal{Object: access.Key{Kind: access.KindBinding, Group: g.Name, Role: "x"}, Ref: "carry"}, By: "ada"})
			}
			return in
		},
		"each group has the role of another one, and the guard is closed": func(n int) plan.Input {
			in := several(n, func(i int) string { return keep((i + 1) % n) })
			in.Rules.Guard.Closed = "x"
			return in
		},
		"each group has the role of another one": func(n int) plan.Input { return several(n, func(i int) string { return keep((i + 1) % n) }) },
		"another system gave each group a role": func(n int) plan.Input {
			in := several(n, keep)
			in.Rules.Additional = plan.RemoveAdditional
			for _, g := range in.Observed.Groups {
				in.Observed.Bindings = append(in.Observed.Bindings, access.Binding{Role: "external", Group: g.Name, GroupRef: g.Ref, Mark: access.Unread()})
			}
			return in
		},
		"each second role with a user ends": func(n int) plan.Input { // half of the bindings end, the other half stay
			in := plan.Input{Tenant: tenant, Rules: rules()}
			for i := range n {
				b := access.Binding{Role: fmt.Sprintf("r%06d", i), Ref: fmt.Sprintf("ref%06d", i), Mark: mark, Subjects: []access.Member{member(i)}}
				in.Observed.Bindings = append(in.Observed.Bindings, b)
				in.Owned = append(in.Owned, plan.Owned{Key: b.Key(), Ref: b.Ref})
				if i%2 == 0 {
					in.Desired.Bindings = append(in.Desired.Bindings, access.Binding{Role: b.Role, Subjects: b.Subjects})
				}
			}
			return in
		},
		"each second user leaves a role": func(n int) plan.Input { // one role, all users leave
			return separateOf(n, func(int) string { return "reader" }, func(i int) bool { return i%2 == 0 })
		},
		"each second role of one user ends": func(n int) plan.Input { // many roles of one user, of which half end
			return separateOf(n, func(i int) string { return fmt.Sprintf("r%06d", i) }, func(i int) bool { return i%2 == 0 })
		},
		"each user is revoked": func(n int) plan.Input {
			in := several(n, keep)
			for i := range n {
				in.Revoked = append(in.Revoked, member(i).Ref)
			}
			return in
		},
		"each user moves to another group": func(n int) plan.Input { // all members of one group move to another
			in := several(2, keep)
			var all []access.Member
			for i := range n {
				all = append(all, member(i))
			}
			in.Observed.Groups[0].Members, in.Desired.Groups[0].Members = all, nil
			in.Observed.Groups[1].Members, in.Desired.Groups[1].Members = nil, all
			in.Rules.Guard = plan.Guard{Most: n, Percent: 100}
			for _, m := range all {
				in.Approved = append(in.Approved, plan.Removal{Object: access.Key{Kind: access.KindMembers, Group: "g000000"}, Ref: m.Ref})
			}
			return in
		},
		"a group of many members is renamed": func(n int) plan.Input { // one group of n members and one role, renamed
			in := several(1, other)
			in.Rules.Rename, in.Rules.CanRename = plan.InPlace, true
			for i := range n {
				in.Observed.Groups[0].Members = append(in.Observed.Groups[0].Members, member(i+1))
			}
			return in
		},
	}
	const few, many = 250, 4000
	for reason, shape := range shapes {
		b.Run(reason, func(b *testing.B) {
			small, large := shape(few), shape(many)
			perObject := func(in plan.Input, n int) time.Duration {
				before := processor(b)
				c := plan.Compare(in)
				c.Takes()
				c.Plan.Schedule(plan.PerObject)
				return (processor(b) - before) / time.Duration(n)
			}
			bestSmall, bestLarge := time.Hour, time.Hour
			for b.Loop() {
				bestSmall, bestLarge = min(bestSmall, perObject(small, few)), min(bestLarge, perObject(large, many))
			}
			b.ReportMetric(float64(bestLarge)/float64(max(bestSmall, time.Microsecond)), "large/small")
		})
	}
}

// separateOf returns a tenant in which n users have a role, each by a binding of its own. A
// document asks for those that stay.
func separateOf(n int, role func(int) string, stays func(int) bool) plan.Input {
	in := plan.Input{Tenant: tenant, Rules: rules()}
	in.Rules.Separate = true
	want := map[string][]access.Member{}
	for i := range n {
		b := access.Binding{Role: role(i), Name: member(i).Ref, Ref: fmt.Sprintf("ref%06d", i), Mark: access.Unread(), Subjects: []access.Member{member(i)}}
		in.Observed.Bindings = append(in.Observed.Bindings, b)
		in.Owned = append(in.Owned, plan.Owned{Key: b.Key(), Ref: b.Ref})
		if stays(i) {
			want[b.Role] = append(want[b.Role], member(i))
		}
	}
	for role, members := range want {
		in.Desired.Bindings = append(in.Desired.Bindings, access.Binding{Role: role, Subjects: members})
	}
	return in
}
