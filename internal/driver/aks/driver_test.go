package aks_test

import (
	"path/filepath"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/driver/drivertest"
)

func TestLaws(t *testing.T) {
	drivertest.Run(t, drivertest.Suite{
		New: func(t testing.TB) drivertest.World { return newWorld(t).laws() },
		// One list of bindings, the pages of the groups and those of the roles on the
		// cluster.
		ConvergedCalls: func(scopes, groups int) int { return 1 + 2*((scopes*groups+pageSize-1)/pageSize) },
		SampleRefusals: true,
		Calls:          filepath.Join("testdata", "calls.txt"),
	})
}
