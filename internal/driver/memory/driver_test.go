package memory_test

import (
	"path/filepath"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/driver/drivertest"
	"github.com/rollcall-iam/rollcall/internal/driver/memory/memorytest"
)

func TestLaws(t *testing.T) {
	t.Parallel()
	suite := memorytest.Suite()
	suite.Calls = filepath.Join("testdata", "calls.txt")
	drivertest.Run(t, suite)
}
