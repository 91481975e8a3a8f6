package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// statusFlags say what of the status is shown, and how often.
type statusFlags struct {
	selection
	remarkFlags
	watch bool
}

func statusCommand(c *cli) *cobra.Command {
	var flags statusFlags
	cmd := &cobra.Command{
		Use:   "status [TENANT ...]",
		Short: "Show how each tenant's last run ended, its warnings, and what runs now",
		Long: `status shows all tenants, or the chosen ones: the outcome of the last run, how
many steps it took, and the warnings that hold now. Outcomes are converged (nothing
was to be done), changed, waiting (for an approval), failed, drifting (somebody
else keeps undoing the work) and never (no run has looked at it yet).

Each warning has a code, names an object and says what to do. It holds until a run
finds it mended, and is remembered for 90 days then (--ended). With --code or
--user only the tenants with such warnings are shown.

Below it says what is not done now: what runs, and what waits for a worker, for a
platform that does not answer, or for an approval. Without Temporal it shows the
rest.`,
		Example: `  rollcall status
  rollcall status --platform openstack.eu --warnings
  rollcall status --code user-not-found,user-disabled -o json
  rollcall status --user jane-doe --ended
  rollcall status --watch`,
		ValidArgsFunction: c.completeTenants,
		RunE: func(cmd *cobra.Command, args []string) error {
			if flags.watch && c.format != formatTable {
				return invalid(errors.New("--watch is for people: leave --output out"))
			}
			if err := flags.check(); err != nil {
				return err
			}
			flags.selection.all = flags.selection.all || flags.empty(args)
			return c.status(cmd.Context(), &flags, args)
		},
	}
	flags.selection.add(cmd)
	flags.remarkFlags.add(c, cmd)
	cmd.Flags().BoolVarP(&flags.watch, "watch", "w", false, "show it anew every two seconds, until Ctrl-C")
	return cmd
}

// watchEvery is how often a watched status is shown anew.
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
			return nil // which is how one ends it
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
	// LiveError says why Live lacks what runs.
	LiveError string `json:"live_error,omitempty"`
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
	tenants, last, ended, err := c.chooseRemarks(ctx, &flags.remarkFlags, tenants, last)
	if err != nil {
		return statusReport{}, err
	}
	s := statusReport{report: report{Totals: totalsOf(tenants, last), Items: last.items(tenants)}}
	s.heldTotals = last.heldTotals(tenants)
	for i, t := range tenants {
		s.Items[i].Ended = ended[t]
	}
	found, more, err := c.whatRuns(ctx, tenants)
	if err != nil {
		found, more, s.LiveError = nil, 0, err.Error()
	}
	s.Live, s.LiveMore = list(append(found, last.held(withoutRun(tenants, found))...)), more
	return s, ctx.Err()
}

// withoutRun leaves out tenants that a run has in hand: what they waited for may
// be over.
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

// showStatus writes a status at once, so that one that is watched does not
// flicker.
func (c *cli) showStatus(s statusReport, flags *statusFlags) error {
	var all bytes.Buffer
	shown := *c
	shown.out = &all
	if flags.watch && isTerminal(c.out) {
		all.WriteString("\x1b[H\x1b[2J") // a clear screen
	}
	if err := shown.print(s, func(w io.Writer) { c.writeStatus(w, s, &flags.remarkFlags) }); err != nil {
		return err
	}
	_, err := c.out.Write(all.Bytes())
	return err
}

func (c *cli) writeStatus(w io.Writer, s statusReport, flags *remarkFlags) {
	if flags.chosen() && len(s.Items) == 0 {
		fmt.Fprintln(w, flags.noneText())
		return
	}
	writeItems(w, s.Items)
	if flags.shown() {
		c.writeDated(w, s.Items)
	} else {
		c.writeRemarks(w, s.Items, remarksAtMost)
	}
	writeLive(w, s.Live, s.LiveMore)
	unseen := s.Tenants - s.Converged - s.Changed - s.Waiting - s.Failed
	fmt.Fprintf(w, "\n%s: %d converged, %d changed, %d waiting, %d failed, %d never looked at.\n",
		count(s.Tenants, "tenant"), s.Converged, s.Changed, s.Waiting, s.Failed, unseen)
	s.heldTotals.write(w)
	switch {
	case s.LiveError != "":
		fmt.Fprintf(w, "What runs now is unknown: %s\n", visible(s.LiveError))
	case len(s.Live) == 0:
		fmt.Fprintln(w, "Nothing runs or waits now.")
	}
}
