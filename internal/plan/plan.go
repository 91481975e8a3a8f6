package plan

import (
	"encoding/json"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// Op is what a step does to its object.
type Op string

// The operations. Members and subjects are changed, never created or deleted.
const (
	Create Op = "create"
	Change Op = "change"
	Delete Op = "delete"
)

// Object is what a step is about. Exactly one field is set; none in the Have of
// a creation and the Want of a deletion.
type Object struct {
	Group   *access.Group   `json:"group,omitempty"` // without its members
	Members *Members        `json:"members,omitempty"`
	Binding *access.Binding `json:"binding,omitempty"`
	// Account is a person to be brought in.
	Account *access.Newcomer `json:"account,omitempty"`
}

// Members is a part of a group's members: those a step removes (in Have) or
// adds (in Want).
type Members struct {
	Group string `json:"group"`
	// GroupRef is the group's id; empty while the group is yet to be created.
	GroupRef string          `json:"groupRef,omitempty"`
	Accounts []access.Member `json:"accounts"`
}

// Step is the smallest change worth a record, complete in itself and safe to
// run twice.
type Step struct {
	// ID is derived from everything below but Empties, Needs, PartOf and every Why: equal changes
	// of one tenant have equal IDs.
	ID   string      `json:"id"`
	Op   Op          `json:"op"`
	Kind access.Kind `json:"kind"`
	// Object is the object's name for people.
	Object string `json:"object"`
	// Have is what the step expects to find, and takes away.
	Have Object `json:"have"`
	// Want is what the step leaves behind.
	Want Object `json:"want"`
	// Why is the reason, for people.
	Why string `json:"why"`
	// Carries is set where the step gives a renamed group a role that somebody
	// else gave to the old one: the id of that binding, or "carry" without one.
	Carries string `json:"copies,omitempty"`
	// Empties is set where all members leave a group because the platform does not take a
	// role of it.
	Empties bool `json:"empties,omitempty"`
	// Needs are the steps that come before, and why.
	Needs []Need `json:"needs,omitempty"`
	// PartOf is set in a part of a step that the platform refused: that step's ID.
	PartOf string `json:"partOf,omitempty"`
}

// Key names the object the step is about: a group that gets another name by that.
func (s Step) Key() access.Key {
	for _, o := range []Object{s.Want, s.Have} {
		switch {
		case o.Group != nil:
			return o.Group.Key()
		case o.Members != nil:
			return access.Key{Kind: access.KindMembers, Group: o.Members.Group}
		case o.Binding != nil:
			return o.Binding.Key()
		case o.Account != nil:
			return o.Account.Key()
		}
	}
	return access.Key{}
}

// Adds returns the accounts to whom the step gives something new.
func (s Step) Adds() []access.Member { return without(s.Want.accounts(), s.Have.accounts()) }

// Removes returns the accounts from whom the step takes something.
func (s Step) Removes() []access.Member { return without(s.Have.accounts(), s.Want.accounts()) }

// accounts returns the people an object lists.
func (o Object) accounts() []access.Member {
	switch {
	case o.Members != nil:
		return o.Members.Accounts
	case o.Binding != nil:
		return o.Binding.Subjects
	default:
		return nil
	}
}

// Plan is what a run does to one tenant. It is data: stored, shown, and applied
// from the store.
type Plan struct {
	Tenant access.TenantID `json:"tenant"`
	// Steps in an order that respects Needs.
	Steps []Step `json:"steps"`
	// Held are removals above the guard's limit, and foreign roles that could be
	// carried over to a renamed group. They wait for an approval.
	Held []Step `json:"pendingApproval,omitempty"`
	// Forbidden are removals that the plan leaves out because a document forbids
	// them. No approval adds them.
	Forbidden []Step `json:"forbidden,omitempty"`
	// Renames say which of the Steps give groups another name.
	Renames []Renaming `json:"replacements,omitempty"`
	// Remarks say what is not done, and why.
	Remarks []access.Remark `json:"warnings,omitempty"`
	// Connection is the digest of the connection that the platform was observed with:
	// the plan is applied with no other. Empty in plans of earlier programs.
	Connection string `json:"connection,omitempty"`
}

// Digest names the plan's content: equal plans have equal digests.
func (p Plan) Digest() string {
	body, err := json.Marshal(p)
	if err != nil {
		// Strings, slices and structs of them always marshal.
		return ""
	}
	return DigestOf(body)
}

// DigestOf returns the digest of the plan whose JSON encoding body is. A stored plan
// is checked by its own bytes, so that plans of earlier programs, which encode fields
// in other ways, stay readable.
func DigestOf(body []byte) string { return digest(body) }

// Step returns the step with that ID.
func (p Plan) Step(id string) (Step, bool) {
	i := slices.IndexFunc(p.Steps, func(s Step) bool { return s.ID == id })
	if i < 0 {
		return Step{}, false
	}
	return p.Steps[i], true
}

// Replacement returns the group replacement with that ID.
func (p Plan) Replacement(id string) (Renaming, bool) {
	i := slices.IndexFunc(p.Renames, func(r Renaming) bool { return r.ID == id })
	if i < 0 {
		return Renaming{}, false
	}
	return p.Renames[i], true
}

// Removes reports whether the plan takes anything from anybody, held or not, or
// lays hands on a group that is there: renames it, or takes it over. None of that
// rests on what is only remembered of the platform.
func (p Plan) Removes() bool {
	return len(p.Held)+len(p.Renames) > 0 || slices.ContainsFunc(p.Steps, func(s Step) bool {
		return s.Op == Delete || s.Op == Change && s.Kind == access.KindGroup || len(s.Removes()) > 0
	})
}

// named returns s with its ID, Kind and Object filled in.
func named(t access.TenantID, s Step) Step {
	key := s.Key()
	s.ID, s.Kind, s.Object = id(t, s), key.Kind, key.String()
	return s
}

// without returns the members of all that are not among some, ordered by ref,
// which alone decides whether two are the same.
func without(all, some []access.Member) []access.Member {
	if len(some) == 0 {
		return all
	}
	all, some = byRef(all), byRef(some)
	var rest []access.Member
	for _, m := range all {
		for len(some) > 0 && some[0].Ref < m.Ref {
			some = some[1:]
		}
		if len(some) == 0 || some[0].Ref != m.Ref {
			rest = append(rest, m)
		}
	}
	return rest
}

// byRef returns the members in order. They nearly always are.
func byRef(members []access.Member) []access.Member {
	if slices.IsSortedFunc(members, access.CompareMembers) {
		return members
	}
	return slices.SortedFunc(slices.Values(members), access.CompareMembers)
}
