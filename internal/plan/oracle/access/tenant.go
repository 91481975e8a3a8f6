package access

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
)

// ErrTenantID reports a text that does not name a tenant.
var ErrTenantID = errors.New("not a tenant")

// TenantID names a tenant: one project of one workspace on one platform.
type TenantID struct {
	Workspace string `json:"workspace"`
	Project   string `json:"project"`
	Platform  string `json:"platform"`
}

// String returns "<workspace>.<project>/<platform>", the form people type and
// read. It holds no personal data and is safe in logs and workflow IDs.
func (t TenantID) String() string {
	return t.Workspace + "." + t.Project + "/" + t.Platform
}

// ProjectID returns "<workspace>.<project>".
func (t TenantID) ProjectID() string { return t.Workspace + "." + t.Project }

// Compare orders tenants by platform, workspace and project.
func (t TenantID) Compare(u TenantID) int {
	return cmp.Or(
		cmp.Compare(t.Platform, u.Platform),
		cmp.Compare(t.Workspace, u.Workspace),
		cmp.Compare(t.Project, u.Project),
	)
}

// ParseTenantID reads the form that String writes. Identifiers of workspaces
// and projects hold no dot; a platform's may ("openstack.eu-1").
func ParseTenantID(s string) (TenantID, error) {
	project, platform, ok := strings.Cut(s, "/")
	workspace, name, dotted := strings.Cut(project, ".")
	if !ok || !dotted || workspace == "" || name == "" || platform == "" ||
		strings.Contains(name, ".") || strings.Contains(platform, "/") {
		return TenantID{}, fmt.Errorf("access: %w: %q: write <workspace>.<project>/<platform>", ErrTenantID, s)
	}
	return TenantID{Workspace: workspace, Project: name, Platform: platform}, nil
}
