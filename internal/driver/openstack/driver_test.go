package openstack_test

import (
	"path/filepath"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/driver/drivertest"
)

func TestLaws(t *testing.T) {
	drivertest.Run(t, drivertest.Suite{
		New: func(t testing.TB) drivertest.World { return newWorld(t).laws() },
		// Two lists of assignments and one of groups, for the marks.
		ConvergedCalls: func(int, int) int { return 3 },
		SampleRefusals: true,
		Calls:          filepath.Join("testdata", "calls.txt"),
		Impossible: map[drivertest.Law]string{
			drivertest.TwinsAreAmbiguous: "Keystone keeps users' names unique in a domain; " +
				"TestTwinsAreAmbiguous has the federated users that break that",
		},
	})
}
