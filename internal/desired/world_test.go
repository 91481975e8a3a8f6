package desired_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/desired"
	"github.com/rollcall-iam/rollcall/internal/document"
)

// options are those of a platform with groups.
func options() desired.Options {
	return desired.Options{Groups: true, LookupAttribute: "User.name"}
}

// peopleOptions are those of a platform without groups.
func peopleOptions() desired.Options {
	return desired.Options{LookupAttribute: "User.metadata.name"}
}

// shop is a tenant on which everything happens that can happen to people: jane
// is an admin twice, directly and by group; bob and BOB have one account where
// case is ignored; the blank user has no euid; the auditor role is not mapped;
// nobody is a reader.
func shop() document.TenantInput {
	return document.TenantInput{
		Tenant: document.Tenant{
			TenantID: access.TenantID{Workspace: "retail", Project: "shop", Platform: "stack.eu-1"}, LocalID: "p-1",
		},
		Project: document.Project{Workspace: "retail", Name: "shop", Tags: map[string][]string{"Environment": {"prod"}}},
		Platform: document.Platform{Name: "stack", Location: "eu-1", Type: "memory", Replication: document.Replication{
			EUIDPattern:      "%s@example.com",
			GroupNamePattern: "#{workspaceIdentifier}.#{projectIdentifier}-#{platformGroupAlias}",
			RoleMappings: []document.RoleMapping{
				{Role: "Project User", GroupAlias: "user", Roles: []string{"reader", "member"}},
				{Role: "project-admin", GroupAlias: "admin", Roles: []string{"member", "admin"}},
				{Role: "project-reader", Roles: []string{"reader"}},
			},
		}},
		Roles: []document.ProjectRole{
			{Name: "project-admin", DisplayName: "Project Admin"}, {Name: "project-user", DisplayName: "Project User"},
			{Name: "project-reader", DisplayName: "Project Reader"}, {Name: "auditor", DisplayName: "Auditor"},
		},
		UserBindings: []document.Binding{
			binding("b1", "Project Admin", "jane"), binding("b2", "project-admin", "bob"), binding("b3", "project-user", "bob2"),
			binding("b4", "project-user", "blank"), binding("b5", "Auditor", "jane"), binding("b6", "project-user", "omar"),
		},
		GroupBindings: []document.Binding{
			binding("g1", "project-admin", "ops"), binding("g2", "Project User", "ops"), binding("g3", "auditor", "ops"),
		},
		UserGroups: []document.UserGroup{{Workspace: "retail", Name: "ops", Members: []string{"jane", "kim"}}},
		Users: []document.User{
			{Name: "jane", EUID: "jane"}, {Name: "bob", EUID: "bob"}, {Name: "bob2", EUID: "BOB"},
			{Name: "blank", EUID: " \t "}, {Name: "kim", EUID: "kim"}, {Name: "omar", EUID: "omar"},
		},
		Drawn: document.Drawn{Number: 7, Random: strings.Repeat("k3x9", 25)},
	}
}

func binding(name, role, subject string) document.Binding {
	return document.Binding{Name: name, Role: role, Workspace: "retail", Project: "shop", Subject: subject}
}

// zone is a landing zone with mappings of its own.
func zone(mappings ...document.RoleMapping) *document.LandingZone {
	return &document.LandingZone{Name: "dev", Platform: "stack.eu-1", RoleMappings: mappings}
}

// crowd is a tenant with n people: half of them bound directly, half by group.
func crowd(n int) document.TenantInput {
	in := shop()
	in.UserBindings, in.Users = nil, nil
	ops := document.UserGroup{Workspace: "retail", Name: "ops"}
	for i := range n {
		name := fmt.Sprintf("user-%05d", i)
		in.Users = append(in.Users, document.User{Name: name, EUID: name})
		if i%2 == 0 {
			ops.Members = append(ops.Members, name)
			continue
		}
		role := []string{"project-admin", "Project User", "project-reader"}[i%3]
		in.UserBindings = append(in.UserBindings, binding(fmt.Sprintf("b-%05d", i), role, name))
	}
	in.UserGroups = []document.UserGroup{ops}
	return in
}

// shuffled returns the same input in another order.
func shuffled(in document.TenantInput, seed uint64) document.TenantInput {
	r := rand.New(rand.NewPCG(seed, 0))
	in.Platform.Replication.RoleMappings = shuffle(r, in.Platform.Replication.RoleMappings)
	for i, m := range in.Platform.Replication.RoleMappings {
		in.Platform.Replication.RoleMappings[i].Roles = shuffle(r, m.Roles)
	}
	in.Roles, in.Users = shuffle(r, in.Roles), shuffle(r, in.Users)
	in.UserBindings, in.GroupBindings = shuffle(r, in.UserBindings), shuffle(r, in.GroupBindings)
	in.UserGroups = shuffle(r, in.UserGroups)
	for i, g := range in.UserGroups {
		in.UserGroups[i].Members = shuffle(r, g.Members)
	}
	return in
}

func shuffle[T any](r *rand.Rand, list []T) []T {
	list = slices.Clone(list)
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

// everybody answers that each account is found, under an id of its own.
func everybody(d desired.Desired) map[string]access.Resolution {
	found := map[string]access.Resolution{}
	for _, name := range d.Accounts() {
		found[name] = access.Resolution{Found: access.Yes, Refs: []string{"id-" + name}}
	}
	return found
}

func compute(t testing.TB, in document.TenantInput, o desired.Options) desired.Desired {
	t.Helper()
	d, err := desired.Compute(in, o)
	if err != nil {
		t.Fatalf("Compute: %v", err)
	}
	return d
}

func settle(t testing.TB, d desired.Desired, found map[string]access.Resolution) desired.Settled {
	t.Helper()
	s, err := d.Settle(found, desired.Known{})
	if err != nil {
		t.Fatalf("Settle: %v", err)
	}
	return s
}

func toJSON(t testing.TB, v any) string {
	t.Helper()
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(body) + "\n"
}

// shape writes a state in a few words: one line a set.
func shape(s access.State) []string {
	var lines []string
	for _, g := range s.Groups {
		lines = append(lines, g.Name+": "+strings.Join(names(g.Members), " "))
	}
	for _, b := range s.Bindings {
		if b.Group == "" {
			lines = append(lines, b.Role+": "+strings.Join(names(b.Subjects), " "))
			continue
		}
		lines = append(lines, b.Key().String())
	}
	return lines
}

func names(members []access.Member) []string {
	var all []string
	for _, m := range members {
		all = append(all, m.Person)
	}
	return all
}

// codes writes remarks as "code object".
func codes(remarks []access.Remark) []string {
	var all []string
	for _, r := range remarks {
		all = append(all, string(r.Code)+" "+r.Object)
	}
	return all
}
