package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-iam/rollcall/internal/store"
)

func databaseCommand(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "database",
		Short: "Give rights on the database, and switch commands without a server",
		Long: `database is for the owner of the tables. Servers and workers use a role that writes rows
and changes no table; reports use one that reads. Commands that reach the database do
everything, whatever the policies say: direct-mode off refuses them.`,
		Example: `  rollcall database grant --writer rollcall_writer --reader rollcall_reports
  rollcall database direct-mode off --reason "all callers sign in"`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(databaseGrantCommand(c), directModeCommand(c))
	return cmd
}

func databaseGrantCommand(c *cli) *cobra.Command {
	var grants store.Grants
	cmd := &cobra.Command{
		Use:   "grant",
		Short: "Give roles of the database their rights on the tables",
		Long: `grant gives existing roles of the cluster their rights on the tables, those of later
migrations among them. Run it as the owner of the tables, which migrate creates.

The writer role is for servers and workers: it reads and writes rows. It creates and
changes no table, cannot change records that are kept for ever, and cannot switch direct mode.
The reader role reads all tables but those with digests of tokens.`,
		Example: `  psql -c 'CREATE ROLE rollcall_writer LOGIN'
  rollcall database grant --writer rollcall_writer
  rollcall database grant --reader rollcall_reports`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if grants == (store.Grants{}) {
				return invalid(errors.New("no role is named: add --writer or --reader"))
			}
			s, err := c.database(cmd.Context())
			if err != nil {
				return err
			}
			if err := s.Grant(cmd.Context(), grants); err != nil {
				return err
			}
			return c.print(grants, func(w io.Writer) {
				for purpose, role := range map[string]string{"reads and writes rows": grants.Writer, "reads": grants.Reader} {
					if role != "" {
						fmt.Fprintf(w, "The role %s %s.\n", role, purpose)
					}
				}
			})
		},
	}
	cmd.Flags().StringVar(&grants.Writer, "writer", "", "the role of servers and workers")
	cmd.Flags().StringVar(&grants.Reader, "reader", "", "the role of reports")
	return cmd
}

// directMode is whether commands may use the database, as JSON.
type directMode struct {
	Allowed bool      `json:"allowed"`
	Reason  string    `json:"reason,omitempty"`
	By      string    `json:"by,omitempty"`
	Claim   string    `json:"claim,omitempty"`
	At      time.Time `json:"at,omitzero"`
}

func directModeCommand(c *cli) *cobra.Command {
	var as, reason string
	cmd := &cobra.Command{
		Use:   "direct-mode [on|off]",
		Short: "Show whether commands may use the database, or decide it",
		Long: `direct-mode off refuses all commands that would use the database themselves: callers sign in
at a server, which applies the policies. Servers, workers, migrate and this command go on.

Only the owner of the tables decides. direct-mode on is the way to break glass: the decision,
its reason and its actor are kept for ever, and what commands change then is recorded with the
user of the operating system.`,
		Example: `  rollcall database direct-mode
  rollcall database direct-mode off --reason "all callers sign in"
  rollcall database direct-mode on --reason "INC-7: the identity provider is lost"`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 || len(args) == 1 && args[0] != "on" && args[0] != "off" {
				return invalid(errors.New("write on or off, or nothing to see what was decided"))
			}
			return nil
		},
		ValidArgs: []cobra.Completion{"on", "off"},
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := c.database(cmd.Context())
			if err != nil {
				return err
			}
			if len(args) > 0 {
				by := actor(as)
				if err := checkRecord(by, reason); err != nil {
					return err
				}
				if err := s.SetDirectMode(cmd.Context(), args[0] == "on", reason, by); err != nil {
					return err
				}
			}
			return c.showDirectMode(cmd.Context(), s)
		},
	}
	addAs(cmd, &as)
	cmd.Flags().StringVar(&reason, "reason", "", "why: it is kept for ever")
	return cmd
}

func (c *cli) showDirectMode(ctx context.Context, s *store.Store) error {
	m, err := s.DirectMode(ctx)
	if err != nil {
		return err
	}
	shown := directMode{Allowed: m.Allowed, Reason: m.Reason, By: m.By.ID(), Claim: m.By.Claim, At: m.At}
	return c.print(shown, func(w io.Writer) {
		text := "Commands may use the database."
		if !m.Allowed {
			text = "Commands may not use the database: they need a server."
		}
		fmt.Fprintln(w, text)
		if m.Reason != "" {
			by, at := actorText(shown.By, shown.Claim), m.At.UTC().Format(time.RFC3339)
			fmt.Fprintf(w, "Decided by %s at %s: %s\n", by, at, visible(m.Reason))
		}
	})
}

// directDatabase connects to the database for a command without a server, if such commands are
// allowed.
func (c *cli) directDatabase(ctx context.Context) (*store.Store, error) {
	s, err := c.database(ctx)
	if err != nil || c.directChecked {
		return s, err
	}
	m, err := s.DirectMode(ctx)
	if err != nil {
		return nil, err
	}
	if !m.Allowed {
		return nil, commandError{
			fmt.Errorf("direct mode is off since %s (%s): commands need a server", m.At.UTC().Format(time.RFC3339), visible(m.Reason)),
			"set ROLLCALL_SERVER and ROLLCALL_TOKEN_FILE; to break glass, the database's owner runs rollcall database direct-mode on",
		}
	}
	c.directChecked = true
	return s, nil
}
