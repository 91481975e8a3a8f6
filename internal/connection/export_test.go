package connection

import (
	"time"

	"github.com/rollcall-iam/rollcall/internal/budget"
)

// Expire has the next Current read the directory, whatever the time since the last.
func (d *Directory) Expire() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.read = time.Time{}
}

// LimitsOf returns the limits with which calls of a connection pass.
func (d *Drivers) LimitsOf(name string) (budget.Limits, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l, ok := d.rateLimits[name]
	return l.limits, ok
}
