package aws_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/aws"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// The ids in the canned answers.
const (
	cannedInstance = "arn:aws:sso:::instance/ssoins-0123456789abcdef"
	cannedSet      = "arn:aws:sso:::permissionSet/ssoins-0123456789abcdef/ps-0123456789abcdef"
	cannedGroup    = "9067f0a1b2-11111111-2222-3333-4444-555555555555"
	cannedUser     = "9067f0a1b2-66666666-7777-8888-9999-000000000000"
	cannedAccount  = "123456789012"
)

// answering is a driver whose AWS gives canned answers, by target, for those that
// the simulator does not give. What is not among them is answered as if all were
// well and empty.
func answering(t *testing.T, answers map[string]string) *aws.Driver {
	t.Helper()
	usual := map[string]string{
		"SWBExternalService.ListAccountAssignmentsForPrincipal": `{"AccountAssignments":[]}`,
		"AWSIdentityStore.ListGroupMemberships":                 `{"GroupMemberships":[]}`,
		"AWSOrganizationsV20161128.DescribeAccount":             `{"Account":{"Id":"` + cannedAccount + `","State":"ACTIVE"}}`,
		"AWSIdentityStore.DescribeGroup":                        `{"GroupId":"` + cannedGroup + `","DisplayName":"g","IdentityStoreId":"d-9067f0a1b2"}`,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		target := r.Header.Get("X-Amz-Target")
		_, _ = io.Copy(io.Discard, r.Body)
		answer, ok := answers[target]
		if !ok {
			if answer, ok = usual[target]; !ok {
				t.Errorf("unexpected call: %s", target)
			}
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_, _ = fmt.Fprint(w, answer)
	}))
	t.Cleanup(server.Close)
	return openWith(t, server.URL, environment(), map[string]any{"instanceArn": cannedInstance, "identityStoreId": "d-9067f0a1b2"})
}

// TestHalfAnAnswerIsNone has answers that are JSON and yet say nothing.
func TestHalfAnAnswerIsNone(t *testing.T) {
	const members, assigned = "AWSIdentityStore.ListGroupMemberships", "SWBExternalService.ListAccountAssignmentsForPrincipal"
	const describe, user = "AWSIdentityStore.DescribeGroup", "AWSIdentityStore.DescribeUser"
	cases := map[string]struct {
		reason, target, answer string
		want                   error
	}{
		"NoMembers":    {"without the list, nobody knows", members, `{}`, fault.ErrUnavailable},
		"NullMembers":  {"null is no list", members, `{"GroupMemberships":null}`, fault.ErrUnavailable},
		"NoMember":     {"a membership of nobody", members, `{"GroupMemberships":[{"MembershipId":"x","GroupId":"` + cannedGroup + `"}]}`, fault.ErrUnavailable},
		"NoID":         {"a membership that nobody could remove", members, `{"GroupMemberships":[{"MemberId":{"UserId":"` + cannedUser + `"}}]}`, fault.ErrUnavailable},
		"Endless":      {"a page that is the next one of itself", members, `{"GroupMemberships":[],"NextToken":"again"}`, fault.ErrTruncated},
		"NoList":       {"no assignments is an empty list", assigned, `{}`, fault.ErrUnavailable},
		"OtherAccount": {"the filter was not applied", assigned, `{"AccountAssignments":[{"AccountId":"999999999999","PermissionSetArn":"` + cannedSet + `","PrincipalId":"` + cannedGroup + `"}]}`, fault.ErrUnavailable},
		"OtherGroup":   {"nor that one", describe, `{"GroupId":"other","DisplayName":"g","IdentityStoreId":"d-9067f0a1b2"}`, fault.ErrUnavailable},
		"NoAccount":    {"an account without itself", "AWSOrganizationsV20161128.DescribeAccount", `{}`, fault.ErrUnavailable},
		"NoJSON":       {"a web page", members, `<html></html>`, fault.ErrUnavailable},
		"NoUser":       {"a user without a name", user, `{"UserId":"` + cannedUser + `"}`, fault.ErrUnavailable},
		"NoUserID":     {"an id that is none", "AWSIdentityStore.GetUserId", `{}`, fault.ErrUnavailable},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			answers := map[string]string{
				"AWSIdentityStore.GetUserId": `{"UserId":"` + cannedUser + `","IdentityStoreId":"d-9067f0a1b2"}`,
				user:                         `{"UserId":"` + cannedUser + `","UserName":"ada","IdentityStoreId":"d-9067f0a1b2"}`,
			}
			answers[c.target] = c.answer
			d := answering(t, answers)
			scope := driver.Scope{ID: cannedAccount, Marks: true, Groups: []access.Group{{Name: "g", Ref: cannedGroup}}}
			_, err := d.Observe(t.Context(), []driver.Scope{scope})
			if err == nil {
				_, err = d.Resolve(t.Context(), []string{"ada"})
			}
			if !errors.Is(err, c.want) {
				t.Errorf("%s: got the error %v, want %v", c.reason, err, c.want)
			}
		})
	}
}

// TestAssignmentWithoutEnd has answers that do not say what became of it.
func TestAssignmentWithoutEnd(t *testing.T) {
	const create, status = "SWBExternalService.CreateAccountAssignment", "SWBExternalService.DescribeAccountAssignmentCreationStatus"
	began := `{"AccountAssignmentCreationStatus":{"Status":"IN_PROGRESS","RequestId":"3f4c1a52-0000-4000-8000-000000000000"}}`
	for reason, answers := range map[string]map[string]string{
		"it does not begin":      {create: `{}`},
		"it has no id":           {create: `{"AccountAssignmentCreationStatus":{"Status":"IN_PROGRESS"}}`},
		"it has a status of its": {create: `{"AccountAssignmentCreationStatus":{"Status":"PERHAPS","RequestId":"x"}}`},
		"it goes on to nothing":  {create: began, status: `{}`},
	} {
		answers["SWBExternalService.ListPermissionSets"] = `{"PermissionSets":["` + cannedSet + `"]}`
		answers["SWBExternalService.DescribePermissionSet"] = `{"PermissionSet":{"Name":"` + lawRoles[0] + `","PermissionSetArn":"` + cannedSet + `"}}`
		d := answering(t, answers)
		step := give(access.Group{Name: "g", Ref: cannedGroup})
		if err := d.Apply(t.Context(), driver.Scope{ID: cannedAccount}, []plan.Step{step})[0].Err; !errors.Is(err, fault.ErrUnavailable) {
			t.Errorf("%s: got the error %v, want ErrUnavailable", reason, err)
		}
	}
}
