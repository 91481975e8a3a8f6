package aws

import (
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

const github = "token.actions.githubusercontent.com"

// githubPrincipal is the principal of a statement about GitHub's tokens.
const githubPrincipal = `{"Federated":"arn:aws:iam::111122223333:oidc-provider/` + github + `"}`

// allow returns a statement for a principal with conditions, which are JSON.
func allow(principal, conditions string) string {
	return statementOf("Allow", principal, "sts:AssumeRoleWithWebIdentity", conditions)
}

func deny(principal, conditions string) string {
	return statementOf("Deny", principal, "sts:AssumeRoleWithWebIdentity", conditions)
}

func statementOf(effect, principal, action, conditions string) string {
	s := `{"Effect":"` + effect + `","Principal":` + principal + `,"Action":"` + action + `"`
	if conditions != "" {
		s += `,"Condition":` + conditions
	}
	return s + "}"
}

func policyOf(statements ...string) string {
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

// condition returns a Condition with one key of an operator.
func conditionOf(operator, key string, values ...string) string {
	text, err := json.Marshal(map[string]any{operator: map[string]any{key: values}})
	if err != nil {
		panic(err)
	}
	return string(text)
}

func parse(t *testing.T, text string) Document {
	t.Helper()
	d, err := Parse("role.json", []byte(text), nil)
	if err != nil {
		t.Fatalf("Parse: %v\n%s", err, text)
	}
	return d
}

// one returns the trust of a policy that has one.
func one(t *testing.T, text string) trust.Trust {
	t.Helper()
	d := parse(t, text)
	if len(d.Trusts) != 1 {
		t.Fatalf("%d trusts, want 1: %s", len(d.Trusts), text)
	}
	return d.Trusts[0]
}

// githubToken is a token of a workflow of acme/app, with further claims.
func githubToken(claims ...any) trust.Token {
	token := trust.Token{
		"iss": "https://" + github, "aud": "sts.amazonaws.com", "sub": "repo:acme/app:ref:refs/heads/main",
		"repository": "acme/app", "repository_owner": "acme", "repository_id": "42", "repository_owner_id": "7",
		"ref": "refs/heads/main", "actor": "octocat", "workflow": "deploy",
	}
	for i := 0; i+1 < len(claims); i += 2 {
		token[claims[i].(string)] = claims[i+1]
	}
	return token
}

// answer writes a decision as one letter.
func answer(d trust.Decision) string {
	switch {
	case d.Accepted && d.Undecided != "":
		return "?"
	case d.Accepted:
		return "T"
	default:
		return "F"
	}
}

func TestAccepts_GitHub(t *testing.T) {
	sub := conditionOf("StringEquals", github+":sub", "repo:acme/app:ref:refs/heads/main")
	for _, c := range []struct {
		name, policy string
		token        trust.Token
		want, reason string
	}{
		{"exact", policyOf(allow(githubPrincipal, sub)), githubToken(), "T", "the subject is equal"},
		{"other subject", policyOf(allow(githubPrincipal, sub)), githubToken("sub", "repo:evil/app:ref:refs/heads/main"), "F", "values are case-sensitive and exact"},
		{"case of value", policyOf(allow(githubPrincipal, sub)), githubToken("sub", "repo:Acme/app:ref:refs/heads/main"), "F", "StringEquals compares case"},
		{"case of key", policyOf(allow(githubPrincipal, conditionOf("StringEquals", strings.ToUpper(github)+":SUB", "repo:acme/app:ref:refs/heads/main"))), githubToken(), "T", `elements_condition: "Context key names are not case-sensitive"`},
		{"other issuer", policyOf(allow(githubPrincipal, sub)), githubToken("iss", "https://gitlab.com"), "F", "the principal names the issuer"},
		{"issuer with slash", policyOf(allow(githubPrincipal, sub)), githubToken("iss", "https://"+github+"/"), "F", "issuers are exact"},
		{"http issuer", policyOf(allow(githubPrincipal, sub)), githubToken("iss", "http://"+github), "F", "AWS knows https only"},
		{"no conditions", policyOf(allow(githubPrincipal, "")), githubToken("sub", "x"), "T", "no conditions hold always"},
		{"no subject", policyOf(allow(githubPrincipal, "")), githubToken("sub", nil), "F", "STS demands sub"},
		{"no audience", policyOf(allow(githubPrincipal, "")), githubToken("aud", []any{}), "F", "STS demands aud"},
		{"two audiences", policyOf(allow(githubPrincipal, "")), githubToken("aud", []any{"a", "b"}), "F", "STS demands azp with several audiences"},
		{"one audience in a list", policyOf(allow(githubPrincipal, conditionOf("StringEquals", github+":aud", "a"))), githubToken("aud", []any{"a"}), "T", "a list of one is one audience"},
		{"authorized party", policyOf(allow(githubPrincipal, conditionOf("StringEquals", github+":aud", "p"))), githubToken("aud", []any{"a", "b"}, "azp", "p"), "T", "condition-keys-wif: aud maps to azp"},
		{"authorized party is not aud", policyOf(allow(githubPrincipal, conditionOf("StringEquals", github+":aud", "a"))), githubToken("aud", "a", "azp", "p"), "F", "condition-keys-wif: aud maps to azp"},
		{"original audience", policyOf(allow(githubPrincipal, conditionOf("StringEquals", github+":oaud", "a"))), githubToken("aud", "a", "azp", "p"), "T", "condition-keys-wif: oaud maps to aud"},
		{"extra claim", policyOf(allow(githubPrincipal, conditionOf("StringEquals", github+":repository_id", "42"))), githubToken(), "T", "AWS maps repository_id"},
		{"number", policyOf(allow(githubPrincipal, conditionOf("StringEquals", github+":repository_id", "42"))), githubToken("repository_id", float64(42)), "T", "a number is compared as its text"},
		{"claim that AWS does not map", policyOf(allow(githubPrincipal, conditionOf("StringEquals", github+":repository_owner", "acme"))), githubToken(), "F", "AWS does not map repository_owner"},
		{"negated claim that AWS does not map", policyOf(allow(githubPrincipal, conditionOf("StringNotEquals", github+":repository_owner", "acme"))), githubToken(), "T", "the key is missing"},
		{"key of another issuer", policyOf(allow(githubPrincipal, conditionOf("StringEquals", "gitlab.com:sub", "repo:acme/app:ref:refs/heads/main"))), githubToken(), "F", "keys of other issuers are missing"},
		{"key of another issuer, IfExists", policyOf(allow(githubPrincipal, conditionOf("StringEqualsIfExists", "gitlab.com:sub", "x"))), githubToken(), "T", "keys of other issuers are missing"},
		{"deny", policyOf(allow(githubPrincipal, ""), deny(githubPrincipal, conditionOf("StringNotLike", github+":sub", "repo:acme/*"))), githubToken("sub", "repo:evil/app"), "F", "Deny wins"},
		{"deny that does not apply", policyOf(allow(githubPrincipal, ""), deny(githubPrincipal, conditionOf("StringNotLike", github+":sub", "repo:acme/*"))), githubToken(), "T", "the Deny does not apply"},
		{"deny of all", policyOf(allow(githubPrincipal, ""), deny(`"*"`, "")), githubToken(), "F", "Deny of every principal"},
		{"deny of an account", policyOf(allow(githubPrincipal, ""), statementOf("Deny", `{"AWS":"444455556666"}`, "*", "")), githubToken(), "T", "the caller is a federated principal"},
		{"deny by NotPrincipal", policyOf(allow(githubPrincipal, ""), `{"Effect":"Deny","NotPrincipal":`+githubPrincipal+`,"Action":"*"}`), githubToken(), "T", "the Deny is about all others"},
		{"deny by NotPrincipal of another", policyOf(allow(githubPrincipal, ""), `{"Effect":"Deny","NotPrincipal":{"Federated":"accounts.google.com"},"Action":"*"}`), githubToken(), "F", "the Deny is about all others"},
		{"NotAction", policyOf(`{"Effect":"Allow","Principal":` + githubPrincipal + `,"NotAction":"sts:AssumeRole"}`), githubToken(), "T", "NotAction is every other action"},
		{"wildcard action", policyOf(statementOf("Allow", githubPrincipal, "STS:*", "")), githubToken(), "T", "actions have wildcards and no case"},
		{"two statements", policyOf(allow(githubPrincipal, conditionOf("StringEquals", github+":ref", "x")), allow(githubPrincipal, sub)), githubToken(), "T", "statements are alternatives"},
		{"two keys", policyOf(allow(githubPrincipal, `{"StringEquals":{"`+github+`:ref":"refs/heads/main","`+github+`:actor":"x"}}`)), githubToken(), "F", "keys are ANDed"},
		{"two operators", policyOf(allow(githubPrincipal, `{"StringEquals":{"`+github+`:ref":"refs/heads/main"},"StringLike":{"`+github+`:actor":"x*"}}`)), githubToken(), "F", "operators are ANDed"},
		{"two values", policyOf(allow(githubPrincipal, conditionOf("StringEquals", github+":ref", "x", "refs/heads/main"))), githubToken(), "T", "values are ORed"},
		{"two values, negated", policyOf(allow(githubPrincipal, conditionOf("StringNotEquals", github+":ref", "x", "refs/heads/main"))), githubToken(), "F", "values of a negated operator are NORed"},
		{"request key", policyOf(allow(githubPrincipal, conditionOf("IpAddress", "aws:SourceIp", "203.0.113.0/24"))), githubToken(), "?", "no token has the address"},
		{"request key beside a false one", policyOf(allow(githubPrincipal, `{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"},"StringEquals":{"`+github+`:ref":"x"}}`)), githubToken(), "F", "false whatever the address"},
		{"request key in a Deny", policyOf(allow(githubPrincipal, ""), deny(githubPrincipal, conditionOf("NotIpAddress", "aws:SourceIp", "203.0.113.0/24"))), githubToken(), "?", "the caller may have the address"},
		{"decided statement beside", policyOf(allow(githubPrincipal, conditionOf("StringEquals", "sts:RoleSessionName", "ci")), allow(githubPrincipal, sub)), githubToken(), "T", "one statement is enough"},
		{"TLS", policyOf(allow(githubPrincipal, ""), deny(githubPrincipal, conditionOf("Bool", "aws:SecureTransport", "false"))), githubToken(), "T", "STS has only TLS endpoints"},
		{"external ID", policyOf(allow(githubPrincipal, conditionOf("StringEquals", "sts:ExternalId", "x"))), githubToken(), "F", "AssumeRoleWithWebIdentity has no external ID"},
		{"old version", `{"Version":"2008-10-17","Statement":` + allow(githubPrincipal, conditionOf("StringEquals", github+":actor", "${*}")) + `}`, githubToken("actor", "${*}"), "T", `iam-version: variables "are instead treated as literal strings"`},
		{"no version", `{"Statement":` + allow(githubPrincipal, conditionOf("StringEquals", github+":actor", "${"+github+":ref}")) + `}`, githubToken("actor", "refs/heads/main"), "F", "the default version is 2008-10-17"},
	} {
		if got := answer(one(t, c.policy).Accepts(c.token)); got != c.want {
			t.Errorf("%s: %s, want %s: %s", c.name, got, c.want, c.reason)
		}
	}
}

func TestAccepts_SessionTags(t *testing.T) {
	nested := map[string]any{"principal_tags": map[string]any{"Team": []any{"red"}}, "transitive_tag_keys": []any{"Team"}}
	actions := `["sts:AssumeRoleWithWebIdentity","sts:TagSession"]`
	both := func(conditions string) string {
		return policyOf(strings.Replace(allow(githubPrincipal, conditions), `"sts:AssumeRoleWithWebIdentity"`, actions, 1))
	}
	for _, c := range []struct {
		name, policy string
		token        trust.Token
		want, reason string
	}{
		{"tags without permission", policyOf(allow(githubPrincipal, "")), githubToken(tagsClaim, nested), "F", "id_session-tags: the policy must allow sts:TagSession"},
		{"tags", both(""), githubToken(tagsClaim, nested), "T", "sts:TagSession is allowed"},
		{"flat tags without permission", policyOf(allow(githubPrincipal, "")), githubToken(tagPrefix+"Team", "red"), "F", "the flattened format"},
		{"tag", both(conditionOf("StringEquals", "aws:RequestTag/team", "red")), githubToken(tagsClaim, nested), "T", "tag keys are not case-sensitive"},
		{"flat tag", both(conditionOf("StringEquals", "aws:RequestTag/Team", "red")), githubToken(tagPrefix+"Team", "red"), "T", "the flattened format"},
		{"other tag", both(conditionOf("StringEquals", "aws:RequestTag/Team", "blue")), githubToken(tagsClaim, nested), "F", "the value differs"},
		{"no tag", both(conditionOf("StringEquals", "aws:RequestTag/Team", "red")), githubToken(), "F", "the key is missing"},
		{"tag keys", both(conditionOf("ForAllValues:StringEquals", "aws:TagKeys", "Team")), githubToken(tagsClaim, nested), "T", "all keys are listed"},
		{"other tag keys", both(conditionOf("ForAllValues:StringEquals", "aws:TagKeys", "Team")), githubToken(tagPrefix+"Admin", "1"), "F", "a key is not listed"},
		{"transitive", both(conditionOf("ForAnyValue:StringEquals", "sts:TransitiveTagKeys", "Team")), githubToken(tagsClaim, nested), "T", "the token has it"},
		{"flat transitive", both(conditionOf("ForAnyValue:StringEquals", "sts:TransitiveTagKeys", "Team")), githubToken(transitiveClaim, []any{"Team"}), "T", "the token has it"},
		{"source identity without permission", policyOf(allow(githubPrincipal, "")), githubToken(sourceClaim, "me"), "F", "the policy must allow sts:SetSourceIdentity"},
		{"source identity", policyOf(statementOf("Allow", githubPrincipal, "sts:*", conditionOf("StringEquals", "sts:SourceIdentity", "me"))), githubToken(sourceClaim, "me"), "T", "the token has it"},
		{"undecided tag permission", policyOf(allow(githubPrincipal, ""), statementOf("Allow", githubPrincipal, "sts:TagSession", conditionOf("StringEquals", "aws:RequestedRegion", "x"))), githubToken(tagsClaim, nested), "?", "the region is of the request"},
	} {
		if got := answer(one(t, c.policy).Accepts(c.token)); got != c.want {
			t.Errorf("%s: %s, want %s: %s", c.name, got, c.want, c.reason)
		}
	}
}

func TestAccepts_OtherIssuers(t *testing.T) {
	for _, c := range []struct {
		name, principal, conditions, issuer string
		claims                              trust.Token
		want, reason                        string
	}{
		{"Google azp", google, conditionOf("StringEquals", google+":aud", "108"), google, trust.Token{"aud": "app", "azp": "108"}, "T", "aud is azp"},
		{"Google aud", google, conditionOf("StringEquals", google+":aud", "app"), google, trust.Token{"aud": "app", "azp": "108"}, "F", "aud is azp"},
		{"Google oaud", google, conditionOf("StringEquals", google+":oaud", "app"), google, trust.Token{"aud": "app", "azp": "108"}, "T", "oaud is aud"},
		{"Google without scheme", google, conditionOf("StringEquals", google+":oaud", "app"), google, trust.Token{"iss": google, "aud": "app"}, "T", "Google's issuer has two spellings"},
		{"Google organization", google, conditionOf("NumericEquals", google+":google/organization_number", "123"), google, trust.Token{"google:organization_number": float64(123)}, "T", "the claim as AWS writes it"},
		{"Google organization, nested", google, conditionOf("NumericEquals", google+":google/organization_number", "123"), google, trust.Token{"google": map[string]any{"organization_number": float64(123)}}, "T", "the claim as Google writes it"},
		{"Cognito", cognito, `{"StringEquals":{"` + cognito + `:aud":"eu-west-1:pool"},"ForAnyValue:StringLike":{"` + cognito + `:amr":"authenticated"}}`, cognito, trust.Token{"aud": "eu-west-1:pool", "amr": []any{"authenticated", "graph.facebook.com"}}, "T", "the policy of Cognito's documentation"},
		{"Cognito guest", cognito, conditionOf("ForAnyValue:StringLike", cognito+":amr", "authenticated"), cognito, trust.Token{"amr": []any{"unauthenticated"}}, "F", "a guest"},
		{"Amazon", amazon, conditionOf("StringEquals", amazon+":app_id", "app"), amazon, trust.Token{"aud": "app"}, "T", "STS reports the application as audience"},
		{"Amazon user", amazon, conditionOf("StringEquals", amazon+":user_id", "u"), amazon, trust.Token{"sub": "u"}, "T", "STS reports the user as subject"},
		{"Facebook", facebook, conditionOf("StringEquals", facebook+":id", "u"), facebook, trust.Token{"sub": "u"}, "T", "STS reports the user as subject"},
		{"Facebook aud", facebook, conditionOf("StringEquals", facebook+":aud", "a"), facebook, trust.Token{}, "F", "there is no such key"},
		{
			"CircleCI", "arn:aws:iam::111122223333:oidc-provider/oidc.circleci.com/org/1", conditionOf("StringEquals", "oidc.circleci.com/org/1:oidc.circleci.com/project-id", "p"),
			"oidc.circleci.com/org/1", trust.Token{"oidc.circleci.com/project-id": "p"}, "T", "the first colon ends the issuer",
		},
		{
			"OCI", "arn:aws:iam::111122223333:oidc-provider/idcs-1.identity.oraclecloud.com", conditionOf("StringEquals", "idcs-1.identity.oraclecloud.com:rpst_id", "ocid1"),
			"idcs-1.identity.oraclecloud.com", trust.Token{"rpst_id": "ocid1"}, "T", "AWS maps rpst_id",
		},
		{"GitLab", "arn:aws-cn:iam::111122223333:oidc-provider/gitlab.com", conditionOf("StringEquals", "gitlab.com:project_id", "7"), "gitlab.com", trust.Token{"project_id": "7"}, "T", "AWS maps project_id; another partition"},
		{"GitLab server", "arn:aws:iam::111122223333:oidc-provider/gitlab.example.com", conditionOf("StringEquals", "gitlab.example.com:project_id", "7"), "gitlab.example.com", trust.Token{"project_id": "7"}, "F", "AWS maps it for gitlab.com only"},
		{"Buildkite", "arn:aws:iam::111122223333:oidc-provider/agent.buildkite.com", conditionOf("StringEquals", "agent.buildkite.com:pipeline_id", "7"), "agent.buildkite.com", trust.Token{"pipeline_id": "7"}, "T", "AWS maps pipeline_id"},
		{
			"EKS", "arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/E", conditionOf("StringEquals", "oidc.eks.eu-west-1.amazonaws.com/id/E:sub", "system:serviceaccount:ns:sa"),
			"oidc.eks.eu-west-1.amazonaws.com/id/E", trust.Token{"sub": "system:serviceaccount:ns:sa"}, "T", "an issuer with a path",
		},
		{"email", "arn:aws:iam::111122223333:oidc-provider/idp.example.com", conditionOf("StringLike", "idp.example.com:email", "*@example.com"), "idp.example.com", trust.Token{"email": "a@example.com"}, "T", "email is a default key"},
		{"slash", "arn:aws:iam::111122223333:oidc-provider/idp.example.com/", conditionOf("StringEquals", "idp.example.com/:sub", "s"), "idp.example.com/", trust.Token{}, "T", "Auth0's issuer ends in a slash"},
	} {
		token := trust.Token{"iss": "https://" + c.issuer, "sub": "s", "aud": "a"}
		maps.Copy(token, c.claims)
		got := one(t, policyOf(allow(`{"Federated":"`+c.principal+`"}`, c.conditions)))
		if a := answer(got.Accepts(token)); a != c.want {
			t.Errorf("%s: %s, want %s: %s", c.name, a, c.want, c.reason)
		}
		if want := "https://" + c.issuer; got.Issuer != want {
			t.Errorf("%s: issuer %s, want %s", c.name, got.Issuer, want)
		}
	}
}

func TestAccepts_AnyIssuer(t *testing.T) {
	for _, c := range []struct{ name, policy, want, reason string }{
		{"star", policyOf(allow(`"*"`, "")), "TT", "every principal"},
		{"AWS star", policyOf(allow(`{"AWS":"*"}`, "")), "TT", `the same as "*"`},
		{"federated star", policyOf(allow(`{"Federated":"*"}`, "")), "TT", "every provider"},
		{"pinned by key", policyOf(allow(`"*"`, conditionOf("StringEquals", github+":repository_id", "42"))), "TF", "only GitHub's tokens have the key"},
		{"wildcard host", policyOf(allow(`{"Federated":"arn:aws:iam::111122223333:oidc-provider/token.*"}`, "")), "TF", "the pattern is of hosts"},
		{"denied issuer", policyOf(allow(`"*"`, ""), deny(githubPrincipal, "")), "FT", "the Deny names GitHub"},
		{"NotPrincipal", policyOf(`{"Effect":"Allow","NotPrincipal":{"AWS":"111122223333"},"Action":"sts:*"}`), "TT", "all others"},
	} {
		got := one(t, c.policy)
		if got.Issuer != "" {
			t.Errorf("%s: issuer %q, want none", c.name, got.Issuer)
		}
		other := trust.Token{"iss": "https://evil.example.com", "sub": "s", "aud": "a", "repository_id": "42"}
		if a := answer(got.Accepts(githubToken())) + answer(got.Accepts(other)); a != c.want {
			t.Errorf("%s: %s, want %s: %s", c.name, a, c.want, c.reason)
		}
	}
}

func TestWithProviders(t *testing.T) {
	document := parse(t, policyOf(allow(githubPrincipal, conditionOf("StringEquals", github+":aud", "sts.amazonaws.com", "other"))))
	provider := parse(t, `{"Url":"`+github+`","ClientIDList":["sts.amazonaws.com"],"ThumbprintList":[]}`)
	joined, findings := WithProviders(document.Trusts, provider.Providers)
	if len(findings) != 1 || findings[0].Rule != "A07" || !strings.Contains(findings[0].Message, "other") {
		t.Errorf("findings %+v, want one A07 for the audience other", findings)
	}
	if a := joined[0].Audiences; len(a) != 1 || a[0] != "sts.amazonaws.com" {
		t.Errorf("audiences %v", a)
	}
	if a := answer(joined[0].Accepts(githubToken())) + answer(joined[0].Accepts(githubToken("aud", "other"))); a != "TF" {
		t.Errorf("accepts %s, want TF: STS refuses an audience that is no client ID", a)
	}
	if document.Trusts[0].Audiences != nil {
		t.Error("WithProviders changes its argument")
	}
}

func TestParse_KnowsNoOther(t *testing.T) {
	for _, c := range []struct{ text, reason string }{
		{`{}`, "an empty object"},
		{`[]`, "a list"},
		{`"x"`, "a text"},
		{`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`, "a policy of a user"},
		{`{"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}}`, "a policy of a bucket"},
		{`{"Statement":{"Effect":"Allow","Principal":"*","Action":"ecr:*"}}`, "a policy of a repository"},
		{`{"Resources":{"A":{"Type":"AWS::S3::Bucket"}}}`, "a template without roles"},
		{`{"Roles":[{"Name":"x"}]}`, "roles of another system"},
	} {
		if d, err := Parse("x.json", []byte(c.text), nil); !errors.Is(err, ErrNoTrust) || len(d.Trusts) > 0 {
			t.Errorf("%s: %v, want ErrNoTrust", c.reason, err)
		}
	}
}
