package authz

import (
	"fmt"
	"slices"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
)

// Bindings are the stored documents that decide which workspace bindings give rights to a
// caller. Documents of other callers beside them change nothing.
type Bindings struct {
	// Documents are the users with the caller's euid, the user groups that have one of them as
	// a member, the groups with the names of these, and the workspace bindings of all of them.
	Documents []document.Document
	// Revoked are the users whose access is revoked.
	Revoked []document.Revocation
	// Now is the time with which the ends of bindings are compared.
	Now time.Time
}

// EUID returns the euid that the policies find in the claims of a verified user. It is empty
// for other callers, and where two policies find different ones.
func (p *Policies) EUID(c Caller) string {
	issuer, _, verified := c.Actor.Verified()
	if !verified || c.Actor.Kind != access.VerifiedUser || c.Claims == nil {
		return ""
	}
	euid := ""
	for _, users := range p.users {
		if users.Issuer != issuer {
			continue
		}
		found, ok := c.Claims.Strings(users.EUIDClaim)
		if !ok || len(found) != 1 || found[0] == "" || euid != "" && euid != found[0] {
			return ""
		}
		euid = found[0]
	}
	return euid
}

// RightsWith returns the rights that the policies give to a caller, and those of workspace
// bindings: an owner or a manager is an editor of the workspace, a member a viewer. The caller is
// the one meshUser with exactly its euid; a revoked user, and one of two with an euid, has no
// rights by bindings.
func (p *Policies) RightsWith(c Caller, b Bindings) (Rights, error) {
	r := p.Rights(c)
	m, err := b.membership(p.EUID(c))
	if err != nil || m.user == "" {
		return r, err
	}
	for _, d := range b.Documents {
		typed, err := document.Parse(d)
		if err != nil {
			return Rights{}, fmt.Errorf("authz: %w", err)
		}
		binding, ok := typed.(document.WorkspaceBinding)
		if !ok || binding.HasEnded(b.Now) || !m.has(d.ID.Kind, binding) {
			continue
		}
		if role := roleOf(binding.Role); role != "" {
			r.grants = append(r.grants, grant{role, "the " + d.ID.String(), workspacesOf([]string{binding.Workspace})})
		}
	}
	return r, nil
}

// roleOf returns the role in Rollcall of a workspace role; empty for one that gives none.
func roleOf(role document.WorkspaceRole) document.PolicyRole {
	switch role {
	case document.WorkspaceOwner, document.WorkspaceManager:
		return document.RoleEditor
	case document.WorkspaceMember:
		return document.RoleViewer
	default:
		return ""
	}
}

// membership is a meshUser with the user groups that bindings may name.
type membership struct {
	// user is empty for a caller who is no meshUser, or whose access is revoked.
	user   string
	groups map[document.ID]document.UserGroup
}

// membership returns the user who has the euid.
func (b Bindings) membership(euid string) (membership, error) {
	m := membership{groups: map[document.ID]document.UserGroup{}}
	if euid == "" {
		return m, nil
	}
	var found []string
	for _, d := range b.Documents {
		typed, err := document.Parse(d)
		if err != nil {
			return m, fmt.Errorf("authz: %w", err)
		}
		switch v := typed.(type) {
		case document.User:
			if v.EUID == euid {
				found = append(found, v.Name)
			}
		case document.UserGroup:
			m.groups[d.ID] = v
		}
	}
	if len(found) != 1 || slices.ContainsFunc(b.Revoked, func(r document.Revocation) bool {
		return r.Names(document.User{Name: found[0], EUID: euid})
	}) {
		return m, nil
	}
	m.user = found[0]
	return m, nil
}

// has reports whether a binding is that of the user, directly or through a user group. A group's
// name means the group of the workspace, else the global one.
func (m membership) has(kind document.Kind, b document.WorkspaceBinding) bool {
	if kind == document.KindWorkspaceUserBinding {
		return b.Subject == m.user
	}
	group, ok := m.groups[document.UserGroupID(b.Workspace, b.Subject)]
	if !ok {
		group = m.groups[document.UserGroupID("", b.Subject)]
	}
	return slices.Contains(group.Members, m.user)
}
