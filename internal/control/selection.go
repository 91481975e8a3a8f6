package control

import (
	"context"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// Selection chooses tenants.
type Selection struct {
	// Tenants are chosen by name, and exclude All.
	Tenants []access.TenantID `json:"tenants,omitempty"`
	All     bool              `json:"all,omitempty"`
	// Workspace, Project and Platform choose the tenants that match all of them. A project
	// needs its workspace.
	Workspace string `json:"workspace,omitempty"`
	Project   string `json:"project,omitempty"`
	Platform  string `json:"platform,omitempty"`
}

// KindRevocation is the kind of errors about a revocation, which has the name of its user.
const KindRevocation = "revocation"

// kindTenant and kindUser are the kinds of errors about tenants and users.
const (
	kindTenant = "tenant"
	kindUser   = "user"
)

// IsEmpty reports whether the selection chooses nothing.
func (s Selection) IsEmpty() bool {
	return len(s.Tenants) == 0 && !s.All && s.Workspace == "" && s.Project == "" && s.Platform == ""
}

// IsWhole reports whether the selection chooses whole platforms, which a sweep compares in few
// calls.
func (s Selection) IsWhole() bool { return len(s.Tenants) == 0 && s.Workspace == "" && s.Project == "" }

// Validate reports a selection that chooses nothing, or contradicts itself.
func (s Selection) Validate() error {
	switch {
	case s.IsEmpty():
		return invalidField("tenants", "choose tenants by name, project, workspace or platform, or choose all")
	case s.All && len(s.Tenants) > 0:
		return invalidField("all", "name tenants or all, not both")
	case s.Project != "" && s.Workspace == "":
		return invalidField("workspace", "the project %q needs its workspace", s.Project)
	}
	return nil
}

// ListTenants is that of Tenants.
func (l *Local) ListTenants(ctx context.Context, s Selection) ([]access.TenantID, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	db, err := l.Store(ctx)
	if err != nil {
		return nil, err
	}
	found, err := db.Tenants(ctx, store.TenantFilter{
		IDs: s.Tenants, Workspace: s.Workspace, Project: s.Project, Platform: s.Platform,
	})
	if err != nil {
		return nil, err
	}
	stored := make(map[access.TenantID]bool, len(found))
	for _, id := range found {
		stored[id] = true
	}
	for _, id := range s.Tenants {
		if !stored[id] {
			return nil, notFound(kindTenant, id.String())
		}
	}
	if len(found) == 0 && !s.All {
		return nil, &Error{Code: NotFound, Kind: kindTenant, Message: "no tenant matches"}
	}
	return found, nil
}
