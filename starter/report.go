package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/control"
)

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
func (c *cli) report(result control.ReplicateResult, table tableFlags) error {
	r := *result.Report
	if err := c.print(r, func(w io.Writer) {
		writeItems(w, r.Items, table, "unchanged", activities.Converged)
		c.writeWarnings(w, r.Items, table.showAll)
		took := time.Duration(r.DurationMS) * time.Millisecond
		fmt.Fprintf(w, "\n%s in %s.\n", summary(r.Totals), took.Round(10*time.Millisecond))
		writePendingTotals(w, result.Pending)
	}); err != nil {
		return err
	}
	return verdict(r.Totals)
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
func writeItems(w io.Writer, items []control.TenantReport, table tableFlags, unchanged string, counted ...activities.Outcome) {
	var lines [][]string
	for _, it := range items {
		if table.showAll || table.named || !slices.Contains(counted, it.Outcome) {
			lines = append(lines, []string{
				it.Tenant, it.Platform, string(it.Outcome), strconv.Itoa(it.Steps), strconv.Itoa(len(it.Warnings)),
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
func (c *cli) writeWarnings(w io.Writer, items []control.TenantReport, each bool) {
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
