package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-iam/rollcall/internal/engine"
)

// codecFlags say where and to whom decrypted payloads are served.
type codecFlags struct {
	listen, origin, tokenFile string
}

func codecCommand(c *cli) *cobra.Command {
	var flags codecFlags
	cmd := &cobra.Command{
		Use:   "codec",
		Short: "Let the Temporal UI show what histories hold",
		Long: `codec is a codec server: the Temporal UI of an authorised user sends it the
encrypted payloads that it shows. Set its address in the UI ("Codec Server"), or
in the UI server's configuration.

It needs the keys in the directory that ROLLCALL_KEYRING names. Without a token
it listens on this machine only.`,
		Example: `  rollcall codec --origin http://127.0.0.1:8233
  rollcall codec --listen :8088 --origin https://temporal.example.com --token-file /run/secrets/codec`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.serveCodec(cmd.Context(), flags) },
	}
	cmd.Flags().StringVar(&flags.listen, "listen", "127.0.0.1:8088", "where to listen")
	cmd.Flags().StringVar(&flags.origin, "origin", "", "where the Temporal UI is served; pages of no other origin are answered")
	cmd.Flags().StringVar(&flags.tokenFile, "token-file", "", "a file with the bearer token that callers must show")
	cobra.CheckErr(cmd.MarkFlagRequired("origin"))
	return cmd
}

func (c *cli) serveCodec(ctx context.Context, flags codecFlags) error {
	handler, err := c.codecServer(flags)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", flags.listen)
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	fmt.Fprintf(c.err, "Serving http://%s for %s\n", listener.Addr(), flags.origin)
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		stopped <- server.Close()
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return <-stopped
}

// codecServer checks that nobody is served whom no token keeps out.
func (c *cli) codecServer(flags codecFlags) (http.Handler, error) {
	dir := c.getenv(engine.KeyringVariable)
	if dir == "" {
		return nil, invalid(commandError{fmt.Errorf("%s does not name the directory with the keys", engine.KeyringVariable), setKeyring})
	}
	keys, err := engine.OpenKeyring(dir)
	if err != nil {
		return nil, invalid(err)
	}
	options, err := c.temporalOptions()
	if err != nil {
		return nil, err
	}
	server := engine.CodecServer{Keys: keys, Namespace: options.Namespace, Origin: flags.origin}
	if flags.tokenFile != "" {
		token, err := os.ReadFile(flags.tokenFile)
		if err != nil {
			return nil, invalid(fmt.Errorf("--token-file: %w", err))
		}
		server.Token = strings.TrimSpace(string(token))
	}
	host, _, err := net.SplitHostPort(flags.listen)
	if err != nil {
		return nil, invalid(fmt.Errorf("--listen: %w", err))
	}
	if ip := net.ParseIP(host); server.Token == "" && (ip == nil || !ip.IsLoopback()) {
		return nil, invalid(fmt.Errorf("--listen %s would serve anybody: add --token-file, or listen on 127.0.0.1", flags.listen))
	}
	return server.Handler(), nil
}
