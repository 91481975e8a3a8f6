package activities_test

import (
	"context"
	"errors"
	"maps"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/temporal"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/connection/connectiontest"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/ledger"
)

// connect replaces the lab's worker by one whose connection has these fields besides
// its file, as YAML flow texts.
func (l *lab) connect(fields map[string]string) {
	l.t.Helper()
	usedBy := "[sandbox.local]"
	all := map[string]string{"file": strconv.Quote(l.file)}
	maps.Copy(all, fields)
	if all["usedBy"] != "" {
		usedBy = all["usedBy"]
		delete(all, "usedBy")
	}
	text := strings.Replace(connectiontest.Of("sandbox.local", "memory", all), "usedBy: [sandbox.local]", "usedBy: "+usedBy, 1)
	l.platform = activities.NewPlatform(l.store, l.ledger, "lab", connectiontest.Drivers(l.t, l.store, map[string]driver.Open{"memory": memory.Open}, text))
	l.register()
}

// TestForbiddenStepLeavesAWarning: a role that the connection denies is not given, the
// rest is, and the warning sends people to the operator, not to the platform.
func TestForbiddenStepLeavesAWarning(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, reason, roles, says string }{
		{"denied", "an author of documents chooses no privileged role", "{deny: [Developer]}", "lists the role in roles.deny"},
		{"second person", "no user can consent as long as callers have no identities", "{secondPerson: [developer]}", "with the consent of a second person only"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			l.connect(map[string]string{"roles": tc.roles})
			l.want(1)
			p, err := l.plan(activities.PlanInput{})
			if err != nil {
				t.Fatal(err)
			}
			out, err := l.apply(p)
			if err != nil || out.Refused != 1 || out.Done != p.Steps-1 {
				t.Fatalf("apply: %+v, %v; want one of %d steps refused: %s", out, err, p.Steps, tc.reason)
			}
			l.conclude(activities.RecordOutcomeInput{Outcome: activities.Failed, Digest: p.Digest, Pass: 1})
			warnings := l.remarks()
			if len(warnings) != 1 || warnings[0].Code != access.ForbiddenByConnection || warnings[0].Object != "developer → web-user" {
				t.Fatalf("warnings %+v, want %s on the role", warnings, access.ForbiddenByConnection)
			}
			for _, want := range []string{tc.says, `connection "sandbox.local"`, "ask the operator of the workers"} {
				if !strings.Contains(warnings[0].Text, want) {
					t.Errorf("%s: the warning lacks %q: %s", tc.reason, want, warnings[0].Text)
				}
			}
			if bindings := l.world().Bindings; len(bindings) != 0 {
				t.Errorf("bindings on the platform: %+v, want none", bindings)
			}
		})
	}
}

// TestForbiddenRoleIsStillTakenAway: a role that was given before it was denied can be
// removed, by documents and by revocations.
func TestForbiddenRoleIsStillTakenAway(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.want(1)
	l.converge()
	l.connect(map[string]string{"roles": "{deny: [developer]}"})
	l.documents(settings{bound: 1, mappings: "[{projectRoleRef: {name: user}, groupAlias: user, roles: [viewer]}]"})
	l.runOnce()
	var roles []string
	for _, b := range l.world().Bindings {
		roles = append(roles, b.Role)
	}
	if diff := cmp.Diff([]string{"viewer"}, roles); diff != "" {
		t.Errorf("roles on the platform (-want +got):\n%s", diff)
	}
}

// world is what the lab's platform has.
func (l *lab) world() memory.World {
	l.t.Helper()
	w, err := memory.Read(l.file)
	if err != nil {
		l.t.Fatal(err)
	}
	return w
}

// TestAnotherConnectionAppliesNothing: a plan is applied with the connection that it was
// made with. Another one could lead to another place.
func TestAnotherConnectionAppliesNothing(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.want(3)
	p, err := l.plan(activities.PlanInput{})
	if err != nil {
		t.Fatal(err)
	}
	stored, _, err := l.store.Plan(t.Context(), p.Digest)
	if err != nil || len(stored.Connection) != 16 {
		t.Fatalf("the plan names the connection %q, %v; want a digest", stored.Connection, err)
	}
	before := l.revision()
	l.connect(map[string]string{"limits": "{callsPerSecond: 500}"})
	if out, err := l.apply(p); err != nil || !out.Replan || out.Done+out.Refused != 0 {
		t.Errorf("apply with another connection: %+v, %v; want a new plan, and nothing done", out, err)
	}
	if now := l.revision(); now != before {
		t.Errorf("%d writes with another connection, want none", now-before)
	}
	if records, err := l.ledger.Records(t.Context(), ledger.Filter{}); err != nil || len(records) != 0 {
		t.Errorf("%d records, %v; want none", len(records), err)
	}

	again, err := l.plan(activities.PlanInput{})
	if err != nil || again.Digest == p.Digest {
		t.Fatalf("plan with the other connection: %+v, %v; want another digest than %s", again, err, p.Digest)
	}
	if out, err := l.apply(again); err != nil || out.Replan || out.Done != again.Steps {
		t.Errorf("apply: %+v, %v; want all %d steps done", out, err, again.Steps)
	}

	// A plan of a program from before connections names none.
	l.want(4)
	last, err := l.plan(activities.PlanInput{})
	if err != nil {
		t.Fatal(err)
	}
	old, generation, err := l.store.Plan(t.Context(), last.Digest)
	if err != nil {
		t.Fatal(err)
	}
	old.Connection = ""
	if last.Digest, err = l.store.PutPlan(t.Context(), old, generation); err != nil {
		t.Fatal(err)
	}
	if out, err := l.apply(last); err != nil || out.Replan || out.Done != last.Steps {
		t.Errorf("apply a plan without a connection: %+v, %v; want all %d steps done", out, err, last.Steps)
	}
}

// TestAnotherConnectionPreparesNothing: a plan that a survey prepared with another
// connection is made again.
func TestAnotherConnectionPreparesNothing(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.want(3)
	drift := func() activities.Prepared {
		t.Helper()
		found, err := execute[activities.DetectDriftOutput](l, activities.DetectDriftActivity, activities.DetectDriftInput{Platform: web.Platform, Limit: 10})
		if err != nil || len(found.Drifted) != 1 {
			t.Fatalf("survey: %+v, %v; want one tenant", found, err)
		}
		return found.Drifted[0].Plan
	}
	prepared := drift()
	if p, err := l.plan(activities.PlanInput{Prepared: prepared}); err != nil || p.Digest != prepared.Digest {
		t.Errorf("with the same connection: %+v, %v; want the prepared plan %s", p, err, prepared.Digest)
	}
	l.connect(map[string]string{"limits": "{callsPerSecond: 500}"})
	if p, err := l.plan(activities.PlanInput{Prepared: prepared}); err != nil || p.Digest == prepared.Digest || p.Steps == 0 {
		t.Errorf("with another connection: %+v, %v; want a plan of its own", p, err)
	}
}

// TestAnotherConnectionCompensatesNothing: taking back what was built is a write, too.
func TestAnotherConnectionCompensatesNothing(t *testing.T) {
	t.Parallel()
	s := newRenamed(t, "")
	p := s.planned()
	s.build(p)
	before := s.world()
	fields := maps.Clone(s.connection)
	fields["limits"] = "{callsPerSecond: 500}"
	s.connect(fields)
	out, err := s.undo(p)
	if err != nil || !out.Replan || out.Done != 0 {
		t.Errorf("undo with another connection: %+v, %v; want a new plan, and nothing done", out, err)
	}
	if diff := cmp.Diff(before, s.world()); diff != "" {
		t.Errorf("undo with another connection changes the platform (-before +after):\n%s", diff)
	}
}

// answers is an activities.Drivers that opens nothing.
type answers struct{ err error }

func (a answers) Driver(context.Context, document.Platform) (driver.Driver, string, error) {
	return nil, "", a.err
}

// TestRunsWithoutAConnection: a worker that lost the connection lets others try, and one
// that must not use it says so for good.
func TestRunsWithoutAConnection(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		reason    string
		err       error
		kind      string
		permanent bool
	}{
		{"another worker may hold it", fault.ErrUnavailable, activities.TypeUnavailable, false},
		{"the operator has to change it", fault.ErrForbidden, activities.TypeForbidden, true},
	} {
		l := newLab(t)
		l.want(1)
		l.platform = activities.NewPlatform(l.store, l.ledger, "lab", answers{tc.err})
		l.register()
		_, err := l.plan(activities.PlanInput{})
		app, ok := errors.AsType[*temporal.ApplicationError](err)
		if !ok {
			t.Fatalf("%s: %v, want an application error", tc.reason, err)
		}
		if app.Type() != tc.kind || app.NonRetryable() != tc.permanent {
			t.Errorf("%s: %v, permanent %v; want %s, permanent %v", tc.reason, err, app.NonRetryable(), tc.kind, tc.permanent)
		}
	}
}
