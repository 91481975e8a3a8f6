package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rollcall-iam/rollcall/internal/demo"
)

// home is the directory of one stack.
type home string

func (h home) path(elements ...string) string {
	return filepath.Join(append([]string{string(h)}, elements...)...)
}

func (h home) log(name string) string { return h.path("logs", name+".log") }

// openHome makes the directory and takes it for this process. The kernel gives
// it back when the process ends, however it ends.
func openHome(dir string) (home, func(), error) {
	h := home(dir)
	// 0711: others may pass through, to directories that are theirs.
	for _, d := range []string{dir, h.path("logs")} {
		if err := os.MkdirAll(d, 0o711); err != nil {
			return "", nil, fmt.Errorf("state directory: %w", err)
		}
	}
	unlock, err := demo.Lock(dir)
	if errors.Is(err, demo.ErrRunning) {
		return "", nil, fmt.Errorf("%w: use it (%s status), end it, or start another one with --dir", err, command(ownDir()))
	}
	return h, unlock, err
}

// has reports whether something of that name is in the directory.
func (h home) has(name string) (bool, error) {
	_, err := os.Stat(h.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("state directory: %w", err)
	}
	return true, nil
}
