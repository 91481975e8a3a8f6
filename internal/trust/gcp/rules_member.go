package gcp

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// workloadIdentityUser is the role that lets an identity act as a service account.
const workloadIdentityUser = "roles/iam.workloadIdentityUser"

// containerPattern matches the resource names of projects, folders and organizations.
var containerPattern = regexp.MustCompile(`^(?:(?:https:)?//[a-z.]+/)?(project|folder|organization)s/[^/]+$`)

// checkMembers reports the mistakes of members that no token shows.
func checkMembers(members []member, p *pools, report *findings) {
	for _, m := range members {
		m.checkResource(report)
		m.checkForm(report)
		if m.wrongForm || m.selection == unknownSelection || strings.HasSuffix(m.pool, managedPoolSuffix) {
			continue
		}
		m.checkPool(p, report)
		providers := p.of(m)
		if len(providers) > maxProviders {
			m.add(report, "U01", trust.Medium,
				fmt.Sprintf("the pool %s has %d providers; the member is judged with the first %d", m.pool, len(providers), maxProviders),
				"Spread the providers over several pools.")
			providers = providers[:maxProviders]
		}
		m.checkAttribute(providers, report)
		m.checkValue(providers, report)
		m.checkCollision(providers, report)
	}
}

// add reports a finding at the member.
func (m member) add(report *findings, rule string, severity trust.Severity, message, fix string) {
	report.add(m.at, m.title(), rule, severity, message, fix)
}

// checkResource reports G05 and G10: a whole pool as member, and the role to act as every
// service account of a project.
func (m member) checkResource(report *findings) {
	if m.selection == everyone && !m.wrongForm {
		m.add(report, "G05", trust.High,
			fmt.Sprintf("every identity of the pool %s has %s", m.pool, m.binding.Role),
			"Name one workload by principal://.../subject/SUBJECT, or a set by an attribute that only your workloads have.")
	}
	if container := m.policy.container(); container != "" && m.binding.Role == workloadIdentityUser {
		m.add(report, "G10", trust.High,
			"the member can act as every service account of the "+container,
			"Grant "+workloadIdentityUser+" on the one service account that the workload needs.")
	}
}

// container returns "project", "folder" or "organization" if the policy is of one. A policy
// without a resource name is of a project if it has roles that only projects have.
func (p Policy) container() string {
	if match := containerPattern.FindStringSubmatch(p.Resource); match != nil {
		return match[1]
	}
	if p.Resource == "" && slices.ContainsFunc(p.Bindings, func(b Binding) bool {
		return b.Role == "roles/owner" || b.Role == "roles/editor" || b.Role == "roles/viewer" || strings.HasSuffix(b.Role, ".serviceAgent")
	}) {
		return "project"
	}
	return ""
}

// checkForm reports G07 and G04: a member that no identity can match.
func (m member) checkForm(report *findings) {
	if strings.HasSuffix(m.pool, managedPoolSuffix) {
		return
	}
	if m.wrongForm {
		m.add(report, "G07", trust.Medium,
			"the member matches no identity: principal:// takes subject/VALUE, and principalSet:// a group, an attribute or *",
			"Write principal:// before subject/, and principalSet:// before group/, attribute.NAME/ and *.")
	}
	if !isNumber(m.project) {
		m.add(report, "G07", trust.Medium,
			fmt.Sprintf("the member matches no identity: it has the project id %q instead of the project number", m.project),
			"Use the number, see gcloud projects describe "+m.project+" --format 'value(projectNumber)'.")
	}
	if m.selection == byAttribute && strings.Contains(m.value, "/"+attributePrefix) {
		m.add(report, "G07", trust.Medium,
			fmt.Sprintf("the member matches no identity: it names two attributes, but %q is all the value of %s", m.value, m.key),
			"Map one attribute from both claims, and name that one.")
	}
	if m.selection == bySubject && len(m.value) > maxSubject {
		m.add(report, "G04", trust.Medium,
			fmt.Sprintf("the subject has %d bytes of at most 127, so the token exchange fails", len(m.value)),
			"Map google.subject to a shorter text, such as the namespace and name of the service account alone.")
	}
}

// checkPool reports G07: a pool that is not there, or has only soft-deleted providers.
func (m member) checkPool(p *pools, report *findings) {
	providers := p.of(m)
	if len(providers) > 0 {
		if !slices.ContainsFunc(providers, func(one *provider) bool { return !one.Deleted }) {
			m.add(report, "G07", trust.Medium,
				fmt.Sprintf("all providers of the pool %s are soft-deleted; undeleting them restores the access", m.pool),
				"Remove the member, or undelete the provider if the access is still wanted.")
		}
		return
	}
	for _, one := range p.providers {
		if r := one.resource; isNumber(m.project) && (r.project == m.project || r.pool == m.pool) {
			m.add(report, "G07", trust.Medium,
				fmt.Sprintf("no provider of this input is in the pool %s of project %s; one is in the pool %s of project %s",
					m.pool, m.project, r.pool, r.project),
				"Correct project number or pool of the member, or lint the providers of its pool together with it.")
			return
		}
	}
}

// checkAttribute reports G06: an attribute that no provider maps, or one that names a user.
// Names of tenants and projects, which can also change, are shown by tokens.
func (m member) checkAttribute(providers []*provider, report *findings) {
	if m.selection != byAttribute && m.selection != byGroup || len(providers) == 0 {
		return
	}
	mapped := false
	for _, p := range providers {
		if p.Undecided != "" || p.refuses {
			return
		}
		index := slices.IndexFunc(p.mappings, func(one mapping) bool { return one.key == m.key })
		if index < 0 {
			continue
		}
		mapped = true
		claims := (&scope{}).claims(p.mappings[index].expression)
		notUser := slices.ContainsFunc(claims, func(path []string) bool { return !isUserClaim(path) })
		if notUser || len(claims) == 0 {
			continue
		}
		m.add(report, "G06", trust.High,
			fmt.Sprintf("%s is mapped from assertion.%s, which names a user and not the workload, and can change",
				m.key, strings.Join(claims[0], ".")),
			"Select by an attribute of the workload that is never reassigned, such as one of assertion.repository_id.")
	}
	if !mapped {
		m.add(report, "G06", trust.Medium, fmt.Sprintf("the member matches no identity: no provider of the pool %s maps %s", m.pool, m.key),
			fmt.Sprintf("Add %s to attributeMapping, or remove the member.", m.key))
	}
}

// checkValue reports W15: a member whose value no provider of the pool makes, although one
// maps what the member selects by.
func (m member) checkValue(providers []*provider, report *findings) {
	mapped := false
	for _, p := range providers {
		switch {
		case p.Undecided != "" || p.refuses:
			return
		case m.isUnmapped(p):
		case !m.isOtherValue(p):
			return
		default:
			mapped = true
		}
	}
	if mapped {
		m.add(report, "W15", trust.Medium,
			fmt.Sprintf("the member matches no identity: no provider of the pool %s maps a token to %s %q", m.pool, m.key, m.value),
			fmt.Sprintf("Write the value as the mapping of %s makes it, with all that it puts before and behind the claim.", m.key))
	}
}
