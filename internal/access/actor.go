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
	// VerifiedUser is a user for whom an issuer vouches, as <issuer>#<subject>.
	VerifiedUser ActorKind = "user"
	// Bootstrap is a caller with the token that a server prints while no policy is stored.
	Bootstrap ActorKind = "bootstrap"
	// Workload is a program for which an issuer vouches, as <issuer>#<subject>.
	Workload ActorKind = "workload"
)

// IsVerified reports whether an issuer vouches for actors of the kind.
func (k ActorKind) IsVerified() bool { return k == VerifiedUser || k == Workload }

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

// The longest issuer and subject of a verified actor, in bytes. OpenID Connect Core 1.0, section
// 2, allows 255 for the subject of a user; those of workloads name branches and service accounts.
const (
	maxIssuer  = 500
	maxSubject = 500
)

// VerifiedActor returns the actor whom an issuer knows by a subject. Both are compared byte by
// byte, so that neither case nor a slash makes two callers one. Nothing else that the issuer
// says about the caller, such as a name or an address, is part of the actor. It fails on a
// kind that no issuer vouches for, and on texts that Check refuses.
func VerifiedActor(kind ActorKind, issuer, subject string) (Actor, error) {
	a := Actor{Kind: kind, Name: issuer + "#" + subject}
	if !kind.IsVerified() {
		return Actor{}, fmt.Errorf("access: no issuer vouches for actors of the kind %q", kind)
	}
	if err := checkVerified(issuer, subject); err != nil {
		return Actor{}, fmt.Errorf("access: verified actor: %w", err)
	}
	return a, nil
}

// Verified returns the issuer and the subject of a verified actor; false for other actors, and
// for one that Check refuses. An issuer has no fragment (OpenID Connect Core 1.0, section 1.2),
// so the first # ends it.
func (a Actor) Verified() (issuer, subject string, ok bool) {
	issuer, subject, _ = strings.Cut(a.Name, "#")
	if !a.Kind.IsVerified() || checkVerified(issuer, subject) != nil {
		return "", "", false
	}
	return issuer, subject, true
}

// checkVerified reports an issuer or a subject that is no printable ASCII text: an ID is
// compared and shown, and characters that look alike or change the line would deceive its
// reader. It does not repeat the text, which came with a token.
func checkVerified(issuer, subject string) error {
	for _, part := range []struct {
		name, text string
		most       int
		first      rune
		exclude    string
	}{
		{"issuer", issuer, maxIssuer, '!', "#"},
		{"subject", subject, maxSubject, ' ', ""},
	} {
		switch {
		case part.text == "":
			return fmt.Errorf("the %s is empty", part.name)
		case len(part.text) > part.most:
			return fmt.Errorf("the %s has %d bytes: at most %d are kept", part.name, len(part.text), part.most)
		case strings.Trim(part.text, " ") != part.text:
			return fmt.Errorf("the %s begins or ends with a blank", part.name)
		}
		i := strings.IndexFunc(part.text, func(r rune) bool {
			return r < part.first || r > '~' || strings.ContainsRune(part.exclude, r)
		})
		if i >= 0 {
			r, _ := utf8.DecodeRuneInString(part.text[i:])
			return fmt.Errorf("the %s has the character %U: only printable ASCII is kept", part.name, r)
		}
	}
	return nil
}

// ID returns the actor as <kind>:<name>, without the claim; empty for an unknown actor.
func (a Actor) ID() string {
	if a.Kind == "" {
		return ""
	}
	return string(a.Kind) + ":" + a.Name
}

// String returns the actor for messages: "os:ada@host", with a claim
// "os:ada@host, says to be hr", and "user:https://login.example.com#248289" for a verified one:
// the whole issuer, as two of one host are two.
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

// Check reports an actor that cannot be kept: a verified one without an issuer and a subject of
// printable ASCII, or with a claim beside them, and a claim that is no text of one line.
func (a Actor) Check() error {
	if a.Kind.IsVerified() {
		issuer, subject, _ := strings.Cut(a.Name, "#")
		if err := checkVerified(issuer, subject); err != nil {
			return fmt.Errorf("the actor of the kind %s: %w", a.Kind, err)
		}
		if a.Claim != "" {
			return errors.New("a verified actor claims another name: leave it out")
		}
	}
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
