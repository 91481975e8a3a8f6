package kubernetes_test

import (
	"path/filepath"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/driver/drivertest"
)

func TestLaws(t *testing.T) {
	const nobody = "a cluster has no users, only names that its authenticator gives"
	drivertest.Run(t, drivertest.Suite{
		New: func(t testing.TB) drivertest.World { return newWorld(t).laws() },
		// The bindings of all namespaces, and the namespaces.
		ConvergedCalls: func(int, int) int { return 2 },
		Calls:          filepath.Join("testdata", "calls.txt"),
		Impossible: map[drivertest.Law]string{
			drivertest.ResolveIsExact:          nobody + "; TestResolve has what is found",
			drivertest.AccountNamesAreCompared: nobody + "; TestResolve_AttackNames has what is found",
			drivertest.TwinsAreAmbiguous:       nobody,
			drivertest.DisabledIsDisabled:      nobody,
		},
	})
}
