package openshift

import (
	"sync"
	"time"

	userv1 "github.com/openshift/api/user/v1"
)

// seen remembers groups as they were read or written last, so that what follows
// need not read them again. What it says is never taken for true: each write is on
// the condition that the group is still so.
type seen struct {
	mu     sync.Mutex
	groups map[string]sight
}

type sight struct {
	group *userv1.Group // never changed
	at    time.Time
}

// How long a group is remembered, longer than a run takes, and how many are.
const (
	seenFor  = 10 * time.Minute
	mostSeen = 4096
)

func newSeen() *seen { return &seen{groups: map[string]sight{}} }

// put remembers the group.
func (s *seen) put(g *userv1.Group) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if len(s.groups) >= mostSeen {
		for name, known := range s.groups {
			if now.Sub(known.at) > seenFor {
				delete(s.groups, name)
			}
		}
	}
	if _, known := s.groups[g.Name]; known || len(s.groups) < mostSeen {
		s.groups[g.Name] = sight{group: g, at: now}
	}
}

// get returns the group as it was seen last, or nil.
func (s *seen) get(name string) *userv1.Group {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.groups[name]
	if time.Since(known.at) > seenFor {
		return nil
	}
	return known.group
}

func (s *seen) forget(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.groups, name)
}
