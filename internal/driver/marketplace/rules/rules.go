// Package rules is what a marketplace with Entra groups can hold: its profile and
// its limits on names, without any I/O, so that documents are checked against them
// where there is no cloud at hand.
package rules

import (
	"fmt"

	"github.com/rollcall-iam/rollcall/internal/driver"
	azure "github.com/rollcall-iam/rollcall/internal/driver/azure/rules"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// Type is the platform type as documents name it.
const Type = "marketplace"

// Profile says what the platform can do: all that Entra can, and no roles.
func Profile() driver.Profile {
	p := azure.Directory()
	p.Type = Type
	p.NoBindings = true
	// What a service broker's dashboard does with the token is its own affair.
	p.AccessEnd = driver.AccessEnd{
		Unknown: true,
		Because: "each dashboard decides how long it goes by the groups in a token, which lives 60 to 90 minutes by default",
		Source:  p.AccessEnd.Source + " for the token; dashboards state nothing together",
		Hint:    p.AccessEnd.Hint,
	}
	p.Cannot = append(p.Cannot,
		"give roles: a service broker's dashboard reads who is in which group",
		"tell a tenant that does not exist: a group is of no place, so no tenant is ever missing",
	)
	return p
}

// Fit reports why the platform could never hold the object, wrapping
// fault.ErrInvalid or fault.ErrUnsupported, or nil.
func Fit(o plan.Object) error {
	if o.Binding != nil {
		return fmt.Errorf("marketplace: %w: there are no roles to give: people are members of groups", fault.ErrUnsupported)
	}
	return azure.FitGroup(o)
}
