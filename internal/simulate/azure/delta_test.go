package azure_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	azure "github.com/rollcall-iam/rollcall/internal/simulate/azure"
)

// mirror is what a client of delta queries knows.
type mirror struct {
	w       *world
	link    string
	names   map[string]string
	members map[string]map[string]bool
	pages   int
}

func newMirror(w *world, path string) *mirror {
	return &mirror{w: w, link: path, names: map[string]string{}, members: map[string]map[string]bool{}}
}

// round follows the links of one round and returns the groups it told.
func (m *mirror) round() []string {
	m.w.t.Helper()
	told := map[string]bool{}
	for next := m.link; next != ""; {
		page := m.w.must("GET", next, nil)
		m.pages++
		for _, row := range page.rows() {
			id, _ := row["id"].(string)
			told[id] = true
			m.take(id, row)
		}
		next, _ = page.body["@odata.nextLink"].(string)
		if link, ok := page.body["@odata.deltaLink"].(string); ok {
			m.link = link
		}
	}
	return slices.Sorted(maps.Keys(told))
}

func (m *mirror) take(id string, row map[string]any) {
	if _, removed := row["@removed"]; removed {
		delete(m.names, id)
		delete(m.members, id)
		return
	}
	if m.members[id] == nil {
		m.members[id] = map[string]bool{}
	}
	m.names[id], _ = row["displayName"].(string)
	moved, _ := row["members@delta"].([]any)
	for _, one := range moved {
		member, _ := one.(map[string]any)
		who, _ := member["id"].(string)
		if _, removed := member["@removed"]; removed {
			delete(m.members[id], who)
		} else {
			m.members[id][who] = true
		}
	}
}

// check compares the mirror with the tenant.
func (m *mirror) check(t *testing.T) {
	t.Helper()
	names, members := map[string]string{}, map[string]map[string]bool{}
	for _, g := range m.w.Groups(m.w.tenant) {
		names[g.ID], members[g.ID] = g.DisplayName, map[string]bool{}
		for _, id := range g.Members {
			members[g.ID][id] = true
		}
	}
	if diff := cmp.Diff(names, m.names); diff != "" {
		t.Errorf("groups: %s", diff)
	}
	if diff := cmp.Diff(members, m.members); diff != "" {
		t.Errorf("members: %s", diff)
	}
}

func TestDeltaKeepsAMirror(t *testing.T) {
	w := newWorld(t, azure.Options{PageSize: 2})
	var people []string
	for i := range 9 {
		people = append(people, w.person(fmt.Sprint("p", i)))
	}
	one := w.PlantGroup(w.tenant, azure.Group{DisplayName: "one", Members: people[:5]})
	two := w.PlantGroup(w.tenant, azure.Group{DisplayName: "two"})
	w.PlantGroup(w.tenant, azure.Group{DisplayName: "three", Members: people[:1]})
	m := newMirror(w, "/groups/delta?$select=displayName,members")
	if told := m.round(); len(told) != 3 || m.pages < 3 {
		t.Errorf("the first round tells %d groups on %d pages", len(told), m.pages)
	}
	m.check(t)
	if told := m.round(); len(told) != 0 {
		t.Errorf("nothing changed, and a round tells %v", told)
	}
	for _, c := range []struct {
		reason string
		change func()
		want   []string
	}{
		{"members come and go", func() {
			w.AddMember(w.tenant, two, people[8])
			w.RemoveMember(w.tenant, one, people[0])
		}, []string{one, two}},
		{"a name", func() { w.SetGroup(w.tenant, two, func(g *azure.Group) { g.DisplayName = "zwei" }) }, []string{two}},
		{"somebody leaves for good", func() { w.DeleteUser(w.tenant, people[1]) }, []string{one}},
		{"somebody is out and in again", func() {
			w.RemoveMember(w.tenant, one, people[2])
			w.AddMember(w.tenant, one, people[2])
		}, []string{one}},
		{"a group goes", func() { w.DeleteGroup(w.tenant, two) }, []string{two}},
	} {
		t.Run(c.reason, func(t *testing.T) {
			c.change()
			told := m.round()
			if diff := cmp.Diff(slices.Sorted(slices.Values(c.want)), told); diff != "" {
				t.Error(diff)
			}
			m.check(t)
		})
	}
}

func TestDeltaOfSomeGroups(t *testing.T) {
	w := newWorld(t, azure.Options{})
	one := w.PlantGroup(w.tenant, azure.Group{DisplayName: "one"})
	two := w.PlantGroup(w.tenant, azure.Group{DisplayName: "two"})
	m := newMirror(w, q("/groups/delta", "$filter", "id eq '"+one+"'"))
	if diff := cmp.Diff([]string{one}, m.round()); diff != "" {
		t.Error(diff)
	}
	w.SetGroup(w.tenant, one, func(g *azure.Group) { g.DisplayName = "eins" })
	w.SetGroup(w.tenant, two, func(g *azure.Group) { g.DisplayName = "zwei" })
	if diff := cmp.Diff([]string{one}, m.round()); diff != "" {
		t.Error(diff)
	}
}

func TestDeltaWithoutMembers(t *testing.T) {
	w := newWorld(t, azure.Options{})
	ada := w.person("ada")
	w.PlantGroup(w.tenant, azure.Group{DisplayName: "one", Members: []string{ada}})
	got := w.must("GET", "/groups/delta?$select=displayName", nil)
	if row := got.rows()[0]; row["members@delta"] != nil || row["displayName"] != "one" {
		t.Errorf("it tells %v", row)
	}
}

func TestDeltaLags(t *testing.T) {
	w := newWorld(t, azure.Options{Stale: time.Second})
	m := newMirror(w, "/groups/delta")
	m.round()
	group := w.group("late")
	if told := m.round(); len(told) != 0 {
		t.Errorf("it tells at once of %v", told)
	}
	w.clock.pass(time.Second)
	if diff := cmp.Diff([]string{group}, m.round()); diff != "" {
		t.Error(diff)
	}
}

func TestOldDeltaLinks(t *testing.T) {
	w := newWorld(t, azure.Options{})
	m := newMirror(w, "/groups/delta")
	m.round()
	w.clock.pass(8 * 24 * time.Hour)
	got := w.call("GET", m.link, nil)
	if got.status != http.StatusGone || !strings.HasSuffix(got.header.Get("Location"), "/v1.0/groups/delta?$deltatoken=") {
		t.Errorf("got %d %s, location %q", got.status, got.code(), got.header.Get("Location"))
	}
}
