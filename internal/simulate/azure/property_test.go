package azure_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	azure "github.com/rollcall-iam/rollcall/internal/simulate/azure"
)

// TestWhatReadsShow does random things to groups, by the API and behind its back,
// while time passes. At any time a mirror that follows delta links and one that
// reads all agree with each other, and when all is settled with the tenant.
func TestWhatReadsShow(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		w := newWorld(t, azure.Options{Stale: time.Second, PageSize: rapid.IntRange(1, 4).Draw(r, "page")})
		var people, groups []string
		for i := range 4 {
			people = append(people, w.person(fmt.Sprint("p", i)))
		}
		for i := range 3 {
			groups = append(groups, w.PlantGroup(w.tenant, azure.Group{DisplayName: fmt.Sprint("g", i), Members: people[:i]}))
		}
		m := newMirror(w, "/groups/delta")
		for range rapid.IntRange(1, 12).Draw(r, "steps") {
			group, person := rapid.SampledFrom(groups).Draw(r, "group"), rapid.SampledFrom(people).Draw(r, "person")
			switch rapid.IntRange(0, 6).Draw(r, "do") {
			case 0:
				accept(t, w.call("POST", "/groups/"+group+"/members/$ref", w.link(person)), 204, 400, 404)
			case 1:
				accept(t, w.call("DELETE", "/groups/"+group+"/members/"+person+"/$ref", nil), 204, 404)
			case 2:
				accept(t, w.call("PATCH", "/groups/"+group, map[string]any{"displayName": person}), 204, 404)
			case 3:
				w.clock.pass(time.Duration(rapid.IntRange(0, 1500).Draw(r, "wait")) * time.Millisecond)
			case 4:
				m.round()
			case 5:
				groups = append(groups, w.group("new"))
			default:
				accept(t, w.call("DELETE", "/groups/"+group, nil), 204, 404)
			}
		}
		w.clock.pass(time.Second)
		m.round()
		m.check(t)
		for _, g := range w.Groups(w.tenant) {
			var got []string
			for next := "/groups/" + g.ID + "/members"; next != ""; {
				page := w.must("GET", next, nil)
				got = append(got, page.ids()...)
				next, _ = page.body["@odata.nextLink"].(string)
			}
			if diff := cmp.Diff(slices.Sorted(slices.Values(g.Members)), slices.Sorted(slices.Values(got))); diff != "" {
				t.Error(diff)
			}
		}
		if told := m.round(); len(told) != 0 {
			t.Errorf("nothing changed, and a round tells %v", told)
		}
	})
}

// accept fails on a status that is not among these.
func accept(t *testing.T, got reply, statuses ...int) {
	t.Helper()
	if !slices.Contains(statuses, got.status) || got.status >= http.StatusInternalServerError {
		t.Errorf("got %d %s: %s", got.status, got.code(), got.message())
	}
}
