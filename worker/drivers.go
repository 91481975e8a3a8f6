package main

import (
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/kubernetes"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/internal/driver/openstack"
)

// drivers is the whole list of platform types, in one place.
func drivers() map[string]driver.Open {
	return map[string]driver.Open{
		"kubernetes": kubernetes.Open,
		"memory":     memory.Open,
		"openstack":  openstack.Open,
	}
}
