package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/control"
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
			nothing := len(args) == 0 && flags.selection == selection{}
			flags.selection.all, flags.named = flags.selection.all || nothing, len(args) > 0
			chosen, err := flags.request(args)
			if err != nil {
				return err
			}
			request := control.StatusRequest{Selection: chosen, User: flags.user, Ended: flags.ended}
			for _, code := range flags.codes {
				request.Codes = append(request.Codes, access.Code(code))
			}
			if err := request.Validate(); err != nil {
				return inFlags(err, map[string]string{"codes": "--code %q: write one of " + strings.Join(warningCodes(), ", ")})
			}
			return c.status(cmd.Context(), request, &flags)
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

func (c *cli) status(ctx context.Context, request control.StatusRequest, flags *statusFlags) error {
	for {
		result, err := c.service().Status(ctx, request)
		if err == nil {
			err = c.showStatus(result, flags)
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

// showStatus writes a status in one piece: a watched one must not flicker.
func (c *cli) showStatus(result control.StatusResult, flags *statusFlags) error {
	var all bytes.Buffer
	shown := *c
	shown.out = &all
	if flags.watch && isTerminal(c.out) {
		all.WriteString("\x1b[H\x1b[2J") // a clear screen
	}
	if err := shown.print(result.Report, func(w io.Writer) { c.writeStatus(w, result, flags) }); err != nil {
		return err
	}
	_, err := c.out.Write(all.Bytes())
	return err
}

func (c *cli) writeStatus(w io.Writer, result control.StatusResult, flags *statusFlags) {
	s := result.Report
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
	writePendingTotals(w, s.PendingTotals)
	c.delayHint(result).write(w)
}
