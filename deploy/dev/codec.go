package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/rollcall-iam/rollcall/internal/engine"
)

// keyringDir holds the keys that histories are encrypted with.
const keyringDir = "keyring"

// makeKeyring makes a key, once, and has everybody use it.
func (s *stack) makeKeyring() error {
	dir := s.home.path(keyringDir)
	s.environ[engine.KeyringVariable] = dir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("keyring: %w", err)
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	file, err := os.OpenFile(filepath.Join(dir, "first"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("keyring: %w", err)
	}
	_, err = file.WriteString(base64.StdEncoding.EncodeToString(key) + "\n")
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("keyring: %w", err)
	}
	return nil
}

// codecListener is where the UI will have payloads decrypted. It listens before
// the UI starts, which must know the address, and serves after, when the UI's own
// address is known.
func codecListener(ctx context.Context) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("codec server: %w", err)
	}
	return listener, nil
}

// serveCodec lets the UI, and pages of nobody else, show what histories hold.
func (s *stack) serveCodec(listener net.Listener) error {
	keys, err := engine.OpenKeyring(s.home.path(keyringDir))
	if err != nil {
		return fmt.Errorf("codec server: %w", err)
	}
	codec := engine.CodecServer{Keys: keys, Namespace: s.temporal.Namespace(), Origin: s.temporal.UIURL()}
	server := &http.Server{Handler: codec.Handler(), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }() // ends with Close
	s.onStop(server.Close)
	return nil
}
