package main

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/internal/store"
)

func migrateCommand(c *cli) *cobra.Command {
	var flags migrateFlags
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database's tables to this version",
		Long: `migrate creates the tables in an empty database, or brings those of an older
version up to date. It is safe to run again, and while another one runs. It leaves a
database of a newer version as it is.

A database names the oldest program that may run on it. Most migrations keep that, so
older workers can restart and complete their runs. A breaking migration raises it:
older programs then end, and refuse to start. migrate refuses a breaking migration
while runs are open, and then asks Temporal, which it needs for nothing else.`,
		Example: `  ROLLCALL_DATABASE_URL=postgres://rollcall@localhost/rollcall rollcall migrate
  rollcall migrate --dry-run`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.migrate(cmd.Context(), flags) },
	}
	cmd.Flags().BoolVar(&flags.dryRun, "dry-run", false, "show what would be migrated, and whether it is breaking; change nothing")
	cmd.Flags().BoolVar(&flags.force, "force", false,
		"migrate although runs are open: they never complete, so terminate them and replicate again")
	return cmd
}

type migrateFlags struct{ dryRun, force bool }

// migrated is what migrate did, or would do, as JSON.
type migrated struct {
	From int64 `json:"from"`
	To   int64 `json:"to"`
	// Program is this program's version.
	Program int64 `json:"program"`
	// OldestProgram is the version of the oldest program that may run afterwards.
	OldestProgram int64 `json:"oldest_program"`
	// Breaking says that programs that could run before cannot run afterwards.
	Breaking   bool     `json:"breaking"`
	DryRun     bool     `json:"dry_run"`
	Migrations []string `json:"migrations"`
}

func migratedOf(m store.Migration, dryRun bool) migrated {
	names := make([]string, len(m.Steps))
	for i, step := range m.Steps {
		names[i] = step.Name
	}
	return migrated{m.From, m.To, m.Program, m.Floor, m.Breaking(), dryRun, names}
}

func (c *cli) migrate(ctx context.Context, flags migrateFlags) error {
	url := c.getenv(store.URLVariable)
	m, err := store.Pending(ctx, url)
	if err != nil {
		return err
	}
	if flags.dryRun {
		return c.print(migratedOf(m, true), func(w io.Writer) { writePending(w, m) })
	}
	if m.Breaking() && !flags.force {
		if err := c.refuseOpenRuns(ctx, m); err != nil {
			return err
		}
	}
	if m, err = store.Migrate(ctx, url); err != nil {
		return err
	}
	return c.print(migratedOf(m, false), func(w io.Writer) {
		if m.From == m.To {
			writePending(w, m)
			return
		}
		fmt.Fprintf(w, "Migrated the database from version %d to %d.\n", m.From, m.To)
		if m.Breaking() {
			fmt.Fprintf(w, "Programs older than version %d cannot run on it any more.\n", m.Floor)
		}
	})
}

// writePending says what is to be migrated, or why nothing is.
func writePending(w io.Writer, m store.Migration) {
	switch {
	case m.To > m.Program:
		fmt.Fprintf(w, "The database is at version %d, newer than this program's %d, which may run on it: there is nothing to do.\n",
			m.To, m.Program)
	case m.From == m.To:
		fmt.Fprintf(w, "The database is up to date, at version %d.\n", m.To)
	default:
		fmt.Fprintf(w, "The database would be migrated from version %d to %d:\n", m.From, m.To)
		for _, step := range m.Steps {
			fmt.Fprintf(w, "  %s\n", step.Name)
		}
	}
	if m.Breaking() {
		fmt.Fprintf(w, "This is breaking: programs older than version %d could not run any more, so no run may be open.\n", m.Floor)
	}
}

// refuseOpenRuns refuses a breaking migration while runs are open. All of them began
// on older builds: workers of this one refuse to start before the migration. The
// build's id is no evidence of the contrary, because two builds can be given one id.
func (c *cli) refuseOpenRuns(ctx context.Context, m store.Migration) error {
	temporal, err := c.engine(ctx)
	if err != nil {
		return unknownRuns(m, err)
	}
	open, err := engine.FindOpenRuns(ctx, temporal)
	if err != nil {
		return unknownRuns(m, err)
	}
	if open.Total == 0 {
		return nil
	}
	return openRunsError(m, open)
}

// unknownRuns says that Temporal cannot tell whether runs are open.
func unknownRuns(m store.Migration, err error) error {
	return fmt.Errorf("the migration to version %d breaks programs older than version %d, and whether their runs are open is unknown: %w\n"+
		"have Temporal answer, or add --force if no run is open", m.To, m.Floor, err)
}

// openRunsError names the builds with open runs, and what to do.
func openRunsError(m store.Migration, open engine.OpenRuns) error {
	var builds []string
	for _, d := range open.Deployments {
		for _, b := range d.Builds {
			builds = append(builds, describeRuns(d.Name, b))
		}
	}
	if n := open.WithoutBuild(); n > 0 {
		builds = append(builds, fmt.Sprintf("%d on no build", n))
	}
	return fmt.Errorf("the migration to version %d breaks programs older than version %d, and %s: %s\n"+
		"start nothing new until `rollcall worker versions` shows no open runs; `rollcall worker move` gives runs whose workers "+
		"are gone to a build that still runs. Or add --force, terminate the open runs in Temporal and replicate again",
		m.To, m.Floor, areOpen(open.Total), visible(strings.Join(builds, ", ")))
}

// describeRuns says how many runs are open on a build.
func describeRuns(deployment string, b engine.Build) string {
	text := fmt.Sprintf("%d on build %s", b.OpenRuns, b.ID)
	if deployment != engine.DefaultDeployment {
		text += " of deployment " + deployment
	}
	if b.Workers == 0 {
		text += ", which has no workers"
	}
	return text
}

func areOpen(n int64) string {
	if n == 1 {
		return "1 run is open"
	}
	return fmt.Sprintf("%d runs are open", n)
}

func versionCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Show which build this is",
		Example: "  rollcall version -o json",
		Args:    none,
		RunE: func(*cobra.Command, []string) error {
			v := buildVersion()
			return c.print(v, func(w io.Writer) {
				fmt.Fprintf(w, "rollcall %s, %s, %s\n", v.Version, v.Revision, v.Go)
			})
		},
	}
}

// build says which build this is.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision"`
	Go       string `json:"go"`
}

func buildVersion() build {
	b := build{Version: "unknown", Revision: "unknown revision"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	b.Version, b.Go = info.Main.Version, info.GoVersion
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			b.Revision = s.Value
		}
	}
	return b
}
