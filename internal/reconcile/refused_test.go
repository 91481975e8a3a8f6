package reconcile

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// membersOf returns the accounts with these ids as an object of a step.
func membersOf(group string, refs ...string) plan.Object {
	if len(refs) == 0 {
		return plan.Object{}
	}
	m := &plan.Members{Group: group}
	for _, ref := range refs {
		m.Accounts = append(m.Accounts, access.Member{Account: access.Account{Name: ref, Ref: ref}})
	}
	return plan.Object{Members: m}
}

// memberStep returns a step that changes the members of a group.
func memberStep(id, group string, adds, removes []string) plan.Step {
	return plan.Step{
		ID: id, Op: plan.Change, Kind: access.KindMembers, Object: group,
		Have: membersOf(group, removes...), Want: membersOf(group, adds...),
	}
}

// accountStep returns a step that creates an account.
func accountStep(id, account string) plan.Step {
	return plan.Step{
		ID: id, Op: plan.Create, Kind: access.KindAccount, Object: account,
		Want: plan.Object{Account: &access.Newcomer{Account: access.Account{Name: account}}},
	}
}

// bindingStep returns a step that creates or deletes a role of a group, or of users.
func bindingStep(id string, op plan.Op, b access.Binding) plan.Step {
	s := plan.Step{ID: id, Op: op, Kind: access.KindBinding, Object: b.Role}
	if op == plan.Delete {
		s.Have.Binding = &b
	} else {
		s.Want.Binding = &b
	}
	return s
}

// failedIn returns the record of a step that failed in pass n.
func failedIn(n int, s plan.Step, answer string) ledger.Record {
	return ledger.Record{Run: ledger.Run{Pass: n}, Step: s, Attempts: 1, Err: answer}
}

func TestRefusedAccountWarnings(t *testing.T) {
	t.Parallel()
	first, second := memberStep("ann", "dev", []string{"ann"}, nil), memberStep("bob", "dev", []string{"bob"}, nil)
	both := memberStep("both", "dev", []string{"ann", "bob"}, nil)
	group := plan.Step{ID: "group", Op: plan.Create, Kind: access.KindGroup, Object: "dev", Want: plan.Object{Group: &access.Group{Name: "dev"}}}
	for _, c := range []struct {
		reason string
		steps  []plan.Step
		failed []ledger.Record
		since  int
		want   int
	}{
		{"nothing is left to do", nil, []ledger.Record{failedIn(1, first, "Invalid: no")}, 1, 0},
		{"the only account of the step is refused", []plan.Step{first}, []ledger.Record{failedIn(1, first, "Invalid: no")}, 1, 1},
		{
			"each account of the step is refused", []plan.Step{both},
			[]ledger.Record{failedIn(1, first, "Invalid: no"), failedIn(1, second, "Unsupported: no")}, 1, 2,
		},
		{"one account of the step is not refused", []plan.Step{both}, []ledger.Record{failedIn(1, first, "Invalid: no")}, 1, 0},
		{"one step is about another account", []plan.Step{first, second}, []ledger.Record{failedIn(1, first, "Invalid: no")}, 1, 0},
		{"one step is about the group", []plan.Step{group, first}, []ledger.Record{failedIn(1, first, "Invalid: no")}, 1, 0},
		{
			"one step also removes an account", []plan.Step{memberStep("x", "dev", []string{"ann"}, []string{"bob"})},
			[]ledger.Record{failedIn(1, first, "Invalid: no")}, 1, 0,
		},
		{"the account is refused in another group", []plan.Step{first}, []ledger.Record{failedIn(1, memberStep("x", "ops", []string{"ann"}, nil), "Invalid: no")}, 1, 0},
		{"the refusal of two accounts together says nothing about one", []plan.Step{both}, []ledger.Record{failedIn(1, both, "Invalid: no")}, 1, 0},
		{"the platform failed for now", []plan.Step{first}, []ledger.Record{failedIn(1, first, "Unavailable: 503")}, 1, 0},
		{"the connection lacks a permission to add members", []plan.Step{first}, []ledger.Record{failedIn(1, first, "Denied: 403")}, 1, 0},
		{"the refusal is older than the repair", []plan.Step{first}, []ledger.Record{failedIn(1, first, "Invalid: no")}, 2, 0},
		{"an account cannot be created", []plan.Step{accountStep("a", "ann@x")}, []ledger.Record{failedIn(1, accountStep("a", "ann@x"), "Invalid: no")}, 1, 1},
		{
			"the platform does not admit an account, and says that a permission lacks", []plan.Step{accountStep("a", "ann@x")},
			[]ledger.Record{failedIn(1, accountStep("a", "ann@x"), "Denied: 403")}, 1, 1,
		},
		{"another account is refused", []plan.Step{accountStep("a", "ann@x")}, []ledger.Record{failedIn(1, accountStep("b", "bob@x"), "Invalid: no")}, 1, 0},
	} {
		if got := refusedAccountWarnings(c.steps, c.failed, c.since); len(got) != c.want {
			t.Errorf("%s: the warnings are %v, want %d", c.reason, got, c.want)
		}
	}
}

func TestCountRefusedAccounts(t *testing.T) {
	t.Parallel()
	whole := memberStep("whole", "dev", []string{"ann", "bob"}, []string{"cem"})
	part := memberStep("part", "dev", []string{"ann"}, nil)
	part.PartOf = whole.ID
	role := bindingStep("role", plan.Create, access.Binding{Role: "owner", Group: "dev"})
	p := plan.Plan{Steps: []plan.Step{whole, role, accountStep("account", "ann@x")}}
	for _, c := range []struct {
		reason string
		ids    []string
		failed []ledger.Record
		since  int
		want   int
	}{
		{"no step failed", []string{"whole"}, nil, 0, 0},
		{
			"one account of a step is refused, in a part of it", []string{"whole"},
			[]ledger.Record{failedIn(1, part, "Invalid: no"), failedIn(1, whole, "Invalid: no")}, 0, 1,
		},
		{
			"the rest of the step may succeed later", []string{"whole"},
			[]ledger.Record{failedIn(1, part, "Invalid: no"), failedIn(1, whole, "Unavailable: 503")}, 0, 0,
		},
		{"a role is refused", []string{"role"}, []ledger.Record{failedIn(1, role, "Invalid: no")}, 0, 0},
		{
			"another batch has the step", []string{"role"},
			[]ledger.Record{failedIn(1, part, "Invalid: no"), failedIn(1, whole, "Invalid: no")}, 0, 0,
		},
		{"an account cannot be created", []string{"account"}, []ledger.Record{failedIn(2, accountStep("account", "ann@x"), "Denied: 403")}, 2, 1},
		{"that was before the trigger of this run", []string{"account"}, []ledger.Record{failedIn(2, accountStep("account", "ann@x"), "Denied: 403")}, 3, 0},
	} {
		if got := countRefusedAccounts(p, c.ids, c.failed, c.since); got != c.want {
			t.Errorf("%s: %d, want %d", c.reason, got, c.want)
		}
	}
}

func TestImmovableRoles(t *testing.T) {
	t.Parallel()
	owner := access.Binding{Role: "owner", Group: "dev", Ref: "b1"}
	user := access.Binding{Role: "owner", Name: "ann", Ref: "b2"}
	for _, c := range []struct {
		reason string
		failed ledger.Record
		since  int
		want   []plan.Removal
	}{
		{"the platform does not take a role from a group", failedIn(1, bindingStep("x", plan.Delete, owner), "Invalid: locked"), 0, []plan.Removal{{Object: owner.Key(), Ref: "b1"}}},
		{"the refusal is older than the repair", failedIn(1, bindingStep("x", plan.Delete, owner), "Invalid: locked"), 2, nil},
		{"the platform failed for now", failedIn(1, bindingStep("x", plan.Delete, owner), "Unavailable: 503"), 0, nil},
		{"the role of a user has no members to remove", failedIn(1, bindingStep("x", plan.Delete, user), "Invalid: locked"), 0, nil},
		{"the role could not be granted", failedIn(1, bindingStep("x", plan.Create, owner), "Invalid: locked"), 0, nil},
		{"a member could not be removed", failedIn(1, memberStep("x", "dev", nil, []string{"ann"}), "Invalid: locked"), 0, nil},
	} {
		got := immovableRoles([]ledger.Record{c.failed}, c.since)
		if diff := cmp.Diff(c.want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.reason, diff)
		}
	}
}
