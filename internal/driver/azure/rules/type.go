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
		TenantKey:       TenantKey,
		PrivilegedRoles: []string{"Owner", "User Access Administrator", "Role Based Access Control Administrator"},
	}
}

// TenantKey returns the path of a tenant, in lower case: Azure ignores the case of ids of
// subscriptions and of names of resource groups.
func TenantKey(id string) string { return strings.ToLower(scope(id)) }

// scope returns the path of a tenant: a subscription may be written as its id alone.
func scope(id string) string {
	if id != "" && !strings.Contains(id, "/") {
		return "/subscriptions/" + id
	}
	return id
}
