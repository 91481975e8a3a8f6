package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"github.com/rollcall-iam/rollcall/internal/engine"
)

const (
	// restartPause is between the death of a worker and the start of the next.
	restartPause = time.Second
	// workerPatience is how long a worker may take to ask for work.
	workerPatience = 30 * time.Second
	// pollEvery is how often we look whether it does.
	pollEvery = 50 * time.Millisecond
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
	go loop.run(ctx, path, s.environ.list(), s.console)
	s.onStop(loop.stop)
	return nil
}

// awaitWorker returns when a worker asks for work.
func (s *stack) awaitWorker(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, workerPatience)
	defer cancel()
	c, err := client.DialContext(ctx, client.Options{
		HostPort: s.temporal.Address(), Namespace: s.temporal.Namespace(),
		Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	if err != nil {
		return fmt.Errorf("worker: ask temporal for it: %w", err)
	}
	defer c.Close()
	for {
		queue, err := c.DescribeTaskQueue(ctx, engine.WorkflowQueue, enums.TASK_QUEUE_TYPE_WORKFLOW)
		if err == nil && len(queue.GetPollers()) > 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return withLog(fmt.Errorf("worker: it does not ask for work: %w", ctx.Err()), s.home.log("worker"))
		case <-time.After(pollEvery):
		}
	}
}

func (l *workerLoop) run(ctx context.Context, path string, env []string, c console) {
	defer close(l.done)
	for {
		cmd := exec.Command(path)
		cmd.Env, cmd.Stdout, cmd.Stderr = env, l.log, l.log
		err := runTied(ctx, cmd)
		if ctx.Err() != nil {
			return
		}
		c.sayf("The worker ended (%s) and is started again; see %s", ending(err), l.log.Name())
		select {
		case <-ctx.Done():
			return
		case <-time.After(restartPause):
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
