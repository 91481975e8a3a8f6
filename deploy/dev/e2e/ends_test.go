package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/driver/memory"
)

// TestBindingsEndOnTime: nobody runs a command, and the access of a binding ends at its time. Of
// another one it ends while no worker runs, and the next worker removes it.
func TestBindingsEndOnTime(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	file, org := memoryWorld(s, 1, 3)
	worker := s.worker()
	ending, later := bindingName(0, roles[0], 0), bindingName(0, roles[1], 0)
	documents := endsAt(t, org.documents(), ending, time.Now().Add(15*time.Second))
	s.apply(documents)
	if r := s.replicate(done); r.Changed != 1 {
		t.Fatalf("%+v, want the tenant changed", r)
	}
	first, second := "u-"+person(roles[0], 0), "u-"+person(roles[1], 0)
	if !isMember(world(t, file), first) {
		t.Fatalf("%s is in no group before the end of the binding: the stack took longer than the test allows for", first)
	}
	s.eventually("the first binding to end", func() bool { return !isMember(world(t, file), first) })

	s.apply(endsAt(t, documents, later, time.Now().Add(10*time.Second)))
	kill(worker)
	time.Sleep(12 * time.Second)
	if !isMember(world(t, file), second) {
		t.Fatalf("%s left although no worker runs", second)
	}
	s.worker()
	s.eventually("the second binding to end after the outage", func() bool { return !isMember(world(t, file), second) })
	for _, role := range roles {
		if !isMember(world(t, file), "u-"+person(role, 1)) {
			t.Errorf("%s lost access with the binding of another user", person(role, 1))
		}
	}
}

// endsAt gives a binding of the documents an end.
func endsAt(t *testing.T, documents, binding string, at time.Time) string {
	t.Helper()
	parts := strings.Split(documents, "---\n")
	i := slices.IndexFunc(parts, func(p string) bool { return strings.Contains(p, "metadata: {name: "+binding+"}") })
	if i < 0 {
		t.Fatalf("the documents have no binding %s", binding)
	}
	parts[i] = strings.TrimSuffix(strings.TrimSpace(parts[i]), "}") + fmt.Sprintf(`, spec: {expiresAt: "%s"}}`, at.UTC().Format(time.RFC3339)) + "\n"
	return strings.Join(parts, "---\n")
}

// isMember reports whether an account is in any group.
func isMember(w memory.World, account string) bool {
	return slices.ContainsFunc(w.Groups, func(g memory.Group) bool { return slices.Contains(g.Members, account) })
}
