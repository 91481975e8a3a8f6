package kubernetes

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// patience is how long a server may take to stop before it is made to.
const patience = 20 * time.Second

// process is a child that lives no longer than its parent.
type process struct {
	name string
	pid  int           // also the number of its process group
	done chan struct{} // closed when the child has ended
	err  error         // how it ended; read after done
}

// supervise starts the command. It asks the kernel to kill the child when the
// parent dies. The kernel takes a thread for the parent, so that one goroutine
// keeps the thread that started the child for as long as it runs.
func supervise(name string, cmd *exec.Cmd) (*process, error) {
	// A Ctrl-C at the terminal is the parent's to handle.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	p := &process{name: name, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		if err == nil {
			p.pid = cmd.Process.Pid
		}
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("kubernetes: starting %s: %w", name, err)
	}
	return p, nil
}

// stop ends the server: in order if it can, and in any case. A nil process has
// ended.
func (p *process) stop(signals ...syscall.Signal) error {
	if p == nil {
		return nil
	}
	for _, signal := range append(signals, syscall.SIGKILL) {
		select {
		case <-p.done:
			return nil
		default:
		}
		if err := syscall.Kill(-p.pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("kubernetes: stopping %s, process group %d: %w", p.name, p.pid, err)
		}
		select {
		case <-p.done:
			return nil
		case <-time.After(patience):
		}
	}
	return fmt.Errorf("kubernetes: %s, process %d, does not end", p.name, p.pid)
}
