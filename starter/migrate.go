package main

import (
	"fmt"
	"io"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/rollcall-iam/rollcall/internal/store"
)

func migrateCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database's tables to this version",
		Long: `migrate creates the tables in an empty database, or brings those of an older
version up to date. It is safe to run again, and while another one runs.`,
		Example: "  ROLLCALL_DATABASE_URL=postgres://rollcall@localhost/rollcall rollcall migrate",
		Args:    none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			done, err := store.Migrate(cmd.Context(), c.getenv(store.URLVariable))
			if err != nil {
				return err
			}
			return c.print(map[string]int64{"from": done.From, "to": done.To}, func(w io.Writer) {
				if done.From == done.To {
					fmt.Fprintf(w, "The database is up to date, at version %d.\n", done.To)
					return
				}
				fmt.Fprintf(w, "Migrated the database from version %d to %d.\n", done.From, done.To)
			})
		},
	}
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
