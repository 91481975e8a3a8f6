package rules_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver/memory/rules"
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
		"Plain":      {"an ordinary name fits", group("team shop admin"), nil},
		"Longest":    {"characters are counted, not bytes", group(strings.Repeat("ü", rules.MaxName)), nil},
		"TooLong":    {"one character more does not", group(strings.Repeat("ü", rules.MaxName+1)), fault.ErrInvalid},
		"Empty":      {"a group has a name", group(""), fault.ErrInvalid},
		"Control":    {"a line break would tear logs and lists apart", group("a\nb"), fault.ErrInvalid},
		"Slash":      {"names are parts of paths", group("a/b"), fault.ErrInvalid},
		"NotUTF8":    {"the world is a JSON file", group("a\xff"), fault.ErrInvalid},
		"Members":    {"the set's group is checked too", plan.Object{Members: &plan.Members{Group: "a/b"}}, fault.ErrInvalid},
		"RoleSlash":  {"roles may look like roles/viewer", binding(access.Binding{Role: "roles/viewer", Group: "g"}), nil},
		"RoleEmpty":  {"a role has a name", binding(access.Binding{Group: "g"}), fault.ErrInvalid},
		"People":     {"people get roles through groups only", binding(access.Binding{Role: "viewer"}), fault.ErrUnsupported},
		"NoObjectAt": {"a deletion wants nothing", plan.Object{}, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := rules.Fit(c.object); !errors.Is(got, c.want) {
				t.Errorf("%s: Fit = %v, want %v", c.reason, got, c.want)
			}
		})
	}
}
