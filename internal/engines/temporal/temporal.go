package temporal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"syscall"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"github.com/rollcall-iam/rollcall/internal/engines/child"
	"github.com/rollcall-iam/rollcall/internal/engines/program"
)

// DefaultNamespace is the namespace of a server whose Options name none.
const DefaultNamespace = "default"

// stopTimeout is how long the server may take to write its state when it stops.
const stopTimeout = 20 * time.Second

// exitOtherVersion is the exit code of a server that finds the state of another
// version.
const exitOtherVersion = 3

var (
	// ErrUnavailable reports a machine on which the server cannot be built.
	ErrUnavailable = errors.New("the Temporal server is not available")
	// ErrOtherVersion reports a state file that this server cannot read: it was
	// written by another version, which has no migration for SQLite, or with other
	// search attributes, which are fixed at creation.
	ErrOtherVersion = errors.New("state of another version")
)

// Options say how to run a server. The zero value is a server in memory, on a
// free port, without UI and without a log.
type Options struct {
	// Dir holds the state file, so that workflows survive a restart. Empty
	// keeps the state in memory.
	Dir string
	// SetAside renames a state file that this server cannot read and begins with a
	// new one, instead of failing with ErrOtherVersion.
	SetAside bool
	// Namespaces are created with the state; DefaultNamespace alone when empty.
	Namespaces []string
	// SearchAttributes are those of each namespace, fixed when it is created.
	SearchAttributes map[string]enumspb.IndexedValueType
	// Port is where clients are served; another is taken when it is in use, and
	// any free one when it is 0.
	Port int
	// UI serves the web interface too.
	UI bool
	// UIPort is chosen like Port.
	UIPort int
	// UICodec is the URL of the codec server by which the UI decrypts payloads;
	// empty for none.
	UICodec string
	// LogFile receives the server's warnings and errors; empty discards them.
	LogFile string
	// BuildLog receives what building the server says; nil drops it.
	BuildLog io.Writer
	// BuildFlags are as those of Build.
	BuildFlags program.Flags
}

// Server is a running server. It ends with the process that started it.
type Server struct {
	process   *child.Process
	namespace string
	// announced is what the server said when it was ready.
	announced struct {
		Address string `json:"address"`
		UI      string `json:"ui"`
		Aside   string `json:"aside"`
	}
}

func server(flags program.Flags) program.Program {
	return program.Program{
		Flags: flags,
		Name:  "temporal", Module: "go.temporal.io/server", Package: ".", LinkerFlags: "-s -w",
		// Google's clients, which archive to Google Cloud, do without gRPC's xDS: 141 packages.
		Tags: "disable_grpc_modules",
	}
}

// Available reports why this machine cannot run the server, wrapping
// ErrUnavailable, or nil. It builds nothing.
func Available() error { return unavailable(server(program.Flags{}).Available()) }

// Build builds the server unless it is built already; that takes some three
// minutes of two processors. With flags it builds a server of its own, unless the usual
// one is there. An error wraps ErrUnavailable.
func Build(ctx context.Context, log io.Writer, flags program.Flags) error {
	_, err := server(flags).Build(ctx, log)
	return unavailable(err)
}

func unavailable(err error) error {
	if errors.Is(err, program.ErrUnavailable) {
		return fmt.Errorf("temporal: %w: %w", ErrUnavailable, err)
	}
	return err
}

// Start builds the server if need be, starts it and returns when it answers. An
// error wraps ErrUnavailable or ErrOtherVersion where that is the cause.
func Start(ctx context.Context, options Options) (*Server, error) {
	binary, err := server(options.BuildFlags).Build(ctx, options.BuildLog)
	if err != nil {
		return nil, unavailable(err)
	}
	// The server outlives ctx, which bounds the start only.
	cmd := exec.Command(binary, options.arguments()...)
	cmd.Env = os.Environ()
	complaints := &program.Tail{}
	cmd.Stderr = complaints
	ready := newAnnouncement()
	cmd.Stdout = ready
	process, err := child.Supervise("the Temporal server", cmd, syscall.SIGTERM)
	if err != nil {
		return nil, fmt.Errorf("temporal: %w", err)
	}
	s := &Server{process: process, namespace: DefaultNamespace}
	if len(options.Namespaces) > 0 {
		s.namespace = options.Namespaces[0]
	}
	select {
	case line := <-ready.line:
		if err := json.Unmarshal(line, &s.announced); err != nil || s.announced.Address == "" {
			return nil, errors.Join(fmt.Errorf("temporal: the server announced %q, not its address", line), err, s.Stop())
		}
		return s, nil
	case <-process.Done:
		return nil, failure(process.Err(), complaints)
	case <-ctx.Done():
		return nil, errors.Join(fmt.Errorf("temporal: the server does not answer: %w\n%s", ctx.Err(), complaints), s.Stop())
	}
}

// failure says why the server ended before it answered.
func failure(ended error, complaints fmt.Stringer) error {
	var exit *exec.ExitError
	if errors.As(ended, &exit) && exit.ExitCode() == exitOtherVersion {
		return fmt.Errorf("temporal: %w: %s", ErrOtherVersion, complaints)
	}
	if ended == nil {
		ended = errors.New("exit status 0")
	}
	return fmt.Errorf("temporal: the server ended at its start: %w: %s", ended, complaints)
}

// arguments are the server's command line.
func (o Options) arguments() []string {
	args := []string{
		"--dir", o.Dir, "--port", strconv.Itoa(o.Port), "--log", o.LogFile,
		"--ui=" + strconv.FormatBool(o.UI), "--ui-port", strconv.Itoa(o.UIPort), "--ui-codec", o.UICodec,
		"--set-aside=" + strconv.FormatBool(o.SetAside),
	}
	for _, name := range o.Namespaces {
		args = append(args, "--namespace", name)
	}
	for _, name := range slices.Sorted(maps.Keys(o.SearchAttributes)) {
		args = append(args, "--search-attribute", name+"="+o.SearchAttributes[name].String())
	}
	return args
}

// Address returns "host:port" for clients.
func (s *Server) Address() string { return s.announced.Address }

// Namespace returns the name of the first namespace.
func (s *Server) Namespace() string { return s.namespace }

// UIURL returns the URL of the web interface, or "" without one.
func (s *Server) UIURL() string { return s.announced.UI }

// Aside returns where the start moved state of another version, or "".
func (s *Server) Aside() string { return s.announced.Aside }

// Stop stops the server and its UI, and returns when the state is written. A
// second Stop does nothing.
func (s *Server) Stop() error {
	if err := s.process.Stop(stopTimeout, syscall.SIGTERM); err != nil {
		return fmt.Errorf("temporal: %w", err)
	}
	return nil
}

// announcement is a writer that passes on the first line and drops the rest.
type announcement struct {
	line  chan []byte // takes one line
	text  []byte
	ended bool
}

func newAnnouncement() *announcement { return &announcement{line: make(chan []byte, 1)} }

// Write never fails. Only one goroutine, that of package exec, writes.
func (a *announcement) Write(p []byte) (int, error) {
	if a.ended {
		return len(p), nil
	}
	a.text = append(a.text, p...)
	if line, _, found := bytes.Cut(a.text, []byte("\n")); found {
		a.ended = true
		a.line <- line
	}
	return len(p), nil
}
