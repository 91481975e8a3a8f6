package desired

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

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
}

// compare orders grants by person; one person's by binding, direct ones first.
func (g grant) compare(h grant) int {
	return cmp.Or(cmp.Compare(g.person, h.person), cmp.Compare(g.binding, h.binding),
		cmp.Compare(g.group, h.group), cmp.Compare(g.role, h.role), cmp.Compare(g.as, h.as))
}

// why says for people how the person has the role.
func (g grant) why() string {
	if g.group != "" {
		return fmt.Sprintf("group %q has the role %q through binding %q", g.group, g.as, g.binding)
	}
	return fmt.Sprintf("binding %q gives %s the role %q", g.binding, g.person, g.as)
}

// groupID names a user group: its name is unique in its workspace only.
type groupID struct{ workspace, name string }

// granted returns who holds which role, and how.
func granted(in document.TenantInput) ([]grant, error) {
	users := make(map[string]bool, len(in.Users))
	for _, u := range in.Users {
		users[u.Name] = true
	}
	groups := make(map[groupID]document.UserGroup, len(in.UserGroups))
	for _, g := range in.UserGroups {
		groups[groupID{g.Workspace, g.Name}] = g
	}
	names := roleNames(in.Roles)
	grants := make([]grant, 0, len(in.UserBindings))
	for _, b := range in.UserBindings {
		if !users[b.Subject] {
			return nil, fmt.Errorf("%w: the user of binding %q is not in it", ErrInput, b.Name)
		}
		grants = append(grants, grant{person: b.Subject, binding: b.Name, role: names.of(b.Role), as: b.Role})
	}
	for _, b := range in.GroupBindings {
		group, ok := groups[groupID{b.Workspace, b.Subject}]
		if !ok {
			return nil, fmt.Errorf("%w: the user group of binding %q is not in it", ErrInput, b.Name)
		}
		for _, person := range group.Members {
			if !users[person] {
				return nil, fmt.Errorf("%w: a member of user group %q is not in it", ErrInput, group.Name)
			}
			grants = append(grants, grant{
				person: person, binding: b.Name, group: group.Name, role: names.of(b.Role), as: b.Role,
			})
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

// accountNames returns the account name of every person with a grant. Left out, with
// a remark, are people without an euid, and those whose accounts are one.
func accountNames(
	in document.TenantInput, grants []grant, pattern euid.Pattern, names identity.Comparison,
) (map[string]string, []access.Remark) {
	holds := make(map[string]bool, len(grants))
	for _, g := range grants {
		holds[g.person] = true
	}
	accounts := make(map[string]string, len(holds))
	owners := make(map[identity.Key][]string, len(holds)) // people by what their account is compared by
	var remarks []access.Remark
	for _, u := range in.Users {
		if _, again := accounts[u.Name]; again || !holds[u.Name] {
			continue
		}
		if strings.TrimSpace(u.EUID) == "" {
			remarks = append(remarks, access.Remark{Code: access.UserWithoutEUID, Object: u.Name, Text: fmt.Sprintf(
				"%s has a role on this project but no euid, so no account can be looked up: "+
					"set spec.euid of the meshUser, or remove the binding", u.Name)})
			continue
		}
		account := pattern.Apply(u.EUID)
		accounts[u.Name] = account
		key := names.Key(account)
		owners[key] = append(owners[key], u.Name)
	}
	for _, people := range owners {
		if len(people) > 1 {
			remarks = append(remarks, collisions(people, accounts)...)
		}
	}
	return accounts, remarks
}

// collisions takes the account from each of these people, for it is the same
// one, and returns a remark for each.
func collisions(people []string, accounts map[string]string) []access.Remark {
	slices.Sort(people)
	remarks := make([]access.Remark, 0, len(people))
	for i, person := range people {
		other := people[0]
		if i == 0 {
			other = people[1]
		}
		remarks = append(remarks, access.Remark{Code: access.AccountCollision, Object: person, Text: fmt.Sprintf(
			"%s would have the account %q, which %s has too, so neither is granted anything: "+
				"correct the euid of one of them, or the platform's euidPattern",
			person, accounts[person], andMore(other, len(people)-2))})
	}
	for _, person := range people {
		delete(accounts, person)
	}
	return remarks
}
