package kubernetes

import (
	"fmt"
	"syscall"
	"time"

	"github.com/rollcall-iam/rollcall/internal/engines/child"
)

// patience is how long a server may take to stop before it is made to.
const patience = 20 * time.Second

// stop ends a server: in order if one of the signals does it, and in any case.
func stop(p *child.Process, signals ...syscall.Signal) error {
	if err := p.Stop(patience, signals...); err != nil {
		return fmt.Errorf("kubernetes: %w", err)
	}
	return nil
}
