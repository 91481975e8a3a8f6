package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/rollcall-iam/rollcall/internal/driver/memory"
)

// TestWorkerKilledAtEveryStepBoundary kills the worker after the first write of a
// tenant's run, after the second, and so on to the last but one. Each time another
// worker goes on, and the end is as if nothing had happened.
func TestWorkerKilledAtEveryStepBoundary(t *testing.T) {
	t.Parallel()
	// Three groups are created, filled and given a role: nine writes.
	const writes = 9
	for killed := 1; killed < writes; killed++ {
		t.Run(fmt.Sprintf("after write %d", killed), func(t *testing.T) {
			t.Parallel() // most of the time goes by until the death is noticed
			s := newStack(t)
			file, org := memoryWorld(s, 1, 4)
			first := s.worker()
			s.apply(org.documents())
			// One write after the other, so that there is a boundary between any two.
			breakPlatform(t, file, memory.Fault{Op: "write:*", Skip: killed, Delay: memory.Duration(time.Hour)})
			s.must(done, "replicate", "--all")
			s.eventually("the write to die after", func() bool { return world(t, file).Faults[0].Hits > 0 })
			kill(first)
			breakPlatform(t, file)
			s.worker()
			s.endsWell(t, file)
		})
	}
}
