package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-iam/rollcall/internal/engines/child"
)

// patience is how long a server may take to stop before it is made to.
const patience = 30 * time.Second

// stop ends the server: at once for its clients, but with its data in order.
func stop(p *child.Process) error {
	if err := p.Stop(patience, syscall.SIGINT, syscall.SIGQUIT); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	return nil
}

// environ is the server's environment: PG* variables would change what it does.
func environ() []string { return []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"} }

// awaitReady returns when the server answers a query, or why it never will.
func (s *Server) awaitReady(ctx context.Context, p *child.Process) error {
	for {
		attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := s.ping(attempt)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-p.Done:
			return fmt.Errorf("postgres: the server ended at once, see its log: %w", p.Err())
		case <-ctx.Done():
			return fmt.Errorf("postgres: the server does not answer: %w", ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (s *Server) ping(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// lockDir takes the directory for this process, until the file is closed or the
// process ends in whatever way.
func lockDir(dir string) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, errors.Join(fmt.Errorf("postgres: %w: %s", ErrInUse, dir), file.Close())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("postgres: %s: %w", dir, err), file.Close())
	}
	return file, nil
}

// awaitGone waits for a server whose parent died a moment ago, and removes the
// pid file of one that did not get to do so itself.
func awaitGone(ctx context.Context, data string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	name := filepath.Join(data, "postmaster.pid")
	for {
		text, err := os.ReadFile(name)
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("postgres: %w", err)
		}
		first, _, _ := strings.Cut(string(text), "\n")
		if !servesFrom(first, data) {
			// The server itself would take any process with that number, after a
			// reboot for example, for a living predecessor.
			if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("postgres: %w", err)
			}
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("postgres: %w: %s, process %s", ErrInUse, data, first)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// servesFrom reports whether the process is a server of that data directory,
// which every server makes its working directory.
func servesFrom(pid, data string) bool {
	if _, err := strconv.Atoi(pid); err != nil {
		return false
	}
	cwd, err := os.Readlink(filepath.Join("/proc", pid, "cwd"))
	if err != nil {
		return false
	}
	target, err := filepath.EvalSymlinks(data)
	return err == nil && cwd == target
}
