package drivertest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/reconcile"
)

// Suite is what a driver's test hands to Run.
type Suite struct {
	// New returns a platform of its own, without tenants or users, that is gone
	// when the test ends. Each law gets one.
	New func(t testing.TB) World
	// ConvergedCalls is the most calls one Observe of so many scopes, with so
	// many groups each, may cost once it is signed in. Groups fit into one page.
	ConvergedCalls func(scopes, groups int) int
	// Calls is the file with the calls that everyday work costs on the platform, such
	// as testdata/calls.txt; empty to count none.
	Calls string
	// Impossible names laws about what the platform does not have, with the
	// reason. Where ResolveIsExact is among them there is nobody to ask, and the
	// laws of trouble leave Resolve out.
	Impossible map[Law]string
	// SampleRefusals makes the laws of refusals fail one write of each kind, instead of
	// every one, on one platform: for real servers, where each takes long.
	SampleRefusals bool
	// Waive names laws that the driver does not obey yet, with the reason. It is
	// empty when the driver is finished.
	Waive map[Law]string

	// execute replaces the executor that the laws of refusals run plans with. Only this
	// package's own tests set it.
	execute func(ctx context.Context, config reconcile.Config, waves [][]plan.Work) (reconcile.Report, error)
}

// World is one platform under test, with power behind the driver's back. The
// functions fail the test when they cannot do what they are asked; those marked
// optional are nil where the platform gives no way.
type World struct {
	// Open connects a driver to the platform, through the Breaker if there is
	// one. Each call is like a new process: nothing is shared but the platform.
	Open func(t testing.TB) driver.Driver
	// Roles are at least three roles that exist and do not imply one another.
	Roles []string
	// Conditions are at least two different ones that the platform accepts for
	// the first role. Optional without conditions.
	Conditions []string
	// NoTenant is the well-formed id of a tenant that does not exist.
	NoTenant string
	// Secrets must not appear in any error: passwords, tokens, keys.
	Secrets []string
	// PageSize is how many entries the platform's longest page has; 0 where
	// lists do not come in pages.
	PageSize int

	// Tenant makes an empty tenant and returns the platform's id of it.
	Tenant func(t testing.TB, name string) (id string)
	// Remove removes a tenant for good, with the roles on it, as its owner would.
	// Optional without groups.
	Remove func(t testing.TB, tenant string)
	// User makes an account and returns the platform's id of it.
	User func(t testing.TB, name string) (ref string)
	// Plant puts groups (with marks and members by Ref) and bindings (to these
	// groups by name, to groups that are there by GroupRef, or to Subjects by
	// Ref) on the platform, as somebody else would. It returns them with their
	// Refs; where each subject has a binding of its own, one for each.
	Plant func(t testing.TB, tenant string, foreign access.State) access.State
	// Remark overwrites the mark on a group. Optional without marks.
	Remark func(t testing.TB, groupRef string, mark access.Mark)
	// Describe writes a text of people's where a group's mark has its place, in
	// place of whatever is there, and Description reads all that is there; where
	// marks have a place that nobody else writes to, any free text on the group.
	// Optional without marks on groups.
	Describe    func(t testing.TB, groupRef, text string)
	Description func(t testing.TB, groupRef string) string
	// Touch changes a binding so that its version moves. Optional where bindings
	// have no version.
	Touch func(t testing.TB, tenant string, b access.Binding)
	// Twin makes a second account of the name. Optional.
	Twin func(t testing.TB, name string) (ref string)
	// Holds reports whether the platform can have an account of the name; nil if it can have
	// any. Where it returns false, AccountNamesAreCompared does not make such an account.
	Holds func(name string) bool
	// OtherOrigin makes an account of the name that another identity provider vouches for
	// than the one whose users are looked up. Optional.
	OtherOrigin func(t testing.TB, name string) (ref string)
	// Disable stops an account from signing in. Optional.
	Disable func(t testing.TB, ref string)

	// Breaker makes the platform fail. Optional.
	Breaker Breaker
	// Refusals are the vendor's own answers to writes that it does not do. Optional
	// where no call passes a proxy: there the driver's Apply fails in their place.
	Refusals *Refusals
	// Writes counts the calls so far that could change anything, signing in
	// left out. Optional.
	Writes func() int
	// Calls counts all calls so far, signing in left out. Optional.
	Calls func() int
}

// Run holds the driver to every law, each in a subtest of its name.
func Run(t *testing.T, s Suite) {
	t.Helper()
	s.check(t)
	for i, e := range laws() {
		t.Run(fmt.Sprintf("%02d_%s", i+1, e.law), func(t *testing.T) {
			t.Logf("%s: %s", e.law, e.says)
			if reason := s.Impossible[e.law]; reason != "" {
				t.Skip("the platform has no such thing: " + reason)
			}
			if reason := s.Waive[e.law]; reason != "" {
				t.Skip("WAIVED: " + reason)
			}
			examine(t, s, e)
		})
	}
	if s.Calls != "" {
		t.Run("Calls", func(t *testing.T) { compareCalls(t, s) })
	}
	for _, line := range s.exceptions() {
		t.Log(line)
	}
}

// examine runs one law in a world of its own.
func examine(t testing.TB, s Suite, e entry) {
	t.Helper()
	l := newLab(t, s)
	if e.unless != nil {
		if reason := e.unless(l.profile); reason != "" {
			t.Skip("by the profile: " + reason)
		}
	}
	for _, need := range e.needs {
		if missing := need(l.world); missing != "" {
			t.Fatalf("the law needs World.%s: provide it, or name the law in Suite.Impossible or Suite.Waive with a reason", missing)
		}
	}
	e.check(l)
}

// check refuses a suite that would leave something out silently.
func (s Suite) check(t *testing.T) {
	t.Helper()
	if s.New == nil || s.ConvergedCalls == nil {
		t.Fatal("drivertest: a Suite needs New and ConvergedCalls")
	}
	known := map[Law]bool{}
	for _, e := range laws() {
		known[e.law] = true
	}
	for _, exceptions := range []map[Law]string{s.Impossible, s.Waive} {
		for law, reason := range exceptions {
			if !known[law] || strings.TrimSpace(reason) == "" {
				t.Fatalf("drivertest: exception from the law %q: there is no such law, or no reason is given", law)
			}
		}
	}
}

// exceptions lists what was left out and why.
func (s Suite) exceptions() []string {
	var lines []string
	for law, reason := range s.Impossible {
		lines = append(lines, fmt.Sprintf("impossible here: %s: %s", law, reason))
	}
	for law, reason := range s.Waive {
		lines = append(lines, fmt.Sprintf("WAIVED: %s: %s", law, reason))
	}
	slices.Sort(lines)
	return lines
}
