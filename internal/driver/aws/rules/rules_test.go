package rules_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver/aws/rules"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

func TestFit(t *testing.T) {
	group := func(name string) plan.Object { return plan.Object{Group: &access.Group{Name: name}} }
	binding := func(b access.Binding) plan.Object { return plan.Object{Binding: &b} }
	role := func(name string) plan.Object { return binding(access.Binding{Role: name, Group: "g"}) }
	account := func(name string) plan.Object {
		return plan.Object{Account: &access.Newcomer{Account: access.Account{Name: name}}}
	}
	const arn = "arn:aws:sso:::permissionSet/ssoins-0123456789abcdef/ps-0123456789abcdef"
	cases := map[string]struct {
		reason string
		object plan.Object
		want   error
	}{
		"Plain":        {"an ordinary name fits", group("shop.prod-admin"), nil},
		"Odd":          {"names are no parts of paths", group("a/b?c=d&e#f%20 [x] ümlaut 名前"), nil},
		"Longest":      {"characters are counted, not bytes", group(strings.Repeat("ü", rules.MaxGroupName)), nil},
		"TooLong":      {"the model ends here", group(strings.Repeat("ü", rules.MaxGroupName+1)), fault.ErrInvalid},
		"Empty":        {"a group has a name", group(""), fault.ErrInvalid},
		"Surrounded":   {"nobody says whether AWS keeps the blank", group("a "), fault.ErrInvalid},
		"Newline":      {"AWS would take it, logs would not", group("a\nb"), fault.ErrInvalid},
		"NUL":          {"the model has no control characters", group("a\x00b"), fault.ErrInvalid},
		"Joiner":       {"nor invisible ones", group("a\u200db"), fault.ErrInvalid},
		"NotUTF8":      {"JSON cannot carry it", group("a\xff"), fault.ErrInvalid},
		"Reserved":     {"AWS keeps the name for itself", group("Administrator"), fault.ErrInvalid},
		"ReservedToo":  {"and this one, in any case", group("awsadministrators"), fault.ErrInvalid},
		"Members":      {"the set's group is checked too", plan.Object{Members: &plan.Members{Group: " a"}}, fault.ErrInvalid},
		"Role":         {"what the model allows", role("Admin+Access=1,2.3@x-y_z"), nil},
		"RoleLongest":  {"up to 32", role(strings.Repeat("r", rules.MaxPermissionSetName)), nil},
		"RoleTooLong":  {"and no more", role(strings.Repeat("r", rules.MaxPermissionSetName+1)), fault.ErrInvalid},
		"RoleBlank":    {"no blanks", role("Admin Access"), fault.ErrInvalid},
		"RoleEmpty":    {"a permission set has a name", role(""), fault.ErrInvalid},
		"RoleARN":      {"the platform reports names", role(arn), fault.ErrInvalid},
		"People":       {"people get roles through groups only", binding(access.Binding{Role: "Admin"}), fault.ErrUnsupported},
		"Condition":    {"there are none", binding(access.Binding{Role: "Admin", Group: "g", Condition: "x"}), fault.ErrUnsupported},
		"BindingGroup": {"a binding's group is checked too", binding(access.Binding{Role: "Admin", Group: " g"}), fault.ErrInvalid},
		"Account":      {"an address is a user name", account("ada@example.com"), nil},
		"AccountBlank": {"a user name has no blanks", account("ada lovelace"), fault.ErrInvalid},
		"AccountLong":  {"nor more than 128 characters", account(strings.Repeat("a", rules.MaxUserName+1)), fault.ErrInvalid},
		"NoObjectAt":   {"a deletion wants nothing", plan.Object{}, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			err := rules.Fit(c.object)
			if !errors.Is(err, c.want) {
				t.Errorf("%s: Fit = %v, want %v", c.reason, err, c.want)
			}
			if c.object.Account != nil && err != nil && strings.Contains(err.Error(), "lovelace") {
				t.Errorf("%s: the error names a person: %v", c.reason, err)
			}
		})
	}
}

func TestAccountID(t *testing.T) {
	for id, want := range map[string]bool{"123456789012": true, "12345678901": false, "1234567890123": false, "12345678901a": false, "": false} {
		if rules.AccountID(id) != want {
			t.Errorf("AccountID(%q) = %t", id, !want)
		}
	}
}
