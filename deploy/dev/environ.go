package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// environFile is what people source to use the stack from a shell.
const environFile = "env.sh"

// environ is what commands need to find the stack.
type environ map[string]string

// list returns our own environment with e on top, for a child. Variables that
// would lead it to another Temporal are left out.
func (e environ) list() []string {
	all := slices.DeleteFunc(os.Environ(), func(entry string) bool {
		return strings.HasPrefix(entry, "TEMPORAL_")
	})
	for _, name := range slices.Sorted(maps.Keys(e)) {
		all = append(all, name+"="+e[name])
	}
	return all
}

// write makes a file that a shell can source. Only its owner may read it.
func (e environ) write(file, bin string) error {
	var b strings.Builder
	fmt.Fprintln(&b, "# Source this to use the running stack.")
	for _, name := range slices.Sorted(maps.Keys(e)) {
		fmt.Fprintf(&b, "export %s=%s\n", name, quote(e[name]))
	}
	fmt.Fprintf(&b, "PATH=%s:$PATH\n", quote(bin))
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		return fmt.Errorf("environment: %w", err)
	}
	return nil
}

// quote makes one shell word of s.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
