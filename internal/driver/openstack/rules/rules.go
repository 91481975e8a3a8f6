// Package rules is what an OpenStack can hold: its profile and its limits on
// names, without any I/O, so that documents are checked against them where
// there is no Keystone at hand.
package rules

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/identity"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// Type is the platform type as documents name it.
const Type = "openstack"

// The most characters that names may have. The API's schema allows 255 for a
// group too (keystone/identity/schema.py, _identity_name), but the column holds
// 64 (keystone/identity/backends/sql_model.py, Group.name). For roles both say
// 255 (keystone/assignment/schema.py, role_backends/sql_model.py).
const (
	MaxGroupName = 64
	MaxRoleName  = 255
)

// Profile says what the platform can do.
func Profile() driver.Profile {
	return driver.Profile{
		Type:            Type,
		LookupAttribute: "name",
		// MySQL behind Keystone ignores case in a lookup, PostgreSQL does not.
		// Names are compared here, to the letter.
		AccountNames:          identity.Exact,
		Groups:                true,
		Marks:                 true, // on groups, in their description
		AdditionalPermissions: plan.KeepAdditional,
		Cleanup:               false,
		// Members are written one call each; a step of twenty is lost and done
		// again in about a second.
		MemberChunk: 20,
		Unit:        plan.PerObject,
		Parallel:    8,
		// One read answers for all tenants, however many.
		ScopesPerObserve: 1000,
		// Roles and members know a group by its id (PATCH /v3/groups/{group_id}).
		Renames: true,
		Settle:  0, // a write is in the database before it is answered
		// Keystone revokes the tokens of a user who leaves a group. Services ask it about a
		// token that they have seen only after token_cache_time of keystonemiddleware.
		AccessEnd: driver.AccessEnd{
			UpTo:    5 * time.Minute,
			Because: "services cache tokens for token_cache_time of keystonemiddleware, 300 seconds by default",
			Source:  "https://docs.openstack.org/keystonemiddleware/latest/middlewarearchitecture.html",
			Hint:    "disable the user in Keystone if the services' token_cache_time is longer",
		},
		Cost: driver.Cost{
			VerifyOne: "2", VerifyAll: "2", ChangeOne: "1",
		},
		Cannot: []string{
			"remove several members in one call: Keystone has no bulk API",
			"reach users of other domains: a group and its members are in one domain",
			"rename or adopt a group safely while another system writes its description: " +
				"Keystone has no version to compare",
		},
	}
}

// Fit reports why the platform could never hold the object, wrapping
// fault.ErrInvalid or fault.ErrUnsupported, or nil.
func Fit(o plan.Object) error {
	switch {
	case o.Group != nil:
		return name("group", o.Group.Name, MaxGroupName)
	case o.Members != nil:
		return name("group", o.Members.Group, MaxGroupName)
	case o.Binding != nil && (o.Binding.Group == "" || len(o.Binding.Subjects) > 0):
		return fmt.Errorf("openstack: role %q: %w: roles are given to groups, not to people", o.Binding.Role, fault.ErrUnsupported)
	case o.Binding != nil:
		if err := name("role", o.Binding.Role, MaxRoleName); err != nil {
			return err
		}
		return name("group", o.Binding.Group, MaxGroupName)
	default:
		return nil
	}
}

// name checks one name. Keystone itself wants at least one character that is no
// space. It takes spaces around a name off (keystone/identity/core.py,
// create_group), and its databases choke on a NUL, so that neither would be read
// back as written.
func name(what, s string, most int) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("openstack: %s %q: %w: the name is not valid UTF-8", what, s, fault.ErrInvalid)
	}
	if n := utf8.RuneCountInString(s); n < 1 || n > most {
		return fmt.Errorf("openstack: %s %q: %w: the name has %d characters, allowed are 1 to %d",
			what, short(s), fault.ErrInvalid, n, most)
	}
	if strings.TrimSpace(s) != s {
		return fmt.Errorf("openstack: %s %q: %w: the name may not begin or end with a space", what, s, fault.ErrInvalid)
	}
	if i := strings.IndexFunc(s, unicode.IsControl); i >= 0 {
		return fmt.Errorf("openstack: %s %q: %w: the name may not hold control characters", what, s, fault.ErrInvalid)
	}
	return nil
}

// short keeps a name that is far too long out of error texts.
func short(s string) string {
	const most = 80
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + "..."
	}
	return s
}
