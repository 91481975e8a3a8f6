package store

import (
	"slices"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
)

// project names a project by itself, without its document.
type project struct{ workspace, name string }

// touch collects what changed documents reach, kind by kind: from people over
// their groups and bindings to projects, and from there to tenants.
type touch struct {
	all       bool // a project role: any mapping may name it
	users     map[string]bool
	groups    map[string]bool // by the name that bindings call them
	projects  map[project]bool
	platforms map[string]bool
	zones     map[string]bool
	tenants   map[access.TenantID]bool
	// rest is true for the guard of all platforms but those that another one
	// names, which are in named.
	rest  bool
	named map[string]bool
}

// touch notes the tenants whose input depends on what the edit changes. A guard
// is one of the reasons to look at them again, as what it held may go now or the
// other way round. It is no cause to take anything: if it were, one change of a
// guard would give all that another change takes a new limit.
func (m *merged) touch(w world) {
	changed := slices.Concat(m.write, m.gone)
	m.changes.Tenants = m.touched(w, changed)
	m.causes = m.changes.Tenants
	if slices.ContainsFunc(changed, isGuard) {
		m.causes = m.touched(w, slices.DeleteFunc(changed, isGuard))
	}
}

func isGuard(r row) bool { return r.ID.Kind == document.KindGuard }

// touched returns the tenants whose input depends on the changed documents: as
// they were, and as they will be.
func (m *merged) touched(w world, changed []row) []access.TenantID {
	t := touch{named: map[string]bool{},
		users: map[string]bool{}, groups: map[string]bool{}, projects: map[project]bool{},
		platforms: map[string]bool{}, zones: map[string]bool{}, tenants: map[access.TenantID]bool{},
	}
	for _, r := range changed {
		t.start(r)
		if old, ok := m.before[r.ID]; ok {
			t.start(*old)
		}
	}
	// Both views: somebody taken out of a group is reached only over the old
	// one, somebody put in only over the new one.
	rows := slices.Concat(w.rows, m.write)
	t.nameGuarded(w.rows, changed)
	t.spread(rows)
	for id := range w.tombs {
		if t.platform(id.Platform) {
			t.tenants[id] = true
		}
	}
	tenants := make([]access.TenantID, 0, len(t.tenants))
	for id := range t.tenants {
		tenants = append(tenants, id)
	}
	slices.SortFunc(tenants, access.TenantID.Compare)
	return tenants
}

// start notes what one changed document is or belongs to.
func (t *touch) start(r row) {
	switch r.ID.Kind {
	case document.KindProject, document.KindUserBinding, document.KindGroupBinding:
		t.projects[project{r.workspace, r.project}] = true
	case document.KindUser:
		t.users[r.ID.Name] = true
	case document.KindUserGroup:
		t.groups[r.subject] = true
	case document.KindProjectRole:
		t.all = true
	case document.KindPlatform:
		t.platforms[r.platform] = true
	case document.KindGuard:
		for _, platform := range r.members {
			t.platforms[platform] = true
		}
		t.rest = t.rest || len(r.members) == 0
	case document.KindLandingZone:
		t.zones[r.ID.Name] = true
	case document.KindTenant:
		t.tenants[r.tenant()] = true
	case document.KindWorkspace:
		// No tenant's access depends on its workspace's own document.
	}
}

// nameGuarded notes the platforms of guards that stay as they are.
func (t *touch) nameGuarded(stored, changed []row) {
	if !t.rest {
		return
	}
	for _, r := range stored {
		if isGuard(r) && !slices.ContainsFunc(changed, func(c row) bool { return c.ID == r.ID }) {
			for _, platform := range r.members {
				t.named[platform] = true
			}
		}
	}
}

// platform reports whether all tenants of a platform are touched.
func (t *touch) platform(name string) bool { return t.platforms[name] || t.rest && !t.named[name] }

// spread follows the references: groups, then bindings, then tenants.
func (t *touch) spread(rows []row) {
	for _, r := range rows {
		if r.ID.Kind == document.KindUserGroup && slices.ContainsFunc(r.members, func(u string) bool { return t.users[u] }) {
			t.groups[r.subject] = true
		}
	}
	for _, r := range rows {
		person := r.ID.Kind == document.KindUserBinding && t.users[r.subject]
		group := r.ID.Kind == document.KindGroupBinding && t.groups[r.subject]
		if person || group {
			t.projects[project{r.workspace, r.project}] = true
		}
	}
	for _, r := range rows {
		if r.ID.Kind == document.KindTenant && t.reaches(r) {
			t.tenants[r.tenant()] = true
		}
	}
}

// reaches reports whether the tenant depends on anything that changed.
func (t *touch) reaches(r row) bool {
	return t.all || t.projects[project{r.workspace, r.project}] || t.platform(r.platform) || t.zones[r.landingZone]
}
