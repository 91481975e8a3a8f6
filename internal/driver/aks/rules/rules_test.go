package rules_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver/aks/rules"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

func TestFit(t *testing.T) {
	binding := func(role, group string) plan.Object {
		return plan.Object{Binding: &access.Binding{Role: role, Group: group}}
	}
	cases := map[string]struct {
		reason string
		object plan.Object
		want   error
	}{
		"ClusterRole": {"a role in the cluster", binding("system:aggregate-to-view", "g"), nil},
		"OfAzure":     {"a role in Azure", binding(rules.ClusterUser, "g"), nil},
		"OfAzureLong": {"as long as one there may be", binding(rules.OfAzure+strings.Repeat("r", 512), "g"), nil},
		"Slash":       {"no ClusterRole has one", binding("a/b", "g"), fault.ErrInvalid},
		"OfNothing":   {"a role has a name", binding(rules.OfAzure, "g"), fault.ErrInvalid},
		"Group":       {"a binding's group is checked too", binding("view", " g"), fault.ErrInvalid},
		"People":      {"people get roles through groups only", binding("view", ""), fault.ErrUnsupported},
		"GroupName":   {"groups are Entra's", plan.Object{Group: &access.Group{Name: "a/b"}}, nil},
		"LongGroup":   {"as long as one there may be", plan.Object{Group: &access.Group{Name: strings.Repeat("g", 257)}}, fault.ErrInvalid},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := rules.Fit(c.object); !errors.Is(got, c.want) {
				t.Errorf("%s: Fit = %v, want %v", c.reason, got, c.want)
			}
		})
	}
}
