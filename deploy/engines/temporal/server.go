package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/temporal"
)

// DefaultNamespace is the namespace of a server whose Options name none.
const DefaultNamespace = "default"

// pollEvery is how often Start asks whether the server answers.
const pollEvery = 50 * time.Millisecond

// Options say how to run a server. The zero value is a server in memory, on a
// free port, without UI and without a log.
type Options struct {
	// Dir holds the state file, so that workflows survive a restart. Empty
	// keeps the state in memory.
	Dir string
	// Namespaces are created with the state; DefaultNamespace alone when empty.
	Namespaces []string
	// SearchAttributes are those of each namespace, fixed when it is created.
	SearchAttributes map[string]enumspb.IndexedValueType
	// Port is where clients are served; another is taken when it is in use, and
	// any free one when it is 0.
	Port int
	// UI serves the web interface too.
	UI bool
	// UIPort is treated like Port.
	UIPort int
	// UICodec is where the UI has payloads decrypted; empty for nowhere.
	UICodec string
	// LogFile receives warnings and errors; empty discards them.
	LogFile string
}

// Server is a running server. Stop it once.
type Server struct {
	address   string
	namespace string
	temporal  temporal.Server
	ui        *webInterface
}

// Start starts a server and returns when it answers, or an error that wraps
// ErrOtherVersion when the state file was written by another server version or
// with other search attributes.
func Start(ctx context.Context, options Options) (*Server, error) {
	if len(options.Namespaces) == 0 {
		options.Namespaces = []string{DefaultNamespace}
	}
	ports, err := choosePorts(ctx, options.Port)
	if err != nil {
		return nil, err
	}
	cfg := serverConfig(options, ports)
	if err := prepareState(options, cfg); err != nil {
		return nil, err
	}
	logger, err := newLogger(options.LogFile)
	if err != nil {
		return nil, err
	}
	engine, err := newEngine(cfg, ports, logger)
	if err != nil {
		return nil, err
	}
	if err := engine.Start(); err != nil {
		return nil, fmt.Errorf("temporal: start temporal: %w", err)
	}
	s := &Server{address: ports.address(ports.frontend), namespace: options.Namespaces[0], temporal: engine}
	if err := s.finish(ctx, options); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// finish waits until the server answers, and then starts the UI.
func (s *Server) finish(ctx context.Context, options Options) error {
	if err := s.waitReady(ctx); err != nil {
		return err
	}
	if !options.UI {
		return nil
	}
	ui, err := startUI(ctx, options, s.address)
	if err != nil {
		return err
	}
	s.ui = ui
	return nil
}

// Address returns "host:port" for clients.
func (s *Server) Address() string { return s.address }

// UIURL returns where the web interface is, or "" without one.
func (s *Server) UIURL() string {
	if s.ui == nil {
		return ""
	}
	return s.ui.url
}

// Stop stops the server and its UI, and returns when the state is written.
func (s *Server) Stop() error {
	if s.ui != nil {
		s.ui.server.Stop()
	}
	if err := s.temporal.Stop(); err != nil {
		return fmt.Errorf("temporal: stop temporal: %w", err)
	}
	return nil
}

// waitReady returns when the namespace can be used.
func (s *Server) waitReady(ctx context.Context) error {
	for {
		err := s.probe(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("temporal: temporal at %s does not answer: %w", s.address, errors.Join(ctx.Err(), err))
		case <-time.After(pollEvery):
		}
	}
}

// probe lists workflows, which needs the frontend, the namespace and the store.
func (s *Server) probe(ctx context.Context) error {
	c, err := client.DialContext(ctx, client.Options{
		HostPort: s.address, Namespace: s.namespace, Logger: log.NewSdkLogger(log.NewNoopLogger()),
	})
	if err != nil {
		return fmt.Errorf("temporal: dial: %w", err)
	}
	defer c.Close()
	if _, err := c.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Namespace: s.namespace}); err != nil {
		return fmt.Errorf("temporal: count workflows: %w", err)
	}
	return nil
}

// newEngine assembles Temporal's four services with fixed addresses, so that
// they need not look for each other.
func newEngine(cfg *config.Config, p ports, logger log.Logger) (temporal.Server, error) {
	authorizer, err := authorization.GetAuthorizerFromConfig(&cfg.Global.Authorization)
	if err != nil {
		return nil, fmt.Errorf("temporal: authorizer: %w", err)
	}
	claims, err := authorization.GetClaimMapperFromConfig(&cfg.Global.Authorization, logger)
	if err != nil {
		return nil, fmt.Errorf("temporal: claim mapper: %w", err)
	}
	engine, err := temporal.NewServer(
		temporal.WithConfig(cfg),
		temporal.ForServices(temporal.DefaultServices),
		temporal.WithStaticHosts(p.hosts()),
		temporal.WithLogger(logger),
		temporal.WithAuthorizer(authorizer),
		temporal.WithClaimMapper(func(*config.Config) authorization.ClaimMapper { return claims }),
		temporal.WithDynamicConfigClient(dynamicConfig()),
	)
	if err != nil {
		return nil, fmt.Errorf("temporal: assemble temporal: %w", err)
	}
	return engine, nil
}

// newLogger writes warnings and errors to the file, or nothing without one.
func newLogger(file string) (log.Logger, error) {
	if file == "" {
		return log.NewNoopLogger(), nil
	}
	// Temporal's logger panics on a file that it cannot open.
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("temporal: log: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("temporal: log: %w", err)
	}
	return log.NewZapLogger(log.BuildZapLogger(log.Config{Level: "warn", Format: "console", OutputFile: file})), nil
}
