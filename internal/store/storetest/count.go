package storetest

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-iam/rollcall/internal/store"
)

// Statements counts the SQL statements of a store. BEGIN and COMMIT count, too.
type Statements struct{ n atomic.Int64 }

// OpenCounted is Open, with a count of all statements.
func OpenCounted(t testing.TB) (*store.Store, *Statements) {
	t.Helper()
	var counted Statements
	s, _ := open(t, store.Trace(&counted))
	return s, &counted
}

// Reset returns the number of statements since the last Reset.
func (s *Statements) Reset() int { return int(s.n.Swap(0)) }

// TraceQueryStart implements pgx.QueryTracer.
func (s *Statements) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	s.n.Add(1)
	return ctx
}

// TraceQueryEnd implements pgx.QueryTracer.
func (s *Statements) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TraceBatchStart implements pgx.BatchTracer.
func (s *Statements) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

// TraceBatchQuery implements pgx.BatchTracer.
func (s *Statements) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) { s.n.Add(1) }

// TraceBatchEnd implements pgx.BatchTracer.
func (s *Statements) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}
