package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// systemCache is where root keeps what other users must reach: PostgreSQL and
// Keystone run unprivileged and cannot enter root's home.
const systemCache = "/var/cache"

// errRunning reports a second start in one directory.
var errRunning = errors.New("it is running already")

// home is the directory of one stack.
type home string

func (h home) path(elements ...string) string {
	return filepath.Join(append([]string{string(h)}, elements...)...)
}

func (h home) log(name string) string { return h.path("logs", name+".log") }

// defaultDir is where the stack lives unless told otherwise.
func defaultDir() string {
	cache, err := os.UserCacheDir()
	if err != nil || os.Geteuid() == 0 {
		cache = systemCache
	}
	return filepath.Join(cache, "rollcall", "dev")
}

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
	lock, err := os.OpenFile(h.path("lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", nil, fmt.Errorf("state directory: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		err = errors.Join(err, lock.Close())
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return "", nil, fmt.Errorf("%w in %s: use it (. %s), end it, or start another one with --dir",
				errRunning, dir, h.path(environFile))
		}
		return "", nil, fmt.Errorf("state directory: %w", err)
	}
	return h, func() { _ = lock.Close() }, nil
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
