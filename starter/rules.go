package main

import (
	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/desired"
	"github.com/rollcall-iam/rollcall/internal/driver"
	kubernetes "github.com/rollcall-iam/rollcall/internal/driver/kubernetes/rules"
	memory "github.com/rollcall-iam/rollcall/internal/driver/memory/rules"
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
		{kubernetes.Profile(), kubernetes.Fit},
		{memory.Profile(), memory.Fit},
		{openstack.Profile(), openstack.Fit},
	}
}

// platformRules returns the rules of one type, and false for an unknown one.
func platformRules(name string) (desired.Rules, bool) {
	for _, t := range platformTypes() {
		if t.profile.Type == name {
			return desired.Rules{Options: activities.DesiredOptions(t.profile), Fit: t.fit}, true
		}
	}
	return desired.Rules{}, false
}
