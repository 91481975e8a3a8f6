package simulate

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// keep is how long a table remembers what was. No read lags by more.
const keep = 10 * time.Minute

// Table is a set of rows that remembers what it was a while ago, for APIs whose
// reads lag behind their writes. It is not safe for use by many goroutines: a
// simulator has one lock for all its tables. Rows are values: a caller that
// changes a slice or map in one has to Put a row with a new one.
type Table[T any] struct {
	rows map[string][]version[T]
}

// version is what a row is from a time on; Gone when it was deleted.
type version[T any] struct {
	At    time.Time `json:"at"`
	Value T         `json:"value"`
	Gone  bool      `json:"gone,omitempty"`
}

// Put makes a row, or replaces it.
func (t *Table[T]) Put(now time.Time, key string, value T) {
	t.add(key, version[T]{At: now, Value: value})
}

// Delete removes a row.
func (t *Table[T]) Delete(now time.Time, key string) {
	if _, ok := t.Get(key); ok {
		t.add(key, version[T]{At: now, Gone: true})
	}
}

func (t *Table[T]) add(key string, v version[T]) {
	if t.rows == nil {
		t.rows = map[string][]version[T]{}
	}
	versions := slices.Concat(t.rows[key], []version[T]{v})
	for len(versions) > 1 && v.At.Sub(versions[1].At) > keep {
		versions = versions[1:]
	}
	t.rows[key] = versions
}

// Get returns the row as it is.
func (t *Table[T]) Get(key string) (T, bool) {
	versions := t.rows[key]
	if len(versions) == 0 || versions[len(versions)-1].Gone {
		var none T
		return none, false
	}
	return versions[len(versions)-1].Value, true
}

// GetAt returns the row as it was at that time.
func (t *Table[T]) GetAt(at time.Time, key string) (T, bool) {
	versions := t.rows[key]
	for _, v := range slices.Backward(versions) {
		if !v.At.After(at) {
			return v.Value, !v.Gone
		}
	}
	var none T
	return none, false
}

// Keys returns the keys of all rows there are, sorted.
func (t *Table[T]) Keys() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(t.rows)), func(key string) bool {
		_, ok := t.Get(key)
		return !ok
	})
}

// All returns the rows as they are, in the order of their keys.
func (t *Table[T]) All() []T {
	var all []T
	for _, key := range t.Keys() {
		row, _ := t.Get(key)
		all = append(all, row)
	}
	return all
}

// AllAt returns the rows as they were at that time, in the order of their keys.
func (t *Table[T]) AllAt(at time.Time) []T {
	var all []T
	for _, key := range slices.Sorted(maps.Keys(t.rows)) {
		if row, ok := t.GetAt(at, key); ok {
			all = append(all, row)
		}
	}
	return all
}

// Changed returns the keys of rows that were put or deleted after that time, the
// earliest change first.
func (t *Table[T]) Changed(after time.Time) []string {
	var keys []string
	for key, versions := range t.rows {
		if versions[len(versions)-1].At.After(after) {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b string) int {
		last := func(key string) time.Time { return t.rows[key][len(t.rows[key])-1].At }
		return cmp.Or(last(a).Compare(last(b)), cmp.Compare(a, b))
	})
	return keys
}

// MarshalJSON and UnmarshalJSON keep a table with its past.
func (t Table[T]) MarshalJSON() ([]byte, error) { return json.Marshal(t.rows) }

// UnmarshalJSON reads what MarshalJSON wrote.
func (t *Table[T]) UnmarshalJSON(body []byte) error { return json.Unmarshal(body, &t.rows) }
