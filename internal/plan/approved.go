package plan

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// Removal is the smallest thing that somebody approves: an account that leaves a
// set, or an object that goes.
type Removal struct {
	// Object is the set, or the object.
	Object access.Key `json:"object"`
	// Ref is the account's, or the object's.
	Ref string `json:"ref"`
}

// Rejection is a removal that somebody said no to, or nothing yet: then By is
// empty. The latter was held together with others that were decided, and would
// slip below the guard's limit once those are gone.
type Rejection struct {
	Removal
	By     string `json:"by,omitempty"`
	Reason string `json:"reason,omitempty"`
}

func (r Removal) compare(q Removal) int {
	return cmp.Or(r.Object.Compare(q.Object), cmp.Compare(r.Ref, q.Ref))
}

// Removals are what somebody has to approve of the step: each account that
// leaves, the object that goes, or the role that is carried over to another group.
func (s Step) Removals() []Removal {
	key := s.Key()
	switch {
	case s.Op == Delete:
		return []Removal{{Object: key, Ref: s.Have.ref()}}
	case s.Carries != "":
		return []Removal{{Object: key, Ref: s.Carries}}
	}
	var all []Removal
	for _, who := range s.Removes() {
		all = append(all, Removal{Object: key, Ref: who.Ref})
	}
	return all
}

// ref returns the object's own id.
func (o Object) ref() string {
	switch {
	case o.Group != nil:
		return o.Group.Ref
	case o.Binding != nil:
		return o.Binding.Ref
	default:
		return ""
	}
}

// HeldRemovals are all that the plan holds back, sorted.
func (p Plan) HeldRemovals() []Removal {
	var all []Removal
	for _, s := range p.Held {
		all = append(all, s.Removals()...)
	}
	slices.SortFunc(all, Removal.compare)
	return slices.Compact(all)
}

// HeldDigest names what the plan holds back, and nothing else of it: an approval
// is for that. It is empty where nothing is held.
func (p Plan) HeldDigest() string {
	if len(p.Held) == 0 {
		return ""
	}
	body, err := json.Marshal(p.HeldRemovals())
	if err != nil {
		return "" // strings always marshal
	}
	return digest(body)[:12]
}
