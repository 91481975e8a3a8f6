package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/explain"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
)

// scene is a database whose only group has a certain name, and what runs left in
// it.
type scene struct {
	*testing.T
	url   string
	store *store.Store
}

// adminGroup is the group of the project role admin in a scene.
const adminGroup = "web-1-admin"

func newScene(t *testing.T, more string) scene {
	t.Helper()
	url := emptyDatabase(t)
	documents := organisation
	if more == collision {
		documents = strings.Replace(documents, "replication: {", `replication: {euidPattern: "%S", `, 1)
	}
	documents = strings.Replace(documents, `"#{projectIdentifier}-#{rand:%.7s}-#{tenantPlatformNumber}-#{platformGroupAlias}"`,
		`"#{projectIdentifier}-#{tenantPlatformNumber}-#{platformGroupAlias}"`, 1)
	must(t, url, documents+more, "apply", "-")
	s, err := store.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return scene{t, url, s}
}

// ended stores how the last run ended; held is what its plan holds back.
func (s scene) ended(outcome activities.Outcome, held []plan.Step, remarks ...access.Remark) {
	s.Helper()
	generation, err := s.store.Generation(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	status := store.Status{Tenant: tenant(), Outcome: string(outcome), RunID: "run-7", Generation: generation, Remarks: remarks, Held: len(held)}
	switch {
	case outcome == activities.Failed:
		status.Blind = true // without a plan it could not look
	case held == nil:
		status.Age = time.Nanosecond
	default:
		if status.Digest, err = s.store.PutPlan(s.Context(), plan.Plan{Tenant: tenant(), Held: held}, generation); err != nil {
			s.Fatal(err)
		}
	}
	if err := s.store.PutStatus(s.Context(), status); err != nil {
		s.Fatal(err)
	}
}

// observed ends a run that found everything as the documents ask for.
func (s scene) observed() {
	s.Helper()
	s.ended(activities.Converged, nil)
}

// did records steps as done by a run.
func (s scene) did(run string, steps ...plan.Step) {
	s.Helper()
	l := ledger.New(s.store)
	r := ledger.Run{Tenant: tenant(), RunID: run, WorkflowID: "w", Pass: 1, Digest: "d", Cause: "apply"}
	if err := l.Intend(s.Context(), ledger.Entry{Run: r, Steps: steps}); err != nil {
		s.Fatal(err)
	}
	outcomes := make([]ledger.Outcome, len(steps))
	for i, step := range steps {
		outcomes[i] = ledger.Outcome{Step: step, Ref: "ref-" + step.ID, Calls: 1}
	}
	if err := l.Record(s.Context(), r, outcomes); err != nil {
		s.Fatal(err)
	}
}

func (s scene) explain(args ...string) explain.Answer {
	s.Helper()
	return fromJSON[explain.Answer](s.T, must(s.T, s.url, "", append([]string{"explain", "-o", "json"}, args...)...))
}

func jane() access.Member {
	return access.Member{Account: access.Account{Name: "jane@example.com", Ref: "u-1"}, Person: "jane"}
}

// puts is the step that puts jane into a group, takes the one that takes her out.
func puts(id, group string) plan.Step {
	return plan.Step{ID: id, Op: plan.Change, Kind: access.KindMembers, Object: group, Want: plan.Object{
		Members: &plan.Members{Group: group, GroupRef: "g-1", Accounts: []access.Member{jane()}},
	}}
}

func takes(id, group string) plan.Step {
	who := jane()
	who.Person = "" // as it is observed
	return plan.Step{ID: id, Op: plan.Change, Kind: access.KindMembers, Object: group, Have: plan.Object{
		Members: &plan.Members{Group: group, GroupRef: "g-1", Accounts: []access.Member{who}},
	}}
}

func gives(id, group string) plan.Step {
	return plan.Step{ID: id, Op: plan.Create, Kind: access.KindBinding, Object: "owner → " + group, Want: plan.Object{
		Binding: &access.Binding{Role: "owner", Group: group},
	}}
}

func makes(id, group string) plan.Step {
	return plan.Step{ID: id, Op: plan.Create, Kind: access.KindGroup, Object: group, Want: plan.Object{Group: &access.Group{Name: group}}}
}

func codesOf(reasons []explain.Reason) []string {
	codes := []string{}
	for _, r := range reasons {
		codes = append(codes, r.Code)
	}
	return codes
}

// morePeople are people of whom each lacks something.
const morePeople = `---
{apiVersion: v2, kind: meshUser, metadata: {name: ada}, spec: {email: ada@example.com, firstName: Ada, lastName: Poe, euid: ada}}
---
{apiVersion: v2, kind: meshUser, metadata: {name: eve}, spec: {email: eve@example.com, firstName: Eve, lastName: Roe, euid: eve}}
---
{apiVersion: v2, kind: meshUser, metadata: {name: bob}, spec: {email: bob@example.com, firstName: Bob, lastName: Noe}}
---
{apiVersion: v1, kind: meshProjectRole, metadata: {name: auditor}, spec: {name: Auditor, rank: 2}}
---
{apiVersion: v3, kind: meshProjectUserBinding, metadata: {name: b-eve-web}, roleRef: {name: Auditor}, targetRef: {name: web, ownedByWorkspace: marketing}, subject: {name: eve}}
---
{apiVersion: v3, kind: meshProjectUserBinding, metadata: {name: b-bob-web}, roleRef: {name: admin}, targetRef: {name: web, ownedByWorkspace: marketing}, subject: {name: bob}}
`

// TestExplainSaysWhySomebodyLacksAccess: each reason there is, by its code.
func TestExplainSaysWhySomebodyLacksAccess(t *testing.T) {
	t.Parallel()
	const on = "marketing.web/sandbox.local"
	about := func(code access.Code, object string) func(scene) {
		return func(s scene) {
			s.ended(activities.Converged, nil, access.Remark{Code: code, Object: object, Text: "do something about " + object})
		}
	}
	cases := map[string]struct {
		reason string
		more   string
		happen func(scene)
		args   []string
		codes  []string
		state  explain.State // of the only access; empty for none
	}{
		"no binding":   {"nobody gave it", morePeople, nil, []string{"ada", on}, []string{"no-binding"}, ""},
		"unmapped":     {"the role means nothing there", morePeople, nil, []string{"eve", on}, []string{"role-unmapped"}, ""},
		"no euid":      {"no account can be looked up", morePeople, nil, []string{"bob", on}, []string{"user-without-euid"}, ""},
		"never looked": {"no run has looked", "", nil, []string{"jane", on}, []string{"not-replicated"}, explain.Pending},
		"behind": {"the last run knew other documents", "", func(s scene) {
			s.ended(activities.Converged, nil)
			must(s.T, s.url, morePeople, "apply", "-")
		}, []string{"jane", on}, []string{"not-replicated"}, explain.Pending},
		"found there": {"a run compared just this", "", func(s scene) { s.ended(activities.Converged, nil) }, []string{"jane", on}, []string{}, explain.Found},
		"not found":   {"no such account", "", about(access.UserNotFound, "jane"), []string{"jane", on}, []string{"user-not-found"}, explain.Blocked},
		"ambiguous":   {"several accounts", "", about(access.UserAmbiguous, "jane"), []string{"jane", on}, []string{"user-ambiguous"}, explain.Blocked},
		"disabled":    {"the account cannot sign in", "", about(access.UserDisabled, "jane"), []string{"jane", on}, []string{"user-disabled"}, explain.Blocked},
		"invited":     {"not accepted yet", "", about(access.InvitationPending, "jane"), []string{"jane", on}, []string{"invitation-pending"}, explain.Blocked},
		"collision":   {"somebody else is the same account", "", about(access.AccountCollision, "jane"), []string{"jane", on}, []string{"account-collision"}, explain.Blocked},
		"revoked":     {"revoked by name", "", about(access.UserRevoked, "jane"), []string{"jane", on}, []string{"user-revoked"}, explain.Blocked},
		"revoked by name": {"nobody has run since", "", func(s scene) {
			if _, err := s.store.Revoke(s.Context(), "jane", "left", storetest.By("ada"), nil); err != nil {
				s.Fatal(err)
			}
		}, []string{"jane", on}, []string{"user-revoked"}, ""},
		"revoked and not bound": {"a binding alone would not help", morePeople, func(s scene) {
			if _, err := s.store.Revoke(s.Context(), "ada", "left", storetest.By("jane"), nil); err != nil {
				s.Fatal(err)
			}
		}, []string{"ada", on}, []string{"no-binding", "user-revoked"}, ""},
		"same account":      {"the pattern makes one of two", collision, nil, []string{"kim", on}, []string{"account-collision"}, explain.Blocked},
		"group taken":       {"somebody else has the group", "", about(access.ObjectForeign, adminGroup), []string{"jane", on}, []string{"object-unmanaged"}, explain.Blocked},
		"group unclear":     {"nobody knows whose the group is", "", about(access.OwnershipUnclear, adminGroup), []string{"jane", on}, []string{"ownership-unclear"}, explain.Blocked},
		"role refused":      {"the platform does not know the role", "", failing(access.PlatformRefused, "owner → "+adminGroup), []string{"jane", on}, []string{"platform-refused", "tenant-failed", "not-replicated"}, explain.Pending},
		"account refused":   {"the platform does not create the account", "", failing(access.PlatformRefused, "jane@example.com"), []string{"jane", on}, []string{"platform-refused", "tenant-failed"}, explain.Blocked},
		"another account":   {"what happens to others is no reason", "", failing(access.PlatformRefused, "joe@example.com"), []string{"jane", on}, []string{"tenant-failed", "not-replicated"}, explain.Pending},
		"another's":         {"what others lack is no reason", "", about(access.UserNotFound, "joe"), []string{"jane", on}, []string{}, explain.Found},
		"another group":     {"nor is another group's trouble", "", about(access.ObjectForeign, "other"), []string{"jane", on}, []string{}, explain.Found},
		"no tenant there":   {"the platform has no such tenant", "", failing(access.TenantNotFound, on), []string{"jane", on}, []string{"tenant-not-found", "tenant-failed"}, explain.Blocked},
		"denied":            {"our credentials lack something", "", failing(access.PlatformDenied, "sandbox.local"), []string{"jane", on}, []string{"platform-denied", "tenant-failed", "not-replicated"}, explain.Pending},
		"forbidden":         {"the connection does not allow it", "", failing(access.ForbiddenByConnection, on), []string{"jane", on}, []string{"forbidden-by-connection", "tenant-failed", "not-replicated"}, explain.Pending},
		"role forbidden":    {"the connection does not allow the role", "", failing(access.ForbiddenByConnection, "owner → "+adminGroup), []string{"jane", on}, []string{"forbidden-by-connection", "tenant-failed", "not-replicated"}, explain.Pending},
		"contested":         {"somebody else undoes it", "", failing(access.Contested, on), []string{"jane", on}, []string{"drifting", "tenant-failed", "not-replicated"}, explain.Pending},
		"no such platform":  {"nothing is known of the platform", "", nil, []string{"jane", "marketing.web/sandbox.moon"}, []string{"no-platform"}, ""},
		"not on that one":   {"the project is not there", otherPlatform, nil, []string{"jane", "marketing.web/other.local"}, []string{"no-tenant"}, ""},
		"tenant is removed": {"it is only cleaned up", "", func(s scene) { must(s.T, s.url, "", "delete", "tenant", on, "--yes") }, []string{"jane", on}, []string{"tenant-removed"}, ""},
		"held": {"no binding, and the removal waits", "", func(s scene) {
			s.did("run-1", puts("1", adminGroup))
			must(s.T, s.url, "", "delete", "userbinding", "b-jane-web", "--yes")
			s.ended(activities.Waiting, []plan.Step{takes("2", adminGroup)}, access.Remark{Code: access.RemovalHeld, Object: adminGroup, Text: "1 of 1"})
		}, []string{"jane", on}, []string{"no-binding", "removal-pending-approval"}, ""},
		"a group is held": {"the whole group waits", "", func(s scene) {
			s.did("run-1", puts("1", "old"))
			s.ended(activities.Waiting, []plan.Step{{ID: "2", Op: plan.Delete, Kind: access.KindGroup, Object: "old", Have: plan.Object{Group: &access.Group{Name: "old", Ref: "g-9"}}}})
		}, []string{"jane", on}, []string{"removal-pending-approval"}, explain.Found},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, tc.more)
			if tc.happen != nil {
				tc.happen(s)
			}
			e := s.explain(tc.args...)
			if diff := cmp.Diff(tc.codes, codesOf(e.Reasons)); diff != "" {
				t.Errorf("%s: reasons (-want +got):\n%s\n%+v", tc.reason, diff, e.Reasons)
			}
			var state explain.State
			if len(e.Access) > 0 {
				state = e.Access[0].State
			}
			if state != tc.state {
				t.Errorf("%s: the access is %q, want %q", tc.reason, state, tc.state)
			}
			out := must(t, s.url, "", append([]string{"explain"}, tc.args...)...)
			for _, why := range e.Reasons {
				if !strings.Contains(out, why.Code) || !strings.Contains(out, why.Text) {
					t.Errorf("%s: people are not told %s: %s\n%s", tc.reason, why.Code, why.Text, out)
				}
			}
		})
	}
}

// collision are two people of whom the platform's pattern makes one account.
const collision = `---
{apiVersion: v2, kind: meshUser, metadata: {name: kim}, spec: {email: kim@example.com, firstName: Kim, lastName: Poe, euid: KIM}}
---
{apiVersion: v2, kind: meshUser, metadata: {name: tim}, spec: {email: tim@example.com, firstName: Tim, lastName: Poe, euid: kim}}
---
{apiVersion: v3, kind: meshProjectUserBinding, metadata: {name: b-kim-web}, roleRef: {name: admin}, targetRef: {name: web, ownedByWorkspace: marketing}, subject: {name: kim}}
---
{apiVersion: v3, kind: meshProjectUserBinding, metadata: {name: b-tim-web}, roleRef: {name: admin}, targetRef: {name: web, ownedByWorkspace: marketing}, subject: {name: tim}}
`

// failing ends the last run in a failure, with a remark.
func failing(code access.Code, object string) func(scene) {
	return func(s scene) {
		s.ended(activities.Failed, nil, access.Remark{Code: code, Object: object, Text: "do something about " + object})
	}
}

const otherPlatform = `---
apiVersion: v1
kind: meshPlatform
metadata: {name: other}
spec: {displayName: O, locationRef: {name: local}, config: {memory: {replication: {groupNamePattern: "#{platformGroupAlias}", roleMappings: []}}}}
`

// TestExplainFollowsTheRecord: the last step that counts, its time and its run,
// also under the group's former name, and nothing that was taken since.
func TestExplainFollowsTheRecord(t *testing.T) {
	t.Parallel()
	const on = "marketing.web/sandbox.local"
	rename := func(id, from, to string) plan.Step {
		return plan.Step{
			ID: id, Op: plan.Change, Kind: access.KindGroup, Object: to,
			Have: plan.Object{Group: &access.Group{Name: from, Ref: "g-1"}}, Want: plan.Object{Group: &access.Group{Name: to, Ref: "g-1"}},
		}
	}
	remove := func(id, group string) plan.Step {
		return plan.Step{ID: id, Op: plan.Delete, Kind: access.KindGroup, Object: group, Have: plan.Object{Group: &access.Group{Name: group, Ref: "g-1"}}}
	}
	cases := map[string]struct {
		reason string
		did    [][]plan.Step
		given  bool
		run    string // of the first applied step
	}{
		"put there":      {"it was done", [][]plan.Step{{makes("1", adminGroup), puts("2", adminGroup), gives("3", adminGroup)}}, true, "run-0"},
		"twice":          {"the newer one counts", [][]plan.Step{{puts("1", adminGroup), gives("3", adminGroup)}, {puts("2", adminGroup)}}, true, "run-1"},
		"taken":          {"it was taken since", [][]plan.Step{{puts("1", adminGroup)}, {takes("2", adminGroup)}}, false, ""},
		"given back":     {"it was given again", [][]plan.Step{{puts("1", adminGroup), gives("4", adminGroup)}, {takes("2", adminGroup)}, {puts("3", adminGroup)}}, true, "run-2"},
		"renamed":        {"the group had another name", [][]plan.Step{{puts("1", "old"), gives("4", "old")}, {rename("2", "old", adminGroup)}}, true, "run-0"},
		"renamed twice":  {"and another one before", [][]plan.Step{{puts("1", "older"), gives("4", "older")}, {rename("2", "older", "old")}, {rename("3", "old", adminGroup)}}, true, "run-0"},
		"removed":        {"the group was removed and made anew", [][]plan.Step{{puts("1", adminGroup)}, {remove("2", adminGroup)}, {makes("3", adminGroup)}}, false, ""},
		"another group":  {"it is another group", [][]plan.Step{{puts("1", "other")}}, false, ""},
		"taken in other": {"another group's removal is none here", [][]plan.Step{{puts("1", adminGroup), gives("4", adminGroup)}, {takes("2", "other")}}, true, "run-0"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, "")
			for i, steps := range tc.did {
				s.did("run-"+string(rune('0'+i)), steps...)
			}
			s.observed()
			e := s.explain("jane", on)
			if len(e.Access) != 1 || e.Access[0].Granted != tc.given {
				t.Fatalf("%s: %+v, want one access, given %t", tc.reason, e.Access, tc.given)
			}
			if tc.run == "" {
				return
			}
			if got := e.Access[0]; got.State != explain.Granted || got.Applied[0].Run != tc.run || got.Applied[0].At.IsZero() {
				t.Errorf("%s: %s by %+v, want given by %s", tc.reason, got.State, got.Applied, tc.run)
			}
		})
	}
}

// TestExplainShowsDecisions: what was decided about a removal that is held.
func TestExplainShowsDecisions(t *testing.T) {
	t.Parallel()
	const on = "marketing.web/sandbox.local"
	held := takes("2", adminGroup)
	for verdict, want := range map[store.Verdict]explain.Leaving{
		"":              {Verdict: "pending"},
		store.Approved:  {Verdict: "approved", By: "os:ada@test", Reason: "CHG-1"},
		store.Rejected:  {Verdict: "rejected", By: "os:ada@test", Reason: "CHG-1"},
		store.Undecided: {Verdict: "pending"},
	} {
		t.Run("verdict "+string(verdict), func(t *testing.T) {
			t.Parallel()
			s := newScene(t, "")
			s.did("run-1", puts("1", adminGroup))
			must(t, s.url, "", "delete", "userbinding", "b-jane-web", "--yes")
			s.ended(activities.Waiting, []plan.Step{held})
			if verdict != "" {
				err := s.store.Decide(t.Context(), tenant(), []store.Decision{{
					Removal: held.Removals()[0], Verdict: verdict, By: storetest.By("ada"), Reason: "CHG-1", Life: time.Hour,
				}})
				if err != nil {
					t.Fatal(err)
				}
			}
			want.Account, want.Group, want.Digest = "jane@example.com", adminGroup, plan.Plan{Held: []plan.Step{held}}.HeldDigest()
			for _, args := range [][]string{{"jane", on}, {on}} {
				e := s.explain(args...)
				for i, l := range e.Leaving {
					e.Leaving[i].Expires = time.Time{}
					if l.Since.IsZero() || l.Seen.State != explain.Present || l.Seen.At.IsZero() || l.Desired {
						t.Errorf("explain %v: %+v, want since when, and when it was seen", args, l)
					}
				}
				if diff := cmp.Diff([]explain.Leaving{want}, e.Leaving, withoutTimes()); diff != "" {
					t.Errorf("explain %v (-want +got):\n%s", args, diff)
				}
				if out := must(t, s.url, "", append([]string{"explain"}, args...)...); !strings.Contains(out, want.Text(tenant(), "at once")[:40]) {
					t.Errorf("explain %v does not say that it is still there:\n%s", args, out)
				}
			}
		})
	}
}

// withoutTimes ignores when a removal was held, and when it was seen.
func withoutTimes() cmp.Option { return cmpopts.IgnoreFields(explain.Leaving{}, "Since", "Seen") }

// TestExplainTellsAGroupsStory: how its name came about, whose place it takes, and
// who had it taken over.
func TestExplainTellsAGroupsStory(t *testing.T) {
	t.Parallel()
	const on = "marketing.web/sandbox.local"
	s := newScene(t, "")
	s.did("run-1", makes("1", adminGroup))
	if err := s.store.Adopt(t.Context(), tenant(), []store.Adoption{{Group: adminGroup, Ref: "g-1", By: storetest.By("ada"), Reason: "CHG-2"}}); err != nil {
		t.Fatal(err)
	}
	run := ledger.Run{Tenant: tenant(), RunID: "run-2"}
	renaming := plan.Renaming{ID: "r-1", Mode: plan.Recreate, From: access.Group{Name: "web-old"}, To: adminGroup}
	for _, state := range []ledger.RenamingState{ledger.Building, ledger.Waiting} {
		if err := ledger.New(s.store).Bring(t.Context(), run, renaming, state); err != nil {
			t.Fatal(err)
		}
	}
	e := s.explain("jane", on)
	if len(e.Groups) != 1 {
		t.Fatalf("groups %+v, want one", e.Groups)
	}
	got := e.Groups[0]
	if !strings.Contains(got.Named, `#{tenantPlatformNumber}`) || !strings.Contains(got.Named, "the number 1") || got.Ref != "ref-1" {
		t.Errorf("the name came about as %q, id %q; want the pattern, the number 1 and the id", got.Named, got.Ref)
	}
	if r := got.Replacement; r == nil || r.From != "web-old" || r.State != "waiting" || r.Since.IsZero() {
		t.Errorf("renaming %+v, want one from web-old that waits", got.Replacement)
	}
	if a := got.Adoption; a == nil || a.By != "os:ada@test" || a.Reason != "CHG-2" || a.State != "open" {
		t.Errorf("adoption %+v, want ada's, which is open", got.Adoption)
	}
	out := must(t, s.url, "", "explain", "jane", on)
	for _, text := range []string{"the number 1", `replaces "web-old"`, "The next run adopts the group at the request of os:ada@test", "CHG-2"} {
		if !strings.Contains(out, text) {
			t.Errorf("people are not told %q:\n%s", text, out)
		}
	}
}

// TestExplainKnowsWhoHasNoDocument: the record knows a person who left the
// documents and whose removal is held.
func TestExplainKnowsWhoHasNoDocument(t *testing.T) {
	t.Parallel()
	s := newScene(t, "")
	s.did("run-1", puts("1", adminGroup))
	for _, id := range [][]string{{"userbinding", "b-jane-web"}, {"user", "jane"}} {
		must(t, s.url, "", "delete", id[0], id[1], "--yes")
	}
	s.ended(activities.Waiting, []plan.Step{takes("2", adminGroup)})
	e := s.explain("jane", "marketing.web/sandbox.local")
	if diff := cmp.Diff([]string{"no-binding", "removal-pending-approval"}, codesOf(e.Reasons)); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
}
