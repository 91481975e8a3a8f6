package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

func statusCommand(c *cli) *cobra.Command {
	chosen := selection{}
	var remarks bool
	cmd := &cobra.Command{
		Use:   "status [TENANT ...]",
		Short: "Show how each tenant's last run ended, and its remarks",
		Long: `status shows all tenants, or the chosen ones: the outcome of the last run, how
many steps it took, and the remarks that hold now. Outcomes are converged (nothing
was to be done), changed, waiting (for an approval), failed, contested (somebody
else keeps undoing the work) and never (no run has looked at it yet).`,
		Example: `  rollcall status
  rollcall status --platform openstack.eu --remarks`,
		ValidArgsFunction: c.completeTenants,
		RunE: func(cmd *cobra.Command, args []string) error {
			chosen.all = chosen.all || chosen.empty(args)
			tenants, err := c.tenants(cmd.Context(), &chosen, args)
			if err != nil {
				return err
			}
			last, err := c.lastStatuses(cmd.Context(), tenants)
			if err != nil {
				return err
			}
			r := report{Totals: totalsOf(tenants, last), Items: last.items(tenants)}
			return c.print(r, func(w io.Writer) {
				most := remarksAtMost
				if remarks {
					most = r.Remarks
				}
				writeItems(w, r.Items)
				c.writeRemarks(w, r.Items, most)
				unseen := r.Tenants - r.Converged - r.Changed - r.Waiting - r.Failed
				fmt.Fprintf(w, "\n%s: %d converged, %d changed, %d waiting, %d failed, %d never looked at.\n",
					count(r.Tenants, "tenant"), r.Converged, r.Changed, r.Waiting, r.Failed, unseen)
			})
		},
	}
	chosen.add(cmd)
	cmd.Flags().BoolVar(&remarks, "remarks", false, "show all remarks")
	return cmd
}
