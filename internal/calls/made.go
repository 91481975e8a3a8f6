package calls

import (
	"maps"
	"sync"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// Made remembers the ids of groups that a driver has just made, so that the steps
// that fill and bind them need not look for them where reads lag behind. The zero
// Made is empty. It is safe for use by many goroutines.
type Made struct {
	mu  sync.Mutex
	ids map[madeKey]madeGroup
}

type madeKey struct {
	mark access.Mark
	name string
}

type madeGroup struct {
	id string
	at time.Time
}

const (
	// madeFor is how long a group is remembered: longer than it takes to fill.
	madeFor = 10 * time.Minute
	// madeMost is how many are, until the old ones go.
	madeMost = 4096
)

// Put remembers the group of that name that carries the mark.
func (m *Made) Put(mark access.Mark, name, id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if m.ids == nil {
		m.ids = map[madeKey]madeGroup{}
	}
	if len(m.ids) >= madeMost {
		maps.DeleteFunc(m.ids, func(_ madeKey, g madeGroup) bool { return now.Sub(g.at) > madeFor })
	}
	m.ids[madeKey{mark, name}] = madeGroup{id, now}
}

// Get returns the group's id, or "".
func (m *Made) Get(mark access.Mark, name string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	g := m.ids[madeKey{mark, name}]
	if time.Since(g.at) > madeFor {
		return ""
	}
	return g.id
}

// By returns the name of the group that was made with that id, or "".
func (m *Made) By(id string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, g := range m.ids {
		if g.id == id && time.Since(g.at) <= madeFor {
			return key.name
		}
	}
	return ""
}

// Forget forgets a group that is gone, or may be.
func (m *Made) Forget(mark access.Mark, name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.ids, madeKey{mark, name})
}
