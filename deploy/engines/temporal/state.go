package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/headers"
	"go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	schema "go.temporal.io/server/schema/sqlite"
	"google.golang.org/protobuf/types/known/durationpb"
)

// ErrOtherVersion reports a state file that this server cannot read: it was
// written by another version, which has no migration for SQLite, or with other
// search attributes, which are fixed at creation.
var ErrOtherVersion = errors.New("state of another version")

// retention is how long finished workflows can be looked at.
const retention = 30 * 24 * time.Hour

// ServerVersion is the version of the Temporal server inside.
const ServerVersion = headers.ServerVersion

// SetAside renames the state in dir, so that the next Start begins anew, and
// returns the new name.
func SetAside(dir string) (string, error) {
	aside := filepath.Join(dir, stateFile+"."+time.Now().UTC().Format("20060102T150405Z"))
	if err := os.Rename(filepath.Join(dir, stateFile), aside); err != nil {
		return "", fmt.Errorf("temporal: set the state aside: %w", err)
	}
	for _, suffix := range []string{"-wal", "-shm", stampSuffix} {
		err := os.Rename(filepath.Join(dir, stateFile+suffix), aside+suffix)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("temporal: set the state aside: %w", err)
		}
	}
	return aside, nil
}

// stampSuffix ends the name of the file that says what wrote the state. It is
// written last: state without it was never finished.
const stampSuffix = ".version"

// prepareState makes a database with the schema and the namespace.
func prepareState(options Options, cfg *config.Config) error {
	sql := cfg.Persistence.DataStores[sqlite.PluginName].SQL
	if options.Dir == "" {
		return createNamespaces(options, sql)
	}
	if err := os.MkdirAll(options.Dir, 0o700); err != nil {
		return fmt.Errorf("temporal: state directory: %w", err)
	}
	want := stamp(options.SearchAttributes)
	_, err := os.Stat(sql.DatabaseName)
	if err == nil {
		return checkStamp(sql.DatabaseName, want)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("temporal: state file: %w", err)
	}
	if err := schema.SetupSchema(sql); err != nil {
		return fmt.Errorf("temporal: set up %s: %w", sql.DatabaseName, err)
	}
	if err := createNamespaces(options, sql); err != nil {
		return err
	}
	if err := os.WriteFile(sql.DatabaseName+stampSuffix, []byte(want), 0o600); err != nil {
		return fmt.Errorf("temporal: state version: %w", err)
	}
	return nil
}

// stamp is what a state file depends on, one fact a line.
func stamp(attributes map[string]enumspb.IndexedValueType) string {
	var b strings.Builder
	fmt.Fprintln(&b, "temporal", ServerVersion)
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		fmt.Fprintln(&b, name, attributes[name])
	}
	return b.String()
}

func checkStamp(file, want string) error {
	have, err := os.ReadFile(file + stampSuffix)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("temporal: state version: %w", err)
	}
	if string(have) != want {
		return fmt.Errorf("temporal: %w: %s was not written by temporal %s with the search attributes of today",
			ErrOtherVersion, file, ServerVersion)
	}
	return nil
}

func createNamespaces(options Options, sql *config.SQL) error {
	var all []*schema.NamespaceConfig
	for _, name := range options.Namespaces {
		ns, err := schema.NewNamespaceConfig(clusterName, name, false, options.SearchAttributes)
		if err != nil {
			return fmt.Errorf("temporal: namespace %s: %w", name, err)
		}
		ns.Detail.Config.Retention = durationpb.New(retention)
		all = append(all, ns)
	}
	if err := schema.CreateNamespaces(sql, all...); err != nil {
		return fmt.Errorf("temporal: create namespaces: %w", err)
	}
	return nil
}
