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
	for _, name := range providerName.FindAll(text, -1) {
		if !slices.Contains(names, string(name)) {
			names = append(names, string(name))
		}
	}
	return names
}

// ResolveProjects returns an input with the project numbers that names of other files say and the
// files of Terraform do not. A number counts if it is the only one for a provider; the
// names of providers with several are returned as ambiguous.
func ResolveProjects(in gcp.Input, names []string) (resolved gcp.Input, ambiguous []string) {
	numbers := map[string][]string{} // by pool and provider
	for _, name := range names {
		if match := providerName.FindStringSubmatch(name); match != nil && !slices.Contains(numbers[match[2]+"/"+match[3]], match[1]) {
			numbers[match[2]+"/"+match[3]] = append(numbers[match[2]+"/"+match[3]], match[1])
		}
	}
	resolved = in
	resolved.Providers = slices.Clone(in.Providers)
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
			resolved.Policies = withNumber(resolved.Policies, pool, found[0])
		default:
			ambiguous = append(ambiguous, p.Name)
		}
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

// withNumber returns policies whose members of a pool have the number of its project.
func withNumber(policies []gcp.Policy, pool, number string) []gcp.Policy {
	before := "/projects/" + placeholder.ProjectNumber + "/locations/global/workloadIdentityPools/" + pool + "/"
	after := "/projects/" + number + "/locations/global/workloadIdentityPools/" + pool + "/"
	changed := slices.Clone(policies)
	for i := range changed {
		changed[i].Bindings = slices.Clone(changed[i].Bindings)
		for k := range changed[i].Bindings {
			b := &changed[i].Bindings[k]
			lines := map[string]int{}
			members := make([]string, len(b.Members))
			for m, member := range b.Members {
				members[m] = strings.Replace(member, before, after, 1)
				lines[members[m]] = b.Lines[member]
			}
			b.Members, b.Lines = members, lines
		}
	}
	return changed
}
