// Package types is the list of platform types, for the command line, the schemas of
// documents and connections, and the worker.
package types

import (
	"github.com/rollcall-iam/rollcall/internal/driver"
	aks "github.com/rollcall-iam/rollcall/internal/driver/aks/rules"
	aws "github.com/rollcall-iam/rollcall/internal/driver/aws/rules"
	azure "github.com/rollcall-iam/rollcall/internal/driver/azure/rules"
	cloudfoundry "github.com/rollcall-iam/rollcall/internal/driver/cloudfoundry/rules"
	gcp "github.com/rollcall-iam/rollcall/internal/driver/gcp/rules"
	kubernetes "github.com/rollcall-iam/rollcall/internal/driver/kubernetes/rules"
	marketplace "github.com/rollcall-iam/rollcall/internal/driver/marketplace/rules"
	memory "github.com/rollcall-iam/rollcall/internal/driver/memory/rules"
	openshift "github.com/rollcall-iam/rollcall/internal/driver/openshift/rules"
	openstack "github.com/rollcall-iam/rollcall/internal/driver/openstack/rules"
)

// All returns every platform type, sorted by name.
func All() []driver.Type {
	return []driver.Type{
		aks.PlatformType(),
		aws.PlatformType(),
		azure.PlatformType(),
		cloudfoundry.PlatformType(),
		gcp.PlatformType(),
		kubernetes.PlatformType(),
		marketplace.PlatformType(),
		memory.PlatformType(),
		openshift.PlatformType(),
		openstack.PlatformType(),
	}
}
