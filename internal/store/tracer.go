package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rollcall-iam/rollcall/internal/progress"
)

// statementTimeout bounds one statement, and the wait for a connection, of work that
// reports its progress: activities. Commands have no such bound, because they wait for
// the lock of another apply, or migrate, for as long as their user lets them.
const statementTimeout = time.Minute

// tracer gives statements a deadline and reports their progress. The deadline is the
// client's, because a server that cannot be reached ends nothing, and because poolers
// such as PgBouncer refuse the parameter statement_timeout.
type tracer struct{ timeout time.Duration }

var (
	_ pgx.QueryTracer       = tracer{}
	_ pgx.BatchTracer       = tracer{}
	_ pgx.CopyFromTracer    = tracer{}
	_ pgxpool.AcquireTracer = tracer{}
)

type tracedKey struct{}

// traced is one statement on its way.
type traced struct {
	operation *progress.Operation
	cancel    context.CancelFunc
}

func (t tracer) start(ctx context.Context, name string) context.Context {
	operation := progress.Start(ctx, name, t.timeout)
	if operation == nil {
		return context.WithValue(ctx, tracedKey{}, nil) // not that of a statement around it
	}
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	return context.WithValue(ctx, tracedKey{}, traced{operation, cancel})
}

func (tracer) end(ctx context.Context) {
	if s, ok := ctx.Value(tracedKey{}).(traced); ok {
		s.operation.End()
		s.cancel()
	}
}

// TraceQueryStart implements pgx.QueryTracer.
func (t tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return t.start(ctx, "database statement")
}

// TraceQueryEnd implements pgx.QueryTracer.
func (t tracer) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryEndData) { t.end(ctx) }

// TraceBatchStart implements pgx.BatchTracer.
func (t tracer) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return t.start(ctx, "database batch")
}

// TraceBatchQuery implements pgx.BatchTracer.
func (tracer) TraceBatchQuery(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchQueryData) {
	progress.Report(ctx, "database batch")
}

// TraceBatchEnd implements pgx.BatchTracer.
func (t tracer) TraceBatchEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchEndData) { t.end(ctx) }

// TraceCopyFromStart implements pgx.CopyFromTracer.
func (t tracer) TraceCopyFromStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceCopyFromStartData) context.Context {
	return t.start(ctx, "database copy")
}

// TraceCopyFromEnd implements pgx.CopyFromTracer.
func (t tracer) TraceCopyFromEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceCopyFromEndData) {
	t.end(ctx)
}

// TraceAcquireStart implements pgxpool.AcquireTracer.
func (t tracer) TraceAcquireStart(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireStartData) context.Context {
	return t.start(ctx, "wait for a database connection")
}

// TraceAcquireEnd implements pgxpool.AcquireTracer.
func (t tracer) TraceAcquireEnd(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireEndData) {
	t.end(ctx)
}
