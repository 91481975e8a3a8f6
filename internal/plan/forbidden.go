package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// maxListed is how many objects the warning about forbidden removals lists.
const maxListed = 10

// forbids reports whether a document forbids removals.
func (m *maker) forbids() bool { return m.in.Rules.ForbiddenBy != "" }

// forbid keeps s out of the plan because removals are forbidden.
func (m *maker) forbid(s Step) {
	s.Needs = nil
	m.out.Forbidden = append(m.out.Forbidden, named(m.in.Tenant, s))
}

// keepNames lets desired groups keep the names that they have on the platform, as a
// replacement would remove the old group. Where the new group exists already, the
// old ones stay beside it. It reports whether any desired group keeps its name.
func (m *maker) keepNames(olds map[string][]access.Group) bool {
	for _, to := range slices.Sorted(maps.Keys(olds)) {
		if _, whose := m.found(to); whose == ours {
			continue
		}
		from := olds[to][mostMembers(olds[to])].Name
		m.keepName(from, to)
		m.oldNames = append(m.oldNames, fmt.Sprintf("the group %q in place of %q", from, to))
	}
	clear(olds)
	m.serving = nil // it has places in the desired groups
	return len(m.oldNames) > 0
}

// keepRole leaves a group as it is that grants another project role until now: its
// members stay, so they would get the roles of the new one.
func (m *maker) keepRole(want, have access.Group, set difference) {
	m.holdMembers(have, set)
	m.remark(access.RemovalsForbidden, want.Name, fmt.Sprintf(
		"%s forbids removals, and the group %q has the members of the role %q, so it gets no members and no roles of %q: "+
			"allow removals there, or choose another groupAlias for %q",
		m.in.Rules.ForbiddenBy, have.Name, m.ledgerServes(have), want.Serves, want.Serves))
}

// restricts reports whether a binding under another condition may grant less.
func restricts(want, have access.Binding) bool {
	return want.Condition != "" && want.Condition != have.Condition
}

// warnForbidden adds the one warning that lists what stays because removals are
// forbidden.
func (m *maker) warnForbidden() {
	accounts := map[access.Key]int{}
	items := m.oldNames
	for _, s := range m.out.Forbidden {
		key := s.Key()
		if key.Kind == access.KindBinding && key.Group != "" && s.Op == Change {
			items = append(items, fmt.Sprintf("the condition of the role %q of the group %q", key.Role, key.Group))
			continue
		}
		key.Name = "" // all bindings of a role are one object
		accounts[key] += len(s.Removes())
	}
	for _, key := range slices.SortedFunc(maps.Keys(accounts), access.Key.Compare) {
		items = append(items, m.forbiddenText(key, accounts[key]))
	}
	if len(items) == 0 {
		return
	}
	if rest := len(items) - maxListed; rest > 0 {
		items = append(items[:maxListed:maxListed], fmt.Sprintf("%d more", rest))
	}
	m.remark(access.RemovalsForbidden, m.in.Tenant.String(), fmt.Sprintf(
		"%s forbids removals, so this stays although the documents do not ask for it: %s: "+
			"set removals to allow there, or remove a user everywhere with rollcall revoke",
		m.in.Rules.ForbiddenBy, strings.Join(items, ", ")))
}

// forbiddenText names an object that stays, with the number of accounts that keep
// it.
func (m *maker) forbiddenText(key access.Key, accounts int) string {
	members := len(m.present(m.groups[key.Group].Members))
	switch {
	case key.Kind == access.KindMembers:
		return fmt.Sprintf("%d of the %d members of %q", accounts, members, key.Group)
	case key.Kind == access.KindGroup:
		return fmt.Sprintf("the group %q (members: %d)", key.Group, members)
	case key.Group == "":
		return fmt.Sprintf("the role %q (users: %d)", key.Role, accounts)
	default:
		return fmt.Sprintf("the role %q of the group %q", key.Role, key.Group)
	}
}

// RemovesAccess reports whether the step may take access from an account, by id,
// that is not among the revoked ones.
func (s Step) RemovesAccess(revoked []string) bool {
	if have, want := s.Have.Binding, s.Want.Binding; s.Op == Change && have != nil && want != nil && restricts(*want, *have) {
		return true
	}
	if s.Op == Delete && s.Kind == access.KindBinding && s.Have.Binding.Group == "" || s.Op == Change {
		return slices.ContainsFunc(s.Removes(), func(who access.Member) bool { return !slices.Contains(revoked, who.Ref) })
	}
	return s.Op == Delete
}
