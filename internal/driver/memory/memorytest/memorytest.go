// Package memorytest is a memory platform as the laws of package drivertest
// need it: with power behind the driver's back.
package memorytest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/drivertest"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// pageSize is small, so that few objects make many pages.
const pageSize = 10

// Suite is the memory driver under all laws.
func Suite() drivertest.Suite {
	return drivertest.Suite{
		New: New,
		// Tenants, bindings and groups, a page of each.
		ConvergedCalls: func(scopes, groups int) int {
			return pages(scopes) + 2*pages(scopes*groups)
		},
	}
}

func pages(entries int) int { return max(1, (entries+pageSize-1)/pageSize) }

// world is one platform of a test.
type world struct{ file string }

// New returns an empty platform.
func New(t testing.TB) drivertest.World {
	t.Helper()
	w := world{file: filepath.Join(t.TempDir(), "world.json")}
	if err := memory.Seed(w.file, memory.World{}); err != nil {
		t.Fatal(err)
	}
	return drivertest.World{
		Open:       w.open,
		Roles:      []string{"reader", "operator", "owner"},
		Conditions: []string{"on weekdays", "at night"},
		NoTenant:   "no-such-tenant",
		Secrets:    nil, // there are no credentials
		PageSize:   pageSize,
		Tenant:     w.tenant,
		Remove:     w.remove,
		User:       w.user,
		Plant:      w.plant,
		Remark:     w.remark,
		Describe:   w.describe,
		Description: func(t testing.TB, ref string) string {
			t.Helper()
			groups := w.read(t).Groups
			return groups[slices.IndexFunc(groups, func(g memory.Group) bool { return g.ID == ref })].Description
		},
		Twin:    w.user,
		Disable: w.disable,
		Breaker: breaker{w, t},
		Writes:  func() int { return int(w.read(t).Revision) },
	}
}

func (w world) open(t testing.TB) driver.Driver {
	t.Helper()
	settings, err := json.Marshal(memory.Connection{File: w.file, PageSize: pageSize})
	if err != nil {
		t.Fatal(err)
	}
	d, err := memory.Open(t.Context(), drivertest.Config("memory.test", settings, budget.New(budget.Limits{}),
		func(string) string { return "" }))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (w world) read(t testing.TB) memory.World {
	t.Helper()
	got, err := memory.Read(w.file)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func (w world) edit(t testing.TB, change func(*memory.World)) {
	t.Helper()
	if err := memory.Edit(w.file, func(m *memory.World) error { change(m); return nil }); err != nil {
		t.Fatal(err)
	}
}

func (w world) tenant(t testing.TB, name string) string {
	t.Helper()
	id := "tenant-" + name
	w.edit(t, func(m *memory.World) { m.Tenants = append(m.Tenants, memory.Tenant{ID: id}) })
	return id
}

func (w world) remove(t testing.TB, tenant string) {
	t.Helper()
	w.edit(t, func(m *memory.World) {
		m.Tenants = slices.DeleteFunc(m.Tenants, func(t memory.Tenant) bool { return t.ID == tenant })
		m.Bindings = slices.DeleteFunc(m.Bindings, func(b memory.Binding) bool { return b.Tenant == tenant })
	})
}

// user adds an account, also where there is one of the name.
func (w world) user(t testing.TB, name string) string {
	t.Helper()
	var id string
	w.edit(t, func(m *memory.World) {
		id = fmt.Sprintf("user-%04d", len(m.Users)+1)
		m.Users = append(m.Users, memory.User{ID: id, Name: name})
	})
	return id
}

func (w world) disable(t testing.TB, ref string) {
	t.Helper()
	w.edit(t, func(m *memory.World) {
		i := slices.IndexFunc(m.Users, func(u memory.User) bool { return u.ID == ref })
		m.Users[i].Disabled = true
	})
}

func (w world) remark(t testing.TB, groupRef string, mark access.Mark) {
	t.Helper()
	w.describe(t, groupRef, mark.Text())
}

func (w world) describe(t testing.TB, groupRef, text string) {
	t.Helper()
	w.edit(t, func(m *memory.World) {
		i := slices.IndexFunc(m.Groups, func(g memory.Group) bool { return g.ID == groupRef })
		m.Groups[i].Description = text
	})
}

func (w world) plant(t testing.TB, tenant string, foreign access.State) access.State {
	t.Helper()
	w.edit(t, func(m *memory.World) {
		ids := map[string]string{}
		for i, g := range foreign.Groups {
			id := "planted-" + tenant + "-" + g.Name
			planted := memory.Group{ID: id, Name: g.Name, Description: g.Mark.Text()}
			for _, member := range g.Members {
				planted.Members = append(planted.Members, member.Ref)
			}
			m.Groups = append(m.Groups, planted)
			foreign.Groups[i].Ref, ids[g.Name] = id, id
		}
		for i, b := range foreign.Bindings {
			group := cmp.Or(b.GroupRef, ids[b.Group])
			id := "planted-" + tenant + "-" + b.Role + "-" + group
			m.Bindings = append(m.Bindings, memory.Binding{ID: id, Tenant: tenant, Role: b.Role, Group: group})
			foreign.Bindings[i].Ref, foreign.Bindings[i].GroupRef = id, group
		}
	})
	return foreign
}

// breaker fails calls through the world's own faults.
type breaker struct {
	world world
	t     testing.TB
}

func (b breaker) Break(which drivertest.Match, how drivertest.Fault) func() int {
	if how.HeadersOnly || how.Slow {
		return func() int { return 0 } // answers come in one piece
	}
	ops := map[drivertest.Calls]string{drivertest.AllCalls: "*", drivertest.Reads: "read:*", drivertest.Writes: "write:*"}
	b.world.edit(b.t, func(m *memory.World) {
		m.Faults = append(m.Faults, memory.Fault{
			Op:    ops[which.Calls],
			Skip:  which.Skip,
			Times: which.Times,
			Class: class(how).Error(), RetryAfter: memory.Duration(how.RetryAfter),
			Lost: how.Lost, Hang: how.Hang,
		})
	})
	return func() int { return b.world.read(b.t).Faults[0].Hits }
}

func (b breaker) Mend() { b.world.edit(b.t, func(m *memory.World) { m.Faults = nil }) }

// class is what a client of an HTTP platform would make of the fault.
func class(f drivertest.Fault) error {
	switch {
	case f.Truncated:
		return fault.ErrTruncated
	case f.Status == http.StatusBadRequest:
		return fault.ErrInvalid
	case f.Status == http.StatusUnauthorized, f.Status == http.StatusForbidden:
		return fault.ErrDenied
	case f.Status == http.StatusNotFound:
		return fault.ErrNotFound
	case f.Status == http.StatusConflict:
		return fault.ErrConflict
	case f.Status == http.StatusTooManyRequests:
		return fault.ErrThrottled
	default:
		return fault.ErrUnavailable
	}
}
