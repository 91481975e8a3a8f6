package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// report is the result of replicate, plan and status as JSON.
type report struct {
	activities.Totals
	DurationMS int64  `json:"duration_ms"`
	Items      []item `json:"items"`
	// Platforms are the totals of each platform that was replicated whole.
	Platforms []platformTotals `json:"platforms,omitempty"`
}

// platformTotals is what one platform took.
type platformTotals struct {
	Platform string `json:"platform"`
	activities.Totals
}

// item is one tenant of a report.
type item struct {
	Tenant   string             `json:"tenant"` // <workspace>.<project>
	Platform string             `json:"platform"`
	Outcome  activities.Outcome `json:"outcome"`
	Steps    any                `json:"steps"` // a number; for plan the steps themselves
	Warnings []datedWarning     `json:"warnings"`
	// Ended are warnings that hold no more, if they are asked for.
	Ended []datedWarning `json:"ended_warnings,omitempty"`
	// NextEnd is when the next users lose a role because bindings end; nil if none do.
	NextEnd *document.NextEnd `json:"next_end,omitempty"`
}

// never is the outcome of a tenant that is not replicated yet.
const never activities.Outcome = "never"

// ended is how a replication ended.
type ended struct {
	totals activities.Totals
	// broken are the tenants whose run, or whose platform's, ended in an error:
	// their stored status may be that of the run before.
	broken map[access.TenantID]activities.Outcome
	// runs are how runs ended, for tenants of which no status is left: they were
	// removed, and are cleaned up.
	runs map[access.TenantID]runEnd
	// platforms are those that were swept.
	platforms []platformTotals
}

// runEnd is how one tenant's run ended.
type runEnd struct {
	outcome activities.Outcome
	steps   int
}

// note keeps how a tenant's run ended.
func (e *ended) note(t access.TenantID, outcome activities.Outcome, steps int) {
	if e.runs == nil {
		e.runs = map[access.TenantID]runEnd{}
	}
	e.runs[t] = runEnd{outcome, steps}
}

// fail notes a tenant as broken.
func (e *ended) fail(t access.TenantID, outcome activities.Outcome) {
	if e.broken == nil {
		e.broken = map[access.TenantID]activities.Outcome{}
	}
	e.broken[t] = outcome
}

// tableFlags choose which tenants and warnings a table lists one by one.
type tableFlags struct {
	showAll bool
	// named is true for tenants that are arguments of the command.
	named bool
}

func (f *tableFlags) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.showAll, "show-all", false, "list unchanged tenants too, and each warning on its own")
}

// report prints how a replication ended and chooses the exit code.
func (c *cli) report(ctx context.Context, end ended, tenants []access.TenantID, table tableFlags, took time.Duration) error {
	last, err := c.lastStatuses(ctx, tenants)
	if err != nil {
		return err
	}
	r := last.report(end, tenants, took)
	if err := c.print(r, func(w io.Writer) {
		writeItems(w, r.Items, table, "unchanged", activities.Converged)
		c.writeWarnings(w, r.Items, table.showAll)
		fmt.Fprintf(w, "\n%s in %s.\n", summary(end.totals), took.Round(10*time.Millisecond))
		last.heldTotals(tenants).write(w)
	}); err != nil {
		return err
	}
	return verdict(end.totals)
}

func (s statuses) report(end ended, tenants []access.TenantID, took time.Duration) report {
	r := report{Totals: end.totals, DurationMS: took.Milliseconds(), Items: s.items(tenants), Platforms: end.platforms}
	for i, t := range tenants {
		run, ran := end.runs[t]
		if _, stored := s[t]; ran && !stored && run.outcome != "" {
			r.Items[i].Outcome, r.Items[i].Steps = run.outcome, run.steps
		}
		r.Items[i].Outcome = cmp.Or(end.broken[t], r.Items[i].Outcome)
	}
	return r
}

// verdict is the exit code that the outcomes deserve.
func verdict(t activities.Totals) error {
	switch {
	case t.Failed > 0:
		return exitError{code: exitFailed}
	case t.Waiting > 0:
		return exitError{code: exitWaiting}
	default:
		return nil
	}
}

func (s statuses) items(tenants []access.TenantID) []item {
	items := make([]item, len(tenants))
	for i, t := range tenants {
		last := s[t]
		items[i] = item{
			Tenant: t.ProjectID(), Platform: t.Platform,
			Outcome: cmp.Or(activities.Outcome(last.Outcome), never),
			Steps:   last.Steps, Warnings: dated(last),
		}
	}
	return items
}

// summary says it in one line. A run that changed nothing says so.
func summary(t activities.Totals) string {
	text := fmt.Sprintf("%s: %d converged, %d changed, %d waiting, %d failed; %s, %s, %s",
		count(t.Tenants, "tenant"), t.Converged, t.Changed, t.Waiting, t.Failed,
		count(t.Steps, "step"), count(t.Remarks, "warning"), count(t.Calls, "call"))
	if t.Steps == 0 && t.Failed == 0 {
		text += "; nothing was changed"
	}
	return text
}

// writeItems lists tenants. Those whose outcome is one of counted are only counted, as
// so many "unchanged" tenants, unless the flags ask for all.
func writeItems(w io.Writer, items []item, table tableFlags, unchanged string, counted ...activities.Outcome) {
	var lines [][]string
	for _, it := range items {
		if table.showAll || table.named || !slices.Contains(counted, it.Outcome) {
			lines = append(lines, []string{
				it.Tenant, it.Platform, string(it.Outcome), fmt.Sprint(it.Steps), strconv.Itoa(len(it.Warnings)),
			})
		}
	}
	if len(lines) > 0 {
		rows(w, []string{"TENANT", "PLATFORM", "OUTCOME", "STEPS", "WARNINGS"}, lines)
	}
	writeUnlisted(w, len(items)-len(lines), unchanged)
}

// writeUnlisted counts the tenants that a table does not list.
func writeUnlisted(w io.Writer, n int, unchanged string) {
	if n > 0 {
		fmt.Fprintf(w, "%s %s (list them with --show-all).\n", count(n, "tenant"), unchanged)
	}
}

// writeWarnings lists the warnings of stored statuses: each on its own, or equal ones on
// one line.
func (c *cli) writeWarnings(w io.Writer, items []item, each bool) {
	if each {
		c.writeEach(w, items)
		return
	}
	var table warningTable
	for _, it := range items {
		warnings := make([]access.Remark, len(it.Warnings))
		for i, r := range it.Warnings {
			warnings[i] = r.Remark
		}
		table.add(it.Tenant+"/"+it.Platform, warnings...)
	}
	if len(table.groups) > 0 {
		fmt.Fprintln(w)
	}
	table.write(w, "List each warning with its tenant:  rollcall status --warnings")
}

// totalsOf counts stored statuses.
func totalsOf(tenants []access.TenantID, last map[access.TenantID]store.Status) activities.Totals {
	var t activities.Totals
	for _, id := range tenants {
		s, known := last[id]
		if !known {
			t.Tenants++
			continue
		}
		t.Count(activities.Outcome(s.Outcome), s.Steps, len(s.Remarks), s.Calls)
	}
	return t
}
