package main

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	uiserver "github.com/temporalio/ui-server/v2/server"
	uiconfig "github.com/temporalio/ui-server/v2/server/config"
	uioptions "github.com/temporalio/ui-server/v2/server/server_options"
)

// webInterface is Temporal's UI, whose files are inside the binary.
type webInterface struct {
	server *uiserver.Server
	url    string
}

// startUI serves the UI on the preferred port, or on another when it is in use,
// and returns when it accepts connections.
func startUI(ctx context.Context, options Options, temporalAddress string) (*webInterface, error) {
	chosen, err := freePorts(ctx, options.UIPort)
	if err != nil {
		return nil, err
	}
	address := net.JoinHostPort(host, strconv.Itoa(chosen[0]))
	server := uiserver.NewServer(uioptions.WithConfigProvider(&uiconfig.Config{
		Host:                host,
		Port:                chosen[0],
		TemporalGRPCAddress: temporalAddress,
		DefaultNamespace:    options.Namespaces[0],
		EnableUI:            true,
		CORS:                uiconfig.CORS{CookieInsecure: true},
		Codec:               uiconfig.Codec{Endpoint: options.UICodec},
		DisableNewsFetch:    true,
		HideLogs:            true,
	}))
	failed := make(chan error, 1)
	go func() { failed <- server.Start() }()
	if err := waitListening(ctx, address, failed); err != nil {
		server.Stop()
		return nil, err
	}
	return &webInterface{server: server, url: "http://" + address}, nil
}

func waitListening(ctx context.Context, address string, failed <-chan error) error {
	var dialer net.Dialer
	for {
		conn, err := dialer.DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		select {
		case err := <-failed:
			return fmt.Errorf("temporal: the UI stopped: %w", err)
		case <-ctx.Done():
			return fmt.Errorf("temporal: the UI at %s does not answer: %w", address, ctx.Err())
		case <-time.After(pollEvery):
		}
	}
}
