package aws_test

import (
	"testing"

	"github.com/rollcall-iam/rollcall/internal/simulate/aws"
)

// TestUpdateGroup: each operation of an update is checked, all or none are done,
// and a revision that is given has to be the one that is there.
func TestUpdateGroup(t *testing.T) {
	c := newCloud(t, aws.Options{IgnoreCase: true})
	group := c.Group("admins", "of the shop")
	c.Group("taken", "")
	describe := func() map[string]any {
		_, answer := c.call(t, "AWSIdentityStore.DescribeGroup", `{"IdentityStoreId":"`+store+`","GroupId":"`+group+`"}`)
		return answer
	}
	update := func(id, operations, more string) (string, map[string]any) {
		return c.call(t, "AWSIdentityStore.UpdateGroup",
			`{"IdentityStoreId":"`+store+`","GroupId":"`+id+`","Operations":[`+operations+`]`+more+`}`)
	}
	set := func(path, value string) string {
		return `{"AttributePath":"` + path + `","AttributeValue":` + value + `}`
	}
	before := describe()
	revision, _ := before["Revision"].(string)
	for _, test := range []struct{ reason, id, operations, more, want, because string }{
		{"nothing to do", group, "", "", "ValidationException", ""},
		{"no group", nobody, set("displayName", `"x"`), "", "ResourceNotFoundException", ""},
		{"a path that groups have not", group, set("nickName", `"x"`), "", "ValidationException", ""},
		{"a name that is a number", group, set("displayName", "1"), "", "ValidationException", ""},
		{"no name", group, set("displayName", "null"), "", "ValidationException", ""},
		{"an empty name", group, set("displayName", `""`), "", "ValidationException", ""},
		{"an empty description", group, set("description", `""`), "", "ValidationException", ""},
		{"a reserved name", group, set("displayName", `"Administrator"`), "", "ValidationException", ""},
		{"a name that is taken", group, set("displayName", `"taken"`), "", "ConflictException", "UNIQUENESS_CONSTRAINT_VIOLATION"},
		{"the same in upper case", group, set("displayName", `"TAKEN"`), "", "ConflictException", "UNIQUENESS_CONSTRAINT_VIOLATION"},
		{"the second operation", group, set("description", `"x"`) + "," + set("displayName", `"taken"`), "", "ConflictException", "UNIQUENESS_CONSTRAINT_VIOLATION"},
		{"another revision", group, set("displayName", `"x"`), `,"Revision":"r0"`, "ConflictException", "CONCURRENT_MODIFICATION"},
	} {
		code, answer := update(test.id, test.operations, test.more)
		if because, _ := answer["Reason"].(string); code != test.want || because != test.because {
			t.Errorf("%s: answered %q %v, want %q %q", test.reason, code, answer, test.want, test.because)
		}
	}
	if now := describe(); now["DisplayName"] != "admins" || now["Description"] != "of the shop" || now["Revision"] != revision {
		t.Errorf("what was refused changed the group: %v", now)
	}
	code, answer := update(group, set("displayName", `"Admins"`)+","+set("description", "null"), `,"Revision":"`+revision+`"`)
	now := describe()
	if code != "" || answer["Revision"] != now["Revision"] || now["Revision"] == revision || answer["GroupArn"] != now["GroupArn"] {
		t.Errorf("an update answers %q %v, and then there is %v", code, answer, now)
	}
	if now["DisplayName"] != "Admins" || now["Description"] != nil {
		t.Errorf("the update left %v", now)
	}
	drop := `{"IdentityStoreId":"` + store + `","GroupId":"` + group + `","Revision":"` + revision + `"}`
	if code, _ := c.call(t, "AWSIdentityStore.DeleteGroup", drop); code != "ConflictException" {
		t.Errorf("deleting a group of another revision: %q", code)
	}
}
