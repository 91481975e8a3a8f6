package control

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-iam/rollcall/internal/store"
)

const (
	// checkTimeout is how long workers may take to check all connections.
	checkTimeout = time.Minute
	// checkPollInterval is how often to look for their answers.
	checkPollInterval = 500 * time.Millisecond
)

// ConnectionsReport is what workers report.
type ConnectionsReport struct {
	Connections []Connection `json:"connections"`
	// Unserved are the platforms that no worker serves.
	Unserved []UnservedPlatform `json:"unserved"`
}

// Connection is an account at a platform as workers report it. Those that report the same share
// one.
type Connection struct {
	Name    string     `json:"name"`
	Type    string     `json:"type"` // empty if no worker can use it
	UsedBy  []string   `json:"used_by"`
	Digest  string     `json:"digest"`
	Workers []string   `json:"workers"`
	Checked *time.Time `json:"checked"` // the earliest check; nil if a worker has not checked it
	Error   string     `json:"error,omitempty"`

	answers time.Time // the earliest answer to a request for a check
}

// UnservedPlatform is a platform that no worker serves.
type UnservedPlatform struct {
	Platform   string `json:"platform"`
	Connection string `json:"connection"`
	Reason     string `json:"reason"`
}

// NoReport is the reason of an unserved platform while no worker runs.
const NoReport = "no worker has reported: start one (rollcall-worker)"

// CheckRequest asks workers to check connections.
type CheckRequest struct {
	// Connections are the names to report; empty for all.
	Connections []string `json:"connections,omitempty"`
}

// ListConnections is that of Platforms.
func (l *Local) ListConnections(ctx context.Context) (ConnectionsReport, error) {
	report := ConnectionsReport{Connections: []Connection{}, Unserved: []UnservedPlatform{}}
	s, err := l.Store(ctx)
	if err != nil {
		return report, err
	}
	reports, err := s.ConnectionReports(ctx)
	if err != nil {
		return report, err
	}
	for _, r := range reports {
		report.add(r)
	}
	unserved, err := s.UnservedPlatforms(ctx)
	if err != nil {
		return report, err
	}
	platforms, err := s.Platforms(ctx)
	if err != nil {
		return report, err
	}
	workers := map[string]bool{}
	for _, r := range reports {
		workers[r.Worker] = true
	}
	for _, p := range platforms {
		reason, refusals := NoReport, 0
		for _, u := range unserved {
			workers[u.Worker] = true
			if u.Platform == p.Identifier() {
				reason, refusals = u.Reason, refusals+1
			}
		}
		if refusals == len(workers) {
			report.Unserved = append(report.Unserved, UnservedPlatform{
				Platform: p.Identifier(), Connection: p.ConnectionName(), Reason: reason,
			})
		}
	}
	return report, nil
}

func (r *ConnectionsReport) add(n store.ConnectionReport) {
	for i, known := range r.Connections {
		if known.Name == n.Name && known.Digest == n.Digest && known.Error == n.Error {
			r.Connections[i].Workers = append(r.Connections[i].Workers, n.Worker)
			if n.Answers.Before(known.answers) {
				r.Connections[i].answers = n.Answers
			}
			if n.Checked.IsZero() || known.Checked != nil && n.Checked.Before(*known.Checked) {
				r.Connections[i].Checked = timeOf(n.Checked)
			}
			return
		}
	}
	r.Connections = append(r.Connections, Connection{
		Name: n.Name, Type: n.Type, UsedBy: append([]string{}, n.UsedBy...), Digest: n.Digest, Workers: []string{n.Worker},
		Checked: timeOf(n.Checked), Error: n.Error, answers: n.Answers,
	})
}

// timeOf is the time, or nil for none.
func timeOf(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// CheckError returns an error that names the connections with an error, and those of names that no
// worker has; nil if there are none.
func (r *ConnectionsReport) CheckError(names []string) error {
	e := &Error{Code: Partial}
	var refused []string
	for _, c := range r.Connections {
		if c.Error != "" {
			refused = append(refused, c.Name)
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(r.Connections, func(c Connection) bool { return c.Name == name }) {
			refused, e.Kind, e.Name = append(refused, name+" (no worker has it)"), kindConnection, name
		}
	}
	if len(refused) == 0 {
		return nil
	}
	e.Message = "not usable: " + strings.Join(refused, ", ")
	return e
}

// kindConnection is the kind of an error about a connection that no worker has.
const kindConnection = "connection"

// CheckConnections is that of Platforms.
func (l *Local) CheckConnections(ctx context.Context, r CheckRequest) (ConnectionsReport, error) {
	s, err := l.Store(ctx)
	if err != nil {
		return ConnectionsReport{}, err
	}
	requested, err := s.RequestConnectionCheck(ctx)
	if err != nil {
		return ConnectionsReport{}, err
	}
	for deadline := l.Now().Add(checkTimeout); ; {
		report, err := l.ListConnections(ctx)
		if err != nil {
			return report, err
		}
		report.choose(r.Connections)
		unanswered, err := uncheckedConnections(ctx, s, report, requested)
		if err != nil || len(unanswered) == 0 {
			return report, err
		}
		if l.Now().After(deadline) {
			return report, &Error{
				Code:    NoWorker,
				Message: fmt.Sprintf("no worker answers within %s for %s", checkTimeout, strings.Join(unanswered, ", ")),
			}
		}
		if err := pause(ctx, checkPollInterval); err != nil {
			return report, err
		}
	}
}

// choose drops what is about other connections than those of names, unless there are none.
func (r *ConnectionsReport) choose(names []string) {
	if len(names) == 0 {
		return
	}
	r.Connections = slices.DeleteFunc(r.Connections, func(c Connection) bool { return !slices.Contains(names, c.Name) })
	r.Unserved = slices.DeleteFunc(r.Unserved, func(u UnservedPlatform) bool { return !slices.Contains(names, u.Connection) })
}

// uncheckedConnections names the connections that platforms use and that were not
// checked since the request.
func uncheckedConnections(ctx context.Context, s *store.Store, report ConnectionsReport, requested time.Time) ([]string, error) {
	platforms, err := s.Platforms(ctx)
	if err != nil {
		return nil, err
	}
	active := map[string]bool{}
	for _, p := range platforms {
		if !slices.ContainsFunc(report.Unserved, func(u UnservedPlatform) bool { return u.Platform == p.Identifier() }) {
			active[p.ConnectionName()] = true
		}
	}
	var unanswered []string
	for _, c := range report.Connections {
		if active[c.Name] && c.Type != "" && c.answers.Before(requested) {
			unanswered = append(unanswered, c.Name)
		}
	}
	return unanswered, nil
}

// pause waits, and fails if ctx ends before.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
