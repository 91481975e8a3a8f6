package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-iam/rollcall/internal/connection"
	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/driver/types"
)

func connectionCommand(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "connection",
		Short: "Show and check the accounts that workers use at platforms",
		Long: `A connection is an account at a platform, with its address and with what it may be
used for. The operator of the workers describes connections in the files of the
directory that ROLLCALL_CONNECTIONS names; documents only name them. Workers report
what they hold: these commands show the reports, and never the files or secrets.`,
		Example: "  rollcall connection list",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return invalid(unknownCommand(cmd, args[0]))
		},
	}
	cmd.AddCommand(connectionListCommand(c), connectionCheckCommand(c), connectionExtractCommand(c))
	return cmd
}

func connectionListCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the connections that workers hold",
		Long: `list shows every connection with the workers that hold it, a digest of what it says,
and what its platform answered when a worker last checked it. Workers whose digests
differ are listed apart. Below are the platforms that no worker serves, with the
reason.`,
		Example: `  rollcall connection list
  rollcall connection list -o json`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			report, err := c.service().ListConnections(cmd.Context())
			if err != nil {
				return err
			}
			return c.print(report, func(w io.Writer) { printConnections(w, report, unservedHint(report.Unserved)) })
		},
	}
}

func printConnections(w io.Writer, report control.ConnectionsReport, unserved hint) {
	lines := make([][]string, len(report.Connections))
	for i, c := range report.Connections {
		state := "not checked: no platform uses it"
		switch {
		case c.Type == "":
			state = "cannot be used"
		case c.Error != "":
			state = "refused"
		case c.Checked != nil:
			state = "accepted " + elapsed(time.Since(*c.Checked))
		}
		lines[i] = []string{visible(c.Name), c.Type, strings.Join(c.UsedBy, ","), strconv.Itoa(len(c.Workers)), c.Digest, state}
	}
	if len(lines) == 0 {
		fmt.Fprintf(w, "No worker reports a connection. Workers read them from the directory that %s names.\n", connection.Variable)
	} else {
		rows(w, []string{"CONNECTION", "TYPE", "USED BY", "WORKERS", "DIGEST", "CHECK"}, lines)
	}
	for _, c := range report.Connections {
		if c.Error != "" {
			fmt.Fprintf(w, "\n%s: %s\n", visible(c.Name), visible(c.Error))
		}
	}
	if unserved.text != "" {
		fmt.Fprintln(w)
		unserved.write(w)
	}
}

// elapsed says how long ago something was.
func elapsed(d time.Duration) string { return max(d, 0).Round(time.Second).String() + " ago" }

func connectionCheckCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "check [CONNECTION...]",
		Short: "Ask the workers to check their connections",
		Long: `check has every worker ask the platforms whether they accept its accounts, waits for
the answers, and lists them. It ends with 1 if an account is refused, a file cannot be
used, no worker has a named connection, or a worker does not answer within a
minute. Connections that no platform uses are not checked.`,
		Example: `  rollcall connection check
  rollcall connection check openstack-main`,
		RunE: func(cmd *cobra.Command, args []string) error { return c.checkConnections(cmd.Context(), args) },
	}
}

func (c *cli) checkConnections(ctx context.Context, names []string) error {
	report, err := c.service().CheckConnections(ctx, control.CheckRequest{Connections: names})
	if err != nil {
		return err
	}
	unserved := hint{text: unservedHint(report.Unserved).text} // the command would be this one
	if err := c.print(report, func(w io.Writer) { printConnections(w, report, unserved) }); err != nil {
		return err
	}
	return report.CheckError(names)
}

func connectionExtractCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "extract",
		Short: "Write connections for the platforms of an earlier version",
		Long: `extract prints connections for platforms whose documents had addresses and named
credentials, as earlier versions of Rollcall wanted it. It is for the operator of the
workers: read it, put it into a *.yaml file in the directory that ROLLCALL_CONNECTIONS
names, and take the variables and files that it names along. Roles that give power over
more than a tenant are listed as denied.`,
		Example: "  rollcall connection extract > connections.yaml",
		Args:    none,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.extractConnections(cmd.Context()) },
	}
}

func (c *cli) extractConnections(ctx context.Context) error {
	former, err := c.service().ListFormerConnections(ctx)
	if err != nil {
		return err
	}
	if len(former) == 0 {
		return errors.New("no platform was stored by a version before connections: there is nothing to extract")
	}
	var all []map[string]any
	for _, f := range former {
		extracted, err := connection.Extract(f.Platform, f.Type, f.Settings, f.RedirectURL, types.All())
		if err != nil {
			return err
		}
		all = append(all, extracted...)
	}
	var out bytes.Buffer
	for i, one := range all {
		if i > 0 {
			out.WriteString("---\n")
		}
		if err := writeYAML(&out, one); err != nil {
			return err
		}
	}
	_, err = c.out.Write(out.Bytes())
	return err
}
