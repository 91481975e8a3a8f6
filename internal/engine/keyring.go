package engine

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"time"
)

// KeyringVariable names the environment variable with the key ring's directory.
const KeyringVariable = "ROLLCALL_KEYRING"

// ErrKeyring reports a key ring that cannot be used, or that lacks a key.
var ErrKeyring = errors.New("key ring")

const (
	// keySize is AES-256's, in bytes.
	keySize = 32
	// keysAge is how long a key ring is used before it looks for new keys.
	keysAge = time.Minute
)

// keyName is what a key's file may be called: its name is the key's id, which
// payloads carry in the open.
var keyName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// Keyring holds the keys that payloads are encrypted with: the files of one
// directory, each with 32 random bytes in base64. The last one by name encrypts;
// all of them decrypt. To rotate, add a file whose name sorts last ("2026-11"
// after "2026-10"); keep the old one until no history that needs it is kept.
//
// It is safe for use by many goroutines.
type Keyring struct {
	dir string

	mu     sync.Mutex
	keys   map[string]cipher.AEAD
	newest string
	read   time.Time
}

// OpenKeyring reads the keys in dir. It fails with ErrKeyring, naming the file
// and never its content, when there is no key or one is malformed.
func OpenKeyring(dir string) (*Keyring, error) {
	k := &Keyring{dir: dir}
	return k, k.load()
}

// load replaces all keys by those in the directory.
func (k *Keyring) load() error {
	entries, err := os.ReadDir(k.dir)
	if err != nil {
		return fmt.Errorf("engine: %w: %w: make the directory that %s names, with a file of 32 random bytes in base64",
			ErrKeyring, err, KeyringVariable)
	}
	keys, names := map[string]cipher.AEAD{}, []string(nil)
	for _, e := range entries {
		if e.IsDir() || !keyName.MatchString(e.Name()) {
			continue // what editors and Kubernetes put beside the keys
		}
		if keys[e.Name()], err = readKey(filepath.Join(k.dir, e.Name())); err != nil {
			return err
		}
		names = append(names, e.Name())
	}
	if len(names) == 0 {
		return fmt.Errorf("engine: %w: %s holds no key: add a file of 32 random bytes in base64", ErrKeyring, k.dir)
	}
	k.keys, k.newest, k.read = keys, slices.Max(names), time.Now()
	return nil
}

func readKey(path string) (cipher.AEAD, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the directory is the operator's choice
	if err != nil {
		return nil, fmt.Errorf("engine: %w: %w", ErrKeyring, err)
	}
	key, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(text)))
	if err != nil || len(key) != keySize {
		return nil, fmt.Errorf("engine: %w: %s does not hold %d bytes in base64", ErrKeyring, path, keySize)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("engine: %w: %s: %w", ErrKeyring, path, err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("engine: %w: %s: %w", ErrKeyring, path, err)
	}
	return aead, nil
}

// current returns the key that encrypts now. It looks for new keys once a
// minute; while the directory cannot be read, the known ones serve.
func (k *Keyring) current() (id string, key cipher.AEAD) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if time.Since(k.read) > keysAge {
		if k.load() != nil {
			k.read = time.Now()
		}
	}
	return k.newest, k.keys[k.newest]
}

// key returns the key of that id. An unknown one may have been added since the
// directory was read.
func (k *Keyring) key(id string) (cipher.AEAD, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if key := k.keys[id]; key != nil {
		return key, nil
	}
	if err := k.load(); err != nil {
		return nil, err
	}
	if key := k.keys[id]; key != nil {
		return key, nil
	}
	return nil, fmt.Errorf("engine: %w: %s has no key %q, with which a payload was encrypted: put it back", ErrKeyring, k.dir, id)
}
