package login

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/zalando/go-keyring"
)

const (
	// keyringService names Rollcall's secrets in the keyring.
	keyringService = "rollcall"
	// keyringTimeout is how long the user has to unlock the keyring.
	keyringTimeout = time.Minute
)

// SystemKeyring returns the keyring of the system: the Keychain, the Credential Manager or, on
// other systems, the Secret Service of the desktop session. It returns nil without a session:
// the library would start one.
func SystemKeyring(getenv func(string) string) Keyring {
	switch runtime.GOOS {
	case "darwin", "windows":
		return systemKeyring{}
	}
	if getenv("DBUS_SESSION_BUS_ADDRESS") != "" {
		return systemKeyring{}
	}
	if dir := getenv("XDG_RUNTIME_DIR"); dir != "" {
		if _, err := os.Stat(filepath.Join(dir, "bus")); err == nil {
			return systemKeyring{}
		}
	}
	return nil
}

// systemKeyring is a Keyring of the library. A keyring that waits for its user does so for a
// bounded time.
type systemKeyring struct{}

// Get is that of Keyring.
func (systemKeyring) Get(key string) (secret string, err error) {
	type got struct {
		secret string
		err    error
	}
	secrets := make(chan got, 1)
	go func() {
		secret, err := keyring.Get(keyringService, key)
		secrets <- got{secret, err}
	}()
	select {
	case g := <-secrets:
		if errors.Is(g.err, keyring.ErrNotFound) {
			return "", fs.ErrNotExist
		}
		return g.secret, g.err
	case <-time.After(keyringTimeout):
		return "", errLocked()
	}
}

// Set is that of Keyring.
func (systemKeyring) Set(key, secret string) error {
	return within(func() error { return keyring.Set(keyringService, key, secret) })
}

// Delete is that of Keyring.
func (systemKeyring) Delete(key string) error {
	return within(func() error {
		if err := keyring.Delete(keyringService, key); !errors.Is(err, keyring.ErrNotFound) {
			return err
		}
		return nil
	})
}

func within(call func() error) error {
	done := make(chan error, 1)
	go func() { done <- call() }()
	select {
	case err := <-done:
		return err
	case <-time.After(keyringTimeout):
		return errLocked()
	}
}

func errLocked() error { return errors.New("the keyring does not answer: it may wait to be unlocked") }
