package access

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ActorKind says how an actor is identified.
type ActorKind string

// The kinds of actors.
const (
	// OSUser is the operating system's user of a command, as <user>@<host>. The host vouches
	// for it and nothing else does.
	OSUser ActorKind = "os"
	// System is Rollcall itself, as the schedule or the workflow that caused a change.
	System ActorKind = "system"
)

// Actor is the user or the program that caused a change. The zero Actor is unknown, as that
// of records from before actors were kept.
type Actor struct {
	Kind ActorKind
	Name string
	// Claim is another name that the caller gave. Nothing verifies it.
	Claim string
}

// ParseActor returns the actor with the ID and the claim.
func ParseActor(id, claim string) Actor {
	kind, name, _ := strings.Cut(id, ":")
	return Actor{Kind: ActorKind(kind), Name: name, Claim: claim}
}

// ID returns the actor as <kind>:<name>, without the claim; empty for an unknown actor.
func (a Actor) ID() string {
	if a.Kind == "" {
		return ""
	}
	return string(a.Kind) + ":" + a.Name
}

// String returns the actor for messages: "os:ada@host", with a claim
// "os:ada@host, says to be hr".
func (a Actor) String() string {
	switch {
	case a.Claim == "":
		return a.ID()
	case a.ID() == "":
		return "says to be " + a.Claim
	default:
		return a.ID() + ", says to be " + a.Claim
	}
}

// Check reports a claim that cannot be kept.
func (a Actor) Check() error {
	if err := checkText(a.Claim, maxClaim); err != nil {
		return fmt.Errorf("the claimed name %w", err)
	}
	return nil
}

// The longest reason and claim, in characters.
const (
	maxReason = 1000
	maxClaim  = 200
)

// CheckReason reports a reason that cannot be kept with a decision: an empty one, one with
// more than 1,000 characters, or with control characters.
func CheckReason(reason string) error {
	if strings.TrimSpace(reason) == "" {
		return errors.New("the reason is empty")
	}
	if err := checkText(reason, maxReason); err != nil {
		return fmt.Errorf("the reason %w", err)
	}
	return nil
}

func checkText(text string, most int) error {
	if !utf8.ValidString(text) {
		return errors.New("is not valid UTF-8")
	}
	if n := utf8.RuneCountInString(text); n > most {
		return fmt.Errorf("has %d characters: write at most %d", n, most)
	}
	if i := strings.IndexFunc(text, unicode.IsControl); i >= 0 {
		r, _ := utf8.DecodeRuneInString(text[i:])
		return fmt.Errorf("has the control character %U: write it on one line", r)
	}
	return nil
}
