package keystone

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rollcall-iam/rollcall/internal/engines/child"
)

// Options say where and how a server runs.
type Options struct {
	// Dir holds configuration and keys. It is made when it is missing and kept
	// when the server stops. As root it is given to the user keystone, or else
	// to nobody, as whom the server then runs.
	Dir string
	// DatabaseURL names a PostgreSQL database that is empty or holds this
	// Keystone's data.
	DatabaseURL string
	// Port to listen on; 0 takes the one of the last time if it is free, or
	// else any.
	Port int
	// ListLimit cuts every list at so many entries, which the answer admits with
	// "truncated"; 0 means no limit. Lists of role assignments are never cut.
	ListLimit int
	// Log gets the messages of the server and of its preparation; nil drops them.
	Log io.Writer
}

// Server is a running Keystone. It ends with the process that started it.
type Server struct {
	options  Options
	owner    *child.User
	port     int
	admin    Credentials
	listener *os.File // what the server listens on, open until it has started
	process  *child.Process
}

// Start runs the server in options.Dir and returns when it answers; ctx bounds
// that, not the server's life. The first start in a directory takes some ten
// seconds, the next ones three. Data and keys survive a restart. It fails with
// ErrUnavailable where Keystone is not installed.
func Start(ctx context.Context, options Options) (*Server, error) {
	installed, err := version()
	if err != nil {
		return nil, err
	}
	if options.Dir, err = filepath.Abs(options.Dir); err != nil {
		return nil, fmt.Errorf("keystone: %w", err)
	}
	if options.Log == nil {
		options.Log = io.Discard
	}
	s := &Server{options: options}
	if s.owner, err = child.Unprivileged("keystone", "nobody"); err != nil {
		return nil, fmt.Errorf("keystone: %w", err)
	}
	if err := s.owner.Own(options.Dir); err != nil {
		return nil, fmt.Errorf("keystone: %w", err)
	}
	if err := s.listen(); err != nil {
		return nil, err
	}
	defer func() { _ = s.listener.Close() }() // the server has its own by then
	if err := s.prepare(ctx, installed); err != nil {
		return nil, err
	}
	if err := s.launch(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// URL returns the server's address, ending in /v3.
func (s *Server) URL() string { return s.root() + "/v3" }

func (s *Server) root() string {
	return "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port))
}

// Admin returns credentials that may do everything.
func (s *Server) Admin() Credentials { return s.admin }

// Stop ends the server and returns when it has ended. Directory and database
// stay. A second Stop does nothing.
func (s *Server) Stop() error { return stop(s.process) }

func (s *Server) path(name string) string { return filepath.Join(s.options.Dir, name) }

// listen takes the port. The server inherits the open socket, so that nobody
// can take the port in between.
func (s *Server) listen() error {
	ports := []int{s.options.Port}
	if s.options.Port == 0 {
		text, err := os.ReadFile(s.path("port"))
		if last, errLast := strconv.Atoi(string(text)); err == nil && errLast == nil {
			ports = []int{last, 0}
		}
	}
	var listener net.Listener
	var err error
	for _, port := range ports {
		if listener, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("keystone: port is taken: %w", err)
	}
	tcp, ok := listener.(*net.TCPListener)
	if !ok {
		return errors.Join(fmt.Errorf("keystone: %T is no TCP listener", listener), listener.Close())
	}
	address, ok := tcp.Addr().(*net.TCPAddr)
	if !ok {
		return errors.Join(fmt.Errorf("keystone: %T is no TCP address", tcp.Addr()), tcp.Close())
	}
	s.port = address.Port
	if s.listener, err = tcp.File(); err != nil {
		return errors.Join(fmt.Errorf("keystone: %w", err), tcp.Close())
	}
	if err := errors.Join(tcp.Close(), s.write("port", strconv.Itoa(s.port))); err != nil {
		return fmt.Errorf("keystone: %w", err)
	}
	return nil
}

// launch runs the server on its socket.
func (s *Server) launch(ctx context.Context) error {
	// The server outlives ctx. Descriptor 3 is the first of ExtraFiles.
	cmd := s.command(context.WithoutCancel(ctx), gunicorn,
		// gthread keeps a thread on every connection that has not said anything
		// yet, and Go's client opens some ahead: with four threads, four of those
		// silence a worker.
		"--bind", "fd://3", "--workers", "4", "--worker-class", "gthread", "--threads", "32",
		// Clients keep connections for a while; one that is closed under them is
		// an error they cannot tell from a worse one. Loading Keystone takes two
		// seconds of processor: once, before the workers are forked.
		"--keep-alive", "120", "--timeout", "120", "--preload", "--log-level", "warning",
		"--pythonpath", s.options.Dir, moduleName+":application")
	cmd.Env = append(cmd.Env, "OS_KEYSTONE_CONFIG_FILES="+s.config())
	cmd.Stdout, cmd.Stderr = s.options.Log, s.options.Log
	cmd.ExtraFiles = []*os.File{s.listener}
	process, err := child.Supervise("the server", cmd, syscall.SIGKILL)
	if err != nil {
		return fmt.Errorf("keystone: %w", err)
	}
	if err := s.awaitReady(ctx, process); err != nil {
		return errors.Join(err, stop(process))
	}
	s.process = process
	return nil
}

// awaitReady returns when the server answers, or why it never will.
func (s *Server) awaitReady(ctx context.Context, p *child.Process) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan error, 1)
	// The socket is open already: the first request waits for the first worker.
	go func() { answers <- ping(ctx, s.URL()) }()
	select {
	case err := <-answers:
		return err
	case <-p.Done:
		return fmt.Errorf("keystone: the server ended at once, see its log: %w", p.Err())
	}
}

func ping(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("keystone: %w", err)
	}
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		return fmt.Errorf("keystone: the server does not answer: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK || !strings.Contains(string(body), `"v3.`) {
		return fmt.Errorf("keystone: the server answers %s, see its log", response.Status)
	}
	return nil
}
