package terraform

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// roleJSON is roleWith in the JSON syntax, with a JSON value as the subject.
func roleJSON(subject string) string {
	return `{"//": "a comment",
 "data": {"aws_iam_policy_document": {"d": {
  "statement": {
   "actions": ["sts:AssumeRoleWithWebIdentity"],
   "principals": {"type": "Federated", "identifiers": ["arn:aws:iam::111122223333:oidc-provider/gitlab.com"]},
   "condition": [{"test": "StringEquals", "variable": "gitlab.com:sub", "values": ` + subject + `}]
  }}}},
 "resource": {"aws_iam_role": {"r": [
  {"assume_role_policy": "${data.aws_iam_policy_document.d.json}"}
 ]}}
REST}`
}

func TestRead_ReadsJSON(t *testing.T) {
	t.Parallel()
	const role = "9 aws_iam_role.r https://gitlab.com sub equal "
	tests := []struct {
		reason, subject, rest string
		want                  []string
	}{
		{"a literal", `"x"`, ``, []string{role + "[x]"}},
		{"a list", `["x", "y"]`, ``, []string{role + "[x y]"}},
		{"a template", `"project_path:${var.group}/app"`, `, "variable": {"group": {"default": "acme"}}`, []string{role + "[project_path:acme/app]"}},
		{"a variable without default", `"${var.group}/app"`, `, "variable": {"group": {}}`, []string{role + "[${var.group}/app]"}},
		{"a default is no template", `"${var.group}"`, `, "variable": {"group": {"default": "${x}"}}`, []string{role + "[${x}]"}},
		{"a local", `"${local.a[1]}"`, `, "locals": {"a": ["x", "${local.b}"], "b": "y"}`, []string{role + "[y]"}},
		{"a function", `"${format(\"%s:%d\", \"a\", 1)}"`, ``, []string{role + "[a:1]"}},
		{"an escape", `"$${x}"`, ``, []string{role + "[${x}]"}},
		{"a for expression", `"${[for r in [\"a\", \"b\"] : \"repo:${r}\"]}"`, ``, []string{role + "[repo:a repo:b]"}},
		{
			"a provider, a backend and a key", `"x"`,
			`, "provider": {"aws": [{"secret_key": "s3cret"}]}, "terraform": {"backend": {"s3": {"secret_key": "s3cret"}}}`,
			[]string{role + "[x]", "11 provider aws P01", "11 backend s3 P01"},
		},
		{
			"a list of blocks", `"x"`, `, "locals": [{"a": 1}, {"b": true}], "output": {"o": {"value": null}}`, []string{role + "[x]"},
		},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(roleJSON(test.subject), "REST", test.rest, 1)
			r, err := Read([]File{{Name: "main.tf.json", Text: []byte(text)}})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, describeAll(r)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestRead_ReadsDynamicBlocksOfJSON(t *testing.T) {
	t.Parallel()
	text := `{"data": {"aws_iam_policy_document": {"d": {"statement": [{
  "actions": ["sts:AssumeRoleWithWebIdentity"],
  "principals": [{"type": "Federated", "identifiers": ["arn:aws:iam::111122223333:oidc-provider/gitlab.com"]}],
  "dynamic": {"condition": {"for_each": ["a", "b"], "iterator": "c", "content": {
    "test": "StringLike", "variable": "gitlab.com:sub", "values": ["project_path:${c.value}/*"]}}}
}]}}}}`
	r, err := Read([]File{{Name: "main.tf.json", Text: []byte(text)}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"1 data.aws_iam_policy_document.d https://gitlab.com sub glob [project_path:a/* project_path:b/*]"}
	if diff := cmp.Diff(want, describeAll(r)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRead_JoinsJSONWithHCL(t *testing.T) {
	t.Parallel()
	r, err := Read([]File{
		{Name: "main.tf", Text: []byte(roleWith(`"repo:${local.org}/${var.name}"`))},
		{Name: "locals.tf.json", Text: []byte(`{"locals": {"org": "acme"}}`)},
		{Name: "x.auto.tfvars.json", Text: []byte(`{"name": "app"}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Trusts[0].Comparisons[0].Values[0]; got != "repo:acme/app" {
		t.Errorf("subject = %q, want repo:acme/app", got)
	}
}

func TestRead_NamesPlaceOfErrorsInJSON(t *testing.T) {
	t.Parallel()
	tests := []struct{ reason, text, want string }{
		{"no JSON", "{\n\"locals\": s3cret}", "main.tf.json:2"},
		{"a template that does not end", "{\"locals\":\n{\"a\": \"${s3cret\"}}", "main.tf.json:2"},
		{"deep nesting of a template", "{\"locals\":\n{\"a\": \"${" + strings.Repeat("[", 500) + strings.Repeat("]", 500) + "}\"}}", "main.tf.json:2,"},
		{"deep nesting of objects", strings.Repeat(`{"a":`, 300) + "1" + strings.Repeat("}", 300), "main.tf.json:1"},
		{"two values", "{}{}", "main.tf.json"},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			_, err := Read([]File{{Name: "main.tf.json", Text: []byte(test.text)}})
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("err = %v, want %q and no content", err, test.want)
			}
		})
	}
}

func TestIsJSON(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`{"resource": {"aws_iam_role": {"r": {}}}}`:                    true,
		`{"data": [{"aws_iam_policy_document": {"d": {}}}]}`:           true,
		`{"kind": "ConfigMap", "data": {"a_b": {}}}`:                   false,
		`{"apiVersion": "v1", "kind": "Secret", "data": {"a_b": "x"}}`: false,
		`{"resource": "//iam.googleapis.com/x", "policy": {}}`:         false,
		`{"format_version": "1.2", "resource": {"aws_iam_role": {}}}`:  false,
		`{"Resources": {"R": {"Type": "AWS::IAM::Role"}}}`:             false,
		`{"resource": `: false,
	} {
		if got := IsJSON([]byte(text)); got != want {
			t.Errorf("IsJSON(%s) = %v, want %v", text, got, want)
		}
	}
}

func FuzzReadJSON(f *testing.F) {
	f.Add([]byte(strings.Replace(roleJSON(`"${[for r in var.x : r]}"`), "REST", "", 1)))
	f.Add([]byte(`{"resource": {"google_iam_workload_identity_pool_provider": {"x": {"attribute_mapping": {"${a}": 1}, "oidc": [{"issuer_uri": null}]}}}}`))
	f.Add([]byte(`{"terraform": [{"backend": {"s3": {}}}], "provider": [{"aws": {}}], "variable": {"x": [{"default": [1e999, -0]}]}, "locals": 1}`))
	f.Add([]byte(`{"data": {"aws_iam_policy_document": {"d": {"dynamic": {"statement": {"for_each": {}, "content": [{"dynamic": {}}]}}}}}}`))
	f.Fuzz(func(_ *testing.T, text []byte) {
		IsJSON(text)
		if r, err := Read([]File{{Name: "main.tf.json", Text: text}}); err == nil {
			for _, t := range r.Trusts {
				t.Accepts(trust.Token{"iss": t.Issuer, "sub": "x", "aud": "y"})
			}
			r.Google.Trusts()
		}
	})
}
