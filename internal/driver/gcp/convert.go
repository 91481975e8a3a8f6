package gcp

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/gcp/rules"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

var (
	projectID = regexp.MustCompile(`^([a-z][a-z0-9-]{4,28}[a-z0-9]|[0-9]{1,20})$`)
	groupRef  = regexp.MustCompile(`^groups/[A-Za-z0-9_-]+$`)
	// address is any address that a user can have; a quote in it is escaped where
	// it is searched for.
	address = regexp.MustCompile(`^[^\s@"\\*()<>,;:]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$`)
)

// isProject reports whether the text is a project's id or number. Anything else
// would be another path.
func isProject(id string) bool  { return projectID.MatchString(id) }
func isGroupRef(s string) bool  { return groupRef.MatchString(s) }
func isDenied(err error) bool   { return errors.Is(err, fault.ErrDenied) }
func isHidden(err error) bool   { return errors.Is(err, errHidden) }
func isNotFound(err error) bool { return errors.Is(err, fault.ErrNotFound) }

func number(s string) bool { return strings.Trim(s, "0123456789") == "" }

const groupPrefix = "group:"

// email is the address of the group of that name. A name with an at sign is an
// address of another domain.
func (d *Driver) email(name string) string {
	if strings.Contains(name, "@") {
		return name
	}
	return name + "@" + d.domain
}

// groupName is the name of the group of that address.
func (d *Driver) groupName(email string) string {
	if local, ok := strings.CutSuffix(email, "@"+d.domain); ok {
		return local
	}
	return email
}

// emailKey is the canonical form of an address, with or without the type of a member before
// it. Google compares addresses without regard to case.
func emailKey(email string) string { return string(rules.Profile().AccountNames.Key(email)) }

// sameEmail reports whether two addresses are one.
func sameEmail(a, b string) bool { return emailKey(a) == emailKey(b) }

// bindingRef names a binding by what it is: it has no id.
func bindingRef(project, role, email, condition string) string {
	ref := "projects/" + project + " " + role + " " + groupPrefix + email
	if condition != "" {
		ref += " " + condition
	}
	return ref
}

// bindings are the roles given at the scope. Those of anybody but groups are one
// binding for each role and condition, as access.Key wants it.
func (d *Driver) bindings(scope driver.Scope, p *policy, in *inventory) []access.Binding {
	var all []access.Binding
	others := map[access.Key]*access.Binding{}
	for _, e := range p.bindings {
		for _, member := range e.members {
			email, is := strings.CutPrefix(member, groupPrefix)
			if is {
				all = append(all, d.groupBinding(scope, e, emailKey(email), in))
				continue
			}
			key := access.Key{Role: e.role, Name: e.name}
			if others[key] == nil {
				others[key] = &access.Binding{
					Role: e.role, Name: e.name, Condition: e.expression, Mark: access.Unread(),
					Ref: "projects/" + scope.ID + " " + e.role + " " + e.name,
				}
			}
			others[key].Subjects = append(others[key].Subjects, access.Member{Account: access.Account{Ref: subject(member)}})
		}
	}
	for _, b := range others {
		all = append(all, *b)
	}
	return all
}

func (d *Driver) groupBinding(scope driver.Scope, e entry, email string, in *inventory) access.Binding {
	b := access.Binding{
		Role: e.role, Name: e.name, Condition: e.expression, Group: d.groupName(email), GroupRef: groupPrefix + email,
		Ref: bindingRef(scope.ID, e.role, email, e.name), Mark: access.Unread(),
	}
	if g, known := in.byEmail[email]; known {
		b.GroupRef = g.ref
	}
	return b
}

// subject is the id of somebody whom a policy names: a user's address, and
// whatever else it is as the policy says it.
func subject(member string) string {
	if email, ok := strings.CutPrefix(member, "user:"); ok {
		return emailKey(email)
	}
	return member
}

// inventory is what was read of groups, ready to be looked up in.
type inventory struct {
	marks   bool
	byEmail map[string]group
	// described are ids of groups whose description was read.
	described map[string]bool
	// members are the ids of groups' members, sorted, by the group's.
	members map[string][]string
}

func newInventory(marks bool) *inventory {
	return &inventory{marks: marks, byEmail: map[string]group{}, described: map[string]bool{}, members: map[string][]string{}}
}

// add remembers a group that was read.
func (in *inventory) add(g group) {
	in.byEmail[g.email] = g
	in.described[g.ref] = true
}

// wanted are the addresses that belong to the scope's answer: of the groups that
// it asks for and, where it asks for marks, of those that have a role.
func (d *Driver) wanted(scope driver.Scope, p *policy, marks bool) []string {
	var all []string
	for _, g := range scope.Groups {
		if rules.GroupName(g.Name) == nil { // no group can have another name
			all = append(all, d.email(g.Name))
		}
	}
	for _, e := range p.bindings {
		for _, member := range e.members {
			email, is := strings.CutPrefix(emailKey(member), groupPrefix)
			if marks && is && !strings.Contains(d.groupName(email), "@") && address.MatchString(email) && !strings.Contains(email, "'") {
				all = append(all, email)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// at is what there is at a scope.
func (d *Driver) at(scope driver.Scope, p *policy, in *inventory) driver.Observation {
	state := access.State{Bindings: d.bindings(scope, p, in)}
	for _, email := range d.wanted(scope, p, in.marks) {
		g, exists := in.byEmail[email]
		if !exists {
			continue
		}
		shown := access.Group{Name: d.groupName(email), Ref: g.ref, Mark: access.Unread()}
		if in.described[g.ref] {
			shown.Mark = access.ParseMark(g.description)
		}
		for _, m := range in.members[g.ref] {
			shown.Members = append(shown.Members, access.Member{Account: access.Account{Ref: m}})
		}
		state.Groups = append(state.Groups, shown)
	}
	state.Sort()
	return driver.Observation{State: state}
}
