package access_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/access"
)

const issuer = "https://login.example.com"

func TestVerifiedActor(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		reason          string
		kind            access.ActorKind
		issuer, subject string
		id, want        string // want is part of the error
	}{
		{"a user", access.VerifiedUser, issuer, "248289", "user:https://login.example.com#248289", ""},
		{"an issuer with a slash is another one", access.VerifiedUser, issuer + "/", "248289", "user:https://login.example.com/#248289", ""},
		{
			"a workload", access.Workload, "https://token.actions.githubusercontent.com", "repo:example/access:environment:live 1",
			"workload:https://token.actions.githubusercontent.com#repo:example/access:environment:live 1", "",
		},
		{"a subject may have what ends an issuer", access.VerifiedUser, issuer, "a#b", "user:https://login.example.com#a#b", ""},
		{"the longest", access.VerifiedUser, strings.Repeat("i", 500), strings.Repeat("s", 500), "user:" + strings.Repeat("i", 500) + "#" + strings.Repeat("s", 500), ""},
		{"no issuer vouches for a host's user", access.OSUser, issuer, "ada", "", "no issuer vouches"},
		{"no issuer vouches for the schedule", access.System, issuer, "sweep", "", "no issuer vouches"},
		{"no issuer vouches for an unknown actor", "", issuer, "ada", "", "no issuer vouches"},
		{"an issuer with a fragment could be two", access.VerifiedUser, issuer + "#a", "b", "", "U+0023"},
		{"a subject alone is anybody's", access.VerifiedUser, "", "ada", "", "issuer is empty"},
		{"an issuer alone is all its users", access.VerifiedUser, issuer, "", "", "subject is empty"},
		{"too long an issuer", access.VerifiedUser, strings.Repeat("i", 501), "a", "", "501 bytes"},
		{"too long a subject", access.VerifiedUser, issuer, strings.Repeat("s", 501), "", "501 bytes"},
		{"a second line could look like another record", access.VerifiedUser, issuer, "ada\nben", "", "U+000A"},
		{"an escape sequence changes terminals", access.Workload, issuer, "\x1b[2J", "", "U+001B"},
		{"a letter of another script looks like another subject", access.VerifiedUser, issuer, "аda", "", "U+0430"},
		{"a letter of another script in the issuer", access.VerifiedUser, "https://lоgin.example.com", "ada", "", "U+043E"},
		{"an invisible character", access.VerifiedUser, issuer, "ad\u200ba", "", "U+200B"},
		{"a byte that is no text", access.VerifiedUser, issuer, "ada\xff", "", "U+FFFD"},
		{"blanks at the end are not seen", access.VerifiedUser, issuer, "ada ", "", "blank"},
		{"an issuer has no blanks", access.VerifiedUser, "https://login example.com", "ada", "", "U+0020"},
	} {
		actor, err := access.VerifiedActor(tt.kind, tt.issuer, tt.subject)
		if tt.want != "" {
			if err == nil || !strings.Contains(err.Error(), tt.want) || actor != (access.Actor{}) {
				t.Errorf("%s: VerifiedActor gives %v and %v, want an error with %q", tt.reason, actor, err, tt.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.reason, err)
			continue
		}
		if diff := cmp.Diff([]string{tt.id, tt.id}, []string{actor.ID(), actor.String()}); diff != "" {
			t.Errorf("%s: the ID and the text (-want +got):\n%s", tt.reason, diff)
		}
	}
}

func TestActor_VerifiedNeedsAWellFormedName(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		reason string
		actor  access.Actor
	}{
		{"a host's user whose name looks verified", access.Actor{Kind: access.OSUser, Name: issuer + "#ada"}},
		{"a stored name without a subject", access.Actor{Kind: access.VerifiedUser, Name: issuer}},
		{"a stored name without an issuer", access.Actor{Kind: access.Workload, Name: "#ada"}},
		{"a kind in another case is another kind", access.Actor{Kind: "User", Name: issuer + "#ada"}},
		{"an unknown actor", access.Actor{}},
	} {
		if _, _, ok := tt.actor.Verified(); ok {
			t.Errorf("%s: %q counts as verified", tt.reason, tt.actor.ID())
		}
	}
	for _, tt := range []struct{ reason, claim, name, want string }{
		{"a verified actor needs no claim", "hr", issuer + "#ada", "claims another name"},
		{"a name without a subject", "", issuer, "subject is empty"},
	} {
		err := access.Actor{Kind: access.VerifiedUser, Name: tt.name, Claim: tt.claim}.Check()
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: Check gives %v, want an error with %q", tt.reason, err, tt.want)
		}
	}
}

// TestVerifiedActor_IsUnique: two callers never have one ID, and an ID reads back.
func TestVerifiedActor_IsUnique(t *testing.T) {
	t.Parallel()
	type caller struct {
		Kind            access.ActorKind
		Issuer, Subject string
	}
	draw := rapid.Custom(func(t *rapid.T) caller {
		return caller{
			rapid.SampledFrom([]access.ActorKind{access.VerifiedUser, access.Workload}).Draw(t, "kind"),
			rapid.OneOf(rapid.StringMatching(`[a:/#]{1,4}`), rapid.String()).Draw(t, "issuer"),
			rapid.OneOf(rapid.StringMatching(`[a:/# ]{1,4}`), rapid.String()).Draw(t, "subject"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		one, other := draw.Draw(t, "one"), draw.Draw(t, "other")
		a, err := access.VerifiedActor(one.Kind, one.Issuer, one.Subject)
		if err != nil {
			return
		}
		if err := a.Check(); err != nil {
			t.Fatalf("Check refuses what VerifiedActor gave: %v", err)
		}
		read := access.ParseActor(a.ID(), "")
		gotIssuer, gotSubject, ok := read.Verified()
		if diff := cmp.Diff(one, caller{read.Kind, gotIssuer, gotSubject}); diff != "" || !ok {
			t.Fatalf("read back (-want +got):\n%s", diff)
		}
		b, err := access.VerifiedActor(other.Kind, other.Issuer, other.Subject)
		if err == nil && a.ID() == b.ID() && one != other {
			t.Fatalf("%+v and %+v are both %s", one, other, a.ID())
		}
	})
}

func FuzzParseActor(f *testing.F) {
	for _, id := range []string{"", "os:ada@host", "user:https://login.example.com#248289", "workload:a#b#c", "user:#", ":", "user"} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		a := access.ParseActor(id, "")
		issuer, subject, ok := a.Verified()
		if !ok {
			return
		}
		again, err := access.VerifiedActor(a.Kind, issuer, subject)
		if err != nil || again.ID() != id {
			t.Errorf("%q reads as %q and %q, which give %q and %v", id, issuer, subject, again.ID(), err)
		}
	})
}
