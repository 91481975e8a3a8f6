package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rollcall-iam/rollcall/internal/control"
)

type forgetFlags struct {
	reason, as string
	yes, list  bool
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
system's user, and with the name that --as gives, which nothing verifies. --list shows every
cleanup that was given up.

Without --yes it shows what it would forget.`,
		Example: `  rollcall forget openstack.harbour --reason "decommissioned, OPS-77"
  rollcall forget openstack.harbour --reason "decommissioned, OPS-77" --yes
  rollcall forget --list`,
		Args: atMost(1, "name one platform by its identifier"),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case flags.list && (flags.yes || flags.reason != "" || flags.as != ""):
				return invalid(errors.New("--list only shows decisions: leave out --yes, --reason and --as"))
			case flags.list:
				return c.listAbandoned(cmd.Context(), strings.Join(args, ""))
			case len(args) == 0:
				return invalid(errors.New("name one platform by its identifier"))
			}
			return c.forget(cmd.Context(), args[0], flags)
		},
	}
	cmd.Flags().StringVar(&flags.reason, "reason", "", "why; kept for ever")
	addAs(cmd, &flags.as)
	cmd.Flags().BoolVar(&flags.yes, "yes", false, "forget, and do not only show what would be forgotten")
	cmd.Flags().BoolVar(&flags.list, "list", false, "list every cleanup that was given up, of the platform if one is named")
	return cmd
}

// listAbandoned shows the platforms whose cleanup was given up, with the decisions.
func (c *cli) listAbandoned(ctx context.Context, platform string) error {
	items, err := c.service().ListAbandoned(ctx, platform)
	if err != nil {
		return err
	}
	return c.print(items, func(w io.Writer) {
		if len(items) == 0 {
			fmt.Fprintln(c.err, "No cleanup was given up.")
			return
		}
		lines := make([][]string, len(items))
		for i, it := range items {
			lines[i] = []string{
				it.Platform, strconv.Itoa(it.Tenants), strconv.Itoa(it.Objects), stamp(it.At), actorText(it.By, it.Claim), it.Reason,
			}
		}
		rows(w, []string{"PLATFORM", "TENANTS", "OBJECTS", "SINCE", "BY", "REASON"}, lines)
	})
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
