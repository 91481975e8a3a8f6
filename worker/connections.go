package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/rollcall-iam/rollcall/internal/connection"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/store"
)

const (
	// checkInterval is how often a platform is requested whether it accepts the account.
	checkInterval = 10 * time.Minute
	// checkTimeout bounds one such question.
	checkTimeout = 30 * time.Second
)

// reporter tells the database which connections this worker holds, whether their
// platforms accept the accounts, and which platforms it does not serve.
type reporter struct {
	store   *store.Store
	drivers *connection.Drivers
	log     *slog.Logger
	worker  string

	mu       sync.Mutex
	checks   map[string]check // by name of the connection
	problems string           // the last that were logged
}

// check is the last answer of a platform.
type check struct {
	digest  string
	err     error
	at      time.Time
	answers time.Time // the request that it answers, by the database's clock
	running bool
}

// workerName names this process for operators: the process and its host, as Temporal
// does.
func workerName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%d@%s", os.Getpid(), host)
}

// report tells how things stand, and begins the checks that are due.
func (r *reporter) report(ctx context.Context, platforms []document.Platform, unserved map[string]string) error {
	set, err := r.drivers.Current()
	if err != nil {
		return err
	}
	reports := r.connections(set)
	var missing []store.UnservedPlatform
	for platform, reason := range unserved {
		missing = append(missing, store.UnservedPlatform{Platform: platform, Reason: reason})
	}
	requested, err := r.store.ReportConnections(ctx, r.worker, reports, missing)
	if err != nil {
		return err
	}
	for _, p := range platforms {
		if _, ok := unserved[p.Identifier()]; !ok {
			r.begin(ctx, set, p, requested)
		}
	}
	return nil
}

// connections describes the connections, and the files that are none.
func (r *reporter) connections(set *connection.Set) []store.ConnectionReport {
	r.mu.Lock()
	defer r.mu.Unlock()
	var reports []store.ConnectionReport
	for _, c := range set.Connections() {
		h := store.ConnectionReport{Name: c.Name, Type: c.Type, UsedBy: c.UsedBy, Digest: c.Digest}
		if last := r.checks[c.Name]; last.digest == c.Digest && !last.at.IsZero() {
			h.Checked, h.Answers = last.at, last.answers
			if last.err != nil {
				h.Error = last.err.Error()
			}
		}
		reports = append(reports, h)
	}
	problems, _ := errors.AsType[document.Problems](set.Problems)
	seen := map[string]bool{}
	for _, p := range problems {
		name := p.File
		if p.Object != "" {
			name = p.Object
		}
		if _, known := set.Get(name); known || seen[name] {
			continue // reported once; the log has all
		}
		seen[name] = true
		reports = append(reports, store.ConnectionReport{Name: name, Error: p.String()})
	}
	if text := fmt.Sprint(set.Problems); set.Problems != nil && text != r.problems {
		r.problems = text
		r.log.Error("connections cannot be used", "problems", text)
	}
	return reports
}

// begin asks a platform in the background whether it accepts the account, if that is
// due: after a change, on request, and now and then.
func (r *reporter) begin(ctx context.Context, set *connection.Set, p document.Platform, requested time.Time) {
	c, ok := set.Get(p.ConnectionName())
	if !ok {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	last := r.checks[c.Name]
	fresh := last.digest == c.Digest && time.Since(last.at) < checkInterval && last.answers.Equal(requested)
	if last.running || fresh {
		return
	}
	last.running = true
	r.checks[c.Name] = last
	go func() {
		err := r.check(ctx, p)
		r.mu.Lock()
		defer r.mu.Unlock()
		if err != nil && ctx.Err() == nil && fmt.Sprint(last.err) != err.Error() {
			r.log.Warn("a platform does not accept its connection", "platform", p.Identifier(), "connection", c.Name, "error", err)
		}
		r.checks[c.Name] = check{digest: c.Digest, err: err, at: time.Now(), answers: requested}
	}()
}

func (r *reporter) check(ctx context.Context, p document.Platform) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	d, _, err := r.drivers.Driver(ctx, p)
	if err != nil {
		return err
	}
	return connection.Check(ctx, d)
}

// withdraw takes the reports back when the worker stops, so that no command waits for
// its answers.
func (r *reporter) withdraw(ctx context.Context) {
	if _, err := r.store.ReportConnections(ctx, r.worker, nil, nil); err != nil {
		r.log.Warn("cannot withdraw the report of connections", "error", err)
	}
}
