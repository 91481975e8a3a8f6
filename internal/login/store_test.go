package login_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/login"
)

// ring is a keyring in memory. fails is the failure of its next calls.
type ring struct {
	secrets map[string]string
	fails   error
	calls   int
}

func (r *ring) Get(key string) (string, error) {
	r.calls++
	secret, ok := r.secrets[key]
	if r.fails == nil && !ok {
		return "", fs.ErrNotExist
	}
	return secret, r.fails
}

func (r *ring) Set(key, secret string) error {
	r.calls++
	if r.fails == nil {
		r.secrets[key] = secret
	}
	return r.fails
}

func (r *ring) Delete(key string) error {
	r.calls++
	delete(r.secrets, key)
	return r.fails
}

func sample() login.Login {
	return login.Login{
		Server: server, Issuer: issuer, ClientID: clientID, AccessToken: "access-secret", RefreshToken: "refresh-secret",
		Expires: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
	}
}

// only returns the one file of a directory, which has mode 0600.
func only(t *testing.T, dir string) (name, text string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v: want one file", files, err)
	}
	info, err := os.Stat(files[0])
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	body, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	return files[0], string(body)
}

// TestStore: a login is where the system can keep it.
func TestStore(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		reason  string
		keyring *ring
		inFile  bool
	}{
		{reason: "no keyring", inFile: true},
		{reason: "a keyring", keyring: &ring{secrets: map[string]string{}}},
		{reason: "a keyring that stores nothing, or nothing so long", keyring: &ring{fails: errors.New("locked")}, inFile: true},
	} {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			store := &login.Store{Dir: filepath.Join(t.TempDir(), "a", "logins")}
			if test.keyring != nil {
				store.Keyring = test.keyring
			}
			if _, err := store.Get(server); !errors.Is(err, login.ErrNone) {
				t.Errorf("Get before a login: %v", err)
			}
			if test.keyring != nil && test.keyring.calls > 0 {
				t.Error("a keyring without a login was asked")
			}
			place, err := store.Put(sample())
			if err != nil || (place == "keyring") == test.inFile {
				t.Fatalf("Put = %q, %v", place, err)
			}
			if info, err := os.Stat(store.Dir); err != nil || info.Mode().Perm() != 0o700 {
				t.Errorf("the directory: %v, %v", info.Mode(), err)
			}
			if _, text := only(t, store.Dir); strings.Contains(text, "secret\"") != test.inFile {
				t.Errorf("the file:\n%s", text)
			}
			got, err := store.Get(server)
			if diff := cmp.Diff(sample(), got); diff != "" || err != nil {
				t.Errorf("Get (-want +got), %v:\n%s", err, diff)
			}
			if err := store.Delete(server); err != nil {
				t.Error(err)
			}
			if test.keyring != nil && len(test.keyring.secrets) > 0 {
				t.Error("the keyring has the login still")
			}
			if _, err := store.Get(server); !errors.Is(err, login.ErrNone) {
				t.Errorf("Get after Delete: %v", err)
			}
		})
	}
}

// TestStore_WithoutItsKeyring: a login whose keyring is out of reach is an error, not the lack of
// a login.
func TestStore_WithoutItsKeyring(t *testing.T) {
	t.Parallel()
	keyring := &ring{secrets: map[string]string{}}
	store := &login.Store{Dir: filepath.Join(t.TempDir(), "logins"), Keyring: keyring}
	if _, err := store.Put(sample()); err != nil {
		t.Fatal(err)
	}
	other := &login.Store{Dir: store.Dir}
	if _, err := other.Get(server); err == nil || errors.Is(err, login.ErrNone) || !strings.Contains(err.Error(), "ROLLCALL_TOKEN_FILE") {
		t.Errorf("without a session: %v", err)
	}
	keyring.fails = errors.New("it is locked")
	if _, err := store.Get(server); err == nil || errors.Is(err, login.ErrNone) || !strings.Contains(err.Error(), "it is locked") {
		t.Errorf("locked: %v", err)
	}
	keyring.fails, keyring.secrets = nil, map[string]string{}
	if _, err := store.Get(server); !errors.Is(err, login.ErrNone) {
		t.Errorf("removed in the keyring: %v", err)
	}
}

// TestStore_RefusesFiles: others must not have read a token, nor have written one.
func TestStore_RefusesFiles(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		reason string
		change func(t *testing.T, dir, name string)
		want   string
	}{
		{"others can read it", func(t *testing.T, _, name string) { check(t, os.Chmod(name, 0o644)) }, "chmod 600"},
		{"the group can write it", func(t *testing.T, _, name string) { check(t, os.Chmod(name, 0o620)) }, "chmod 600"},
		{"it is a link", func(t *testing.T, dir, name string) {
			check(t, os.Rename(name, filepath.Join(dir, "elsewhere")))
			check(t, os.Symlink("elsewhere", name))
		}, "links are not followed"},
		{"it is a directory", func(t *testing.T, _, name string) {
			check(t, os.Remove(name))
			check(t, os.Mkdir(name, 0o700))
		}, "no regular file"},
		{"it is too long", func(t *testing.T, _, name string) {
			check(t, os.WriteFile(name, make([]byte, 2<<20), 0o600))
		}, "bytes"},
		{"it is damaged", func(t *testing.T, _, name string) {
			check(t, os.WriteFile(name, []byte(`{"secrets": "access-secret`), 0o600))
		}, "rollcall login"},
		{"it is the login of another server", func(t *testing.T, _, name string) {
			check(t, os.WriteFile(name, []byte(`{"server": "https://other.example.com", "secrets": {"access_token": "access-secret"}}`), 0o600))
		}, "rollcall login"},
		{"it has no tokens", func(t *testing.T, _, name string) {
			check(t, os.WriteFile(name, []byte(`{"server": "`+server+`"}`), 0o600))
		}, "no tokens"},
	} {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			store := &login.Store{Dir: filepath.Join(t.TempDir(), "logins")}
			name, err := store.Put(sample())
			check(t, err)
			test.change(t, store.Dir, name)
			_, err = store.Get(server)
			if err == nil || errors.Is(err, login.ErrNone) || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "secret\"") ||
				strings.Contains(err.Error(), "access-secret") {
				t.Errorf("Get = %v, want an error with %q and without tokens", err, test.want)
			}
		})
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestStore_RefusesDirectories(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open, link := filepath.Join(dir, "open"), filepath.Join(dir, "link")
	check(t, os.Mkdir(open, 0o700))
	check(t, os.Symlink(open, link))
	if _, err := (&login.Store{Dir: link}).Put(sample()); err == nil || !strings.Contains(err.Error(), "links are not followed") {
		t.Errorf("a link: %v", err)
	}
	check(t, os.Chmod(open, 0o755))
	if _, err := (&login.Store{Dir: open}).Put(sample()); err == nil || !strings.Contains(err.Error(), "chmod 700") {
		t.Errorf("others can read it: %v", err)
	}
	if files, err := os.ReadDir(open); err != nil || len(files) > 0 {
		t.Errorf("a refused directory has %v, %v", files, err)
	}
}

func TestStore_LockWaitsForOthers(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "logins")
	unlock, err := (&login.Store{Dir: dir}).Lock(t.Context(), server)
	check(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := (&login.Store{Dir: dir}).Lock(ctx, server); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a second Lock: %v", err)
	}
	other, err := (&login.Store{Dir: dir}).Lock(t.Context(), "https://other.example.com")
	check(t, err)
	other()
	unlock()
	next, err := (&login.Store{Dir: dir}).Lock(t.Context(), server)
	check(t, err)
	next()
}

// TestStore_KnowsServersByTheirAddress: spellings of one address have one login, and addresses of
// two servers never do.
func TestStore_KnowsServersByTheirAddress(t *testing.T) {
	t.Parallel()
	store := &login.Store{Dir: filepath.Join(t.TempDir(), "logins")}
	_, err := store.Put(sample())
	check(t, err)
	for _, same := range []string{"https://ROLLCALL.example.com", "https://rollcall.example.com/", "https://rollcall.example.com:443"} {
		if _, err := store.Get(same); err != nil {
			t.Errorf("%s: %v", same, err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		other := rapid.StringMatching(`https?://[a-z.-]{1,80}(:[0-9]{1,5})?(/[a-zA-Z./_-]{0,80})?`).Draw(t, "server")
		if strings.HasPrefix(strings.TrimRight(other, "/"), server) {
			t.Skip("the same server")
		}
		if _, err := store.Get(other); !errors.Is(err, login.ErrNone) {
			t.Fatalf("Get = %v, want ErrNone", err)
		}
	})
}
