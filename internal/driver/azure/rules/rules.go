// Package rules is what Azure and Entra can hold: the profile and the limits on
// names, without any I/O, so that documents are checked against them where there
// is no cloud at hand.
package rules

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/identity"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// Type is the platform type as documents name it.
const Type = "azure"

// The most characters that names may have, counted as UTF-16 does: a group's
// displayName (https://learn.microsoft.com/graph/api/resources/group), and the
// name of a role (https://learn.microsoft.com/azure/role-based-access-control/custom-roles).
const (
	MaxGroupName = 256
	MaxRoleName  = 512
)

// MaxCondition is how many bytes a condition may have
// (https://learn.microsoft.com/azure/role-based-access-control/conditions-faq).
const MaxCondition = 8 << 10

// MemberChunk is how many members one PATCH adds to a group, and how many
// removals go into one $batch
// (https://learn.microsoft.com/graph/api/group-post-members).
const MemberChunk = 20

// Settle is how long a write to Entra may stay unseen by reads of other
// replicas. Microsoft names no limit; a role assignment is to count within 10
// minutes (https://learn.microsoft.com/azure/role-based-access-control/troubleshooting),
// and reads of the directory follow in seconds, at most a few minutes.
const Settle = 2 * time.Minute

// Profile says what the platform can do.
func Profile() driver.Profile {
	p := Directory()
	p.Type = Type
	p.Conditions = true
	p.AccessEnd = driver.AccessEnd{
		NoBound: "10m, and as long as tokens live",
		Because: "Azure Resource Manager caches for up to 10 minutes, and an access token lives 60 to 90 minutes by default, " +
			"28 hours at most with continuous access evaluation",
		Source: "https://learn.microsoft.com/azure/role-based-access-control/troubleshooting",
		Hint:   tokenEnd().Hint,
	}
	p.Cost.VerifyOne = "2: the groups with their members, and the role assignments; 1 more for groups of 20 members and more"
	p.Cost.VerifyAll = "R*T/300 for the groups with their members, and T for the role assignments"
	p.Cost.Missed = "Resource Graph would read the role assignments of many subscriptions in one call, but it lags behind " +
		"and says nothing of a subscription that it may not see: each is asked itself"
	p.Cannot = append(p.Cannot,
		"see role assignments above the tenant, on management groups: they are neither reported nor removed",
		"see eligible assignments of Privileged Identity Management: only active ones are seen",
	)
	return p
}

// tokenEnd returns when access ends where the groups in a token decide. An access token
// lives 60 to 90 minutes by default and is not looked up again.
//
// See https://learn.microsoft.com/entra/identity-platform/configurable-token-lifetimes.
func tokenEnd() driver.AccessEnd {
	return driver.AccessEnd{
		UpTo:    90 * time.Minute,
		Because: "an access token lists the user's groups and lives 60 to 90 minutes by default",
		Source:  "https://learn.microsoft.com/entra/identity-platform/configurable-token-lifetimes#access-tokens",
		Hint:    "revoke the user's sign-in sessions in Entra (revokeSignInSessions), so that no new token is issued",
	}
}

// Directory is the part of the profile that is about Entra, for all platforms
// whose groups are there.
func Directory() driver.Profile {
	return driver.Profile{
		LookupAttribute:       "userPrincipalName or mail",
		AccountNames:          identity.IgnoreCase,
		Groups:                true,
		Marks:                 true, // in the group's description
		AdditionalPermissions: plan.RemoveAdditional,
		Cleanup:               true,
		MemberChunk:           MemberChunk,
		Unit:                  plan.PerObject,
		Parallel:              4,
		ScopesPerObserve:      100,
		Settle:                Settle,
		AccessEnd:             tokenEnd(),
		Renames:               true, // displayName; all that names a group names its id
		BringIn:               driver.Invite,
		Cost: driver.Cost{
			VerifyOne: "1: the groups with their members; 1 more for groups of 20 members and more",
			VerifyAll: "R*T/300: each call asks for 20 times 15 groups",
			ChangeOne: "1",
			Missed:    "a delta query would answer for all groups at once, but needs a token that outlives the worker",
		},
		Cannot: []string{
			"show members of unmanaged groups that no document names: they may have tens of thousands",
			"restore a deleted group: an operator can; Rollcall creates another one",
			"rename or adopt a group safely while another system writes its description: Graph has no " +
				"version to compare",
		},
	}
}

// Fit reports why the platform could never hold the object, wrapping
// fault.ErrInvalid or fault.ErrUnsupported, or nil.
func Fit(o plan.Object) error {
	switch {
	case o.Binding != nil && (o.Binding.Group == "" || len(o.Binding.Subjects) > 0):
		return fmt.Errorf("azure: role %q: %w: roles are given to groups, not to people", short(o.Binding.Role), fault.ErrUnsupported)
	case o.Binding != nil:
		if err := Role(o.Binding.Role); err != nil {
			return err
		}
		if n := len(o.Binding.Condition); n > MaxCondition {
			return fmt.Errorf("azure: role %q: %w: the condition has %d bytes, allowed are %d",
				short(o.Binding.Role), fault.ErrInvalid, n, MaxCondition)
		}
		return name("group", o.Binding.Group, MaxGroupName)
	default:
		return FitGroup(o)
	}
}

// FitGroup is Fit for everything but bindings.
func FitGroup(o plan.Object) error {
	switch {
	case o.Group != nil:
		return name("group", o.Group.Name, MaxGroupName)
	case o.Members != nil:
		return name("group", o.Members.Group, MaxGroupName)
	default:
		return nil
	}
}

// Role checks the name, or the id, of a role.
func Role(s string) error { return name("role", s, MaxRoleName) }

// name checks one name. The directory takes spaces around a name off, and turns
// control characters into errors or nothing, so that neither would be read back
// as written.
func name(what, s string, most int) error {
	wrong := func(why string) error {
		return fmt.Errorf("azure: %s %q: %w: the name %s", what, short(s), fault.ErrInvalid, why)
	}
	switch {
	case !utf8.ValidString(s):
		return wrong("is not valid UTF-8")
	case s == "" || len(utf16.Encode([]rune(s))) > most:
		return wrong(fmt.Sprintf("has %d characters, allowed are 1 to %d", len(utf16.Encode([]rune(s))), most))
	case strings.TrimSpace(s) != s:
		return wrong("may not begin or end with a space")
	case strings.ContainsFunc(s, unicode.IsControl):
		return wrong("may not hold control characters")
	default:
		return nil
	}
}

// short keeps a name that is far too long out of error texts.
func short(s string) string {
	const most = 80
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + "..."
	}
	return s
}
