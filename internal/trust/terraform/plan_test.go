package terraform

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const planText = `{
  "format_version": "1.2",
  "terraform_version": "1.9.0",
  "planned_values": {"root_module": {
    "resources": [
      {"address": "aws_iam_role.r", "mode": "managed", "type": "aws_iam_role", "name": "r",
       "values": {"name": "r",
         "assume_role_policy": "{\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"sts:AssumeRoleWithWebIdentity\",\"Principal\":{\"Federated\":\"arn:aws:iam::111122223333:oidc-provider/gitlab.com\"},\"Condition\":{\"StringLike\":{\"gitlab.com:sub\":\"project_path:acme/*\"}}}]}"}},
      {"address": "aws_iam_role.late", "mode": "managed", "type": "aws_iam_role", "name": "late", "values": {"name": "late"}}
    ],
    "child_modules": [{"address": "module.gcp", "resources": [
      {"address": "module.gcp.google_iam_workload_identity_pool_provider.x", "mode": "managed",
       "type": "google_iam_workload_identity_pool_provider", "name": "x",
       "values": {"workload_identity_pool_id": "pool", "workload_identity_pool_provider_id": "gh", "project": "p", "attribute_condition": null,
         "attribute_mapping": {"google.subject": "assertion.sub"}, "aws": [], "saml": [],
         "oidc": [{"allowed_audiences": null}]}}
    ]}]
  }},
  "resource_changes": [
    {"address": "aws_iam_role.late", "change": {"after_unknown": {"arn": true, "assume_role_policy": true}}},
    {"address": "module.gcp.google_iam_workload_identity_pool_provider.x", "change": {"after_unknown": {"oidc": [{"issuer_uri": true}]}}}
  ]
}`

func TestReadPlan_ReadsModules(t *testing.T) {
	t.Parallel()
	r, err := ReadPlan("plan.json", []byte(planText))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"8 aws_iam_role.r https://gitlab.com sub glob [project_path:acme/*]",
		`12 projects/p/locations/global/workloadIdentityPools/pool/providers/gh map[google.subject:assertion.sub] if "": ${module.gcp.google_iam_workload_identity_pool_provider.x.oidc.issuer_uri}`,
		"9 aws_iam_role.late U02",
	}
	if diff := cmp.Diff(want, describeAll(r)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestReadPlan_RefusesOtherJSON(t *testing.T) {
	t.Parallel()
	if _, err := ReadPlan("x.json", []byte(`{"format_version": "1"}`)); !errors.Is(err, ErrNoPlan) {
		t.Errorf("err = %v, want ErrNoPlan", err)
	}
}

func FuzzReadPlan(f *testing.F) {
	f.Add([]byte(planText))
	f.Add([]byte(`{"format_version":"1","values":{"root_module":{"resources":[{"type":"aws_iam_role","name":"r","values":{"assume_role_policy":"{}"}}]}}}`))
	f.Add([]byte(`{"format_version":"1","values":{"root_module":{"resources":[{"type":"google_x_iam_member","values":{"member":1,"role":{}}}]}}}`))
	f.Fuzz(func(_ *testing.T, text []byte) {
		if r, err := ReadPlan("plan.json", text); err == nil {
			r.Google.Trusts()
		}
	})
}
