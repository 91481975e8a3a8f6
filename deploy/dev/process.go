package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// patience is how long a child may take to end when it is asked to: more than
// the grace a worker gives its work.
const patience = 40 * time.Second

// runTied runs the command until it ends or ctx does, and kills it should this
// process die. The kernel takes the thread that started a child for its parent,
// so one goroutine keeps that thread until the child has ended.
func runTied(ctx context.Context, cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Pdeathsig: syscall.SIGKILL,
		Setpgid:   true, // a Ctrl-C at the terminal is ours to handle
	}
	var result error
	started, ended := make(chan struct{}), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(ended)
		result = cmd.Start()
		close(started)
		if result == nil {
			result = cmd.Wait()
		}
	}()
	<-started
	select {
	case <-ended:
		return result
	case <-ctx.Done():
		return end(cmd, ended)
	}
}

// end asks the child to end and, when it does not, makes it.
func end(cmd *exec.Cmd, ended <-chan struct{}) error {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		if cmd.Process == nil { // it never started
			return nil
		}
		if err := cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("process %d: %w", cmd.Process.Pid, err)
		}
		select {
		case <-ended:
			return nil
		case <-time.After(patience):
		}
	}
	return fmt.Errorf("process %d does not end", cmd.Process.Pid)
}
