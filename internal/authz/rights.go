package authz

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
)

// Policies are the AccessPolicy documents, ready to be asked. They do not change and are safe
// for use by many goroutines.
type Policies struct {
	rules  []compiledRule
	users  []document.PolicyUsers
	tables *tables
}

// compiledRule is a rule of a policy with what it gives.
type compiledRule struct {
	callers document.PolicyCallers
	grants  []grant
}

// Compile returns the policies among documents. It fails on one that cannot be parsed: rights
// that a part of the policies gives would be those of no organization.
func Compile(docs []document.Document) (*Policies, error) {
	var policies []document.AccessPolicy
	for _, d := range docs {
		if d.ID.Kind != document.KindAccessPolicy {
			continue
		}
		typed, err := document.Parse(d)
		if err != nil {
			return nil, fmt.Errorf("authz: compile policies: %w", err)
		}
		if policy, ok := typed.(document.AccessPolicy); ok {
			policies = append(policies, policy)
		}
	}
	slices.SortFunc(policies, func(a, b document.AccessPolicy) int { return strings.Compare(a.Name, b.Name) })
	p := &Policies{tables: newTables()}
	for _, policy := range policies {
		p.users = append(p.users, policy.Users...)
		for i, rule := range policy.Rules {
			source := fmt.Sprintf("rule %d of the policy %q", i+1, policy.Name)
			p.rules = append(p.rules, compiledRule{rule.Callers, grants(rule, source)})
		}
	}
	return p, nil
}

// HasAdmin reports whether a rule gives the role admin. Without one no caller can change the
// policies any more.
func (p *Policies) HasAdmin() bool {
	return slices.ContainsFunc(p.rules, func(rule compiledRule) bool {
		return slices.ContainsFunc(rule.grants, func(g grant) bool { return g.role == document.RoleAdmin })
	})
}

// Rights returns what the policies give to a caller. They change with the documents and the
// claims: take them for each request.
func (p *Policies) Rights(c Caller) Rights {
	r := Rights{actor: c.Actor, tables: p.tables}
	id := c.identity()
	for _, rule := range p.rules {
		if id.matches(rule.callers) {
			r.grants = append(r.grants, rule.grants...)
		}
	}
	return r
}

// Bootstrap returns the rights of a caller with a bootstrap token: those of an administrator
// while there is no rule, then none.
func (p *Policies) Bootstrap(a access.Actor) Rights {
	r := Rights{actor: a, tables: p.tables}
	if len(p.rules) == 0 {
		r.grants = []grant{{document.RoleAdmin, "the bootstrap token", Workspaces{all: true}}}
	}
	return r
}

// grants returns what a rule gives to the callers that it matches. A rule that limits a role
// of all of Rollcall to workspaces does not give it: documents with such a rule are refused.
func grants(rule document.PolicyRule, source string) []grant {
	in := Workspaces{all: true}
	if len(rule.Workspaces) > 0 {
		in = workspacesOf(rule.Workspaces)
	}
	var all []grant
	for _, role := range rule.Roles {
		if in.All() || role.OfWorkspaces() {
			all = append(all, grant{role, source, in})
		}
	}
	return all
}

// Workspaces are all workspaces or some. The zero Workspaces are none.
type Workspaces struct {
	all   bool
	names map[string]bool
}

func workspacesOf(names []string) Workspaces {
	w := Workspaces{names: make(map[string]bool, len(names))}
	for _, name := range names {
		w.names[name] = true
	}
	return w
}

// All reports whether they are all workspaces.
func (w Workspaces) All() bool { return w.all }

// Has reports whether the workspace is one of them. No name is none, even of all.
func (w Workspaces) Has(name string) bool { return name != "" && (w.all || w.names[name]) }

// Names returns their names, sorted; nil if they are all.
func (w Workspaces) Names() []string {
	if w.all {
		return nil
	}
	names := make([]string, 0, len(w.names))
	for name := range w.names {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (w Workspaces) with(other Workspaces) Workspaces {
	if w.all || other.all {
		return Workspaces{all: true}
	}
	return workspacesOf(append(w.Names(), other.Names()...))
}

// Rights are the roles of one caller. The zero Rights have none.
type Rights struct {
	actor  access.Actor
	grants []grant
	tables *tables
}

// grant is one role that a rule gives.
type grant struct {
	role   document.PolicyRole
	source string
	in     Workspaces
}

// Roles returns the caller's roles, in the order of document.PolicyRoles.
func (r Rights) Roles() []document.PolicyRole {
	return slices.DeleteFunc(document.PolicyRoles(), func(role document.PolicyRole) bool {
		return !slices.ContainsFunc(r.grants, func(g grant) bool { return g.role == role })
	})
}

// Workspaces returns the workspaces in which the caller has a role. An administrator has all
// roles everywhere.
func (r Rights) Workspaces(role document.PolicyRole) Workspaces {
	return r.in([]document.PolicyRole{role})
}

// by returns the grants of one of the roles, and those of the administrator, who has all.
func (r Rights) by(roles []document.PolicyRole) []grant {
	var found []grant
	for _, g := range r.grants {
		if g.role == document.RoleAdmin || slices.Contains(roles, g.role) {
			found = append(found, g)
		}
	}
	return found
}

// in returns the workspaces in which the caller has one of the roles.
func (r Rights) in(roles []document.PolicyRole) Workspaces {
	var w Workspaces
	for _, g := range r.by(roles) {
		w = w.with(g.in)
	}
	return w
}

// Decision is the answer to one question about a caller.
type Decision struct {
	Allowed bool
	// Reason names the rule and the policy that allow it, or says which role is missing and who
	// can give it. A denial names no policy: its reader may not read them.
	Reason string
	// Missing are the roles of which the caller needs one; nil if it is allowed, or if no role
	// would help.
	Missing []document.PolicyRole
}

func allow(g grant) Decision {
	return Decision{Allowed: true, Reason: fmt.Sprintf("%s gives the role %s", g.source, g.role)}
}

// missing denies for the lack of a role.
func (r Rights) missing(request string, roles []document.PolicyRole) Decision {
	caller := "the caller"
	if r.actor.ID() != "" {
		caller = "the caller " + r.actor.ID()
	}
	return Decision{
		Reason: fmt.Sprintf("%s needs the role %s, and %s has no such role there: ask an administrator of Rollcall "+
			"for it, to be given by an %s", request, list(roles), caller, document.KindAccessPolicy),
		Missing: roles,
	}
}

// list returns "editor, operator or admin".
func list(roles []document.PolicyRole) string {
	names := make([]string, len(roles))
	for i, role := range roles {
		names[i] = string(role)
	}
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

// Digest names the rights: equal roles in equal workspaces have one digest, whichever policies
// give them.
func (r Rights) Digest() string {
	all := make([]string, 0, len(r.grants))
	for _, g := range r.grants {
		all = append(all, fmt.Sprintf("%q %t %q", g.role, g.in.All(), g.in.Names()))
	}
	slices.Sort(all)
	sum := sha256.Sum256([]byte(strings.Join(slices.Compact(all), "\n")))
	return hex.EncodeToString(sum[:])
}
