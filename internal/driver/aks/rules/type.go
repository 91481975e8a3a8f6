package rules

import (
	_ "embed"

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
		Uses: map[string]string{"directory": "azure", "cluster": "kubernetes"}, ScopesOf: "cluster",
		PrivilegedRoles: []string{
			"cluster-admin", OfAzure + "Owner", OfAzure + "User Access Administrator", OfAzure + "Role Based Access Control Administrator",
			OfAzure + "Azure Kubernetes Service Cluster Admin Role", OfAzure + "Azure Kubernetes Service RBAC Cluster Admin",
		},
	}
}
