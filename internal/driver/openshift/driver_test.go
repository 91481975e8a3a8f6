package openshift_test

import (
	"path/filepath"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/driver/drivertest"
)

func TestLaws(t *testing.T) {
	drivertest.Run(t, drivertest.Suite{
		New: func(t testing.TB) drivertest.World { return newWorld(t).laws() },
		// The groups of all tenants, and the bindings of all projects.
		ConvergedCalls: func(int, int) int { return 2 },
		SampleRefusals: true,
		Calls:          filepath.Join("testdata", "calls.txt"),
		Impossible: map[drivertest.Law]string{
			drivertest.TwinsAreAmbiguous:  "a user's name is the key of the object, so that no two have one",
			drivertest.DisabledIsDisabled: "a user has no attribute that would say so",
		},
	})
}
