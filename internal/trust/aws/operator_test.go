package aws

import (
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// listKey is a key that may be missing and may have several values.
const listKey = "idp.example.com:amr"

// outcome evaluates one condition for a request whose key has some values; nil values
// mean that the key is missing.
func outcome(t *testing.T, name string, policyValues []string, requestValues []any) string {
	t.Helper()
	o, err := parseOperator(name)
	if err != nil {
		t.Fatalf("parseOperator(%q): %v", name, err)
	}
	if err := o.validate(policyValues); err != nil {
		t.Fatalf("validate %s %q: %v", name, policyValues, err)
	}
	c := newCondition(test{operator: o, key: listKey, values: policyValues}, "idp.example.com", true)
	token := trust.Token{"iss": "https://idp.example.com", "sub": "s", "aud": "a"}
	if requestValues != nil {
		token["amr"] = requestValues
	}
	r, ok := newRequest(token)
	if !ok {
		t.Fatal("the token is no request")
	}
	v := c.evaluate(&r)
	if v.verdict == unknown && v.reason == "" {
		t.Errorf("%s: unknown without a reason", name)
	}
	return [...]string{isFalse: "F", unknown: "?", isTrue: "T"}[v.verdict]
}

// outcomes evaluates one condition for several requests.
func outcomes(t *testing.T, name string, policyValues []string, requests [][]any) string {
	t.Helper()
	var b strings.Builder
	for _, values := range requests {
		b.WriteString(outcome(t, name, policyValues, values))
	}
	return b.String()
}

// requestValues are the values of a request in the order of the columns of the truth tables.
func requestValues(match, match2, other, other2 any) [][]any {
	return [][]any{nil, {match}, {other}, {match, match2}, {match, other}, {other, other2}, {}}
}

// The columns: the key is missing; has one value that matches, or does not; has several
// that all match, of which some match, of which none matches; has a list of none.
//
// operators: docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators
// sets: .../reference_policies_condition-single-vs-multi-valued-context-keys
func truth() []struct{ prefix, suffix, plain, inverse, reason string } {
	return []struct{ prefix, suffix, plain, inverse, reason string }{
		{
			"", "", "FTFT?FF", "TFTF?TT",
			`operators: "If the key that you specify in a policy condition is not present in the request context, the values do not match"; for a negated operator "the condition is true"`,
		},
		{
			"", "IfExists", "TTFT?FT", "TFTF?TT",
			`operators: "If the key is not present, evaluate the condition element as true"`,
		},
		{
			"ForAllValues:", "", "TTFTFFT", "TFTFFTT",
			`sets: "true if every context key value in the request matches a context key value in the policy. It also returns true if there are no context keys in the request"`,
		},
		{
			"ForAllValues:", "IfExists", "TTFTFFT", "TFTFFTT",
			"sets: ForAllValues is true for a missing key, so IfExists changes nothing",
		},
		{
			"ForAnyValue:", "", "FTFTTFF", "FFTFTTF",
			`sets: "true if any one of the context key values in the request matches"; "if the key does not exist, the condition returns false"`,
		},
		{
			"ForAnyValue:", "IfExists", "?TFTTF?", "?FTFTT?",
			"operators says true for a missing key, sets says false: it stays open",
		},
	}
}

func TestOperators_TruthTable(t *testing.T) {
	families := []struct {
		plain, inverse string
		values         []string
		request        [][]any
	}{
		{"StringEquals", "StringNotEquals", []string{"a", "b"}, requestValues("a", "b", "A", "x")},
		{"StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", []string{"a", "b"}, requestValues("A", "b", "x", "y")},
		{"StringLike", "StringNotLike", []string{"a*", "?b"}, requestValues("abc", "xb", "b", "A")},
		{"NumericEquals", "NumericNotEquals", []string{"1", "2.5"}, requestValues(float64(1), "2.50", "3", "x")},
		{"NumericLessThan", "", []string{"10"}, requestValues("9", "-1", "10", "11")},
		{"NumericLessThanEquals", "", []string{"10"}, requestValues("10", "9", "10.1", "11")},
		{"NumericGreaterThan", "", []string{"10"}, requestValues("11", "10.5", "10", "9")},
		{"NumericGreaterThanEquals", "", []string{"10"}, requestValues("10", "11", "9", "x")},
		{"DateEquals", "DateNotEquals", []string{"2026-01-31T00:00:00Z"}, requestValues("2026-01-31", "1769817600", "2026-02-01", "x")},
		{"DateLessThan", "", []string{"2026-01-31"}, requestValues("2026-01-30", "2025", "2026-01-31", "2026-02-01")},
		{"DateLessThanEquals", "", []string{"2026-01-31"}, requestValues("2026-01-31", "2025", "2026-02-01", "2027")},
		{"DateGreaterThan", "", []string{"2026-01-31"}, requestValues("2026-02-01", "2027", "2026-01-31", "2025")},
		{"DateGreaterThanEquals", "", []string{"2026-01-31"}, requestValues("2026-01-31", "2027", "2026-01-30", "2025")},
		{"Bool", "", []string{"true"}, requestValues("true", true, "false", false)},
		{"BinaryEquals", "", []string{"QmluYXJ5"}, requestValues("QmluYXJ5", "QmluYXJ5", "eA==", "x")},
		{"IpAddress", "NotIpAddress", []string{"203.0.113.0/24", "2001:db8::1"}, requestValues("203.0.113.9", "2001:db8::1", "198.51.100.1", "x")},
		{
			"ArnEquals", "ArnNotEquals",
			[]string{"arn:aws:iam::111122223333:role/ci-*", "arn:*:sts:*:444455556666:assumed-role/?/x"},
			requestValues("arn:aws:iam::111122223333:role/ci-a:b", "arn:aws:sts::444455556666:assumed-role/r/x", "arn:aws:iam::1:role/ci-a", "role"),
		},
		{
			"ArnLike", "ArnNotLike",
			[]string{"arn:aws:iam::111122223333:role/ci-*"},
			requestValues("arn:aws:iam::111122223333:role/ci-a", "arn:aws:iam::111122223333:role/ci-", "arn:aws:iam:x:111122223333:role/ci-a", "x"),
		},
	}
	for _, f := range families {
		for _, row := range truth() {
			for _, c := range []struct{ name, want string }{{f.plain, row.plain}, {f.inverse, row.inverse}} {
				if c.name == "" {
					continue
				}
				name := row.prefix + c.name + row.suffix
				if got := outcomes(t, name, f.values, f.request); got != c.want {
					t.Errorf("%s: %s, want %s: %s", name, got, c.want, row.reason)
				}
			}
		}
	}
}

func TestOperators_Null(t *testing.T) {
	for _, c := range []struct{ value, want, reason string }{
		{"true", "TFFFFFT", `operators: "true to check that the key doesn't exist"`},
		{"false", "FTTTTTF", `operators: "false to check that the key exists and its value is not null"`},
		{"False", "FTTTTTF", "values of Null are booleans, whatever their case"},
	} {
		if got := outcomes(t, "Null", []string{c.value}, requestValues("a", "b", "x", "y")); got != c.want {
			t.Errorf("Null %s: %s, want %s: %s", c.value, got, c.want, c.reason)
		}
	}
}

func TestOperators_Values(t *testing.T) {
	for _, c := range []struct{ operator, policy, request, want, reason string }{
		{"StringEquals", "repo:acme/*", "repo:acme/app", "F", "only Like operators have wildcards"},
		{"StringEquals", "repo:acme/*", "repo:acme/*", "T", "a * is a character for StringEquals"},
		{"StringLike", "*", "", "T", "* matches no characters, too"},
		{"StringLike", "a*c", "abbc", "T", "a * in the middle"},
		{"StringLike", "a*c", "abbd", "F", "the end must match"},
		{"StringLike", "a*b*c", "a-b-b-c", "T", "several *"},
		{"StringLike", "ab*ba", "aba", "F", "the segments must not overlap"},
		{"StringLike", "a?c", "aéc", "T", "? matches one character, not one byte"},
		{"StringLike", "a?c", "ac", "F", "? matches exactly one character"},
		{"StringLike", "*?", "", "F", "? needs a character after *"},
		{"StringLike", "*b?d*", "abcbed", "T", "? within a segment"},
		{"StringLike", "${*}", "*", "T", "variables: ${*} is the character"},
		{"StringLike", "${*}", "x", "F", "variables: ${*} is no wildcard"},
		{"StringLike", "${?}${$}", "?$", "T", "variables: ${?} and ${$} are characters"},
		{"StringEquals", "${idp.example.com:sub}", "s", "T", "variables: the value of a key"},
		{"StringEquals", "${IDP.example.com:SUB}", "s", "T", "variables: names of keys are not case-sensitive"},
		{"StringEquals", "x-${idp.example.com:sub}", "x-s", "T", "variables: within a text"},
		{"StringLike", "${idp.example.com:sub}*", "s/1", "T", "variables: with wildcards"},
		{"StringEquals", "${idp.example.com:email}", "", "F", `variables: "When you use a variable with no value ... do not match"`},
		{"StringNotEquals", "${idp.example.com:email}", "x", "T", `variables: "Inverted condition operators ... do match"`},
		{"StringEquals", "${idp.example.com:email, 'none'}", "none", "T", "variables: a default value"},
		{"StringEquals", "${aws:SourceIp}", "x", "?", "a variable that is a key of the request"},
		{"StringEquals", "${aws:PrincipalTag/x}", "x", "?", "a variable that is a key of the request"},
		{"ForAnyValue:StringEquals", "${idp.example.com:amr}", "s", "T", "variables: a key with one value"},
		{"StringEquals", "${unclosed", "${unclosed", "T", "no variable without an end"},
		{"NumericEquals", "1e2", "100", "T", "numbers compare as numbers"},
		{"IpAddress", "203.0.113.7", "203.0.113.7", "T", "an address is a /32"},
		{"IpAddress", "203.0.113.7", "203.0.113.8", "F", "an address is a /32"},
		{"ArnLike", "arn:aws:iam::*", "arn:aws:iam::1:role/x", "F", "wildcards do not span components, except in the last"},
		{"ArnLike", "*", "x", "T", "IAM does not document it: it may match"},
		{"Bool", "TRUE", "true", "T", "booleans have no case"},
	} {
		if got := outcome(t, c.operator, []string{c.policy}, []any{c.request}); got != c.want {
			t.Errorf("%s %q of %q: %s, want %s: %s", c.operator, c.policy, c.request, got, c.want, c.reason)
		}
	}
}

func TestParseOperator_Refuses(t *testing.T) {
	for _, c := range []struct{ name, reason string }{
		{"StringEqual", "a spelling error"},
		{"StringNotNotEquals", "two negations"},
		{"ForSomeValues:StringEquals", "an unknown prefix"},
		{"NullIfExists", "operators: IfExists is for all operators but Null"},
		{"", "no operator"},
		{"IfExists", "no operator"},
		{"Numeric", "no comparison"},
		{"Date", "no comparison"},
		{"BoolNot", "no such operator"},
	} {
		if _, err := parseOperator(c.name); err == nil {
			t.Errorf("parseOperator(%q) succeeds: %s", c.name, c.reason)
		}
	}
}

func TestOperator_ValidateRefuses(t *testing.T) {
	for _, c := range []struct{ operator, value string }{
		{"NumericEquals", "x"}, {"DateEquals", "tomorrow"}, {"Bool", "1x"}, {"Null", "1"},
		{"IpAddress", "300.0.0.1"}, {"IpAddress", "10.0.0.0/99"}, {"BinaryEquals", "?"},
	} {
		o, err := parseOperator(c.operator)
		if err != nil {
			t.Fatal(err)
		}
		if err := o.validate([]string{c.value}); err == nil || !strings.Contains(err.Error(), c.value) {
			t.Errorf("%s with %q: error %v, want one with the value", c.operator, c.value, err)
		}
	}
}
