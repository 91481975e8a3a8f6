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
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/rollcall-iam/rollcall/internal/connection"
	"github.com/rollcall-iam/rollcall/internal/driver/types"
	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/outbox"
	"github.com/rollcall-iam/rollcall/internal/store"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal stops the worker in order, a second one at once.
	context.AfterFunc(ctx, stop)
	err := command().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "rollcall-worker:", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	var format, level, listen string
	var show bool
	cmd := &cobra.Command{
		Use:   "rollcall-worker",
		Short: "Replicate access into every platform that the documents describe",
		Long: `rollcall-worker runs Rollcall's workflows and talks to the platforms.

It finds Temporal through Temporal's own environment variables and profile
(TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_PROFILE, ...) and the database
through ROLLCALL_DATABASE_URL. What workflow histories hold is encrypted with the
keys in the directory that ROLLCALL_KEYRING names. The accounts it uses at platforms
are described in the files of the directory that ROLLCALL_CONNECTIONS names: it serves
the platforms whose connection it holds, and no others. Changed files count within
seconds. A platform that is applied while the worker runs is served within ten seconds.

A worker belongs to a version: TEMPORAL_DEPLOYMENT_NAME (rollcall, if not set) and
TEMPORAL_WORKER_BUILD_ID (the revision it was built from). Runs end on the version
they began on. New runs begin on the version that is current, which
"rollcall worker current" decides. A worker stops, and does not start, when the
database needs a newer build: "rollcall migrate" says when it makes that so.

SIGTERM and Ctrl-C stop it gracefully: running activities get half a minute to
finish, and what is left goes on in another worker. A second one ends it at once,
which loses nothing either.`,
		Example: `  export ROLLCALL_DATABASE_URL=postgres://rollcall@localhost/rollcall
  ROLLCALL_CONNECTIONS=/etc/rollcall/connections rollcall-worker`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			version, err := engine.Version(os.Getenv)
			if err != nil {
				return err
			}
			if show {
				fmt.Fprintf(cmd.OutOrStdout(), "%s:%s\n", version.DeploymentName, version.BuildID)
				return nil
			}
			logger, err := newLogger(cmd.ErrOrStderr(), format, level)
			if err != nil {
				return err
			}
			return run(cmd.Context(), logger, version, listen)
		},
	}
	cmd.Flags().BoolVar(&show, "version", false, "print the deployment and the build id, with a colon between, and end")
	cmd.Flags().StringVar(&listen, "listen", "", "where to serve /healthz, /readyz and /metrics, such as :9464; nowhere when empty")
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
func run(ctx context.Context, logger *slog.Logger, version worker.WorkerDeploymentVersion, listen string) error {
	operated, err := newOperations()
	if err != nil {
		return err
	}
	if listen != "" {
		if err := operated.serve(ctx, listen, logger); err != nil {
			return err
		}
	}
	documents, err := openStore(ctx)
	if err != nil {
		return err
	}
	defer documents.Close()
	installation, err := documents.Installation(ctx)
	if err != nil {
		return err
	}
	temporal, err := dial(ctx, logger, operated.temporalMetrics())
	if err != nil {
		return err
	}
	defer temporal.Close()
	if err := operated.watch(documents, temporal); err != nil {
		return err
	}
	platforms, err := openDrivers(documents)
	if err != nil {
		return err
	}
	go platforms.WatchLimits(ctx)
	starts := &outbox.Outbox{Store: documents, Temporal: temporal}
	go starts.Serve(ctx, logger)
	f := &fleet{
		temporal: temporal, store: documents, ledger: ledger.New(documents), version: version,
		installation: installation, log: logger, drivers: platforms,
		reporter: &reporter{
			store: documents, drivers: platforms, log: logger, worker: workerName(), checks: map[string]check{},
		},
	}
	return f.serve(ctx)
}

// openDrivers reads the connections.
func openDrivers(documents *store.Store) (*connection.Drivers, error) {
	dir := os.Getenv(connection.Variable)
	if dir == "" {
		return nil, fmt.Errorf("set %s to the directory with the connections to platforms", connection.Variable)
	}
	all, err := connection.NewTypes(types.All())
	if err != nil {
		return nil, err
	}
	directory, err := connection.Open(dir, all)
	if err != nil {
		return nil, err
	}
	return connection.NewDrivers(directory, drivers(), documents, os.Getenv), nil
}

// openStore connects to a database whose tables are those of this program.
func openStore(ctx context.Context) (*store.Store, error) {
	documents, err := store.Open(ctx, os.Getenv(store.URLVariable))
	if err != nil {
		return nil, err
	}
	if err := documents.CheckSchema(ctx); err != nil {
		documents.Close()
		return nil, err
	}
	return documents, nil
}

// dial connects to Temporal, whose namespace then has the search attributes.
func dial(ctx context.Context, logger *slog.Logger, metrics client.MetricsHandler) (client.Client, error) {
	options, err := engine.Options(logger)
	if err != nil {
		return nil, err
	}
	options.MetricsHandler = metrics
	if options, err = engine.Encrypt(options, os.Getenv); err != nil {
		return nil, err
	}
	if options.DataConverter == nil {
		logger.Warn("histories are not encrypted", "set", engine.KeyringVariable)
	} else if accepted, err := engine.AcceptsPlaintext(os.Getenv); err == nil && accepted {
		logger.Warn("payloads that are not encrypted are accepted: unset it when every client has the key ring",
			"variable", engine.PlaintextVariable)
	}
	temporal, err := engine.Dial(ctx, options)
	if err != nil {
		return nil, err
	}
	if err := engine.RegisterAttributes(ctx, temporal, options.Namespace); err != nil {
		temporal.Close()
		return nil, err
	}
	return temporal, nil
}
