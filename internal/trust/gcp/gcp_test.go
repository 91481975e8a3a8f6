package gcp

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

const (
	subjectMember = "principal://iam.googleapis.com/" + poolName + "/subject/"
	setMember     = "principalSet://iam.googleapis.com/" + poolName + "/"
	account       = "projects/acme-prod/serviceAccounts/ci@acme-prod.iam.gserviceaccount.com"
	articleMember = subjectMember + "system:serviceaccount:data-ingest:bq-writer"
)

// policyOf is the policy of a resource with one member.
func policyOf(resource, role, member string) Policy {
	return Policy{Resource: resource, Bindings: []Binding{{Role: role, Members: []string{member}}}}
}

// rules returns "RULE severity" of findings.
func rules(found []trust.Finding) []string {
	var all []string
	for _, f := range found {
		all = append(all, f.Rule+" "+string(f.Severity))
	}
	slices.Sort(all)
	return all
}

func TestInput_FindingsOfProviders(t *testing.T) {
	pinned := "assertion.repository_owner_id=='1' && assertion.repository_id=='2'"
	audiences := func(texts ...string) Provider {
		p := githubProvider(nil, pinned)
		p.OIDC.AllowedAudiences = texts
		return p
	}
	saml := func(condition string) Provider {
		return Provider{Name: providerName, AttributeMapping: subjectFrom("assertion.subject"), AttributeCondition: condition, SAML: true}
	}
	many := map[string]string{"google.subject": "assertion.sub"}
	for i := range 51 {
		many[fmt.Sprintf("attribute.a%d", i)] = "assertion.sub"
	}
	cases := []struct {
		reason   string
		provider Provider
		want     []string
	}{
		{"best practice is clean", githubProvider(nil, pinned), nil},
		{"no condition is the judge's", githubProvider(nil, ""), nil},
		{"a disjunction with true is the judge's", githubProvider(nil, "assertion.sub == 'repo:acme/app:ref:refs/heads/main' || true"), nil},
		{"a subject that is not empty is the judge's", githubProvider(nil, "assertion.sub != ''"), nil},
		{"a prefix is the judge's", githubProvider(nil, "assertion.repository_owner.startsWith('acme')"), nil},
		{"a condition through an attribute", githubProvider(map[string]string{"google.subject": "assertion.sub", "attribute.id": "assertion.repository_id"}, "attribute.id == '2'"), nil},
		{"the literal true is the judge's", githubProvider(nil, "true // Accept all tokens from the issuer"), nil},
		{"the literal true of an issuer without tokens", saml("true"), []string{"G02 high"}},
		{"the issuer alone is the judge's", githubProvider(nil, "assertion.iss == 'https://token.actions.githubusercontent.com'"), nil},
		{"claims that each token has", githubProvider(nil, "assertion.aud != '' && has(assertion.exp)"), []string{"G02 high"}},
		{"the literal false", githubProvider(nil, "false"), []string{"G02 high"}},
		{"has() names a claim", githubProvider(nil, "has(assertion.environment)"), nil},
		{"a name in the token names a claim", githubProvider(nil, "'environment' in assertion"), nil},
		{"the article's provider", Provider{Name: providerName, AttributeMapping: subjectFrom("assertion.sub"), OIDC: &OIDC{IssuerURI: eks}}, nil},
		{"a constant subject", githubProvider(subjectFrom("'ci'"), pinned), []string{"G03 high"}},
		{"a subject of the audience", githubProvider(subjectFrom("assertion.aud"), pinned), []string{"G03 high"}},
		{"a subject of the issuer", githubProvider(subjectFrom("'x' + assertion.iss"), pinned), []string{"G03 high"}},
		{"a subject of the actor", githubProvider(subjectFrom("assertion.actor"), pinned), []string{"G03 high"}},
		{"a subject of an email", githubProvider(subjectFrom("assertion.email.lowerAscii()"), pinned), []string{"G03 high"}},
		{"a subject of a list", githubProvider(subjectFrom("assertion.groups"), pinned), []string{"G03 high"}},
		{"a subject of the actor and more", githubProvider(subjectFrom("assertion.sub + assertion.actor"), pinned), nil},
		{"a condition that does not parse", githubProvider(nil, "assertion.sub = 'x'"), []string{"G00 medium"}},
		{"a condition that is no bool", githubProvider(nil, "assertion.sub + 'x'"), []string{"G00 medium"}},
		{"a condition that may be no bool", githubProvider(nil, "assertion.flag"), nil},
		{"an unknown function", githubProvider(nil, "assertion.sub.beginsWith('x')"), []string{"G00 medium"}},
		{"an unknown variable", githubProvider(nil, "claims.sub == 'x'"), []string{"G00 medium"}},
		{"a mapping that does not parse", githubProvider(subjectFrom("assertion."), pinned), []string{"G00 medium"}},
		{"a mapping of attributes", githubProvider(subjectFrom("attribute.sub"), pinned), []string{"G00 medium"}},
		{"a subject that is a bool", githubProvider(subjectFrom("assertion.sub == 'x'"), pinned), []string{"G00 medium"}},
		{"no subject", githubProvider(map[string]string{"attribute.x": "assertion.sub"}, pinned), []string{"G00 medium"}},
		{"a long condition", githubProvider(nil, "assertion.ref != '"+strings.Repeat("x", 4096)+"'"), []string{"G00 medium"}},
		{"a long mapping", githubProvider(subjectFrom("assertion.sub + '"+strings.Repeat("x", 2048)+"'"), pinned), []string{"G00 medium"}},
		{"too many attributes", githubProvider(many, pinned), []string{"G04 medium"}},
		{"a key that Google refuses", githubProvider(map[string]string{"google.subject": "assertion.sub", "attribute.Ref": "assertion.ref"}, pinned), []string{"G04 medium"}},
		{"an audience of its own", audiences("https://acme.example/gcp"), nil},
		{"the audience of AWS", audiences("sts.amazonaws.com"), []string{"G08 medium"}},
		{"the audience of Entra", audiences("api://AzureADTokenExchange"), []string{"G08 medium"}},
		{"the audience of the API server", audiences("https://kubernetes.default.svc/"), []string{"G08 medium"}},
		{"a long audience", audiences(strings.Repeat("x", 257)), []string{"G04 medium"}},
		{"too many audiences", audiences("a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"), []string{"G04 medium"}},
	}
	for _, c := range cases {
		t.Run(c.reason, func(t *testing.T) {
			_, found := Input{Providers: []Provider{c.provider}}.Trusts()
			if diff := cmp.Diff(c.want, rules(found)); diff != "" {
				t.Errorf("findings (-want +got):\n%s\n%v", diff, found)
			}
		})
	}
}

func TestInput_FindingsOfMembers(t *testing.T) {
	mapped := map[string]string{
		"google.subject": "assertion.sub", "attribute.repository": "assertion.repository", "attribute.repository_id": "assertion.repository_id",
		"attribute.actor": "assertion.actor", "google.groups": "assertion.groups",
	}
	pinned := githubProvider(mapped, "assertion.repository_owner_id == '1'")
	open := githubProvider(mapped, "assertion.repository_owner == 'acme'")
	deleted := pinned
	deleted.Disabled, deleted.Deleted = true, true
	user := workloadIdentityUser
	cases := []struct {
		reason   string
		provider Provider
		policy   Policy
		want     []string
	}{
		{"a subject", pinned, policyOf(account, user, subjectMember+"repo:acme/app:ref:refs/heads/main"), nil},
		{"a repository of a pinned owner", pinned, policyOf(account, user, setMember+"attribute.repository/acme/app"), nil},
		{"a repository of an owner by name is the judge's", open, policyOf(account, user, setMember+"attribute.repository/acme/app"), nil},
		{"a user", pinned, policyOf(account, user, setMember+"attribute.actor/alice"), []string{"G06 high"}},
		{"a repository by number", open, policyOf(account, user, setMember+"attribute.repository_id/2"), nil},
		{"an attribute that nothing maps", pinned, policyOf(account, user, setMember+"attribute.owner/acme"), []string{"G06 medium"}},
		{"a group that is mapped", pinned, policyOf(account, user, setMember+"group/admins"), nil},
		{"a whole pool on a service account", pinned, policyOf(account, user, setMember+"*"), []string{"G05 high"}},
		{"a whole pool on a bucket", pinned, policyOf("//storage.googleapis.com/data", "roles/storage.objectViewer", setMember+"*"), []string{"G05 high"}},
		{"a subject on a bucket", pinned, policyOf("//storage.googleapis.com/data", "roles/storage.objectViewer", subjectMember+"x"), nil},
		{"a project", pinned, policyOf("//cloudresourcemanager.googleapis.com/projects/acme-prod", user, subjectMember+"x"), []string{"G10 high"}},
		{"a folder", pinned, policyOf("folders/1", user, subjectMember+"x"), []string{"G10 high"}},
		{"another role on a project", pinned, policyOf("projects/acme-prod", "roles/viewer", subjectMember+"x"), nil},
		{
			"a policy that only a project has", pinned,
			Policy{Bindings: []Binding{{Role: "roles/owner", Members: []string{"user:a@acme.example"}}, {Role: user, Members: []string{subjectMember + "x"}}}},
			[]string{"G10 high"},
		},
		{"a project id", pinned, policyOf(account, user, strings.Replace(subjectMember, "123456789012", "acme-prod", 1)+"x"), []string{"G07 medium"}},
		{"another project's pool", pinned, policyOf(account, user, strings.Replace(subjectMember, "123456789012", "999", 1)+"x"), []string{"G07 medium"}},
		{"another pool of the project", pinned, policyOf(account, user, strings.Replace(subjectMember, "/ci/", "/cd/", 1)+"x"), []string{"G07 medium"}},
		{"a pool elsewhere", pinned, policyOf(account, user, "principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/other/subject/x"), nil},
		{"a soft-deleted pool", deleted, policyOf(account, user, subjectMember+"x"), []string{"G07 medium"}},
		{"a subject as a set", pinned, policyOf(account, user, setMember+"subject/x"), []string{"G07 medium"}},
		{"an attribute as one principal", pinned, policyOf(account, user, strings.Replace(setMember, "principalSet", "principal", 1)+"attribute.repository_id/2"), []string{"G07 medium"}},
		{"two attributes", pinned, policyOf(account, user, setMember+"attribute.repository/acme/app/attribute.ref/refs/heads/main"), []string{"G07 medium"}},
		{"a long subject", pinned, policyOf(account, user, subjectMember+strings.Repeat("x", 128)), []string{"G04 medium"}},
		{"a service account of GKE", pinned, policyOf(account, user, "principal://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/acme.svc.id.goog/subject/ns/a/sa/b"), nil},
		{"a Google account", pinned, policyOf(account, user, "user:alice@acme.example"), nil},
		{"a workforce pool", pinned, policyOf(account, user, "principalSet://iam.googleapis.com/locations/global/workforcePools/p/*"), nil},
	}
	for _, c := range cases {
		t.Run(c.reason, func(t *testing.T) {
			_, found := Input{Providers: []Provider{c.provider}, Policies: []Policy{c.policy}}.Trusts()
			if diff := cmp.Diff(c.want, rules(found)); diff != "" {
				t.Errorf("findings (-want +got):\n%s\n%v", diff, found)
			}
		})
	}
}

func TestInput_SharedAudience(t *testing.T) {
	var inputs []Input
	for _, id := range []string{"a", "b"} {
		inputs = append(inputs, Input{Providers: []Provider{{
			Name: poolName + "/providers/" + id, AttributeMapping: subjectFrom("assertion.sub"),
			OIDC: &OIDC{IssuerURI: "https://" + id + ".example", AllowedAudiences: []string{"openshift"}},
		}}})
	}
	if _, found := Merge(inputs...).Trusts(); !slices.Equal(rules(found), []string{"G08 medium", "G08 medium"}) {
		t.Errorf("got %v, want G08 for each provider", found)
	}
}

func TestInput_SubjectCollision(t *testing.T) {
	cluster := func(id, expression, condition string) Provider {
		return Provider{
			Name: poolName + "/providers/" + id, AttributeMapping: subjectFrom(expression), AttributeCondition: condition,
			OIDC: &OIDC{IssuerURI: "https://oidc.eks.eu-west-1.amazonaws.com/id/" + id},
		}
	}
	binding := policyOf(account, workloadIdentityUser, articleMember)
	namespace := "assertion['kubernetes.io']['namespace'] == "
	cases := []struct {
		reason    string
		providers []Provider
		want      []string
	}{
		{"one cluster", []Provider{cluster("A", "assertion.sub", "")}, nil},
		{"two clusters in a pool", []Provider{cluster("A", "assertion.sub", ""), cluster("B", "assertion.sub", "")}, []string{"W13 high"}},
		{"one cluster twice", []Provider{cluster("A", "assertion.sub", ""), cluster("A", "assertion.sub", "")}, nil},
		{"one cluster has a literal", []Provider{cluster("A", "assertion.sub", ""), cluster("B", "'b::' + assertion.sub", "")}, nil},
		{"both conditions accept", []Provider{cluster("A", "assertion.sub", ""), cluster("B", "assertion.sub", namespace+"'data-ingest'")}, []string{"W13 high"}},
		{"a condition excludes the subject", []Provider{cluster("A", "assertion.sub", ""), cluster("B", "assertion.sub", "!assertion.sub.startsWith('system:serviceaccount:data-ingest:')")}, nil},
	}
	for _, c := range cases {
		t.Run(c.reason, func(t *testing.T) {
			trusts, found := Input{Providers: c.providers, Policies: []Policy{binding}}.Trusts()
			if diff := cmp.Diff(c.want, rules(found)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			for _, f := range found {
				if f.AcceptedToken == nil || !trusts[1].Accepts(f.AcceptedToken).Accepted {
					t.Errorf("the token %v is not accepted by the second provider", f.AcceptedToken)
				}
			}
		})
	}
}

func TestInput_BindingNarrowsItsProvider(t *testing.T) {
	mapping := map[string]string{
		"google.subject": "assertion.sub", "attribute.repository": "assertion.repository", "google.groups": "assertion.groups",
	}
	token := githubToken(trust.Token{"groups": []any{"admins"}})
	outsider := token.With("sub", "repo:evil/app:ref:refs/heads/main").With("repository", "evil/app").With("groups", []any{"users"})
	for _, member := range []string{
		subjectMember + "repo:acme/app:ref:refs/heads/main", setMember + "attribute.repository/acme/app", setMember + "group/admins",
	} {
		t.Run(member, func(t *testing.T) {
			trusts, _ := Input{
				Providers: []Provider{githubProvider(mapping, "")}, Policies: []Policy{policyOf(account, workloadIdentityUser, member)},
			}.Trusts()
			binding := trusts[1]
			if binding.Kind != trust.GCPBinding || !binding.Accepts(token).Accepted || binding.Accepts(outsider).Accepted {
				t.Errorf("%s accepts %v %v, want true false", binding.Name, binding.Accepts(token), binding.Accepts(outsider))
			}
			if len(binding.Comparisons) != 1 || binding.Comparisons[0].Operator != trust.Equal || binding.Comparisons[0].Optional {
				t.Errorf("comparisons %v, want one", binding.Comparisons)
			}
		})
	}
}

func TestInput_BindingConditionIsUndecided(t *testing.T) {
	policy := policyOf(account, workloadIdentityUser, setMember+"*")
	policy.Bindings[0].Condition = "request.time < timestamp('2030-01-01T00:00:00Z')"
	trusts, _ := Input{Providers: []Provider{githubProvider(nil, "")}, Policies: []Policy{policy}}.Trusts()
	if got := trusts[1].Accepts(githubToken(nil)); !got.Accepted || got.Undecided == "" {
		t.Errorf("got %v, want accepted and undecided", got)
	}
}

func TestInput_PoolsAreKeptApart(t *testing.T) {
	provider := func(pool, id, issuer string) Provider {
		return Provider{
			Name:             "projects/1/locations/global/workloadIdentityPools/" + pool + "/providers/" + id,
			AttributeMapping: subjectFrom("assertion.sub"), OIDC: &OIDC{IssuerURI: issuer},
		}
	}
	member := func(pool string) Policy {
		return policyOf(account, workloadIdentityUser, "principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/"+pool+"/subject/s-"+pool)
	}
	trusts, found := Input{
		Providers: []Provider{provider("a", "a1", "https://a1.example"), provider("a", "a2", "https://a2.example"), provider("b", "b1", "https://b1.example")},
		Policies:  []Policy{member("a"), member("b")},
	}.Trusts()
	var got []string
	for _, one := range trusts {
		got = append(got, fmt.Sprint(one.Kind, one.Issuer, one.Subjects))
	}
	want := []string{
		"gcp-providerhttps://a1.example[s-a]", "gcp-providerhttps://a2.example[s-a]", "gcp-providerhttps://b1.example[s-b]",
		"gcp-bindinghttps://a1.example[s-a]", "gcp-bindinghttps://a2.example[s-a]", "gcp-bindinghttps://b1.example[s-b]",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("trusts (-want +got):\n%s", diff)
	}
	if got := rules(found); !slices.Equal(got, []string{"G11 medium", "W13 high"}) {
		t.Errorf("findings %v, want the collision in pool a, and two members of one service account", got)
	}
}

func TestInput_FindingsOfConfigurations(t *testing.T) {
	valid := func() Configuration {
		return Configuration{
			Audience: "//iam.googleapis.com/" + providerName, File: "/var/run/secrets/tokens/gcp/token",
			URLs: map[string]string{
				"token_url":                         "https://sts.googleapis.com/v1/token",
				"service_account_impersonation_url": "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/ci@acme.iam.gserviceaccount.com:generateAccessToken",
			},
		}
	}
	withURL := func(field, url string) Configuration {
		c := valid()
		c.URLs[field] = url
		return c
	}
	withAudience := func(audience string) Configuration {
		c := valid()
		c.Audience = audience
		return c
	}
	executable := valid()
	executable.Executable = "/bin/token --print"
	cases := []struct {
		reason        string
		configuration Configuration
		want          []string
	}{
		{"valid", valid(), nil},
		{"a regional endpoint", withURL("token_url", "https://sts.europe-west3.rep.googleapis.com/v1/token"), nil},
		{"mTLS", withURL("token_url", "https://sts.mtls.googleapis.com/v1/token"), nil},
		{"Private Service Connect", withURL("token_url", "https://sts-psc1.p.googleapis.com/v1/token"), nil},
		{"AWS", withURL("credential_source.regional_cred_verification_url", "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"), nil},
		{"instance metadata", withURL("credential_source.url", "http://169.254.169.254/metadata/identity/oauth2/token"), nil},
		{"GitHub Actions", withURL("credential_source.url", "https://run-actions-1-azure-eastus.actions.githubusercontent.com/1/token"), nil},
		{"another host", withURL("token_url", "https://sts.evil.example/v1/token"), []string{"C01 high"}},
		{"a look-alike host", withURL("token_url", "https://sts.googleapis.com.evil.example/v1/token"), []string{"C01 high"}},
		{"a look-alike domain", withURL("token_url", "https://stsgoogleapis.com/v1/token"), []string{"C01 high"}},
		{"another Google service", withURL("token_url", "https://storage.googleapis.com/evil-bucket/token"), []string{"C01 high"}},
		{"http", withURL("token_url", "http://sts.googleapis.com/v1/token"), []string{"C01 high"}},
		{"a user before the host", withURL("token_url", "https://sts.googleapis.com@evil.example/v1/token"), []string{"C01 high"}},
		{"impersonation elsewhere", withURL("service_account_impersonation_url", "https://evil.example"), []string{"C01 high"}},
		{"a source elsewhere", withURL("credential_source.url", "http://127.0.0.1/token"), []string{"C01 high"}},
		{"AWS elsewhere", withURL("credential_source.regional_cred_verification_url", "https://sts.amazonaws.com.evil.example"), []string{"C01 high"}},
		{"not a URL", withURL("token_url", "://"), []string{"C01 high"}},
		{"an executable", executable, []string{"C02 high"}},
		{"no audience", withAudience(""), []string{"C03 medium"}},
		{"https before the audience", withAudience("https://iam.googleapis.com/" + providerName), []string{"C03 medium"}},
		{"a project id", withAudience("//iam.googleapis.com/projects/acme/locations/global/workloadIdentityPools/ci/providers/github"), []string{"C03 medium"}},
		{"another provider", withAudience("//iam.googleapis.com/" + poolName + "/providers/gitlab"), []string{"C03 medium"}},
		{"a workforce pool", withAudience("//iam.googleapis.com/locations/global/workforcePools/p/providers/x"), nil},
	}
	for _, c := range cases {
		t.Run(c.reason, func(t *testing.T) {
			in := Input{Providers: []Provider{githubProvider(nil, "assertion.repository_id == '2'")}, Configurations: []Configuration{c.configuration}}
			_, found := in.Trusts()
			if diff := cmp.Diff(c.want, rules(found)); diff != "" {
				t.Errorf("findings (-want +got):\n%s\n%v", diff, found)
			}
		})
	}
}
