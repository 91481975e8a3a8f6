package main

import (
	"github.com/rollcall-iam/rollcall/internal/desired"
	"github.com/rollcall-iam/rollcall/internal/driver/types"
	"github.com/rollcall-iam/rollcall/internal/reconcile"
)

// platformRules returns the rules of one type, and false for an unknown one.
func platformRules(name string) (desired.Rules, bool) {
	for _, t := range types.All() {
		if t.Name() == name {
			return desired.Rules{
				Options: reconcile.DesiredOptions(t.Profile), GroupsIgnoreCase: t.Profile.GroupsIgnoreCase, Fit: t.Validate,
			}, true
		}
	}
	return desired.Rules{}, false
}
