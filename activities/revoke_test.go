package activities_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
)

// revoke stores that the person's access is revoked.
func (l *lab) revoke(person string) store.Revocation {
	l.t.Helper()
	r, err := l.store.Revoke(l.t.Context(), person, "left", storetest.By("hr"), nil)
	if err != nil {
		l.t.Fatal(err)
	}
	return r
}

// revoked is what RemoveUser and the checks after it did.
type revoked struct {
	// Tenants were named for runs.
	Tenants       []access.TenantID
	Affected      int
	Sets, Calls   int
	Checks, Waits int
}

// removeUser runs RemoveUser and then VerifyRemoval until it is done, as workflows do, each
// in an environment of its own.
func (l *lab) removeUser(r store.Revocation) (revoked, error) {
	accepted, err := l.accept(r)
	if err != nil || accepted.Done {
		return revoked{Affected: accepted.Affected, Sets: accepted.Sets, Calls: accepted.Calls}, err
	}
	out, err := l.verifyRemoval(r)
	out.Affected, out.Sets, out.Calls = accepted.Affected, out.Sets+accepted.Sets, out.Calls+accepted.Calls
	return out, err
}

// accept runs RemoveUser.
func (l *lab) accept(r store.Revocation) (activities.RemoveUserOutput, error) {
	var out activities.RemoveUserOutput
	err := l.revoking(activities.RemoveUserActivity, activities.RemoveUserInput{ID: r.ID, Platform: web.Platform}, &out)
	return out, err
}

// verifyRemoval runs VerifyRemoval until it is done.
func (l *lab) verifyRemoval(r store.Revocation) (revoked, error) {
	var all revoked
	in := activities.VerifyRemovalInput{ID: r.ID, Platform: web.Platform, First: true}
	for {
		var out activities.VerifyRemovalOutput
		if err := l.revoking(activities.VerifyRemovalActivity, in, &out); err != nil {
			return all, err
		}
		all.Checks++
		all.Tenants, all.Sets, all.Calls = append(all.Tenants, out.Tenants...), all.Sets+out.Sets, all.Calls+out.Calls
		if out.Done {
			return all, nil
		}
		in.Check, in.After, in.Problem = in.Check+1, out.Next, out.Problem
		if out.Next == "" {
			in.First, in.Problem = false, ""
			all.Waits++
			time.Sleep(min(out.Wait, lateness/2))
		}
	}
}

// revoking runs one of the activities of revocations.
func (l *lab) revoking(name string, in, out any) error {
	all := activities.NewRevocations()
	active, err := l.store.ServedPlatforms(context.Background())
	if err != nil {
		return err
	}
	if slices.Contains(active, web.Platform) {
		all.Serve(web.Platform, l.platform)
	}
	all.ServeFormer(l.platform)
	env := (&testsuite.WorkflowTestSuite{}).NewTestActivityEnvironment()
	all.Register(env)
	value, err := env.ExecuteActivity(name, in)
	if err != nil {
		return err
	}
	return value.Get(out)
}

// stands returns how the revocation is on the platform.
func (l *lab) stands(r store.Revocation) store.RevokedPlatform {
	l.t.Helper()
	found, err := l.store.Revocations(l.t.Context(), store.RevocationFilter{ID: r.ID, Lifted: true})
	if err != nil || len(found) != 1 || len(found[0].Platforms) != 1 {
		l.t.Fatalf("revocation %+v, %v; want one with one platform", found, err)
	}
	return found[0].Platforms[0]
}

func TestRevokeTakesOutWhomTheDocumentsWant(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.want(2)
	l.converge()
	r := l.revoke("adaline")
	out, err := l.removeUser(r)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(revoked{Tenants: []access.TenantID{web}, Affected: 1, Sets: 1, Calls: out.Calls, Checks: 1}, out); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"u-benedict"}, l.members()); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	if p := l.stands(r); p.State != store.RevocationDone || p.Took <= 0 || p.Sets != 1 || p.Tenants != 1 || p.Calls == 0 {
		t.Errorf("it stands as %+v, want it done, with the time it took", p)
	}
	records, err := l.ledger.Records(t.Context(), ledger.Filter{Limit: 1})
	if err != nil || len(records) != 1 || records[0].Run.Cause != "revoke" || records[0].Run.Actor != "os:hr@test" || records[0].Err != "" {
		t.Errorf("the ledger's last record: %+v, %v; want the removal, who and why", records, err)
	}
	p, err := l.plan(activities.PlanInput{})
	if err != nil || p.Steps != 0 || p.Outcome != activities.Converged {
		t.Errorf("the plan after it: %+v, %v; want nothing to do", p, err)
	}
	status, err := l.store.Statuses(t.Context(), store.TenantFilter{})
	if err != nil || len(status) != 1 || len(status[0].Remarks) != 1 || status[0].Remarks[0].Code != access.UserRevoked {
		t.Errorf("status %+v, %v; want the remark %s", status, err, access.UserRevoked)
	}

	// Lifted, the documents count again.
	if err := l.store.Lift(t.Context(), "adaline", "back", storetest.By("hr")); err != nil {
		t.Fatal(err)
	}
	if out, err := l.removeUser(r); err != nil || out.Sets != 0 {
		t.Errorf("a lifted revocation: %+v, %v; want nothing done", out, err)
	}
	l.converge()
	if diff := cmp.Diff([]string{"u-adaline", "u-benedict"}, l.members()); diff != "" {
		t.Errorf("members after it was lifted (-want +got):\n%s", diff)
	}
}

// TestRevokeNeedsNoDocument: whoever is forgotten by the documents is found by what
// was done, and no guard holds it up.
func TestRevokeNeedsNoDocument(t *testing.T) {
	t.Parallel()
	for _, before := range []bool{true, false} {
		l := newLab(t)
		l.want(1)
		l.converge()
		var r store.Revocation
		if before {
			r = l.revoke("adaline")
		}
		l.want(0)
		gone := document.ID{Kind: document.KindUser, Name: "adaline"}
		if _, err := l.store.Delete(t.Context(), []document.ID{gone}, store.Checks{}); err != nil {
			t.Fatal(err)
		}
		if !before {
			if p, err := l.plan(activities.PlanInput{}); err != nil || p.Held == 0 {
				t.Fatalf("plan %+v, %v; want the removal of the last member held", p, err)
			}
			r = l.revoke("adaline")
		}
		if out, err := l.removeUser(r); err != nil || out.Sets != 1 || len(l.members()) != 0 {
			t.Errorf("revoked before the document went (%v): %+v, %v, members %v; want nobody left", before, out, err, l.members())
		}
	}
}

func TestRevokeOfSomebodyElsewhereCostsNoCall(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.want(1)
	l.converge()
	if out, err := l.removeUser(l.revoke("yvonne")); err != nil || out.Calls != 0 || len(out.Tenants) != 0 {
		t.Errorf("somebody who never had anything: %+v, %v; want no call", out, err)
	}
}

func TestRevokeLeavesForeignGroupsWithARemark(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.want(2)
	l.converge()
	l.edit(func(w *memory.World) {
		w.Groups = append(w.Groups, memory.Group{ID: "g-x", Name: "theirs", Members: []string{"u-adaline"}})
		w.Bindings = append(w.Bindings, memory.Binding{ID: "b-x", Tenant: "t1", Role: "owner", Group: "g-x"})
	})
	r := l.revoke("adaline")
	if out, err := l.removeUser(r); err != nil || out.Sets != 1 {
		t.Fatalf("%+v, %v; want one set", out, err)
	}
	remarks := l.stands(r).Remarks
	if len(remarks) != 1 || remarks[0].Code != access.UserRevoked || remarks[0].Object != "theirs" || !strings.Contains(remarks[0].Text, "adaline") {
		t.Errorf("remarks %+v, want one about the other group", remarks)
	}
	w, err := memory.Read(l.file)
	if err != nil || !slices.ContainsFunc(w.Groups, func(g memory.Group) bool { return g.ID == "g-x" && len(g.Members) == 1 }) {
		t.Errorf("the foreign group changed: %+v, %v", w.Groups, err)
	}
}

// TestRevokeOfSeveralAccountsTakesTheKnownOne: nobody can say whose a second account
// of the same name is.
func TestRevokeOfSeveralAccountsTakesTheKnownOne(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.want(2)
	l.converge()
	l.edit(func(w *memory.World) {
		w.Users = append(w.Users, memory.User{ID: "u-other", Name: "adaline"})
		w.Groups[0].Members = append(w.Groups[0].Members, "u-other")
	})
	r := l.revoke("adaline")
	if out, err := l.removeUser(r); err != nil || out.Sets != 1 {
		t.Fatalf("%+v, %v; want one set", out, err)
	}
	if diff := cmp.Diff([]string{"u-benedict", "u-other"}, l.members()); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	if remarks := l.stands(r).Remarks; len(remarks) != 1 || remarks[0].Code != access.UserAmbiguous {
		t.Errorf("remarks %+v, want that there are several", remarks)
	}
}

func TestRevokeOutlivesAnOutage(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.want(2)
	l.converge()
	r := l.revoke("adaline")
	l.edit(func(w *memory.World) { w.Faults = []memory.Fault{{Op: "write:*", Class: "unavailable"}} })
	_, err := l.removeUser(r)
	if app, ok := errors.AsType[*temporal.ApplicationError](err); !ok || app.NonRetryable() {
		t.Errorf("during the outage: %v, want an error that Temporal retries", err)
	}
	if p := l.stands(r); p.State != store.RevocationWaiting || p.Problem == "" || p.Took != 0 {
		t.Errorf("during the outage it stands as %+v, want that it waits, and for what", p)
	}
	for _, name := range people {
		if strings.Contains(err.Error()+l.stands(r).Problem, name) {
			t.Errorf("%s is named: %v, %s", name, err, l.stands(r).Problem)
		}
	}
	l.edit(func(w *memory.World) { w.Faults = nil })
	if _, err := l.removeUser(r); err != nil {
		t.Fatal(err)
	}
	if p := l.stands(r); p.State != store.RevocationDone || p.Problem != "" || p.Sets != 1 {
		t.Errorf("after the outage it stands as %+v, want it done", p)
	}
	if diff := cmp.Diff([]string{"u-benedict"}, l.members()); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
}

func TestRevokeReportsRefusal(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.want(2)
	l.converge()
	r := l.revoke("adaline")
	l.edit(func(w *memory.World) { w.Faults = []memory.Fault{{Op: "write:*", Class: "denied"}} })
	_, err := l.removeUser(r)
	if app, ok := errors.AsType[*temporal.ApplicationError](err); !ok || !app.NonRetryable() || app.Type() != activities.TypeDenied {
		t.Errorf("denied: %v, want an error that ends it", err)
	}
	if p := l.stands(r); p.State != store.RevocationFailed || p.Problem == "" {
		t.Errorf("it stands as %+v, want that it failed, and why", p)
	}
}

// TestRevokeWaitsForWhatIsOnItsWay: an addition that was about to be made before the
// revocation may arrive after the first look.
func TestRevokeWaitsForWhatIsOnItsWay(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.want(1)
	l.converge()
	l.want(2)
	p, err := l.plan(activities.PlanInput{})
	if err != nil {
		t.Fatal(err)
	}
	made, _, err := l.store.Plan(t.Context(), p.Digest)
	if err != nil || len(made.Steps) != 1 {
		t.Fatalf("plan %+v, %v; want one step", made, err)
	}
	run := ledger.Run{Tenant: web, RunID: "other", Pass: 1}
	if err := l.ledger.Intend(t.Context(), ledger.Entry{Run: run, Steps: made.Steps}); err != nil {
		t.Fatal(err)
	}
	r := l.revoke("benedict")
	ended := make(chan error)
	go func() {
		_, err := l.removeUser(r)
		ended <- err
	}()
	select {
	case err := <-ended:
		t.Fatalf("it ended while an addition was on its way, with %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	l.edit(func(w *memory.World) { w.Groups[0].Members = append(w.Groups[0].Members, "u-benedict") })
	if err := l.ledger.Record(t.Context(), run, []ledger.Outcome{{Step: made.Steps[0]}}); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"u-adaline"}, l.members()); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
}

// TestAPlanOfARevokedPersonHoldsNothing: a run that comes before the revocation's
// activity takes them out by itself.
func TestAPlanOfARevokedPersonHoldsNothing(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.want(1)
	l.converge()
	l.revoke("adaline")
	p, err := l.plan(activities.PlanInput{})
	if err != nil || p.Held != 0 || p.Steps != 1 {
		t.Fatalf("plan %+v, %v; want the last member's removal, not held", p, err)
	}
	if out, err := l.apply(p); err != nil || out.Done != 1 || len(l.members()) != 0 {
		t.Errorf("apply %+v, %v, members %v; want nobody left", out, err, l.members())
	}
}

// TestRevocationAgesOnlyThePersonsPlans: a plan about others is applied as it is, one
// that adds the person is made again, and whoever else it adds is not lost.
func TestRevocationAgesOnlyThePersonsPlans(t *testing.T) {
	t.Parallel()
	for person, ages := range map[string]bool{"yvonne": false, "adaline": true} {
		l := newLab(t)
		l.want(2)
		aged, err := l.plan(activities.PlanInput{})
		if err != nil {
			t.Fatal(err)
		}
		l.revoke(person)
		out, err := l.apply(aged)
		if err != nil || out.Replan != ages {
			t.Errorf("the plan of before, with %s revoked: %+v, %v; made again: want %v", person, out, err, ages)
		}
		l.converge()
		want := []string{"u-adaline", "u-benedict"}
		if ages {
			want = want[1:]
		}
		if diff := cmp.Diff(want, l.members()); diff != "" {
			t.Errorf("members, with %s revoked (-want +got):\n%s", person, diff)
		}
	}
}

// TestTwoRevocationsAtOnce: both are about one group.
func TestTwoRevocationsAtOnce(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.want(3)
	l.converge()
	errs := make(chan error)
	for _, r := range []store.Revocation{l.revoke("adaline"), l.revoke("sydney")} {
		go func() {
			_, err := l.removeUser(r)
			errs <- err
		}()
	}
	if err := errors.Join(<-errs, <-errs); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"u-benedict"}, l.members()); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
}

// late is a platform that shows later what was written, as its profile says.
type late struct {
	driver.Driver
	shown time.Time
	// change is what is different in what it shows until then.
	change func(*access.Group)
}

const lateness = 600 * time.Millisecond

func (d *late) Profile() driver.Profile {
	p := d.Driver.Profile()
	p.Settle = lateness
	return p
}

func (d *late) Observe(ctx context.Context, scopes []driver.Scope) ([]driver.Observation, error) {
	seen, err := d.Driver.Observe(ctx, scopes)
	if err == nil && d.change != nil && time.Now().Before(d.shown) {
		for i := range seen[0].State.Groups {
			d.change(&seen[0].State.Groups[i])
		}
	}
	return seen, err
}

// newLateLab is a lab whose platform is late.
func newLateLab(t *testing.T) (*lab, *late) {
	t.Helper()
	l, d := newLab(t), &late{}
	l.platform = activities.NewPlatform(l.store, l.ledger, "lab", l.drivers(func(ctx context.Context, c driver.Config) (driver.Driver, error) {
		var err error
		d.Driver, err = memory.Open(ctx, c)
		return d, err
	}))
	l.register()
	return l, d
}

// TestRevokeTakesOutWhoIsNotShownYet: somebody was put in a moment ago.
func TestRevokeTakesOutWhoIsNotShownYet(t *testing.T) {
	t.Parallel()
	l, d := newLateLab(t)
	l.want(1)
	l.converge()
	l.want(2)
	l.converge()
	d.shown = time.Now().Add(lateness)
	d.change = func(g *access.Group) {
		g.Members = slices.DeleteFunc(slices.Clone(g.Members), func(m access.Member) bool { return m.Ref == "u-benedict" })
	}
	r := l.revoke("benedict")
	if _, err := l.removeUser(r); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"u-adaline"}, l.members()); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	if p := l.stands(r); p.Settle != lateness || p.State != store.RevocationDone {
		t.Errorf("it stands as %+v, want it done, and how long it may take to be effective", p)
	}
}

// TestRevokeWaitsUntilItIsShown: it ends when the platform shows it, and does not take
// out again who is shown too long.
func TestRevokeWaitsUntilItIsShown(t *testing.T) {
	t.Parallel()
	l, d := newLateLab(t)
	l.want(2)
	l.converge()
	time.Sleep(lateness) // what put them in is settled
	start := time.Now()
	r, before := l.revoke("benedict"), l.revision()
	d.shown = time.Now().Add(lateness)
	d.change = func(g *access.Group) {
		gone := access.Member{Account: access.Account{Ref: "u-benedict"}}
		if !slices.ContainsFunc(g.Members, func(m access.Member) bool { return m.Ref == gone.Ref }) {
			g.Members = append(slices.Clone(g.Members), gone)
		}
	}
	if _, err := l.removeUser(r); err != nil {
		t.Fatal(err)
	}
	if time.Now().Before(d.shown) {
		t.Error("it ended before the platform showed it")
	}
	if writes := l.revision() - before; writes != 1 {
		t.Errorf("it made %d write calls, want one", writes)
	}
	if p := l.stands(r); p.Sets != 1 || p.Took >= time.Since(start) {
		t.Errorf("it stands as %+v, want one set, and the time until the platform had accepted it", p)
	}
}
