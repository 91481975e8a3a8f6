package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-iam/rollcall/internal/store"
)

// Statements counts the SQL statements of a store. BEGIN and COMMIT count, too.
type Statements struct {
	mu    sync.Mutex
	texts []string
}

// OpenCounted is Open, with a count of all statements.
func OpenCounted(t testing.TB) (*store.Store, *Statements) {
	t.Helper()
	var counted Statements
	s, _ := open(t, store.Trace(&counted))
	return s, &counted
}

// Reset returns the statements since the last Reset, without those that lease a rate limit:
// their number depends on the time that the calls take.
func (s *Statements) Reset() Executed {
	s.mu.Lock()
	defer s.mu.Unlock()
	texts := slices.DeleteFunc(s.texts, func(sql string) bool { return strings.Contains(sql, "rate_limits") })
	s.texts = nil
	return texts
}

func (s *Statements) add(sql string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.texts = append(s.texts, strings.Join(strings.Fields(sql), " "))
}

// Executed are the texts of statements.
type Executed []string

// String lists the beginnings of the statements, a line each.
func (e Executed) String() string {
	var b strings.Builder
	for _, text := range e {
		fmt.Fprintf(&b, "\n\t%.100s", text)
	}
	return b.String()
}

// TraceQueryStart implements pgx.QueryTracer.
func (s *Statements) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	s.add(data.SQL)
	return ctx
}

// TraceQueryEnd implements pgx.QueryTracer.
func (s *Statements) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TraceBatchStart implements pgx.BatchTracer.
func (s *Statements) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

// TraceBatchQuery implements pgx.BatchTracer.
func (s *Statements) TraceBatchQuery(_ context.Context, _ *pgx.Conn, data pgx.TraceBatchQueryData) {
	s.add(data.SQL)
}

// TraceBatchEnd implements pgx.BatchTracer.
func (s *Statements) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}
