package terraform

import (
	"regexp"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust/gcp"
	"github.com/rollcall-iam/rollcall/internal/trust/placeholder"
)

// providerName matches the resource names of providers with the number of their project.
var providerName = regexp.MustCompile(`projects/([0-9]+)/locations/global/workloadIdentityPools/([a-z0-9-]+)/providers/([a-z0-9-]+)`)

// ProviderNames returns the resource names of providers in a text, such as a credential
// configuration.
func ProviderNames(text []byte) []string {
	var names []string
	seen := map[string]bool{}
	for _, name := range providerName.FindAll(text, -1) {
		if !seen[string(name)] {
			seen[string(name)] = true
			names = append(names, string(name))
		}
	}
	return names
}

// Projects are the project numbers of providers, by pool and provider.
type Projects map[string][]string

// NewProjects returns the project numbers that resource names of providers say.
func NewProjects(names []string) Projects {
	numbers := Projects{}
	seen := map[string]bool{}
	for _, name := range names {
		match := providerName.FindStringSubmatch(name)
		if match == nil || seen[match[0]] {
			continue
		}
		seen[match[0]] = true
		key := match[2] + "/" + match[3]
		numbers[key] = append(numbers[key], match[1])
	}
	return numbers
}

// Resolve returns an input with the project numbers that names of other files say and the
// files of Terraform do not. A number counts if it is the only one for a provider; the
// names of providers with several are returned as ambiguous.
func (numbers Projects) Resolve(in gcp.Input) (resolved gcp.Input, ambiguous []string) {
	resolved = in
	resolved.Providers = slices.Clone(in.Providers)
	byPool := map[string]string{}
	for i := range resolved.Providers {
		p := &resolved.Providers[i]
		project, pool, id, ok := splitName(p.Name)
		if !ok || strings.Trim(project, "0123456789") == "" {
			continue
		}
		switch found := numbers[pool+"/"+id]; len(found) {
		case 0:
		case 1:
			p.Name = strings.Replace(p.Name, project, found[0], 1)
			if _, known := byPool[pool]; !known {
				byPool[pool] = found[0]
			}
		default:
			ambiguous = append(ambiguous, p.Name)
		}
	}
	if len(byPool) > 0 {
		resolved.Policies = withNumbers(in.Policies, byPool)
	}
	return resolved, ambiguous
}

// splitName splits the resource name of a provider.
func splitName(name string) (project, pool, id string, ok bool) {
	parts := strings.Split(name, "/")
	if len(parts) != 8 {
		return "", "", "", false
	}
	return parts[1], parts[5], parts[7], true
}

// withNumbers returns policies whose members of pools have the numbers of their projects.
func withNumbers(policies []gcp.Policy, byPool map[string]string) []gcp.Policy {
	changed := slices.Clone(policies)
	for i := range changed {
		changed[i].Bindings = slices.Clone(changed[i].Bindings)
		for k := range changed[i].Bindings {
			b := &changed[i].Bindings[k]
			lines := make(map[string]int, len(b.Lines))
			members := make([]string, len(b.Members))
			for m, member := range b.Members {
				members[m] = withNumber(member, byPool)
				lines[members[m]] = b.Lines[member]
			}
			b.Members, b.Lines = members, lines
		}
	}
	return changed
}

// withNumber returns a member with the number of the project of its pool.
func withNumber(member string, byPool map[string]string) string {
	const before = "/projects/" + placeholder.ProjectNumber + "/locations/global/workloadIdentityPools/"
	_, rest, found := strings.Cut(member, before)
	pool, _, whole := strings.Cut(rest, "/")
	number, known := byPool[pool]
	if !found || !whole || !known {
		return member
	}
	return strings.Replace(member, "/projects/"+placeholder.ProjectNumber+"/", "/projects/"+number+"/", 1)
}
