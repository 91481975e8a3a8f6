package main

import (
	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/desired"
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
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// platformType is what is known of a type of platform without one at hand.
type platformType struct {
	profile driver.Profile
	fit     func(plan.Object) error
}

// platformTypes is the list of platform types whose names apply can check
// without a cloud.
func platformTypes() []platformType {
	return []platformType{
		{aks.Profile(), aks.Fit},
		{azure.Profile(), azure.Fit},
		{aws.Profile(), aws.Fit},
		{cloudfoundry.Profile(), cloudfoundry.Fit},
		{gcp.Profile(), gcp.Fit},
		{kubernetes.Profile(), kubernetes.Fit},
		{marketplace.Profile(), marketplace.Fit},
		{memory.Profile(), memory.Fit},
		{openshift.Profile(), openshift.Fit},
		{openstack.Profile(), openstack.Fit},
	}
}

// platformRules returns the rules of one type, and false for an unknown one.
func platformRules(name string) (desired.Rules, bool) {
	for _, t := range platformTypes() {
		if t.profile.Type == name {
			return desired.Rules{
				Options: activities.DesiredOptions(t.profile), GroupsIgnoreCase: t.profile.GroupsIgnoreCase, Fit: t.fit,
			}, true
		}
	}
	return desired.Rules{}, false
}
