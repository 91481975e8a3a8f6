package gcp

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// grant returns a policy of one binding in a line of a file.
func grant(line int, resource, role string, members ...string) Policy {
	at := trust.Position{File: "p.json", Line: line}
	return Policy{Resource: resource, At: at, Bindings: []Binding{{Role: role, Members: members, At: at}}}
}

func TestInput_FindingsOfPrivileges(t *testing.T) {
	const (
		email   = "deploy@acme.iam.gserviceaccount.com"
		other   = "admin@acme.iam.gserviceaccount.com"
		project = "projects/acme"
	)
	of := func(email string) string { return "projects/acme/serviceAccounts/" + email }
	member := subjectMember + "repo:acme/app:ref:refs/heads/main"
	enters := grant(1, of(email), workloadIdentityUser, member)
	conditional := grant(2, project, "roles/owner", "serviceAccount:"+email)
	conditional.Bindings[0].Condition = "request.time < timestamp('2027-01-01T00:00:00Z')"
	cases := []struct {
		reason   string
		policies []Policy
		want     []string
	}{
		{"a service account with a role on a bucket", []Policy{enters, grant(2, "b", "roles/storage.admin", "serviceAccount:"+email)}, nil},
		{"a service account that owns a project", []Policy{enters, grant(2, project, "roles/owner", "serviceAccount:"+email)}, []string{"W16:2"}},
		{"the order does not matter", []Policy{grant(2, project, "roles/editor", "serviceAccount:"+email), enters}, []string{"W16:2"}},
		{"another service account owns the project", []Policy{enters, grant(2, project, "roles/owner", "serviceAccount:"+other)}, nil},
		{"a user owns the project", []Policy{enters, grant(2, project, "roles/owner", "user:a@acme.example")}, nil},
		{"tokens of all service accounts of a project", []Policy{enters, grant(2, project, tokenCreator, "serviceAccount:"+email)}, []string{"W16:2"}},
		{"tokens of itself, to sign", []Policy{enters, grant(2, of(email), tokenCreator, "serviceAccount:"+email)}, nil},
		{"keys", []Policy{enters, grant(2, project, "roles/iam.serviceAccountKeyAdmin", "serviceAccount:"+email)}, []string{"W16:2"}},
		{"pools", []Policy{enters, grant(2, project, "roles/iam.workloadIdentityPoolAdmin", "serviceAccount:"+email)}, []string{"W16:2"}},
		{"roles", []Policy{enters, grant(2, project, "roles/resourcemanager.projectIamAdmin", "serviceAccount:"+email)}, []string{"W16:2"}},
		{
			"a second service account owns the project",
			[]Policy{enters, grant(2, of(other), tokenCreator, "serviceAccount:"+email), grant(3, project, "roles/owner", "serviceAccount:"+other)},
			[]string{"W16:3"},
		},
		{
			"service accounts in a circle",
			[]Policy{enters, grant(2, of(other), tokenCreator, "serviceAccount:"+email), grant(3, of(email), tokenCreator, "serviceAccount:"+other)},
			nil,
		},
		{"a condition grants less", []Policy{enters, conditional}, nil},
		{"the member itself owns the project", []Policy{grant(1, project, "roles/owner", member)}, []string{"W16:1"}},
		{"a set of members makes tokens of a project", []Policy{grant(1, project, tokenCreator, setMember+"attribute.repository_id/2")}, []string{"W16:1"}},
		{"the member makes tokens of one service account", []Policy{grant(1, of(email), tokenCreator, member)}, nil},
		{"a project of one directory of Terraform", []Policy{
			grant(1, "projects/PROJECT/serviceAccounts/a@PROJECT.iam.gserviceaccount.com", workloadIdentityUser, member),
			grant(2, "projects/PROJECT", "roles/owner", "serviceAccount:a@PROJECT.iam.gserviceaccount.com"),
		}, []string{"W16:2"}},
		{"two members of one service account", []Policy{enters, grant(2, of(email), workloadIdentityUser, setMember+"attribute.repository_id/2")}, []string{"G11:2"}},
		{"three members are one finding", []Policy{enters, grant(2, of(email), workloadIdentityUser, subjectMember+"a", subjectMember+"b")}, []string{"G11:2"}},
		{"two members of a policy without a resource", []Policy{grant(1, "", workloadIdentityUser, member, subjectMember+"b")}, []string{"G11:1"}},
		{"two policies without a resource are of two accounts", []Policy{grant(1, "", workloadIdentityUser, member), grant(2, "", workloadIdentityUser, subjectMember+"b")}, nil},
		{"one member with two roles", []Policy{enters, grant(2, of(email), tokenCreator, member)}, nil},
		{"two service accounts", []Policy{enters, grant(2, of(other), workloadIdentityUser, subjectMember+"b")}, nil},
		{"two members of a bucket", []Policy{grant(1, "b", "roles/storage.admin", member, subjectMember+"b")}, nil},
	}
	for _, c := range cases {
		t.Run(c.reason, func(t *testing.T) {
			_, found := Input{Policies: c.policies}.Trusts()
			var got []string
			for _, f := range found {
				got = append(got, fmt.Sprintf("%s:%d", f.Rule, f.Line))
			}
			slices.Sort(got)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s\n%v", diff, found)
			}
		})
	}
}

func TestInput_DirectoriesHaveProjectsOfTheirOwn(t *testing.T) {
	enters := grant(1, "projects/PROJECT/serviceAccounts/a@PROJECT.iam.gserviceaccount.com", workloadIdentityUser, subjectMember+"x")
	owns := grant(2, "projects/PROJECT", "roles/owner", "serviceAccount:a@PROJECT.iam.gserviceaccount.com")
	enters.At.File, owns.At.File = "prod/main.tf", "dev/main.tf"
	if _, found := (Input{Policies: []Policy{enters, owns}}).Trusts(); len(found) > 0 {
		t.Errorf("service accounts of two directories are taken for one: %v", found)
	}
}

func TestMember_HasNoTrustInAProviderThatDoesNotMapIt(t *testing.T) {
	mapped := githubProvider(map[string]string{"google.subject": "assertion.sub", "attribute.repository_id": "assertion.repository_id"},
		"assertion.repository_owner_id == '1'")
	unmapped := mapped
	unmapped.Name, unmapped.AttributeMapping = poolName+"/providers/second", subjectFrom("assertion.sub")
	policy := policyOf(account, workloadIdentityUser, setMember+"attribute.repository_id/2")
	trusts, found := Input{Providers: []Provider{mapped, unmapped}, Policies: []Policy{policy}}.Trusts()
	if len(trusts) != 3 || len(found) > 0 {
		t.Errorf("%d trusts and %v, want the two providers and the member of the first", len(trusts), found)
	}
}
