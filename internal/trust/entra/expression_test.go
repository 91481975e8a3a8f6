package entra

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

func TestParseExpression_NamesCharacter(t *testing.T) {
	t.Parallel()
	tests := []struct{ reason, text, want string }{
		{"nothing", "", "character 1: a comparison begins"},
		{"a claim without brackets", "sub eq 'x'", "character 1: a comparison begins"},
		{"double quotes", `claims["sub"] eq 'x'`, "character 8: the name of a claim is in single quotes"},
		{"an empty claim", "claims[''] eq 'x'", "character 10: the name of the claim is empty"},
		{"no closing bracket", "claims['sub' eq 'x'", "character 13: the name of a claim ends"},
		{"an operator of another language", "claims['sub'] == 'x'", `character 15: "== 'x'" is no operator`},
		{"an operator in capitals", "claims['sub'] EQ 'x'", `character 15: "EQ" is no operator`},
		{"a value without quotes", "claims['sub'] eq x", "character 18: what the claim is compared with is in single quotes"},
		{"a value without end", "claims['sub'] eq 'x", "character 19: what the claim is compared with has no closing quote"},
		{"or", "claims['sub'] eq 'x' or claims['sub'] eq 'y'", `character 22: "or" joins no comparisons`},
		{"nothing after and", "claims['sub'] eq 'x' and ", "character 26: a comparison begins"},
		{"characters are counted, not bytes", "claims['ü'] eq 'ü' or", `character 20: "or" joins`},
		{"too long", "claims['sub'] eq '" + strings.Repeat("x", maxExpression) + "'", "write at most"},
		{"too many comparisons", strings.Repeat("claims['a'] eq 'x' and ", maxComparisons) + "claims['a'] eq 'x'", "more than 64"},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			if _, err := parseExpression(test.text); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("err = %v, want %s", err, test.want)
			}
		})
	}
}

func TestParseExpression_Reads(t *testing.T) {
	t.Parallel()
	tests := []struct {
		reason, text, sub string
		want              bool
	}{
		{"eq", "claims['sub'] eq 'x'", "x", true},
		{"eq knows no pattern", "claims['sub'] eq 'x*'", "xy", false},
		{"* is any characters", "claims['sub'] matches 'a*c'", "abbc", true},
		{"* is no character, too", "claims['sub'] matches 'a*c'", "ac", true},
		{"? is one character", "claims['sub'] matches 'a?c'", "abc", true},
		{"? is not none", "claims['sub'] matches 'a?c'", "ac", false},
		{"? is a whole character", "claims['sub'] matches 'a?c'", "aüc", true},
		{"a pattern covers the whole text", "claims['sub'] matches 'b'", "abc", false},
		{"a doubled quote is a quote", "claims['sub'] eq 'it''s'", "it's", true},
		{"white space around", "  claims['sub']  eq\t'x'\n", "x", true},
		{"a dot is a dot", "claims['sub'] matches 'a.c*'", "abc", false},
		{"case decides", "claims['sub'] matches 'A*'", "ab", false},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			e, err := parseExpression(test.text)
			if err != nil {
				t.Fatal(err)
			}
			if got := e.accepts(trust.Token{"sub": test.sub}); got != test.want {
				t.Errorf("accepts = %v, want %v", got, test.want)
			}
		})
	}
}

// texts draws from a small alphabet, so that values and patterns meet.
func texts(alphabet string) *rapid.Generator[string] {
	return rapid.StringOfN(rapid.RuneFrom([]rune(alphabet)), 0, 6, -1)
}

func comparisons() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		return fmt.Sprintf("claims['%s'] %s '%s'", rapid.SampledFrom([]string{"sub", "ref"}).Draw(t, "claim"),
			rapid.SampledFrom([]string{"eq", "matches"}).Draw(t, "operator"),
			strings.ReplaceAll(texts("ab*?'ü").Draw(t, "value"), "'", "''"))
	})
}

func TestExpression_AndNeverAcceptsMore(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		terms := rapid.SliceOfN(comparisons(), 1, 3).Draw(t, "terms")
		shorter, err := parseExpression(strings.Join(terms, " and "))
		if err != nil {
			t.Fatal(err)
		}
		longer, err := parseExpression(strings.Join(append(terms, comparisons().Draw(t, "more")), " and "))
		if err != nil {
			t.Fatal(err)
		}
		token := trust.Token{"sub": texts("ab'ü").Draw(t, "sub"), "ref": texts("ab'ü").Draw(t, "ref")}
		if longer.accepts(token) && !shorter.accepts(token) {
			t.Fatalf("%v accepts %v, %v does not", longer, token, shorter)
		}
	})
}

func TestMatches_AgreesWithRegexp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		pattern, text := texts("ab*?.ü").Draw(t, "pattern"), texts("ab.ü*").Draw(t, "text")
		same := regexp.MustCompile("(?s)^" + strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(pattern)) + "$")
		if got, want := matches(pattern, text), same.MatchString(text); got != want {
			t.Fatalf("matches(%q, %q) = %v, want %v", pattern, text, got, want)
		}
	})
}

func TestMatches_EndsInBoundedTime(t *testing.T) {
	t.Parallel()
	matches(strings.Repeat("*a", 1000)+"b", strings.Repeat("a", 20_000))
}

func FuzzParseExpression(f *testing.F) {
	f.Add("claims['sub'] eq 'x' and claims['ref'] matches 'a*'", "x")
	f.Add("claims['sub'] eq 'it''s'", "it's")
	f.Add("claims['\xff'] matches '\xff?'", "\xff\xfe")
	f.Fuzz(func(t *testing.T, text, sub string) {
		e, err := parseExpression(text)
		if err != nil {
			return
		}
		if len(e) == 0 {
			t.Fatal("an expression without comparisons")
		}
		e.accepts(trust.Token{"sub": sub})
	})
}
