package activities_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
)

// rename gives an account another name.
func (l *lab) rename(id, name string) {
	l.t.Helper()
	l.edit(func(w *memory.World) {
		for i := range w.Users {
			if w.Users[i].ID == id {
				w.Users[i].Name = name
			}
		}
	})
}

// outcome returns the outcome of the tenant's last run and the codes of its warnings.
func (l *lab) outcome() (activities.Outcome, []access.Code) {
	l.t.Helper()
	status, err := l.store.Statuses(l.t.Context(), store.TenantFilter{})
	if err != nil || len(status) != 1 {
		l.t.Fatalf("statuses %+v, %v; want one", status, err)
	}
	var codes []access.Code
	for _, r := range status[0].Remarks {
		codes = append(codes, r.Code)
	}
	return activities.Outcome(status[0].Outcome), codes
}

// TestPlan_GrantsNoRememberedAccount: a name that is another account's now is granted to that
// account, although the former one was found under it within a day.
func TestPlan_GrantsNoRememberedAccount(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		reason string
		change func(*lab)
		want   []string
	}{
		{"a new user has the name of one who left", func(l *lab) {
			l.rename("u-benedict", "benedict.left")
			l.edit(func(w *memory.World) { w.Users = append(w.Users, memory.User{ID: "u-new", Name: "benedict"}) })
		}, []string{"u-adaline", "u-new"}},
		{"the account is gone", func(l *lab) {
			l.edit(func(w *memory.World) { w.RemoveUser("u-benedict") })
		}, []string{"u-adaline"}},
		{"nothing changed", func(*lab) {}, []string{"u-adaline", "u-benedict"}},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			l.want(1)
			l.converge()
			if err := l.keep(map[string]access.Resolution{"benedict": {Found: access.Yes, Refs: []string{"u-benedict"}}}); err != nil {
				t.Fatal(err)
			}
			tc.change(l)
			l.want(2)
			l.converge()
			if diff := cmp.Diff(tc.want, l.members()); diff != "" {
				t.Errorf("members (-want +got):\n%s", diff)
			}
		})
	}
}

// TestAccountOfTwoUsers: users who end in one account gain nothing and lose nothing, wherever
// the second one has access, and a revocation reaches the account only if it was given to the
// revoked user.
func TestAccountOfTwoUsers(t *testing.T) {
	t.Parallel()
	upper := func(second string) settings {
		euids := map[string]string{"adaline": "kim"}
		if second != "" {
			euids["benedict"] = second
		}
		return settings{bound: 1, replication: `euidPattern: "%S",`, euids: euids}
	}
	begin := func(t *testing.T) *lab {
		t.Helper()
		l := newLab(t)
		l.edit(func(w *memory.World) { w.Users = append(w.Users, memory.User{ID: "u-kim", Name: "KIM"}) })
		return l
	}
	members := func(t *testing.T, l *lab, want []string, when string) {
		t.Helper()
		if diff := cmp.Diff(want, l.members()); diff != "" {
			t.Errorf("members %s (-want +got):\n%s", when, diff)
		}
	}
	t.Run("before the first run", func(t *testing.T) {
		t.Parallel()
		l := begin(t)
		l.documents(upper("Kim"))
		l.runOnce()
		members(t, l, nil, "of an account that two users have from the start")
		if _, codes := l.outcome(); !cmp.Equal(codes, []access.Code{access.AccountCollision}) {
			t.Errorf("warnings %v, want %s", codes, access.AccountCollision)
		}
		r := l.revoke("adaline")
		if _, err := l.removeUser(r); err != nil {
			t.Fatal(err)
		}
		if left := l.stands(r).Remarks; len(left) != 1 || left[0].Code != access.AccountCollision || left[0].Object != "adaline" {
			t.Errorf("the revocation leaves the account alone, and says %+v; want one %s", left, access.AccountCollision)
		}
		if err := l.store.Lift(t.Context(), "adaline", "back", storetest.By("hr")); err != nil {
			t.Fatal(err)
		}
		l.documents(upper(""))
		l.converge()
		members(t, l, []string{"u-kim"}, "after the second user has another euid")
	})
	t.Run("with blanks around the euid", func(t *testing.T) {
		t.Parallel()
		l := begin(t)
		s := upper("")
		s.euids["adaline"] = " kim"
		l.documents(s)
		l.converge()
		members(t, l, []string{"u-kim"}, "of an euid that is written with a blank")
		s.euids["benedict"] = "Kim"
		l.documents(s)
		if _, err := l.removeUser(l.revoke("benedict")); err != nil {
			t.Fatal(err)
		}
		members(t, l, []string{"u-kim"}, "after the other user was revoked")
		if out, err := l.removeUser(l.revoke("adaline")); err != nil || out.Sets != 1 {
			t.Errorf("%+v, %v; want one set", out, err)
		}
		members(t, l, nil, "after the user was revoked to whom the account was given")
	})
	t.Run("after it was given", func(t *testing.T) {
		t.Parallel()
		l := begin(t)
		l.documents(upper(""))
		l.converge()
		l.documents(upper("Kim"))
		l.converge()
		members(t, l, []string{"u-kim"}, "after another user came to the account")
		if _, err := l.removeUser(l.revoke("benedict")); err != nil {
			t.Fatal(err)
		}
		l.converge()
		members(t, l, []string{"u-kim"}, "after the other user was revoked, who was never given the account")
		if out, err := l.removeUser(l.revoke("adaline")); err != nil || out.Sets != 1 {
			t.Errorf("%+v, %v; want one set", out, err)
		}
		members(t, l, nil, "after the user was revoked to whom the account was given")
		l.converge()
		members(t, l, nil, "after a run")
	})
}

// TestApply_GrantsNoAccountThatAnotherUserCameTo: documents that give the account to a second
// user are stored between the plan and its application.
func TestApply_GrantsNoAccountThatAnotherUserCameTo(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.edit(func(w *memory.World) { w.Users = append(w.Users, memory.User{ID: "u-kim", Name: "KIM"}) })
	s := settings{bound: 1, replication: `euidPattern: "%S",`, euids: map[string]string{"adaline": "kim"}}
	l.documents(s)
	aged, err := l.plan(activities.PlanInput{})
	if err != nil {
		t.Fatal(err)
	}
	s.euids["benedict"] = "Kim"
	l.documents(s)
	out, err := l.apply(aged)
	if err != nil || !out.Replan {
		t.Errorf("applying the plan of a user who had the account alone: %+v, %v; want it to be made again", out, err)
	}
	if diff := cmp.Diff([]string(nil), l.members()); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
}

// accountOfTwoNames is a platform that finds one account by two names, of which users have one
// each.
type accountOfTwoNames struct {
	*stage
	id      string // of the account
	name    string // another euid of the account
	other   string // an euid of an account of its own
	members func(project string) []string
}

func memoryAliases(t *testing.T) accountOfTwoNames {
	t.Helper()
	s := memoryStage(t, 100, "web", "shop")
	s.edit(func(w *memory.World) {
		for i, u := range w.Users {
			if u.Name == "adaline" {
				w.Users[i].Aliases = []string{"ada"}
			}
		}
	})
	return accountOfTwoNames{s, "u-adaline", "ada", "benedict", func(project string) []string {
		for _, g := range s.world().Groups {
			if g.Name == group(project) {
				return g.Members
			}
		}
		return nil
	}}
}

// azureAliases is an Azure with a guest, who is found by mail and by userPrincipalName.
func azureAliases(t *testing.T) accountOfTwoNames {
	t.Helper()
	s := newAzureStage(t, azureQuick(), "web", "shop")
	id := s.cloud.AddGuestPending(s.tenant, "ada@example.com")
	s.cloud.Accept(s.tenant, id)
	s.euids["adaline"] = "ada"
	return accountOfTwoNames{s.stage, id, "ada_example.com#EXT#", "benedict", func(project string) []string {
		for _, g := range s.named(group(project)) {
			return g.Members
		}
		return nil
	}}
}

// TestAccountOfTwoNames: users of different tenants whose names the platform finds to be one
// account gain nothing and lose nothing, on every tenant.
func TestAccountOfTwoNames(t *testing.T) {
	for name, open := range map[string]func(*testing.T) accountOfTwoNames{"memory": memoryAliases, "azure": azureAliases} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			check := func(when string, warned bool, want map[string][]string) {
				t.Helper()
				for project, members := range want {
					if diff := cmp.Diff(members, s.members(project), cmpopts.EquateEmpty()); diff != "" {
						t.Errorf("%s: members of %s (-want +got):\n%s", when, project, diff)
					}
					if _, codes := s.status(project); slices.Contains(codes, access.AccountCollision) != warned {
						t.Errorf("%s: the warnings of %s are %v, want %s: %t", when, project, codes, access.AccountCollision, warned)
					}
				}
			}
			s.ask(map[string][]string{"web": {"adaline"}})
			s.run("web")
			check("a user alone", false, map[string][]string{"web": {s.id}})

			s.euids["benedict"] = s.name
			s.ask(map[string][]string{"web": {"adaline"}, "shop": {"benedict"}})
			s.run("shop", "web")
			check("another user has the account on another tenant", true, map[string][]string{"web": {s.id}, "shop": nil})

			s.ask(map[string][]string{"web": {"adaline"}, "shop": {"adaline"}})
			s.run("shop", "web")
			check("the first user gets another tenant", true, map[string][]string{"web": {s.id}, "shop": nil})

			s.euids["benedict"] = s.other
			s.ask(map[string][]string{"web": {"adaline"}, "shop": {"adaline"}})
			s.run("shop", "web")
			check("the other user's euid is corrected", false, map[string][]string{"web": {s.id}, "shop": {s.id}})
		})
	}
}
