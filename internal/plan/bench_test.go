package plan_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// BenchmarkMake plans a million members. The bar is two seconds on one core,
// and the same time per object at a tenth of the size: run with -cpu 1.
func BenchmarkMake(b *testing.B) {
	shapes := []struct{ groups, members int }{
		{100, 1000}, {1000, 1000}, {10_000, 10}, {100_000, 10},
	}
	worlds := []struct {
		name     string
		observed func(desired access.State) access.State
	}{
		{"converged", func(s access.State) access.State { return s }},
		{"moved", moved},
		{"empty", func(access.State) access.State { return access.State{} }},
	}
	for _, shape := range shapes {
		for _, world := range worlds {
			b.Run(fmt.Sprintf("%dx%d/%s", shape.groups, shape.members, world.name), func(b *testing.B) {
				in := large(shape.groups, shape.members)
				in.Observed = world.observed(in.Desired)
				b.ReportAllocs()
				before := processor(b)
				for b.Loop() {
					plan.Make(in)
				}
				objects := b.N * shape.groups * (shape.members + 2)
				b.ReportMetric(float64(processor(b)-before)/float64(objects), "cpu-ns/object")
			})
		}
	}
}

// processor returns the processor time used so far. Unlike the wall clock it is
// the same on a busy machine.
func processor(b testing.TB) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// large returns a tenant with that many groups of that many members, one role
// each, all of it in the ledger.
func large(groups, members int) plan.Input {
	in := plan.Input{Tenant: tenant, Rules: rules()}
	in.Rules.MemberChunk = 20
	for g := range groups {
		group := access.Group{Name: fmt.Sprintf("group-%06d", g), Ref: fmt.Sprintf("ref-%06d", g), Mark: mark}
		for i := range members {
			n := (g*members/2 + i) // every account is in two groups
			group.Members = append(group.Members, access.Member{Account: access.Account{
				Name: fmt.Sprintf("person-%07d@example.com", n), Ref: fmt.Sprintf("%032x", n),
			}})
		}
		binding := access.Binding{Role: "reader", Group: group.Name, GroupRef: group.Ref, Mark: access.Unread()}
		in.Desired.Groups = append(in.Desired.Groups, group)
		in.Desired.Bindings = append(in.Desired.Bindings, binding)
		in.Owned = append(in.Owned, plan.Owned{Key: group.Key(), Ref: group.Ref}, plan.Owned{Key: binding.Key()})
	}
	return in
}

// moved returns the state in which every tenth member is still in the group
// before theirs, so that a tenth of all people move.
func moved(s access.State) access.State {
	out := access.State{Groups: make([]access.Group, len(s.Groups)), Bindings: s.Bindings}
	for i, g := range s.Groups {
		next := s.Groups[(i+2)%len(s.Groups)].Members
		cut := len(g.Members) / 10
		out.Groups[i] = g
		out.Groups[i].Members = append(append([]access.Member{}, g.Members[cut:]...), next[:cut]...)
	}
	return out
}
