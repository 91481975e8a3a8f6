package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// reportEvery is how often the console says what long work still waits for.
const reportEvery = 20 * time.Second

// console tells the user what happens. Several goroutines may use it.
type console struct {
	out   io.Writer
	times *times
}

func newConsole(out io.Writer) console { return console{out: &lockedWriter{out: out}} }

// lockedWriter lets several goroutines write, one line at a time.
type lockedWriter struct {
	mu  sync.Mutex
	out io.Writer
}

func (w *lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.out.Write(p)
}

// job is one thing that is done before the result can be shown.
type job struct {
	what string
	// do returns a note that follows the time.
	do func(context.Context) (note string, err error)
	// began is when it began, if that was before.
	began time.Time
}

// step says what it does, does it, and says how long that took.
func (c console) step(ctx context.Context, j job) error {
	fmt.Fprintf(c.out, "  %-34s ", j.what+" ...")
	begin := time.Now()
	note, err := j.do(ctx)
	took := time.Since(begin)
	if err != nil {
		fmt.Fprintf(c.out, "failed after %.1f s\n", took.Seconds())
		return err
	}
	fmt.Fprintf(c.out, "%5.1f s  %s\n", took.Seconds(), note)
	return nil
}

// sideBySide does jobs at the same time, and says now and then what it waits for and
// how long that took the last time. It returns what failed, when all have ended.
func (c console) sideBySide(ctx context.Context, jobs []job) error {
	var mu sync.Mutex
	open := map[string]bool{}
	for i, j := range jobs {
		open[j.what] = true
		if j.began.IsZero() {
			jobs[i].began = time.Now()
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var group errgroup.Group
	for _, j := range jobs {
		group.Go(func() error {
			note, err := j.do(ctx)
			took := time.Since(j.began)
			mu.Lock()
			defer mu.Unlock()
			delete(open, j.what)
			if err != nil {
				if ctx.Err() == nil {
					fmt.Fprintf(c.out, "  %-34s failed after %.1f s\n", j.what, took.Seconds())
					cancel(err)
				}
				return err
			}
			fmt.Fprintf(c.out, "  %-34s %5.1f s  %s\n", j.what, took.Seconds(), note)
			return c.times.note(j.what, took)
		})
	}
	ended := make(chan struct{})
	var reporter sync.WaitGroup
	reporter.Go(func() {
		c.report(ended, func() string {
			mu.Lock()
			defer mu.Unlock()
			return c.waiting(jobs, open)
		})
	})
	err := group.Wait()
	close(ended)
	reporter.Wait()
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause // not that of a job that ended because of it
	}
	return err
}

// report says what is waited for until that has ended.
func (c console) report(ended <-chan struct{}, waiting func() string) {
	begin := time.Now()
	for {
		select {
		case <-ended:
			return
		case <-time.After(reportEvery):
			if text := waiting(); text != "" {
				c.sayf("%s: still waiting for %s", time.Since(begin).Round(time.Second), text)
			}
		}
	}
}

// waiting lists the jobs that are open, with their times of the last start.
func (c console) waiting(jobs []job, open map[string]bool) string {
	var texts []string
	for _, j := range jobs {
		if open[j.what] {
			texts = append(texts, j.what+c.times.last(j.what))
		}
	}
	return strings.Join(texts, ", ")
}

func (c console) sayf(format string, args ...any) {
	fmt.Fprintf(c.out, "  "+format+"\n", args...)
}
