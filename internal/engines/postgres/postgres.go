// Package postgres runs a scratch PostgreSQL server from the machine's own
// binaries, for tests and the one-command stack.
//
// The server listens on 127.0.0.1 only and trusts every local connection: there
// is no password to leak and none to forget, and nothing in it is worth more
// than the machine it runs on. Never put real data into one. It has no Unix
// socket, whose path would have to be shorter than many directories are.
//
// The package needs Linux: the server gets a signal when its parent dies.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rollcall-iam/rollcall/internal/engines/child"
)

// superuser owns the cluster and every database in it.
const superuser = "postgres"

// ErrInUse reports a directory whose server another process runs.
var ErrInUse = errors.New("another process runs a server in this directory")

// Options say where and how a server runs.
type Options struct {
	// Dir holds the cluster. It is made when it is missing, together with its
	// parents (mode 0711), and kept when the server stops. As root it is given
	// to the user postgres, or else to nobody, as whom the server then runs.
	Dir string
	// Log gets the server's messages and initdb's; nil drops them. Statements
	// and the values in them are not logged.
	Log io.Writer
	// Port to listen on; 0 chooses a free one.
	Port int
	// Fast gives up durability for speed: a crash of the machine loses data.
	Fast bool
}

// Server is a running PostgreSQL server. It is for one goroutine at a time, but
// for URL and CreateDatabase. It ends with the process that started it.
type Server struct {
	options  Options
	binaries binaries
	owner    *child.User
	lock     *os.File
	port     int
	process  *child.Process
}

// Start runs the server in options.Dir and returns when it answers. Its data
// survives a restart. It fails with ErrUnavailable where PostgreSQL is not
// installed and with ErrInUse while another process runs a server there.
func Start(ctx context.Context, options Options) (*Server, error) {
	dir, err := filepath.Abs(options.Dir)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	options.Dir = dir
	if options.Log == nil {
		options.Log = io.Discard
	}
	s := &Server{options: options}
	// PostgreSQL refuses to run as root.
	if s.owner, err = child.Unprivileged("postgres", "nobody"); err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	if err := s.owner.Own(dir); err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	if s.lock, err = lockDir(dir); err != nil {
		return nil, err
	}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, s.lock.Close())
	}
	return s, nil
}

// start makes the cluster if need be and launches the server in it.
func (s *Server) start(ctx context.Context) error {
	major, err := clusterVersion(s.data())
	if err != nil {
		return err
	}
	if s.binaries, err = find(major); err != nil {
		return err
	}
	if major == 0 {
		if err := s.initdb(ctx); err != nil {
			return err
		}
	}
	if err := awaitGone(ctx, s.data()); err != nil {
		return err
	}
	return s.launch(ctx)
}

func (s *Server) data() string { return filepath.Join(s.options.Dir, "data") }

// clusterVersion returns the major version that made the cluster, 0 for none.
func clusterVersion(data string) (int, error) {
	text, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("postgres: %w", err)
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("postgres: %s holds no cluster: remove it", data)
	}
	return major, nil
}

// initdb makes the cluster beside its place and moves it there when it is
// whole, so that a killed initdb leaves nothing that looks like a cluster.
func (s *Server) initdb(ctx context.Context) error {
	half := filepath.Join(s.options.Dir, "data.new")
	if err := os.RemoveAll(half); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	args := []string{
		"--pgdata", half, "--username", superuser, "--auth", "trust",
		"--encoding", "UTF8", "--no-locale", "--no-instructions",
	}
	if s.options.Fast {
		args = append(args, "--no-sync")
	}
	cmd := s.owner.Command(ctx, environ(), s.binaries.path("initdb"), args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.options.Dir, s.options.Log, s.options.Log
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("postgres: initdb in %s failed, see the server's log: %w", s.options.Dir, err)
	}
	if err := os.Rename(half, s.data()); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	return nil
}

// launch runs the server on its port. A free port can be taken by somebody
// else before the server has it, so a chosen one is given three chances.
func (s *Server) launch(ctx context.Context) error {
	var err error
	for range 3 {
		if err = s.choosePort(); err != nil {
			return err
		}
		if err = s.launchOnce(ctx); err == nil {
			return nil
		}
		if ctx.Err() != nil || s.options.Port != 0 {
			return err
		}
		s.port = 0
	}
	return err
}

// choosePort finds a port unless the server has one from before.
func (s *Server) choosePort() error {
	if s.port != 0 {
		return nil
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(s.options.Port))
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("postgres: port is taken: %w", err)
	}
	chosen, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		return errors.Join(fmt.Errorf("postgres: %T is no TCP address", listener.Addr()), listener.Close())
	}
	s.port = chosen.Port
	return listener.Close()
}

func (s *Server) launchOnce(ctx context.Context) error {
	settings := []string{
		"listen_addresses=127.0.0.1", "port=" + strconv.Itoa(s.port), "unix_socket_directories=",
		"max_connections=200", "logging_collector=off",
		// Statements and constraint details hold people's data.
		"log_min_error_statement=panic", "log_error_verbosity=terse",
	}
	if s.options.Fast {
		settings = append(settings, "fsync=off", "synchronous_commit=off", "full_page_writes=off")
	}
	args := []string{"-D", s.data()}
	for _, setting := range settings {
		args = append(args, "-c", setting)
	}
	// The server outlives ctx, which bounds the start only.
	cmd := s.owner.Command(context.WithoutCancel(ctx), environ(), s.binaries.path("postgres"), args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.options.Dir, s.options.Log, s.options.Log
	process, err := child.Supervise("the server", cmd, syscall.SIGINT)
	if err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	if err := s.awaitReady(ctx, process); err != nil {
		return errors.Join(err, stop(process))
	}
	s.process = process
	return nil
}

// URL returns the connection string of a database on this server.
func (s *Server) URL(database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.User(superuser),
		Host:     net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)),
		Path:     database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// CreateDatabase makes an empty database. One that exists is left as it is.
func (s *Server) CreateDatabase(ctx context.Context, name string) error {
	err := s.exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize())
	var exists *pgconn.PgError
	if errors.As(err, &exists) && exists.Code == "42P04" {
		return nil
	}
	return err
}

// copyDatabase makes a database with all that is in another, which no connection uses.
func (s *Server) copyDatabase(ctx context.Context, from, name string) error {
	return s.exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()+" TEMPLATE "+pgx.Identifier{from}.Sanitize())
}

// dropDatabase removes a database with everything in it, in use or not.
func (s *Server) dropDatabase(ctx context.Context, name string) error {
	return s.exec(ctx, "DROP DATABASE IF EXISTS "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)")
}

func (s *Server) exec(ctx context.Context, sql string) error {
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }() // the statement's own error says more
	if _, err := conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	return nil
}

// Restart ends every connection and starts the server again on the same port.
func (s *Server) Restart(ctx context.Context) error {
	if err := stop(s.process); err != nil {
		return err
	}
	return s.launchOnce(ctx)
}

// Stop ends every connection and the server, and returns when it has ended.
// The directory stays. A second Stop does nothing.
func (s *Server) Stop() error {
	if err := stop(s.process); err != nil {
		return err
	}
	if err := s.lock.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("postgres: %w", err)
	}
	return nil
}
