package keystone

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// patience is how long the server may take to stop before it is made to.
const patience = 10 * time.Second

// process is a child, with children of its own, that lives no longer than its
// parent.
type process struct {
	pid  int           // also the number of its process group
	done chan struct{} // closed when the child has ended
	err  error         // how it ended; read after done
}

// supervise starts the command. It asks the kernel to kill the child when the
// parent dies; gunicorn's workers end within a second of its own end. The
// kernel takes a thread for the parent, so that one goroutine keeps the thread
// that started the child for as long as it runs.
func supervise(cmd *exec.Cmd) (*process, error) {
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	// A Ctrl-C at the terminal is the parent's to handle.
	cmd.SysProcAttr.Setpgid = true
	p := &process{done: make(chan struct{})}
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
		return nil, err
	}
	return p, nil
}

// stop ends the server and its workers: at once, since every request that
// counts has been answered, and one that has not must be safe to lose.
func (p *process) stop() error {
	select {
	case <-p.done:
		return nil // its number may be somebody else's by now
	default:
	}
	for _, signal := range []syscall.Signal{syscall.SIGQUIT, syscall.SIGKILL} {
		if err := p.kill(signal); err != nil {
			return err
		}
		select {
		case <-p.done:
			return p.kill(syscall.SIGKILL) // workers that outlived it
		case <-time.After(patience):
		}
	}
	return fmt.Errorf("keystone: process %d does not end", p.pid)
}

// kill sends the signal to the whole process group.
func (p *process) kill(signal syscall.Signal) error {
	err := syscall.Kill(-p.pid, signal)
	if err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("keystone: stopping process group %d: %w", p.pid, err)
	}
	return nil
}
