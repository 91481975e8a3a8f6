package probe

// Shared is shared for tests.
type Shared[T any] struct{ shared[T] }

// Ask asks.
func (s *Shared[T]) Ask(fetch func() (T, error)) (T, error) { return s.ask(fetch) }
