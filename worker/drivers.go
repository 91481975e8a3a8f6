package main

import (
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/aks"
	"github.com/rollcall-iam/rollcall/internal/driver/aws"
	"github.com/rollcall-iam/rollcall/internal/driver/azure"
	"github.com/rollcall-iam/rollcall/internal/driver/cloudfoundry"
	"github.com/rollcall-iam/rollcall/internal/driver/gcp"
	"github.com/rollcall-iam/rollcall/internal/driver/kubernetes"
	"github.com/rollcall-iam/rollcall/internal/driver/marketplace"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/internal/driver/openshift"
	"github.com/rollcall-iam/rollcall/internal/driver/openstack"
)

// drivers is the whole list of platform types, in one place.
func drivers() map[string]driver.Open {
	return map[string]driver.Open{
		"aks":          aks.Open,
		"azure":        azure.Open,
		"aws":          aws.Open,
		"cloudfoundry": cloudfoundry.Open,
		"gcp":          gcp.Open,
		"kubernetes":   kubernetes.Open,
		"marketplace":  marketplace.Open,
		"memory":       memory.Open,
		"openshift":    openshift.Open,
		"openstack":    openstack.Open,
	}
}
