package aws

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

func TestParse_Documents(t *testing.T) {
	statement := allow(githubPrincipal, conditionOf("StringEquals", github+":sub", "repo:acme/app:ref:refs/heads/main"))
	policy := policyOf(statement)
	encoded := url.PathEscape(policy)
	for _, c := range []struct {
		name, text string
		trusts     []string // names and lines
	}{
		{"policy", "\n" + policy, []string{"role:2"}},
		{"policy on lines", "{\n\"Statement\": [\n" + statement + ",\n" + allow(`{"Federated":"accounts.google.com"}`, "") + "]}", []string{"role:3", "role:4"}},
		{"one statement", `{"Statement":` + statement + `}`, []string{"role:1"}},
		{"get-role", `{"Role":{"RoleName":"deploy","Arn":"arn:aws:iam::111122223333:role/deploy","AssumeRolePolicyDocument":` + policy + `}}`, []string{"deploy:1"}},
		{"get-role, encoded", "{\"Role\":{\"RoleName\":\"deploy\",\n\"AssumeRolePolicyDocument\":\"" + encoded + `"}}`, []string{"deploy:2"}},
		{"get-role, text", `{"Role":{"RoleName":"deploy","AssumeRolePolicyDocument":` + quote(policy) + `}}`, []string{"deploy:1"}},
		{"list-roles", `{"Roles":[{"RoleName":"a","AssumeRolePolicyDocument":` + policy + "},\n" + `{"RoleName":"b","AssumeRolePolicyDocument":` + policy + `}]}`, []string{"a:1", "b:2"}},
		{"account details", `{"RoleDetailList":[{"RoleName":"a","AssumeRolePolicyDocument":` + policy + `}],"UserDetailList":[]}`, []string{"a:1"}},
		{"input of create-role", `{"RoleName":"a","AssumeRolePolicyDocument":` + quote(policy) + `}`, []string{"a:1"}},
		{"two issuers", policyOf(allow(`{"Federated":["accounts.google.com","arn:aws-us-gov:iam::111122223333:oidc-provider/gitlab.com"]}`, "")), []string{"role:1", "role:1"}},
		{"BOM", "\ufeff" + policy, []string{"role:1"}},
		{"service", policyOf(statementOf("Allow", `{"Service":"ec2.amazonaws.com"}`, "sts:AssumeRole", "")), nil},
		{"SAML", policyOf(statementOf("Allow", `{"Federated":"arn:aws:iam::111122223333:saml-provider/corp"}`, "sts:AssumeRoleWithSAML", conditionOf("StringEquals", "SAML:aud", "https://signin.aws.amazon.com/saml"))), nil},
		{"Deny alone", policyOf(deny(githubPrincipal, "")), nil},
		{
			"CloudFormation", `{"Resources":{"Provider":{"Type":"AWS::IAM::OIDCProvider","Properties":{"Url":"https://` + github + `","ClientIdList":["sts.amazonaws.com"]}},
			"Deploy":{"Type":"AWS::IAM::Role","Properties":{"RoleName":"deploy","AssumeRolePolicyDocument":` + strings.ReplaceAll(policy, `"arn:aws:iam::111122223333:oidc-provider/`+github+`"`, `{"Ref":"Provider"}`) + `}}}}`, []string{"deploy:2"},
		},
		{
			"CloudFormation, Fn::Sub", `{"Parameters":{"Org":{"Type":"String","Default":"acme"}},"Resources":{"Deploy":{"Type":"AWS::IAM::Role","Properties":{"AssumeRolePolicyDocument":` +
				policyOf(allow(`{"Federated":{"Fn::Sub":"arn:${AWS::Partition}:iam::${AWS::AccountId}:oidc-provider/`+github+`"}}`, `{"StringLike":{"`+github+`:sub":{"Fn::Join":["",["repo:",{"Ref":"Org"},"/app:*"]]}}}`)) + `}}}}`, []string{"Deploy:1"},
		},
		{"a role without a policy", `{"Resources":{"Deploy":{"Type":"AWS::IAM::Role","Properties":{}}}}`, nil},
		{"provider", `{"Url":"gitlab.com","ClientIDList":["https://gitlab.com"]}`, nil},
		{"reference", policyOf(allow(`{"Federated":"${aws_iam_openid_connect_provider.github.arn}"}`, conditionOf("StringLike", github+":sub", "repo:acme/app:*"))), []string{"role:1"}},
	} {
		d := parse(t, c.text)
		var names []string
		for _, got := range d.Trusts {
			names = append(names, got.Name+":"+string(rune('0'+got.At.Line)))
			if got.At.File != "role.json" || got.Kind != trust.AWSRole {
				t.Errorf("%s: %+v", c.name, got.At)
			}
		}
		if strings.Join(names, " ") != strings.Join(c.trusts, " ") {
			t.Errorf("%s: trusts %q, want %q", c.name, names, c.trusts)
		}
	}
}

func quote(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return string(quoted)
}

func TestParse_Template(t *testing.T) {
	d := parse(t, `{"Resources":{"Provider":{"Type":"AWS::IAM::OIDCProvider","Properties":{"Url":"https://`+github+`","ClientIdList":["sts.amazonaws.com"]}},
		"Deploy":{"Type":"AWS::IAM::Role","Properties":{"AssumeRolePolicyDocument":`+
		policyOf(allow(`{"Federated":{"Fn::GetAtt":["Provider","Arn"]}}`, `{"StringEquals":{"`+github+`:sub":{"Fn::Sub":["repo:${Org}/app:${!x}",{"Org":"acme"}]}}}`))+`}}}}`)
	if len(d.Trusts) != 1 || d.Trusts[0].Issuer != "https://"+github || d.Trusts[0].Comparisons[0].Values[0] != "repo:acme/app:${x}" {
		t.Errorf("trusts %+v", d.Trusts)
	}
	if len(d.Providers) != 1 || d.Providers[0].URL != "https://"+github {
		t.Errorf("providers %+v", d.Providers)
	}
}

func TestParse_Errors(t *testing.T) {
	role := func(policy string) string {
		return "{\"Role\":{\"RoleName\":\"r\",\"AssumeRolePolicyDocument\":\n" + policy + "}}"
	}
	statement := func(members string) string { return role("{\"Statement\":[{" + members + "}]}") }
	const rest = `"Principal":"*","Action":"sts:*"`
	for _, c := range []struct{ name, text, want string }{
		{"no JSON", "{\n\"a\":", "role.json:2: no JSON"},
		{"two values", "{}\n{}", "role.json:2: no JSON: invalid character '{' after top-level value"},
		{"depth", strings.Repeat("[", 100) + strings.Repeat("]", 100), "64 levels"},
		{"duplicate key", statement(`"Effect":"Allow","Effect":"Deny",` + rest), "role.json:2: r: Statement[0].Effect: the key appears twice"},
		{"duplicate condition key", statement(`"Effect":"Allow",` + rest + `,"Condition":{"StringEquals":{"a:b":"1","a:b":"2"}}`), "Condition.StringEquals.a:b: the key appears twice"},
		{"version", role(`{"Version":"2013-01-01","Statement":[]}`), `Version: unknown version "2013-01-01": write 2012-10-17`},
		{"no statement", role(`{"Version":"2012-10-17"}`), "Statement: missing"},
		{"statement is a text", role(`{"Statement":"x"}`), "Statement: write an object or a list"},
		{"statement in list is a text", role(`{"Statement":["x"]}`), "Statement[0]: write an object"},
		{"unknown element", role(`{"Statements":[]}`), "Statements: unknown element"},
		{"unknown element of a statement", statement(`"Effect":"Allow",` + rest + `,"Conditions":{}`), "Statement[0].Conditions: unknown element"},
		{"resource", statement(`"Effect":"Allow",` + rest + `,"Resource":"*"`), "Statement[0].Resource: IAM refuses"},
		{"no effect", statement(rest), "has 0 of Effect: write one"},
		{"effect in lower case", statement(`"Effect":"allow",` + rest), `Effect: unknown effect "allow"`},
		{"no principal", statement(`"Effect":"Allow","Action":"sts:*"`), "has 0 of Principal, NotPrincipal"},
		{"both principals", statement(`"Effect":"Allow","NotPrincipal":"*",` + rest), "has 2 of Principal, NotPrincipal"},
		{"no action", statement(`"Effect":"Allow","Principal":"*"`), "has 0 of Action, NotAction"},
		{"principal is a text", statement(`"Effect":"Allow","Principal":"x","Action":"sts:*"`), `Principal: the text "x" is no principal`},
		{"principal is a list", statement(`"Effect":"Allow","Principal":[],"Action":"sts:*"`), "Principal: write"},
		{"type of principal", statement(`"Effect":"Allow","Principal":{"Federation":"x"},"Action":"sts:*"`), "Principal.Federation: unknown type"},
		{"Sid is a number", statement(`"Sid":1,"Effect":"Allow",` + rest), "Sid: write a text"},
		{"principal is null", statement(`"Effect":"Allow","Principal":null,"Action":"sts:*"`), "Principal: write"},
		{"principal is an object", statement(`"Effect":"Allow","Principal":{"AWS":{}},"Action":"sts:*"`), "Principal.AWS: value 1 is not a text"},
		{"reference", statement(`"Effect":"Allow","Principal":{"Federated":"${x.arn}"},"Action":"sts:*"`), "the provider's ARN is not known"},
		{"condition is a list", statement(`"Effect":"Allow",` + rest + `,"Condition":[]`), "Condition: write an object"},
		{"operator", statement(`"Effect":"Allow",` + rest + `,"Condition":{"StringEqual":{}}`), "Condition.StringEqual: unknown operator"},
		{"operator has a text", statement(`"Effect":"Allow",` + rest + `,"Condition":{"StringEquals":"x"}`), "Condition.StringEquals: write an object"},
		{"value is an object", statement(`"Effect":"Allow",` + rest + `,"Condition":{"StringEquals":{"a:b":[{}]}}`), "a:b: value 1 is not a text"},
		{"value", statement(`"Effect":"Allow",` + rest + `,"Condition":{"Bool":{"a:b":"maybe"}}`), `a:b: the value "maybe" is not true or false`},
		{"policy is a number", role(`1`), "a policy is an object"},
		{"policy is a text without JSON", role(`"x"`), "role.json:2: r: no JSON"},
		{"long policy", role(`{"Id":"` + strings.Repeat("x", maxPolicy) + `"}`), "bytes are more than"},
		{"template in a circle", `{"Resources":{"P":{"Type":"AWS::IAM::OIDCProvider","Properties":{"Url":{"Fn::Sub":"${P.Arn}"}}}}}`, "a reference is in a circle"},
		{"provider", `{"Url":1,"ClientIDList":[]}`, "write both as texts"},
	} {
		_, err := Parse("role.json", []byte(c.text), nil)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "aws: parse role.json:") {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
	}
}

func TestParse_TemplateWithUnknownValues(t *testing.T) {
	for _, c := range []struct{ reason, document string }{
		{"a function", `{"Fn::If":[]}`},
		{"a parameter", `{"Ref":"Policy"}`},
		{"a function with wrong arguments", `{"Fn::Join":["",""]}`},
	} {
		d := parse(t, `{"Resources":{"D":{"Type":"AWS::IAM::Role","Properties":{"AssumeRolePolicyDocument":`+c.document+`}}}}`)
		if len(d.Trusts) > 0 || len(d.Findings) != 1 || d.Findings[0].Rule != "U02" {
			t.Errorf("%s: trusts %v, findings %+v, want U02", c.reason, d.Trusts, d.Findings)
		}
	}
	d := parse(t, `{"Resources":{"P":{"Type":"AWS::IAM::OIDCProvider","Properties":{"Url":{"Ref":"Url"}}}}}`)
	if len(d.Providers) != 1 || d.Unknown[strings.TrimPrefix(d.Providers[0].URL, "https://")] != "Url" {
		t.Errorf("providers %+v of %v, want a placeholder", d.Providers, d.Unknown)
	}
}

func TestParse_ReturnsTheRestWithErrors(t *testing.T) {
	policy := policyOf(allow(githubPrincipal, ""))
	d, err := Parse("r.json", []byte(`{"Roles":[{"RoleName":"a","AssumeRolePolicyDocument":{}},{"RoleName":"b","AssumeRolePolicyDocument":`+policy+`}]}`), nil)
	if err == nil || len(d.Trusts) != 1 || d.Trusts[0].Name != "b" {
		t.Errorf("trusts %v, error %v: want the trust of b and an error for a", d.Trusts, err)
	}
}

func TestFromPolicy(t *testing.T) {
	at := trust.Position{File: "plan.json", Line: 7}
	policy := policyOf(allow(githubPrincipal, conditionOf("StringLike", github+":sub", "repo:acme/app:ref:refs/heads/main")))
	for _, text := range []string{policy, quote(policy), quote(url.PathEscape(policy))} {
		trusts, findings, err := FromPolicy("aws_iam_role.deploy", at, json.RawMessage(text))
		if err != nil || len(trusts) != 1 || trusts[0].Name != "aws_iam_role.deploy" || trusts[0].At != at {
			t.Errorf("trusts %+v, error %v", trusts, err)
		}
		if len(findings) != 1 || findings[0].Rule != "A02" || findings[0].Line != 7 || findings[0].File != "plan.json" {
			t.Errorf("findings %+v, want one A02 at plan.json:7", findings)
		}
	}
	for _, text := range []string{"", "{", `"{`, `{"Statement":[]}`} {
		if _, _, err := FromPolicy("x", at, json.RawMessage(text)); err == nil || !strings.HasPrefix(err.Error(), "aws: parse plan.json:7: x: ") {
			t.Errorf("FromPolicy(%q): error %v, want one at plan.json:7", text, err)
		}
	}
}

func TestComparisons(t *testing.T) {
	for _, c := range []struct{ name, policy, want, reason string }{
		{"equal", policyOf(allow(githubPrincipal, conditionOf("StringEquals", github+":sub", "a", "b"))), "sub equal a,b", ""},
		{"fold", policyOf(allow(githubPrincipal, conditionOf("StringEqualsIgnoreCase", github+":ref", "a"))), "ref equal-fold a", ""},
		{"glob", policyOf(allow(githubPrincipal, conditionOf("StringLike", github+":sub", "a*"))), "sub glob a*", ""},
		{"ARN", policyOf(allow(githubPrincipal, conditionOf("ArnLike", github+":sub", "a*"))), "sub glob a*", ""},
		{"negated", policyOf(allow(githubPrincipal, conditionOf("StringNotEquals", github+":sub", "a"))), "sub not-equal a optional", "a negated operator holds for a missing key"},
		{"negated glob", policyOf(allow(githubPrincipal, conditionOf("StringNotLike", github+":sub", "a"))), "sub not-matches a optional", ""},
		{"IfExists", policyOf(allow(githubPrincipal, conditionOf("StringEqualsIfExists", github+":sub", "a"))), "sub equal a optional", ""},
		{"ForAllValues", policyOf(allow(githubPrincipal, conditionOf("ForAllValues:StringEquals", github+":sub", "a"))), "sub equal a optional", ""},
		{"number", policyOf(allow(githubPrincipal, conditionOf("NumericEquals", github+":actor_id", "1"))), "actor_id other 1", ""},
		{"present", policyOf(allow(githubPrincipal, conditionOf("Null", github+":ref", "false"))), "ref present ", ""},
		{"absent", policyOf(allow(githubPrincipal, conditionOf("Null", github+":ref", "true"))), "ref other  optional", ""},
		{"deny, negated", policyOf(allow(githubPrincipal, ""), deny(githubPrincipal, conditionOf("StringNotLike", github+":sub", "a*"))), "sub glob a*", "a token must match to pass the Deny"},
		{"deny", policyOf(allow(githubPrincipal, ""), deny(githubPrincipal, conditionOf("StringEquals", github+":sub", "a"))), "sub not-equal a optional", "a token must differ to pass the Deny"},
		{"deny, absent", policyOf(allow(githubPrincipal, ""), deny(githubPrincipal, conditionOf("Null", github+":ref", "true"))), "ref present ", "a token must have the claim to pass the Deny"},
		{"Google", policyOf(allow(`{"Federated":"accounts.google.com"}`, conditionOf("StringEquals", google+":aud", "1"))), "azp equal 1", "Google sets azp"},
		{"Google oaud", policyOf(allow(`{"Federated":"accounts.google.com"}`, conditionOf("StringEquals", google+":oaud", "a"))), "aud equal a", ""},
		{"unmapped", policyOf(allow(githubPrincipal, conditionOf("StringEquals", github+":repository_owner", "a"))), "", "AWS has no such key"},
		{"request", policyOf(allow(githubPrincipal, conditionOf("StringEquals", "aws:SourceIp", "a"))), "", "no claim"},
		{"any issuer", policyOf(allow(`"*"`, conditionOf("StringEquals", github+":sub", "a"))), "sub equal a", ""},
	} {
		var got []string
		for _, o := range one(t, c.policy).Comparisons {
			text := strings.Join(o.Claim, ".") + " " + string(o.Operator) + " " + strings.Join(o.Values, ",")
			if o.Optional {
				text += " optional"
			}
			got = append(got, text)
		}
		if strings.Join(got, "; ") != c.want {
			t.Errorf("%s: %q, want %q: %s", c.name, got, c.want, c.reason)
		}
	}
}
