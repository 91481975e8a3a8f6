package rules

import (
	_ "embed"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/driver"
)

//go:embed document.json
var document []byte

//go:embed connection.json
var connection []byte

// PlatformType describes the type for everything that has no platform at hand.
func PlatformType() driver.Type {
	return driver.Type{
		Profile: Profile(), Validate: Fit, Document: document, Connection: connection,
		Scope:           scope,
		PrivilegedRoles: []string{"Owner", "User Access Administrator", "Role Based Access Control Administrator"},
	}
}

// scope returns the path of a tenant: a subscription may be written as its id alone.
func scope(id string) string {
	if id != "" && !strings.Contains(id, "/") {
		return "/subscriptions/" + id
	}
	return id
}
