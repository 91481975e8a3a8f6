// Package store keeps the documents and what runs leave behind in PostgreSQL.
//
// All changes of documents go through Apply and Delete, which take one lock,
// look at stored and new documents together, and store all or nothing.
package store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/multitracer"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rollcall-iam/rollcall/internal/document"
)

// The errors that callers tell apart.
var (
	// ErrUnreachable reports a database that cannot be connected to.
	ErrUnreachable = errors.New("cannot be reached")
	// ErrSchema reports a database that this program cannot run on.
	ErrSchema = errors.New("database schema does not fit")
	// ErrNotFound reports a name that nothing is stored under.
	ErrNotFound = errors.New("not found")
	// ErrUnconfirmed reports a change that the caller has not agreed to.
	ErrUnconfirmed = errors.New("not confirmed")
	// ErrCorrupt reports a stored plan that is not the one its digest names.
	ErrCorrupt = errors.New("stored plan does not match its digest")
)

// connections is the pool's size where the URL has no pool_max_conns: enough
// for one worker, and a tenth of what a server allows when nobody tuned it.
const connections = 10

// Store is a database of Rollcall. It is safe for use by many goroutines.
type Store struct {
	pool *pgxpool.Pool
	// parser keeps parsed documents for sweeps, which read most documents as they were.
	parser *document.Parser
}

// The bounds on parsed documents that a Store keeps: those of about 6,000 tenants.
const (
	maxParsed      = 100_000
	maxParsedBytes = 64 << 20
)

// Option changes how Open connects.
type Option func(*pgxpool.Config)

// Trace has another tracer told of each statement.
func Trace(t pgx.QueryTracer) Option {
	return func(c *pgxpool.Config) { c.ConnConfig.Tracer = multitracer.New(c.ConnConfig.Tracer, t) }
}

// Open connects to the database, by a URL or a keyword string as libpq takes
// them. An error wraps ErrUnreachable and never holds the password.
func Open(ctx context.Context, url string, options ...Option) (*Store, error) {
	config, err := parseURL(url)
	if err != nil {
		return nil, err
	}
	for _, change := range options {
		change(config)
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, unreachable(config.ConnConfig, err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, unreachable(config.ConnConfig, err)
	}
	return &Store{pool: pool, parser: document.NewParser(maxParsed, maxParsedBytes)}, nil
}

// parseURL reads the connection string. What pgx says about a malformed one may
// quote it, so that none of it is repeated.
func parseURL(url string) (*pgxpool.Config, error) {
	if strings.TrimSpace(url) == "" {
		return nil, fmt.Errorf("store: no database is named, so it %w: "+
			"set %s to postgres://user@host:port/name", ErrUnreachable, URLVariable)
	}
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("store: the connection string is malformed, so the database %w: "+
			"ROLLCALL_DATABASE_URL is written postgres://user@host:port/name", ErrUnreachable)
	}
	if !strings.Contains(url, "pool_max_conns") {
		config.MaxConns = connections
	}
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = 10 * time.Second
	}
	if config.ConnConfig.RuntimeParams["application_name"] == "" {
		config.ConnConfig.RuntimeParams["application_name"] = "rollcall"
	}
	config.ConnConfig.Tracer = tracer{statementTimeout}
	return config, nil
}

func unreachable(config *pgx.ConnConfig, err error) error {
	address := net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port)))
	return fmt.Errorf("store: database at %s/%s %w: %w: check ROLLCALL_DATABASE_URL",
		address, config.Database, ErrUnreachable, err)
}

// Close ends all connections, after waiting for those in use.
func (s *Store) Close() { s.pool.Close() }

// Pool returns the connections, for the ledger.
func (s *Store) Pool() *pgxpool.Pool { return s.pool }

// Installation returns the random name of this database, ten characters of a-z
// and 0-9, by which marks on platforms say whose an object is.
func (s *Store) Installation(ctx context.Context) (string, error) {
	var id string
	err := s.one(ctx, &id, "SELECT id FROM installation")
	return id, err
}

// Generation counts the applies that changed any document.
func (s *Store) Generation(ctx context.Context) (int64, error) {
	var generation int64
	err := s.one(ctx, &generation, "SELECT revision FROM installation")
	return generation, err
}

// PlatformsVersion changes whenever Platforms would answer differently. It
// costs one row, for those who ask every few seconds.
func (s *Store) PlatformsVersion(ctx context.Context) (int64, error) {
	var version int64
	err := s.one(ctx, &version, "SELECT platforms_version FROM installation")
	return version, err
}

// one reads one value.
func (s *Store) one(ctx context.Context, into any, sql string, args ...any) error {
	if err := s.pool.QueryRow(ctx, sql, args...).Scan(into); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

// exec runs one statement.
func (s *Store) exec(ctx context.Context, sql string, args ...any) error {
	if _, err := s.pool.Exec(ctx, sql, args...); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

// prefixed names the package in an error of a callback, once.
func prefixed(err error) error {
	if err == nil || strings.HasPrefix(err.Error(), "store: ") {
		return err
	}
	return fmt.Errorf("store: %w", err)
}
