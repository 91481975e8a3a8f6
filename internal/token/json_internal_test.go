package token

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestScanObject(t *testing.T) {
	tests := []struct {
		reason, text string
		want         bool
	}{
		{"nothing in it", ` {} `, true},
		{"every kind of value", `{"a":"b","c":[1,-2.5e+3,0,0.1E-2,true,false,null,{}],"d":{"e":[]}}`, true},
		{"every escape", `{"\"\\\/\b\f\n\r\t\u00fF":"\ud83d\ude00"}`, true},
		{"one name at two levels", `{"a":{"a":{"a":1}},"b":[{"a":1},{"a":2}]}`, true},
		{"names with one bit", `{"ab":1,"ba":2}`, true},
		{"16 levels", `{"a":` + strings.Repeat("[", 15) + strings.Repeat("]", 15) + `}`, true},
		{"17 levels", `{"a":` + strings.Repeat("[", 16) + strings.Repeat("]", 16) + `}`, false},
		{"a name twice", `{"a":1,"a":1}`, false},
		{"a name twice, below", `{"a":{"b":1,"c":2,"b":3}}`, false},
		{"a name twice, written differently", `{"a/":1,"a\/":1}`, false},
		{"no text", ``, false},
		{"another type", `[]`, false},
		{"text after it", `{}{}`, false},
		{"a comma at the end", `{"a":1,}`, false},
		{"a comma at the end of a list", `{"a":[1,]}`, false},
		{"a comma first", `{,"a":1}`, false},
		{"no comma", `{"a":1 "b":2}`, false},
		{"no colon", `{"a" 1}`, false},
		{"no quotes", `{a:1}`, false},
		{"an unknown literal", `{"a":nul}`, false},
		{"a number with a zero first", `{"a":01}`, false},
		{"a number with a plus", `{"a":+1}`, false},
		{"a number without digits", `{"a":-}`, false},
		{"a number without a fraction", `{"a":1.}`, false},
		{"a number without an exponent", `{"a":1e}`, false},
		{"not a number", `{"a":NaN}`, false},
		{"an unknown escape", `{"a":"\x"}`, false},
		{"a short escape", `{"a":"\u12"}`, false},
		{"an escape at the end", `{"a":"\`, false},
		{"a line break in a string", "{\"a\":\"\n\"}", false},
		{"half of a surrogate pair as a name", `{"\ud800":1}`, false},
		{"not UTF-8", "{\"a\":\"\xff\"}", false},
		{"open", `{"a":{`, false},
		{"too many members", `{` + manyMembers(maxMembers+1) + `}`, false},
		{"many members", `{` + manyMembers(maxMembers) + `}`, true},
	}
	for _, test := range tests {
		if _, err := scanObject([]byte(test.text)); (err == nil) != test.want {
			t.Errorf("%s: %v", test.reason, err)
		}
	}
}

func manyMembers(n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = `"` + strings.Repeat("n", i+1) + `":1`
	}
	return strings.Join(all, ",")
}

// FuzzScanObject compares with encoding/json: what the scanner accepts means the same there.
func FuzzScanObject(f *testing.F) {
	for _, text := range []string{
		`{}`, `{"a":"b","c":[1,-2.5e+3,true,null,{}],"\u0064":{"e":"\n"}}`, `{"a":1,"a":2}`, `{"a":"\ud83d\ude00","b":"\ud800"}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		o, err := scanObject(text)
		var want map[string]json.RawMessage
		if failure := json.Unmarshal(text, &want); err == nil && failure != nil {
			t.Fatalf("encoding/json refuses it: %v", failure)
		}
		if err != nil {
			return
		}
		got := map[string]json.RawMessage{}
		for _, m := range o.members {
			got[string(o.name(m))] = o.value(m)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		claims := Claims{o}
		for name, raw := range want {
			if strings.Contains(name, ".") || claims.object.text == nil {
				continue
			}
			text, ok := claims.String(name)
			var plain string
			if ok && (json.Unmarshal(raw, &plain) != nil || plain != text) {
				t.Errorf("%q: %q, want %q", name, text, plain)
			}
			_, _ = claims.Strings(name)
		}
	})
}

func TestClaims(t *testing.T) {
	o, err := scanObject([]byte(`{
		"sub": "mei", "esc": "a\/bc", "groups": ["ops", "dev"], "none": [], "mixed": ["a", 1], "yes": true, "text": "true",
		"null": null, "n": 7,
		"kubernetes.io": {"namespace": "data", "serviceaccount": {"name": "writer", "uid": "u-1"}},
		"https://example.org/tags": {"team": ["x"]},
		"a.b": "one", "a": {"b": "two"}
	}`))
	if err != nil {
		t.Fatal(err)
	}
	c := Claims{o}
	type found struct {
		Text      string
		IsText    bool
		List      []string
		IsList    bool
		Has       bool
		Value, OK bool
	}
	tests := []struct {
		reason, path string
		want         found
	}{
		{"a string is a list of one", "sub", found{"mei", true, []string{"mei"}, true, true, false, false}},
		{"an escaped string", "esc", found{"a/bc", true, []string{"a/bc"}, true, true, false, false}},
		{"a list", "groups", found{"", false, []string{"ops", "dev"}, true, true, false, false}},
		{"an empty list", "none", found{"", false, []string{}, true, true, false, false}},
		{"a list with a number", "mixed", found{Has: true}},
		{"true", "yes", found{Has: true, Value: true, OK: true}},
		{"a string is not true", "text", found{"true", true, []string{"true"}, true, true, false, false}},
		{"null is no value", "null", found{}},
		{"a number", "n", found{Has: true}},
		{"a name with a dot", "kubernetes.io.serviceaccount.uid", found{"u-1", true, []string{"u-1"}, true, true, false, false}},
		{"a URL as a name", "https://example.org/tags.team", found{"", false, []string{"x"}, true, true, false, false}},
		{"two readings", "a.b", found{}},
		{"below a string", "sub.name", found{}},
		{"below a list", "groups.0", found{}},
		{"another name that starts alike", "su", found{}},
		{"a dot at the end", "a.", found{}},
		{"nothing", "", found{}},
	}
	for _, test := range tests {
		var got found
		got.Text, got.IsText = c.String(test.path)
		got.List, got.IsList = c.Strings(test.path)
		got.Value, got.OK = c.Bool(test.path)
		got.Has = c.Has(test.path)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", test.reason, diff)
		}
	}
	if (Claims{}).Has("sub") {
		t.Error("no claims have a claim")
	}
}
