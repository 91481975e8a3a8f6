package store

import (
	"fmt"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/identity"
)

// row is one document with what it refers to, as a row of table documents.
type row struct {
	document.Document
	refs
}

// refs are the names that a document holds, by which it is found again.
type refs struct {
	workspace, project, platform, landingZone string
	// subject is a binding's, and a user group's own name: what bindings call it. A user's is
	// the search key of the euid, by which users of one account are found.
	subject string
	// members are a user group's; the platforms that a guard names.
	members []string
}

// newRow reads the references out of a document.
func newRow(d document.Document) (row, error) {
	parsed, err := document.Parse(d)
	if err != nil {
		return row{}, fmt.Errorf("store: %w", err)
	}
	r := row{Document: d}
	switch o := parsed.(type) {
	case document.Workspace:
		r.workspace = o.Name
	case document.Project:
		r.workspace, r.project = o.Workspace, o.Name
	case document.User:
		r.subject = identity.SearchKey(strings.TrimSpace(o.EUID))
	case document.UserGroup:
		r.workspace, r.subject, r.members = o.Workspace, o.Name, o.Members
	case document.Binding:
		r.workspace, r.project, r.subject = o.Workspace, o.Project, o.Subject
	case document.Platform:
		r.platform = o.Identifier()
	case document.Guard:
		r.members = o.Platforms
	case document.LandingZone:
		r.platform = o.Platform
	case document.Tenant:
		r.workspace, r.project, r.platform, r.landingZone = o.Workspace, o.Project, o.Platform, o.LandingZone
	}
	return r, nil
}

// tenant names the tenant that the row is a document of.
func (r row) tenant() access.TenantID {
	return access.TenantID{Workspace: r.workspace, Project: r.project, Platform: r.platform}
}
