package control

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// adoptionPlan adopts one group, creates another, leaves a third to another installation, and
// has nothing to do with a fourth.
func adoptionPlan() plan.Plan {
	members := func(id, group string) plan.Step {
		jane := access.Member{Account: access.Account{Name: "jane@example.com", Ref: "u-1"}}
		return plan.Step{ID: id, Op: plan.Change, Kind: access.KindMembers, Object: group, Have: plan.Object{
			Members: &plan.Members{Group: group, GroupRef: "g-1", Accounts: []access.Member{jane}},
		}}
	}
	binding := func(id, group string) plan.Step {
		return plan.Step{ID: id, Op: plan.Create, Kind: access.KindBinding, Object: "owner → " + group, Want: plan.Object{
			Binding: &access.Binding{Role: "owner", Group: group},
		}}
	}
	marker := access.Mark{Installation: "test", Tenant: webTenant().String()}
	return plan.Plan{
		Tenant: webTenant(),
		Steps: []plan.Step{
			{
				ID: "1", Op: plan.Change, Kind: access.KindGroup, Object: "web-admin",
				Have: plan.Object{Group: &access.Group{Name: "web-admin", Ref: "g-1"}},
				Want: plan.Object{Group: &access.Group{Name: "web-admin", Ref: "g-1", Mark: marker}},
			},
			members("2", "web-admin"), binding("3", "web-admin"),
			{ID: "4", Op: plan.Create, Kind: access.KindGroup, Object: "web-user", Want: plan.Object{Group: &access.Group{Name: "web-user"}}},
			binding("5", "web-user"),
		},
		Held: []plan.Step{members("6", "web-admin"), members("7", "web-reader")},
		Remarks: []access.Remark{
			{Code: access.ForeignPermissionKept, Object: "viewer → web-admin", Text: "viewer is kept"},
			{Code: access.ObjectForeign, Object: "web-other", Text: "another installation's marker is on it"},
			{Code: access.RemovalHeld, Object: "web-admin", Text: "1 of 1 members"},
			{Code: access.UserNotFound, Object: "jane", Text: "create it"},
		},
	}
}

func TestAdoptionOf(t *testing.T) {
	t.Parallel()
	result := adoptionOf(adoptionPlan(), "d-1", []string{"web-admin", "web-user", "web-other", "web-reader"})
	a := result.Adoption
	if len(a.Groups) != 1 || a.Groups[0].Group != "web-admin" || a.Groups[0].Ref != "g-1" || a.Groups[0].HasMarker || a.MoreSteps != 2 {
		t.Fatalf("%+v, want the adoption of web-admin, and 2 steps about other objects", a)
	}
	var steps, warnings []string
	for _, s := range a.Groups[0].Steps {
		pending := ""
		if s.Pending {
			pending = " pending"
		}
		steps = append(steps, string(s.Op)+" "+string(s.Kind)+pending)
	}
	for _, r := range a.Groups[0].Warnings {
		warnings = append(warnings, string(r.Code))
	}
	if diff := cmp.Diff([]string{"change group", "change members", "create binding", "change members pending"}, steps); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"external-permission-kept", "removal-pending-approval"}, warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	if len(result.Plan.Steps) != 3 || len(result.Plan.Held) != 1 || len(result.Plan.Remarks) != 2 {
		t.Errorf("the plan's part is %+v, want what is about web-admin alone", result.Plan)
	}
	want := []NotAdoptable{
		{"web-user", "absent", "the platform has no group of this name: the next run makes it"},
		{"web-other", "refused", "another installation's marker is on it"},
		{"web-reader", "ours", "it is Rollcall's already"},
	}
	if diff := cmp.Diff(want, a.NotAdoptable); diff != "" {
		t.Errorf("groups that are not adopted (-want +got):\n%s", diff)
	}
	ada := access.Actor{Kind: access.OSUser, Name: "ada@host"}
	request := AdoptRequest{Tenant: webTenant(), Reason: "CHG-1", By: ada}
	if diff := cmp.Diff([]store.Adoption{{Group: "web-admin", Ref: "g-1", By: ada, Reason: "CHG-1", Digest: "d-1"}}, a.records(request)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

func TestAdoption_Check(t *testing.T) {
	t.Parallel()
	a := adoptionOf(adoptionPlan(), "d-1", []string{"web-admin", "web-other"}).Adoption
	for _, tc := range []struct {
		reason  string
		request AdoptRequest
		code    Code
		message string
	}{
		{"all groups that can be adopted are", AdoptRequest{}, "", ""},
		{"the caller has agreed to this plan", AdoptRequest{Digest: "d-1"}, "", ""},
		{"the caller has agreed to another plan", AdoptRequest{Digest: "d-0"}, Conflict, "has changed"},
		{"a group that is named must be adopted", AdoptRequest{Groups: []string{"web-admin", "web-other"}}, Invalid, "another installation's marker"},
	} {
		tc.request.Tenant = webTenant()
		err := a.check(tc.request)
		if CodeOf(err) != tc.code || err != nil && !strings.Contains(err.Error(), tc.message) {
			t.Errorf("%s: %v, want %q that says %q", tc.reason, err, tc.code, tc.message)
		}
	}
}
