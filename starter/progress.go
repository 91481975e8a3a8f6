package main

import (
	"fmt"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// patience is how long a command may take before it shows progress.
const patience = 2 * time.Second

// progress is a bar on the terminal for whatever takes longer than patience.
type progress struct {
	mu   sync.Mutex
	bar  *progressbar.ProgressBar
	done int
	stop chan struct{}
}

// watch shows how many of total are done, once patience is over. Where nobody
// watches, it shows nothing.
func (c *cli) watch(total int, what string) *progress {
	p := &progress{stop: make(chan struct{})}
	if !isTerminal(c.err) || total == 0 {
		return p
	}
	go func() {
		select {
		case <-p.stop:
			return
		case <-time.After(patience):
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.bar = progressbar.NewOptions(total,
			progressbar.OptionSetWriter(c.err), progressbar.OptionSetDescription(what),
			progressbar.OptionShowCount(), progressbar.OptionSetElapsedTime(true),
			progressbar.OptionSetPredictTime(false), progressbar.OptionClearOnFinish())
		_ = p.bar.Set(p.done) // a bar that cannot be drawn is no failure
	}()
	return p
}

// set says how many are done by now.
func (p *progress) set(done int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = done
	if p.bar != nil {
		_ = p.bar.Set(done)
	}
}

// one says that one more is done.
func (p *progress) one() {
	p.mu.Lock()
	done := p.done + 1
	p.mu.Unlock()
	p.set(done)
}

// aside lets others write to the terminal where the bar is.
func (p *progress) aside(write func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Clear()
	}
	write()
}

// end takes the bar away.
func (p *progress) end() {
	close(p.stop)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}

// following tells how to follow work that goes on without the command.
func (c *cli) following() {
	fmt.Fprintln(c.err, "\nThe work goes on without this command. Follow it with:  rollcall status")
}
