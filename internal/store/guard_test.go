package store_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// leaving are n accounts that leave one group; other names give other accounts.
func leaving(name string, n int) []plan.Removal {
	var all []plan.Removal
	for i := range n {
		all = append(all, plan.Removal{Object: access.Key{Kind: access.KindMembers, Group: "g"}, Ref: fmt.Sprintf("%s-%d", name, i)})
	}
	return all
}

func taking(tenant access.TenantID, name string, n int) store.Taking {
	return store.Taking{Tenant: tenant, Removals: leaving(name, n)}
}

// guarded is a store whose tenants are on lab.here, with limits.
type guarded struct {
	testing.TB

	store  *store.Store
	limits store.RemovalLimits
}

func newGuarded(t *testing.T, limits store.RemovalLimits) *guarded {
	t.Helper()
	g := &guarded{TB: t, store: fresh(t), limits: limits}
	apply(t, g.store, store.ApplyRequest{Documents: organisation(t)})
	return g
}

func (g *guarded) reserve(takings ...store.Taking) map[access.TenantID]store.Exceeded {
	exceeded, err := g.store.ReserveRemovals(g.Context(), "lab.here", g.limits, takings, false)
	if err != nil {
		g.Fatal(err)
	}
	return exceeded
}

// fits expects that there is room for all of it, and takes it.
func (g *guarded) fits(reason string, takings ...store.Taking) {
	g.Helper()
	if exceeded := g.reserve(takings...); len(exceeded) > 0 {
		g.Errorf("%s: held by %+v", reason, exceeded)
	}
}

// holds expects that the limit holds the last of the takings, and returns it.
func (g *guarded) holds(reason string, span store.LimitSpan, takings ...store.Taking) store.Exceeded {
	g.Helper()
	last := takings[len(takings)-1].Tenant
	exceeded := g.reserve(takings...)
	if len(exceeded) != 1 || exceeded[last].Span != span {
		g.Errorf("%s: %+v is held, want %s by the limit per %s", reason, exceeded, last, span)
	}
	return exceeded[last]
}

// pass lets time go by.
func (g *guarded) pass(d time.Duration) {
	if _, err := g.store.Pool().Exec(g.Context(), "UPDATE removals SET at = at - $1::interval", d); err != nil {
		g.Fatal(err)
	}
}

// edit changes the organisation, which is a new generation.
func (g *guarded) edit(from, to string) {
	g.Helper()
	text := organisationText(g)
	if !strings.Contains(text, from) {
		g.Fatalf("testdata lacks %q", from)
	}
	apply(g, g.store, store.ApplyRequest{Documents: decode(g, strings.ReplaceAll(text, from, to))})
}

func TestWhatIsTakenInAnHourIsLimited(t *testing.T) {
	g := newGuarded(t, store.RemovalLimits{Change: 100, Hour: 3})
	g.fits("there is room", taking(web, "a", 2))
	got := g.holds("two more would be four", store.PerHour, taking(db, "b", 2))
	diff(t, "the limit", store.Exceeded{Span: store.PerHour, Most: 3, Taken: 2, Asked: 2}, got, cmpopts.IgnoreFields(store.Exceeded{}, "Ends"))
	if left := time.Until(got.Ends); left < 50*time.Minute || left > 63*time.Minute {
		t.Errorf("it ends in %s, want about an hour", left)
	}
	g.fits("what is planned again counts once", taking(web, "a", 2))
	g.fits("so does what grows", taking(web, "a", 3))
	g.holds("nothing is left", store.PerHour, taking(db, "b", 1))
	g.pass(time.Hour)
	g.fits("the hour is over", taking(db, "b", 2))
}

func TestWhatAChangeTakesIsLimited(t *testing.T) {
	g := newGuarded(t, store.RemovalLimits{Change: 3, Hour: 100})
	g.fits("there is room", taking(web, "a", 2))
	g.holds("the same apply touched both", store.PerChange, taking(db, "b", 2))
	g.pass(time.Hour)
	got := g.holds("a change counts for a day", store.PerChange, taking(db, "b", 2))
	if left := time.Until(got.Ends); left < 22*time.Hour || left > 24*time.Hour {
		t.Errorf("it ends in %s, want about 23 hours", left)
	}
	g.edit("ben-2", "ben-3") // touches db
	g.holds("what one change asked for stays that change's", store.PerChange, taking(db, "b", 2))
	g.fits("what another change asks for is its own", taking(db, "c", 2))
	g.pass(24 * time.Hour)
	g.fits("the day is over", taking(db, "b", 2))
}

func TestChangedGuardsAreNoCause(t *testing.T) {
	g := newGuarded(t, store.RemovalLimits{Change: 3, Hour: 100})
	g.fits("there is room", taking(web, "a", 3))
	changes := apply(t, g.store, store.ApplyRequest{Documents: decode(t, "{apiVersion: v1, kind: Guard, metadata: {name: g}, spec: {hour: {most: 9}}}")})
	diff(t, "tenants to be looked at again", []access.TenantID{db, web}, changes.Tenants)
	g.holds("a guard gives no change another limit", store.PerChange, taking(db, "b", 1))
}

func TestPlansAboveALimitAloneNeverFit(t *testing.T) {
	g := newGuarded(t, store.RemovalLimits{Change: 100, Hour: 3})
	if got := g.holds("it is too much by itself", store.PerHour, taking(web, "a", 4)); !got.Ends.IsZero() {
		t.Errorf("it ends at %s, want never", got.Ends)
	}
	g.limits.Hour = 0
	g.holds("nothing may go", store.PerHour, taking(web, "a", 1))
	g.fits("who takes nothing needs no room", taking(web, "a", 0))
}

// TestTenantsAreServedInOrder: one that does not fit leaves its room to those
// after it, and of it nothing is taken.
func TestTenantsAreServedInOrder(t *testing.T) {
	third := access.TenantID{Workspace: "shop", Project: "mail", Platform: "lab.here"}
	g := newGuarded(t, store.RemovalLimits{Change: 100, Hour: 3})
	shard := []store.Taking{taking(db, "a", 2), taking(web, "b", 2), taking(third, "c", 1)}
	for _, dry := range []bool{true, true, false} {
		exceeded, err := g.store.ReserveRemovals(t.Context(), "lab.here", g.limits, shard, dry)
		if err != nil {
			t.Fatal(err)
		}
		if _, held := exceeded[web]; !held || len(exceeded) != 1 {
			t.Errorf("dry %t: %+v is held, want %s alone", dry, exceeded, web)
		}
	}
}

func TestLimitsAreAPlatformsOwn(t *testing.T) {
	g := newGuarded(t, store.RemovalLimits{Change: 100, Hour: 3})
	g.fits("there is room", taking(web, "a", 3))
	other := access.TenantID{Workspace: "shop", Project: "web", Platform: "far.away"}
	exceeded, err := g.store.ReserveRemovals(t.Context(), "far.away", g.limits, []store.Taking{taking(other, "a", 3)}, false)
	if err != nil || len(exceeded) > 0 {
		t.Errorf("another platform is held by %+v, %v", exceeded, err)
	}
}

// TestTheLastRemovalIsTakenOnce: of workers that race for what is left of a limit
// exactly those get it that it is enough for.
func TestTheLastRemovalIsTakenOnce(t *testing.T) {
	workers := twoWorkers(t)
	const room, racers = 7, 40
	limits := store.RemovalLimits{Change: 1000, Hour: room}
	var taken atomic.Int64
	var group sync.WaitGroup
	for i := range racers {
		group.Go(func() {
			tenant := access.TenantID{Workspace: "shop", Project: fmt.Sprintf("p-%d", i), Platform: "lab.here"}
			exceeded, err := workers[i%2].ReserveRemovals(t.Context(), "lab.here", limits, []store.Taking{taking(tenant, "a", 1)}, false)
			if err != nil {
				t.Error(err)
			}
			taken.Add(int64(1 - len(exceeded)))
		})
	}
	group.Wait()
	if taken.Load() != room {
		t.Errorf("%d removals were taken by %d racers, want %d", taken.Load(), racers, room)
	}
}

func TestRenewedRemovalsNeedRoomAgain(t *testing.T) {
	g := newGuarded(t, store.RemovalLimits{Change: 100, Hour: 3})
	renew := func(reason string, want bool, what store.Taking) {
		t.Helper()
		_, exceeded, err := g.store.RenewRemovals(t.Context(), "lab.here", g.limits, what)
		if err != nil || exceeded == want {
			t.Errorf("%s: exceeded is %t, %v", reason, exceeded, err)
		}
	}
	g.fits("there is room", taking(web, "a", 2))
	g.pass(50 * time.Minute)
	renew("its reservation counts still", true, taking(web, "a", 2))
	g.pass(50 * time.Minute)
	g.holds("it was taken 50 minutes ago", store.PerHour, taking(db, "b", 2))
	g.pass(10 * time.Minute)
	g.fits("now it was an hour ago", taking(db, "b", 2))
	renew("others have taken what it waited with", false, taking(web, "a", 2))
	renew("what nobody reserved is not counted", true, taking(web, "approved", 9))
	g.pass(time.Hour)
	renew("there is room again", true, taking(web, "a", 2))
	g.holds("and it is gone", store.PerHour, taking(db, "c", 2))
}

// TestNoWindowTakesMoreThanItsLimit: whatever plans are made, made again, applied
// late or never, and however time passes, no hour takes more than the hour's limit
// and no change more than the change's within a day.
func TestNoWindowTakesMoreThanItsLimit(t *testing.T) {
	g := newGuarded(t, store.RemovalLimits{})
	rapid.Check(t, func(rt *rapid.T) {
		if _, err := g.store.Pool().Exec(t.Context(), "TRUNCATE removals"); err != nil {
			rt.Fatal(err)
		}
		h := history{rt: rt, g: g, cause: map[access.TenantID]int64{}}
		g.limits = store.RemovalLimits{Change: rapid.IntRange(0, 9).Draw(rt, "change"), Hour: rapid.IntRange(0, 6).Draw(rt, "hour")}
		rt.Repeat(map[string]func(*rapid.T){"plan": h.plan, "again": h.again, "apply": h.apply, "wait": h.wait, "": h.check})
	})
}

// history is what happened on a platform, by a clock of its own.
type history struct {
	rt    *rapid.T
	g     *guarded
	now   time.Duration
	plans []store.Taking // that fitted and are not applied
	made  int
	cause map[access.TenantID]int64
	done  []done
}

// done is one removal that was applied.
type done struct {
	at     time.Duration
	tenant access.TenantID
	ref    string
}

// plan has a tenant take some accounts that nobody took before. Both tenants are
// touched by one change.
func (h *history) plan(rt *rapid.T) {
	h.made++
	tenant := rapid.SampledFrom([]access.TenantID{web, db}).Draw(rt, "tenant")
	p := taking(tenant, fmt.Sprintf("plan%d", h.made), rapid.IntRange(1, 4).Draw(rt, "people"))
	if len(h.g.reserve(p)) == 0 {
		h.plans = append(h.plans, p)
	}
}

// again makes a plan that fitted once more, as a verification does, or after a
// crash.
func (h *history) again(rt *rapid.T) {
	if len(h.plans) > 0 {
		i := rapid.IntRange(0, len(h.plans)-1).Draw(rt, "plan")
		if len(h.g.reserve(h.plans[i])) > 0 {
			h.plans = slices.Delete(h.plans, i, i+1) // it is made again, and holds
		}
	}
}

// apply applies a plan, however old it is.
func (h *history) apply(rt *rapid.T) {
	if len(h.plans) == 0 {
		return
	}
	i := rapid.IntRange(0, len(h.plans)-1).Draw(rt, "plan")
	p := h.plans[i]
	_, exceeded, err := h.g.store.RenewRemovals(h.g.Context(), "lab.here", h.g.limits, p)
	if err != nil {
		rt.Fatal(err)
	}
	h.plans = slices.Delete(h.plans, i, i+1)
	if exceeded {
		return
	}
	for _, r := range p.Removals {
		h.done = append(h.done, done{at: h.now, tenant: p.Tenant, ref: r.Ref})
	}
}

func (h *history) wait(rt *rapid.T) {
	d := time.Duration(rapid.SampledFrom([]int{1, 20, 40, 59, 60, 61, 600, 1439, 1440, 1500}).Draw(rt, "minutes")) * time.Minute
	h.g.pass(d)
	h.now += d
}

func (h *history) check(rt *rapid.T) {
	for _, span := range []struct {
		name   string
		window time.Duration
		most   int
	}{{"an hour", time.Hour, h.g.limits.Hour}, {"a change", 24 * time.Hour, h.g.limits.Change}} {
		for i := range h.done {
			n := 0
			for _, d := range h.done[i:] {
				if d.at < h.done[i].at+span.window {
					n++
				}
			}
			if n > span.most {
				rt.Fatalf("%d were taken by %s from %s on, want at most %d: %+v", n, span.name, h.done[i].at, span.most, h.done)
			}
		}
	}
}

func TestHeldRemovalsAreCounted(t *testing.T) {
	s := fresh(t)
	apply(t, s, store.ApplyRequest{Documents: organisation(t)})
	for tenant, held := range map[access.TenantID]int{web: 2, db: 0} {
		if err := s.PutStatus(t.Context(), store.Status{Tenant: tenant, Outcome: "waiting", Held: held, Removals: 7 * held}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.CountHeld(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "what is held", []store.HeldCount{{Platform: "lab.here", Removals: 14, Tenants: 1}}, got)
}

// TestGuardOfATenant: the input of a tenant has the guard in force on its
// platform, also once only its tombstone is left.
func TestGuardOfATenant(t *testing.T) {
	s := fresh(t)
	apply(t, s, store.ApplyRequest{Documents: organisation(t)})
	inForce := func(reason string, want document.Guard) {
		t.Helper()
		for _, tenant := range []access.TenantID{web, db} {
			in, err := s.TenantInput(t.Context(), tenant)
			if err != nil {
				t.Fatal(err)
			}
			diff(t, reason+": the guard of "+tenant.String(), want, in.Guard)
		}
	}
	inForce("no document says otherwise", document.DefaultGuard())
	apply(t, s, store.ApplyRequest{Documents: decode(t, "{apiVersion: v1, kind: Guard, metadata: {name: lab}, spec: {platforms: [lab.here], hour: {most: 5}}}")})
	want := document.DefaultGuard()
	want.Name, want.Platforms, want.HourMost = "lab", []string{"lab.here"}, 5
	inForce("a guard names the platform", want)
	if _, err := s.Delete(t.Context(), []document.ID{tenantID(db)}, store.Checks{}); err != nil {
		t.Fatal(err)
	}
	inForce("one tenant is removed", want)
}

func TestGuardsTouchTheirPlatforms(t *testing.T) {
	const far = "{apiVersion: v1, kind: meshPlatform, metadata: {name: far}, spec: {locationRef: {name: away}, config: {memory: {replication: {groupNamePattern: g}}}}}\n" +
		"---\n{apiVersion: v3, kind: meshTenant, metadata: {ownedByWorkspace: shop, ownedByProject: web, platformIdentifier: far.away}, spec: {localId: w}}\n"
	away := access.TenantID{Workspace: "shop", Project: "web", Platform: "far.away"}
	guard := func(name, spec string) string {
		return "---\n{apiVersion: v1, kind: Guard, metadata: {name: " + name + "}, spec: {" + spec + "}}\n"
	}
	s := fresh(t)
	apply(t, s, store.ApplyRequest{Documents: append(organisation(t), decode(t, far)...)})
	for _, tt := range []struct {
		reason, documents string
		want              []access.TenantID
	}{
		{"it is for all platforms", guard("rest", "hour: {most: 1}"), []access.TenantID{away, db, web}},
		{"it is for one", guard("lab", "platforms: [lab.here]"), []access.TenantID{db, web}},
		{"another is for the other platform", guard("rest", "hour: {most: 2}"), []access.TenantID{away}},
		{"one platform comes, one goes", guard("lab", "platforms: [far.away]"), []access.TenantID{away, db, web}},
	} {
		changes := apply(t, s, store.ApplyRequest{Documents: decode(t, tt.documents)})
		diff(t, tt.reason, tt.want, changes.Tenants)
	}
}
