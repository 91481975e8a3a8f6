package aws

import (
	"sync"
)

// What the driver remembers saves calls and is never believed where a call says
// otherwise.

// membership is a user in a group.
type membership struct{ group, user string }

// memberships remembers their ids, which removals name.
type memberships struct {
	mu  sync.Mutex
	ids map[membership]string
}

func (m *memberships) put(of membership, id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	const most = 500_000 // some 100 MiB; from there on it begins anew
	if len(m.ids) >= most {
		clear(m.ids)
	}
	m.ids[of] = id
}

func (m *memberships) get(of membership) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ids[of]
}

func (m *memberships) forget(of membership) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.ids, of)
}

// narrow is how many calls are made one by one before a list of everything is
// thought of.
const narrow = 10

// patience remembers how long a list of everything is at least, so that a list
// that is too long is tried once.
type patience struct {
	mu    sync.Mutex
	pages int
}

// affords returns how many pages may be read instead of so many single calls; 0
// where the list is not worth a try.
func (p *patience) affords(calls int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if calls <= narrow || calls <= p.pages {
		return 0
	}
	return calls
}

// learn notes whether the list ended within so many pages.
func (p *patience) learn(pages int, whole bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pages = 0; !whole {
		p.pages = pages
	}
}
