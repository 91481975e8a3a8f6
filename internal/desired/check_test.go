package desired_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/desired"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// project is shop as another project of the workspace.
func project(name string) document.TenantInput {
	in := shop()
	in.Tenant.Project, in.Project.Name = name, name
	return in
}

// rulesOf returns the rules for the type "memory" alone.
func rulesOf(r desired.Rules) func(string) (desired.Rules, bool) {
	return func(platformType string) (desired.Rules, bool) { return r, platformType == "memory" }
}

// short is a Fit that refuses long names and one role.
func short(o plan.Object) error {
	switch {
	case o.Group != nil && len(o.Group.Name) > 20:
		return errors.New("longer than 20 characters")
	case o.Binding != nil && len(o.Binding.Group) > 20:
		return errors.New("a group longer than 20 characters")
	case o.Binding != nil && o.Binding.Role == "admin":
		return errors.New(`no role "admin" here`)
	default:
		return nil
	}
}

// checkCase says what Check finds in some tenants.
type checkCase struct {
	reason string
	inputs func() []document.TenantInput
	rules  desired.Rules
	want   []document.Problem
}

func (tc checkCase) run(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(tc.want, problemsOf(tc.inputs(), rulesOf(tc.rules))); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

// problemsOf returns the problems that Check finds.
func problemsOf(inputs []document.TenantInput, rules func(string) (desired.Rules, bool)) []document.Problem {
	_, problems := desired.Check(inputs, rules)
	return problems
}

// TestNameConflicts: names of tenants that are checked apart are compared as those of tenants that
// are checked together.
func TestNameConflicts(t *testing.T) {
	a, b := project("a"), project("b")
	for _, in := range []*document.TenantInput{&a, &b} {
		in.Platform.Replication.GroupNamePattern = "#{workspaceIdentifier}-#{platformGroupAlias}"
	}
	rules := rulesOf(desired.Rules{Options: options(), GroupsIgnoreCase: true})
	first, _ := desired.Check([]document.TenantInput{a}, rules)
	second, _ := desired.Check([]document.TenantInput{b}, rules)
	want := problemsOf([]document.TenantInput{a, b}, rules)
	if len(want) == 0 {
		t.Fatal("the two tenants have no names in common: change the example")
	}
	if diff := cmp.Diff(want, desired.NameConflicts(second, first)); diff != "" {
		t.Errorf("problems (-together +apart):\n%s", diff)
	}
	elsewhere := slices.Clone(first)
	for i := range elsewhere {
		elsewhere[i].Tenant.Platform = "other.platform"
	}
	if got := desired.NameConflicts(second, elsewhere); len(got) > 0 {
		t.Errorf("names of another platform: %v, want no problem", got)
	}
}

func TestCheckNames(t *testing.T) {
	groups := desired.Rules{Options: options()}
	for _, tc := range []checkCase{
		{
			reason: "two tenants with one name", rules: groups,
			inputs: func() []document.TenantInput {
				a, b := project("a"), project("b")
				for _, in := range []*document.TenantInput{&a, &b} {
					in.Platform.Replication.GroupNamePattern = "#{workspaceIdentifier}-#{platformGroupAlias}"
					in.Platform.Replication.RoleMappings = in.Platform.Replication.RoleMappings[1:2]
				}
				return []document.TenantInput{b, a}
			},
			want: []document.Problem{{
				Object: "meshTenant retail.b/stack.eu-1",
				Text: `two groups with one name: the role "project-admin" on retail.a/stack.eu-1 and the role "project-admin" on ` +
					`retail.b/stack.eu-1 get "retail-admin": use more placeholders in the platform's groupNamePattern, or another groupAlias`,
			}},
		},
		{
			reason: "two roles of one tenant with one name", rules: groups,
			inputs: func() []document.TenantInput {
				in := project("a")
				in.Platform.Replication.GroupNamePattern = "#{projectId}"
				in.Platform.Replication.RoleMappings = in.Platform.Replication.RoleMappings[:2]
				return []document.TenantInput{in}
			},
			want: []document.Problem{{
				Object: "meshTenant retail.a/stack.eu-1",
				Text: `two groups with one name: the role "project-admin" on retail.a/stack.eu-1 and the role "project-user" on ` +
					`retail.a/stack.eu-1 get "retail.a": use more placeholders in the platform's groupNamePattern, or another groupAlias`,
			}},
		},
		{
			reason: "one name on two platforms is two groups", rules: groups,
			inputs: func() []document.TenantInput {
				a, b := project("a"), project("a")
				b.Tenant.Platform, b.Platform.Location = "stack.eu-2", "eu-2"
				return []document.TenantInput{a, b}
			},
		},
		{
			reason: "names that differ in case only, where that is no difference",
			rules:  desired.Rules{Options: options(), GroupsIgnoreCase: true}, inputs: inCase,
			want: []document.Problem{{
				Object: "meshTenant retail.a/stack.eu-1",
				Text: `two groups with one name: the role "project-admin" on retail.a/stack.eu-1 and the role "project-user" on ` +
					`retail.a/stack.eu-1 get "X" and "x", which are one name to the platform: ` +
					`use more placeholders in the platform's groupNamePattern, or another groupAlias`,
			}},
		},
		{reason: "names that differ in case only, where that is one", rules: groups, inputs: inCase},
	} {
		t.Run(tc.reason, tc.run)
	}
}

func TestCheckFits(t *testing.T) {
	groups := desired.Rules{Options: options()}
	for _, tc := range []checkCase{
		{
			reason: "nothing is wrong", rules: groups,
			inputs: func() []document.TenantInput { return []document.TenantInput{project("a"), project("b")} },
		},
		{
			reason: "names and roles that do not fit; the mapping is to blame once", rules: desired.Rules{Options: options(), Fit: short},
			inputs: func() []document.TenantInput { return []document.TenantInput{project("a"), project("b")} },
			want: []document.Problem{
				{
					Object: "meshPlatform stack.eu-1", Field: "spec.config.memory.replication.roleMappings",
					Text: `the mapping of the role "project-admin": no role "admin" here`,
				},
				unfit("a"), unfit("b"),
			},
		},
		{
			reason: "a role of a landing zone that does not fit", rules: desired.Rules{Options: peopleOptions(), Fit: short},
			inputs: func() []document.TenantInput {
				in := project("a")
				in.LandingZone = zone(document.RoleMapping{Role: "project-user", Roles: []string{"admin"}})
				return []document.TenantInput{in}
			},
			want: []document.Problem{{
				Object: "meshLandingZone dev", Field: "spec.platformProperties.memory.roleMappings",
				Text: `the mapping of the role "project-user": no role "admin" here`,
			}},
		},
		{
			reason: "a tag that is missing, for each role", rules: groups,
			inputs: func() []document.TenantInput {
				in := project("a")
				in.Platform.Replication.GroupNamePattern = "#{tagRegion}-#{platformGroupAlias}"
				in.Platform.Replication.RoleMappings = in.Platform.Replication.RoleMappings[1:2]
				return []document.TenantInput{in}
			},
			want: []document.Problem{{
				Object: "meshTenant retail.a/stack.eu-1",
				Text: `no usable group name for the role "project-admin": naming: #{tagRegion}: no value: ` +
					`the project has no tag "Region": add it, or take it out of the pattern`,
			}},
		},
	} {
		t.Run(tc.reason, tc.run)
	}
}

func TestCheckPlatforms(t *testing.T) {
	groups := desired.Rules{Options: options()}
	for _, tc := range []checkCase{
		{
			reason: "without groups there are no names", rules: desired.Rules{Options: peopleOptions()},
			inputs: func() []document.TenantInput {
				a, b := project("a"), project("b")
				a.Platform.Replication.GroupNamePattern, b.Platform.Replication.GroupNamePattern = "x", "x"
				return []document.TenantInput{a, b}
			},
		},
		{
			reason: "bad patterns, once for the platform", rules: groups,
			inputs: func() []document.TenantInput {
				a, b := project("a"), project("b")
				for _, in := range []*document.TenantInput{&a, &b} {
					in.Platform.Replication.EUIDPattern, in.Platform.Replication.GroupNamePattern = "%s%", "#{"
				}
				return []document.TenantInput{a, b}
			},
			want: []document.Problem{
				{
					Object: "meshPlatform stack.eu-1", Field: "spec.config.memory.replication.euidPattern",
					Text: "euid: bad euid pattern: at byte 3 is a lone % at the end: " +
						"write exactly one %s (the euid as it is) or %S (in upper case), and %% for a percent sign",
				},
				{
					Object: "meshPlatform stack.eu-1", Field: "spec.config.memory.replication.groupNamePattern",
					Text: `naming: bad group name pattern: at byte 1 is "#{" without its "}": close the placeholder`,
				},
			},
		},
		{
			reason: "a type that nobody knows", rules: groups,
			inputs: func() []document.TenantInput {
				in := project("a")
				in.Platform.Type = "abacus"
				return []document.TenantInput{in}
			},
			want: []document.Problem{{
				Object: "meshPlatform stack.eu-1", Field: "spec.config", Text: `no driver for platforms of the type "abacus"`,
			}},
		},
		{
			reason: "a deleted tenant takes no name", rules: groups,
			inputs: func() []document.TenantInput {
				a, b := project("a"), project("a")
				b.Deleted = true
				return []document.TenantInput{b, a}
			},
		},
	} {
		t.Run(tc.reason, tc.run)
	}
}

func inCase() []document.TenantInput {
	in := project("a")
	in.Platform.Replication.GroupNamePattern = "#{platformGroupAlias}"
	in.Platform.Replication.RoleMappings = []document.RoleMapping{
		{Role: "project-user", GroupAlias: "x", Roles: []string{"reader"}}, {Role: "project-admin", GroupAlias: "X", Roles: []string{"reader"}},
	}
	return []document.TenantInput{in}
}

func unfit(name string) document.Problem {
	return document.Problem{
		Object: "meshTenant retail." + name + "/stack.eu-1",
		Text: fmt.Sprintf(`the role "project-reader" gets the group "retail.%s-project-reader", which the platform cannot hold: `+
			"longer than 20 characters: change the platform's groupNamePattern or the mapping's groupAlias", name),
	}
}

// TestCheckAndComputeAgree: where Check finds nothing, Compute names every
// group, and no two of them the same.
func TestCheckAndComputeAgree(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		pattern := rapid.SampledFrom([]string{
			"", "#{projectId}", "#{platformGroupAlias}", "#{projectIdentifier:%.1s}-#{platformGroupAlias}",
			"#{tenantPlatformNumber}-#{platformGroupAlias}", "#{tagEnvironment}", "#{rand:%.3s}-#{platformGroupAlias}", "#{tagRegion}",
		}).Draw(rt, "pattern")
		var inputs []document.TenantInput
		for i, name := range rapid.SliceOfNDistinct(rapid.StringMatching("[ab]{1,2}"), 1, 4, rapid.ID[string]).Draw(rt, "projects") {
			in := project(name)
			in.Drawn.Number = i + 1
			in.Platform.Replication.GroupNamePattern = pattern
			inputs = append(inputs, in)
		}
		good := len(problemsOf(inputs, rulesOf(desired.Rules{Options: options()}))) == 0
		computed, seen := true, map[string]access.TenantID{}
		for _, in := range inputs {
			d, err := desired.Compute(in, options())
			computed = computed && err == nil
			for _, g := range d.State.Groups {
				if _, taken := seen[g.Name]; taken {
					computed = false
				}
				seen[g.Name] = d.Tenant
			}
		}
		if good != computed {
			rt.Fatalf("the pattern %q: Check finds it good: %v, Compute: %v", pattern, good, computed)
		}
	})
}

func TestCheckOrderDoesNotMatter(t *testing.T) {
	inputs := make([]document.TenantInput, 6)
	for i := range inputs {
		inputs[i] = project(string(rune('a' + i)))
		inputs[i].Platform.Replication.GroupNamePattern = "#{workspaceIdentifier}-#{platformGroupAlias}"
	}
	rules := rulesOf(desired.Rules{Options: options(), Fit: short})
	want := problemsOf(inputs, rules)
	if len(want) == 0 || !strings.Contains(want[0].Text, "no role") {
		t.Fatalf("the example finds %v, want problems of every sort", want)
	}
	rapid.Check(t, func(rt *rapid.T) {
		mixed := rapid.Permutation(inputs).Draw(rt, "inputs")
		for i := range mixed {
			mixed[i] = shuffled(mixed[i], rapid.Uint64().Draw(rt, "seed"))
		}
		if diff := cmp.Diff(want, problemsOf(mixed, rules)); diff != "" {
			rt.Fatalf("another order finds other problems (-want +got):\n%s", diff)
		}
	})
}

func BenchmarkCheck10000Tenants(b *testing.B) {
	inputs := make([]document.TenantInput, 10_000)
	for i := range inputs {
		inputs[i] = project(fmt.Sprintf("p-%05d", i))
	}
	rules := rulesOf(desired.Rules{Options: options(), GroupsIgnoreCase: true})
	for b.Loop() {
		if problems := problemsOf(inputs, rules); len(problems) > 0 {
			b.Fatalf("%d problems, the first is %v", len(problems), problems[0])
		}
	}
}

// TestCheckMappings: what a mapping may say depends on the type of platform.
func TestCheckMappings(t *testing.T) {
	mapped := func(m document.RoleMapping) func() []document.TenantInput {
		return func() []document.TenantInput {
			in := project("a")
			in.Platform.Replication.RoleMappings = []document.RoleMapping{m}
			return []document.TenantInput{in}
		}
	}
	problem := func(text string) []document.Problem {
		return []document.Problem{{
			Object: "meshPlatform stack.eu-1", Field: "spec.config.memory.replication.roleMappings",
			Text: `the mapping of the role "project-admin": ` + text,
		}}
	}
	with := func(change func(*desired.Options)) desired.Rules {
		o := options()
		change(&o)
		return desired.Rules{Options: o}
	}
	for _, tc := range []checkCase{
		{
			reason: "no roles, where there are bindings", rules: desired.Rules{Options: options()},
			inputs: mapped(document.RoleMapping{Role: "project-admin"}),
			want:   problem("roles is missing: name the platform's roles that it stands for"),
		},
		{
			reason: "roles, where groups are all there is", rules: with(func(o *desired.Options) { o.NoBindings = true }),
			inputs: mapped(document.RoleMapping{Role: "project-admin", Roles: []string{"owner"}}),
			want:   problem("platforms of this type know no roles: leave roles out"),
		},
		{
			reason: "a condition, where there are none", rules: desired.Rules{Options: options()},
			inputs: mapped(document.RoleMapping{
				Role: "project-admin", Roles: []string{"owner"}, Conditions: map[string]string{"owner": "x"},
			}),
			want: problem("platforms of this type know no conditions: leave conditions out"),
		},
		{
			reason: "a condition of a role that is not mapped", rules: with(func(o *desired.Options) { o.Conditions = true }),
			inputs: mapped(document.RoleMapping{
				Role: "project-admin", Roles: []string{"owner"}, Conditions: map[string]string{"reader": "x"},
			}),
			want: problem(`conditions has "reader", which is not among its roles: correct one of them`),
		},
		{
			reason: "a condition where there are some", rules: with(func(o *desired.Options) { o.Conditions = true }),
			inputs: mapped(document.RoleMapping{
				Role: "project-admin", Roles: []string{"owner"}, Conditions: map[string]string{"owner": "x"},
			}),
		},
	} {
		t.Run(tc.reason, tc.run)
	}
}
