package cloudfoundry_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/cloudfoundry"
	"github.com/rollcall-iam/rollcall/internal/driver/cloudfoundry/rules"
	"github.com/rollcall-iam/rollcall/internal/plan"
	simulated "github.com/rollcall-iam/rollcall/internal/simulate/cloudfoundry"
)

// org is an organization whose spaces are tenants, but for one where others do
// as they like, with a ledger of all tenants.
type org struct {
	*world
	*rand.Rand
	driver  *cloudfoundry.Driver
	users   []string
	spaces  []string // tenants
	others  string   // the space of others
	desired [][]access.Binding
	owned   []map[access.Key]string
	foreign map[string]bool // ids of roles
}

func newOrg(t *testing.T, seed uint64) *org {
	t.Helper()
	w := newWorld(t, simulated.Options{PageCap: 5000})
	o := &org{
		world: w, Rand: rand.New(rand.NewPCG(seed, 1)), driver: w.open(t),
		others: w.cloud.AddSpace(w.org, "others"), foreign: map[string]bool{},
	}
	for i := range 6 {
		o.users = append(o.users, w.cloud.AddUser(fmt.Sprintf("user-%d@example.com", i), sso))
	}
	for i := range 3 {
		o.spaces = append(o.spaces, w.cloud.AddSpace(w.org, fmt.Sprintf("tenant-%d", i)))
		o.owned = append(o.owned, map[access.Key]string{})
	}
	o.desired = make([][]access.Binding, len(o.spaces))
	return o
}

// change draws what the tenants want, and what others give and take.
func (o *org) change() {
	for i := range o.desired {
		o.desired[i] = nil
		var everybody []access.Member
		for _, role := range []string{"space_developer", "space_auditor", "organization_manager"} {
			var people []access.Member
			for _, id := range o.users {
				if o.IntN(3) == 0 {
					people = append(people, access.Member{Account: access.Account{Ref: id}})
				}
			}
			everybody = append(everybody, people...)
			o.desired[i] = append(o.desired[i], access.Binding{Role: role, Subjects: people})
		}
		slices.SortFunc(everybody, access.CompareMembers)
		o.desired[i] = append(o.desired[i], access.Binding{Role: rules.OrganizationUser, Subjects: slices.Compact(everybody)})
	}
	before := o.cloud.Roles()
	for _, space := range append([]string{o.others}, o.spaces...) {
		who := o.users[o.IntN(len(o.users))]
		if !slices.ContainsFunc(before, func(r simulated.Role) bool { return r.Space == space && r.User == who && r.Type == "space_supporter" }) {
			o.cloud.GiveRole("space_supporter", space, "", who)
		}
	}
	for _, r := range o.cloud.Roles() {
		if !slices.Contains(before, r) {
			o.foreign[r.GUID] = true
		}
	}
	for _, r := range before { // what others gave in their own space they take again
		if r.Space == o.others && o.IntN(2) == 0 {
			o.cloud.RemoveRole(r.GUID)
			delete(o.foreign, r.GUID)
		}
	}
}

// plan is what a run would do for one tenant.
func (o *org) plan(t *testing.T, i int) plan.Plan {
	t.Helper()
	in := plan.Input{
		Tenant:  access.TenantID{Workspace: "w", Project: fmt.Sprintf("p%d", i), Platform: "cf"},
		Desired: access.State{Bindings: o.desired[i]}, Observed: look(t, o.driver, o.spaces[i])[0].State,
		Rules: plan.Rules{
			Guard: plan.Guard{Most: 100}, Separate: true,
			Shared: rules.OrganizationRoles(), Base: []string{rules.OrganizationUser},
		},
	}
	for j := range o.spaces {
		for key, ref := range o.owned[j] {
			observed := slices.ContainsFunc(in.Observed.Bindings, func(b access.Binding) bool { return b.Key() == key && b.Ref == ref })
			if j == i || observed && slices.Contains(rules.OrganizationRoles(), key.Role) {
				in.Owned = append(in.Owned, plan.Owned{Key: key, Ref: ref})
			}
		}
		if j != i {
			in.Elsewhere = append(in.Elsewhere, o.desired[j]...)
		}
	}
	return plan.Make(in)
}

// run plans and applies one tenant, what is held as if it was approved, and
// reports whether there was anything to do.
func (o *org) run(t *testing.T, i int) bool {
	t.Helper()
	p := o.plan(t, i)
	for _, s := range slices.Concat(p.Steps, p.Held) {
		r := o.driver.Apply(t.Context(), driver.Scope{ID: o.spaces[i]}, []plan.Step{s})[0]
		if r.Err != nil {
			t.Fatalf("%s %q: %v", s.Op, s.Object, r.Err)
		}
		if s.Op == plan.Create {
			o.owned[i][s.Key()] = r.Ref
			continue
		}
		for j := range o.owned {
			if o.owned[j][s.Key()] == s.Have.Binding.Ref {
				delete(o.owned[j], s.Key())
			}
		}
	}
	return len(p.Steps)+len(p.Held) > 0
}

// check demands all that is desired, all that others gave, and nothing else.
func (o *org) check(t *testing.T) {
	t.Helper()
	roles := o.cloud.Roles()
	has := func(kind, where, who string) bool {
		return slices.ContainsFunc(roles, func(r simulated.Role) bool {
			return r.Type == kind && r.User == who && (r.Space == where || where == o.org && r.Org == where)
		})
	}
	wanted := map[[3]string]bool{}
	for i, bindings := range o.desired {
		for _, b := range bindings {
			for _, who := range b.Subjects {
				where := o.spaces[i]
				if slices.Contains(rules.OrganizationRoles(), b.Role) {
					where = o.org
				}
				if wanted[[3]string{b.Role, where, who.Ref}] = true; !has(b.Role, where, who.Ref) {
					t.Errorf("tenant %d: somebody lacks %s", i, b.Role)
				}
			}
		}
	}
	left := map[string]bool{}
	for _, r := range roles {
		left[r.GUID] = true
		inUse := r.Type == rules.OrganizationUser && slices.ContainsFunc(roles, func(s simulated.Role) bool { return s.User == r.User && s.Space != "" })
		if !wanted[[3]string{r.Type, r.Space + r.Org, r.User}] && !o.foreign[r.GUID] && !inUse {
			t.Errorf("%s is left of what nobody wants", r.Type)
		}
	}
	for id := range o.foreign {
		if !left[id] {
			t.Error("a role that others gave is gone")
		}
	}
}

// TestTenantsOfOneOrganization changes what three tenants want, again and again,
// and runs them in any order.
func TestTenantsOfOneOrganization(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			o := newOrg(t, seed)
			for range 4 {
				o.change()
				const most = 6
				for pass := 0; ; pass++ {
					busy := false
					for _, i := range o.Perm(len(o.spaces)) {
						busy = o.run(t, i) || busy
					}
					if !busy {
						break
					}
					if pass == most {
						t.Fatal("the tenants never come to rest")
					}
				}
				o.check(t)
			}
		})
	}
}
