package aws_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/aws"
	"github.com/rollcall-iam/rollcall/internal/plan"
	simulated "github.com/rollcall-iam/rollcall/internal/simulate/aws"
)

// populated makes tenants with three groups of two members and a permission set
// each, and returns them as a ledger knows them.
func (w *world) populated(t testing.TB, tenants int) []driver.Scope {
	t.Helper()
	ada, bob := w.cloud.User("ada@example.com"), w.cloud.User("bob@example.com")
	scopes := make([]driver.Scope, tenants)
	for i := range scopes {
		scopes[i] = w.scope(t, fmt.Sprintf("tenant-%d", i))
		for n, role := range lawRoles {
			name := fmt.Sprintf("group-%d-%d", i, n)
			id := w.cloud.Group(name, scopes[i].Mark.Text(), ada, bob)
			w.cloud.Assign(scopes[i].ID, w.sets[role], id)
			scopes[i].Groups = append(scopes[i].Groups, access.Group{Name: name, Ref: id})
		}
	}
	w.settle()
	return scopes
}

// scope is a new tenant.
func (w *world) scope(_ testing.TB, name string) driver.Scope {
	of := access.TenantID{Workspace: "calls", Project: name, Platform: "aws.test"}
	return driver.Scope{Tenant: of, ID: w.account(name), Mark: access.Mark{Installation: "calls", Tenant: of.String()}}
}

// counted returns how many calls were made.
func counted(t testing.TB, do func(context.Context) error) int {
	t.Helper()
	ctx, meter := budget.WithMeter(t.Context())
	if err := do(ctx); err != nil {
		t.Fatal(err)
	}
	return meter.Calls()
}

// warm lets a driver find what it finds once: Identity Center, names.
func warm(t testing.TB, d *aws.Driver, scope driver.Scope) {
	t.Helper()
	if _, err := d.Observe(t.Context(), []driver.Scope{scope}); err != nil {
		t.Fatal(err)
	}
}

func TestConvergedCalls(t *testing.T) {
	w := newWorld(t, simulated.Options{})
	scopes := w.populated(t, 100)
	cases := map[string]struct {
		reason  string
		tenants int
		marks   bool
		most    int
	}{
		"One":       {"members and assignments of each group", 1, false, 2 * 3},
		"OneMarked": {"and each group's description", 1, true, 3 * 3},
		"All":       {"no read is for more than one group", 100, false, 100 * 2 * 3},
		"AllMarked": {"marks come with three pages of all groups", 100, true, 100*2*3 + 3},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			d := w.open(t)
			warm(t, d, scopes[0])
			asked := append([]driver.Scope(nil), scopes[:c.tenants]...)
			asked[0].Marks = c.marks
			calls := counted(t, func(ctx context.Context) error {
				seen, err := d.Observe(ctx, asked)
				if err == nil && (len(seen[0].State.Groups) != 3 || len(seen[0].State.Bindings) != 3) {
					t.Errorf("%s: got %+v", c.reason, seen[0])
				}
				return err
			})
			if calls > c.most {
				t.Errorf("%s: %d calls, want at most %d", c.reason, calls, c.most)
			}
		})
	}
}

func TestOnePersonChanged(t *testing.T) {
	w := newWorld(t, simulated.Options{})
	scope := w.populated(t, 1)[0]
	eve := access.Member{Account: access.Account{Ref: w.user(t, "eve@example.com")}}
	group := scope.Groups[0]
	members := &plan.Members{Group: group.Name, GroupRef: group.Ref, Accounts: []access.Member{eve}}
	add := plan.Step{ID: "add", Op: plan.Change, Kind: access.KindMembers, Want: plan.Object{Members: members}}
	remove := plan.Step{ID: "remove", Op: plan.Change, Kind: access.KindMembers, Have: plan.Object{Members: members}}
	d, other := w.open(t), w.open(t)
	warm(t, d, scope)
	warm(t, other, scope)
	for _, c := range []struct {
		reason string
		driver *aws.Driver
		step   plan.Step
		want   int
	}{
		{"an addition is one call", d, add, 1},
		{"so is a removal of who was seen", d, remove, 1},
		{"and the addition again", d, add, 1},
		{"a worker that has not seen the membership asks for its id first", other, remove, 2},
	} {
		if calls := counted(t, func(ctx context.Context) error { return c.driver.Apply(ctx, scope, []plan.Step{c.step})[0].Err }); calls != c.want {
			t.Errorf("%s: %d calls, want %d", c.reason, calls, c.want)
		}
		w.settle()
	}
	if diff := cmp.Diff(2, len(w.cloud.MembersOf(group.Ref))); diff != "" {
		t.Errorf("the group has other members than at first: %s", diff)
	}
}

// TestManyAccounts has a store that is worth listing, then one that is not.
func TestManyAccounts(t *testing.T) {
	w := newWorld(t, simulated.Options{})
	var names []string
	for i := range 350 {
		names = append(names, fmt.Sprintf("user-%d@example.com", i))
		w.cloud.User(names[i])
	}
	w.settle()
	for _, c := range []struct {
		reason   string
		accounts int
		most     int
	}{
		{"one by one where they are few", 3, 1 + 2*3},
		{"pages of all users where they are many", 300, 1 + 4},
		{"still one by one where that is as cheap", 5, 1 + 2*5},
	} {
		d := w.open(t)
		calls := counted(t, func(ctx context.Context) error {
			got, err := d.Resolve(ctx, names[:c.accounts])
			for i, r := range got {
				if r.Found != access.Yes {
					t.Errorf("%s: account %d is %v", c.reason, i, r)
				}
			}
			return err
		})
		if calls > c.most {
			t.Errorf("%s: %d calls, want at most %d", c.reason, calls, c.most)
		}
	}
}

// TestStoreTooLongToList has many more users than are asked for: the list is
// given up, and not tried again.
func TestStoreTooLongToList(t *testing.T) {
	w := newWorld(t, simulated.Options{Page: 2})
	var names []string
	for i := range 100 {
		names = append(names, fmt.Sprintf("user-%d@example.com", i))
		w.cloud.User(names[i])
	}
	w.settle()
	d := w.open(t)
	const asked = 8
	for _, most := range []int{1 + 4*asked, 2 * asked} {
		calls := counted(t, func(ctx context.Context) error {
			_, err := d.Resolve(ctx, names[:asked])
			return err
		})
		if calls > most {
			t.Errorf("%d calls for %d accounts, want at most %d", calls, asked, most)
		}
	}
}

func TestManyAccountsOfTheOrganization(t *testing.T) {
	w := newWorld(t, simulated.Options{})
	var scopes []driver.Scope
	for i := range 60 {
		scopes = append(scopes, w.scope(t, fmt.Sprintf("empty-%d", i)))
	}
	w.cloud.SetAccountState(scopes[1].ID, "CLOSED")
	scopes = append(scopes, driver.Scope{ID: "999999999999"}, driver.Scope{ID: "not-an-account"})
	w.settle()
	d := w.open(t)
	calls := counted(t, func(ctx context.Context) error {
		seen, err := d.Observe(ctx, scopes)
		for i, o := range seen {
			if want := i == 1 || i >= 60; o.Missing != want {
				t.Errorf("tenant %d: missing is %t, want %t", i, o.Missing, want)
			}
		}
		return err
	})
	if most := 1 + 4; calls > most {
		t.Errorf("%d calls for 62 tenants without groups, want at most %d pages of 20 accounts", calls, most)
	}
}
