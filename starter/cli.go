package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"

	"github.com/fatih/color"
	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"golang.org/x/term"

	"github.com/rollcall-iam/rollcall/internal/api"
	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/internal/login"
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
	colored bool // whether tables are; prepare decides

	findDemo func() (map[string]string, error)
	// server is that of ROLLCALL_SERVER; nil for the service in this process.
	server control.Service
	// client is that server beyond the service.
	client *api.Client
	// logins are the stored ones; nil for none. session is the one at the server.
	logins  *login.Store
	session *login.Session
	// transport is for servers and providers; nil is the usual one.
	transport http.RoundTripper
	documents *store.Store
	// demoFailure is why a demo cannot be used.
	demoFailure error
	// directChecked is true for a database that commands may use without a server.
	directChecked bool
	temporal      client.Client
	namespace     string // temporal's
	// payloads reads what Temporal has; nil without a key ring.
	payloads converter.DataConverter
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
TEMPORAL_NAMESPACE, TEMPORAL_PROFILE, ...). ROLLCALL_KEYRING names the directory
with the keys that workflow histories are encrypted with. Where none of these is set,
it uses the demo that runs on this machine (make demo).

Where ROLLCALL_SERVER has the address of a server (rollcall serve), commands call it with the
token in the file ROLLCALL_TOKEN_FILE, in ROLLCALL_TOKEN or of rollcall login, and need neither.

Exit codes: 0 done, 1 failed, 2 invalid input, 3 waits for an approval,
4 plan --exit-code found changes.`,
		Example: `  rollcall migrate                  once, for the tables
  rollcall apply organisation/      who should have which role where
  rollcall plan --all               what that changes on the platforms
  rollcall replicate --all --wait   change it
  rollcall status                   how it is`,
		SuggestionsMinimumDistance: 2,
		SilenceUsage:               true,
		SilenceErrors:              true,
		Args:                       cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return invalid(unknownCommand(cmd, args[0]))
		},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := cmd.ValidateRequiredFlags(); err != nil {
				return invalid(err) // before cobra says it, with another exit code
			}
			return c.prepare(cmd.CommandPath())
		},
	}
	root.SetIn(c.in)
	root.SetOut(c.out)
	root.SetErr(c.err)
	root.PersistentFlags().StringVarP(&c.format, "output", "o", formatTable, "table, json or yaml")
	root.PersistentFlags().BoolVar(&c.noColor, "no-color", false, "never colour; also with NO_COLOR, and where there is no terminal")
	cobra.CheckErr(root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats(), cobra.ShellCompDirectiveNoFileComp)))
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return invalid(fmt.Errorf("%w: %s --help lists the flags", err, cmd.CommandPath()))
	})
	root.SetHelpCommand(helpCommand())
	root.AddCommand(
		applyCommand(c), deleteCommand(c), getCommand(c), exportCommand(c),
		planCommand(c), replicateCommand(c), statusCommand(c), explainCommand(c), approveCommand(c), rejectCommand(c), revokeCommand(c),
		adoptCommand(c), connectionCommand(c), forgetCommand(c), auditCommand(c),
		loginCommand(c), logoutCommand(c), whoamiCommand(c),
		workerCommand(c), serveCommand(c), codecCommand(c), migrateCommand(c), databaseCommand(c),
		schemaCommand(c), platformsCommand(c), trustCommand(c), versionCommand(c),
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

// helpCommand is cobra's, but for a command that is not there.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "Show what a command does",
		Example: "  rollcall help apply",
		RunE: func(cmd *cobra.Command, args []string) error {
			found, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return invalid(unknownCommand(cmd.Root(), args[0]))
			}
			found.InitDefaultHelpFlag()
			return found.Help()
		},
	}
}

// prepare settles what all commands share.
func (c *cli) prepare(command string) error {
	if err := c.useServer(); err != nil {
		return err
	}
	c.colored = !c.noColor && c.getenv("NO_COLOR") == "" && isTerminal(c.out)
	if c.format == formatMarkdown && command == "rollcall plan" {
		return nil
	}
	return checkFormat(c.format)
}

// paint colours text where somebody sees it.
func (c *cli) paint(colour color.Attribute, text string) string {
	if !c.colored {
		return text
	}
	brush := color.New(colour)
	brush.EnableColor() // whatever the package thinks of the process's own streams
	return brush.Sprint(text)
}

// useDemo lets commands use the demo that runs on this machine, unless the environment
// names a database, a Temporal or keys.
func (c *cli) useDemo() error {
	if c.findDemo == nil {
		return c.demoFailure
	}
	find := c.findDemo
	c.findDemo = nil
	for _, name := range []string{store.URLVariable, engine.KeyringVariable, addressVariable, profileVariable, "TEMPORAL_CONFIG_FILE"} {
		if c.getenv(name) != "" {
			return nil
		}
	}
	variables, err := find()
	if err != nil {
		return err
	}
	for name, value := range variables {
		if c.getenv(name) != "" {
			continue // the caller signs in as another user, as one example
		}
		if err := os.Setenv(name, value); err != nil {
			return fmt.Errorf("demo: %w", err)
		}
	}
	return nil
}

// database connects to PostgreSQL and checks that the tables fit.
func (c *cli) database(ctx context.Context) (*store.Store, error) {
	if c.documents != nil {
		return c.documents, nil
	}
	if err := c.useDemo(); err != nil {
		return nil, err
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
	if err := c.useDemo(); err != nil {
		return nil, err
	}
	options, err := c.temporalOptions()
	if err != nil {
		return nil, err
	}
	if options, err = engine.Encrypt(options, c.getenv); err != nil {
		return nil, invalid(err)
	}
	c.namespace, c.payloads = options.Namespace, options.DataConverter
	c.temporal, err = engine.Dial(ctx, options)
	return c.temporal, err
}

// temporalOptions are what Temporal's environment and profile say.
func (c *cli) temporalOptions() (client.Options, error) {
	options, err := engine.Options(slog.New(slog.DiscardHandler))
	if err != nil {
		return options, invalid(err)
	}
	return options, nil
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
