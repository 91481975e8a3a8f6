package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/rollcall-iam/rollcall/internal/control"
)

type forgetFlags struct {
	reason, as string
	yes        bool
}

func forgetCommand(c *cli) *cobra.Command {
	var flags forgetFlags
	cmd := &cobra.Command{
		Use:   "forget PLATFORM",
		Short: "Give up the cleanup of a platform that no longer exists",
		Long: `forget drops what Rollcall remembers of a platform whose document is deleted and
whose removed tenants wait for a cleanup that cannot happen: the platform is gone, or
its connection is. Nothing is changed at the platform: groups and roles that are there
stay, and Rollcall never removes them. The reason is kept for ever with the operating
system's user, and with the name that --as gives, which nothing verifies.

Without --yes it shows what it would forget.`,
		Example: `  rollcall forget openstack.harbour --reason "decommissioned, OPS-77"
  rollcall forget openstack.harbour --reason "decommissioned, OPS-77" --yes`,
		Args: exactly(1, "name one platform by its identifier"),
		RunE: func(cmd *cobra.Command, args []string) error { return c.forget(cmd.Context(), args[0], flags) },
	}
	cmd.Flags().StringVar(&flags.reason, "reason", "", "why; kept for ever")
	addAs(cmd, &flags.as)
	cmd.Flags().BoolVar(&flags.yes, "yes", false, "forget, and do not only show what would be forgotten")
	return cmd
}

func (c *cli) forget(ctx context.Context, platform string, f forgetFlags) error {
	by := actor(f.as)
	if err := checkRecord(by, f.reason); err != nil {
		return err
	}
	report, err := c.service().Forget(ctx, control.ForgetRequest{Platform: platform, Reason: f.reason, By: by, DryRun: !f.yes})
	if err != nil {
		return inFlags(err, map[string]string{
			"reason": "say why with --reason: it is kept",
			"by":     "say who you are with --as: it is kept",
		})
	}
	return c.print(report, func(w io.Writer) {
		verb := "Forgot"
		if !f.yes {
			verb = "Would forget"
		}
		fmt.Fprintf(w, "%s %s of %s with %s, which stay at the platform.\n",
			verb, count(report.Tenants, "removed tenant"), platform, count(report.Objects, "object"))
		if !f.yes {
			fmt.Fprintln(w, "Add --yes to forget them.")
		}
	})
}
