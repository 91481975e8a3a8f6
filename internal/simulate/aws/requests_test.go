package aws_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/simulate/aws"
)

// TestRequestsInProgress lists the requests to change assignments, as a worker does that
// has not started them.
func TestRequestsInProgress(t *testing.T) {
	c := newCloud(t, aws.Options{Assignment: time.Hour, Page: 1})
	c.Account("222222222222", "a")
	c.Account("333333333333", "b")
	set, group := c.PermissionSet("Reader"), c.Group("g", "")
	change := func(operation, account string) string {
		code, _ := c.call(t, "SWBExternalService."+operation, fmt.Sprintf(
			`{"InstanceArn":%q,"TargetId":%q,"TargetType":"AWS_ACCOUNT","PermissionSetArn":%q,"PrincipalType":"GROUP","PrincipalId":%q}`,
			c.InstanceARN(), account, set, group))
		return code
	}
	list := func(kind, filter string) (ids []string) {
		for token, more := "", true; more; {
			code, answer := c.call(t, "SWBExternalService.ListAccountAssignment"+kind+"Status",
				fmt.Sprintf(`{"InstanceArn":%q%s%s}`, c.InstanceARN(), filter, token))
			if code != "" {
				t.Fatalf("%s: %s %v", kind, code, answer)
			}
			for _, row := range answer["AccountAssignments"+kind+"Status"].([]any) {
				if row.(map[string]any)["TargetId"] != nil {
					t.Errorf("the list says what a request is about, which the vendor's does not: %v", row)
				}
				ids = append(ids, row.(map[string]any)["RequestId"].(string))
			}
			next, _ := answer["NextToken"].(string)
			token, more = fmt.Sprintf(`,"NextToken":%q`, next), next != ""
		}
		return ids
	}
	const running, over = `,"Filter":{"Status":"IN_PROGRESS"}`, `,"Filter":{"Status":"SUCCEEDED"}`
	for account, reason := range map[string]string{"222222222222": "the first", "333333333333": "another account's"} {
		if code := change("CreateAccountAssignment", account); code != "" {
			t.Errorf("%s: %s", reason, code)
		}
	}
	for operation, reason := range map[string]string{
		"CreateAccountAssignment": "the same change again", "DeleteAccountAssignment": "the opposite one",
	} {
		if code := change(operation, "222222222222"); code != "ConflictException" {
			t.Errorf("%s while one is in progress: got %q, want ConflictException", reason, code)
		}
	}
	if ids := list("Creation", running); len(ids) != 2 || ids[0] == ids[1] {
		t.Errorf("in progress, page by page: %v, want both", ids)
	}
	if ids := append(list("Deletion", running), list("Creation", over)...); len(ids) > 0 {
		t.Errorf("no deletion, and nothing that has ended: %v", ids)
	}
	c.FinishAssignments("222222222222")
	if all, done := list("Creation", ""), list("Creation", over); len(all) != 2 || len(done) != 1 {
		t.Errorf("after one has ended: %v in all, %v of them ended, want 2 and 1", all, done)
	}
	if code, _ := c.call(t, "SWBExternalService.ListAccountAssignmentCreationStatus",
		fmt.Sprintf(`{"InstanceArn":%q,"Filter":{"Status":"DONE"}}`, c.InstanceARN())); code != "ValidationException" {
		t.Errorf("a status that is none: got %q, want ValidationException", code)
	}
}
