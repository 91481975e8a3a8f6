package azure_test

import (
	"path/filepath"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/driver/drivertest"
	simulated "github.com/rollcall-iam/rollcall/internal/simulate/azure"
)

// convergedCalls is a list of role assignments for each scope, and the pages of one
// list of groups.
func convergedCalls(scopes, groups int) int { return scopes + (scopes*groups+pageSize-1)/pageSize }

func TestLaws(t *testing.T) {
	drivertest.Run(t, drivertest.Suite{
		New: func(t testing.TB) drivertest.World {
			w := newWorld(t, simulated.Options{Stale: -1, PageSize: pageSize})
			w.settings["replication"] = replication(map[string]any{"userLookUpStrategy": "userByMail"})
			return w.laws()
		},
		ConvergedCalls: convergedCalls,
	})
}

func TestLawsByUsername(t *testing.T) {
	drivertest.Run(t, drivertest.Suite{
		New: func(t testing.TB) drivertest.World {
			return newWorld(t, simulated.Options{Stale: -1, PageSize: pageSize}).laws()
		},
		ConvergedCalls: convergedCalls,
		SampleRefusals: true, // TestLaws has every write
		Calls:          filepath.Join("testdata", "calls.txt"),
		Impossible: map[drivertest.Law]string{
			drivertest.TwinsAreAmbiguous: "a userPrincipalName is unique in the directory; TestLaws looks up by mail, which is not",
		},
	})
}
