package e2e

import (
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/driver/memory"
)

// TestNewcomersGetAnAccountAndTheirAccess: people without an account on the
// platform are brought in by the run that grants them access, once.
func TestNewcomersGetAnAccountAndTheirAccess(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	file, org := memoryWorld(s, 1, 2)
	var w memory.World
	err := memory.Edit(file, func(m *memory.World) error {
		m.RemoveUser("u-" + person("admin", 1))
		w = *m
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.worker()
	s.apply(org.documents())
	r := s.replicate(done)
	if len(r.Items) != 1 || len(r.Items[0].Warnings) != 1 || r.Items[0].Warnings[0].Code != "user-not-found" {
		t.Fatalf("without userCreation: remarks %+v, want one user-not-found", r.Items)
	}

	org.config = strings.Replace(org.config, "replication: {", "replication: {userCreation: {}, ", 1)
	s.apply(org.documents())
	if out := s.must(done, "plan", "--all"); !strings.Contains(out, `+ account "`+person("admin", 1)+`@example.com"`) {
		t.Errorf("the plan does not say whom it brings in:\n%s", out)
	}
	r = s.replicate(done)
	if r.Changed != 1 || r.Warnings != 0 {
		t.Fatalf("with userCreation: %+v, want a change and no remark", r)
	}
	now := world(t, file)
	if len(now.Users) != len(w.Users)+1 {
		t.Errorf("the platform has %d accounts, want %d", len(now.Users), len(w.Users)+1)
	}
	for _, g := range now.Groups {
		if len(g.Members) != 2 {
			t.Errorf("group %s has %d members, want 2", g.Name, len(g.Members))
		}
	}
	if again := s.replicate(done); again.Steps != 0 {
		t.Errorf("a second run has %d steps, want none", again.Steps)
	}
	s.oneRecordAStep()
}

// TestConditionsReachThePlatform: a condition is given with its role, and a
// changed one is changed in place.
func TestConditionsReachThePlatform(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	file, org := memoryWorld(s, 1, 2)
	config := func(condition string) string {
		return strings.Replace(org.config, "roles: [owner]", `roles: [owner], conditions: {owner: "`+condition+`"}`, 1)
	}
	documents := org
	s.worker()
	for _, condition := range []string{"on weekdays", "at night"} {
		documents.config = config(condition)
		s.apply(documents.documents())
		if r := s.replicate(done); r.Changed != 1 {
			t.Fatalf("condition %q: %+v, want a change", condition, r)
		}
		for _, b := range world(t, file).Bindings {
			if b.Role == "owner" && b.Condition != condition {
				t.Errorf("the role has the condition %q, want %q", b.Condition, condition)
			}
		}
	}
}
