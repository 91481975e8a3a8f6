package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/fatih/color"
	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"
	"golang.org/x/term"

	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// cli is what all commands share: streams, the output format, and connections
// that are made when a command first needs them.
type cli struct {
	in       io.Reader
	out, err io.Writer
	getenv   func(string) string

	format  string
	noColor bool

	documents *store.Store
	temporal  client.Client
}

func rootCommand(c *cli) *cobra.Command {
	root := &cobra.Command{
		Use:   "rollcall",
		Short: "Keep access right on every cloud",
		Long: `Rollcall keeps access right on every cloud. It reads who should have which role
on which project, turns that into groups, members and role bindings on every
platform, and keeps them so.

It finds its database through ROLLCALL_DATABASE_URL, and Temporal through
Temporal's own environment variables and profile (TEMPORAL_ADDRESS,
TEMPORAL_NAMESPACE, TEMPORAL_PROFILE, ...).

Exit codes: 0 done, 1 failed, 2 invalid input, 3 waits for an approval,
4 plan --exit-code found changes.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return invalid(unknownCommand(cmd, args[0]))
		},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return c.prepare(cmd)
		},
	}
	root.SetIn(c.in)
	root.SetOut(c.out)
	root.SetErr(c.err)
	root.PersistentFlags().StringVarP(&c.format, "output", "o", formatTable, "table, json or yaml")
	root.PersistentFlags().BoolVar(&c.noColor, "no-color", false, "never colour; also with NO_COLOR, and where there is no terminal")
	cobra.CheckErr(root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats(), cobra.ShellCompDirectiveNoFileComp)))
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return invalid(err) })
	root.AddCommand(
		applyCommand(c), deleteCommand(c), getCommand(c), exportCommand(c),
		planCommand(c), replicateCommand(c), statusCommand(c),
		migrateCommand(c), schemaCommand(c), versionCommand(c),
	)
	return root
}

// unknownCommand names the command that is not there, and one like it.
func unknownCommand(root *cobra.Command, name string) error {
	text := fmt.Sprintf("there is no command %q", name)
	if alike := root.SuggestionsFor(name); len(alike) > 0 {
		text += fmt.Sprintf(": do you mean %q?", alike[0])
	}
	return errors.New(text + " (rollcall --help lists all)")
}

// prepare checks what all commands take.
func (c *cli) prepare(*cobra.Command) error {
	color.NoColor = c.noColor || c.getenv("NO_COLOR") != "" || !isTerminal(c.out)
	return checkFormat(c.format)
}

// database connects to PostgreSQL and checks that the tables fit.
func (c *cli) database(ctx context.Context) (*store.Store, error) {
	if c.documents != nil {
		return c.documents, nil
	}
	s, err := store.Open(ctx, c.getenv(store.URLVariable))
	if err != nil {
		return nil, err
	}
	c.documents = s
	return s, s.CheckSchema(ctx)
}

// engine connects to Temporal. The client's own chatter stays unsaid: what
// matters comes back as an error.
func (c *cli) engine(ctx context.Context) (client.Client, error) {
	if c.temporal != nil {
		return c.temporal, nil
	}
	options, err := engine.Options(slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, invalid(err)
	}
	c.temporal, err = engine.Dial(ctx, options)
	return c.temporal, err
}

func (c *cli) close() {
	if c.temporal != nil {
		c.temporal.Close()
	}
	if c.documents != nil {
		c.documents.Close()
	}
}

// isTerminal reports whether a person watches the stream.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
