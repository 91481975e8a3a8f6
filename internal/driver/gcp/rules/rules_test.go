package rules_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver/gcp/rules"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

func TestFit(t *testing.T) {
	group := func(name string) plan.Object { return plan.Object{Group: &access.Group{Name: name}} }
	role := func(role, group string) plan.Object {
		return plan.Object{Binding: &access.Binding{Role: role, Group: group}}
	}
	cases := map[string]struct {
		reason string
		object plan.Object
		want   error
	}{
		"Plain":         {"what a pattern usually gives", group("shop.payments-prod_admin"), nil},
		"Longest":       {"64 before the at sign", group(strings.Repeat("g", rules.MaxGroupName)), nil},
		"TooLong":       {"one more is too many", group(strings.Repeat("g", rules.MaxGroupName+1)), fault.ErrInvalid},
		"Empty":         {"an address has something before the at sign", group(""), fault.ErrInvalid},
		"Upper":         {"Google makes it small, and it would never be found again", group("Shop"), fault.ErrInvalid},
		"Space":         {"no address has one", group("shop payments"), fault.ErrInvalid},
		"Address":       {"the domain is added", group("shop@example.com"), fault.ErrInvalid},
		"Plus":          {"Google refuses it", group("shop+payments"), fault.ErrInvalid},
		"Umlaut":        {"Google refuses it", group("läden"), fault.ErrInvalid},
		"DotFirst":      {"dots stand between", group(".shop"), fault.ErrInvalid},
		"DotLast":       {"dots stand between", group("shop."), fault.ErrInvalid},
		"TwoDots":       {"never two in a row", group("shop..payments"), fault.ErrInvalid},
		"Reserved":      {"Google keeps it", group("postmaster"), fault.ErrInvalid},
		"Members":       {"the group's name counts", plan.Object{Members: &plan.Members{Group: "Shop"}}, fault.ErrInvalid},
		"Role":          {"a predefined role", role("roles/logging.admin", "shop"), nil},
		"ProjectRole":   {"a custom role", role("projects/shop-prod/roles/shopKeeper", "shop"), nil},
		"OrgRole":       {"a custom role of all", role("organizations/123/roles/shop.keeper", "shop"), nil},
		"ForeignGroup":  {"others' groups may have any address", role("roles/viewer", "Any.Body@example.org"), nil},
		"BareRole":      {"Google's names have a prefix", role("viewer", "shop"), fault.ErrInvalid},
		"NoRole":        {"nothing is given", role("", "shop"), fault.ErrInvalid},
		"RoleOfNowhere": {"roles belong to projects or organizations", role("folders/1/roles/keeper", "shop"), fault.ErrInvalid},
		"RoleNewline":   {"nobody types this", role("roles/viewer\n", "shop"), fault.ErrInvalid},
		"People":        {"roles go to groups", plan.Object{Binding: &access.Binding{Role: "roles/viewer"}}, fault.ErrUnsupported},
		"Account":       {"nobody is made", plan.Object{Account: &access.Newcomer{}}, fault.ErrUnsupported},
		"Nothing":       {"a deletion wants nothing", plan.Object{}, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := rules.Fit(c.object); !errors.Is(got, c.want) {
				t.Errorf("%s: Fit = %v, want %v", c.reason, got, c.want)
			}
		})
	}
}

func FuzzGroupName(f *testing.F) {
	for _, seed := range []string{"a", "a.b", "", "A", "a..b", "\xff", strings.Repeat("a", 70000)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		err := rules.GroupName(name)
		if err != nil && (!errors.Is(err, fault.ErrInvalid) || len(err.Error()) > 1000) {
			t.Errorf("GroupName: %v", err)
		}
		if err == nil && strings.ToLower(name) != name {
			t.Errorf("%q would come back as another name", name)
		}
	})
}
