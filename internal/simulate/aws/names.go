package aws

import (
	"slices"
	"strconv"
	"time"

	"github.com/rollcall-iam/rollcall/internal/simulate"
)

func length(n int) string { return strconv.Itoa(n) }

// holder returns the row that has the name at a time: of those that ever had it,
// the one that has it then.
func holder[T any](
	table *simulate.Table[T], index map[string][]string, at time.Time, name string, nameOf func(T) string,
) (T, bool) {
	for _, id := range index[name] {
		if row, ok := table.GetAt(at, id); ok && nameOf(row) == name {
			return row, true
		}
	}
	var none T
	return none, false
}

// remember adds a value to an index.
func remember(index map[string][]string, key, value string) {
	if !slices.Contains(index[key], value) {
		index[key] = append(index[key], value)
	}
}

// rowsAt returns the rows of these keys as they were at a time, in their order.
func rowsAt[T any](table *simulate.Table[T], at time.Time, keys []string) []T {
	keys = slices.Clone(keys)
	slices.Sort(keys)
	var rows []T
	for _, key := range keys {
		if row, ok := table.GetAt(at, key); ok {
			rows = append(rows, row)
		}
	}
	return rows
}
