package rules_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver/kubernetes/rules"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

func TestFit(t *testing.T) {
	role := func(name string) plan.Object { return plan.Object{Binding: &access.Binding{Role: name}} }
	cases := map[string]struct {
		reason string
		object plan.Object
		want   error
	}{
		"Plain":       {"a role that every cluster has", role("admin"), nil},
		"Colon":       {"the cluster's own roles have colons", role("system:aggregate-to-view"), nil},
		"Odd":         {"RBAC takes any segment of a path", role("Ünï #?&+ @"), nil},
		"Longest":     {"bytes are counted", role(strings.Repeat("r", rules.MaxRoleName)), nil},
		"TooLong":     {"one more is too many", role(strings.Repeat("r", rules.MaxRoleName+1)), fault.ErrInvalid},
		"Empty":       {"a role has a name", role(""), fault.ErrInvalid},
		"Dot":         {"not a segment of a path", role("."), fault.ErrInvalid},
		"Dots":        {"not a segment of a path", role(".."), fault.ErrInvalid},
		"Slash":       {"two segments of a path", role("a/b"), fault.ErrInvalid},
		"Percent":     {"it would be unescaped", role("a%20b"), fault.ErrInvalid},
		"OfNamespace": {"a Role is not a ClusterRole", role("Role/editor"), fault.ErrInvalid},
		"Newline":     {"nobody types this", role("a\nb"), fault.ErrInvalid},
		"NotUTF8":     {"JSON cannot carry it", role("a\xff"), fault.ErrInvalid},
		"ToGroup":     {"people are bound themselves", plan.Object{Binding: &access.Binding{Role: "admin", Group: "g"}}, fault.ErrUnsupported},
		"Group":       {"there are none", plan.Object{Group: &access.Group{Name: "g"}}, fault.ErrUnsupported},
		"Members":     {"nor members of any", plan.Object{Members: &plan.Members{Group: "g"}}, fault.ErrUnsupported},
		"Nothing":     {"a deletion wants nothing", plan.Object{}, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := rules.Fit(c.object); !errors.Is(got, c.want) {
				t.Errorf("%s: Fit = %v, want %v", c.reason, got, c.want)
			}
		})
	}
}
