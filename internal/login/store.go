package login

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// ErrNone reports that no login is stored for a server.
var ErrNone = errors.New("no login is stored")

const (
	dirMode  = 0o700
	fileMode = 0o600
	// maxFile is how many bytes a file may have.
	maxFile = 1 << 20
	// lockInterval is how often a lock is tried, and lockTimeout for how long.
	lockInterval = 20 * time.Millisecond
	lockTimeout  = time.Minute
)

// Keyring is a keyring of the system.
type Keyring interface {
	// Get returns the secret of a key, or an error that wraps fs.ErrNotExist.
	Get(key string) (string, error)
	Set(key, secret string) error
	// Delete removes a secret; one that is not there is no error.
	Delete(key string) error
}

// Store keeps logins, one for each server: in the keyring, or in a file that only its owner can
// read. A file without secrets says that the keyring has them, so that commands without a login
// never ask the keyring.
type Store struct {
	// Dir has the files. It is made with the first login.
	Dir string
	// Keyring is nil where there is none.
	Keyring Keyring
}

// file is a login in a file, and secrets is what the keyring has of it.
type file struct {
	Server   string `json:"server"`
	Issuer   string `json:"issuer"`
	ClientID string `json:"client_id"`
	// Keyring is true if the keyring has the secrets.
	Keyring bool     `json:"keyring,omitempty"`
	Secrets *secrets `json:"secrets,omitempty"`
}

type secrets struct {
	AccessToken  string    `json:"access_token"`
	RefreshToken string    `json:"refresh_token,omitempty"`
	Expires      time.Time `json:"expires,omitzero"`
}

// Get returns the login at a server. It wraps ErrNone if there is none.
func (s *Store) Get(server string) (Login, error) {
	f, err := s.read(server)
	if err != nil {
		return Login{}, err
	}
	if f.Keyring {
		if f.Secrets, err = s.fromKeyring(f.Server); err != nil {
			return Login{}, err
		}
	}
	if f.Secrets == nil {
		return Login{}, fmt.Errorf("login: %s has no tokens: run rollcall login", s.name(server))
	}
	return Login{
		Server: f.Server, Issuer: f.Issuer, ClientID: f.ClientID,
		AccessToken: f.Secrets.AccessToken, RefreshToken: f.Secrets.RefreshToken, Expires: f.Secrets.Expires,
	}, nil
}

// read returns the file of a server.
func (s *Store) read(server string) (file, error) {
	name, key := s.name(server), keyOf(server)
	text, err := readPrivate(name)
	if errors.Is(err, fs.ErrNotExist) {
		return file{}, fmt.Errorf("login: %s: %w: run rollcall login", key, ErrNone)
	}
	if err != nil {
		return file{}, err
	}
	var f file
	if json.Unmarshal(text, &f) != nil || f.Server != key { // the error could quote a secret
		return file{}, fmt.Errorf("login: %s is no login at %s: run rollcall login", name, key)
	}
	return f, nil
}

func (s *Store) fromKeyring(key string) (*secrets, error) {
	if s.Keyring == nil {
		return nil, fmt.Errorf("login: the login at %s is in the keyring, which this session does not reach: "+
			"run rollcall login here, or set ROLLCALL_TOKEN_FILE", key)
	}
	text, err := s.Keyring.Get(key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("login: %s: %w: the keyring has it no more; run rollcall login", key, ErrNone)
	}
	if err != nil {
		return nil, fmt.Errorf("login: read the login at %s from the keyring: %w: unlock it, or run rollcall login", key, err)
	}
	var found secrets
	if json.Unmarshal([]byte(text), &found) != nil { // the error could quote the secret
		return nil, fmt.Errorf("login: the keyring has no login at %s: run rollcall login", key)
	}
	return &found, nil
}

// Put stores a login, in place of the one at the same server, and returns where: "keyring" or
// the name of a file. A keyring that cannot store it leaves it to the file.
func (s *Store) Put(l Login) (place string, err error) {
	name, key := s.name(l.Server), keyOf(l.Server)
	stored := &secrets{AccessToken: l.AccessToken, RefreshToken: l.RefreshToken, Expires: l.Expires}
	f := file{Server: key, Issuer: l.Issuer, ClientID: l.ClientID}
	place = name
	if s.Keyring != nil {
		text, err := json.Marshal(stored) //nolint:gosec // the keyring is the place for it
		if err != nil {
			return "", fmt.Errorf("login: %w", err)
		}
		if s.Keyring.Set(key, string(text)) == nil {
			f.Keyring, place = true, "keyring"
		}
	}
	if !f.Keyring {
		f.Secrets = stored
	}
	text, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return "", fmt.Errorf("login: %w", err)
	}
	return place, s.write(name, append(text, '\n'))
}

// write replaces a file at once: a reader finds the old one or the new one.
func (s *Store) write(name string, text []byte) error {
	if err := s.makeDir(); err != nil {
		return err
	}
	part, err := os.CreateTemp(s.Dir, "login-*.part") // with fileMode
	if err != nil {
		return fmt.Errorf("login: store the login: %w", err)
	}
	_, err = part.Write(text)
	err = errors.Join(err, part.Sync(), part.Close())
	if err == nil {
		err = os.Rename(part.Name(), name)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("login: store the login: %w", err), os.Remove(part.Name()))
	}
	return nil
}

// Delete removes the login at a server. One that is not there is no error.
func (s *Store) Delete(server string) error {
	var failed error
	if f, err := s.read(server); err == nil && f.Keyring && s.Keyring != nil {
		if err := s.Keyring.Delete(keyOf(server)); err != nil {
			failed = fmt.Errorf("login: remove the login at %s from the keyring: %w", keyOf(server), err)
		}
	}
	if err := os.Remove(s.name(server)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		failed = errors.Join(failed, fmt.Errorf("login: remove the login: %w", err))
	}
	return failed
}

// Lock takes the login at a server for this process: a refresh token counts once. Others wait
// until unlock.
func (s *Store) Lock(ctx context.Context, server string) (unlock func(), err error) {
	if err := s.makeDir(); err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	lock := flock.New(strings.TrimSuffix(s.name(server), ".json")+".lock", flock.SetPermissions(fileMode))
	if _, err := lock.TryLockContext(limited, lockInterval); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("login: another command holds %s: %w", lock.Path(), err)
	}
	return func() { _ = lock.Unlock() }, nil // the process's end unlocks it too
}

// makeDir makes the directory, and refuses one into which other users can write, or that is
// a link.
func (s *Store) makeDir() error {
	if err := os.MkdirAll(s.Dir, dirMode); err != nil {
		return fmt.Errorf("login: %w", err)
	}
	info, err := os.Lstat(s.Dir)
	switch {
	case err != nil:
		return fmt.Errorf("login: %w", err)
	case !info.IsDir():
		return fmt.Errorf("login: %s is no directory: links are not followed; remove it", s.Dir)
	case hasModes() && info.Mode().Perm()&^dirMode != 0:
		return fmt.Errorf("login: other users can read or change %s: run chmod 700 %s", s.Dir, s.Dir)
	}
	return nil
}

// hasModes reports whether the system has the owner, group and others of a mode.
func hasModes() bool { return runtime.GOOS != "windows" }

// readPrivate reads a file that only its owner can read. It follows no link.
func readPrivate(name string) ([]byte, error) {
	before, err := os.Lstat(name)
	if err != nil {
		return nil, fmt.Errorf("login: %w", err)
	}
	if !before.Mode().IsRegular() {
		return nil, fmt.Errorf("login: %s is no regular file: links are not followed; remove it and run rollcall login", name)
	}
	opened, err := os.Open(name) //nolint:gosec // the name is made of the store's directory
	if err != nil {
		return nil, fmt.Errorf("login: %w", err)
	}
	defer func() { _ = opened.Close() }() // it was read only
	info, err := opened.Stat()
	switch {
	case err != nil:
		return nil, fmt.Errorf("login: %w", err)
	case !os.SameFile(before, info):
		return nil, fmt.Errorf("login: %s was replaced: run the command again", name)
	case hasModes() && info.Mode().Perm()&^fileMode != 0:
		return nil, fmt.Errorf("login: other users can read %s: run chmod 600 %s, and rollcall logout if they may have read it", name, name)
	case info.Size() > maxFile:
		return nil, fmt.Errorf("login: %s has more than %d bytes: remove it and run rollcall login", name, maxFile)
	}
	text, err := io.ReadAll(io.LimitReader(opened, maxFile))
	if err != nil {
		return nil, fmt.Errorf("login: %w", err)
	}
	return bytes.TrimSpace(text), nil
}

// name returns the file of a server.
func (s *Store) name(server string) string {
	key := keyOf(server)
	plain := strings.Map(func(r rune) rune {
		if r == '.' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, key)
	return filepath.Join(s.Dir, fmt.Sprintf("%.60s-%x.json", plain, sha256.Sum256([]byte(key))))
}

// keyOf returns the address of a server in one form: two spellings have one login.
func keyOf(server string) string {
	u, err := url.Parse(server)
	if err != nil || u.Host == "" {
		return server
	}
	u.Scheme, u.Host, u.Path = strings.ToLower(u.Scheme), strings.ToLower(u.Host), strings.TrimRight(u.Path, "/")
	if u.Port() == map[string]string{"https": "443", "http": "80"}[u.Scheme] {
		u.Host = strings.TrimSuffix(u.Host, ":"+u.Port())
	}
	return u.String()
}
