package aws

import (
	"encoding/json"
	"testing"

	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// text draws short texts of few characters, so that they often match.
func text() *rapid.Generator[string] {
	return rapid.StringOfN(rapid.RuneFrom([]rune("abA*?:")), 0, 4, -1)
}

// drawCondition draws operators with keys of GitHub or of the request.
func drawCondition(t *rapid.T) map[string]map[string][]string {
	names := rapid.SampledFrom([]string{
		"StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIgnoreCase", "StringLikeIfExists",
		"ForAllValues:StringEquals", "ForAnyValue:StringNotLike", "ForAnyValue:StringEqualsIfExists", "ArnLike", "ArnNotEquals",
	})
	keys := rapid.SampledFrom([]string{github + ":sub", github + ":ref", github + ":amr", github + ":actor", "gitlab.com:sub", "aws:SourceIp"})
	values := rapid.SliceOfN(text(), 1, 3)
	return rapid.MapOfN(names, rapid.MapOfN(keys, values, 1, 2), 0, 3).Draw(t, "condition")
}

func drawStatement(t *rapid.T, effect string) map[string]any {
	return map[string]any{
		"Effect": effect, "Action": "sts:AssumeRoleWithWebIdentity", "Condition": drawCondition(t),
		"Principal": rapid.SampledFrom([]any{"*", json.RawMessage(githubPrincipal)}).Draw(t, "principal"),
	}
}

func drawToken(t *rapid.T) trust.Token {
	token := trust.Token{"iss": "https://" + github, "aud": "a", "sub": "s" + text().Draw(t, "sub")}
	for _, claim := range []string{"ref", "actor"} {
		if rapid.Bool().Draw(t, "has "+claim) {
			token[claim] = text().Draw(t, claim)
		}
	}
	if rapid.Bool().Draw(t, "has amr") {
		list := []any{}
		for _, v := range rapid.SliceOfN(text(), 0, 3).Draw(t, "amr") {
			list = append(list, v)
		}
		token["amr"] = list
	}
	return token
}

// accepts returns how GitHub's token fares with a policy of some statements.
func accepts(t *rapid.T, token trust.Token, statements ...map[string]any) trust.Decision {
	raw, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": statements})
	if err != nil {
		t.Fatal(err)
	}
	n, err := readJSON(raw)
	if err != nil {
		t.Fatal(err)
	}
	p, err := readPolicy(n, raw)
	if err != nil {
		t.Fatal(err)
	}
	return newDecider(p, github).decide(token)
}

// TestOperators_Negation checks that an operator and its negation differ for a key with
// one value.
func TestOperators_Negation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pair := rapid.SampledFrom([][2]string{
			{"StringEquals", "StringNotEquals"}, {"StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase"},
			{"StringLike", "StringNotLike"}, {"ArnLike", "ArnNotLike"}, {"ArnEquals", "ArnNotEquals"},
			{"StringEqualsIfExists", "StringNotEqualsIfExists"}, {"ForAllValues:StringLike", "ForAnyValue:StringNotLike"},
		}).Draw(t, "operators")
		values := rapid.SliceOfN(text(), 1, 3).Draw(t, "values")
		token := drawToken(t)
		token["actor"] = "x" + text().Draw(t, "value")
		statement := func(operator string) map[string]any {
			return map[string]any{
				"Effect": "Allow", "Action": "sts:*", "Principal": json.RawMessage(githubPrincipal),
				"Condition": map[string]any{operator: map[string]any{github + ":actor": values}},
			}
		}
		if accepts(t, token, statement(pair[0])) == accepts(t, token, statement(pair[1])) {
			t.Fatalf("%s and %s of %q agree on %q", pair[0], pair[1], values, token["actor"])
		}
	})
}

func TestAccepts_DenyNeverAdds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		token := drawToken(t)
		first, second := drawStatement(t, "Allow"), drawStatement(t, "Allow")
		before := accepts(t, token, first, second)
		after := accepts(t, token, drawStatement(t, "Deny"), first, second)
		if after.Accepted && !before.Accepted || after == (trust.Decision{Accepted: true}) && before.Undecided != "" {
			t.Fatalf("before the Deny %+v, after it %+v", before, after)
		}
	})
}

func TestAccepts_ConditionNeverAdds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		token := drawToken(t)
		statement := drawStatement(t, "Allow")
		before := accepts(t, token, statement)
		added := map[string]any{}
		for name, keys := range statement["Condition"].(map[string]map[string][]string) {
			added[name] = keys
		}
		added["StringLikeIfExists"] = map[string][]string{github + ":ref": {text().Draw(t, "pattern")}}
		added["Null"] = map[string]string{github + ":amr": "false"}
		if _, replaced := statement["Condition"].(map[string]map[string][]string)["StringLikeIfExists"]; replaced {
			t.Skip("the condition has the operator")
		}
		statement["Condition"] = added
		if after := accepts(t, token, statement); after.Accepted && !before.Accepted {
			t.Fatalf("before the condition %+v, after it %+v", before, after)
		}
	})
}

func TestAccepts_AllowNeverRemoves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		token := drawToken(t)
		first, second := drawStatement(t, "Allow"), drawStatement(t, "Deny")
		before := accepts(t, token, first, second)
		if after := accepts(t, token, first, second, drawStatement(t, "Allow")); before.Accepted && !after.Accepted {
			t.Fatalf("before the Allow %+v, after it %+v", before, after)
		}
	})
}

// TestGlob_MatchesLikeItsDefinition compares with the recursive definition of a pattern.
func TestGlob_MatchesLikeItsDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringOfN(rapid.RuneFrom([]rune("aé*?")), 0, 6, -1).Draw(t, "pattern")
		value := rapid.StringOfN(rapid.RuneFrom([]rune("aéb")), 0, 6, -1).Draw(t, "value")
		if got, want := newGlob(splitParts(pattern)).match(value), matches([]rune(pattern), []rune(value)); got != want {
			t.Fatalf("%q of %q: %v, want %v", pattern, value, got, want)
		}
	})
}

func matches(pattern, value []rune) bool {
	if len(pattern) == 0 {
		return len(value) == 0
	}
	switch pattern[0] {
	case '*':
		return matches(pattern[1:], value) || len(value) > 0 && matches(pattern, value[1:])
	case '?':
		return len(value) > 0 && matches(pattern[1:], value[1:])
	default:
		return len(value) > 0 && pattern[0] == value[0] && matches(pattern[1:], value[1:])
	}
}
