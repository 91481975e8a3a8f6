package desired

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/euid"
	"github.com/rollcall-iam/rollcall/internal/naming"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// Rules is what Check has to know about a type of platform.
type Rules struct {
	Options
	// GroupsIgnoreCase is true where two groups whose names differ in case only
	// cannot both be.
	GroupsIgnoreCase bool
	// Fit reports why a platform of the type could never hold a group, which
	// comes with its name only, or a binding, which comes with its role and, on
	// platforms with groups, its group. Nil accepts everything.
	Fit func(plan.Object) error
}

// Check returns what is wrong with the groups and roles that tenants would get:
// patterns that do not parse, names that lack a value, that the platform cannot
// hold, or that two groups of one platform would share, and roles that the
// platform cannot have. rules gives the rules of a type of platform, and false
// for a type nobody knows.
//
// The problems are in the order of the tenants' IDs, whatever the order of
// inputs. A Problem's Object is the kind and name of the document to change.
// Time grows with the number of groups.
//
// It also returns the names of the groups: NameConflicts compares them with those of other tenants.
func Check(inputs []document.TenantInput, rules func(platformType string) (Rules, bool)) ([]document.GroupName, []document.Problem) {
	order := make([]*document.TenantInput, 0, len(inputs))
	for i := range inputs {
		if !inputs[i].Deleted {
			order = append(order, &inputs[i])
		}
	}
	slices.SortFunc(order, func(a, b *document.TenantInput) int { return a.Tenant.Compare(b.Tenant.TenantID) })
	return CheckSorted(func(do func(document.TenantInput) bool) {
		for _, in := range order {
			if !do(*in) {
				return
			}
		}
	}, rules)
}

// CheckSorted is Check of inputs that come in the order of the tenants' IDs, one at a time. None
// is Deleted.
func CheckSorted(
	inputs iter.Seq[document.TenantInput], rules func(platformType string) (Rules, bool),
) ([]document.GroupName, []document.Problem) {
	c := checker{rules: rules, platforms: map[string]*platform{}, said: map[document.Problem]bool{}}
	for in := range inputs {
		p := c.platform(in.Platform)
		if p.usable {
			c.tenant(in, p)
		}
	}
	return c.names, c.problems
}

// NameConflicts returns the problems of groups whose names other tenants' groups have: on one
// platform no two have one key.
func NameConflicts(names, others []document.GroupName) []document.Problem {
	type key struct{ platform, key string }
	taken := make(map[key]document.GroupName, len(others))
	for _, other := range others {
		taken[key{other.Tenant.Platform, other.Key}] = other
	}
	var problems []document.Problem
	for _, name := range names {
		if other, ok := taken[key{name.Tenant.Platform, name.Key}]; ok {
			id := document.ID{Kind: document.KindTenant, Name: name.Tenant.String()}
			problems = append(problems, document.Problem{Object: id.String(), Text: conflictText(other, name)})
		}
	}
	return problems
}

// conflictText says that two groups of one platform would have one name.
func conflictText(first, second document.GroupName) string {
	name := fmt.Sprintf("%q", second.Name)
	if first.Name != second.Name {
		name = fmt.Sprintf("%q and %q, which are one name to the platform", first.Name, second.Name)
	}
	claim := func(n document.GroupName) string { return fmt.Sprintf("the role %q on %s", n.Role, n.Tenant) }
	return fmt.Sprintf("two groups with one name: %s and %s get %s: "+
		"use more placeholders in the platform's groupNamePattern, or another groupAlias", claim(first), claim(second), name)
}

// checker gathers the problems of all tenants.
type checker struct {
	rules     func(string) (Rules, bool)
	platforms map[string]*platform // by identifier
	names     []document.GroupName
	problems  []document.Problem
	said      map[document.Problem]bool
}

// platform is what Check remembers of one platform.
type platform struct {
	usable  bool
	rules   Rules
	pattern naming.Pattern
	// groups holds the index of the first of checker.names to get a name, by what names are
	// compared by.
	groups map[string]int
}

// platform returns what is remembered of a platform; the first time it checks
// the platform's type and patterns.
func (c *checker) platform(doc document.Platform) *platform {
	if p, ok := c.platforms[doc.Identifier()]; ok {
		return p
	}
	p := &platform{groups: map[string]int{}}
	c.platforms[doc.Identifier()] = p
	id := document.ID{Kind: document.KindPlatform, Name: doc.Identifier()}
	var known bool
	if p.rules, known = c.rules(doc.Type); !known {
		c.problem(id, "spec.config", fmt.Sprintf("no driver for platforms of the type %q", doc.Type))
		return p
	}
	_, err := euid.Parse(cmp.Or(doc.Replication.EUIDPattern, euid.Default))
	if err != nil {
		c.problem(id, replicationField(doc)+".euidPattern", err.Error())
	}
	if doc.Replication.BringIn && !p.rules.BringIn {
		c.problem(id, replicationField(doc), fmt.Sprintf(
			"nobody can be brought into platforms of the type %q: remove b2bUserInvitation and userCreation", doc.Type))
	}
	var nameErr error
	if p.rules.Groups {
		p.pattern, nameErr = parseNames(doc)
	}
	if nameErr != nil {
		c.problem(id, replicationField(doc)+".groupNamePattern", nameErr.Error())
	}
	p.usable = errors.Join(err, nameErr) == nil
	return p
}

// replicationField is the field of a platform's document that Replication is in.
func replicationField(doc document.Platform) string {
	return "spec.config." + doc.Type + ".replication"
}

// mappingField is the field of the source's document that has the role mappings.
func mappingField(p document.Platform, source document.ID) string {
	if source.Kind == document.KindLandingZone {
		return "spec.platformProperties." + p.Type + ".roleMappings"
	}
	return replicationField(p) + ".roleMappings"
}

// tenant checks every group and binding of one tenant. What is wrong with a
// group is not said again of its bindings.
func (c *checker) tenant(in document.TenantInput, p *platform) {
	id := document.ID{Kind: document.KindTenant, Name: in.Tenant.String()}
	for _, m := range mapped(in) {
		group := ""
		if p.rules.Groups {
			name, err := groupName(p.pattern, in, m)
			if err != nil {
				c.problem(id, "", err.Error())
				continue
			}
			if !c.group(id, p, document.GroupName{Tenant: in.Tenant.TenantID, Role: m.role, Name: name}) {
				continue
			}
			group = name
		}
		c.mapping(in.Platform, m, p.rules)
		for _, role := range m.roles {
			err := p.rules.fit(plan.Object{Binding: &access.Binding{Role: role, Group: group}})
			if err != nil {
				c.problem(m.source, mappingField(in.Platform, m.source), fmt.Sprintf("the mapping of the role %q: %v", m.role, err))
			}
		}
	}
}

// mapping checks what the schema cannot: it depends on the type of platform.
func (c *checker) mapping(doc document.Platform, m mapping, rules Rules) {
	add := func(text string) {
		c.problem(m.source, mappingField(doc, m.source), fmt.Sprintf("the mapping of the role %q: %s", m.role, text))
	}
	switch {
	case rules.NoBindings && len(m.roles) > 0:
		add("platforms of this type know no roles: leave roles out")
	case !rules.NoBindings && len(m.roles) == 0:
		add("roles is missing: name the platform's roles that it stands for")
	}
	for _, role := range slices.Sorted(maps.Keys(m.conditions)) {
		switch {
		case !rules.Conditions:
			add("platforms of this type know no conditions: leave conditions out")
			return
		case !slices.Contains(m.roles, role):
			add(fmt.Sprintf("conditions has %q, which is not among its roles: correct one of them", role))
		}
	}
}

// group checks the name of one group and reports whether the platform can hold
// it and no other group has it.
func (c *checker) group(id document.ID, p *platform, got document.GroupName) bool {
	if err := p.rules.fit(plan.Object{Group: &access.Group{Name: got.Name}}); err != nil {
		c.problem(id, "", fmt.Sprintf("the role %q gets the group %q, which the platform cannot hold: %v: "+
			"change the platform's groupNamePattern or the mapping's groupAlias", got.Role, got.Name, err))
		return false
	}
	got.Key = got.Name
	if p.rules.GroupsIgnoreCase {
		got.Key = access.FoldCase(got.Name)
	}
	if first, taken := p.groups[got.Key]; taken {
		c.problem(id, "", conflictText(c.names[first], got))
		return false
	}
	p.groups[got.Key] = len(c.names)
	c.names = append(c.names, got)
	return true
}

func (r Rules) fit(o plan.Object) error {
	if r.Fit == nil {
		return nil
	}
	return r.Fit(o)
}

// problem adds a problem that was not added before: what is wrong with a
// document that many tenants use is said once.
func (c *checker) problem(id document.ID, field, text string) {
	p := document.Problem{
		Object: id.String(),
		Field:  field,
		Text:   strings.TrimPrefix(text, "desired: "),
	}
	if c.said[p] {
		return
	}
	c.said[p] = true
	c.problems = append(c.problems, p)
}
