package rules_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver/azure/rules"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

func TestFit(t *testing.T) {
	group := func(name string) plan.Object { return plan.Object{Group: &access.Group{Name: name}} }
	binding := func(b access.Binding) plan.Object { return plan.Object{Binding: &b} }
	cases := map[string]struct {
		reason string
		object plan.Object
		want   error
	}{
		"Plain":       {"an ordinary name fits", group("shop.prod-admin"), nil},
		"Odd":         {"names are values of filters, quoted", group("it's a/b?c=d&e#f%20+"), nil},
		"Longest":     {"characters are counted, not bytes", group(strings.Repeat("ü", rules.MaxGroupName)), nil},
		"TooLong":     {"displayName ends here", group(strings.Repeat("g", rules.MaxGroupName+1)), fault.ErrInvalid},
		"Wide":        {"a character beyond the first plane counts twice", group(strings.Repeat("😀", rules.MaxGroupName/2+1)), fault.ErrInvalid},
		"Empty":       {"a group has a name", group(""), fault.ErrInvalid},
		"Surrounded":  {"a space around it may be taken off", group("a "), fault.ErrInvalid},
		"Control":     {"nobody can type it", group("a\nb"), fault.ErrInvalid},
		"NotUTF8":     {"JSON cannot carry it", group("a\xff"), fault.ErrInvalid},
		"Members":     {"the set's group is checked too", plan.Object{Members: &plan.Members{Group: " a"}}, fault.ErrInvalid},
		"RoleLongest": {"roles may have longer names", binding(access.Binding{Role: strings.Repeat("r", rules.MaxRoleName), Group: "g"}), nil},
		"RoleTooLong": {"but not any length", binding(access.Binding{Role: strings.Repeat("r", rules.MaxRoleName+1), Group: "g"}), fault.ErrInvalid},
		"RoleEmpty":   {"a role has a name", binding(access.Binding{Group: "g"}), fault.ErrInvalid},
		"Group":       {"a binding's group is checked too", binding(access.Binding{Role: "Reader", Group: " g"}), fault.ErrInvalid},
		"Condition": {
			"a condition has a limit", binding(access.Binding{Role: "Reader", Group: "g", Condition: strings.Repeat("c", rules.MaxCondition+1)}),
			fault.ErrInvalid,
		},
		"People":  {"people get roles through groups only", binding(access.Binding{Role: "Reader"}), fault.ErrUnsupported},
		"Nothing": {"a deletion wants nothing", plan.Object{}, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := rules.Fit(c.object); !errors.Is(got, c.want) {
				t.Errorf("%s: Fit = %v, want %v", c.reason, got, c.want)
			}
		})
	}
}
