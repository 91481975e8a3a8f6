package explain_test

import (
	"strings"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/desired"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/explain"
	"github.com/rollcall-iam/rollcall/internal/identity"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/store"
)

const group = "web-admin"

// at is a time of the story, in minutes.
func at(minutes int) time.Time {
	return time.Date(2026, 3, 4, 5, 0, 0, 0, time.UTC).Add(time.Duration(minutes) * time.Minute)
}

func tenant() access.TenantID {
	return access.TenantID{Workspace: "marketing", Project: "web", Platform: "sandbox.local"}
}

func member(user, account string) access.Member {
	return access.Member{Account: access.Account{Name: account}, Person: user}
}

func jane() access.Member { return member("jane", "jane@example.com") }

// fixture is the story of one tenant, whose documents ask that jane is a member of a group with
// one role.
type fixture struct {
	explain.Facts
}

func newFixture() *fixture {
	f := &fixture{explain.Facts{
		Input:   document.TenantInput{Tenant: document.Tenant{TenantID: tenant()}, Generation: 5},
		Desired: desired.Desired{Tenant: tenant()},
		Profile: driver.Profile{Groups: true, AccessEnd: driver.AccessEnd{Source: "each request is checked"}},
		User:    "jane", Account: "jane@example.com", Completed: true, Now: at(1000),
		Refusal: func(class string) (access.Code, bool) {
			switch class {
			case "Invalid":
				return access.PlatformRefused, true
			case "Denied":
				return access.PlatformDenied, true
			default:
				return access.PlatformPending, false
			}
		},
	}}
	f.setMembers(jane())
	return f
}

// setMembers makes the members those that the documents ask for.
func (f *fixture) setMembers(members ...access.Member) {
	f.Desired.State = access.State{
		Groups:   []access.Group{{Name: group, Members: members}},
		Bindings: []access.Binding{{Role: "owner", Group: group}},
	}
}

// observed is an observation that compared the present documents, and its plan.
func (f *fixture) observed(minutes int, steps ...plan.Step) *fixture {
	f.Replicated = true
	f.Plan = plan.Plan{Steps: steps}
	f.Status.At = at(minutes)
	f.Status.Observed = store.Observation{At: at(minutes), Desired: f.Desired.Digest(), Revision: 5}
	return f
}

// applied records a step that the platform accepted, answered one with another answer.
func (f *fixture) applied(minutes int, s plan.Step) *fixture { return f.answered(minutes, s, "") }

func (f *fixture) answered(minutes int, s plan.Step, failure string) *fixture {
	r := ledger.Record{Run: ledger.Run{RunID: at(minutes).String(), Tenant: tenant()}, Step: s, Attempts: 1, IntendedAt: at(minutes), DoneAt: at(minutes), Err: failure}
	f.Records = append([]ledger.Record{r}, f.Records...)
	return f
}

// unanswered records a step that has no answer yet.
func (f *fixture) unanswered(minutes int, s plan.Step) *fixture {
	f.answered(minutes, s, "")
	f.Records[0].DoneAt = time.Time{}
	return f
}

func (f *fixture) warned(code access.Code, object string) *fixture {
	f.Status.Remarks = append(f.Status.Remarks, access.Remark{Code: code, Object: object, Text: string(code) + " on " + object})
	return f
}

// shared makes jane's account one that gains nothing and loses nothing, by the documents.
func (f *fixture) shared(code access.Code) *fixture {
	f.Desired.Shared = []string{jane().Name}
	f.Desired.Remarks = []access.Remark{{Code: code, Object: "jane", Text: string(code) + " by the documents"}}
	return f
}

func members(op plan.Op, of string, have, want []access.Member) plan.Step {
	s := plan.Step{ID: of, Op: op, Kind: access.KindMembers, Object: of}
	if have != nil {
		s.Have.Members = &plan.Members{Group: of, Accounts: have}
	}
	if want != nil {
		s.Want.Members = &plan.Members{Group: of, Accounts: want}
	}
	return s
}

func addsMember(of string, m ...access.Member) plan.Step { return members(plan.Change, of, nil, m) }

func removesMember(m ...access.Member) plan.Step {
	return members(plan.Change, group, m, nil)
}

func ofGroup(op plan.Op, name string) plan.Step {
	s := plan.Step{ID: name, Op: op, Kind: access.KindGroup, Object: name}
	o := plan.Object{Group: &access.Group{Name: name}}
	if op == plan.Delete {
		s.Have = o
	} else {
		s.Want = o
	}
	return s
}

func ofRole(op plan.Op, role, of string, subjects ...access.Member) plan.Step {
	o := plan.Object{Binding: &access.Binding{Role: role, Group: of, Subjects: subjects}}
	s := plan.Step{ID: role, Op: op, Kind: access.KindBinding, Object: o.Binding.Key().String()}
	if op == plan.Delete {
		s.Have = o
	} else {
		s.Want = o
	}
	return s
}

// observedAccount is a member as an observation has them: without the user.
func observedAccount(name, ref string) access.Member {
	return access.Member{Account: access.Account{Name: name, Ref: ref}}
}

const refused = "Invalid: the platform does not know the account\ncorrect it"

// TestExplain_States: each state of a membership and of a role, with what was last seen.
func TestExplain_States(t *testing.T) {
	t.Parallel()
	owner := ofRole(plan.Create, "owner", group)
	for name, tc := range map[string]struct {
		reason string
		facts  *fixture
		state  explain.State
		member string // the text of what was seen
		role   string
	}{
		"nothing": {"no run has looked", newFixture(), explain.Pending, "never observed", "never observed"},
		"granted": {
			"added, then seen", newFixture().applied(1, addsMember(group, jane())).applied(1, owner).observed(2),
			explain.Granted, "seen at 2026-03-04 05:02:00", "seen at 2026-03-04 05:02:00",
		},
		"found": {"seen, and never added", newFixture().observed(2), explain.Found, "seen at 2026-03-04 05:02:00", "seen at 2026-03-04 05:02:00"},
		"written": {
			"added after the last observation", newFixture().observed(1, addsMember(group, jane()), owner).applied(2, addsMember(group, jane())).applied(2, owner),
			explain.Written, "written at 2026-03-04 05:02:00, not seen yet", "written at 2026-03-04 05:02:00, not seen yet",
		},
		"written, never observed": {
			"no run has looked since", newFixture().applied(2, addsMember(group, jane())).applied(2, owner),
			explain.Written, "written at 2026-03-04 05:02:00, not seen yet", "written at 2026-03-04 05:02:00, not seen yet",
		},
		"to be added": {
			"the plan has still to add the member", newFixture().observed(3, addsMember(group, jane())),
			explain.Pending, "not there at 2026-03-04 05:03:00", "seen at 2026-03-04 05:03:00",
		},
		"lost": {
			"Rollcall added the member, and the observation does not find them",
			newFixture().applied(1, addsMember(group, jane())).applied(1, owner).observed(3, addsMember(group, jane())),
			explain.Pending, "not there at 2026-03-04 05:03:00", "seen at 2026-03-04 05:03:00",
		},
		"group to be created": {
			"without the group there is no membership and no role", newFixture().observed(3, ofGroup(plan.Create, group), addsMember(group, jane()), owner),
			explain.Pending, "not there at 2026-03-04 05:03:00", "not there at 2026-03-04 05:03:00",
		},
		"group created again": {
			"the new group has none of the old members",
			newFixture().applied(1, addsMember(group, jane())).applied(1, owner).observed(2).applied(4, ofGroup(plan.Create, group)).unanswered(5, addsMember(group, jane())),
			explain.Pending, "not there at 2026-03-04 05:05:00", "not there at 2026-03-04 05:04:00",
		},
		"group created again, not filled": {
			"the observation saw the old group",
			newFixture().applied(1, addsMember(group, jane())).applied(1, owner).observed(2).applied(4, ofGroup(plan.Create, group)),
			explain.Pending, "not there at 2026-03-04 05:04:00", "not there at 2026-03-04 05:04:00",
		},
		"group created and filled at once": {
			"steps of one batch have one time, in any order",
			newFixture().applied(3, addsMember(group, jane())).applied(3, owner).applied(3, ofGroup(plan.Create, group)).observed(4),
			explain.Granted, "seen at 2026-03-04 05:04:00", "seen at 2026-03-04 05:04:00",
		},
		"role refused": {
			"the membership alone gives nothing", newFixture().applied(1, addsMember(group, jane())).answered(1, owner, refused).observed(2, owner),
			explain.Blocked, "seen at 2026-03-04 05:02:00", "not there at 2026-03-04 05:02:00",
		},
		"role pending": {
			"the platform has not finished", newFixture().applied(1, addsMember(group, jane())).answered(3, owner, "Pending: carried out").observed(2, owner),
			explain.Pending, "seen at 2026-03-04 05:02:00", "not there at 2026-03-04 05:03:00",
		},
		"role removed again": {
			"a later step took the role", newFixture().applied(1, addsMember(group, jane())).applied(1, owner).observed(2).applied(3, ofRole(plan.Delete, "owner", group)),
			explain.Pending, "seen at 2026-03-04 05:02:00", "removed at 2026-03-04 05:03:00, not confirmed yet",
		},
		"attempt after the observation": {
			"the later run found the member missing", newFixture().applied(1, addsMember(group, jane())).applied(1, owner).observed(2).unanswered(4, addsMember(group, jane())),
			explain.Pending, "not there at 2026-03-04 05:04:00", "seen at 2026-03-04 05:02:00",
		},
		"revoked": {
			"the user loses what they have", newFixture().applied(1, addsMember(group, jane())).applied(1, owner).observed(2).warned(access.UserRevoked, "jane"),
			explain.Blocked, "the observation at 2026-03-04 05:02:00 does not tell", "seen at 2026-03-04 05:02:00",
		},
		"disabled": {
			"plans leave the membership of a disabled account alone",
			newFixture().applied(1, addsMember(group, jane())).applied(1, owner).observed(2).warned(access.UserDisabled, "jane"),
			explain.Retained, "the observation at 2026-03-04 05:02:00 does not tell", "seen at 2026-03-04 05:02:00",
		},
		"shared account, before any run noticed": {
			"the documents alone say that plans leave the membership alone",
			newFixture().applied(1, addsMember(group, jane())).applied(1, owner).observed(2).shared(access.AccountCollision),
			explain.Retained, "seen at 2026-03-04 05:02:00", "seen at 2026-03-04 05:02:00",
		},
		"shared account, after a run": {
			"the run's warning says the same",
			newFixture().applied(1, addsMember(group, jane())).applied(1, owner).shared(access.AccountCollision).observed(2).warned(access.AccountCollision, "jane"),
			explain.Retained, "the observation at 2026-03-04 05:02:00 does not tell", "seen at 2026-03-04 05:02:00",
		},
		"shared account, written": {
			"no observation has shown the addition",
			newFixture().applied(2, addsMember(group, jane())).applied(2, owner).shared(access.AccountCollision),
			explain.Retained, "written at 2026-03-04 05:02:00, not seen yet", "written at 2026-03-04 05:02:00, not seen yet",
		},
		"shared account by the platform's answer": {
			"two names are one account there, which the documents do not tell",
			newFixture().applied(1, addsMember(group, jane())).applied(1, owner).observed(2).warned(access.AccountCollision, "jane"),
			explain.Retained, "the observation at 2026-03-04 05:02:00 does not tell", "seen at 2026-03-04 05:02:00",
		},
		"account of a revoked user": {
			"the user is not revoked, and loses nothing",
			newFixture().applied(1, addsMember(group, jane())).applied(1, owner).shared(access.UserRevoked).observed(2).warned(access.UserRevoked, "jane"),
			explain.Retained, "the observation at 2026-03-04 05:02:00 does not tell", "seen at 2026-03-04 05:02:00",
		},
		"shared account, never added": {
			"an observation shows the membership, and Rollcall never added it", newFixture().applied(1, owner).shared(access.AccountCollision).observed(2),
			explain.Retained, "seen at 2026-03-04 05:02:00", "seen at 2026-03-04 05:02:00",
		},
		"shared account, removed": {
			"Rollcall removed it, and does not add it again",
			newFixture().applied(1, owner).applied(1, addsMember(group, jane())).applied(2, removesMember(jane())).shared(access.AccountCollision).observed(3).warned(access.AccountCollision, "jane"),
			explain.Blocked, "the observation at 2026-03-04 05:03:00 does not tell", "seen at 2026-03-04 05:03:00",
		},
		"shared account, tenant not found": {
			"nothing is left on the platform", newFixture().applied(1, addsMember(group, jane())).shared(access.AccountCollision).observed(2).
				warned(access.AccountCollision, "jane").warned(access.TenantNotFound, tenant().String()),
			explain.Blocked, "not there at 2026-03-04 05:02:00", "not there at 2026-03-04 05:02:00",
		},
		"shared account, role missing": {
			"the retained membership gives a role that is not granted yet",
			newFixture().applied(1, addsMember(group, jane())).shared(access.AccountCollision).observed(2, owner),
			explain.Retained, "seen at 2026-03-04 05:02:00", "not there at 2026-03-04 05:02:00",
		},
		"tenant not found": {
			"nothing is there", newFixture().applied(1, addsMember(group, jane())).observed(2).warned(access.TenantNotFound, tenant().String()),
			explain.Blocked, "not there at 2026-03-04 05:02:00", "not there at 2026-03-04 05:02:00",
		},
		"group of another system": {
			"the group of that name is not managed", newFixture().applied(1, addsMember(group, jane())).observed(2).warned(access.ObjectForeign, group),
			explain.Blocked, "the observation at 2026-03-04 05:02:00 does not tell", "the observation at 2026-03-04 05:02:00 does not tell",
		},
		"another member is refused": {
			"a warning about another member of the group", newFixture().answered(1, addsMember(group, member("joe", "joe@example.com")), refused).
				observed(2, addsMember(group, member("joe", "joe@example.com"), jane())).warned(access.PlatformRefused, group),
			explain.Pending, "not there at 2026-03-04 05:02:00", "seen at 2026-03-04 05:02:00",
		},
		"this member is refused": {
			"the platform refused the member", newFixture().answered(1, addsMember(group, jane()), refused).
				observed(2, addsMember(group, jane())).warned(access.PlatformRefused, group),
			explain.Blocked, "not there at 2026-03-04 05:02:00", "seen at 2026-03-04 05:02:00",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := explain.Explain(tc.facts.Facts)
			if len(a.Access) != 1 || len(a.Access[0].RoleStates) != 1 {
				t.Fatalf("%s: %+v, want one access with one role", tc.reason, a.Access)
			}
			got := a.Access[0]
			if got.State != tc.state || !got.Desired {
				t.Errorf("%s: %s, want %s", tc.reason, got.State, tc.state)
			}
			if text := got.Seen.Text(); text != tc.member {
				t.Errorf("%s: membership %q, want %q", tc.reason, text, tc.member)
			}
			if text := got.RoleStates[0].Seen.Text(); text != tc.role {
				t.Errorf("%s: role %q, want %q", tc.reason, text, tc.role)
			}
		})
	}
}

// TestExplain_FailuresOfMemberships: the answer to the step that adds the user, or that creates
// the account or the group, is the reason, before the run has stored a warning.
func TestExplain_FailuresOfMemberships(t *testing.T) {
	t.Parallel()
	account := plan.Step{ID: "a", Op: plan.Create, Kind: access.KindAccount, Object: "jane@example.com", Want: plan.Object{
		Account: &access.Newcomer{Account: access.Account{Name: "jane@example.com"}, Person: "jane"},
	}}
	const temporary = "Unavailable: no answer"
	flat := strings.ReplaceAll(refused, "\n", ": ")
	for name, tc := range map[string]struct {
		reason string
		facts  *fixture
		state  explain.State
		code   string
		text   string // among the texts; empty if the reasons have it
	}{
		"member refused":     {"the platform refuses the member", newFixture().answered(1, addsMember(group, jane()), refused), explain.Blocked, "platform-refused", ""},
		"member fails":       {"the run repeats it", newFixture().answered(1, addsMember(group, jane()), temporary), explain.Pending, "not-replicated", temporary},
		"account refused":    {"nothing can be added without an account", newFixture().answered(1, account, refused), explain.Blocked, "platform-refused", ""},
		"account created":    {"the membership is the next step", newFixture().applied(1, account), explain.Pending, "not-replicated", ""},
		"account is planned": {"the run has still to create it", newFixture().observed(1, account), explain.Pending, "not-replicated", ""},
		"group refused":      {"nothing can be added without a group", newFixture().answered(1, ofGroup(plan.Create, group), refused), explain.Blocked, "platform-refused", ""},
		"another user":       {"it is not about this one", newFixture().answered(1, addsMember(group, member("joe", "joe@example.com")), refused), explain.Pending, "not-replicated", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := explain.Explain(tc.facts.Facts)
			got := a.Access[0]
			if got.State != tc.state {
				t.Errorf("%s: %s, want %s", tc.reason, got.State, tc.state)
			}
			codes := map[string]string{}
			for _, r := range a.Reasons {
				codes[r.Code] = r.Text
			}
			if _, found := codes[tc.code]; !found || tc.code == "platform-refused" && codes[tc.code] != flat {
				t.Errorf("%s: reasons %+v, want %s", tc.reason, a.Reasons, tc.code)
			}
			if texts := strings.Join(a.MissingTexts(got), "; "); tc.text == "" && texts != "" || !strings.Contains(texts, tc.text) {
				t.Errorf("%s: texts %q, want %q", tc.reason, texts, tc.text)
			}
		})
	}
}

// TestExplain_DocumentsChanged: an observation of other documents tells of what Rollcall added
// before, and of nothing else.
func TestExplain_DocumentsChanged(t *testing.T) {
	t.Parallel()
	owner := ofRole(plan.Create, "owner", group)
	other := func(f *fixture) *fixture { f.Status.Observed.Desired = "other"; return f }
	sameDocuments := newFixture().observed(2)
	sameDocuments.Input.Generation = 9
	for name, tc := range map[string]struct {
		reason string
		facts  *fixture
		state  explain.State
	}{
		"added before":     {"the plan would add or remove what differed", other(newFixture().applied(1, addsMember(group, jane())).applied(1, owner).observed(2)), explain.Granted},
		"never added":      {"nothing tells that it is there", other(newFixture().observed(2)), explain.Pending},
		"another tenant's": {"an apply that leaves the tenant's access alone outdates nothing", sameDocuments, explain.Found},
		"added to a group that is gone": {
			"the group was created again since", other(newFixture().applied(1, addsMember(group, jane())).applied(1, owner).applied(2, ofGroup(plan.Create, group)).observed(3)),
			explain.Pending,
		},
		"added before, planned": {"the plan adds it", other(newFixture().applied(1, addsMember(group, jane())).applied(1, owner).observed(2, owner)), explain.Pending},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := explain.Explain(tc.facts.Facts).Access[0].State; got != tc.state {
				t.Errorf("%s: %s, want %s", tc.reason, got, tc.state)
			}
		})
	}
}

// TestExplain_IdentifiesAccounts: whose membership a record is about.
func TestExplain_IdentifiesAccounts(t *testing.T) {
	t.Parallel()
	withRef := jane()
	withRef.Ref = "u-1"
	ignoring := func(f *fixture) *fixture { f.Profile.AccountNames = identity.IgnoreCase; return f }
	for name, tc := range map[string]struct {
		reason  string
		facts   *fixture
		granted bool
		want    string // of the membership
	}{
		"removal by id": {
			"an observed account may have an id alone",
			newFixture().applied(1, addsMember(group, withRef)).observed(2).applied(3, removesMember(observedAccount("", "u-1"))),
			false, "removed at",
		},
		"removal of another id": {
			"it is another account", newFixture().applied(1, addsMember(group, withRef)).observed(2).applied(3, removesMember(observedAccount("", "u-9"))),
			true, "seen at",
		},
		"another case": {
			"the platform compares with the case",
			newFixture().applied(1, addsMember(group, withRef)).observed(2).applied(3, removesMember(observedAccount("JANE@example.com", "u-9"))),
			true, "seen at",
		},
		"another case, ignored": {
			"the platform ignores the case",
			ignoring(newFixture().applied(1, addsMember(group, withRef)).observed(2).applied(3, removesMember(observedAccount("JANE@example.com", "u-1")))),
			false, "removed at",
		},
		"another account of the user": {
			"the euid changed: the account of now was never added",
			newFixture().applied(1, addsMember(group, member("jane", "old@example.com"))).observed(2, addsMember(group, jane())), false, "not there at",
		},
		"the account of another user": {
			"a user of the same account name was there before",
			newFixture().applied(1, addsMember(group, member("other", "jane@example.com"))).observed(2, addsMember(group, jane())), false, "not there at",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := explain.Explain(tc.facts.Facts).Access[0]
			if got.Granted != tc.granted || !strings.HasPrefix(got.Seen.Text(), tc.want) {
				t.Errorf("%s: added by Rollcall %t, %q, want %t, %q", tc.reason, got.Granted, got.Seen.Text(), tc.granted, tc.want)
			}
		})
	}
}

// TestExplain_Leaving: access that no document asks for is listed as long as it may count, with
// the reason and since when.
func TestExplain_Leaving(t *testing.T) {
	t.Parallel()
	leaver := func() *fixture {
		f := newFixture().applied(1, addsMember(group, jane()))
		f.setMembers()
		return f
	}
	lasts := func(f *fixture, end driver.AccessEnd, now int) *fixture {
		f.Profile.AccessEnd, f.Now = end, at(now)
		return f
	}
	hours := driver.AccessEnd{UpTo: 12 * time.Hour, Because: "sessions", Source: "page"}
	unbounded := driver.AccessEnd{NoBound: "minutes, potentially hours", Because: "caches", Source: "page"}
	removal := removesMember(observedAccount("jane@example.com", ""))
	pendingApproval := func(f *fixture, steps ...plan.Step) *fixture { f.Plan.Held = steps; return f }
	approved := func(f *fixture) *fixture {
		f.Decisions = []store.Decision{{
			Removal: removal.Removals()[0], Verdict: store.Approved, By: access.Actor{Kind: access.OSUser, Name: "ada@test", Claim: "hr"},
			Reason: "CHG-1", Decided: at(2),
		}}
		return f
	}
	outage := func(f *fixture) *fixture {
		f.Status.At, f.Status.Outcome, f.Completed = at(50), "failed", false
		return f
	}
	memberOnly := func() *fixture {
		f := newFixture().applied(1, addsMember(group, jane()))
		return f
	}
	rebound := leaver().observed(2, removal)
	rebound.setMembers(jane())
	for name, tc := range map[string]struct {
		reason  string
		facts   *fixture
		verdict explain.Verdict // empty for nothing
		code    string
		since   time.Time
		want    []string
	}{
		"held": {
			"a guard holds it", pendingApproval(leaver().observed(2), removal), explain.PendingApproval, "removal-pending-approval", at(2),
			[]string{"is still in the group", "a guard holds the removal"},
		},
		"held in an outage": {
			"a run that could not look changes nothing about it", outage(pendingApproval(leaver().observed(2), removal)), explain.PendingApproval,
			"removal-pending-approval", at(2), []string{"a guard holds the removal"},
		},
		"held, then applied": {
			"it was approved", pendingApproval(leaver().observed(2), removal).applied(3, removal), explain.Removed, "removal-not-effective", at(3),
			[]string{"was removed from the group", "no observation confirms"},
		},
		"approved, then applied": {
			"the approval is named", approved(pendingApproval(leaver().observed(2), removal)).applied(3, removal), explain.Removed, "removal-not-effective",
			at(3), []string{"was removed from the group", "approved by os:ada@test, says to be hr (CHG-1)"},
		},
		"planned": {
			"no run has tried it", leaver().observed(2, removal), explain.Waiting, "removal-waiting", at(2), []string{"is still in the group", "waits since 2026-03-04 05:02:00"},
		},
		"refused": {
			"the platform said no, twice", leaver().answered(3, removal, refused).answered(5, removal, refused).observed(6, removal), explain.RemovalRefused,
			"platform-refused", at(3), []string{"is still in the group", "refuses the removal since 2026-03-04 05:03:00", "correct it"},
		},
		"failed": {
			"it is repeated", leaver().answered(3, removal, "Unavailable: no answer").observed(2, removal), explain.RemovalFailed, "removal-waiting", at(3),
			[]string{"fails since 2026-03-04 05:03:00", "no answer"},
		},
		"unanswered": {"a run tries it now", leaver().observed(2).unanswered(4, removal), explain.Waiting, "removal-waiting", at(4), []string{"is still in the group"}},
		"refused, then gone": {
			"another system removed it", leaver().answered(3, removal, refused).observed(6), "", "", time.Time{}, nil,
		},
		"removed": {
			"no observation confirms it", leaver().observed(2, removal).applied(4, removal), explain.Removed, "removal-not-effective", at(4),
			[]string{"was removed from the group", "which no observation confirms yet"},
		},
		"removed and confirmed": {"each request is checked", leaver().applied(4, removal).observed(5), "", "", time.Time{}, nil},
		"sessions last": {
			"sessions last for hours", lasts(leaver().applied(4, removal).observed(5), hours, 60), explain.Removed, "removal-not-effective", at(4),
			[]string{"was removed", "access ends by 2026-03-04 17:04:00"},
		},
		"sessions are over": {"the vendor's bound has passed", lasts(leaver().applied(4, removal).observed(5), hours, 24*60), "", "", time.Time{}, nil},
		"no bound": {
			"the vendor names none", lasts(leaver().applied(4, removal).observed(5), unbounded, 60), explain.Removed, "removal-not-effective", at(4),
			[]string{"minutes, potentially hours"},
		},
		"group is removed": {
			"the group goes with its members", newFixture().applied(1, addsMember("old", jane())).observed(2, ofGroup(plan.Delete, "old")), explain.Waiting,
			"removal-waiting", at(2), []string{`the group "old" still exists`},
		},
		"group was removed": {
			"the user was a member", newFixture().applied(1, addsMember("old", jane())).observed(2).applied(3, ofGroup(plan.Delete, "old")), explain.Removed,
			"removal-not-effective", at(3), []string{`the group "old" was removed`},
		},
		"role is held": {
			"the group keeps a role that nothing asks for", pendingApproval(memberOnly().observed(2), ofRole(plan.Delete, "viewer", group)), explain.PendingApproval,
			"removal-pending-approval", at(2), []string{`still has the role "viewer"`},
		},
		"role of another group": {
			"the user is no member", pendingApproval(memberOnly().observed(2), ofRole(plan.Delete, "viewer", "other")), "", "", time.Time{}, nil,
		},
		"another user": {"it is not about this one", newFixture().observed(2, removesMember(observedAccount("joe@example.com", ""))), "", "", time.Time{}, nil},
		"desired again": {
			"the documents changed after the plan", rebound, "", "", time.Time{}, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := explain.Explain(tc.facts.Facts)
			if tc.verdict == "" {
				if len(a.Leaving) > 0 {
					t.Errorf("%s: %+v, want none", tc.reason, a.Leaving)
				}
				return
			}
			if len(a.Leaving) != 1 || a.Leaving[0].Verdict != tc.verdict || !a.Leaving[0].Since.Equal(tc.since) || a.Leaving[0].Desired {
				t.Fatalf("%s: %+v, want one, %s since %s", tc.reason, a.Leaving, tc.verdict, tc.since)
			}
			found := false
			for _, r := range a.Reasons {
				found = found || r.Code == tc.code
			}
			if !found {
				t.Errorf("%s: reasons %+v, want %s", tc.reason, a.Reasons, tc.code)
			}
			text := a.Leaving[0].Text(tenant(), a.AccessEnd.Text)
			for _, part := range tc.want {
				if !strings.Contains(text, part) {
					t.Errorf("%s: %q lacks %q", tc.reason, text, part)
				}
			}
		})
	}
}

// TestExplain_RolesOfUsers: platforms whose bindings list users, with a binding for all of them
// or one for each, and roles that count beyond one tenant.
func TestExplain_RolesOfUsers(t *testing.T) {
	t.Parallel()
	other := member("joe", "joe@example.com")
	perUser := func(op plan.Op, role string, m access.Member) plan.Step {
		s := ofRole(op, role, "", m)
		for _, b := range []*access.Binding{s.Have.Binding, s.Want.Binding} {
			if b != nil {
				b.Name = m.Name
			}
		}
		return s
	}
	direct := func(roles ...string) *fixture {
		f := newFixture()
		f.Profile.Groups = false
		f.Desired.State = access.State{}
		for _, role := range roles {
			f.Desired.State.Bindings = append(f.Desired.State.Bindings, access.Binding{Role: role, Subjects: []access.Member{jane()}})
		}
		return f
	}
	sharing := direct().applied(1, perUser(plan.Create, "organization_user", jane())).observed(2)
	sharing.Shared = []explain.SharedRole{{Role: "organization_user", Tenant: access.TenantID{Workspace: "a", Project: "b", Platform: "c"}}}
	for name, tc := range map[string]struct {
		reason  string
		facts   *fixture
		states  []explain.State
		leaving int
		code    string
	}{
		"one binding": {"added, then seen", direct("edit").applied(1, ofRole(plan.Create, "edit", "", jane(), other)).observed(2), []explain.State{explain.Granted}, 0, ""},
		"written": {
			"no run has looked since", direct("edit").observed(1, ofRole(plan.Create, "edit", "", jane())).applied(2, ofRole(plan.Create, "edit", "", jane())),
			[]explain.State{explain.Written}, 0, "",
		},
		"to be added": {"the plan adds the user", direct("edit").observed(2, ofRole(plan.Create, "edit", "", jane())), []explain.State{explain.Pending}, 0, "not-replicated"},
		"another user is added": {
			"the plan adds another user", direct("edit").applied(1, ofRole(plan.Create, "edit", "", jane())).observed(2, ofRole(plan.Create, "edit", "", other)),
			[]explain.State{explain.Granted}, 0, "",
		},
		"a base role is refused": {
			"each role has a state of its own", direct("organization_user", "space_developer").
				applied(1, perUser(plan.Create, "organization_user", jane())).answered(1, perUser(plan.Create, "space_developer", jane()), refused).
				observed(2, perUser(plan.Create, "space_developer", jane())),
			[]explain.State{explain.Granted, explain.Blocked}, 0, "platform-refused",
		},
		"removal waits": {
			"the role is still there", direct().applied(1, perUser(plan.Create, "space_developer", jane())).observed(2, perUser(plan.Delete, "space_developer", jane())),
			nil, 1, "removal-waiting",
		},
		"shared": {"another tenant asks for the role too", sharing, nil, 0, "role-shared"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := explain.Explain(tc.facts.Facts)
			var states []explain.State
			for _, got := range a.Access {
				states = append(states, got.State)
			}
			if len(states) != len(tc.states) || len(a.Leaving) != tc.leaving {
				t.Fatalf("%s: %+v and %+v, want %v and %d leaving", tc.reason, a.Access, a.Leaving, tc.states, tc.leaving)
			}
			for i := range states {
				if states[i] != tc.states[i] {
					t.Errorf("%s: role %d is %s, want %s", tc.reason, i, states[i], tc.states[i])
				}
			}
			codes := map[string]bool{}
			for _, r := range a.Reasons {
				codes[r.Code] = true
			}
			if tc.code != "" && !codes[tc.code] || tc.code == "" && len(codes) > 0 {
				t.Errorf("%s: reasons %+v, want %q", tc.reason, a.Reasons, tc.code)
			}
		})
	}
}

// TestExplain_Revocation: how far a revocation is on the platform is part of the reason.
func TestExplain_Revocation(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		state  store.RevocationState
		want   string
		not    string
	}{
		"waits": {"the platform does not answer", store.RevocationWaiting, "on sandbox.local the revocation is waiting: connection refused", ""},
		"done":  {"nothing is left to say", store.RevocationDone, "is revoked on every platform", "on sandbox.local"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture().observed(2)
			f.Desired.State = access.State{}
			f.Input.Revoked = []document.Revocation{{Person: "jane"}}
			f.Revoked = &store.RevokedPlatform{Platform: "sandbox.local", State: tc.state, Problem: "connection refused"}
			text := ""
			for _, r := range explain.Explain(f.Facts).Reasons {
				if r.Code == string(access.UserRevoked) {
					text = r.Text
				}
			}
			if !strings.Contains(text, tc.want) || tc.not != "" && strings.Contains(text, tc.not) {
				t.Errorf("%s: %q, want %q", tc.reason, text, tc.want)
			}
		})
	}
}

// TestExplain_BoundGroups: the groups that count for a user without access are those that
// their bindings mean.
func TestExplain_BoundGroups(t *testing.T) {
	for _, tc := range []struct {
		reason    string
		workspace string
		want      bool
	}{
		{"a group of the project's workspace", tenant().Workspace, true},
		{"a global group", "", true},
		{"a group of another workspace, which cannot be bound here", "sales", false},
	} {
		f := newFixture()
		f.setMembers(member("joe", "joe@example.com"))
		f.Input.GroupBindings = []document.Binding{
			{Name: "b", Role: "admin", Workspace: tenant().Workspace, Project: tenant().Project, Subject: "editors"},
		}
		f.Input.UserGroups = []document.UserGroup{{Workspace: tc.workspace, Name: "editors", Members: []string{"jane"}}}
		bound := true
		for _, r := range explain.Explain(f.Facts).Reasons {
			bound = bound && r.Code != "no-binding"
		}
		if bound != tc.want {
			t.Errorf("%s: bound is %t, want %t", tc.reason, bound, tc.want)
		}
	}
}
