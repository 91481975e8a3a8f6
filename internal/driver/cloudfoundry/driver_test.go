package cloudfoundry_test

import (
	"path/filepath"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/driver/drivertest"
	simulated "github.com/rollcall-iam/rollcall/internal/simulate/cloudfoundry"
)

func TestLaws(t *testing.T) {
	drivertest.Run(t, drivertest.Suite{
		New: func(t testing.TB) drivertest.World { return newWorld(t, simulated.Options{}).laws() },
		// Roles of spaces, roles of organizations, the organizations' spaces and the
		// roles in those, each on as many pages as they have.
		ConvergedCalls: func(scopes, groups int) int { return 4 + (2*scopes*groups+scopes)/page + 1 },
		Calls:          filepath.Join("testdata", "calls.txt"),
		Impossible: map[drivertest.Law]string{
			drivertest.VersionsAreCompared: "a role has no version: it is given and taken, and never changed",
			drivertest.TwinsAreAmbiguous:   "UAA keeps names unique in an origin; AccountNamesAreCompared has those of another origin",
		},
	})
}
