package aws

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

const adminPolicy = "arn:aws:iam::aws:policy/AdministratorAccess"

func TestPermissions_Findings(t *testing.T) {
	document := func(statements ...string) Grant {
		return Grant{Document: json.RawMessage(`{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`)}
	}
	const wide = `"Effect":"Allow","Resource":"*"`
	cases := []struct {
		reason string
		grant  Grant
		want   bool
	}{
		{"AdministratorAccess", Grant{ARN: adminPolicy}, true},
		{"another partition", Grant{ARN: "arn:aws-us-gov:iam::aws:policy/AdministratorAccess"}, true},
		{"IAMFullAccess", Grant{ARN: "arn:aws:iam::aws:policy/IAMFullAccess"}, true},
		{"PowerUserAccess", Grant{ARN: "arn:aws:iam::aws:policy/PowerUserAccess"}, true},
		{"a name that begins alike", Grant{ARN: adminPolicy + "-Amplify"}, false},
		{"a policy of the customer", Grant{ARN: "arn:aws:iam::111122223333:policy/AdministratorAccess"}, false},
		{"ReadOnlyAccess", Grant{ARN: "arn:aws:iam::aws:policy/ReadOnlyAccess"}, false},
		{"every action", document(`{"Action":"*",` + wide + `}`), true},
		{"every action on one bucket", document(`{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::data/*"}`), false},
		{"all of a service", document(`{"Action":["s3:*"],` + wide + `}`), false},
		{"all of IAM", document(`{"Action":["IAM:*"],` + wide + `}`), true},
		{"PassRole on every role", document(`{"Action":"iam:PassRole",` + wide + `}`), true},
		{"PassRole on every role of an account", document(`{"Effect":"Allow","Action":"iam:PassRole","Resource":"arn:aws:iam::111122223333:role/*"}`), true},
		{"PassRole on one role", document(`{"Effect":"Allow","Action":"iam:PassRole","Resource":"arn:aws:iam::111122223333:role/task"}`), false},
		{"PassRole on a path", document(`{"Effect":"Allow","Action":"iam:PassRole","Resource":"arn:aws:iam::111122223333:role/tasks/*"}`), false},
		{"PassRole to a service", document(`{"Action":"iam:PassRole",` + wide + `,"Condition":{"StringEquals":{"iam:PassedToService":"ecs-tasks.amazonaws.com"}}}`), true},
		{"PassRole with another condition", document(`{"Action":"iam:PassRole",` + wide + `,"Condition":{"StringEquals":{"aws:ResourceTag/team":"a"}}}`), false},
		{"AssumeRole on every role", document(`{"Action":"sts:AssumeRole",` + wide + `}`), true},
		{"all but one action", document(`{"NotAction":"organizations:*",` + wide + `}`), true},
		{"all but IAM and STS", document(`{"NotAction":["iam:*","sts:*"],` + wide + `}`), false},
		{"all resources but one", document(`{"Effect":"Allow","Action":"iam:PassRole","NotResource":"arn:aws:iam::111122223333:role/admin"}`), true},
		{"a Deny of the same", document(`{"Action":"iam:*",`+wide+`}`, `{"Effect":"Deny","Action":"iam:PassRole","Resource":"*"}`), false},
		{"a Deny alone", document(`{"Effect":"Deny","Action":"*","Resource":"*"}`), false},
		{"a single statement", Grant{Document: json.RawMessage(`{"Statement":{"Action":"*",` + wide + `}}`)}, true},
		{"no JSON", Grant{Document: json.RawMessage(`{`)}, false},
		{"no statement", Grant{Document: json.RawMessage(`{}`)}, false},
		{"a statement without actions", document(`{` + wide + `}`), false},
		{"a statement without resources", document(`{"Effect":"Allow","Action":"*"}`), false},
	}
	for _, c := range cases {
		t.Run(c.reason, func(t *testing.T) {
			c.grant.Role, c.grant.At = "deploy", trust.Position{File: "r.json", Line: 7}
			trusts := []trust.Trust{{Name: "deploy", Kind: trust.AWSRole, Issuer: "https://gitlab.com"}}
			found := Permissions{Grants: []Grant{c.grant}}.Findings(trusts)
			if got := len(found) == 1 && found[0].Rule == "W16" && found[0].Line == 7 && found[0].Trust == "deploy"; got != c.want {
				t.Errorf("findings %+v, want one: %v", found, c.want)
			}
			bounded := Permissions{Grants: []Grant{c.grant}, Bounded: map[string]bool{"deploy": true}}
			if found := append(bounded.Findings(trusts), (Permissions{Grants: []Grant{c.grant}}).Findings(nil)...); len(found) > 0 {
				t.Errorf("findings of a role with a boundary or without a trust: %+v", found)
			}
		})
	}
}

func TestParse_FindsPrivileges(t *testing.T) {
	policy := policyOf(allow(githubPrincipal, conditionOf("StringEquals", github+":sub", "repo:acme/app:ref:refs/heads/main")))
	const all = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	role := func(members string) string {
		return `{"RoleDetailList":[{"RoleName":"deploy","AssumeRolePolicyDocument":` + policy + ",\n" + members + `}],
"Policies":[{"Arn":"arn:aws:iam::111122223333:policy/p","PolicyVersionList":[{"IsDefaultVersion":false,"Document":{}},{"IsDefaultVersion":true,"Document":` + all + `}]}]}`
	}
	template := func(members string) string {
		return `{"Resources":{"Deploy":{"Type":"AWS::IAM::Role","Properties":{"AssumeRolePolicyDocument":` + policy + members
	}
	for _, c := range []struct{ reason, text, want string }{
		{"an attached policy of AWS", role(`"AttachedManagedPolicies":[{"PolicyArn":"` + adminPolicy + `"}]`), "deploy:2"},
		{"an attached policy of the account", role(`"AttachedManagedPolicies":[{"PolicyArn":"arn:aws:iam::111122223333:policy/p"}]`), "deploy:3"},
		{"an inline policy", role(`"RolePolicyList":[{"PolicyName":"x","PolicyDocument":` + all + `}]`), "deploy:2"},
		{"an inline policy that is encoded", role(`"RolePolicyList":[{"PolicyDocument":"%7B%22Statement%22%3A%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22*%22%2C%22Resource%22%3A%22*%22%7D%7D"}]`), "deploy:2"},
		{"a boundary", role(`"PermissionsBoundary":{"PermissionsBoundaryArn":"arn:aws:iam::111122223333:policy/b"},"AttachedManagedPolicies":[{"PolicyArn":"` + adminPolicy + `"}]`), ""},
		{"a boundary that limits nothing", role(`"PermissionsBoundary":{"PermissionsBoundaryArn":"` + adminPolicy + `"},"AttachedManagedPolicies":[{"PolicyArn":"` + adminPolicy + `"}]`), "deploy:2"},
		{"a template with a policy of AWS", template(",\n" + `"ManagedPolicyArns":[{"Fn::Sub":"arn:${AWS::Partition}:iam::aws:policy/AdministratorAccess"}]}}}}`), "Deploy:2"},
		{"a template with an inline policy", template(",\n" + `"Policies":[{"PolicyName":"x","PolicyDocument":` + all + `}]}}}}`), "Deploy:2"},
		{"a template with a boundary", template(`,"PermissionsBoundary":{"Ref":"B"},"ManagedPolicyArns":["` + adminPolicy + `"]}}}}`), ""},
		{"a template with a policy resource", template("}},\n" + `"P":{"Type":"AWS::IAM::Policy","Properties":{"Roles":[{"Ref":"Deploy"}],"PolicyDocument":` + all + `}}}}`), "Deploy:2"},
		{"a template with a policy of another role", template(`}},"P":{"Type":"AWS::IAM::Policy","Properties":{"Roles":["other"],"PolicyDocument":` + all + `}}}}`), ""},
		{"a template with a role policy", template("}},\n" + `"P":{"Type":"AWS::IAM::RolePolicy","Properties":{"RoleName":{"Ref":"Deploy"},"PolicyDocument":` + all + `}}}}`), "Deploy:2"},
	} {
		t.Run(c.reason, func(t *testing.T) {
			var got []string
			for _, f := range parse(t, c.text).Findings {
				if f.Rule == "W16" {
					got = append(got, fmt.Sprintf("%s:%d", f.Trust, f.Line))
				}
			}
			if diff := cmp.Diff(c.want, strings.Join(got, " ")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
