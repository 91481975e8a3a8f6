package desired_test

import (
	"errors"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/desired"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/euid"
	"github.com/rollcall-iam/rollcall/internal/identity"
	"github.com/rollcall-iam/rollcall/internal/naming"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestGolden shows whole results, with every text that people read.
func TestGolden(t *testing.T) {
	found := map[string]access.Resolution{
		"jane@example.com": {Found: access.Yes, Refs: []string{"u-jane"}},
		"kim@example.com":  {Found: access.No},
		"omar@example.com": {Found: access.Disabled, Refs: []string{"u-omar"}},
		"bob@example.com":  {Found: access.Ambiguous, Refs: []string{"u-bob", "u-another"}},
		"BOB@example.com":  {Found: access.Pending, Refs: []string{"u-bob2"}},
	}
	cases := []struct {
		file    string
		options desired.Options
	}{
		{"groups", options()},
		{"groups-ignoring-case", desired.Options{Groups: true, AccountNames: identity.IgnoreCase}},
		{"people", peopleOptions()},
		{"revoked", options()},
	}
	for _, tc := range cases {
		t.Run(tc.file, func(t *testing.T) {
			in := shop()
			if tc.file == "revoked" {
				in.Revoked = []document.Revocation{{Person: "jane", EUID: "jane"}, {Person: "zoe", EUID: "zoe"}}
			}
			d := compute(t, in, tc.options)
			got := toJSON(t, struct {
				Desired desired.Desired
				Settled desired.Settled
			}{d, settle(t, d, found)})
			golden(t, tc.file+".json", got)
		})
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	path := filepath.Join("testdata", file)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: run go test ./internal/desired -update", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s\nif this is right, run go test ./internal/desired -update", path, diff)
	}
}

// computeCase changes the shop and says what is desired then.
type computeCase struct {
	reason  string
	change  func(*document.TenantInput)
	options desired.Options
	want    []string
	remarks []string
	shared  []string // accounts of several users
	why     string   // of the first subject, where it is the point
}

func (tc computeCase) run(t *testing.T) {
	t.Parallel()
	in := shop()
	tc.change(&in)
	d := compute(t, in, tc.options)
	if diff := cmp.Diff(tc.want, shape(d.State)); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(tc.remarks, codes(d.Remarks)); diff != "" {
		t.Errorf("remarks (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(tc.shared, d.Shared); diff != "" {
		t.Errorf("shared accounts (-want +got):\n%s", diff)
	}
	if tc.why != "" && d.State.Bindings[0].Subjects[0].Why != tc.why {
		t.Errorf("why is %q, want %q", d.State.Bindings[0].Subjects[0].Why, tc.why)
	}
}

func TestComputeMappings(t *testing.T) {
	for _, tc := range []computeCase{
		{
			reason: "a group for every mapped role, also without members", options: options(),
			change: func(in *document.TenantInput) { in.UserBindings, in.GroupBindings = nil, nil },
			want: []string{
				"retail.shop-admin: ", "retail.shop-project-reader: ", "retail.shop-user: ",
				"admin → retail.shop-admin", "member → retail.shop-admin", "reader → retail.shop-project-reader",
				"member → retail.shop-user", "reader → retail.shop-user",
			},
		},
		{
			reason: "the landing zone's mappings replace the platform's whole list", options: options(),
			change: func(in *document.TenantInput) {
				in.LandingZone = zone(document.RoleMapping{Role: "Project Admin", GroupAlias: "dev", Roles: []string{"owner"}})
			},
			want:    []string{"retail.shop-dev: bob jane kim", "owner → retail.shop-dev"},
			remarks: []string{"role-unmapped auditor", "role-unmapped project-user"},
		},
		{
			reason: "a landing zone without mappings leaves the platform's", options: options(),
			change: func(in *document.TenantInput) {
				in.LandingZone = zone()
				in.UserBindings, in.GroupBindings = nil, nil
				in.Platform.Replication.RoleMappings = in.Platform.Replication.RoleMappings[2:]
			},
			want: []string{"retail.shop-project-reader: ", "reader → retail.shop-project-reader"},
		},
		{
			reason: "a mapping without roles makes a group and gives it none", options: options(),
			change: func(in *document.TenantInput) {
				in.UserBindings, in.GroupBindings = in.UserBindings[:1], nil
				in.Platform.Replication.RoleMappings = []document.RoleMapping{{Role: "project-admin", GroupAlias: "admin"}}
			},
			want: []string{"retail.shop-admin: jane"},
		},
		{
			reason: "a role written twice in a mapping is one", options: options(),
			change: func(in *document.TenantInput) {
				in.UserBindings, in.GroupBindings = nil, nil
				in.Platform.Replication.RoleMappings = []document.RoleMapping{{Role: "project-admin", Roles: []string{"x", "x"}}}
			},
			want: []string{"retail.shop-project-admin: ", "x → retail.shop-project-admin"},
		},
		{
			reason: "without patterns the defaults name groups and accounts", options: options(),
			change: func(in *document.TenantInput) {
				in.UserBindings, in.GroupBindings = in.UserBindings[:1], nil
				in.Platform.Replication.EUIDPattern, in.Platform.Replication.GroupNamePattern = "", ""
				in.Platform.Replication.RoleMappings = in.Platform.Replication.RoleMappings[1:2]
			},
			want: []string{"retail.shop.admin: jane", "admin → retail.shop.admin", "member → retail.shop.admin"},
		},
	} {
		t.Run(tc.reason, tc.run)
	}
}

func TestComputeRoleNames(t *testing.T) {
	computeCase{
		reason: "a role's name wins over a display name, and the first name over the second", options: options(),
		change: func(in *document.TenantInput) {
			in.GroupBindings = nil
			in.UserBindings = []document.Binding{binding("b1", "two", "jane"), binding("b2", "Shared", "kim")}
			in.Roles = []document.ProjectRole{
				{Name: "two", DisplayName: "Shared"}, {Name: "one", DisplayName: "Shared"}, {Name: "a", DisplayName: "two"},
			}
			in.Platform.Replication.RoleMappings = []document.RoleMapping{{Role: "one"}, {Role: "two"}, {Role: "a"}}
		},
		want: []string{"retail.shop-a: ", "retail.shop-one: kim", "retail.shop-two: jane"},
	}.run(t)
}

func TestComputePeople(t *testing.T) {
	for _, tc := range []computeCase{
		{
			reason: "without groups only what somebody holds", options: peopleOptions(),
			change: func(in *document.TenantInput) { in.UserBindings, in.GroupBindings = in.UserBindings[:1], nil },
			want:   []string{"admin: jane", "member: jane"},
		},
		{
			reason: "one with two roles is in both groups, and unions of roles repeat nobody", options: peopleOptions(),
			change: func(in *document.TenantInput) {
				in.UserBindings, in.GroupBindings = []document.Binding{
					binding("b1", "project-admin", "jane"), binding("b2", "project-user", "jane"), binding("b3", "project-user", "kim"),
				}, nil
			},
			want: []string{"admin: jane", "member: jane kim", "reader: jane kim"},
		},
		{
			reason: "a group of another workspace has nothing to do with it", options: options(),
			change: func(in *document.TenantInput) {
				in.UserBindings = nil
				in.GroupBindings = in.GroupBindings[:1]
				in.UserGroups = append(in.UserGroups, document.UserGroup{Workspace: "other", Name: "ops", Members: []string{"omar"}})
				in.Platform.Replication.RoleMappings = []document.RoleMapping{{Role: "project-admin"}}
			},
			want: []string{"retail.shop-project-admin: jane kim"},
		},
		{
			reason: "a global group may be bound in any workspace", options: options(),
			change: func(in *document.TenantInput) {
				in.UserBindings = nil
				in.GroupBindings = in.GroupBindings[:1]
				in.UserGroups[0].Workspace, in.UserGroups[0].Members = "", []string{"kim"}
				in.Platform.Replication.RoleMappings = []document.RoleMapping{{Role: "project-admin"}}
			},
			want: []string{"retail.shop-project-admin: kim"},
		},
		{
			reason: "nothing is desired on a deleted tenant", options: options(),
			change: func(in *document.TenantInput) { in.Deleted = true },
		},
		{
			reason: "a reason counts once, however often the input repeats it", options: peopleOptions(),
			change: func(in *document.TenantInput) {
				in.UserBindings, in.GroupBindings = nil, in.GroupBindings[:1]
				in.UserGroups[0].Members = []string{"kim", "kim"}
				in.Platform.Replication.RoleMappings = []document.RoleMapping{
					{Role: "project-admin", Roles: []string{"owner"}}, {Role: "Project Admin", GroupAlias: "x", Roles: []string{"owner"}},
				}
			},
			want: []string{"owner: kim"},
			why:  `group "ops" has the role "project-admin" through binding "g1"`,
		},
	} {
		t.Run(tc.reason, tc.run)
	}
}

func TestComputeLeavesOut(t *testing.T) {
	for _, tc := range []computeCase{
		{
			reason: "users of one account share it, where case counts only if it is the same", options: options(),
			change: func(in *document.TenantInput) {
				in.GroupBindings = nil
				in.Users[1].EUID, in.Users[2].EUID = "bob", "bob"
				in.UserBindings = in.UserBindings[:3]
				in.Platform.Replication.RoleMappings = in.Platform.Replication.RoleMappings[1:2]
				in.UserBindings[2].Role = "project-admin"
			},
			want:    []string{"retail.shop-admin: bob bob2 jane", "admin → retail.shop-admin", "member → retail.shop-admin"},
			remarks: []string{"account-collision bob", "account-collision bob2"}, shared: []string{"bob@example.com"},
		},
		{
			reason: "accounts that only the pattern's upper case makes one are shared, too", options: options(),
			change: func(in *document.TenantInput) {
				in.GroupBindings = nil
				in.UserBindings = []document.Binding{binding("b1", "project-admin", "bob"), binding("b2", "project-admin", "bob2")}
				in.Platform.Replication.EUIDPattern = "%S"
				in.Platform.Replication.RoleMappings = []document.RoleMapping{{Role: "project-admin"}}
			},
			want:    []string{"retail.shop-project-admin: bob bob2"},
			remarks: []string{"account-collision bob", "account-collision bob2"}, shared: []string{"BOB"},
		},
		{
			reason: "a user of another tenant may have the account", options: options(),
			change: func(in *document.TenantInput) {
				in.GroupBindings = nil
				in.UserBindings = []document.Binding{binding("b1", "project-admin", "jane")}
				in.Platform.Replication.EUIDPattern = "%S"
				in.Platform.Replication.RoleMappings = []document.RoleMapping{{Role: "project-admin"}}
				in.SameAccount = []document.User{{Name: "mallory", EUID: "JANE"}, {Name: "other", EUID: "jane2"}}
			},
			want:    []string{"retail.shop-project-admin: jane"},
			remarks: []string{"account-collision jane"}, shared: []string{"JANE"},
		},
		{
			reason: "a user of another tenant with another account to the platform counts for nothing", options: options(),
			change: func(in *document.TenantInput) {
				in.GroupBindings = nil
				in.UserBindings = []document.Binding{binding("b1", "project-admin", "jane")}
				in.Platform.Replication.RoleMappings = []document.RoleMapping{{Role: "project-admin"}}
				in.SameAccount = []document.User{{Name: "mallory", EUID: "JANE"}}
			},
			want: []string{"retail.shop-project-admin: jane"},
		},
		{
			reason: "an euid that was stored before invisible characters were refused keeps what it has", options: options(),
			change: func(in *document.TenantInput) {
				in.GroupBindings = nil
				in.UserBindings = []document.Binding{binding("b1", "project-admin", "jane")}
				in.Platform.Replication.RoleMappings = []document.RoleMapping{{Role: "project-admin"}}
				for i := range in.Users {
					if in.Users[i].Name == "jane" {
						in.Users[i].EUID = "\ufeffjane"
					}
				}
			},
			want:    []string{"retail.shop-project-admin: jane"},
			remarks: []string{"user-without-euid jane"}, shared: []string{"\ufeffjane@example.com"},
		},
		{
			reason: "who is bound to an unmapped role only needs no account", options: options(),
			change: func(in *document.TenantInput) {
				in.GroupBindings = nil
				in.UserBindings = []document.Binding{binding("b1", "auditor", "blank")}
				in.Platform.Replication.RoleMappings = []document.RoleMapping{{Role: "project-admin"}}
			},
			want:    []string{"retail.shop-project-admin: "},
			remarks: []string{"role-unmapped auditor"},
		},
	} {
		t.Run(tc.reason, tc.run)
	}
}

func TestComputeRefuses(t *testing.T) {
	cases := []struct {
		reason string
		change func(*document.TenantInput)
		want   error
		says   string
	}{
		{"two roles with one group", func(in *document.TenantInput) {
			in.Platform.Replication.GroupNamePattern = "#{workspaceIdentifier}"
		}, desired.ErrName, `the roles "project-admin" and "project-reader" both get the group "retail"`},
		{"a name without a value", func(in *document.TenantInput) {
			in.Platform.Replication.GroupNamePattern = "#{tagRegion}"
		}, naming.ErrValue, `no usable group name for the role "project-admin"`},
		{"a name of blanks", func(in *document.TenantInput) {
			in.Platform.Replication.GroupNamePattern = " "
		}, desired.ErrName, "only blanks"},
		{"a bad name pattern", func(in *document.TenantInput) {
			in.Platform.Replication.GroupNamePattern = "#{x}"
		}, naming.ErrPattern, "retail.shop/stack.eu-1"},
		{"a bad euid pattern", func(in *document.TenantInput) {
			in.Platform.Replication.EUIDPattern = "%d"
		}, euid.ErrPattern, "retail.shop/stack.eu-1"},
		{"a user who is not in the input", func(in *document.TenantInput) {
			in.Users = in.Users[1:]
			in.GroupBindings = nil
		}, desired.ErrInput, `the user of binding "b1"`},
		{"a member who is not in the input", func(in *document.TenantInput) {
			in.Users = in.Users[1:]
			in.UserBindings = nil
		}, desired.ErrInput, `a member of user group "ops"`},
		{"a user group that is not in the input", func(in *document.TenantInput) {
			in.UserGroups = nil
		}, desired.ErrInput, `the user group of binding "g1"`},
	}
	for _, tc := range cases {
		t.Run(tc.reason, func(t *testing.T) {
			in := shop()
			tc.change(&in)
			_, err := desired.Compute(in, options())
			if !errors.Is(err, tc.want) {
				t.Fatalf("Compute: %v, want %v", err, tc.want)
			}
			if !strings.Contains(err.Error(), tc.says) {
				t.Errorf("Compute says %q, want it to say %q", err, tc.says)
			}
			if strings.Contains(err.Error(), "jane") {
				t.Errorf("Compute says %q, which names a person", err)
			}
		})
	}
}

func TestComputeKeepsItsInput(t *testing.T) {
	in := shop()
	compute(t, in, options())
	compute(t, in, peopleOptions())
	if diff := cmp.Diff(shop(), in); diff != "" {
		t.Errorf("Compute changed its input (-before +after):\n%s", diff)
	}
}

func TestAccounts(t *testing.T) {
	want := []string{"BOB@example.com", "bob@example.com", "jane@example.com", "kim@example.com", "omar@example.com"}
	for _, o := range []desired.Options{options(), peopleOptions()} {
		if diff := cmp.Diff(want, compute(t, shop(), o).Accounts()); diff != "" {
			t.Errorf("accounts with groups %v (-want +got):\n%s", o.Groups, diff)
		}
	}
}

// TestOrderDoesNotMatter holds for the tenant in which everything happens and
// for a crowd.
func TestOrderDoesNotMatter(t *testing.T) {
	for name, in := range map[string]document.TenantInput{"shop": shop(), "crowd": crowd(60)} {
		for _, o := range []desired.Options{options(), peopleOptions(), {Groups: true, AccountNames: identity.IgnoreCase}} {
			d := compute(t, in, o)
			want := toJSON(t, d) + toJSON(t, settle(t, d, everybody(d)))
			t.Run(name, rapid.MakeCheck(func(rt *rapid.T) {
				e := compute(t, shuffled(in, rapid.Uint64().Draw(rt, "seed")), o)
				if got := toJSON(t, e) + toJSON(t, settle(t, e, everybody(e))); got != want {
					rt.Fatalf("another order gives another result (-want +got):\n%s", cmp.Diff(want, got))
				}
			}))
		}
	}
}

// TestProperties draws who holds what and compares with the plain definition.
func TestProperties(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		in := shop()
		person := rapid.SampledFrom([]string{"jane", "bob", "kim", "omar", "blank"})
		role := rapid.SampledFrom([]string{"project-admin", "project-user", "project-reader", "auditor"})
		in.GroupBindings, in.UserBindings = nil, nil
		holds := map[string]map[string]bool{}
		for i, n := 0, rapid.IntRange(0, 12).Draw(rt, "bindings"); i < n; i++ {
			p, r := person.Draw(rt, "person"), role.Draw(rt, "role")
			in.UserBindings = append(in.UserBindings, binding(rapid.StringMatching("[a-z]{3}").Draw(rt, "name"), r, p))
			if holds[r] == nil {
				holds[r] = map[string]bool{}
			}
			holds[r][p] = true
		}
		d := compute(t, in, options())
		for role, group := range map[string]string{
			"project-admin": "retail.shop-admin", "project-user": "retail.shop-user", "project-reader": "retail.shop-project-reader",
		} {
			want := holds[role]
			delete(want, "blank")
			got := membersOf(t, d.State, group)
			if len(got) != len(want) {
				rt.Fatalf("%s has %v, want %v", group, names(got), want)
			}
			for _, m := range got {
				if !want[m.Person] || m.Name != m.Person+"@example.com" || m.Why == "" {
					rt.Fatalf("%s has %+v, want %v", group, m, want)
				}
			}
		}
	})
}

func membersOf(t *testing.T, s access.State, group string) []access.Member {
	t.Helper()
	for _, g := range s.Groups {
		if g.Name == group {
			return g.Members
		}
	}
	t.Fatalf("there is no group %q", group)
	return nil
}

func BenchmarkCompute1000People(b *testing.B) {
	in := crowd(1000)
	for b.Loop() {
		d, err := desired.Compute(in, options())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := d.Settle(everybody(d), desired.Known{}); err != nil {
			b.Fatal(err)
		}
	}
}

// TestRolesOfGroups: conditions come from the mapping, and what every group
// needs comes on top.
func TestRolesOfGroups(t *testing.T) {
	t.Parallel()
	in := pair()
	in.Platform.Replication.RoleMappings[0].Conditions = map[string]string{"owner": "on weekdays"}
	o := options()
	o.EveryGroup = []string{"door key"}
	got := map[string]string{}
	for _, b := range compute(t, in, o).State.Bindings {
		got[b.Key().String()] = b.Condition
	}
	want := map[string]string{"owner → retail.shop-admin": "on weekdays", "door key → retail.shop-admin": ""}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("conditions by binding (-want +got):\n%s", diff)
	}
}

// TestRolesOfEverybody: where bindings hold people, everybody with a role has
// what is needed before it, once; who has none does not.
func TestRolesOfEverybody(t *testing.T) {
	t.Parallel()
	in := shop()
	o := peopleOptions()
	without := compute(t, in, o).State
	holders := map[string]bool{}
	for _, b := range without.Bindings {
		for _, who := range b.Subjects {
			holders[who.Name] = true
		}
	}
	o.EveryPerson = []string{"citizen", "reader"}
	got := map[string][]string{}
	for _, b := range compute(t, in, o).State.Bindings {
		for _, who := range b.Subjects {
			got[b.Role] = append(got[b.Role], who.Name)
		}
	}
	everybody := slices.Sorted(maps.Keys(holders))
	want := map[string][]string{"citizen": everybody, "reader": everybody}
	for _, b := range without.Bindings {
		for _, who := range b.Subjects {
			if b.Role != "reader" { // a role that is mapped too
				want[b.Role] = append(want[b.Role], who.Name)
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("people by role (-want +got):\n%s", diff)
	}
	in.Deleted = true
	if gone := compute(t, in, o).State; len(gone.Bindings) > 0 {
		t.Errorf("on a deleted tenant people have %v", gone.Bindings)
	}
}

func TestComputeRevoked(t *testing.T) {
	revoke := func(people ...document.Revocation) func(*document.TenantInput) {
		return func(in *document.TenantInput) { in.Revoked = people }
	}
	admins := func(people string) []string {
		return []string{
			"retail.shop-admin: " + people, "retail.shop-project-reader: ", "retail.shop-user: bob2 jane kim omar",
			"admin → retail.shop-admin", "member → retail.shop-admin", "reader → retail.shop-project-reader",
			"member → retail.shop-user", "reader → retail.shop-user",
		}
	}
	remarks := func(revoked ...string) []string {
		return slices.Concat([]string{"role-unmapped auditor"}, revoked, []string{"user-without-euid blank"})
	}
	for _, tc := range []computeCase{
		{
			reason: "who is revoked holds nothing, direct or by group", options: options(),
			change: revoke(document.Revocation{Person: "jane", EUID: "jane"}),
			want: slices.Concat([]string{"retail.shop-admin: bob kim", "retail.shop-project-reader: ", "retail.shop-user: bob2 kim omar"},
				admins("")[3:]),
			remarks: remarks("user-revoked jane"),
		},
		{
			reason:  "another user with the account of a revoked one gains nothing, and loses nothing that is not known to be the revoked one's",
			options: options(), change: revoke(document.Revocation{Person: "left", EUID: "bob"}),
			want: admins("bob jane kim"), remarks: remarks("user-revoked bob"), shared: []string{"bob@example.com"},
		},
		{
			reason:  "the euid of a revocation is the text of the document, with the blanks around it",
			options: options(), change: revoke(document.Revocation{Person: "left", EUID: " bob\u00a0"}),
			want: admins("bob jane kim"), remarks: remarks("user-revoked bob"), shared: []string{"bob@example.com"},
		},
		{
			reason: "an account that differs in case is another one", options: options(),
			change: revoke(document.Revocation{Person: "left", EUID: "Bob"}),
			want:   admins("bob jane kim"), remarks: remarks(),
		},
		{
			reason: "unless the platform ignores case", options: desired.Options{Groups: true, AccountNames: identity.IgnoreCase},
			change: revoke(document.Revocation{Person: "left", EUID: "Bob"}),
			want: slices.Concat([]string{"retail.shop-admin: bob jane kim", "retail.shop-project-reader: ", "retail.shop-user: bob2 jane kim omar"},
				admins("")[3:]),
			remarks: slices.Concat([]string{"account-collision bob", "account-collision bob2"}, remarks()),
			shared:  []string{"BOB@example.com", "bob@example.com"},
		},
		{
			reason: "who has nothing here leaves no remark, and no euid is nobody's", options: options(),
			change: revoke(document.Revocation{Person: "zoe", EUID: "zoe"}, document.Revocation{Person: "yan"}),
			want:   admins("bob jane kim"), remarks: remarks(),
		},
	} {
		t.Run(tc.reason, tc.run)
	}
}

// TestRevokedIsLookedUpAndBelongsToNobody follows the accounts of somebody whose
// access is revoked through the answers.
func TestRevokedIsLookedUpAndBelongsToNobody(t *testing.T) {
	yes := func(ref string) access.Resolution { return access.Resolution{Found: access.Yes, Refs: []string{ref}} }
	for _, tc := range []struct {
		reason    string
		jane, kim access.Resolution
		revoked   []string
		state     string
		keep      int
		remarks   []string
	}{
		{"it is known by its id", yes("u-1"), yes("u-2"), []string{"u-1"}, "retail.shop-admin: kim", 0, []string{"user-revoked jane"}},
		{"disabled, too, and not kept", access.Resolution{Found: access.Disabled, Refs: []string{"u-1"}}, yes("u-2"),
			[]string{"u-1"}, "retail.shop-admin: kim", 0, []string{"user-revoked jane"}},
		{"nobody can say which it is", access.Resolution{Found: access.Ambiguous, Refs: []string{"u-1", "u-3"}}, yes("u-2"),
			nil, "retail.shop-admin: kim", 0, []string{"user-revoked jane"}},
		{"it is not there", access.Resolution{Found: access.No}, yes("u-2"), nil, "retail.shop-admin: kim", 0, []string{"user-revoked jane"}},
		{"it is somebody else's as well", yes("u-1"), yes("u-1"), []string{"u-1"}, "retail.shop-admin: ", 0,
			[]string{"user-revoked jane", "user-revoked kim"}},
		{"and would be kept", yes("u-1"), access.Resolution{Found: access.Ambiguous, Refs: []string{"u-1", "u-2"}},
			[]string{"u-1"}, "retail.shop-admin: ", 1, []string{"user-ambiguous kim", "user-revoked jane"}},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			t.Parallel()
			in := pair()
			in.Revoked = []document.Revocation{{Person: "jane", EUID: "jane"}}
			d := compute(t, in, options())
			if diff := cmp.Diff([]string{"jane", "kim"}, d.Accounts()); diff != "" {
				t.Errorf("accounts to look up (-want +got):\n%s", diff)
			}
			s := settle(t, d, map[string]access.Resolution{"jane": tc.jane, "kim": tc.kim})
			if diff := cmp.Diff(tc.revoked, s.Revoked); diff != "" {
				t.Errorf("revoked (-want +got):\n%s", diff)
			}
			if got := shape(s.State)[0]; got != tc.state {
				t.Errorf("state %q, want %q", got, tc.state)
			}
			kept := 0
			for _, k := range s.Keep {
				kept += len(k.Refs)
			}
			if kept != tc.keep {
				t.Errorf("kept %+v, want %d accounts", s.Keep, tc.keep)
			}
			if diff := cmp.Diff(tc.remarks, codes(s.Remarks)); diff != "" {
				t.Errorf("remarks (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRevocationsOfOthersChangeNothing: what is desired here, and so whether a
// plan has aged, depends on who has something here.
func TestRevocationsOfOthersChangeNothing(t *testing.T) {
	want := toJSON(t, compute(t, shop(), options()))
	in := shop()
	in.Revoked = []document.Revocation{{Person: "zoe", EUID: "zoe"}, {Person: "yan", EUID: "yan"}}
	if diff := cmp.Diff(want, toJSON(t, compute(t, in, options()))); diff != "" {
		t.Errorf("desired (-without +with revocations of others):\n%s", diff)
	}
}

func TestAccountsOf(t *testing.T) {
	p := shop().Platform
	got, err := desired.AccountsOf(p, []string{"bob", " ", "jane", " bob", "jane\u00a0"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"bob@example.com", "jane@example.com"}, got); diff != "" {
		t.Errorf("accounts, of euids as documents have them, with blanks around them (-want +got):\n%s", diff)
	}
	p.Replication.EUIDPattern = "%s%s"
	if _, err := desired.AccountsOf(p, nil); !errors.Is(err, euid.ErrPattern) {
		t.Errorf("a pattern that is none: %v, want ErrPattern", err)
	}
}
