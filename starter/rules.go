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

// platformRules is the list of platform types whose names apply can check
// without a cloud.
func platformRules(platformType string) (desired.Rules, bool) {
	for _, rules := range []struct {
		profile driver.Profile
		fit     func(plan.Object) error
	}{
		{kubernetes.Profile(), kubernetes.Fit},
		{memory.Profile(), memory.Fit},
		{openstack.Profile(), openstack.Fit},
	} {
		if rules.profile.Type == platformType {
			return desired.Rules{Options: activities.DesiredOptions(rules.profile), Fit: rules.fit}, true
		}
	}
	return desired.Rules{}, false
}
