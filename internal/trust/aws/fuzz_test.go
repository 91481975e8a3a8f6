package aws

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// FuzzParse looks for documents and tokens that make the package panic or contradict
// itself.
func FuzzParse(f *testing.F) {
	token := `{"iss":"https://token.actions.githubusercontent.com","sub":"repo:acme/app:ref:refs/heads/main","aud":"sts.amazonaws.com","amr":["a",1]}`
	for _, seed := range []string{
		policyOf(allow(githubPrincipal, conditionOf("StringLike", github+":sub", "repo:acme/*?${*}${"+github+":actor, 'x'}"))),
		policyOf(allow(`"*"`, conditionOf("ForAllValues:ArnNotLikeIfExists", github+":amr", "arn:*:::?:*"))),
		policyOf(allow(githubPrincipal, ""), deny(`"*"`, conditionOf("NumericLessThan", github+":amr", "1e9"))),
		`{"Roles":[{"RoleName":"r","AssumeRolePolicyDocument":"%7B%22Statement%22%3A%5B%5D%7D","MaxSessionDuration":3600}]}`,
		`{"Resources":{"R":{"Type":"AWS::IAM::Role","Properties":{"AssumeRolePolicyDocument":{"Fn::Sub":["${A}",{"A":{"Ref":"R"}}]}}}}}`,
		`{"Url":"x","ClientIDList":["y"]}`,
	} {
		f.Add(seed, token)
	}
	f.Fuzz(func(t *testing.T, text, claims string) {
		d, err := Parse("f.json", []byte(text), nil)
		if errors.Is(err, ErrNoTrust) && len(d.Trusts)+len(d.Findings) > 0 {
			t.Error("ErrNoTrust with trusts or findings")
		}
		if _, _, err := FromPolicy("x", trust.Position{}, json.RawMessage(text)); err != nil && err.Error() == "" {
			t.Error("an error without a text")
		}
		var token trust.Token
		if json.Unmarshal([]byte(claims), &token) != nil {
			return
		}
		trusts, _ := WithProviders(d.Trusts, d.Providers)
		for _, one := range trusts {
			if got := one.Accepts(token); got.Undecided != "" && !got.Accepted {
				t.Errorf("undecided but not accepted: %+v", got)
			}
		}
	})
}

// FuzzReadJSON compares the reader with encoding/json.
func FuzzReadJSON(f *testing.F) {
	for _, seed := range []string{
		policyOf(allow(githubPrincipal, "")), `{"a":[1,-2.5e3,true,false,null,{}],"b":"\u00e9\"\\","":[]}`, " [ ] ", `"x"`, "1", `{"a":1,"a":{"b":2}}`, "[1,]", "\"\xff\"",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := readJSON([]byte(text))
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.UseNumber()
		var want any
		if !json.Valid([]byte(text)) {
			if err == nil {
				t.Fatal("no error for text that is no JSON")
			}
			return
		}
		if err != nil {
			return // nested too deeply
		}
		if err := decoder.Decode(&want); err != nil {
			t.Fatal(err)
		}
		if got := decoded(n); !reflect.DeepEqual(got, want) {
			t.Fatalf("%#v, want %#v", got, want)
		}
		if value := text[n.start:n.end]; strings.TrimSpace(text) != value {
			t.Fatalf("the value is at %q", value)
		}
	})
}

// decoded returns what encoding/json makes of a value.
func decoded(n *node) any {
	switch n.kind {
	case objectKind:
		object := map[string]any{}
		for _, m := range n.members {
			object[m.key] = decoded(m.value)
		}
		return object
	case listKind:
		list := []any{}
		for _, item := range n.items {
			list = append(list, decoded(item))
		}
		return list
	case textKind:
		return n.text
	case numberKind:
		return json.Number(n.text)
	case boolKind:
		return n.text == "true"
	default:
		return nil
	}
}
