// Package demo finds the stack that `make demo` runs on this machine, so that commands
// use it without any setting:
//
//	unlock, err := demo.Lock(dir)           // the stack, when it starts
//	err = demo.Publish(dir, variables)      // when commands can use it
//	variables, err := demo.Find(dir)        // a command; nil when no stack runs
package demo

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	// systemCache is where root keeps what other users must reach: PostgreSQL and
	// Keystone run unprivileged and cannot enter root's home.
	systemCache = "/var/cache"
	// environFile has the variables by which commands find the stack.
	environFile = "environ.json"
	// lockFile is locked while a stack runs.
	lockFile = "lock"
	// lockPatience is how long Lock waits for commands that look whether a stack runs.
	lockPatience = 300 * time.Millisecond
)

// ErrRunning reports a second start in one directory.
var ErrRunning = errors.New("it is running already")

// DefaultDir returns the directory of the stack unless the user names another.
func DefaultDir() string {
	cache, err := os.UserCacheDir()
	if err != nil || os.Geteuid() == 0 {
		cache = systemCache
	}
	return filepath.Join(cache, "rollcall", "dev")
}

// Lock takes the directory for this process until unlock, or until the process ends,
// and withdraws what an earlier stack published there. An error wraps ErrRunning while
// another process has it.
func Lock(dir string) (unlock func(), err error) {
	file, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	for deadline := time.Now().Add(lockPatience); ; time.Sleep(lockPatience / 10) {
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) || time.Now().After(deadline) {
			break
		}
	}
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = ErrRunning
	}
	if err == nil {
		err = os.Remove(filepath.Join(dir, environFile))
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("demo: %s: %w", dir, err), file.Close())
	}
	return func() { _ = file.Close() }, nil
}

// Publish lets Find return the variables until the stack ends. Only the user who runs
// the stack may read them.
func Publish(dir string, variables map[string]string) error {
	text, err := json.Marshal(variables)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	path := filepath.Join(dir, environFile)
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	return nil
}

// Find returns the variables of the stack that runs in a directory, nil if none does.
// It returns an error if another user may have written them.
func Find(dir string) (map[string]string, error) {
	lock, err := os.Open(filepath.Join(dir, lockFile))
	if err != nil {
		return nil, nil //nolint:nilnil // no stack of this user has run there
	}
	defer func() { _ = lock.Close() }()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); !errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, nil //nolint:nilnil // none runs
	}
	file, err := os.Open(filepath.Join(dir, environFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // it is still starting
	}
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(owner.Uid) != os.Geteuid() || info.Mode().Perm()&0o077 != 0 || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("demo: %s is not used: another user may read or write it", file.Name())
	}
	var variables map[string]string
	if err := json.NewDecoder(file).Decode(&variables); err != nil {
		return nil, fmt.Errorf("demo: %s: %w", file.Name(), err)
	}
	return variables, nil
}
