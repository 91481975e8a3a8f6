package document_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/document"
)

const policyBegins = "{apiVersion: v1, kind: AccessPolicy, metadata: {name: team}, spec: {rules: ["

func TestAccessPolicy_RefusesRules(t *testing.T) {
	t.Parallel()
	const missing = "in.yaml:1: AccessPolicy team: spec.rules[0].callers: write issuer with subject or claims or both, " +
		"or osUser alone: an issuer alone matches every account there"
	for _, tc := range []struct {
		reason, rules string
		want          []string
	}{
		{"a rule that names no callers", "{callers: {}, roles: [admin]}", []string{missing}},
		{
			"an issuer is everybody who has an account there", "{callers: {issuer: 'https://login.example.com'}, roles: [viewer]}",
			[]string{missing},
		},
		{"claims mean nothing without their issuer", "{callers: {claims: {groups: [a]}}, roles: [viewer]}", []string{missing}},
		{"a subject is one at each issuer", "{callers: {subject: ada}, roles: [viewer]}", []string{missing}},
		{
			"no claim is all tokens", "{callers: {issuer: 'https://login.example.com', claims: {}}, roles: [viewer]}",
			[]string{"in.yaml:1: AccessPolicy team: spec.rules[0].callers.claims: has 0 fields, at least 1 are needed"},
		},
		{
			"a claim without values would match any or none", "{callers: {issuer: 'https://login.example.com', claims: {groups: []}}, roles: [viewer]}",
			[]string{"in.yaml:1: AccessPolicy team: spec.rules[0].callers.claims.groups: has 0 items, at least 1 are needed"},
		},
		{
			"a value is a text, as texts alone match", "{callers: {issuer: 'https://login.example.com', claims: {admin: [true]}}, roles: [viewer]}",
			[]string{"in.yaml:1: AccessPolicy team: spec.rules[0].callers.claims.admin[0]: is true or false, but must be a text: put it in quotes"},
		},
		{
			"a role that nothing knows", "{callers: {osUser: ada@host}, roles: [root]}",
			[]string{`in.yaml:1: AccessPolicy team: spec.rules[0].roles[0]: "root" is not allowed: write viewer, editor, operator, approver, security or admin`},
		},
		{
			"a limit to no workspace is not one to all", "{callers: {osUser: ada@host}, roles: [editor], workspaces: []}",
			[]string{"in.yaml:1: AccessPolicy team: spec.rules[0].workspaces: has 0 items, at least 1 are needed"},
		},
		{
			"a host and an issuer vouch for different callers",
			"{callers: {osUser: ada@host, issuer: 'https://login.example.com', subject: ada}, roles: [viewer]}",
			[]string{"in.yaml:1: AccessPolicy team: spec.rules[0].callers.osUser: stands beside fields of a token, and no caller has both: " +
				"make two rules of them"},
		},
		{
			"an operator of one workspace would be one of all", "{callers: {osUser: ada@host}, roles: [editor, operator], workspaces: [w]}",
			[]string{`in.yaml:1: AccessPolicy team: spec.rules[0].roles[1]: "operator" is for all of Rollcall, ` +
				"and the rule is limited to workspaces: write another rule for it, without workspaces"},
		},
		{
			"one of the two never matches",
			"{callers: {issuer: 'https://login.example.com', subject: ada}, roles: [viewer]}, " +
				"{callers: {issuer: 'https://login.example.com/', subject: ben}, roles: [viewer]}",
			[]string{"in.yaml:1: AccessPolicy team: spec.rules[1].callers.issuer: differs from the issuer of an earlier rule in the slash " +
				`at its end only, and tokens have one of the two: "https://login.example.com" and "https://login.example.com/"`},
		},
	} {
		docs, _, err := document.Decode(strings.NewReader(policyBegins+tc.rules+"]}}"), "in.yaml")
		if err == nil {
			err = newSet(t, docs).Validate(time.Now())
		}
		if diff := cmp.Diff(tc.want, lines(err)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
		}
	}
}

func TestAccessPolicy_RefusesIssuers(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		reason, issuer string
		valid          bool
	}{
		{"an issuer", "https://login.example.com", true},
		{"some issuers end in a slash", "https://login.example.com/", true},
		{"a realm", "https://login.example.com:8443/realms/Main", true},
		{"a provider on this machine, for development", "http://127.0.0.1:9000", true},
		{"anybody on the way could be it", "http://login.example.com", false},
		{"a host that only looks like this machine", "http://localhost.example.com", false},
		{"a wildcard in the host", "https://*.example.com", false},
		{"a wildcard in the path", "https://login.example.com/*", false},
		{"hosts have no case: tokens write lower case", "https://Login.example.com", false},
		{"schemes have no case either", "HTTPS://login.example.com", false},
		{"a letter from another script", "https://lоgin.example.com", false},
		{"issuers have no query", "https://login.example.com?tenant=a", false},
		{"issuers have no fragment", "https://login.example.com#a", false},
		{"a password", "https://a:b@login.example.com", false},
		{"a second line", "https://login.example.com\\n", false},
		{"nothing", "", false},
	} {
		_, _, err := document.Decode(strings.NewReader(
			policyBegins+`{callers: {issuer: "`+tc.issuer+`", subject: ada}, roles: [viewer]}]}}`), "in.yaml")
		if (err == nil) != tc.valid {
			t.Errorf("%s: %q gives %v, want valid: %t", tc.reason, tc.issuer, err, tc.valid)
		}
	}
}

func TestAccessPolicy_AffectsNoTenant(t *testing.T) {
	t.Parallel()
	docs := decode(t, "in.yaml", base+"--- "+policyBegins+"{callers: {osUser: ada@host}, roles: [editor], workspaces: [w, later]}]}}\n")
	set := newSet(t, docs)
	if err := set.Validate(time.Now()); err != nil {
		t.Errorf("a policy may name a workspace before it exists: %v", err)
	}
	policy := document.ID{Kind: document.KindAccessPolicy, Name: "team"}
	if got := set.Graph().Affected([]document.ID{policy}); len(got) != 0 {
		t.Errorf("a policy affects %v, want no tenant: it grants nothing on platforms", got)
	}
	var got any
	for _, d := range docs {
		if d.ID == policy {
			var err error
			if got, err = document.Parse(d); err != nil {
				t.Fatal(err)
			}
		}
	}
	want := document.AccessPolicy{Name: "team", Rules: []document.PolicyRule{{
		Callers: document.PolicyCallers{OSUser: "ada@host"}, Roles: []document.PolicyRole{document.RoleEditor}, Workspaces: []string{"w", "later"},
	}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("typed (-want +got):\n%s", diff)
	}
}

// TestDocument_CheckID: what decides by the ID decides about another document if it is not
// that of the body.
func TestDocument_CheckID(t *testing.T) {
	t.Parallel()
	docs, _, err := document.Load([]string{"testdata/good"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range docs {
		if err := d.CheckID(); err != nil {
			t.Errorf("a document that was read: %v", err)
		}
		for _, other := range docs {
			if other.ID == d.ID {
				continue
			}
			d.ID, other.ID = other.ID, d.ID
			if d.CheckID() == nil {
				t.Errorf("the body of %s passes as %s", other.ID, d.ID)
			}
			d.ID, other.ID = other.ID, d.ID
		}
	}
	if err := (document.Document{ID: document.ID{Kind: "meshFoo"}}).CheckID(); !errors.Is(err, document.ErrUnknownKind) {
		t.Errorf("a kind that nothing knows: %v", err)
	}
}

func TestAccessPolicy_Users(t *testing.T) {
	t.Parallel()
	const begin = "in.yaml:1: AccessPolicy team: "
	for _, tt := range []struct {
		reason, spec string
		want         []string
	}{
		{"an immutable claim", "users: [{issuer: 'https://login.example.com', euidClaim: oid}]", nil},
		{"neither rules nor users", "description: none", []string{begin + "spec: write rules, users or both"}},
		{"an address can pass to another user", "users: [{issuer: 'https://login.example.com', euidClaim: email}]", []string{
			begin + `spec.users[0].euidClaim: "email" can change, and pass to another user: ` +
				"write a claim that the issuer never changes, such as oid or sub, and have it as spec.euid of the users"}},
		{"so can a login name", "users: [{issuer: 'https://login.example.com', euidClaim: Preferred_Username}]", []string{
			begin + `spec.users[0].euidClaim: "Preferred_Username" can change, and pass to another user: ` +
				"write a claim that the issuer never changes, such as oid or sub, and have it as spec.euid of the users"}},
		{"a user of two claims", "users: [{issuer: 'https://login.example.com', euidClaim: oid}, {issuer: 'https://login.example.com', euidClaim: sub}]",
			[]string{begin + "spec.users[1].issuer: is there twice: a user of an issuer is known by one claim"}},
		{"no issuer", "users: [{euidClaim: oid}]", []string{begin + "spec.users[0].issuer: is missing: write the issuer as its tokens name it: https:// with a host in lower case, " +
			"without wildcards, query and fragment; http:// only to this machine"}},
	} {
		docs, _, err := document.Decode(strings.NewReader("{apiVersion: v1, kind: AccessPolicy, metadata: {name: team}, spec: {"+tt.spec+"}}"), "in.yaml")
		if err == nil {
			var set *document.Set
			if set, err = document.NewSet(docs); err == nil {
				err = set.Validate(time.Now())
			}
		}
		var got []string
		if err != nil {
			got = strings.Split(err.Error(), "\n")
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.reason, diff)
		}
	}
}
