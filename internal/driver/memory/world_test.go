package memory_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

func seeded(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "deep", "world.json")
	if err := memory.Seed(file, example()); err != nil {
		t.Fatal(err)
	}
	return file
}

func example() memory.World {
	return memory.World{
		Tenants: []memory.Tenant{{ID: "shop-dev"}, {ID: "shop-prod"}},
		Users: []memory.User{
			{Name: "ada@example.com"}, {Name: "bob@example.com", Disabled: true},
			{ID: "twin-1", Name: "eve@example.com"}, {ID: "twin-2", Name: "eve@example.com"},
		},
		Groups:   []memory.Group{{ID: "g1", Name: "old admins", Members: []string{"twin-1"}}},
		Bindings: []memory.Binding{{Tenant: "shop-dev", Role: "owner", Group: "g1"}},
	}
}

func read(t *testing.T, file string) memory.World {
	t.Helper()
	w, err := memory.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func open(t *testing.T, file string) driver.Driver {
	t.Helper()
	settings, err := json.Marshal(map[string]any{"file": file, "replication": map[string]any{}})
	if err != nil {
		t.Fatal(err)
	}
	d, err := memory.Open(t.Context(), drivertest.Config("memory.test", settings, nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestSeedTwiceIsSeedOnce(t *testing.T) {
	t.Parallel()
	file := seeded(t)
	before := read(t, file)
	if err := memory.Seed(file, example()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, read(t, file)); diff != "" {
		t.Errorf("seeding again changed the world: %s", diff)
	}
	if len(before.Users) != 4 || len(before.Bindings) != 1 {
		t.Errorf("the seed is not there: %+v", before)
	}
}

func TestEditRefusesContradictions(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		change func(*memory.World)
	}{
		"StrangeMember": {"a member is a user", func(w *memory.World) { w.Groups[0].Members = []string{"nobody"} }},
		"SameName":      {"group names are unique", func(w *memory.World) { w.Groups = append(w.Groups, memory.Group{ID: "g2", Name: "old admins"}) }},
		"SameID":        {"ids are unique", func(w *memory.World) { w.Tenants = append(w.Tenants, memory.Tenant{ID: "g1"}) }},
		"NoID":          {"everything has an id", func(w *memory.World) { w.Users = append(w.Users, memory.User{Name: "x"}) }},
		"Dangling":      {"a role is on a tenant", func(w *memory.World) { w.Tenants = nil }},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := seeded(t)
			before := read(t, file)
			err := memory.Edit(file, func(w *memory.World) error { c.change(w); return nil })
			if !errors.Is(err, fault.ErrInvalid) {
				t.Errorf("%s: Edit = %v, want ErrInvalid", c.reason, err)
			}
			if diff := cmp.Diff(before, read(t, file)); diff != "" {
				t.Errorf("%s: the refused change is in the file: %s", c.reason, diff)
			}
		})
	}
}

func TestRemoveUserLeavesNoMember(t *testing.T) {
	t.Parallel()
	file := seeded(t)
	if err := memory.Edit(file, func(w *memory.World) error { w.RemoveUser("twin-1"); return nil }); err != nil {
		t.Fatal(err)
	}
	if w := read(t, file); len(w.Groups[0].Members) != 0 || len(w.Users) != 3 {
		t.Errorf("the user is still there: %+v", w)
	}
}

// Each driver stands for a process: the lock is between open files.
func TestManyWritersLoseNothing(t *testing.T) {
	t.Parallel()
	file := seeded(t)
	const writers, groups = 6, 5
	scope := driver.Scope{ID: "shop-dev", Mark: access.Mark{Installation: "test", Tenant: "shop.dev/memory.test"}}
	var running sync.WaitGroup
	for i := range writers {
		d := open(t, file)
		running.Go(func() {
			for j := range groups {
				step := plan.Step{Op: plan.Create, Kind: access.KindGroup}
				step.Want.Group = &access.Group{Name: fmt.Sprintf("g %d %d", i, j)}
				for _, r := range d.Apply(t.Context(), scope, []plan.Step{step}) {
					if r.Err != nil {
						t.Error(r.Err)
					}
				}
				if _, err := d.Resolve(t.Context(), []string{"ada@example.com"}); err != nil {
					t.Errorf("a reader beside writers fails: %v", err)
				}
			}
		})
	}
	running.Wait()
	w := read(t, file)
	if len(w.Groups) != 1+writers*groups || w.Revision != writers*groups {
		t.Errorf("%d writers made %d groups in %d writes, want %d", writers, len(w.Groups)-1, w.Revision, writers*groups)
	}
}

// An unreadable world is never an empty one.
func TestNoWorldIsNoAnswer(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "world.json")
	d := open(t, file)
	scopes := []driver.Scope{{ID: "shop-dev"}}
	if _, err := d.Observe(t.Context(), scopes); !errors.Is(err, fault.ErrUnavailable) {
		t.Errorf("without a file Observe = %v, want ErrUnavailable", err)
	}
	if err := os.WriteFile(file, []byte(`{"tenants": [`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Observe(t.Context(), scopes); !errors.Is(err, fault.ErrUnavailable) {
		t.Errorf("with half a file Observe = %v, want ErrUnavailable", err)
	}
	if err := memory.Seed(file, example()); err == nil {
		t.Error("Seed took half a file for an empty world")
	}
}

func TestOpenRefusesBadSettings(t *testing.T) {
	t.Parallel()
	for reason, settings := range map[string]string{
		"no file": `{}`, "an empty page": `{"file":"w","pageSize":-1}`, "no JSON": `file: w`, "nothing": ``,
	} {
		_, err := memory.Open(t.Context(), drivertest.Config("memory.test", []byte(settings), nil, nil))
		if !errors.Is(err, fault.ErrInvalid) {
			t.Errorf("with %s Open = %v, want ErrInvalid", reason, err)
		}
	}
}

// TestRelativeFile starts from the connections' directory, not from the worker's.
func TestRelativeFile(t *testing.T) {
	t.Parallel()
	file := seeded(t)
	config := drivertest.Config("memory.test", []byte(`{"file":"deep/world.json"}`), nil, nil)
	config.Settings = json.RawMessage(`{"file":"/nonexistent","replication":{}}`) // a document names no file
	scopes := []driver.Scope{{ID: "shop-dev"}}
	for dir, want := range map[string]error{
		filepath.Dir(filepath.Dir(file)): nil, filepath.Dir(file): fault.ErrUnavailable, "": fault.ErrUnavailable,
	} {
		config.Connection.Dir = dir
		d, err := memory.Open(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Observe(t.Context(), scopes); !errors.Is(err, want) {
			t.Errorf("with the directory %q Observe = %v, want %v", dir, err, want)
		}
	}
}

func TestFaultsFromOutside(t *testing.T) {
	t.Parallel()
	file := seeded(t)
	d := open(t, file)
	if err := memory.Edit(file, func(w *memory.World) error {
		w.Faults = []memory.Fault{{
			Op: "read:users", Skip: 1, Times: 1, Class: "throttled",
			RetryAfter: memory.Duration(3 * time.Second), Delay: memory.Duration(time.Millisecond),
		}}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for i, want := range []error{nil, fault.ErrThrottled, nil} {
		_, err := d.Resolve(context.Background(), []string{"ada@example.com"})
		if !errors.Is(err, want) {
			t.Errorf("call %d = %v, want %v", i+1, err, want)
		}
		if after, _ := fault.RetryAfter(err); want != nil && after != 3*time.Second {
			t.Errorf("the fault says to retry after %s, want 3s", after)
		}
	}
	if hits := read(t, file).Faults[0].Hits; hits != 1 {
		t.Errorf("the fault struck %d times, want once", hits)
	}
}

// TestFaultsThatMention refuses the writes that mention one account, for good, for now, or
// with an answer that is lost; others go through.
func TestFaultsThatMention(t *testing.T) {
	t.Parallel()
	for reason, c := range map[string]struct {
		fault memory.Fault
		want  []error // of one attempt after the other
		in    bool    // the account is a member in the end
	}{
		"for good":        {memory.Fault{Class: "denied"}, []error{fault.ErrDenied, fault.ErrDenied}, false},
		"for now":         {memory.Fault{Class: "unavailable", Times: 1}, []error{fault.ErrUnavailable, nil}, true},
		"done and lost":   {memory.Fault{Lost: true, Times: 1}, []error{fault.ErrUnavailable, nil}, true},
		"carried out":     {memory.Fault{Class: "pending", Lost: true, RetryAfter: memory.Duration(time.Second), Times: 1}, []error{fault.ErrPending, nil}, true},
		"nobody knows it": {memory.Fault{Class: fault.ErrUnknown.Error()}, []error{fault.ErrUnknown, fault.ErrUnknown}, false},
	} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			file := seeded(t)
			d := open(t, file)
			resolved, err := d.Resolve(t.Context(), []string{"ada@example.com", "bob@example.com"})
			if err != nil {
				t.Fatal(err)
			}
			ada, bob := resolved[0].Refs[0], resolved[1].Refs[0]
			tenant := driver.Scope{ID: read(t, file).Tenants[0].ID}
			group := d.Apply(t.Context(), tenant, []plan.Step{{Op: plan.Create, Kind: access.KindGroup, Want: plan.Object{Group: &access.Group{Name: "g"}}}})[0].Ref
			c.fault.Op, c.fault.Contains = "write:*", ada
			if err := memory.Edit(file, func(w *memory.World) error {
				w.Faults = []memory.Fault{c.fault}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			add := func(ref string) error {
				return d.Apply(t.Context(), tenant, []plan.Step{{Op: plan.Change, Kind: access.KindMembers, Want: plan.Object{Members: &plan.Members{
					Group: "g", GroupRef: group, Accounts: []access.Member{{Account: access.Account{Ref: ref}}},
				}}}})[0].Err
			}
			for i, want := range c.want {
				if err := add(ada); !errors.Is(err, want) {
					t.Errorf("attempt %d: got %v, want %v", i+1, err, want)
				}
			}
			if err := add(bob); err != nil {
				t.Errorf("another account: %v", err)
			}
			w := read(t, file)
			at := slices.IndexFunc(w.Groups, func(g memory.Group) bool { return g.ID == group })
			if in := slices.Contains(w.Groups[at].Members, ada); in != c.in {
				t.Errorf("ada is a member: %t, want %t", in, c.in)
			}
		})
	}
}
