package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rollcall-iam/rollcall/internal/store"
)

type forgetFlags struct {
	reason, as string
	yes        bool
}

// forgetReport is what was forgotten, in JSON.
type forgetReport struct {
	Platform string `json:"platform"`
	store.ForgetResult
	Done bool `json:"done"`
}

func forgetCommand(c *cli) *cobra.Command {
	var flags forgetFlags
	cmd := &cobra.Command{
		Use:   "forget PLATFORM",
		Short: "Give up the cleanup of a platform that no longer exists",
		Long: `forget drops what Rollcall remembers of a platform whose document is deleted and
whose removed tenants wait for a cleanup that cannot happen: the platform is gone, or
its connection is. Nothing is changed at the platform: groups and roles that are there
stay, and Rollcall never removes them. The reason and the operator's name are kept.

Without --yes it shows what it would forget. The operator is recorded as --as
says, which is not checked yet.`,
		Example: `  rollcall forget openstack.harbour --reason "decommissioned, OPS-77"
  rollcall forget openstack.harbour --reason "decommissioned, OPS-77" --yes`,
		Args: exactly(1, "name one platform by its identifier"),
		RunE: func(cmd *cobra.Command, args []string) error { return c.forget(cmd.Context(), args[0], flags) },
	}
	cmd.Flags().StringVar(&flags.reason, "reason", "", "why; kept for ever")
	cmd.Flags().StringVar(&flags.as, "as", "", "the name of the operator; $USER when left out")
	cmd.Flags().BoolVar(&flags.yes, "yes", false, "forget, and do not only show what would be forgotten")
	return cmd
}

func (c *cli) forget(ctx context.Context, platform string, f forgetFlags) error {
	f.as = cmp.Or(f.as, c.getenv("USER"))
	switch {
	case strings.TrimSpace(f.reason) == "":
		return invalid(errors.New("say why with --reason: it is kept"))
	case strings.TrimSpace(f.as) == "":
		return invalid(errors.New("say who you are with --as: it is kept"))
	}
	s, err := c.database(ctx)
	if err != nil {
		return err
	}
	result, err := s.ForgetPlatform(ctx, platform, f.reason, f.as, !f.yes)
	if errors.Is(err, store.ErrStored) || errors.Is(err, store.ErrNotFound) {
		return invalid(err)
	}
	if err != nil {
		return err
	}
	report := forgetReport{Platform: platform, ForgetResult: result, Done: f.yes}
	return c.print(report, func(w io.Writer) {
		verb := "Forgot"
		if !f.yes {
			verb = "Would forget"
		}
		fmt.Fprintf(w, "%s %s of %s with %s, which stay at the platform.\n",
			verb, count(result.Tenants, "removed tenant"), platform, count(result.Objects, "object"))
		if !f.yes {
			fmt.Fprintln(w, "Add --yes to forget them.")
		}
	})
}
