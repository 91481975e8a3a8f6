package control_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/authz"
	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
)

// organization is a tenant on a platform of its own.
const organization = `---
{apiVersion: v1, kind: meshWorkspace, metadata: {name: sales}, spec: {displayName: Sales}}
---
{apiVersion: v2, kind: meshProject, metadata: {name: crm, ownedByWorkspace: sales}, spec: {displayName: CRM}}
---
{apiVersion: v1, kind: meshProjectRole, metadata: {name: admin}, spec: {name: Project Admin, rank: 1}}
---
apiVersion: v1
kind: meshPlatform
metadata: {name: depot}
spec:
  displayName: Depot
  locationRef: {name: south}
  config: {memory: {replication: {
    groupNamePattern: "#{projectIdentifier}-#{platformGroupAlias}",
    roleMappings: [{projectRoleRef: {name: admin}, groupAlias: admin, roles: [owner]}]}}}
---
{apiVersion: v1, kind: meshLandingZone, metadata: {name: zone}, spec: {displayName: Zone, platformRef: {name: depot.south}}}
---
apiVersion: v4
kind: meshTenant
metadata: {ownedByWorkspace: sales, ownedByProject: crm}
spec: {platformIdentifier: depot.south, landingZoneIdentifier: zone, platformTenantId: crm-1}
`

const adminPolicy = `
apiVersion: v1
kind: AccessPolicy
metadata: {name: admins}
spec: {rules: [{callers: {issuer: "https://login.example.com", claims: {team: [platform]}}, roles: [admin]}]}
`

// installation has users who are all administrators, on one installation.
type installation struct {
	t     *testing.T
	store *store.Store
}

func newInstallation(t *testing.T) installation {
	t.Helper()
	return installation{t, storetest.Open(t)}
}

func (o installation) actor(subject string) access.Actor {
	o.t.Helper()
	a, err := access.VerifiedActor(access.VerifiedUser, "https://login.example.com", subject)
	if err != nil {
		o.t.Fatal(err)
	}
	return a
}

// as returns the service for an administrator.
func (o installation) as(subject string) control.Service {
	o.t.Helper()
	policies, err := authz.Compile(o.decode(adminPolicy))
	if err != nil {
		o.t.Fatal(err)
	}
	actor := o.actor(subject)
	return local(o.store).For(actor, policies.Rights(authz.Caller{Actor: actor, Claims: authz.ClaimMap{"team": "platform"}}))
}

func (o installation) decode(text string) []document.Document {
	o.t.Helper()
	docs, _, err := document.Decode(strings.NewReader(text), "input")
	if err != nil {
		o.t.Fatal(err)
	}
	return docs
}

// apply stores documents as a user.
func (o installation) apply(subject, text string) {
	o.t.Helper()
	_, err := o.as(subject).Apply(o.t.Context(), control.ApplyRequest{
		Documents: o.decode(text), ChangeOptions: control.ChangeOptions{By: o.actor(subject)},
	}, nil)
	if err != nil {
		o.t.Fatal(err)
	}
}

// delete removes a document as a user.
func (o installation) delete(subject string, kind document.Kind, name string) {
	o.t.Helper()
	_, err := o.as(subject).Delete(o.t.Context(), control.DeleteRequest{
		ID: document.ID{Kind: kind, Name: name}, ChangeOptions: control.ChangeOptions{By: o.actor(subject), AllowRemovals: true},
	}, nil)
	if err != nil {
		o.t.Fatal(err)
	}
}

// requireCode fails unless an error has the code and the words.
func requireCode(t *testing.T, reason string, err error, code control.Code, words string) {
	t.Helper()
	if control.CodeOf(err) != code || err != nil && !strings.Contains(err.Error(), words) {
		t.Errorf("%s: %v, want code %q with %q", reason, err, code, words)
	}
}

func crm() access.TenantID {
	return access.TenantID{Workspace: "sales", Project: "crm", Platform: "depot.south"}
}

// waits stores a plan of crm with a removal that waits for an approval, and returns its digest.
func (o installation) waits() string {
	o.t.Helper()
	pending := plan.Plan{Tenant: crm(), Held: []plan.Step{{
		ID: "1", Op: plan.Change, Kind: access.KindMembers, Object: "crm-admin", Have: plan.Object{Members: &plan.Members{
			Group: "crm-admin", GroupRef: "g-1", Accounts: []access.Member{{Account: access.Account{Name: "jane", Ref: "u-jane"}}},
		}},
	}}}
	digest, err := o.store.PutPlan(o.t.Context(), pending, 1)
	if err != nil {
		o.t.Fatal(err)
	}
	err = o.store.PutStatus(o.t.Context(), store.Status{
		Tenant: crm(), Outcome: "waiting", Digest: digest, Held: 1, Removals: 1, Generation: 1,
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return pending.HeldDigest()
}

// TestFor_Decide: no author of what a removal rests on decides about it, until a run has
// applied the change.
func TestFor_Decide(t *testing.T) {
	t.Parallel()
	o := newInstallation(t)
	o.apply("ada", organization)
	verdict := store.Approved
	decide := func(subject string) error {
		_, err := o.as(subject).Decide(t.Context(), control.DecideRequest{
			Tenant: crm(), Digest: o.waits(), Verdict: verdict, Reason: "CHG-1", By: o.actor(subject), ExpiresIn: time.Hour,
		}, nil)
		return err
	}
	requireCode(t, "the author", decide("ada"), control.Forbidden, "a change of their own")
	if stored, err := o.store.Decisions(t.Context(), []access.TenantID{crm()}); err != nil || len(stored) > 0 {
		t.Fatalf("%+v, %v: want no decision", stored, err)
	}
	o.apply("ben", strings.ReplaceAll(organization, "groupAlias: admin", "groupAlias: owner"))
	requireCode(t, "a second author does not make the first one another user", decide("ada"), control.Forbidden, "a change of their own")
	requireCode(t, "the second author", decide("ben"), control.Forbidden, "a change of their own")
	requireCode(t, "another user: the decision is stored, its run waits for Temporal", decide("cyd"), control.Unavailable, "")
	stored, err := o.store.Decisions(t.Context(), []access.TenantID{crm()})
	if err != nil || len(stored[crm()]) != 1 || stored[crm()][0].By != o.actor("cyd") {
		t.Errorf("%+v, %v: want the decision of cyd", stored, err)
	}

	revision, _, err := o.store.RevisionAt(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := o.store.PutStatus(t.Context(), store.Status{Tenant: crm(), Generation: revision, Applied: true, Decided: true}); err != nil {
		t.Fatal(err)
	}
	requireCode(t, "the change is applied: the platform has changed since", decide("ada"), control.Unavailable, "")
	o.apply("ada", organization)
	requireCode(t, "the author of another change", decide("ada"), control.Forbidden, "a change of their own")
	verdict = store.Rejected
	requireCode(t, "an author rejects what they could take back", decide("ada"), control.Unavailable, "")
}

// TestFor_Adopt: the author of the documents that desire a group does not adopt it.
func TestFor_Adopt(t *testing.T) {
	t.Parallel()
	o := newInstallation(t)
	o.apply("ada", organization)
	adopt := func(subject string, dry bool) error {
		_, err := o.as(subject).Adopt(t.Context(), control.AdoptRequest{
			Tenant: crm(), DryRun: dry, Reason: "CHG-1", By: o.actor(subject),
		}, nil)
		return err
	}
	requireCode(t, "the author", adopt("ada", false), control.Forbidden, "a change of their own")
	requireCode(t, "the author looks", adopt("ada", true), control.Unavailable, "")
	requireCode(t, "another user: the plan waits for Temporal", adopt("ben", false), control.Unavailable, "")
}

// TestFor_Forget: the user who removed a platform does not forget it.
func TestFor_Forget(t *testing.T) {
	t.Parallel()
	o := newInstallation(t)
	o.apply("ada", organization)
	o.waits() // the tenant has a status, so its removal leaves something to clean up
	o.delete("ada", document.KindTenant, "sales.crm/depot.south")
	o.delete("ada", document.KindLandingZone, "zone")
	o.delete("ben", document.KindPlatform, "depot.south")
	forget := func(subject string) error {
		_, err := o.as(subject).Forget(t.Context(), control.ForgetRequest{
			Platform: "depot.south", Reason: "decommissioned", By: o.actor(subject),
		})
		return err
	}
	requireCode(t, "the user who removed the platform", forget("ben"), control.Forbidden, "a change of their own")
	requireCode(t, "the user who removed its tenant", forget("ada"), control.Forbidden, "a change of their own")
	requireCode(t, "another user", forget("cyd"), "", "")
}

// TestFor_LastAdmin: no change leaves an installation without a rule for administrators.
func TestFor_LastAdmin(t *testing.T) {
	t.Parallel()
	o := newInstallation(t)
	o.apply("ada", adminPolicy)
	_, err := o.as("ada").Delete(t.Context(), control.DeleteRequest{
		ID:            document.ID{Kind: document.KindAccessPolicy, Name: "admins"},
		ChangeOptions: control.ChangeOptions{By: o.actor("ada"), AllowRemovals: true},
	}, nil)
	requireCode(t, "the last rule for administrators is removed", err, control.Conflict, "role admin")
	_, err = o.as("ada").Apply(t.Context(), control.ApplyRequest{
		Documents:     o.decode(strings.ReplaceAll(adminPolicy, "roles: [admin]", "roles: [viewer]")),
		ChangeOptions: control.ChangeOptions{By: o.actor("ada")},
	}, nil)
	requireCode(t, "the last rule for administrators gives another role", err, control.Conflict, "role admin")
	o.apply("ada", strings.ReplaceAll(adminPolicy, "name: admins", "name: others"))
	o.delete("ada", document.KindAccessPolicy, "admins")
}

// TestFor_Guard: a guard needs one user who plans the change and another who stores it.
func TestFor_Guard(t *testing.T) {
	t.Parallel()
	const guard = `{apiVersion: v1, kind: Guard, metadata: {name: limits}, spec: {group: {most: 50, percent: 90}}}`
	o := newInstallation(t)
	o.apply("ada", organization)
	_, err := o.as("ada").Apply(t.Context(), control.ApplyRequest{
		Documents: o.decode(guard), ChangeOptions: control.ChangeOptions{By: o.actor("ada")},
	}, nil)
	requireCode(t, "an apply has one user", err, control.Forbidden, "apply --plan")

	propose := func(subject string) (digest string) {
		_, err := o.as(subject).PlanDocuments(t.Context(), control.PlanDocumentsRequest{
			Documents: o.decode(guard), By: o.actor(subject),
		}, func(e control.Event) {
			if e.Type == control.EventProposed {
				digest = e.Change.Changes.Digest
			}
		})
		requireCode(t, "the plan is kept, though no worker shows its effect", err, control.Unavailable, "")
		return digest
	}
	store := func(subject, digest string) error {
		_, err := o.as(subject).ApplyPlan(t.Context(), control.ApplyPlanRequest{Digest: digest, By: o.actor(subject)}, nil)
		return err
	}
	digest := propose("ada")
	requireCode(t, "the user who planned it", store("ada", digest), control.Forbidden, "a change of their own")
	if diff := cmp.Diff(digest, propose("ben")); diff != "" {
		t.Fatalf("the same change has another digest (-first +second):\n%s", diff)
	}
	requireCode(t, "a user who planned it, too, to see what it does", store("ben", digest), "", "")
	guards, err := o.as("ben").Get(t.Context(), control.GetRequest{Kind: document.KindGuard})
	if err != nil || len(guards) != 1 {
		t.Errorf("%d guards, %v: want one", len(guards), err)
	}
}
