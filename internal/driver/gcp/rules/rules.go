// Package rules is what a Google Cloud organization can hold: its profile and its
// limits on names, without any I/O, so that documents are checked against them
// where there is no cloud at hand.
package rules

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/identity"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// Type is the platform type as documents name it.
const Type = "gcp"

// MaxGroupName is how many characters an address may have before its at sign
// (https://support.google.com/a/answer/9193374, "Group name and description
// guidelines").
const MaxGroupName = 64

// MaxRoleName is how long the name of a role is at most here: Google limits the
// id of a custom role to 64 characters, and what stands before it is short
// (https://cloud.google.com/iam/docs/reference/rest/v1/organizations.roles/create).
const MaxRoleName = 200

var (
	groupName = regexp.MustCompile(`^[a-z0-9_-]+(\.[a-z0-9_-]+)*$`)
	roleName  = regexp.MustCompile(`^(roles/[A-Za-z0-9_.]+|(projects/[a-z][a-z0-9:.-]*|organizations/[0-9]+)/roles/[A-Za-z0-9_.]{3,64})$`)
)

// Profile says what the platform can do.
func Profile() driver.Profile {
	return driver.Profile{
		Type:                  Type,
		LookupAttribute:       "primaryEmail",
		AccountNames:          identity.IgnoreCase, // an address is the same in upper case
		GroupsIgnoreCase:      true,                // a group's name is an address
		Groups:                true,
		Marks:                 true, // on groups, in their description
		AdditionalPermissions: plan.KeepAdditional,
		Cleanup:               true,
		// Members are written one call each, one after the other: a step of twenty
		// is lost and done again in some ten seconds.
		MemberChunk:      20,
		Unit:             plan.PerTenant,
		Parallel:         8,
		ScopesPerObserve: 50,
		// Google gives no bound. What the API shows of groups lags by seconds; how
		// long access takes to follow is another matter, see AccessEnd.
		Settle: time.Minute,
		// A removal from a group takes longer than an addition, and a group longer than
		// a policy.
		AccessEnd: driver.AccessEnd{
			NoBound: "minutes, potentially hours",
			Because: "Google calls a change of a group typically several minutes away, potentially hours or longer",
			Source:  "https://cloud.google.com/iam/docs/access-change-propagation",
			Hint: "suspend the account in the Google Workspace or Cloud Identity console, or deny it with a deny policy, " +
				"which counts in about 2 minutes, potentially 7 or longer",
		},
		Cost: driver.Cost{
			VerifyOne: "1 + R, and one for each group whose mark is read",
			VerifyAll: "T + T x R, and one for each 500 groups of the customer where marks are read",
			ChangeOne: "1",
			Missed: "Cloud Asset Inventory answers for all policies in a few pages, but lags behind them by minutes and " +
				"would show roles that are gone: each policy is read from its project, T calls more",
		},
		Cannot: []string{
			"provision users: accounts come from Google Workspace or Cloud Identity",
			"rename a group: roles are granted to its address, which cannot change",
			"adopt a group safely while another system writes its description: groups have no version to compare",
			"grant a role under a condition: conditions of other systems are shown and kept",
			"say when access counts: Google takes minutes, and up to hours, to act on a changed group " +
				"(https://cloud.google.com/iam/docs/access-change-propagation)",
		},
	}
}

// Fit reports why the platform could never hold the object, wrapping
// fault.ErrInvalid or fault.ErrUnsupported, or nil.
func Fit(o plan.Object) error {
	switch {
	case o.Group != nil:
		return GroupName(o.Group.Name)
	case o.Members != nil:
		return GroupName(o.Members.Group)
	case o.Binding != nil && (o.Binding.Group == "" || len(o.Binding.Subjects) > 0):
		return fmt.Errorf("gcp: role %q: %w: roles are given to groups, not to people", short(o.Binding.Role), fault.ErrUnsupported)
	case o.Binding != nil:
		return binding(o.Binding.Role, o.Binding.Group)
	case o.Account != nil:
		return fmt.Errorf("gcp: %w: accounts are made in Google Workspace or Cloud Identity, not here", fault.ErrUnsupported)
	default:
		return nil
	}
}

// GroupName reports why no group can have an address of that local part. Google
// makes capitals small, so that a name with one would never be found again; it
// takes a few characters more than these, but not everywhere
// (https://support.google.com/a/answer/9193374); two addresses are reserved.
func GroupName(name string) error {
	wrong := func(why string) error {
		return fmt.Errorf("gcp: group %q: %w: %s", short(name), fault.ErrInvalid, why)
	}
	switch {
	case name == "" || len(name) > MaxGroupName:
		return wrong(fmt.Sprintf("the name has %d bytes, allowed are 1 to %d: it is what stands before the @ of the address",
			len(name), MaxGroupName))
	case strings.ToLower(name) != name:
		return wrong("the name is part of an address: write it in lower case")
	case !groupName.MatchString(name):
		return wrong("the name is part of an address: write a-z, 0-9, - and _, with single dots between them")
	case slices.Contains([]string{"abuse", "postmaster"}, name):
		return wrong("Google reserves this address")
	default:
		return nil
	}
}

// binding checks a role, and a group, which others may have in another domain.
func binding(role, group string) error {
	if len(role) > MaxRoleName || !roleName.MatchString(role) {
		return fmt.Errorf("gcp: role %q: %w: write roles/NAME, projects/PROJECT/roles/NAME or organizations/NUMBER/roles/NAME",
			short(role), fault.ErrInvalid)
	}
	if local, _, foreign := strings.Cut(group, "@"); foreign && local != "" {
		return nil
	}
	return GroupName(group)
}

// short keeps a name that is far too long out of error texts.
func short(s string) string {
	const most = 80
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + "..."
	}
	return s
}
