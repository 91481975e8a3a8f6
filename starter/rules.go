package main

import (
	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/desired"
	"github.com/rollcall-iam/rollcall/internal/driver/types"
)

// platformRules returns the rules of one type, and false for an unknown one.
func platformRules(name string) (desired.Rules, bool) {
	for _, t := range types.All() {
		if t.Name() == name {
			return desired.Rules{
				Options: activities.DesiredOptions(t.Profile), GroupsIgnoreCase: t.Profile.GroupsIgnoreCase, Fit: t.Validate,
			}, true
		}
	}
	return desired.Rules{}, false
}
