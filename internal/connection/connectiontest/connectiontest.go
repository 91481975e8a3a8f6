// Package connectiontest opens platforms in tests as a worker does: by connections in
// a directory.
package connectiontest

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/connection"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/types"
)

// Drivers returns drivers that are opened with the connections, which are YAML or
// JSON, one a text. Rate limits are kept in shared, if that is not nil.
func Drivers(t testing.TB, shared budget.Shared, opens map[string]driver.Open, connections ...string) *connection.Drivers {
	t.Helper()
	dir := t.TempDir()
	Write(t, dir, connections...)
	all, err := connection.NewTypes(types.All())
	if err != nil {
		t.Fatal(err)
	}
	directory, err := connection.Open(dir, all)
	if err != nil {
		t.Fatal(err)
	}
	set, err := directory.Current()
	if err != nil {
		t.Fatal(err)
	}
	if set.Problems != nil {
		t.Fatalf("the test's connections: %v", set.Problems)
	}
	return connection.NewDrivers(directory, opens, shared, os.Getenv)
}

// Write puts connections into a directory, in place of those that an earlier call put
// there.
func Write(t testing.TB, dir string, connections ...string) {
	t.Helper()
	file := filepath.Join(dir, "connections.yaml")
	if err := os.WriteFile(file+".new", []byte(strings.Join(connections, "\n---\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

// Of returns the connection of one platform, of the same name, with the type's own
// fields as YAML flow texts by name.
func Of(platform, of string, fields map[string]string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "{kind: Connection, name: %s, type: %s, usedBy: [%s]", platform, of, platform)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		fmt.Fprintf(&b, ", %s: %s", name, fields[name])
	}
	return b.String() + "}"
}

// Memory returns the connection of a platform in a file.
func Memory(platform, file string) string {
	return Of(platform, "memory", map[string]string{"file": fmt.Sprintf("%q", file)})
}
