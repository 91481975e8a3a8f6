package lint

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const openRole = `resource "aws_iam_role" "r" {
  assume_role_policy = jsonencode({ Statement = [{
    Effect = "Allow", Action = "sts:AssumeRoleWithWebIdentity"
    Principal = { Federated = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com" }
    Condition = { StringLike = { "token.actions.githubusercontent.com:sub" = "repo:acme/*" },
      StringEquals = { "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com" } } }] })
}
`

func TestLint_AppliesWaivers(t *testing.T) {
	t.Parallel()
	finding := "W04 high main.tf:3 *"
	above := func(comment string) string { return comment + "\n" + openRole }
	tests := []struct {
		reason, text, document string
		want                   []string
		waived                 int
	}{
		{"none", above("# nothing"), "", []string{finding}, 0},
		{"a comment above the block", above("# rollcall:ignore W04 until 2027-03-01 branches are protected"), "", nil, 1},
		{"a comment with slashes and several rules", above("// rollcall:ignore W05, W04 until 2027-03-01 branches are protected"), "", nil, 1},
		{
			"a comment on the line", "\n" + strings.Replace(openRole, "[{\n", "[{ # rollcall:ignore W04 until 2027-03-01 protected\n", 1), "",
			nil, 1,
		},
		{
			"a comment above the line, above another comment",
			strings.Replace(openRole, "  assume", "  # rollcall:ignore W04 until 2027-03-01 protected\n  # more\n  assume", 1), "", nil, 1,
		},
		{"another rule", above("# rollcall:ignore W06 until 2027-03-01 x"), "", []string{finding, "X02 low main.tf:1"}, 0},
		{"a comment elsewhere", "\n" + openRole + "# rollcall:ignore W04 until 2027-03-01 x\n", "", []string{finding, "X02 low main.tf:9"}, 0},
		{"an expired one", above("# rollcall:ignore W04 until 2026-11-29 x"), "", []string{finding, "X01 medium main.tf:1"}, 0},
		{"the last day", above("# rollcall:ignore W04 until 2026-11-30 x"), "", nil, 1},
		{"no reason", above("# rollcall:ignore W04 until 2027-03-01"), "", []string{finding, "X01 medium main.tf:1"}, 0},
		{"no end date", above("# rollcall:ignore W04 because"), "", []string{finding, "X01 medium main.tf:1"}, 0},
		{"no rule", above("# rollcall:ignore until 2027-03-01 x"), "", []string{finding, "X01 medium main.tf:1"}, 0},
		{"a document by trust", above(""), "{trust: aws_iam_role.*, rule: W04, reason: x, until: 2027-03-01}", nil, 1},
		{"a document by file", above(""), "{file: main.tf, rule: W04, reason: x, until: 2027-03-01}", nil, 1},
		{"a document without reason", above(""), "{file: main.tf, rule: W04, until: 2027-03-01}", []string{finding, "X01 medium waiver.yaml:1"}, 0},
		{"a document for another trust", above(""), "{trust: other, rule: W04, reason: x, until: 2027-03-01}", []string{finding, "X02 low waiver.yaml:1"}, 0},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			files := []File{{Name: "main.tf", Text: []byte(test.text)}}
			if test.document != "" {
				files = append(files, File{Name: "waiver.yaml", Text: []byte("kind: TrustWaiver\nspec: " + test.document + "\n")})
			}
			report := lintAll(t, files, Options{})
			if diff := cmp.Diff(test.want, summaries(report.Findings)); diff != "" || len(report.Waived) != test.waived || len(report.Problems) > 0 {
				t.Errorf("%d waived, problems %v (-want +got):\n%s", len(report.Waived), report.Problems, diff)
			}
		})
	}
}

func TestLint_KeepsWaiversOfFilteredRules(t *testing.T) {
	t.Parallel()
	files := []File{{Name: "main.tf", Text: []byte("# rollcall:ignore W04 until 2027-03-01 x\n" + openRole)}}
	if got := lintAll(t, files, Options{Rules: []string{"X02"}}).Findings; len(got) > 0 {
		t.Errorf("a used waiver is reported: %+v", got)
	}
}

func TestGlob(t *testing.T) {
	t.Parallel()
	for pattern, texts := range map[string][2][]string{
		"a":     {{"a"}, {"", "ab", "ba"}},
		"a*":    {{"a", "ab/c"}, {"ba"}},
		"*a":    {{"a", "b/a"}, {"ab"}},
		"a*b*c": {{"abc", "axbxc", "abbc"}, {"acb", "ab"}},
		"*":     {{"", "x"}, nil},
		"a*a":   {{"aa"}, {"a"}},
	} {
		for i, want := range []bool{true, false} {
			if at := slices.IndexFunc(texts[i], func(text string) bool { return glob(pattern, text) != want }); at >= 0 {
				t.Errorf("glob(%q, %q) = %v, want %v", pattern, texts[i][at], !want, want)
			}
		}
	}
}
