package keystone

import (
	"context"
	"fmt"
	"os/exec"
	"syscall"
	"time"

	"github.com/rollcall-iam/rollcall/internal/engines/child"
)

// patience is how long the server may take to stop before it is made to.
const patience = 10 * time.Second

// stop ends the server and its workers: at once, since every request that
// counts has been answered, and one that has not must be safe to lose.
func stop(p *child.Process) error {
	if err := p.Stop(patience, syscall.SIGQUIT); err != nil {
		return fmt.Errorf("keystone: %w", err)
	}
	return nil
}

// command returns a command of Debian's Python that runs as the owner, without
// our environment: OS_* and PYTHON* variables would change what it does.
func (s *Server) command(ctx context.Context, args ...string) *exec.Cmd {
	dir := s.options.Dir
	environ := []string{"PATH=/usr/bin:/bin", "HOME=" + dir, "LC_ALL=C.UTF-8", "TZ=UTC", "PYTHONDONTWRITEBYTECODE=1"}
	cmd := s.owner.Command(ctx, environ, python, args...)
	cmd.Dir = dir
	return cmd
}
