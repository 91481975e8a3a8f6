package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/log"
)

// ErrUnreachable reports that Temporal does not answer.
var ErrUnreachable = errors.New("temporal cannot be reached")

// dialTimeout bounds the first contact.
const dialTimeout = 10 * time.Second

// Options returns the client's options from Temporal's own environment
// variables and profile file.
func Options(logger *slog.Logger) (client.Options, error) {
	options, err := envconfig.LoadDefaultClientOptions()
	if err != nil {
		return client.Options{}, fmt.Errorf("engine: read Temporal's environment and profile: %w", err)
	}
	if options.HostPort == "" {
		options.HostPort = client.DefaultHostPort
	}
	if options.Namespace == "" {
		options.Namespace = client.DefaultNamespace
	}
	options.Logger = log.NewStructuredLogger(logger)
	return options, nil
}

// Dial connects to Temporal and fails, with the address, when it does not
// answer within ten seconds.
func Dial(ctx context.Context, options client.Options) (client.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	c, err := client.DialContext(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("engine: %w at %s, namespace %q: %w: check TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE and TEMPORAL_PROFILE",
			ErrUnreachable, options.HostPort, options.Namespace, err)
	}
	return c, nil
}
