package activities_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// settings are what the documents of a lab can say differently.
type settings struct {
	replication string // further settings of the platform
	mappings    string // of roles; the usual one when empty
	euids       map[string]string
	bound       int // how many of people are bound
	more        string
}

// documents stores documents; what is stored and not among them goes.
func (l *lab) documents(s settings) {
	l.t.Helper()
	mappings := "[{projectRoleRef: {name: user}, groupAlias: user, roles: [developer]}]"
	if s.mappings != "" {
		mappings = s.mappings
	}
	var b strings.Builder
	write := func(format string, args ...any) { fmt.Fprintf(&b, "---\n"+format+"\n", args...) }
	write(`{apiVersion: v1, kind: meshWorkspace, metadata: {name: acme}, spec: {displayName: Acme}}`)
	write(`{apiVersion: v1, kind: meshProjectRole, metadata: {name: user}, spec: {name: User, rank: 1}}`)
	write(`{apiVersion: v2, kind: meshProject, metadata: {name: web, ownedByWorkspace: acme}, spec: {displayName: Web}}`)
	write(`{apiVersion: v1, kind: meshPlatform, metadata: {name: sandbox}, spec: {displayName: S, locationRef: {name: local}, config: {memory: {
  replication: {%s groupNamePattern: "#{projectIdentifier}-#{platformGroupAlias}", roleMappings: %s}}}}}`, s.replication, mappings)
	write(`{apiVersion: v4, kind: meshTenant, metadata: {ownedByWorkspace: acme, ownedByProject: web}, spec: {platformIdentifier: sandbox.local, platformTenantId: t1}}`)
	for i, p := range people {
		euid, said := s.euids[p]
		if !said {
			euid = p
		}
		write(`{apiVersion: v2, kind: meshUser, metadata: {name: %s}, spec: {email: %s@example.com, firstName: A, lastName: B, euid: %q}}`, p, p, euid)
		if i < s.bound {
			write(`{apiVersion: v3, kind: meshProjectUserBinding, metadata: {name: b-%s}, roleRef: {name: user}, targetRef: {name: web, ownedByWorkspace: acme}, subject: {name: %s}}`, p, p)
		}
	}
	docs, _, err := document.Decode(strings.NewReader(b.String()+s.more), "lab")
	if err != nil {
		l.t.Fatal(err)
	}
	if _, err := l.store.Apply(l.t.Context(), store.ApplyRequest{Documents: docs, Prune: true}); err != nil {
		l.t.Fatal(err)
	}
}

// runOnce does what a run does: plan, apply, plan again; and concludes if it fails.
func (l *lab) runOnce() {
	l.t.Helper()
	var done activities.Tally
	unsure := false
	for pass := range 4 {
		p, err := l.plan(activities.PlanInput{Done: done, Fresh: unsure})
		if app, failed := errors.AsType[*temporal.ApplicationError](err); failed {
			l.conclude(activities.RecordOutcomeInput{Outcome: activities.Failed, Reason: app.Message(), Type: app.Type()})
			return
		}
		if err != nil {
			l.t.Fatal(err)
		}
		if p.Outcome != activities.Open {
			return
		}
		for _, batch := range p.Batches {
			out, err := execute[activities.ApplyOutput](l, activities.ApplyActivity, activities.ApplyInput{
				Tenant: web, Digest: p.Digest, Desired: p.Desired, Pass: pass + 1, Batch: batch,
			})
			if err != nil {
				l.t.Fatal(err)
			}
			done.Steps += out.Done
			unsure = unsure || out.Replan
		}
	}
	l.t.Fatal("the platform does not come to rest")
}

func (l *lab) conclude(in activities.RecordOutcomeInput) {
	l.t.Helper()
	in.Tenant = web
	if _, err := execute[activities.RecordOutcomeOutput](l, activities.RecordOutcomeActivity, in); err != nil {
		l.t.Fatal(err)
	}
}

// since returns when the tenant's remark of that sort began, zero where it has
// none.
func (l *lab) since(code access.Code, object string) time.Time {
	l.t.Helper()
	all, err := l.store.Statuses(l.t.Context(), store.TenantFilter{})
	if err != nil || len(all) != 1 {
		l.t.Fatalf("%d statuses, %v; want one", len(all), err)
	}
	return all[0].Since(access.Remark{Code: code, Object: object})
}

// ended counts how often a remark of that sort has ended.
func (l *lab) ended(code access.Code, object string) (n int) {
	l.t.Helper()
	all, err := l.store.EndedRemarks(l.t.Context(), store.TenantFilter{})
	if err != nil {
		l.t.Fatal(err)
	}
	for _, r := range all {
		if r.Code == code && r.Object == object {
			n++
		}
	}
	return n
}

// TestLifeOfARemark: each sort that this platform can have appears with what it is
// about, holds over the runs that find it still, and ends with the first that
// finds it mended. What only happened ends with the next run.
func TestLifeOfARemark(t *testing.T) {
	t.Parallel()
	usual := settings{bound: 3}
	const group = "web-user"
	faults := func(l *lab, faults ...memory.Fault) { l.edit(func(w *memory.World) { w.Faults = faults }) }
	var description string
	cases := map[string]struct {
		code        access.Code
		object      string
		begin, mend func(*lab)
		happens     bool // it is about something that is done
	}{
		"no account": {access.UserNotFound, "adaline",
			func(l *lab) { l.edit(func(w *memory.World) { w.RemoveUser("u-adaline") }) },
			func(l *lab) {
				l.edit(func(w *memory.World) { w.Users = append(w.Users, memory.User{ID: "u-new", Name: "adaline"}) })
			}, false},
		"no euid": {access.UserWithoutEUID, "adaline",
			func(l *lab) { l.documents(settings{bound: 3, euids: map[string]string{"adaline": " "}}) },
			func(l *lab) { l.documents(usual) }, false},
		"two accounts": {access.UserAmbiguous, "adaline",
			func(l *lab) {
				l.edit(func(w *memory.World) { w.Users = append(w.Users, memory.User{ID: "u-twin", Name: "adaline"}) })
				l.forget("adaline")
			},
			func(l *lab) { l.edit(func(w *memory.World) { w.RemoveUser("u-twin") }) }, false},
		"disabled": {access.UserDisabled, "adaline",
			func(l *lab) { l.edit(disable("adaline", true)); l.forget("adaline") },
			func(l *lab) { l.edit(disable("adaline", false)) }, false},
		"one account for two": {access.AccountCollision, "benedict",
			func(l *lab) {
				l.documents(settings{bound: 3, replication: `euidPattern: "%S",`, euids: map[string]string{"adaline": "Kim", "benedict": "kIM"}})
			},
			func(l *lab) { l.documents(usual) }, false},
		"unmapped": {access.RoleUnmapped, "auditor",
			func(l *lab) { l.documents(settings{bound: 3, more: auditor}) },
			func(l *lab) { l.documents(usual) }, false},
		"no tenant": {access.TenantNotFound, web.String(),
			func(l *lab) { l.edit(func(w *memory.World) { w.Tenants, w.Bindings = nil, nil }) },
			func(l *lab) { l.edit(func(w *memory.World) { w.Tenants = []memory.Tenant{{ID: "t1"}} }) }, false},
		"held": {access.RemovalHeld, group,
			func(l *lab) { l.documents(settings{bound: 0}) },
			func(l *lab) { l.documents(usual) }, false},
		"removals are forbidden": {access.RemovalsForbidden, web.String(),
			func(l *lab) { l.documents(settings{bound: 2, replication: "removals: forbid,"}) },
			func(l *lab) { l.documents(usual) }, false},
		"name is taken": {access.ObjectForeign, group,
			func(l *lab) {
				l.edit(func(w *memory.World) {
					w.Groups, w.Bindings = []memory.Group{{ID: "g-theirs", Name: group}}, nil
				})
			},
			func(l *lab) { l.edit(func(w *memory.World) { w.Groups = nil }) }, false},
		"mark is lost": {access.OwnershipUnclear, group,
			func(l *lab) {
				l.edit(func(w *memory.World) { description, w.Groups[0].Description = w.Groups[0].Description, "" })
			},
			func(l *lab) { l.edit(func(w *memory.World) { w.Groups[0].Description = description }) }, false},
		"role of others": {access.ForeignPermissionKept, "viewer → " + group,
			func(l *lab) { l.edit(plant) },
			func(l *lab) {
				l.edit(func(w *memory.World) {
					w.Bindings = slices.DeleteFunc(w.Bindings, func(b memory.Binding) bool { return b.Role == "viewer" })
				})
			}, false},
		"role of others goes": {access.ForeignPermissionRemoved, "viewer → " + group,
			func(l *lab) {
				l.documents(settings{bound: 3, replication: "additionalPermissions: remove,"})
				l.edit(plant)
			}, nil, true},
		"stranger": {access.ForeignMemberRemoved, group,
			func(l *lab) {
				l.edit(func(w *memory.World) { w.Groups[0].Members = append(w.Groups[0].Members, "u-yvonne") })
			}, nil, true},
		"cleanup is off": {access.CleanupOff, group,
			func(l *lab) {
				l.documents(settings{replication: "skipUserGroupPermissionCleanup: true,", mappings: "[]"})
			},
			func(l *lab) { l.documents(usual) }, false},
		"denied": {access.PlatformDenied, web.String(),
			func(l *lab) { faults(l, memory.Fault{Op: "read:*", Class: "denied"}) },
			func(l *lab) { faults(l) }, false},
		"tenant forbidden": {access.ForbiddenByConnection, web.String(),
			func(l *lab) { l.connect(map[string]string{"scopes": "{allow: [other-*]}"}) },
			func(l *lab) { l.connect(nil) }, false},
		"connection of another platform": {access.ForbiddenByConnection, web.String(),
			func(l *lab) { l.connect(map[string]string{"usedBy": "[annex.north]"}) },
			func(l *lab) { l.connect(nil) }, false},
		"refused": {access.PlatformRefused, web.String(),
			func(l *lab) { faults(l, memory.Fault{Op: "read:*", Class: "invalid"}) },
			func(l *lab) { faults(l) }, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			l.documents(usual)
			l.runOnce()
			if since := l.since(tc.code, tc.object); !since.IsZero() {
				t.Fatalf("%s holds before it is true", tc.code)
			}
			tc.begin(l)
			l.runOnce()
			first := l.since(tc.code, tc.object)
			if first.IsZero() {
				t.Fatalf("there is no %s on %q, but %v", tc.code, tc.object, l.remarks())
			}
			if !tc.happens {
				l.runOnce()
				if again := l.since(tc.code, tc.object); !again.Equal(first) || l.ended(tc.code, tc.object) != 0 {
					t.Errorf("after a second run it holds since %v, and had held since %v", again, first)
				}
				tc.mend(l)
			}
			l.runOnce()
			if since := l.since(tc.code, tc.object); !since.IsZero() || l.ended(tc.code, tc.object) != 1 {
				t.Errorf("mended, it holds since %v and has ended %d times", since, l.ended(tc.code, tc.object))
			}
		})
	}
}

// TestEveryUnmanagedMemberIsOnRecord: a run that removes two members whom another system added
// to one group leaves a warning about each, and both are in the history afterwards.
func TestEveryUnmanagedMemberIsOnRecord(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.documents(settings{bound: 3})
	l.runOnce()
	l.edit(func(w *memory.World) {
		w.Users = append(w.Users, memory.User{ID: "u-kubeadmin", Name: "kubeadmin"}, memory.User{ID: "u-zz", Name: "zz-intruder"})
		w.Groups[0].Members = append(w.Groups[0].Members, "u-kubeadmin", "u-zz")
	})
	l.runOnce()
	named := func(texts []string) (n int) {
		for _, who := range []string{"kubeadmin", "zz-intruder"} {
			if slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(text, who) }) {
				n++
			}
		}
		return n
	}
	var active, ended []string
	for _, r := range l.remarks() {
		active = append(active, r.Text)
	}
	if len(active) != 2 || named(active) != 2 {
		t.Fatalf("the run that removed two members warns of %v, want both", active)
	}
	l.runOnce()
	all, err := l.store.EndedRemarks(t.Context(), store.TenantFilter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		ended = append(ended, r.Text)
	}
	if len(l.remarks()) != 0 || len(ended) != 2 || named(ended) != 2 {
		t.Errorf("after the next run %v hold and %v have ended, want both members in the history", l.remarks(), ended)
	}
}

// TestUnmanagedMemberIsOnRecordHoweverTheRunEnds: the warning about a removed member is kept if
// a sweep stores a status before the run ends, and if the run fails after another plan.
func TestUnmanagedMemberIsOnRecordHoweverTheRunEnds(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		end    func(*lab, activities.Tally)
	}{
		"after a sweep": {"the sweep looks while the run goes on", func(l *lab, done activities.Tally) {
			if _, err := execute[activities.DetectDriftOutput](l, activities.DetectDriftActivity,
				activities.DetectDriftInput{Platform: web.Platform, Limit: 10}); err != nil {
				l.t.Fatal(err)
			}
			if _, err := l.plan(activities.PlanInput{Done: done}); err != nil {
				l.t.Fatal(err)
			}
		}},
		"in failure": {"the run could not look again", func(l *lab, done activities.Tally) {
			l.conclude(activities.RecordOutcomeInput{Outcome: activities.Failed, Done: done, Reason: "no answer", Type: activities.TypeDenied})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			l.documents(settings{bound: 3})
			l.runOnce()
			l.edit(func(w *memory.World) { w.Groups[0].Members = append(w.Groups[0].Members, "u-yvonne") })
			p, err := l.plan(activities.PlanInput{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := l.apply(p); err != nil {
				t.Fatal(err)
			}
			tc.end(l, activities.Tally{Steps: p.Steps})
			if l.since(access.ForeignMemberRemoved, "web-user").IsZero() {
				t.Errorf("%s: %v, want a warning about the removed member", tc.reason, l.remarks())
			}
		})
	}
}

// TestContestedEndsWithARunThatHolds: the end of a run is a remark, too.
func TestContestedEndsWithARunThatHolds(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.want(2)
	l.runOnce()
	l.conclude(activities.RecordOutcomeInput{Outcome: activities.Contested})
	first := l.since(access.Contested, web.String())
	l.conclude(activities.RecordOutcomeInput{Outcome: activities.Contested})
	if again := l.since(access.Contested, web.String()); first.IsZero() || !again.Equal(first) {
		t.Errorf("contested since %v, then %v", first, again)
	}
	l.runOnce()
	if !l.since(access.Contested, web.String()).IsZero() || l.ended(access.Contested, web.String()) != 1 {
		t.Error("a run that holds does not end it")
	}
}

// TestAnOutageEndsNoRemark: who could not look has not found anything mended.
func TestAnOutageEndsNoRemark(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.documents(settings{bound: 3, euids: map[string]string{"adaline": ""}})
	l.runOnce()
	first := l.since(access.UserWithoutEUID, "adaline")
	l.edit(func(w *memory.World) { w.Faults = []memory.Fault{{Op: "read:*", Class: "denied"}} })
	l.runOnce()
	if l.since(access.PlatformDenied, web.String()).IsZero() || !l.since(access.UserWithoutEUID, "adaline").Equal(first) {
		t.Errorf("after a run that saw nothing: %v, want adaline's remark, and the failure", l.remarks())
	}
	_, err := execute[activities.DetectDriftOutput](l, activities.DetectDriftActivity, activities.DetectDriftInput{Platform: web.Platform, Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	if !l.since(access.UserWithoutEUID, "adaline").Equal(first) || l.ended(access.UserWithoutEUID, "adaline") != 0 {
		t.Errorf("after a survey that saw nothing: %v", l.remarks())
	}
}

// remarks are those that hold, for messages.
func (l *lab) remarks() []access.Remark {
	l.t.Helper()
	all, err := l.store.Statuses(l.t.Context(), store.TenantFilter{})
	if err != nil || len(all) != 1 {
		return nil
	}
	return all[0].Remarks
}

// keep stores what the platform is taken to have answered about accounts.
func (l *lab) keep(answers map[string]access.Resolution) error {
	return l.store.KeepLookups(l.t.Context(), store.LookupKey{Platform: web.Platform, Attribute: "name"}, answers, 0)
}

// forget drops what is remembered of an account, as a day does.
func (l *lab) forget(account string) {
	l.t.Helper()
	if err := l.keep(map[string]access.Resolution{account: {Found: access.No}}); err != nil {
		l.t.Fatal(err)
	}
}

func disable(name string, off bool) func(*memory.World) {
	return func(w *memory.World) {
		i := slices.IndexFunc(w.Users, func(u memory.User) bool { return u.Name == name })
		w.Users[i].Disabled = off
	}
}

// plant gives our group a role, as somebody else would.
func plant(w *memory.World) {
	w.Bindings = append(w.Bindings, memory.Binding{ID: "z-theirs", Tenant: "t1", Role: "viewer", Group: w.Groups[0].ID})
}

const auditor = `---
{apiVersion: v1, kind: meshProjectRole, metadata: {name: auditor}, spec: {name: Auditor, rank: 2}}
---
{apiVersion: v3, kind: meshProjectUserBinding, metadata: {name: b-auditor}, roleRef: {name: auditor}, targetRef: {name: web, ownedByWorkspace: acme}, subject: {name: ottilie}}
`
