package probe

import "sync"

// shared lets many ask at once for what takes a while to answer. An answer serves
// whoever asked before it was begun: it is never older than the question.
type shared[T any] struct {
	asking sync.Mutex // held by who fetches an answer

	mu   sync.Mutex // guards next
	next *answer[T] // for those who wait; nil while nobody does
}

// answer is one that is being fetched, or was.
type answer[T any] struct {
	fetch sync.Once
	got   T
	err   error
}

func (s *shared[T]) ask(fetch func() (T, error)) (T, error) {
	s.mu.Lock()
	if s.next == nil {
		s.next = &answer[T]{}
	}
	mine := s.next
	s.mu.Unlock()
	mine.fetch.Do(func() {
		s.asking.Lock() // the one before is still under way
		defer s.asking.Unlock()
		s.mu.Lock()
		s.next = nil // who comes now is too late for this one
		s.mu.Unlock()
		mine.got, mine.err = fetch()
	})
	return mine.got, mine.err
}
