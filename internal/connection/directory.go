package connection

import (
	"crypto/sha256"
	_ "embed"
	"fmt"
	"sync"
	"time"
)

//go:embed schema.json
var common []byte

// pollInterval is the longest time until a changed file is noticed.
const pollInterval = 500 * time.Millisecond

// Directory is a directory of connections that is read again when the content of a
// file changes. It is safe for use by many goroutines.
type Directory struct {
	dir   string
	types *Types

	mu      sync.Mutex
	current *Set
	stamp   [sha256.Size]byte
	read    time.Time
}

// Open returns the directory, or an error if it cannot be read. Connections that are
// wrong are no error: see Set.Problems.
func Open(dir string, types *Types) (*Directory, error) {
	d := &Directory{dir: dir, types: types}
	_, err := d.Current()
	return d, err
}

// Current returns what the directory holds now, or held half a second ago. A
// directory that cannot be read any more is an error, and holds nothing.
func (d *Directory) Current() (*Set, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.current != nil && time.Since(d.read) < pollInterval {
		return d.current, nil
	}
	files, problems, err := read(d.dir)
	if err != nil {
		d.current = nil
		return nil, err
	}
	d.read = time.Now()
	sum := sha256.New()
	for _, f := range files {
		fmt.Fprintf(sum, "%q %d %s", f.name, len(f.text), f.text)
	}
	for _, p := range problems {
		fmt.Fprintf(sum, "%q", p.String())
	}
	if stamp := [sha256.Size]byte(sum.Sum(nil)); d.current == nil || stamp != d.stamp {
		d.current, d.stamp = d.types.set(d.dir, files, problems), stamp
	}
	return d.current, nil
}

// Types returns the types that the directory's connections may have.
func (d *Directory) Types() *Types { return d.types }
