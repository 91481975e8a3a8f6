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
		Example: `  rollcall status
  rollcall status --platform openstack.eu --remarks`,
		ValidArgsFunction: c.completeTenants,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := c.database(cmd.Context())
			if err != nil {
				return err
			}
			chosen.all = chosen.all || chosen.empty(args)
			tenants, err := chosen.tenants(cmd.Context(), s, args)
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
				writeRemarks(w, r.Items, most)
				fmt.Fprintf(w, "\n%d tenants: %d converged, %d changed, %d waiting, %d failed, %d never looked at.\n",
					r.Tenants, r.Converged, r.Changed, r.Waiting, r.Failed, r.Tenants-r.Converged-r.Changed-r.Waiting-r.Failed)
			})
		},
	}
	chosen.add(cmd)
	cmd.Flags().BoolVar(&remarks, "remarks", false, "show all remarks")
	return cmd
}
