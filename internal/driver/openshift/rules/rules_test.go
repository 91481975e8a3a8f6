package rules_test

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver/openshift/rules"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

func TestFit(t *testing.T) {
	group := func(name string) plan.Object { return plan.Object{Group: &access.Group{Name: name}} }
	binding := func(role, group string) plan.Object {
		return plan.Object{Binding: &access.Binding{Role: role, Group: group}}
	}
	theirs := func(b access.Binding) plan.Object { return plan.Object{Binding: &b} }
	cases := map[string]struct {
		reason string
		object plan.Object
		want   error
	}{
		"Plain":       {"an ordinary name fits", group("shop.prod-admin"), nil},
		"Odd":         {"names are no DNS names", group("Ünï #?&+ @'\""), nil},
		"Longest":     {"bytes are counted", group(strings.Repeat("g", rules.MaxName)), nil},
		"TooLong":     {"one more is too many", group(strings.Repeat("g", rules.MaxName+1)), fault.ErrInvalid},
		"Empty":       {"a group has a name", group(""), fault.ErrInvalid},
		"Dot":         {"not a segment of a path", group("."), fault.ErrInvalid},
		"Dots":        {"not a segment of a path", group(".."), fault.ErrInvalid},
		"Self":        {"users/~ is whoever asks", group("~"), fault.ErrInvalid},
		"Tilde":       {"which is about the whole name", group("~shop"), nil},
		"Slash":       {"two segments of a path", group("a/b"), fault.ErrInvalid},
		"Percent":     {"it would be unescaped", group("a%20b"), fault.ErrInvalid},
		"Colon":       {"as in system:authenticated, which is no object", group("system:authenticated"), fault.ErrInvalid},
		"Newline":     {"nobody types this", group("a\nb"), fault.ErrInvalid},
		"NotUTF8":     {"JSON cannot carry it", group("a\xff"), fault.ErrInvalid},
		"Members":     {"the set's group is checked too", plan.Object{Members: &plan.Members{Group: "a:b"}}, fault.ErrInvalid},
		"Binding":     {"the cluster's own roles have colons", binding("system:image-puller", "g"), nil},
		"BadRole":     {"roles of a project are not given", binding("Role/editor", "g"), fault.ErrInvalid},
		"TheirRole":   {"but may be taken from", theirs(access.Binding{Role: "Role/editor", Group: "g", Name: "n"}), nil},
		"CarriedRole": {"and carried over to a group of ours", theirs(access.Binding{Role: "Role/editor", Group: "g", Carried: true}), nil},
		"NoRole":      {"which needs a name", theirs(access.Binding{Role: "Role/", Group: "g", Carried: true}), fault.ErrInvalid},
		"TwoSegments": {"of one segment", theirs(access.Binding{Role: "Role/Role/a", Group: "g", Carried: true}), fault.ErrInvalid},
		"BadGroup":    {"a binding's group is checked too", binding("view", "a/b"), fault.ErrInvalid},
		"People":      {"people get roles through groups only", binding("view", ""), fault.ErrUnsupported},
		"NothingHere": {"a deletion wants nothing", plan.Object{}, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := rules.Fit(c.object); !errors.Is(got, c.want) {
				t.Errorf("%s: Fit = %v, want %v", c.reason, got, c.want)
			}
		})
	}
}

// TestNameIsOneSegment: no name that passes leads anywhere else.
func TestNameIsOneSegment(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(rapid.String(), rapid.StringMatching(`[./%:~a]{0,4}`)).Draw(t, "name")
		if rules.Name(name) == "" && (strings.ContainsAny(name, "/%:\x00") || name == "" || name == "." || name == ".." || name == "~") {
			t.Fatalf("%q passes for a name", name)
		}
	})
}
