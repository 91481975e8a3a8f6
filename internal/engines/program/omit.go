package program

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// omitFile lists files of modules that are left out of a program, a module and a
// pattern of files in it to a line.
const omitFile = "omit.txt"

// omit returns a modfile for the program that is built in a directory: it has the
// program's modules without the files that omit.txt there lists. It is empty where
// nothing is left out. The copies are beside the path to, until remove is called.
func omit(ctx context.Context, dir string, environ []string, to string) (modfile string, remove func(), err error) {
	none := func() {}
	text, err := os.ReadFile(filepath.Join(dir, omitFile))
	if errors.Is(err, os.ErrNotExist) {
		return "", none, nil
	}
	if err != nil {
		return "", none, fmt.Errorf("program: %w", err)
	}
	// The go command refuses to replace files in its own cache, so modules are copied.
	copies := to + ".modules"
	remove = func() { _ = os.RemoveAll(copies) }
	remove() // what a killed build left
	replaced := map[string]string{}
	for line := range strings.Lines(string(text)) {
		module, pattern, found := strings.Cut(strings.TrimSpace(line), " ")
		if !found || strings.HasPrefix(line, "#") {
			continue
		}
		if replaced[module] == "" {
			replaced[module] = filepath.Join(copies, filepath.Base(module))
			err = copyModule(ctx, dir, environ, module, replaced[module])
		}
		if err == nil {
			err = removeFiles(replaced[module], pattern)
		}
		if err != nil {
			remove()
			return "", none, fmt.Errorf("program: %s: %s: %w", omitFile, module, err)
		}
	}
	modfile, err = writeModfile(dir, copies, replaced)
	if err != nil {
		remove()
		return "", none, err
	}
	return modfile, remove, nil
}

// copyModule copies a module that the directory's go.mod requires.
func copyModule(ctx context.Context, dir string, environ []string, module, to string) error {
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", module)
	cmd.Dir, cmd.Env = dir, environ
	answer, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("go mod download: %w", err)
	}
	var downloaded struct {
		Dir string `json:"Dir"`
	}
	if err := json.Unmarshal(answer, &downloaded); err != nil {
		return fmt.Errorf("go mod download: %w", err)
	}
	return os.CopyFS(to, os.DirFS(downloaded.Dir))
}

func removeFiles(dir, pattern string) error {
	files, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(pattern)))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("no file matches %q", pattern)
	}
	for _, file := range files {
		if err := os.Remove(file); err != nil {
			return err
		}
	}
	return nil
}

// writeModfile writes go.mod and go.sum with modules replaced by directories.
func writeModfile(dir, to string, replaced map[string]string) (string, error) {
	for name, more := range map[string]map[string]string{"go.mod": replaced, "go.sum": nil} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return "", fmt.Errorf("program: %w", err)
		}
		for module, copied := range more {
			text = fmt.Appendf(text, "\nreplace %s => %q\n", module, copied)
		}
		//nolint:gosec // the name is one of two constants
		if err := os.WriteFile(filepath.Join(to, name), text, 0o600); err != nil {
			return "", fmt.Errorf("program: %w", err)
		}
	}
	return filepath.Join(to, "go.mod"), nil
}
