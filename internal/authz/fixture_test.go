package authz_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/authz"
	"github.com/rollcall-iam/rollcall/internal/document"
)

const issuer = "https://login.example.com"

func decode(t testing.TB, text string) []document.Document {
	t.Helper()
	docs, _, err := document.Decode(strings.NewReader(text), "in.yaml")
	if err != nil {
		t.Fatalf("the test's own documents: %v", err)
	}
	return docs
}

// policies compiles one policy for each text of rules, in YAML.
func policies(t testing.TB, rules ...string) *authz.Policies {
	t.Helper()
	var docs []document.Document
	for i, r := range rules {
		docs = append(docs, decode(t, "{apiVersion: v1, kind: AccessPolicy, metadata: {name: p"+string(rune('1'+i))+"}, spec: {rules: ["+r+"]}}")...)
	}
	p, err := authz.Compile(docs)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func user(t testing.TB, subject string) access.Actor {
	t.Helper()
	return actor(t, access.VerifiedUser, issuer, subject)
}

func actor(t testing.TB, kind access.ActorKind, from, subject string) access.Actor {
	t.Helper()
	a, err := access.VerifiedActor(kind, from, subject)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// rights returns those of a user whose roles are as "editor of marketing" and "operator".
func rights(t testing.TB, roles ...string) authz.Rights {
	t.Helper()
	var rules []string
	for _, r := range roles {
		role, workspaces, limited := strings.Cut(r, " of ")
		rule := "{callers: {issuer: '" + issuer + "', subject: ada}, roles: [" + role + "]"
		if limited {
			rule += ", workspaces: [" + workspaces + "]"
		}
		rules = append(rules, rule+"}")
	}
	return policies(t, rules...).Rights(authz.Caller{Actor: user(t, "ada")})
}

// creates are changes that store new documents.
func creates(docs []document.Document) []authz.Change {
	changes := make([]authz.Change, len(docs))
	for i := range docs {
		changes[i].After = &docs[i]
	}
	return changes
}

// changed is the change of one document to another, each in YAML, "" for none.
func changed(t testing.TB, before, after string) []authz.Change {
	t.Helper()
	var c authz.Change
	if before != "" {
		c.Before = &decode(t, before)[0]
	}
	if after != "" {
		c.After = &decode(t, after)[0]
	}
	return []authz.Change{c}
}

func contains(t testing.TB, reason, text string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("%s: %q does not have %q", reason, text, w)
		}
	}
}

func names(docs []document.Document) []string {
	var all []string
	for _, d := range docs {
		all = append(all, d.ID.String())
	}
	slices.Sort(all)
	return all
}
