package authz_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/authz"
	"github.com/rollcall-iam/rollcall/internal/document"
)

func claims(t testing.TB, text string) authz.Claims {
	t.Helper()
	var c authz.ClaimMap
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestRights_MatchesExactly has the attacks on what a rule compares.
func TestRights_MatchesExactly(t *testing.T) {
	t.Parallel()
	const groups = `{callers: {issuer: 'https://login.example.com', claims: {groups: [platform-team, "1", "true"]}}, roles: [operator]}`
	const nested = `{callers: {issuer: 'https://login.example.com', claims: {realm.roles: [ops]}}, roles: [operator]}`
	const two = `{callers: {issuer: 'https://login.example.com', claims: {groups: [platform-team], mfa: ["yes"]}}, roles: [operator]}`
	const subject = `{callers: {issuer: 'https://login.example.com', subject: "248289"}, roles: [operator]}`
	const both = `{callers: {issuer: 'https://login.example.com', subject: "248289", claims: {groups: [platform-team]}}, roles: [operator]}`
	const host = `{callers: {osUser: ada@ops}, roles: [operator]}`
	verified := func(from, subject string) access.Actor { return actor(t, access.VerifiedUser, from, subject) }
	ada := user(t, "ada")
	for _, tt := range []struct {
		reason, rule string
		actor        access.Actor
		claims       string
		want         bool
	}{
		{"a list has the value", groups, ada, `{"groups": ["a", "platform-team"]}`, true},
		{"a text is the value", groups, ada, `{"groups": "platform-team"}`, true},
		{"another value", groups, ada, `{"groups": ["platform"]}`, false},
		{"a part of a text is not the value", groups, ada, `{"groups": "platform-team,a"}`, false},
		{"a list that is written as a text is a text", groups, ada, `{"groups": "[\"platform-team\"]"}`, false},
		{"case counts", groups, ada, `{"groups": ["Platform-Team"]}`, false},
		{"case counts in names", groups, ada, `{"Groups": ["platform-team"]}`, false},
		{"a number is no text", groups, ada, `{"groups": 1}`, false},
		{"a number in a list is no text", groups, ada, `{"groups": [1]}`, false},
		{"a truth value is no text", groups, ada, `{"groups": true}`, false},
		{"a list of more than texts is not read", groups, ada, `{"groups": ["platform-team", 1]}`, false},
		{"a list in a list is not read", groups, ada, `{"groups": [["platform-team"]]}`, false},
		{"an object has names, not values", groups, ada, `{"groups": {"platform-team": true}}`, false},
		{"null is nothing", groups, ada, `{"groups": null}`, false},
		{"an empty list has nothing", groups, ada, `{"groups": []}`, false},
		{"without the claim", groups, ada, `{"roles": ["platform-team"]}`, false},
		{"letters of another script", groups, ada, `{"groups": ["plаtform-team"]}`, false},
		{"an invisible character", groups, ada, `{"groups": ["platform-team\u200b"]}`, false},
		{"blanks", groups, ada, `{"groups": ["platform-team "]}`, false},
		{"no claims at all", groups, ada, `null`, false},
		{"a nested claim", nested, ada, `{"realm": {"roles": ["ops"]}}`, true},
		{"a name with a dot", nested, ada, `{"realm.roles": "ops"}`, true},
		{"both: which one is meant is not known", nested, ada, `{"realm.roles": "ops", "realm": {"roles": ["dev"]}}`, false},
		{"both, the other way round", nested, ada, `{"realm.roles": "dev", "realm": {"roles": ["ops"]}}`, false},
		{"a path ends below an object", nested, ada, `{"realm": "roles"}`, false},
		{"a path goes through no list", nested, ada, `{"realm": [{"roles": "ops"}]}`, false},
		{"every claim must match", two, ada, `{"groups": ["platform-team"]}`, false},
		{"every claim matches", two, ada, `{"groups": ["platform-team"], "mfa": "yes"}`, true},
		{"the subject", subject, verified(issuer, "248289"), `{}`, true},
		{"the subject of another issuer", subject, verified("https://login.example.org", "248289"), `{}`, false},
		{"a longer subject", subject, verified(issuer, "2482890"), `{}`, false},
		{"a claim that is called like the subject", subject, ada, `{"sub": "248289"}`, false},
		{"an issuer with a slash", subject, verified(issuer+"/", "248289"), `{}`, false},
		{"an issuer in another case", subject, verified("https://LOGIN.example.com", "248289"), `{}`, false},
		{"an issuer without its scheme", subject, verified("login.example.com", "248289"), `{}`, false},
		{"an issuer that begins like it", subject, verified(issuer+".evil.example", "248289"), `{}`, false},
		{"a claim that is called like the issuer", groups, verified("https://evil.example", "ada"), `{"iss": "https://login.example.com", "groups": "platform-team"}`, false},
		{"a workload of the issuer, with the subject", subject, actor(t, access.Workload, issuer, "248289"), `{}`, true},
		{"the subject without the claim", both, verified(issuer, "248289"), `{}`, false},
		{"the claim without the subject", both, ada, `{"groups": "platform-team"}`, false},
		{"the subject and the claim", both, verified(issuer, "248289"), `{"groups": "platform-team"}`, true},
		{"a host's user", host, access.Actor{Kind: access.OSUser, Name: "ada@ops"}, `null`, true},
		{"a host's user who claims to be another", host, access.Actor{Kind: access.OSUser, Name: "ben@ops", Claim: "ada@ops"}, `null`, false},
		{"a host's user in another case", host, access.Actor{Kind: access.OSUser, Name: "Ada@ops"}, `null`, false},
		{"a subject that looks like a host's user", host, user(t, "ada@ops"), `{}`, false},
		{"a host's user whose name looks verified", subject, access.Actor{Kind: access.OSUser, Name: issuer + "#248289"}, `{}`, false},
		{"a host's user with the claims", groups, access.Actor{Kind: access.OSUser, Name: issuer + "#ada"}, `{"groups": "platform-team"}`, false},
		{"the schedule", host, access.Actor{Kind: access.System, Name: "ada@ops"}, `null`, false},
		{"an unknown caller", host, access.Actor{}, `null`, false},
	} {
		caller := authz.Caller{Actor: tt.actor, Claims: claims(t, tt.claims)}
		if got := policies(t, tt.rule).Rights(caller).Allow("CheckConnections"); got.Allowed != tt.want {
			t.Errorf("%s: %+v, want allowed: %t", tt.reason, got, tt.want)
		}
	}
}

// TestRights_StoredRulesWithoutCallersGrantNothing: such documents are refused, but a check
// that rests on a refusal elsewhere does not last.
func TestRights_StoredRulesWithoutCallersGrantNothing(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ reason, rule string }{
		{"no callers", `{"callers": {}, "roles": ["admin"]}`},
		{"an issuer alone", `{"callers": {"issuer": "https://login.example.com"}, "roles": ["admin"]}`},
		{"an empty list of claims", `{"callers": {"issuer": "https://login.example.com", "claims": {}}, "roles": ["admin"]}`},
		{"a claim without values", `{"callers": {"issuer": "https://login.example.com", "claims": {"groups": []}}, "roles": ["admin"]}`},
		{"claims without an issuer", `{"callers": {"claims": {"groups": ["a"]}}, "roles": ["admin"]}`},
		{"a subject without an issuer", `{"callers": {"subject": "ada"}, "roles": ["admin"]}`},
		{"a host's user beside an issuer", `{"callers": {"osUser": "ada@ops", "issuer": "https://login.example.com", "subject": "ada"}, "roles": ["admin"]}`},
		{"an administrator of one workspace", `{"callers": {"issuer": "https://login.example.com", "subject": "ada"}, "roles": ["admin"], "workspaces": ["w"]}`},
		{"a role that nothing knows", `{"callers": {"issuer": "https://login.example.com", "subject": "ada"}, "roles": ["root"]}`},
	} {
		p, err := authz.Compile([]document.Document{{
			ID: document.ID{Kind: document.KindAccessPolicy, Name: "p"}, APIVersion: "v1",
			Body: json.RawMessage(`{"apiVersion": "v1", "kind": "AccessPolicy", "metadata": {"name": "p"}, "spec": {"rules": [` + tt.rule + `]}}`),
		}})
		if err != nil {
			t.Fatal(err)
		}
		for _, caller := range []authz.Caller{
			{Actor: user(t, "ada"), Claims: claims(t, `{"groups": ["a"]}`)},
			{Actor: access.Actor{Kind: access.OSUser, Name: "ada@ops"}},
			{},
		} {
			for _, rule := range authz.Operations() {
				if d := p.Rights(caller).Allow(rule.Operation); d.Allowed {
					t.Errorf("%s: %s is allowed to %q: %s", tt.reason, rule.Operation, caller.Actor.ID(), d.Reason)
				}
			}
		}
	}
}

// TestCompile_IssuersMatchExactly: two policies, one with a slash, each match their own tokens.
func TestCompile_IssuersMatchExactly(t *testing.T) {
	t.Parallel()
	p := policies(t,
		`{callers: {issuer: 'https://login.example.com', subject: ada}, roles: [operator]}`,
		`{callers: {issuer: 'https://login.example.com/', subject: ada}, roles: [security]}`)
	for from, want := range map[string][]document.PolicyRole{
		issuer: {document.RoleOperator}, issuer + "/": {document.RoleSecurity}, issuer + "//": nil,
	} {
		got := p.Rights(authz.Caller{Actor: actor(t, access.VerifiedUser, from, "ada")}).Roles()
		if diff := cmp.Diff(len(want), len(got)); diff != "" || len(want) > 0 && got[0] != want[0] {
			t.Errorf("%s has the roles %v, want %v", from, got, want)
		}
	}
}

func TestCompile_RefusesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	_, err := authz.Compile([]document.Document{{
		ID: document.ID{Kind: document.KindAccessPolicy, Name: "p"}, Body: json.RawMessage(`{"spec": {"rules": "all"}}`),
	}})
	if err == nil {
		t.Error("a policy that cannot be read gives rights")
	}
	if policies(t).HasAdmin() || !policies(t, "{callers: {osUser: a@b}, roles: [admin]}").HasAdmin() {
		t.Error("HasAdmin is wrong")
	}
}

// TestClaimMap_FindsOnlyTexts: whatever a token has, a value that matches is a text in it.
func TestClaimMap_FindsOnlyTexts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		tree := object(t, 3)
		body, err := json.Marshal(tree)
		if err != nil {
			t.Fatal(err)
		}
		path := rapid.StringMatching(`[ab]([.][ab]){0,3}`).Draw(t, "path")
		found, ok := authz.ClaimMap(tree).Strings(path)
		for _, text := range found {
			quoted, _ := json.Marshal(text)
			if !bytes.Contains(body, quoted) {
				t.Fatalf("%s has no text %s, found at %s", body, quoted, path)
			}
		}
		if !ok && found != nil {
			t.Fatalf("%s at %s: %v and not found", body, path, found)
		}
	})
}

// object draws claims, some of which have dots in their names.
func object(t *rapid.T, depth int) map[string]any {
	tree := map[string]any{}
	for range rapid.IntRange(0, 3).Draw(t, "claims") {
		name := rapid.SampledFrom([]string{"a", "b", "a.b", "b.a", "a.", ""}).Draw(t, "name")
		switch kind := rapid.IntRange(0, 5).Draw(t, "type"); {
		case kind == 0 && depth > 0:
			tree[name] = object(t, depth-1)
		case kind == 1:
			tree[name] = []any{"x", "y"}
		case kind == 2:
			tree[name] = []any{"x", 1.0}
		case kind == 3:
			tree[name] = true
		case kind == 4:
			tree[name] = nil
		default:
			tree[name] = "z"
		}
	}
	return tree
}

func TestRights_Workspaces(t *testing.T) {
	t.Parallel()
	editor, admin := rights(t, "editor of marketing", "viewer of marketing, sales"), rights(t, "editor of marketing", "admin")
	for _, tt := range []struct {
		reason string
		rights authz.Rights
		role   document.PolicyRole
		all    bool
		names  []string
	}{
		{"a role of one workspace", editor, document.RoleEditor, false, []string{"marketing"}},
		{"a role of two", editor, document.RoleViewer, false, []string{"marketing", "sales"}},
		{"no such role", editor, document.RoleOperator, false, []string{}},
		{"an administrator has all roles everywhere", admin, document.RoleEditor, true, nil},
	} {
		got := tt.rights.Workspaces(tt.role)
		if diff := cmp.Diff(tt.names, got.Names()); diff != "" || got.All() != tt.all {
			t.Errorf("%s: all %v, (-want +got):\n%s", tt.reason, got.All(), diff)
		}
	}
}
