package drivertest_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest"
	"github.com/rollcall-iam/rollcall/internal/driver/memory/memorytest"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// The laws about renaming, adopting and carrying say many things at once. Here is
// a broken driver for each of them.

// ruin is a spoil that can reach behind the driver's back.
type ruin func(testing.TB, drivertest.World, driver.Driver) broken

// wrong is a ruin and what the law has to say of it.
type wrong struct {
	ruin ruin
	says string
}

func TestLawsOfRenamingFindTheirBreakers(t *testing.T) {
	t.Parallel()
	for law, ways := range map[drivertest.Law]map[string]wrong{
		drivertest.RenamesInPlace:         brokenRenames(),
		drivertest.GroupsAreAdopted:       brokenAdoptions(),
		drivertest.CarriedRolesAreNobodys: brokenCarries(),
		drivertest.TableMatchesProfile: {
			"renames all the same": {simply(func(driver.Driver) broken {
				return broken{profile: func(p driver.Profile) driver.Profile { p.Renames = false; return p }}
			}), "to rename a group, which the profile does not imply"},
			"any group will do": {mistaken("laws-none", fault.ErrInvalid, nil), "to change a group without its id"},
		},
		drivertest.FaultsAreNamed: {
			"all the same": {mistaken("laws-named-theirs", fault.ErrDenied, fault.ErrUnavailable), "change group answered with 403"},
		},
		drivertest.LostAnswers: {
			"hoped for": {mistaken("laws-lost-renamed", fault.ErrUnavailable, nil), "renaming a group: its answer was lost"},
		},
	} {
		for name, way := range ways {
			t.Run(string(law)+"/"+name, func(t *testing.T) {
				t.Parallel()
				suite := memorytest.Suite()
				suite.New = func(t testing.TB) drivertest.World {
					w := memorytest.New(t)
					good := w.Open
					w.Open = func(t testing.TB) driver.Driver {
						d := good(t)
						bad := way.ruin(t, w, d)
						bad.Driver = d
						return bad
					}
					return w
				}
				complaints := watch(t, suite, law)
				if len(complaints) == 0 {
					t.Fatal("the law is content with a driver that breaks it")
				}
				if said := strings.Join(complaints, "\n"); !strings.Contains(said, way.says) {
					t.Errorf("the law says nothing of %q, but: %s", way.says, said)
				}
			})
		}
	}
}

func brokenRenames() map[string]wrong {
	return map[string]wrong{
		"made anew":         {simply(madeAnew), "answers with the id"},
		"written again":     {simply(writtenAgain), "calls that write"},
		"nothing done":      {simply(nothingDone), `access.Mark{`},
		"a name taken over": {mistaken("laws-renamed-bare", fault.ErrConflict, nil), "to give a group the name of another one"},
		"gone is as good":   {mistaken("laws-renamed-gone", fault.ErrNotFound, nil), "to rename a group that is gone"},
		"moved is gone":     {mistaken("laws-renamed-late", fault.ErrConflict, fault.ErrNotFound), "from a name that it has no more"},
		"from any name":     {simply(fromAnyName), "from a name that it has no more"},
		"found by name only": {simply(func(good driver.Driver) broken {
			return broken{observe: func(ctx context.Context, scopes []driver.Scope) ([]driver.Observation, error) {
				scopes = slices.Clone(scopes)
				for i, scope := range scopes {
					scopes[i].Groups = nil
					for _, g := range scope.Groups {
						scopes[i].Groups = append(scopes[i].Groups, access.Group{Name: g.Name})
					}
				}
				return good.Observe(ctx, scopes)
			}}
		}), `access.Mark{`},
		"not as planned": {simply(func(good driver.Driver) broken {
			return broken{apply: func(ctx context.Context, scope driver.Scope, steps []plan.Step) []driver.Result {
				results := good.Apply(ctx, scope, steps)
				if s := steps[0]; changes(s) && s.Want.Group.Name == "laws-planned-renamed" { // its roles go
					b := access.Binding{Role: "reader", Group: s.Want.Group.Name, GroupRef: results[0].Ref}
					good.Apply(ctx, scope, []plan.Step{{Op: plan.Delete, Kind: access.KindBinding, Have: plan.Object{Binding: &b}}})
				}
				return results
			}}
		}), "there is still something to do"},
		"found by a former name": {simply(func(good driver.Driver) broken {
			return broken{apply: func(ctx context.Context, scope driver.Scope, steps []plan.Step) []driver.Result {
				results := good.Apply(ctx, scope, steps)
				if s := steps[0]; s.Op == plan.Create && s.Kind == access.KindGroup {
					if g, there := named(ctx, good, scope, "laws-renamed-bound"); there {
						results[0].Ref = g.Ref
					}
				}
				return results
			}}
		}), "former name answers with the renamed one"},
	}
}

func brokenAdoptions() map[string]wrong {
	return map[string]wrong{
		"written again": {simply(writtenAgain), "calls that write"},
		"nothing done":  {simply(nothingDone), `access.Mark{`},
		"stolen":        {simply(thief), "marked as another installation's"},
		"text lost": {afterwards(func(t testing.TB, w drivertest.World, scope driver.Scope, ref string) {
			w.Describe(t, ref, scope.Mark.Text())
		}), "what people wrote"},
		"members lost": {simply(func(good driver.Driver) broken {
			return broken{observe: func(ctx context.Context, scopes []driver.Scope) ([]driver.Observation, error) {
				got, err := good.Observe(ctx, scopes)
				for i := range got {
					for j, g := range got[i].State.Groups {
						if g.Mark == scopes[i].Mark { // nobody can tell whether they are not shown or not there
							got[i].State.Groups[j].Members = nil
						}
					}
				}
				return got, err
			}}
		}), "Members:"},
	}
}

func brokenCarries() map[string]wrong {
	binding := func(change func(*access.Binding)) ruin {
		return simply(func(good driver.Driver) broken {
			return broken{observe: func(ctx context.Context, scopes []driver.Scope) ([]driver.Observation, error) {
				got, err := good.Observe(ctx, scopes)
				for i := range got {
					for j, b := range got[i].State.Bindings {
						if b.Role == "reader" && b.Group == "laws-carried-2" {
							change(&got[i].State.Bindings[j])
						}
					}
				}
				return got, err
			}}
		})
	}
	mark := access.Mark{Installation: "laws", Tenant: "laws.carried/platform.test"}
	return map[string]wrong{
		"with our mark":     {binding(func(b *access.Binding) { b.Mark = mark }), `Installation: "laws"`},
		"by a name":         {binding(func(b *access.Binding) { b.Name = "carried" }), "bool("},
		"without its limit": {binding(func(b *access.Binding) { b.Condition = "" }), "is not what was asked for"},
		"twice":             {simply(result(carriedTwice())), "carrying a role again answers"},
	}
}

// carriedTwice gives each carried role another id.
func carriedTwice() func(plan.Step, driver.Result) driver.Result {
	var times atomic.Int64
	return func(s plan.Step, r driver.Result) driver.Result {
		if s.Want.Binding != nil && s.Want.Binding.Carried {
			r.Ref += strings.Repeat("'", int(times.Add(1)))
		}
		return r
	}
}

func simply(s spoil) ruin {
	return func(_ testing.TB, _ drivertest.World, good driver.Driver) broken { return s(good) }
}

// changes reports whether a step renames or adopts a group.
func changes(s plan.Step) bool { return s.Kind == access.KindGroup && s.Op == plan.Change }

// named is a group as it is now.
func named(ctx context.Context, d driver.Driver, scope driver.Scope, name string) (access.Group, bool) {
	scope.Groups = []access.Group{{Name: name}}
	seen, _ := d.Observe(ctx, []driver.Scope{scope})
	i := slices.IndexFunc(seen[0].State.Groups, func(g access.Group) bool { return g.Name == name })
	if i < 0 {
		return access.Group{}, false
	}
	return seen[0].State.Groups[i], true
}

// mistaken takes one failure to give a group that name for another failure, or
// for success.
func mistaken(name string, class, other error) ruin {
	return simply(result(func(s plan.Step, r driver.Result) driver.Result {
		if changes(s) && s.Want.Group.Name == name && errors.Is(r.Err, class) {
			r = driver.Result{Ref: s.Have.Group.Ref, Err: other}
		}
		return r
	}))
}

// afterwards does something to a group that was just changed.
func afterwards(do func(testing.TB, drivertest.World, driver.Scope, string)) ruin {
	return func(t testing.TB, w drivertest.World, good driver.Driver) broken {
		return broken{apply: func(ctx context.Context, scope driver.Scope, steps []plan.Step) []driver.Result {
			results := good.Apply(ctx, scope, steps)
			if changes(steps[0]) && results[0].Err == nil {
				do(t, w, scope, results[0].Ref)
			}
			return results
		}}
	}
}

// fromAnyName lets a late step undo what came after it.
func fromAnyName(good driver.Driver) broken {
	return broken{apply: func(ctx context.Context, scope driver.Scope, steps []plan.Step) []driver.Result {
		if s := steps[0]; changes(s) && s.Want.Group.Name == "laws-renamed-late" {
			if g, there := named(ctx, good, scope, "laws-renamed-bound"); there {
				steps = slices.Clone(steps)
				steps[0].Have.Group = &g
			}
		}
		return good.Apply(ctx, scope, steps)
	}}
}

// thief takes other installations' groups for its own.
func thief(good driver.Driver) broken {
	return broken{apply: func(ctx context.Context, scope driver.Scope, steps []plan.Step) []driver.Result {
		if s := steps[0]; changes(s) {
			if g, there := named(ctx, good, scope, s.Have.Group.Name); there && g.Mark.Contradicts(scope.Mark) {
				scope.Mark = g.Mark
			}
		}
		return good.Apply(ctx, scope, steps)
	}}
}

// nothingDone says that all is well.
func nothingDone(good driver.Driver) broken {
	return broken{apply: func(ctx context.Context, scope driver.Scope, steps []plan.Step) []driver.Result {
		if changes(steps[0]) {
			return []driver.Result{{Ref: steps[0].Have.Group.Ref}}
		}
		return good.Apply(ctx, scope, steps)
	}}
}

// madeAnew makes a group of the new name and removes the one there is.
func madeAnew(good driver.Driver) broken {
	return broken{apply: func(ctx context.Context, scope driver.Scope, steps []plan.Step) []driver.Result {
		if s := steps[0]; changes(s) {
			remove, create := s, s
			remove.Op, remove.Want = plan.Delete, plan.Object{}
			create.Op, create.Have = plan.Create, plan.Object{}
			steps = []plan.Step{remove, create}
			return good.Apply(ctx, scope, steps)[1:]
		}
		return good.Apply(ctx, scope, steps)
	}}
}

// writtenAgain writes also where there is nothing to change.
func writtenAgain(good driver.Driver) broken {
	return broken{apply: func(ctx context.Context, scope driver.Scope, steps []plan.Step) []driver.Result {
		results := good.Apply(ctx, scope, steps)
		if changes(steps[0]) && results[0].Err == nil {
			nobody := &plan.Members{Group: steps[0].Want.Group.Name, GroupRef: results[0].Ref}
			good.Apply(ctx, scope, []plan.Step{{Op: plan.Change, Kind: access.KindMembers, Want: plan.Object{Members: nobody}}})
		}
		return results
	}}
}
