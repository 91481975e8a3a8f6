// Package rules is what the memory platform can hold: its profile and its
// limits on names, without any I/O, so that documents are checked against them
// where there is no platform at hand.
package rules

import (
	"fmt"
	"unicode"
	"unicode/utf8"

	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/identity"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// Type is the platform type as documents name it.
const Type = "memory"

// MaxName is how many characters a group's or a role's name may have.
const MaxName = 64

// Profile says what the platform can do.
func Profile() driver.Profile {
	return driver.Profile{
		Type:                  Type,
		LookupAttribute:       "name",
		AccountNames:          identity.Exact,
		Groups:                true,
		Marks:                 true,
		AdditionalPermissions: plan.KeepAdditional,
		Cleanup:               true,
		MemberChunk:           20,
		Unit:                  plan.PerObject,
		Parallel:              8,
		ScopesPerObserve:      1000,
		Settle:                0,
		AccessEnd:             driver.AccessEnd{Source: "the platform is a file, which holds no sessions"},
		Renames:               true,
		Conditions:            true,
		BringIn:               driver.CreateAccount,
		Cost: driver.Cost{
			VerifyOne: "3", VerifyAll: "3 lists, paged", ChangeOne: "1",
		},
	}
}

// Fit reports why the platform could never hold the object, wrapping
// fault.ErrInvalid or fault.ErrUnsupported, or nil.
func Fit(o plan.Object) error {
	switch {
	case o.Group != nil:
		return group(o.Group.Name)
	case o.Members != nil:
		return group(o.Members.Group)
	case o.Binding != nil && (o.Binding.Group == "" || len(o.Binding.Subjects) > 0):
		return fmt.Errorf("memory: role %q: %w: roles are given to groups, not to people", o.Binding.Role, fault.ErrUnsupported)
	case o.Binding != nil:
		if err := name("role", o.Binding.Role, false); err != nil {
			return err
		}
		return group(o.Binding.Group)
	default:
		return nil
	}
}

func group(s string) error { return name("group", s, true) }

// name checks one name: 1 to MaxName printable characters, valid UTF-8, and no
// '/' where noSlash is true.
func name(what, s string, noSlash bool) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("memory: %s %q: %w: the name is not valid UTF-8", what, s, fault.ErrInvalid)
	}
	if n := utf8.RuneCountInString(s); n < 1 || n > MaxName {
		return fmt.Errorf("memory: %s %q: %w: the name has %d characters, allowed are 1 to %d", what, s, fault.ErrInvalid, n, MaxName)
	}
	for _, r := range s {
		if unicode.IsControl(r) || noSlash && r == '/' {
			return fmt.Errorf("memory: %s %q: %w: the name may not hold the character %q", what, s, fault.ErrInvalid, r)
		}
	}
	return nil
}
