package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
)

// statusFlags choose what the status shows, and how often.
type statusFlags struct {
	selection
	warningFlags
	tableFlags

	watch bool
}

func statusCommand(c *cli) *cobra.Command {
	var flags statusFlags
	cmd := &cobra.Command{
		Use:   "status [TENANT ...]",
		Short: "Show the tenants that are not as desired, warnings and open runs",
		Long: `status lists the tenants whose last run did not reach the desired access, and counts
the others; --show-all and tenants named as arguments list every tenant. The outcomes
are converged (the run changed nothing), changed, waiting (for an approval), failed,
drifting (another system keeps changing it) and never (not replicated yet).

Each warning has a code, names an object and says what to do. Equal warnings of several
tenants are one line; --warnings lists each with its tenant. A warning holds until a run
finds the cause fixed; --ended lists the warnings too that ended within 90 days. --code
and --user list only the tenants with such warnings.

Where bindings have an end, status shows when the next users of a tenant lose access.

The table below shows open runs, and what waits for a worker, a platform or an approval. A
run that waits for a platform has the reason of its last failure.
Without Temporal, status shows the rest.`,
		Example: `  rollcall status
  rollcall status --platform openstack.eu --warnings
  rollcall status --code user-not-found,user-disabled -o json
  rollcall status --user jane-doe --ended
  rollcall status --watch`,
		ValidArgsFunction: c.completeTenants,
		RunE: func(cmd *cobra.Command, args []string) error {
			if flags.watch && c.format != formatTable {
				return invalid(errors.New("--watch writes tables only: leave --output out"))
			}
			if err := flags.check(); err != nil {
				return err
			}
			nothing := len(args) == 0 && flags.selection == selection{}
			flags.selection.all, flags.named = flags.selection.all || nothing, len(args) > 0
			return c.status(cmd.Context(), &flags, args)
		},
	}
	flags.selection.add(cmd)
	flags.warningFlags.add(c, cmd)
	flags.tableFlags.add(cmd)
	cmd.Flags().BoolVarP(&flags.watch, "watch", "w", false, "refresh every two seconds, until Ctrl-C")
	return cmd
}

// watchEvery is how often a watched status is refreshed.
const watchEvery = 2 * time.Second

func (c *cli) status(ctx context.Context, flags *statusFlags, args []string) error {
	for {
		s, err := c.statusNow(ctx, flags, args)
		if err == nil {
			err = c.showStatus(s, flags)
		}
		if !flags.watch || err != nil && ctx.Err() == nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil // Ctrl-C is how to end it
		case <-time.After(watchEvery):
		}
	}
}

// statusReport is the status as JSON.
type statusReport struct {
	report
	// Live is what is not done now.
	Live []live `json:"live"`
	// LiveMore is how many runs are open beyond those in Live.
	LiveMore int `json:"live_more,omitempty"`
	heldTotals
	// LiveError says why Live lacks the open runs.
	LiveError string `json:"live_error,omitempty"`

	// waits says why open runs wait, or has the command to run if they are unknown.
	waits hint
}

func (c *cli) statusNow(ctx context.Context, flags *statusFlags, args []string) (statusReport, error) {
	tenants, err := c.tenants(ctx, &flags.selection, args)
	if err != nil {
		return statusReport{}, err
	}
	last, err := c.lastStatuses(ctx, tenants)
	if err != nil {
		return statusReport{}, err
	}
	tenants, last, ended, err := c.chooseWarnings(ctx, &flags.warningFlags, tenants, last)
	if err != nil {
		return statusReport{}, err
	}
	s := statusReport{report: report{Totals: totalsOf(tenants, last), Items: last.items(tenants)}}
	s.heldTotals = last.heldTotals(tenants)
	ends, err := c.nextEnds(ctx, tenants)
	if err != nil {
		return statusReport{}, err
	}
	for i, t := range tenants {
		s.Items[i].Ended, s.Items[i].NextEnd = ended[t], ends[t]
	}
	found, more, err := c.whatRuns(ctx, tenants)
	if err != nil {
		found, more, s.LiveError = nil, 0, err.Error()
		s.waits.command = c.nextCommand(err)
	}
	if err := c.addReasons(ctx, found); err != nil {
		return statusReport{}, err
	}
	if s.LiveError == "" {
		if s.waits, err = c.waitingRuns(ctx, found); err != nil {
			return statusReport{}, err
		}
	}
	s.Live, s.LiveMore = list(append(found, last.held(withoutRun(tenants, found))...)), more
	return s, ctx.Err()
}

// withoutRun leaves out the tenants of open runs, which may end what they waited for.
func withoutRun(tenants []access.TenantID, all []live) (rest []access.TenantID) {
	runs := make(map[access.TenantID]bool, len(all))
	for _, l := range all {
		if id, err := access.ParseTenantID(l.Tenant + "/" + l.Platform); err == nil {
			runs[id] = true
		}
	}
	for _, t := range tenants {
		if !runs[t] {
			rest = append(rest, t)
		}
	}
	return rest
}

// showStatus writes a status in one piece: a watched one must not flicker.
func (c *cli) showStatus(s statusReport, flags *statusFlags) error {
	var all bytes.Buffer
	shown := *c
	shown.out = &all
	if flags.watch && isTerminal(c.out) {
		all.WriteString("\x1b[H\x1b[2J") // a clear screen
	}
	if err := shown.print(s, func(w io.Writer) { c.writeStatus(w, s, flags) }); err != nil {
		return err
	}
	_, err := c.out.Write(all.Bytes())
	return err
}

func (c *cli) writeStatus(w io.Writer, s statusReport, flags *statusFlags) {
	if flags.chosen() && len(s.Items) == 0 {
		fmt.Fprintln(w, flags.noneText())
		return
	}
	table := flags.tableFlags
	table.named = table.named || flags.chosen()
	writeItems(w, s.Items, table, "as desired", activities.Converged, activities.Changed)
	c.writeWarnings(w, s.Items, table.showAll || flags.listsEach())
	writeEnds(w, s.Items)
	writeLive(w, s.Live, s.LiveMore)
	never := s.Tenants - s.Converged - s.Changed - s.Waiting - s.Failed
	fmt.Fprintf(w, "\n%s: %d converged, %d changed, %d waiting, %d failed, %d not replicated yet.\n",
		count(s.Tenants, "tenant"), s.Converged, s.Changed, s.Waiting, s.Failed, never)
	switch {
	case s.LiveError != "":
		fmt.Fprintf(w, "The open runs are unknown: %s\n", visible(s.LiveError))
	case len(s.Live)+s.LiveMore == 0:
		fmt.Fprintln(w, "Nothing runs or waits now.")
	}
	s.heldTotals.write(w)
	s.waits.write(w)
}
