package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"time"
)

const (
	// restartPause is between the death of a worker and the start of the next.
	restartPause = time.Second
	// workerPatience is how long a worker may take to ask for work.
	workerPatience = 30 * time.Second
	// pollEvery is how often we look whether it does.
	pollEvery = 50 * time.Millisecond
	// mourning is how long a worker that died seems to be there.
	mourning = 3 * time.Minute
)

// workerLoop keeps one worker running.
type workerLoop struct {
	stopping context.CancelFunc
	done     chan struct{}
	log      *os.File
}

// startWorker starts a worker, and starts it again whenever it dies.
func (s *stack) startWorker() error {
	file, err := openLog(s.home.log("worker"))
	if err != nil {
		return err
	}
	path, err := s.program("rollcall-worker")
	if err != nil {
		return errors.Join(err, file.Close())
	}
	ctx, cancel := context.WithCancel(context.Background())
	loop := &workerLoop{stopping: cancel, done: make(chan struct{}), log: file}
	go loop.run(ctx, path, s)
	s.onStop(loop.stop)
	return nil
}

// renewed has new runs begin on a worker that was started again: its program may
// have been built anew. Runs of the build before it follow when Temporal knows that
// its worker is gone.
func (s *stack) renewed(ctx context.Context) {
	build, err := s.takeOver(ctx)
	for deadline := time.Now().Add(mourning); err == nil && time.Now().Before(deadline); {
		select {
		case <-ctx.Done():
			return
		case <-time.After(mourning / 20):
		}
		err = s.bringHome(ctx, build)
	}
	if err != nil && ctx.Err() == nil {
		s.console.sayf("The worker was started again, but work may wait: %v", err)
	}
}

func (l *workerLoop) run(ctx context.Context, path string, s *stack) {
	defer close(l.done)
	env := s.environ.list()
	var renewals sync.WaitGroup
	defer renewals.Wait()
	for {
		cmd := exec.Command(path)
		cmd.Env, cmd.Stdout, cmd.Stderr = env, l.log, l.log
		err := runTied(ctx, cmd)
		if ctx.Err() != nil {
			return
		}
		s.console.sayf("The worker ended (%s) and is started again; see %s", ending(err), l.log.Name())
		select {
		case <-ctx.Done():
			return
		case <-time.After(restartPause):
			renewals.Go(func() { s.renewed(ctx) })
		}
	}
}

func ending(err error) string {
	if err == nil {
		return "by itself"
	}
	return err.Error()
}

func (l *workerLoop) stop() error {
	l.stopping()
	<-l.done
	if err := l.log.Close(); err != nil {
		return fmt.Errorf("worker: %w", err)
	}
	return nil
}
