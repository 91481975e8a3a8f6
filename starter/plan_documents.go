package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/document"
)

// plannedDocuments are the documents of a plan that are not stored.
type plannedDocuments struct {
	// Digest is what rollcall apply --plan takes; empty for documents that change nothing.
	Digest    string            `json:"digest,omitempty"`
	Created   []document.ID     `json:"created"`
	Changed   []document.ID     `json:"changed"`
	Removed   []document.ID     `json:"removed"`
	Unchanged int               `json:"unchanged"`
	Tenants   []access.TenantID `json:"tenants"`
	// NewPlatforms counts the tenants on platforms that are not stored: they are planned
	// after an apply.
	NewPlatforms map[string]int `json:"new_platforms,omitempty"`
	Dropped      map[string]int `json:"dropped,omitempty"`
}

// planDocuments plans the tenants that the documents of files would affect. It stores none.
func (c *cli) planDocuments(ctx context.Context, in io.Reader, flags planFlags) error {
	docs, dropped, err := document.Load(flags.files, in)
	if err != nil {
		return err
	}
	request := control.PlanDocumentsRequest{Documents: docs, By: actor(""), Prune: flags.prune, Ordered: c.format != formatTable}
	if err := request.Validate(); err != nil {
		return err
	}
	p := c.newPlanPrinter(flags)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p.watch(cancel)
	p.events.proposed = func(r control.ChangeResult) { c.showChanges(r.Changes) }
	result, err := c.service().PlanDocuments(ctx, request, p.events.event)
	return p.end(ctx, result.Summary, &plannedDocuments{
		Digest: result.Changes.Digest, Created: list(result.Changes.Created), Changed: list(result.Changes.Changed),
		Removed: list(result.Changes.Removed), Unchanged: result.Changes.Unchanged, Tenants: list(result.Changes.Tenants),
		NewPlatforms: result.NewPlatforms, Dropped: dropped,
	}, err)
}

// write says how the documents go on, for people.
func (d *plannedDocuments) write(w io.Writer) {
	if d == nil {
		return
	}
	for _, line := range d.notes() {
		fmt.Fprintln(w, line)
	}
	if d.Digest == "" {
		fmt.Fprintln(w, "The documents are stored as they are: nothing would change.")
		return
	}
	fmt.Fprintf(w, "Nothing is stored. Store exactly this within a week:  rollcall apply --plan %s\n", d.Digest)
}

// notes say what a plan lacks.
func (d *plannedDocuments) notes() []string {
	var notes []string
	if len(d.Dropped) > 0 {
		notes = append(notes, fmt.Sprintf("Dropped fields that only a server owns: %s.", counted(d.Dropped)))
	}
	return append(notes, newPlatformNotes(d.NewPlatforms)...)
}

// newPlatformNotes name the platforms that are not stored, with the tenants there.
func newPlatformNotes(tenants map[string]int) []string {
	var notes []string
	for _, platform := range slices.Sorted(maps.Keys(tenants)) {
		notes = append(notes, fmt.Sprintf("The platform %s is new: no worker serves it before it is stored, "+
			"and %s there cannot be planned yet.", visible(platform), count(tenants[platform], "tenant")))
	}
	return notes
}

// planPrinter shows plans as they are made.
type planPrinter struct {
	*cli

	flags  planFlags
	began  time.Time
	events *eventPrinter
	out    planWriter
}

func (c *cli) newPlanPrinter(flags planFlags) *planPrinter {
	return c.planPrinterOf(c.printEvents("planning"), flags)
}

func (c *cli) planPrinterOf(events *eventPrinter, flags planFlags) *planPrinter {
	return &planPrinter{cli: c, flags: flags, began: time.Now(), events: events, out: c.planWriter(events, flags.tableFlags)}
}

// watch shows each plan. A plan that cannot be written cancels the others.
func (p *planPrinter) watch(cancel context.CancelCauseFunc) {
	p.events.planned = func(planned control.TenantPlan) {
		if err := p.planned(planned); err != nil {
			cancel(err)
		}
	}
}

// planned shows one plan.
func (p *planPrinter) planned(planned control.TenantPlan) error {
	if planned.Failure != nil {
		p.events.aside(func() {
			fmt.Fprintf(p.err, "%s cannot be planned: %s\n", planned.Tenant, visible(planned.Failure.Reason))
		})
	}
	return p.out.tenant(planned)
}

// endEffect writes the sums of the plans of a change that is not stored, and what they lack.
func (p *planPrinter) endEffect(e *control.Effect) {
	p.events.end()
	if e == nil {
		return
	}
	if e.Summary.Tenants > 0 {
		_ = p.out.end(e.Summary, time.Since(p.began), nil) // a table never fails
	}
	for _, note := range newPlatformNotes(e.NewPlatforms) {
		fmt.Fprintln(p.err, note)
	}
	if e.Failure != nil {
		fmt.Fprintf(p.err, "The effect on platforms is not known in full: %s\n", visible(e.Failure.Error()))
	}
}

// end writes the sums, and returns the exit code that the plans deserve.
func (p *planPrinter) end(ctx context.Context, summary control.PlanSummary, of *plannedDocuments, err error) error {
	p.events.end()
	switch {
	case ctx.Err() != nil && !errors.Is(context.Cause(ctx), ctx.Err()):
		return context.Cause(ctx)
	case ctx.Err() != nil && p.events.total > 0:
		fmt.Fprintf(p.err, "\n%d of %s were planned. No platform was changed.\n", summary.Tenants, count(p.events.total, "tenant"))
		return ctx.Err()
	case err != nil:
		return err
	}
	if err := p.out.end(summary, time.Since(p.began), of); err != nil {
		return err
	}
	return planVerdict(summary.Totals, summary.Pending, p.flags.exitCode)
}
