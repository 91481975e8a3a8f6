package child

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// Process is a running server, with the children that it may have.
type Process struct {
	// Name is for error texts.
	Name string
	// PID is also the number of its process group.
	PID int
	// Done is closed when the server has ended.
	Done chan struct{}

	err error
}

// Supervise starts the command and has the kernel send it the signal when this
// process dies.
//
// The kernel takes a thread for the parent, so that one goroutine keeps the
// thread that started the server for as long as it runs.
func Supervise(name string, cmd *exec.Cmd, onOurDeath syscall.Signal) (*Process, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = onOurDeath
	// A Ctrl-C at the terminal is the parent's to handle.
	cmd.SysProcAttr.Setpgid = true
	p := &Process{Name: name, Done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		if err == nil {
			p.PID = cmd.Process.Pid
		}
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.Done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("child: starting %s: %w", name, err)
	}
	return p, nil
}

// Err says how the server ended. It may be called once Done is closed.
func (p *Process) Err() error { return p.err }

// Stop sends the signals one after the other, each to the server alone, until it
// has ended; after each it waits for as long as patience says. In the end it kills
// the whole group. A nil Process has ended.
func (p *Process) Stop(patience time.Duration, signals ...syscall.Signal) error {
	if p == nil || p.ended(0) {
		return nil // the number may be somebody else's by now
	}
	for _, signal := range signals {
		if err := syscall.Kill(p.PID, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("child: stopping %s, process %d: %w", p.Name, p.PID, err)
		}
		if p.ended(patience) {
			return p.kill()
		}
	}
	if err := p.kill(); err != nil {
		return err
	}
	if !p.ended(patience) {
		return fmt.Errorf("child: %s, process %d, does not end", p.Name, p.PID)
	}
	return nil
}

// ended waits for the end of the server.
func (p *Process) ended(patience time.Duration) bool {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-p.Done:
		return true
	default:
	}
	select {
	case <-p.Done:
		return true
	case <-timer.C:
		return false
	}
}

// kill ends what is left of the group: children may outlive the server.
func (p *Process) kill() error {
	err := syscall.Kill(-p.PID, syscall.SIGKILL)
	if err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("child: killing %s, process group %d: %w", p.Name, p.PID, err)
	}
	return nil
}
