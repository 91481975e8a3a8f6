package e2e

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
)

// adoption is what rollcall adopt --dry-run writes.
type adoption struct {
	Digest string
	Groups []struct {
		Group, Ref string
		Marked     bool `json:"has_ownership_marker"`
		Steps      []struct {
			Op, Kind, Object string
			Held             bool `json:"pending_approval"`
		}
		Warnings []struct{ Code, Object, Text string }
	}
	NotAdoptable []struct{ Group, State, Why string } `json:"not_adoptable"`
	MoreSteps    int                                  `json:"more_steps"`
}

func (s *stack) wouldAdopt(args ...string) (a adoption) {
	s.t.Helper()
	out := s.must(done, append([]string{"adopt", "--dry-run", "-o", "json"}, args...)...)
	if err := json.Unmarshal([]byte(out), &a); err != nil {
		s.t.Fatal(err)
	}
	return a
}

// handMade puts groups on the platform that somebody made by hand: one that can be
// taken over, with a member and a role that nobody desires, and one of another
// installation.
func handMade(t *testing.T, file string) {
	t.Helper()
	mark := access.Mark{Installation: "elsewhere", Tenant: "acme.project-00/sandbox.local"}
	err := memory.Seed(file, memory.World{
		Users: []memory.User{{ID: "u-stranger", Name: "stranger@example.com"}},
		Groups: []memory.Group{
			{ID: "g-admin", Name: "project-00-admin", Description: "ask Ada", Members: []string{"u-admin-00", "u-admin-01", "u-admin-02", "u-stranger"}},
			{ID: "g-user", Name: "project-00-user", Description: mark.Text(), Members: []string{"u-user-00"}},
		},
		Bindings: []memory.Binding{{ID: "b-admin", Tenant: tenantID(0), Role: "billing", Group: "g-admin"}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func groupNamed(t *testing.T, file, name string) memory.Group {
	t.Helper()
	w := world(t, file)
	i := slices.IndexFunc(w.Groups, func(g memory.Group) bool { return g.Name == name })
	if i < 0 {
		t.Fatalf("the platform has no group %q", name)
	}
	return w.Groups[i]
}

// TestAdoptionTakesOverWhatItShowed: a plan first, then exactly that, with the
// group's id, its text and its foreign role as they were.
func TestAdoptionTakesOverWhatItShowed(t *testing.T) {
	t.Parallel()
	const tenant, group = "acme.project-00/sandbox.local", "project-00-admin"
	s := newStack(t)
	file, org := memoryWorld(s, 1, 4)
	handMade(t, file)
	s.worker()
	s.apply(org.documents())
	s.replicate(done)
	if got := groupNamed(t, file, group); len(got.Members) != 4 || got.Description != "ask Ada" {
		t.Fatalf("before anybody asked the group is %+v, want it as it was", got)
	}

	before := world(t, file).Revision
	a := s.wouldAdopt(tenant)
	if len(a.Groups) != 1 || a.Groups[0].Group != group || a.Groups[0].Ref != "g-admin" || a.Groups[0].Marked || a.MoreSteps != 0 {
		t.Fatalf("what could be taken over is %+v, want %s", a, group)
	}
	var steps []string
	for _, step := range a.Groups[0].Steps {
		steps = append(steps, step.Op+" "+step.Kind)
	}
	if diff := cmp.Diff([]string{"change group", "change members", "create binding"}, sorted(steps)); diff != "" {
		t.Errorf("what it changes (-want +got):\n%s", diff)
	}
	states := map[string]string{}
	for _, g := range a.NotAdoptable {
		states[g.Group] = g.State
	}
	if diff := cmp.Diff(map[string]string{"project-00-user": "refused", "project-00-reader": "ours"}, states); diff != "" {
		t.Errorf("what is not taken over (-want +got):\n%s", diff)
	}
	code, _, errs := s.rollcall("", "adopt", tenant, "project-00-user", "--reason", "r", "--as", "ada", "--yes")
	if code != invalid || !strings.Contains(errs, "elsewhere") {
		t.Errorf("another installation's group ended with %d and %q, want %d and whose it is", code, errs, invalid)
	}
	if code, _, errs := s.rollcall("", "adopt", tenant, "--reason", "r", "--as", "ada"); code != invalid || !strings.Contains(errs, "--yes") {
		t.Errorf("nobody can answer without a terminal: %d, %q", code, errs)
	}
	if after := world(t, file).Revision; after != before {
		t.Fatalf("looking made %d write calls, want none", after-before)
	}

	out := s.must(done, "adopt", tenant, group, "--reason", "made by hand, CHG-77", "--as", "ada", "--yes", "--wait")
	for _, text := range []string{`~ group "` + group + `"`, "- stranger@example.com", "billing → " + group, "g-admin"} {
		if !strings.Contains(out, text) {
			t.Errorf("the plan does not say %q:\n%s", text, out)
		}
	}
	got := groupNamed(t, file, group)
	if diff := cmp.Diff([]string{"u-admin-00", "u-admin-01", "u-admin-02", "u-admin-03"}, got.Members); diff != "" || got.ID != "g-admin" {
		t.Errorf("the group %s has (-want +got):\n%s", got.ID, diff)
	}
	if !strings.HasPrefix(got.Description, "ask Ada") || access.ParseMark(got.Description).Tenant != tenant {
		t.Errorf("the group says %q, want what people wrote and our mark", got.Description)
	}
	s.adopted(tenant, group)
}

// adopted checks that the group is ours for good, and that everybody can see how
// that came about.
func (s *stack) adopted(tenant, group string) {
	s.t.Helper()
	var listed []struct{ Group, State, By, Claim, Reason string }
	if err := json.Unmarshal([]byte(s.must(done, "adopt", "-o", "json")), &listed); err != nil {
		s.t.Fatal(err)
	}
	if len(listed) != 1 || listed[0].Group != group || listed[0].State != "adopted" || listed[0].Claim != "ada" || listed[0].Reason != "made by hand, CHG-77" {
		s.t.Errorf("adoptions %+v, want one that is done", listed)
	}
	if a := s.wouldAdopt(tenant); len(a.Groups) != 0 {
		s.t.Errorf("it would be taken over again: %+v", a.Groups)
	}
	if r := s.replicate(done); r.Steps != 0 {
		s.t.Errorf("the run after has %d steps, want none", r.Steps)
	}
	out := s.must(done, "explain", person("admin", 0), tenant)
	for _, text := range []string{"Rollcall adopted the group at the request of os:", "says to be ada", "CHG-77", "Rollcall granted the role "} {
		if !strings.Contains(out, text) {
			s.t.Errorf("explain does not say %q:\n%s", text, out)
		}
	}
	s.oneRecordAStep()
}

func sorted(texts []string) []string { return slices.Sorted(slices.Values(texts)) }

// TestAdoptionIsOfThatGroupAlone: one that was made anew under the name since it
// was asked for is somebody else's.
func TestAdoptionIsOfThatGroupAlone(t *testing.T) {
	t.Parallel()
	const tenant, group = "acme.project-00/sandbox.local", "project-00-admin"
	s := newStack(t)
	file, org := memoryWorld(s, 1, 3)
	handMade(t, file)
	s.apply(org.documents())
	w := s.worker()
	s.replicate(done)
	a := s.wouldAdopt(tenant, group)
	if len(a.Groups) != 1 {
		t.Fatalf("what could be taken over is %+v, want %s", a, group)
	}
	breakPlatform(t, file, memory.Fault{Op: "write:*", Class: "unavailable"})
	s.must(done, "adopt", tenant, group, "--reason", "made by hand, CHG-77", "--as", "ada", "--yes")
	kill(w)
	err := memory.Edit(file, func(w *memory.World) error {
		for i, g := range w.Groups {
			if g.Name == group {
				w.Groups[i].ID, w.Groups[i].Description = "g-anew", ""
			}
		}
		w.Bindings, w.Faults = nil, nil
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.worker()
	s.must(done, "replicate", tenant, "--wait")
	if got := groupNamed(t, file, group); got.ID != "g-anew" || got.Description != "" || !slices.Contains(got.Members, "u-stranger") {
		t.Errorf("the new group is %+v, want nobody to have touched it", got)
	}
	if out := s.must(done, "adopt"); !strings.Contains(out, "not-found") {
		t.Errorf("the order has not ended:\n%s", out)
	}
}
