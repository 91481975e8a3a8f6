// Package desired works out, from the documents, who should have which access
// on one tenant.
//
// It is pure: no clock, no context, no log, no platform. Compute knows people by
// the account names their euids give; Settle puts in the platform's answers to
// who they are; Check refuses documents whose groups no platform could hold.
// Equal input, in whatever order, gives equal output, byte for byte.
//
// Errors name tenants, roles and bindings, never people. Remarks may name them.
package desired

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/euid"
	"github.com/rollcall-iam/rollcall/internal/identity"
)

var (
	// ErrName reports a group for which there is no name of its own.
	ErrName = errors.New("no usable group name")
	// ErrInput reports an input that lacks a person or a group to whom it gives
	// a role. It is never taken for a person who has none.
	ErrInput = errors.New("incomplete input")
	// ErrUnresolved reports an account for which there is no usable answer. It
	// is never taken for an account that is not there.
	ErrUnresolved = errors.New("unresolved account")
)

// Options is what Compute has to know about the platform.
type Options struct {
	// AccountNames decides whether two account names are one.
	AccountNames identity.Comparison
	// Groups is false where bindings hold the people themselves.
	Groups bool
	// LookupAttribute names what accounts are looked up by, for the texts of
	// remarks; it may be empty.
	LookupAttribute string
	// EveryGroup are roles that every group gets besides those of its mapping.
	EveryGroup []string
	// EveryPerson are roles that everybody with a role gets besides it, where
	// bindings hold the people themselves.
	EveryPerson []string
	// Conditions is true where a role can be given under a condition, NoBindings
	// where mappings name no roles.
	Conditions, NoBindings bool
	// BringIn is true where the platform can make or invite accounts. It is done
	// where the platform's document asks for it.
	BringIn bool
	// Deprecated is true where making accounts is, which a remark says.
	Deprecated bool
}

// Desired is the access of one tenant before its accounts are looked up.
type Desired struct {
	Tenant access.TenantID `json:"tenant"`
	// State knows every account by Name and none by Ref.
	State access.State `json:"state"`
	// Remarks are sorted.
	Remarks []access.Remark `json:"warnings,omitempty"`
	// LookupAttribute is the one of Options.
	LookupAttribute string `json:"lookupAttribute,omitempty"`
	// Newcomers are the people to bring in if the platform does not know their
	// accounts, by account name; nil where nobody is brought in.
	Newcomers map[string]access.Newcomer `json:"provisioned,omitempty"`
	// Shared are the account names that users here share with another user, by the
	// documents or with a user whose access is revoked, and those that no user can tell from
	// others; sorted. They gain nothing and lose nothing.
	Shared []string `json:"shared,omitempty"`
	// Revoked are the account names of people to whom the documents would give
	// something here, had their access not been revoked by name; sorted. They are
	// in no set, and are looked up to be known when they are found in one.
	Revoked []string `json:"revoked,omitempty"`
	// Ended is what bindings granted that have ended, those that ended last first.
	Ended []Ended `json:"ended,omitempty"`
}

// Compute returns the access that the documents ask for.
//
// Where the platform has groups, every role mapping makes a group, whether or
// not anybody holds the role, so that people come and go without groups doing
// so; the group is bound to each of the mapping's roles. Where it has none,
// every role of the platform that somebody holds is bound to its people.
//
// A tenant that is deleted has an empty State. Who cannot be granted anything
// has a remark and stops nobody else. Errors wrap ErrName, ErrInput,
// euid.ErrPattern or naming's; apply refuses documents that lead to them.
func Compute(in document.TenantInput, o Options) (Desired, error) {
	d := Desired{Tenant: in.Tenant.TenantID, LookupAttribute: o.LookupAttribute}
	if in.Deleted {
		return d, nil
	}
	if err := compute(in, o, &d); err != nil {
		return Desired{}, fmt.Errorf("desired: %s: %w", d.Tenant, err)
	}
	if o.BringIn && in.Platform.Replication.BringIn {
		d.Newcomers = newcomers(d.people(), in.Users)
		if o.Deprecated {
			d.Remarks = append(d.Remarks, deprecated(d.Tenant))
		}
	}
	d.State.Sort()
	d.Remarks = access.SortRemarks(d.Remarks)
	return d, nil
}

// newcomers returns who is brought in if the platform does not know them, by
// account name. people are the persons behind the accounts.
func newcomers(people map[string]string, users []document.User) map[string]access.Newcomer {
	known := make(map[string]document.User, len(users))
	for _, u := range users {
		known[u.Name] = u
	}
	all := make(map[string]access.Newcomer, len(people))
	for account, person := range people {
		u := known[person]
		all[account] = access.Newcomer{
			Account: access.Account{Name: account}, Person: person,
			Email: u.Email, FirstName: u.FirstName, LastName: u.LastName,
		}
	}
	return all
}

func deprecated(t access.TenantID) access.Remark {
	return access.Remark{
		Code: access.UserCreationDeprecated, Object: t.Platform,
		Text: "the platform's userCreation lets Rollcall make accounts, which is deprecated: " +
			"let your directory provision them, then remove userCreation",
	}
}

// parseEUID reads the platform's euid pattern.
func parseEUID(p document.Platform) (euid.Pattern, error) {
	return euid.Parse(cmp.Or(p.Replication.EUIDPattern, euid.Default))
}

// compute is Compute for a tenant that is there. Nothing is sorted yet.
func compute(in document.TenantInput, o Options, d *Desired) error {
	pattern, err := parseEUID(in.Platform)
	if err != nil {
		return err
	}
	grants, err := granted(in)
	if err != nil {
		return err
	}
	mappings := mapped(in)
	grants, unmapped := dropUnmapped(in, mappings, grants)
	names := accountNames{pattern: pattern, comparison: o.AccountNames}
	grants, gone := dropRevoked(in, grants, names)
	found := names.of(in, grants, gone.keys)
	if d.Ended, err = ended(in, mappings, names, o); err != nil {
		return err
	}
	accounts := found.names
	d.Revoked, d.Shared = gone.accounts, found.shared
	d.Remarks = slices.Concat(unmapped, gone.warnings, found.warnings)
	if !o.Groups {
		d.State = bindings(mappings, byRole(grants), accounts, o.EveryPerson)
		return nil
	}
	d.State, err = groups(in, mappings, byRole(grants), accounts, o.EveryGroup)
	return err
}

// groups returns a group for each mapping, bound to the mapping's roles.
func groups(
	in document.TenantInput, mappings []mapping, grants map[string][]grant, accounts map[string]string, every []string,
) (access.State, error) {
	pattern, err := parseNames(in.Platform)
	if err != nil {
		return access.State{}, err
	}
	var s access.State
	taken := make(map[string]string, len(mappings))
	for _, m := range mappings {
		name, err := groupName(pattern, in, m)
		if err != nil {
			return access.State{}, err
		}
		if other, ok := taken[name]; ok {
			return access.State{}, fmt.Errorf("%w: the roles %q and %q both get the group %q", ErrName, other, m.role, name)
		}
		taken[name] = m.role
		s.Groups = append(s.Groups, access.Group{
			Name: name, Members: members(grants[m.role], accounts), Why: m.why("a group"), Serves: m.role,
		})
		for _, role := range m.roles {
			s.Bindings = append(s.Bindings, access.Binding{
				Role: role, Group: name, Condition: m.conditions[role], Why: m.why(fmt.Sprintf("%q", role)),
			})
		}
		for _, role := range every {
			s.Bindings = append(s.Bindings, access.Binding{
				Role: role, Group: name, Why: "every group of this platform needs it to reach the tenant",
			})
		}
	}
	return s, nil
}

// bindings returns a binding for each role of the platform that anybody holds.
func bindings(mappings []mapping, grants map[string][]grant, accounts map[string]string, every []string) access.State {
	type held struct {
		grants []grant
		why    []string
	}
	roles := map[string]held{}
	hold := func(role string, grants []grant, why string) {
		h := roles[role]
		h.grants, h.why = append(h.grants, grants...), append(h.why, why)
		roles[role] = h
	}
	for _, m := range mappings {
		for _, role := range m.roles {
			hold(role, grants[m.role], m.why(fmt.Sprintf("%q", role)))
		}
		for _, role := range every {
			if len(m.roles) > 0 && !slices.Contains(m.roles, role) {
				hold(role, grants[m.role], "everybody with a role on this platform needs it first")
			}
		}
	}
	var s access.State
	for _, role := range slices.Sorted(maps.Keys(roles)) {
		subjects := members(roles[role].grants, accounts)
		if len(subjects) > 0 {
			s.Bindings = append(s.Bindings, access.Binding{Role: role, Subjects: subjects, Why: firstOf(roles[role].why)})
		}
	}
	return s
}

// Digest names the desired access: equal access has an equal digest, so that a later reader can
// tell whether the documents still ask for the same. An account that another user has since
// makes another one: it gains nothing any more.
func (d Desired) Digest() string {
	body, err := json.Marshal(d.State)
	if err == nil && len(d.Shared) > 0 {
		body, err = json.Marshal([]any{json.RawMessage(body), d.Shared})
	}
	if err != nil {
		return "" // slices and strings always marshal
	}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:8])
}

// Accounts returns the account names that have to be looked up, sorted.
func (d Desired) Accounts() []string {
	names := slices.AppendSeq(slices.Clone(d.Revoked), maps.Keys(d.people()))
	slices.Sort(names)
	return slices.Compact(names)
}

// people returns the person behind each account name.
func (d Desired) people() map[string]string {
	people := map[string]string{}
	for _, set := range sets(d.State) {
		for _, m := range set {
			people[m.Name] = m.Person
		}
	}
	return people
}

// sets returns every group's members and every binding's subjects.
func sets(s access.State) [][]access.Member {
	all := make([][]access.Member, 0, len(s.Groups)+len(s.Bindings))
	for _, g := range s.Groups {
		all = append(all, g.Members)
	}
	for _, b := range s.Bindings {
		all = append(all, b.Subjects)
	}
	return all
}
