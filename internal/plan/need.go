package plan

import (
	"cmp"
	"encoding/json"
	"slices"
)

// Need is a step that comes before another one, and why it does.
type Need struct {
	ID string `json:"id"`
	// Why is empty in plans of earlier programs.
	Why Reason `json:"why,omitempty"`
}

// Reason says why a step needs another one.
type Reason string

const (
	// NeedsObject is a step that makes, renames or marks the object that the other one is
	// about, or gives the role that the other one's rests on.
	NeedsObject Reason = "object"
	// NeedsAccess is a step through which a user keeps access that the other one takes. It
	// is waited for, and no more: where the platform refuses it, the other one runs.
	NeedsAccess Reason = "access"
	// NeedsEnd is a step that takes what rests on the object that the other one ends.
	NeedsEnd Reason = "end"
	// NeedsReplacement is a step of a group replacement that its mode puts first.
	NeedsReplacement Reason = "replacement"
)

// MarshalJSON writes a need of an earlier program's plan as it was: the plan's digest does
// not change.
func (n Need) MarshalJSON() ([]byte, error) {
	if n.Why == "" {
		return json.Marshal(n.ID)
	}
	type plain Need
	return json.Marshal(plain(n))
}

// UnmarshalJSON also reads the plans of earlier programs, in which a need is an ID.
func (n *Need) UnmarshalJSON(body []byte) error {
	if len(body) > 0 && body[0] == '"' {
		*n = Need{}
		return json.Unmarshal(body, &n.ID)
	}
	type plain Need
	return json.Unmarshal(body, (*plain)(n))
}

// needs returns the needs of one step in order, each once. Of two reasons the one counts
// that blocks.
func needs(all []Need) []Need {
	if len(all) < 2 {
		return all
	}
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b Need) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), compareBool(a.Why == NeedsAccess, b.Why == NeedsAccess), cmp.Compare(a.Why, b.Why))
	})
	return slices.CompactFunc(all, func(a, b Need) bool { return a.ID == b.ID })
}

// compareBool orders false before true.
func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	default:
		return 1
	}
}

// needsOf returns the steps as needs of one reason.
func needsOf(ids []string, why Reason) []Need {
	all := make([]Need, len(ids))
	for i, id := range ids {
		all[i] = Need{id, why}
	}
	return all
}
