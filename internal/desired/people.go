package desired

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/euid"
	"github.com/rollcall-iam/rollcall/internal/identity"
)

// grant is one way in which a person holds a role on the project.
type grant struct {
	person  string // a User's Name
	binding string // a Binding's Name
	group   string // the UserGroup that is bound; empty for the person
	role    string // a ProjectRole's Name
	as      string // the role as the binding writes it
	ends    time.Time
}

// compare orders grants by person; one person's by their ends, those without an end and the
// latest first, then by binding, direct ones first.
func (g grant) compare(h grant) int {
	return cmp.Or(cmp.Compare(g.person, h.person), compareEnds(h.ends, g.ends), cmp.Compare(g.binding, h.binding),
		cmp.Compare(g.group, h.group), cmp.Compare(g.role, h.role), cmp.Compare(g.as, h.as))
}

// compareEnds orders ends; none comes after all.
func compareEnds(a, b time.Time) int {
	switch {
	case a.IsZero() == b.IsZero():
		return a.Compare(b)
	case a.IsZero():
		return 1
	default:
		return -1
	}
}

// why says for people how the person has the role.
func (g grant) why() string {
	if g.group != "" {
		return fmt.Sprintf("group %q has the role %q through binding %q", g.group, g.as, g.binding) + untilText(g.ends)
	}
	return fmt.Sprintf("binding %q gives %s the role %q", g.binding, g.person, g.as) + untilText(g.ends)
}

// granted returns who holds which role, and how.
func granted(in document.TenantInput) ([]grant, error) {
	users := make(map[string]bool, len(in.Users))
	for _, u := range in.Users {
		users[u.Name] = true
	}
	all, orphans := in.Grants()
	if len(orphans) > 0 {
		return nil, fmt.Errorf("%w: the user group of binding %q is not in it", ErrInput, orphans[0].Name)
	}
	names := roleNames(in.Roles)
	grants := make([]grant, len(all))
	for i, g := range all {
		switch {
		case users[g.User]:
		case g.Group == "":
			return nil, fmt.Errorf("%w: the user of binding %q is not in it", ErrInput, g.Binding.Name)
		default:
			return nil, fmt.Errorf("%w: a member of user group %q is not in it", ErrInput, g.Group)
		}
		grants[i] = grant{
			person: g.User, binding: g.Binding.Name, group: g.Group, role: names.of(g.Binding.Role), as: g.Binding.Role,
			ends: g.Binding.Ends,
		}
	}
	return grants, nil
}

// byRole sorts the grants into their roles.
func byRole(grants []grant) map[string][]grant {
	roles := map[string][]grant{}
	for _, g := range grants {
		roles[g.role] = append(roles[g.role], g)
	}
	return roles
}

// members returns the people of these grants once each, with the first reason
// and how many more there are. Who has no account is left out.
func members(grants []grant, accounts map[string]string) []access.Member {
	grants = slices.Clone(grants)
	slices.SortFunc(grants, grant.compare)
	grants = slices.Compact(grants)
	var all []access.Member
	for len(grants) > 0 {
		n := 1
		for n < len(grants) && grants[n].person == grants[0].person {
			n++
		}
		person := grants[0].person
		if account, ok := accounts[person]; ok {
			all = append(all, access.Member{
				Account: access.Account{Name: account}, Person: person, Why: andMore(grants[0].why(), n-1),
			})
		}
		grants = grants[n:]
	}
	return all
}

// firstOf returns the first reason, and how many more there are.
func firstOf(reasons []string) string {
	reasons = slices.Compact(slices.Sorted(slices.Values(reasons)))
	return andMore(reasons[0], len(reasons)-1)
}

func andMore(reason string, n int) string {
	if n == 0 {
		return reason
	}
	return fmt.Sprintf("%s, and %d more", reason, n)
}

// accountNames turns euids into the names of accounts on one platform.
type accountNames struct {
	pattern    euid.Pattern
	comparison identity.Comparison
}

// name returns the name of the account, empty without an euid. Blanks around the euid, which
// the text of a document may have, are no part of it.
func (a accountNames) name(euid string) string {
	euid = strings.TrimSpace(euid)
	if euid == "" {
		return ""
	}
	return a.pattern.Apply(euid)
}

// key returns the canonical key of the account, empty without an euid.
func (a accountNames) key(euid string) identity.Key { return a.comparison.Key(a.name(euid)) }

// accounts are the accounts of users with grants.
type accounts struct {
	names map[string]string // by user
	// shared are the names of those that several users have, sorted.
	shared   []string
	warnings []access.Remark
}

// of returns the accounts of all users with a grant. It leaves out, with a warning, users
// without an euid. An account is shared if another user has it, wherever that user's bindings
// are, or if it is one of the revoked; one whose name no user can tell from others counts as
// shared.
func (a accountNames) of(in document.TenantInput, grants []grant, revoked map[identity.Key]bool) accounts {
	out := accounts{names: make(map[string]string, len(grants))}
	granted := make(map[string]bool, len(grants))
	for _, g := range grants {
		granted[g.person] = true
	}
	owners := a.owners(slices.Concat(in.Users, in.SameAccount))
	for _, u := range in.Users {
		if _, duplicate := out.names[u.Name]; duplicate || !granted[u.Name] {
			continue
		}
		account := a.name(u.EUID)
		if account == "" {
			out.warnings = append(out.warnings, withoutEUID(u.Name))
			continue
		}
		out.names[u.Name] = account
		key, invalid := a.comparison.Key(account), identity.Check(account)
		switch {
		case invalid != nil: // it was stored before apply refused such euids
			out.warnings = append(out.warnings, invalidEUID(u, invalid))
		case len(owners[key]) > 1:
			out.warnings = append(out.warnings, collision(u.Name, account, owners[key]))
		case revoked[key]:
			out.warnings = append(out.warnings, revokedAccount(u.Name, account))
		default:
			continue
		}
		out.shared = append(out.shared, account)
	}
	slices.Sort(out.shared)
	out.shared = slices.Compact(out.shared)
	return out
}

// owners returns the users of each account, sorted.
func (a accountNames) owners(users []document.User) map[identity.Key][]string {
	owners := make(map[identity.Key][]string, len(users))
	for _, u := range users {
		if key := a.key(u.EUID); key != "" {
			owners[key] = append(owners[key], u.Name)
		}
	}
	for key, names := range owners {
		slices.Sort(names)
		owners[key] = slices.Compact(names)
	}
	return owners
}

// withoutEUID returns the warning about a user without an euid.
func withoutEUID(user string) access.Remark {
	return access.Remark{Code: access.UserWithoutEUID, Object: user, Text: fmt.Sprintf(
		"%s has a role on this project but no euid, so no account can be looked up: "+
			"set spec.euid of the meshUser, or remove the binding", user)}
}

// invalidEUID returns the warning about a user whose euid gives an unusable name.
func invalidEUID(u document.User, err error) access.Remark {
	return access.Remark{Code: access.UserWithoutEUID, Object: u.Name, Text: fmt.Sprintf(
		"the euid %s of %s cannot be used, so "+sharedText+"%s",
		identity.Quote(u.EUID), u.Name, u.Name, strings.TrimPrefix(err.Error(), "identity: "))}
}

// sharedText ends the warnings about accounts of several users.
const sharedText = "%s gains nothing and loses nothing: "

// collision returns the warning that several users, of whom there are at least two, have one
// account. The owners are sorted.
func collision(user, account string, owners []string) access.Remark {
	other := owners[0]
	if other == user {
		other = owners[1]
	}
	return access.Remark{Code: access.AccountCollision, Object: user, Text: fmt.Sprintf(
		"%s would have the account %s, which %s has too, so "+sharedText+
			"correct the euid of one of them, or the platform's euidPattern",
		user, identity.Quote(account), andMore(other, len(owners)-2), user)}
}

// revokedAccount returns the warning that the account is one of a user whose access is
// revoked.
func revokedAccount(user, account string) access.Remark {
	return access.Remark{Code: access.UserRevoked, Object: user, Text: fmt.Sprintf(
		"the account %s is one of a user whose access is revoked by name, so "+sharedText+
			"correct the euid of one of them, or lift the revocation with rollcall revoke --lift",
		identity.Quote(account), user)}
}

// EUIDs returns euids that may make those account names on the platform, as candidates for
// UsersOf. Names that its euidPattern never makes are left out.
func EUIDs(p document.Platform, accounts []access.Account) ([]string, error) {
	pattern, err := parseEUID(p)
	if err != nil {
		return nil, fmt.Errorf("desired: platform %s: %w", p.Identifier(), err)
	}
	var euids []string
	for _, a := range accounts {
		if euid, ok := pattern.EUID(a.Name); ok {
			euids = append(euids, euid)
		}
	}
	return euids, nil
}

// UsersOf returns which of the users have one of the accounts, by id.
func UsersOf(
	p document.Platform, names identity.Comparison, accounts []access.Account, users []document.User,
) (map[string][]access.Member, error) {
	pattern, err := parseEUID(p)
	if err != nil {
		return nil, fmt.Errorf("desired: platform %s: %w", p.Identifier(), err)
	}
	of := accountNames{pattern: pattern, comparison: names}
	byKey := make(map[identity.Key][]string, len(users))
	for _, u := range users {
		if key := of.key(u.EUID); key != "" {
			byKey[key] = append(byKey[key], u.Name)
		}
	}
	found := map[string][]access.Member{}
	for _, a := range accounts {
		for _, user := range byKey[names.Key(a.Name)] {
			found[a.Ref] = append(found[a.Ref], access.Member{Account: a, Person: user})
		}
	}
	return found, nil
}
