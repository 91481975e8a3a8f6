package marketplace

import (
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
)

// toObservation is a tenant that has these groups, and no roles.
func toObservation(groups []access.Group) driver.Observation {
	state := access.State{Groups: groups}
	state.Sort()
	return driver.Observation{State: state}
}
