package gcp_test

import (
	"path/filepath"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/driver/drivertest"
)

func TestLaws(t *testing.T) {
	drivertest.Run(t, drivertest.Suite{
		New: func(t testing.TB) drivertest.World {
			options := calm()
			options.PageSize = pageSize
			return newWorld(t, options).laws(t)
		},
		// A policy for each project, a list of members for each group, and the
		// pages of one list of all groups, for the marks.
		ConvergedCalls: func(scopes, groups int) int { return scopes + scopes*groups + (scopes*groups+pageSize-1)/pageSize },
		Calls:          filepath.Join("testdata", "calls.txt"),
		Impossible: map[drivertest.Law]string{
			drivertest.TwinsAreAmbiguous: "Google keeps addresses unique; TestExternalIDs has the ids that two people share",
		},
	})
}
