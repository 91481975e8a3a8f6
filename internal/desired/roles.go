package desired

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/naming"
)

// mapping is a role mapping that is in force on a tenant.
type mapping struct {
	role  string // the ProjectRole's Name
	alias string
	roles []string // of the platform; sorted, without repetitions
	// conditions are by role.
	conditions map[string]string
	// source is the document that has the mapping.
	source document.ID
}

// mapped returns the mappings in force, sorted: the landing zone's where it has
// any, else the platform's.
func mapped(in document.TenantInput) []mapping {
	list, source := in.Platform.Replication.RoleMappings, mappingSource(in)
	if source.Kind == document.KindLandingZone {
		list = in.LandingZone.RoleMappings
	}
	names := roleNames(in.Roles)
	mappings := make([]mapping, 0, len(list))
	for _, rm := range list {
		role := names.of(rm.Role)
		roles := slices.Clone(rm.Roles)
		slices.Sort(roles)
		mappings = append(mappings, mapping{
			role: role, alias: cmp.Or(rm.GroupAlias, role), roles: slices.Compact(roles), source: source,
			conditions: rm.Conditions,
		})
	}
	slices.SortFunc(mappings, func(a, b mapping) int {
		return cmp.Or(cmp.Compare(a.role, b.role), cmp.Compare(a.alias, b.alias), slices.Compare(a.roles, b.roles))
	})
	return mappings
}

// mappingSource names the document whose role mappings are in force.
func mappingSource(in document.TenantInput) document.ID {
	if in.LandingZone != nil && len(in.LandingZone.RoleMappings) > 0 {
		return document.ID{Kind: document.KindLandingZone, Name: in.LandingZone.Name}
	}
	return document.ID{Kind: document.KindPlatform, Name: in.Platform.Identifier()}
}

// why says for people why the mapping asks for what.
func (m mapping) why(what string) string {
	return fmt.Sprintf("%s maps the role %q to %s", sourceText(m.source), m.role, what)
}

// sourceText names the document with the role mappings as people say it.
func sourceText(id document.ID) string {
	kind := "platform"
	if id.Kind == document.KindLandingZone {
		kind = "landing zone"
	}
	return fmt.Sprintf("%s %q", kind, id.Name)
}

// names finds a ProjectRole's Name by its Name or DisplayName.
type names map[string]string

func roleNames(roles []document.ProjectRole) names {
	n := make(names, 2*len(roles))
	for _, r := range roles {
		if other, ok := n[r.DisplayName]; !ok || r.Name < other {
			n[r.DisplayName] = r.Name
		}
	}
	for _, r := range roles {
		n[r.Name] = r.Name // a name wins over another role's display name
	}
	return n
}

// of returns the role's Name; a role that is no document is taken by its word.
func (n names) of(role string) string { return cmp.Or(n[role], role) }

// parseNames reads the platform's group name pattern.
func parseNames(p document.Platform) (naming.Pattern, error) {
	return naming.Parse(cmp.Or(p.Replication.GroupNamePattern, naming.Default))
}

// groupName returns the name of the mapping's group on the tenant.
func groupName(pattern naming.Pattern, in document.TenantInput, m mapping) (string, error) {
	name, err := pattern.Expand(naming.Values{
		Workspace:  in.Tenant.Workspace,
		Project:    in.Tenant.Project,
		ProjectID:  in.Tenant.ProjectID(),
		Platform:   in.Tenant.Platform,
		GroupAlias: m.alias,
		Number:     in.Drawn.Number,
		Random:     in.Drawn.Random,
		Tags:       in.Project.Tags,
	})
	if err != nil {
		return "", fmt.Errorf("%w for the role %q: %w", ErrName, m.role, err)
	}
	if strings.TrimSpace(name) == "" {
		return "", fmt.Errorf("%w for the role %q: the pattern %q gives only blanks", ErrName, m.role, pattern)
	}
	return name, nil
}

// dropUnmapped returns the grants of mapped roles, and a remark for each role
// that somebody is bound to and nothing maps.
func dropUnmapped(in document.TenantInput, mappings []mapping, grants []grant) ([]grant, []access.Remark) {
	isMapped := make(map[string]bool, len(mappings))
	for _, m := range mappings {
		isMapped[m.role] = true
	}
	counts := map[string]int{}
	names := roleNames(in.Roles)
	for _, list := range [][]document.Binding{in.UserBindings, in.GroupBindings} {
		for _, b := range list {
			if role := names.of(b.Role); !isMapped[role] && !b.HasEnded(in.Now) {
				counts[role]++
			}
		}
	}
	source := sourceText(mappingSource(in))
	var remarks []access.Remark
	for role, n := range counts {
		remarks = append(remarks, access.Remark{Code: access.RoleUnmapped, Object: role, Text: fmt.Sprintf(
			"the role %q, given by %s of this project, is not in the role mappings of the %s, so it gives nothing here: "+
				"add a mapping for it, or remove the bindings", role, count(n, "binding"), source)})
	}
	return slices.DeleteFunc(grants, func(g grant) bool { return !isMapped[g.role] }), remarks
}

// count returns "1 binding" or "2 bindings".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
