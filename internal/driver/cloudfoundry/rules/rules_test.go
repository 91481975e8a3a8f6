package rules_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver/cloudfoundry/rules"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

func TestFit(t *testing.T) {
	binding := func(b access.Binding) plan.Object { return plan.Object{Binding: &b} }
	account := func(name string) plan.Object {
		return plan.Object{Account: &access.Newcomer{Account: access.Account{Name: name}}}
	}
	tests := []struct {
		reason string
		object plan.Object
		want   error
	}{
		{"a deletion wants nothing", plan.Object{}, nil},
		{"a role in a space", binding(access.Binding{Role: "space_supporter"}), nil},
		{"a role in an organization", binding(access.Binding{Role: "organization_billing_manager"}), nil},
		{"a role that is none", binding(access.Binding{Role: "SpaceDeveloper"}), fault.ErrInvalid},
		{"no role", binding(access.Binding{}), fault.ErrInvalid},
		{"there are no groups to give a role to", binding(access.Binding{Role: "space_manager", Group: "g"}), fault.ErrUnsupported},
		{"no role has a condition", binding(access.Binding{Role: "space_manager", Condition: "c"}), fault.ErrUnsupported},
		{"there are no groups", plan.Object{Group: &access.Group{Name: "g"}}, fault.ErrUnsupported},
		{"nor members of them", plan.Object{Members: &plan.Members{Group: "g"}}, fault.ErrUnsupported},
		{"a name as people have it", account("ada@example.com"), nil},
		{"the longest name", account(strings.Repeat("ü", rules.MaxUsername)), nil},
		{"a longer one", account(strings.Repeat("ü", rules.MaxUsername+1)), fault.ErrInvalid},
		{"no name", account(""), fault.ErrInvalid},
		{"a name that nobody could look up", account("Lovelace, Ada"), fault.ErrInvalid},
		{"a name with a space before it", account(" ada"), fault.ErrInvalid},
		{"a name that is no text", account("a\xff"), fault.ErrInvalid},
	}
	for _, test := range tests {
		if got := rules.Fit(test.object); !errors.Is(got, test.want) {
			t.Errorf("%s: Fit = %v, want %v", test.reason, got, test.want)
		}
	}
}
