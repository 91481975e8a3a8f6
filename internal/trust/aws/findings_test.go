package aws

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// rules lists the findings of a document as rule and severity.
func rules(d Document) string {
	var all []string
	for _, f := range d.Findings {
		all = append(all, f.Rule+" "+string(f.Severity))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

func TestFindings(t *testing.T) {
	sub := conditionOf("StringEquals", github+":sub", "repo:acme/app:ref:refs/heads/main")
	account := "arn:aws:iam::111122223333:"
	inRole := func(policy, members string) string {
		return `{"Role":{"RoleName":"r","Arn":"` + account + `role/r",` + members + `"AssumeRolePolicyDocument":` + policy + `}}`
	}
	fromAccount := func(principal, conditions string) string {
		return policyOf(statementOf("Allow", `{"AWS":"`+principal+`"}`, "sts:AssumeRole", conditions))
	}
	onGoogle := func(conditions string) string { return policyOf(allow(`{"Federated":"`+google+`"}`, conditions)) }
	for _, c := range []struct{ name, text, want, reason string }{
		{"good", policyOf(allow(githubPrincipal, `{"StringEquals":{"`+github+`:aud":"sts.amazonaws.com","`+github+`:sub":"repo:acme/app:ref:refs/heads/main"}}`)), "", "nothing is wrong"},

		{"A01 star", policyOf(allow(`"*"`, "")), "A01 critical", "every issuer"},
		{"A01 AWS star", policyOf(allow(`{"AWS":"*"}`, "")), "A01 critical", "every issuer"},
		{"A01 Federated star", policyOf(allow(`{"Federated":"*"}`, "")), "A01 critical", "every issuer"},
		{"A01 provider star", policyOf(allow(`{"Federated":"`+account+`oidc-provider/*"}`, "")), "A01 critical", "every provider of the account"},
		{"A01 NotPrincipal", policyOf(`{"Effect":"Allow","NotPrincipal":{"AWS":"111122223333"},"Action":"sts:*"}`), "A01 critical", "every other principal"},
		{"A01 accounts", policyOf(statementOf("Allow", `"*"`, "sts:AssumeRole", "")), "A01 critical", "every account"},
		{"A01 organization", policyOf(statementOf("Allow", `"*"`, "sts:AssumeRole", conditionOf("StringEquals", "aws:PrincipalOrgID", "o-1"))), "", "only the organization"},
		{"A01 organization, optional", policyOf(statementOf("Allow", `"*"`, "sts:AssumeRole", conditionOf("StringEqualsIfExists", "aws:PrincipalOrgID", "o-1"))), "A01 critical", "holds without an organization"},
		{"A01 deny", policyOf(allow(githubPrincipal, sub), deny(`"*"`, conditionOf("Bool", "aws:SecureTransport", "false"))), "", "a Deny of all is good"},

		{"A02 like", policyOf(allow(githubPrincipal, conditionOf("StringLike", github+":sub", "repo:acme/app:ref:refs/heads/main"))), "A02 low", "no wildcard"},
		{"A02 like, one with wildcard", policyOf(allow(githubPrincipal, conditionOf("StringLike", github+":sub", "repo:acme/app:ref:refs/heads/main", "repo:acme/app:ref:refs/tags/*"))), "", "the list needs StringLike"},
		{"A02 like, escaped", policyOf(allow(githubPrincipal, conditionOf("StringLike", github+":sub", "${*}"))), "A02 low", "${*} is no wildcard"},
		{"A02 like, variable", policyOf(allow(githubPrincipal, conditionOf("StringLike", github+":sub", "${"+github+":actor}"))), "", "a variable is no literal"},
		{"A02 equals", policyOf(allow(githubPrincipal, conditionOf("StringEquals", github+":sub", "repo:acme/app:*"))), "A02 medium", "no token matches"},
		{"A02 equals, escaped", policyOf(allow(githubPrincipal, conditionOf("StringEquals", github+":sub", "repo:acme/app:${*}"))), "", "${*} is a character"},
		{"A02 not equals", policyOf(allow(githubPrincipal, sub), deny(githubPrincipal, conditionOf("StringEquals", github+":ref", "refs/pull/*"))), "A02 medium", "the Deny never applies"},

		{"A03 ForAllValues", policyOf(allow(githubPrincipal, conditionOf("ForAllValues:StringEquals", github+":sub", "x"))), "A03 high", "true for a missing claim"},
		{"A03 IfExists", policyOf(allow(githubPrincipal, conditionOf("StringEqualsIfExists", github+":repository_id", "42"))), "A03 high", "true for a missing claim"},
		{"A03 with Null", policyOf(allow(githubPrincipal, `{"ForAllValues:StringEquals":{"`+github+`:sub":"x"},"Null":{"`+github+`:sub":"false"}}`)), "", "Null demands the claim"},
		{"A03 with another", policyOf(allow(githubPrincipal, `{"StringEqualsIfExists":{"`+github+`:sub":"x"},"StringLike":{"`+github+`:sub":"x*"}}`)), "", "StringLike demands the claim"},
		{"A03 ForAnyValue", policyOf(allow(githubPrincipal, conditionOf("ForAnyValue:StringEquals", github+":sub", "x"))), "", "false for a missing claim"},
		{"A03 request key", policyOf(allow(githubPrincipal, `{"StringEquals":{"`+github+`:sub":"x"},"IpAddressIfExists":{"aws:SourceIp":"203.0.113.0/24"}}`)), "", "no claim"},

		{"A04", policyOf(allow(githubPrincipal, conditionOf("StringNotEquals", github+":sub", "repo:evil/app"))), "A04 high", "all others are allowed"},
		{"A04 with audience", policyOf(allow(githubPrincipal, `{"StringEquals":{"`+github+`:aud":"sts.amazonaws.com"},"StringNotLike":{"`+github+`:sub":"*:pull_request"}}`)), "A04 high", "an audience is no tenant"},
		{"A04 with subject", policyOf(allow(githubPrincipal, `{"StringLike":{"`+github+`:sub":"repo:acme/app:*"},"StringNotLike":{"`+github+`:sub":"*:pull_request"}}`)), "", "the subject limits"},
		{"A04 with Deny", policyOf(allow(githubPrincipal, conditionOf("StringNotLike", github+":sub", "*:pull_request")), deny(githubPrincipal, conditionOf("StringNotLike", github+":sub", "repo:acme/*"))), "", "the Deny limits"},
		{"A04 Cognito", policyOf(allow(`{"Federated":"`+cognito+`"}`, `{"StringEquals":{"`+cognito+`:aud":"pool"},"StringNotEquals":{"`+cognito+`:sub":"x"}}`)), "", "Cognito's audience is the pool"},

		{"A05", policyOf(allow(githubPrincipal, conditionOf("StringEquals", "gitlab.com:sub", "x"))), "A05 medium", "never there"},
		{"A05 path", policyOf(allow(`{"Federated":"`+account+`oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/A"}`, conditionOf("StringEquals", "oidc.eks.eu-west-1.amazonaws.com/id/B:sub", "x"))), "A05 medium", "another cluster"},
		{"A05 scheme", policyOf(allow(githubPrincipal, conditionOf("StringEquals", "https://"+github+":sub", "x"))), "A05 medium", "keys have no scheme"},
		{"A05 ARN", policyOf(allow(githubPrincipal, conditionOf("StringEquals", account+"oidc-provider/"+github+":sub", "x"))), "A05 medium", "keys have no ARN"},
		{"A05 two issuers", policyOf(allow(`{"Federated":["`+account+`oidc-provider/`+github+`","`+account+`oidc-provider/gitlab.com"]}`, sub)), "A05 medium", "never there for one of them"},
		{"A05 case", policyOf(allow(githubPrincipal, conditionOf("StringEquals", strings.ToUpper(github)+":sub", "x"))), "", "names of keys have no case"},

		{"A06", policyOf(allow(githubPrincipal, `{"StringEquals":{"`+github+`:sub":"x","`+github+`:repository_owner":"acme"}}`)), "A06 medium", "AWS does not map it"},
		{"A06 EKS", policyOf(allow(`{"Federated":"`+account+`oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/A"}`, conditionOf("StringEquals", "oidc.eks.eu-west-1.amazonaws.com/id/A:namespace", "x"))), "A06 medium", "AWS does not map it"},
		{"A06 in a Deny", policyOf(allow(githubPrincipal, sub), deny(githubPrincipal, conditionOf("StringNotEquals", github+":event_name", "push"))), "A06 medium", "denies all"},

		{"A09", policyOf(allow(githubPrincipal, conditionOf("StringEquals", github+":sub", "repo:acme/app:"+strings.Repeat("x", 1500)))), "A09 medium", "more than 80 %"},
		{"A09 white space", strings.Replace(policyOf(allow(githubPrincipal, sub)), "{", "{"+strings.Repeat(" ", 2000), 1), "", "white space does not count"},
		{"A10", inRole(policyOf(allow(githubPrincipal, sub)), `"MaxSessionDuration":43200,`), "A10 medium", "12 hours"},
		{"A10 short", inRole(policyOf(allow(githubPrincipal, sub)), `"MaxSessionDuration":3600,`), "", "an hour"},
		{"A10 no workload", inRole(policyOf(statementOf("Allow", `{"Service":"ec2.amazonaws.com"}`, "sts:AssumeRole", "")), `"MaxSessionDuration":43200,`), "", "no tokens"},

		{"A11", inRole(fromAccount("arn:aws:iam::444455556666:root", ""), ""), "A11 high", "another account"},
		{"A11 account ID", inRole(fromAccount("444455556666", ""), ""), "A11 high", "another account"},
		{"A11 own", inRole(fromAccount(account+"role/x", ""), ""), "", "the role's own account"},
		{"A11 external ID", inRole(fromAccount("444455556666", conditionOf("StringEquals", "sts:ExternalId", "x")), ""), "", "an external ID"},
		{"A11 external ID, optional", inRole(fromAccount("444455556666", conditionOf("StringEqualsIfExists", "sts:ExternalId", "x")), ""), "A11 high", "holds without one"},
		{"A11 account not known", fromAccount("444455556666", ""), "A11 medium", "may be the role's own"},
		{"A11 account from a provider", policyOf(allow(githubPrincipal, sub), statementOf("Allow", `{"AWS":"444455556666"}`, "sts:AssumeRole", "")), "A11 high", "the provider is in the role's account"},
		{"A11 service", inRole(policyOf(statementOf("Allow", `{"Service":"ec2.amazonaws.com"}`, "sts:AssumeRole", "")), ""), "", "a service"},
		{"A11 tags only", inRole(policyOf(statementOf("Allow", `{"AWS":"444455556666"}`, "sts:TagSession", "")), ""), "", "not sts:AssumeRole"},

		{"A12", onGoogle(conditionOf("StringEquals", google+":oaud", "app")), "A12 high", "no subject"},
		{"A12 aud", onGoogle(`{"StringEquals":{"` + google + `:sub":"108","` + google + `:aud":"sts.amazonaws.com"}}`), "A12 high", "aud is azp"},
		{"A12 good", onGoogle(`{"StringEquals":{"` + google + `:sub":"108","` + google + `:aud":"108","` + google + `:oaud":"app"}}`), "", "subject and audience"},
		{"A12 client", onGoogle(`{"StringEquals":{"` + google + `:sub":"108","` + google + `:aud":"1-x.apps.googleusercontent.com"}}`), "", "a client ID"},
	} {
		d := parse(t, c.text)
		if got := rules(d); got != c.want {
			t.Errorf("%s: %q, want %q: %s", c.name, got, c.want, c.reason)
		}
		for _, f := range d.Findings {
			if f.File != "role.json" || f.Line != 1 || f.Trust == "" || !strings.HasSuffix(f.Message, ".") || !strings.HasSuffix(f.Fix, ".") {
				t.Errorf("%s: incomplete finding %+v", c.name, f)
			}
		}
	}
}

// TestFindings_Messages checks what messages quote from the policy.
func TestFindings_Messages(t *testing.T) {
	for _, c := range []struct{ name, text, message, fix string }{
		{"A02", policyOf(allow(githubPrincipal, conditionOf("StringEquals", github+":sub", "a*", "b*", "c*", "d*", "e*"))), `the * of "a*", "b*", "c*", 2 more is a character, so no token matches`, "use StringLike"},
		{"A02 negated", policyOf(allow(githubPrincipal, `{"StringEquals":{"`+github+`:sub":"x"},"StringNotEquals":{"`+github+`:ref":"refs/pull/*"}}`)), "so every token passes", "use StringNotLike"},
		{"A01", policyOf(allow(`"*"`, "")), "Statement[0] allows", "oidc-provider"},
		{"A01 Sid", policyOf(strings.Replace(allow(`"*"`, ""), "{", `{"Sid":"Any",`, 1)), `Statement "Any" allows`, ""},
		{"A03", policyOf(allow(githubPrincipal, conditionOf("ForAllValues:StringEqualsIfExists", github+":sub", "x"))), "ForAllValues:StringEqualsIfExists holds for tokens without the claim", "Use StringEquals, or add \"Null\""},
		{"A05", policyOf(allow(githubPrincipal, conditionOf("StringEquals", "gitlab.com:sub", "x"))), "the statement allows none of them", "Write " + github + ":sub"},
		{"A05 negated", policyOf(allow(githubPrincipal, `{"StringEquals":{"`+github+`:sub":"x"},"StringNotEquals":{"gitlab.com:sub":"x"}}`)), "the condition restricts nothing", ""},
		{"A05 Null", policyOf(allow(githubPrincipal, `{"StringEquals":{"`+github+`:sub":"x"},"Null":{"gitlab.com:sub":"true"}}`)), "the condition restricts nothing", ""},
		{"A05 Deny", policyOf(deny(githubPrincipal, conditionOf("StringEquals", "gitlab.com:sub", "x"))), "the statement denies none of them", ""},
		{"A05 Deny negated", policyOf(deny(githubPrincipal, conditionOf("StringNotEquals", "gitlab.com:sub", "x"))), "the statement denies them all", ""},
		{"A06 GitHub", policyOf(allow(githubPrincipal, conditionOf("StringEquals", github+":event_name", "x"))), `no key for the claim "event_name"`, "repository_id"},
		{"A06 Amazon", policyOf(allow(`{"Federated":"`+amazon+`"}`, conditionOf("StringEquals", amazon+":aud", "x"))), "", "app_id, user_id"},
		{"A06 Facebook", policyOf(allow(`{"Federated":"`+facebook+`"}`, conditionOf("StringEquals", facebook+":aud", "x"))), "", "app_id, id"},
		{"A06 Cognito", policyOf(allow(`{"Federated":"`+cognito+`"}`, conditionOf("StringEquals", cognito+":email", "x"))), "", "amr, aud, sub"},
		{"A06 Google", policyOf(allow(`{"Federated":"`+google+`"}`, `{"StringEquals":{"`+google+`:sub":"1","`+google+`:hd":"example.com"}}`)), "", "google/organization_number"},
		{"A09", policyOf(allow(githubPrincipal, conditionOf("StringEquals", github+":sub", strings.Repeat(`"`, 1200)))), "IAM allows 2048 by default", "higher quota"},
	} {
		d := parse(t, c.text)
		if len(d.Findings) != 1 || !strings.Contains(d.Findings[0].Message, c.message) || !strings.Contains(d.Findings[0].Fix, c.fix) {
			t.Errorf("%s: findings %+v, want one with %q and %q", c.name, d.Findings, c.message, c.fix)
		}
	}
}

func TestFindings_Lines(t *testing.T) {
	d := parse(t, fmt.Sprintf("{\"Statement\": [\n {\"Effect\":\"Allow\",\"Principal\":%s,\"Action\":\"sts:AssumeRoleWithWebIdentity\",\n  \"Condition\": {\"StringLike\":\n   {%q:\n   \"x\"}}}]}",
		githubPrincipal, github+":sub"))
	if len(d.Findings) != 1 || d.Findings[0].Line != 5 {
		t.Errorf("findings %+v, want one at line 5, where the value is", d.Findings)
	}
	if d.Trusts[0].At.Line != 2 {
		t.Errorf("trust at line %d, want 2", d.Trusts[0].At.Line)
	}
}
