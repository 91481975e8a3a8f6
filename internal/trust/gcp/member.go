package gcp

import (
	"regexp"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// memberPattern matches the members of workload identity pools.
// Source: https://cloud.google.com/iam/docs/principal-identifiers.
var memberPattern = regexp.MustCompile(
	`^principal(Set)?://iam\.googleapis\.com/projects/([^/]+)/locations/global/workloadIdentityPools/([^/]+)/(.+)$`)

// managedPoolSuffix ends the names of the pools that Google makes for GKE. They have no
// providers.
const managedPoolSuffix = ".svc.id.goog"

// maxProviders bounds with how many providers of its pool a member is judged, as an input may
// have many of both. A pool rarely has more than a few.
const maxProviders = 50

// selection is how a member selects identities of a pool.
type selection string

const (
	bySubject   selection = "subject"
	byGroup     selection = "group"
	byAttribute selection = "attribute"
	everyone    selection = "*"
	// unknownSelection is a form that this package does not know, such as those of GKE.
	unknownSelection selection = "unknown"
)

// member is a member of a binding that is in a workload identity pool.
type member struct {
	name          string
	project, pool string
	selection     selection
	// key is the mapping that the member selects by, such as attribute.repository.
	key, value string
	// wrongForm is true for principal:// with a set or principalSet:// with a subject.
	wrongForm bool
	policy    Policy
	binding   Binding
	at        trust.Position
}

// readMembers returns the members of policies that are in workload identity pools.
func readMembers(policies []Policy) []member {
	var members []member
	for _, p := range policies {
		for _, b := range p.Bindings {
			for _, name := range b.Members {
				if m, ok := newMember(name); ok {
					m.policy, m.binding, m.at = p, b, line(b.At, b.Lines, name)
					members = append(members, m)
				}
			}
		}
	}
	return members
}

// newMember parses a member; ok is false if it is not in a workload identity pool.
func newMember(name string) (m member, ok bool) {
	match := memberPattern.FindStringSubmatch(name)
	if match == nil {
		return member{}, false
	}
	m = member{name: name, project: match[2], pool: match[3], selection: unknownSelection}
	kind, value, _ := strings.Cut(match[4], "/")
	isSet := match[1] != ""
	switch attribute, isAttribute := strings.CutPrefix(kind, attributePrefix); {
	case match[4] == "*":
		m.selection, m.wrongForm = everyone, !isSet
	case kind == "subject":
		m.selection, m.key, m.value, m.wrongForm = bySubject, subjectKey, value, isSet
	case kind == "group":
		m.selection, m.key, m.value, m.wrongForm = byGroup, groupsKey, value, !isSet
	case isAttribute:
		m.selection, m.key, m.value, m.wrongForm = byAttribute, attributePrefix+attribute, value, !isSet
	}
	return m, true
}

// title names the binding in findings: the resource, or the role if the file does not say
// it, and the member without project.
func (m member) title() string {
	on := m.policy.Resource[strings.LastIndex(m.policy.Resource, "/")+1:]
	if on == "" {
		on = m.binding.Role
	}
	return on + " for " + m.inPool()
}

// trusts returns a trust for each provider of the member's pool that can make its
// identities. What the files do not say of a provider is reported there.
func (m member) trusts(p *pools) []trust.Trust {
	if m.wrongForm || m.selection == unknownSelection {
		return nil
	}
	var trusts []trust.Trust
	providers := p.of(m)
	for _, provider := range providers[:min(len(providers), maxProviders)] {
		if provider.Undecided == "" && !m.isUnmapped(provider) && !m.isOtherValue(provider) {
			trusts = append(trusts, m.trust(provider))
		}
	}
	return trusts
}

// isUnmapped reports whether a provider is known to map nothing that the member selects by,
// so that none of its tokens is the member. Rule G06 reports that of a pool.
func (m member) isUnmapped(p *provider) bool {
	return m.selection != everyone && !p.refuses && p.Undecided == "" &&
		!slices.ContainsFunc(p.mappings, func(one mapping) bool { return one.key == m.key })
}

// isOtherValue reports whether a provider is known to map no token to the member's value, as
// it puts another text before it. Rule W15 reports that of a pool.
func (m member) isOtherValue(p *provider) bool {
	for _, one := range p.mappings {
		if one.key == m.key && m.selection != everyone && !p.refuses {
			matches, known := one.matches(m.value)
			return known && len(matches) == 0
		}
	}
	return false
}

// trust returns the member as a trust in the tokens of a provider.
func (m member) trust(p *provider) trust.Trust {
	index := slices.IndexFunc(p.mappings, func(one mapping) bool { return one.key == m.key })
	comparisons := p.comparisons
	if index >= 0 {
		comparisons = m.comparisons(p, p.mappings[index])
	}
	t := p.trust(nil)
	if subject, ok := m.subject(p); ok {
		t.Subjects = []string{subject}
	}
	t.Name, t.Kind, t.At, t.Comparisons = m.title(), trust.GCPBinding, m.at, comparisons
	t.Accepts = func(token trust.Token) trust.Decision {
		id, decision := p.identify(token)
		switch {
		case !decision.Accepted || decision.Undecided != "":
			return decision
		case m.selection != everyone && (index < 0 || !m.selects(id[index])):
			return trust.Decision{}
		case m.binding.Condition != "":
			decision.Undecided = "the binding has a condition about the request: " + m.binding.Condition
		}
		return decision
	}
	return t
}

// selects reports whether the member selects an identity with a value of its attribute.
func (m member) selects(value any) bool {
	switch v := value.(type) {
	case string:
		return v == m.value
	case []any:
		return m.selection == byGroup && slices.Contains(v, any(m.value))
	default:
		return false
	}
}

// comparisons returns those of the provider, and the member's value as one.
func (m member) comparisons(p *provider, by mapping) []trust.Comparison {
	c := &comparer{scope: &scope{}, list: slices.Clone(p.comparisons)}
	before := len(c.list)
	if found, known := by.comparisonsFor(m.value); known {
		c.list = append(c.list, found...)
	} else {
		c.pair((&scope{}).expressionTerms(by.expression), []term{{literals: []string{m.value}, isText: true}}, trust.Equal, false)
	}
	for i := before; i < len(c.list); i++ {
		c.list[i].Optional = !p.needed.has(c.list[i].Claim)
	}
	return c.list
}

// subject returns the claim sub for which a provider maps to the member's subject.
func (m member) subject(p *provider) (string, bool) {
	if m.selection != bySubject || len(p.mappings) == 0 || p.mappings[0].key != subjectKey {
		return "", false
	}
	for _, t := range (&scope{}).expressionTerms(p.mappings[0].expression) {
		if !slices.Equal(t.claim, []string{"sub"}) {
			continue
		}
		if subject, ok := t.invert(m.value); ok {
			return subject, true
		}
	}
	return "", false
}

// byPool returns members by the id of their pool.
func byPool(members []member) map[string][]member {
	byID := map[string][]member{}
	for _, m := range members {
		byID[m.pool] = append(byID[m.pool], m)
	}
	return byID
}

// subjectsOf returns the subjects of a provider's tokens that members of its pool name.
func subjectsOf(p *provider, members []member) []string {
	var subjects []string
	for _, m := range members {
		if !p.has(m) || m.wrongForm {
			continue
		}
		if subject, ok := m.subject(p); ok && !slices.Contains(subjects, subject) {
			subjects = append(subjects, subject)
		}
	}
	return subjects
}

// pools are the compiled providers of an input.
type pools struct {
	providers []*provider
	// byID are the providers by the id of their pool.
	byID map[string][]*provider
}

// newPools compiles providers and reports what is wrong with each alone.
func newPools(providers []Provider, report *findings) *pools {
	p := &pools{byID: map[string][]*provider{}}
	x := newExpressions()
	for _, one := range providers {
		compiled := x.provider(one, report)
		compiled.check(report)
		p.providers = append(p.providers, compiled)
		id := compiled.resource.pool
		p.byID[id] = append(p.byID[id], compiled)
	}
	return p
}

// of returns the providers of a member's pool.
func (p *pools) of(m member) []*provider {
	var found []*provider
	for _, one := range p.byID[m.pool] {
		if one.has(m) {
			found = append(found, one)
		}
	}
	return found
}

// has reports whether a member is in the provider's pool. Pools of a project that the
// reader does not know by number are compared by their id.
func (p *provider) has(m member) bool {
	r := p.resource
	return r.pool != "" && r.pool == m.pool && (r.project == m.project || !isNumber(r.project))
}
