package access_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-iam/rollcall/internal/access"
)

func TestActor_ReadsBackItsID(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		reason   string
		actor    access.Actor
		id, text string
	}{
		{"a user of a host", access.Actor{Kind: access.OSUser, Name: "ada@host"}, "os:ada@host", "os:ada@host"},
		{
			"a claim is no part of the identity",
			access.Actor{Kind: access.OSUser, Name: "ada@host", Claim: "hr"}, "os:ada@host", "os:ada@host, says to be hr",
		},
		{"a name may hold a colon", access.Actor{Kind: access.OSUser, Name: "lab:ada@host"}, "os:lab:ada@host", "os:lab:ada@host"},
		{"a sweep", access.Actor{Kind: access.System, Name: "sweep"}, "system:sweep", "system:sweep"},
		{"a record from before actors has a claim alone", access.Actor{Claim: "ada"}, "", "says to be ada"},
		{"an unknown actor", access.Actor{}, "", ""},
	} {
		if diff := cmp.Diff([]string{tt.id, tt.text}, []string{tt.actor.ID(), tt.actor.String()}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.reason, diff)
		}
		if diff := cmp.Diff(tt.actor, access.ParseActor(tt.actor.ID(), tt.actor.Claim)); diff != "" {
			t.Errorf("%s: read back (-want +got):\n%s", tt.reason, diff)
		}
	}
}

func TestCheckReason(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		reason, text, want string
	}{
		{"a text", "left, HR-1", ""},
		{"the longest", strings.Repeat("ä", 1000), ""},
		{"one character too many", strings.Repeat("ä", 1001), "1001 characters"},
		{"nothing", "", "empty"},
		{"blanks", " \t", "empty"},
		{"a second line could look like another record", "left\napproved by ops", "U+000A"},
		{"an escape sequence changes terminals", "left\x1b[2J", "U+001B"},
		{"a byte that is no text", "left\xff", "UTF-8"},
	} {
		err := access.CheckReason(tt.text)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: CheckReason gives %v, want an error with %q", tt.reason, err, tt.want)
		}
	}
	if err := (access.Actor{Claim: "hr\x1b"}).Check(); err == nil {
		t.Error("a claim may have control characters")
	}
}
