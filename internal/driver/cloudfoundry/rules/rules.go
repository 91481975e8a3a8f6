// Package rules is what a Cloud Foundry can hold: its profile and its roles,
// without any I/O, so that documents are checked against them where there is no
// Cloud Controller at hand.
package rules

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/identity"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// Type is the platform type as documents name it.
const Type = "cloudfoundry"

// OrganizationUser is the role that everybody needs in an organization before
// any role in its spaces.
const OrganizationUser = "organization_user"

// MaxUsername is the most characters that a name has in UAA's table of users.
const MaxUsername = 255

// SpaceRoles are the roles that count in one space, OrganizationRoles those that
// count in an organization with all its spaces (the Cloud Controller's API v3,
// "Valid role types").
func SpaceRoles() []string {
	return []string{"space_auditor", "space_developer", "space_manager", "space_supporter"}
}

// OrganizationRoles are described at SpaceRoles.
func OrganizationRoles() []string {
	return []string{"organization_auditor", "organization_billing_manager", "organization_manager", OrganizationUser}
}

// Profile says what the platform can do.
func Profile() driver.Profile {
	return driver.Profile{
		Type:                  Type,
		LookupAttribute:       "username",
		AccountNames:          identity.IgnoreCase, // UAA compares user names so
		AdditionalPermissions: plan.KeepAdditional,
		Unit:                  plan.PerObject,
		Parallel:              8,
		// The ids of 150 spaces fit into one address.
		ScopesPerObserve: 150,
		Settle:           0, // a role is in the database before it is answered
		// The Cloud Controller reads the caller's roles from its database for each request
		// (lib/cloud_controller/membership.rb); tokens hold none.
		AccessEnd: driver.AccessEnd{
			Because: "each request is checked by the roles in the Cloud Controller's database; open cf ssh sessions go on",
			Source:  "https://github.com/cloudfoundry/cloud_controller_ng/blob/main/lib/cloud_controller/membership.rb",
		},
		Separate:    true,
		SharedRoles: OrganizationRoles(),
		EveryPerson: []string{OrganizationUser},
		BringIn:     driver.CreateAccount,
		Cost: driver.Cost{
			VerifyOne: "2",
			VerifyAll: "2 for 150 tenants",
			ChangeOne: "1 to give a role, 2 or more to take one (its end is a job to ask for); " +
				"once more for the first and the last role in an organization",
			Missed: "roles in spaces and roles in their organizations cannot be listed together, so it is 2 calls and not 1",
		},
		Cannot: []string{
			"have groups: each user has each role",
			"mark managed roles: a role has no metadata, so only the ledger knows them",
			"find users that the Cloud Controller has never seen: UAA may know them, but lookups do not, " +
				"until they sign in or userCreation makes them known",
			"tell disabled accounts without UAA's scim.read: only UAA knows them",
			"create accounts of the origin uaa: they need a password",
			"remove roles in an organization if the space of its last tenant was deleted before the tenant: " +
				"without the space the organization is unknown",
			"look up names with a comma: the Cloud Controller's filter splits them",
		},
	}
}

// Fit reports why the platform could never hold the object, wrapping
// fault.ErrInvalid or fault.ErrUnsupported, or nil.
func Fit(o plan.Object) error {
	switch {
	case o.Group != nil || o.Members != nil:
		return fmt.Errorf("cloudfoundry: %w: there are no groups", fault.ErrUnsupported)
	case o.Account != nil:
		return username(o.Account.Name)
	case o.Binding == nil:
		return nil
	case o.Binding.Group != "":
		return fmt.Errorf("cloudfoundry: %w: roles are given to people, not to groups", fault.ErrUnsupported)
	case o.Binding.Condition != "":
		return fmt.Errorf("cloudfoundry: %w: a role has no condition", fault.ErrUnsupported)
	case !slices.Contains(append(SpaceRoles(), OrganizationRoles()...), o.Binding.Role):
		return fmt.Errorf("cloudfoundry: role %q: %w: there is no such role; there are %s and %s", short(o.Binding.Role), fault.ErrInvalid,
			strings.Join(SpaceRoles(), ", "), strings.Join(OrganizationRoles(), ", "))
	default:
		return nil
	}
}

// username checks the name of an account to be made. The text of the error does
// not name it.
func username(name string) error {
	switch {
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) || strings.TrimSpace(name) != name:
		return fmt.Errorf("cloudfoundry: %w: an account's name may not begin or end with a space, nor hold control characters",
			fault.ErrInvalid)
	case strings.Contains(name, ","):
		return fmt.Errorf("cloudfoundry: %w: an account's name may not hold a comma: nobody could look it up", fault.ErrInvalid)
	case name == "" || utf8.RuneCountInString(name) > MaxUsername:
		return fmt.Errorf("cloudfoundry: %w: an account's name has 1 to %d characters", fault.ErrInvalid, MaxUsername)
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
