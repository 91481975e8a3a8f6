// Command rollcall-worker does the work of Rollcall's workflows: it replicates
// access into every platform that the documents describe.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/store"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "rollcall-worker:", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	var format, level string
	cmd := &cobra.Command{
		Use:   "rollcall-worker",
		Short: "Replicate access into every platform that the documents describe",
		Long: `rollcall-worker runs Rollcall's workflows and talks to the platforms.

It finds Temporal through Temporal's own environment variables and profile
(TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_PROFILE, ...) and the database
through ROLLCALL_DATABASE_URL. What workflow histories hold is encrypted with the
keys in the directory that ROLLCALL_KEYRING names. Credentials of platforms are where the platform's
document says: in its environment, or in a file. A platform that is applied
while the worker runs is served within ten seconds.

SIGTERM and Ctrl-C stop it gracefully: running activities get half a minute to
finish, and what is left goes on in another worker.`,
		Example:       "  ROLLCALL_DATABASE_URL=postgres://rollcall@localhost/rollcall rollcall-worker",
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			logger, err := newLogger(cmd.ErrOrStderr(), format, level)
			if err != nil {
				return err
			}
			return run(cmd.Context(), logger)
		},
	}
	cmd.Flags().StringVar(&format, "log-format", "text", "text or json")
	cmd.Flags().StringVar(&level, "log-level", "info", "debug, info, warn or error")
	return cmd
}

func newLogger(w io.Writer, format, level string) (*slog.Logger, error) {
	var options slog.HandlerOptions
	var threshold slog.Level
	if err := threshold.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("--log-level: %w: write debug, info, warn or error", err)
	}
	options.Level = threshold
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, &options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, &options)), nil
	default:
		return nil, fmt.Errorf("--log-format %q: write text or json", format)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, logger *slog.Logger) error {
	documents, err := store.Open(ctx, os.Getenv(store.URLVariable))
	if err != nil {
		return err
	}
	defer documents.Close()
	if err := documents.CheckSchema(ctx); err != nil {
		return err
	}
	installation, err := documents.Installation(ctx)
	if err != nil {
		return err
	}
	options, err := engine.Options(logger)
	if err != nil {
		return err
	}
	if options, err = engine.Encrypt(options, os.Getenv(engine.KeyringVariable)); err != nil {
		return err
	}
	if options.DataConverter == nil {
		logger.Warn("histories are not encrypted", "set", engine.KeyringVariable)
	}
	temporal, err := engine.Dial(ctx, options)
	if err != nil {
		return err
	}
	defer temporal.Close()
	if err := engine.RegisterAttributes(ctx, temporal, options.Namespace); err != nil {
		return err
	}
	f := &fleet{
		temporal: temporal, store: documents, ledger: ledger.New(documents),
		installation: installation, log: logger, drivers: drivers(),
	}
	return f.serve(ctx)
}
