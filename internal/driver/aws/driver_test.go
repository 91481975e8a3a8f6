package aws_test

import (
	"path/filepath"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/driver/drivertest"
	simulated "github.com/rollcall-iam/rollcall/internal/simulate/aws"
)

func TestLaws(t *testing.T) {
	const page = 4
	drivertest.Run(t, drivertest.Suite{
		New: func(t testing.TB) drivertest.World {
			return newWorld(t, simulated.Options{Page: page, IgnoreCase: true}).laws(page)
		},
		// The groups are known by name only: two calls to find each, one for its
		// members and one for its assignments.
		ConvergedCalls: func(scopes, groups int) int { return 4 * scopes * groups },
		Calls:          filepath.Join("testdata", "calls.txt"),
		Impossible: map[drivertest.Law]string{
			drivertest.TwinsAreAmbiguous: "Identity Store keeps user names unique",
		},
	})
}
