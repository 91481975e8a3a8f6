package main

import (
	"fmt"

	"github.com/rollcall-iam/rollcall/internal/control"
)

// eventPrinter shows the events of the service on the error stream.
type eventPrinter struct {
	*cli

	what  string // what the bar counts
	bar   *progress
	total int // set once the work has begun
	// The others take the events of some methods.
	proposed, changed func(control.ChangeResult)
	planned           func(control.TenantPlan)
	decided           func(control.Decided)
	adopting, adopted func(control.AdoptResult)
	repeated          func(control.Revocation)
	accepted          func(control.RevokedPlatform)
	lifted            func(tenants int)
}

func (c *cli) printEvents(what string) *eventPrinter { return &eventPrinter{cli: c, what: what} }

// event shows one event.
func (f *eventPrinter) event(e control.Event) {
	switch e.Type {
	case control.EventDelayed:
		f.delayed(*e.Delay)
	case control.EventStarted:
		f.total, f.bar = e.Total, f.watch(e.Total, f.what)
	case control.EventProgress:
		f.bar.set(e.Done)
	case control.EventProposed:
		f.proposed(*e.Change)
	case control.EventChanged:
		f.changed(*e.Change)
	case control.EventPlanned:
		f.planned(*e.Plan)
	case control.EventDecided:
		f.decided(*e.Decided)
	case control.EventAdopting:
		f.adopting(*e.Adoption)
	case control.EventAdopted:
		f.adopted(*e.Adoption)
	case control.EventRepeated:
		f.repeated(*e.Revocation)
	case control.EventAccepted:
		f.accepted(*e.Accepted)
	case control.EventLifted:
		f.lifted(e.Total)
	}
}

// delayed says why the work waits.
func (f *eventPrinter) delayed(d control.Delay) {
	if d.NoWorker != nil {
		hint{"The work is stored and waits: " + visible(d.NoWorker.Error()), f.nextCommand(d.NoWorker)}.write(f.err)
		return
	}
	h := unservedHint(d.Unserved)
	if d.Waiting > 0 {
		h.text += fmt.Sprintf("\nWaiting for a worker: %d of %s.", d.Waiting, count(d.Total, "tenant"))
	}
	h.write(f.err)
}

// aside lets others write to the terminal where the bar is.
func (f *eventPrinter) aside(write func()) {
	if f.bar == nil {
		write()
		return
	}
	f.bar.aside(write)
}

// end takes the bar away.
func (f *eventPrinter) end() {
	if f.bar != nil {
		f.bar.end()
		f.bar = nil
	}
}
