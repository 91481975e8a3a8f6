package memory_test

import (
	"testing"

	"github.com/rollcall-iam/rollcall/internal/driver/drivertest"
	"github.com/rollcall-iam/rollcall/internal/driver/memory/memorytest"
)

func TestLaws(t *testing.T) {
	t.Parallel()
	drivertest.Run(t, memorytest.Suite())
}
