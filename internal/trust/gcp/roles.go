package gcp

import "slices"

// Role is a custom role. Roles that Google defines are known by their names.
type Role struct {
	// Name is projects/P/roles/ID or organizations/N/roles/ID, as bindings have it.
	Name        string
	Permissions []string
}

// roles tell what roles lead to. They are the permissions of custom roles by name.
type roles map[string][]string

func newRoles(custom []Role) roles {
	r := roles{}
	for _, one := range custom {
		r[one.Name] = append(r[one.Name], one.Permissions...)
	}
	return r
}

// isImpersonation reports whether a role on a service account lets a principal act as it.
func (r roles) isImpersonation(role string) bool {
	switch role {
	case workloadIdentityUser, tokenCreator:
		return true
	default:
		return slices.ContainsFunc(r[role], isImpersonation)
	}
}

// isImpersonation reports whether a permission on a service account lets its holder act as it.
// Source: https://cloud.google.com/iam/docs/service-account-impersonation.
func isImpersonation(permission string) bool {
	switch permission {
	case "iam.serviceAccounts.getAccessToken", "iam.serviceAccounts.implicitDelegation", "iam.serviceAccounts.signBlob",
		"iam.serviceAccounts.signJwt", "iam.serviceAccounts.setIamPolicy", "iam.serviceAccountKeys.create":
		return true
	default:
		return false
	}
}

// isPrivilege reports whether a role lets its holder take over a project or get more roles.
// Some roles do so only on a project, a folder or an organization.
// Source: https://cloud.google.com/iam/docs/best-practices-service-accounts, on lateral
// movement and privilege escalation, and https://cloud.google.com/iam/docs/roles-permissions.
func (r roles) isPrivilege(role string, onContainer bool) bool {
	switch role {
	case "roles/owner", "roles/editor", "roles/iam.serviceAccountKeyAdmin", "roles/iam.workloadIdentityPoolAdmin",
		"roles/resourcemanager.projectIamAdmin":
		return true
	case tokenCreator, "roles/iam.serviceAccountAdmin", "roles/iam.securityAdmin", "roles/iam.roleAdmin",
		"roles/iam.organizationRoleAdmin", "roles/resourcemanager.folderAdmin", "roles/resourcemanager.folderIamAdmin",
		"roles/resourcemanager.organizationAdmin":
		return onContainer
	default:
		return onContainer && slices.ContainsFunc(r[role], isPrivilege)
	}
}

// isPrivilege reports whether a permission on a project, a folder or an organization lets its
// holder get more roles, or act as each service account below it.
func isPrivilege(permission string) bool {
	switch permission {
	case "resourcemanager.projects.setIamPolicy", "resourcemanager.folders.setIamPolicy", "resourcemanager.organizations.setIamPolicy",
		"iam.roles.update", "iam.workloadIdentityPoolProviders.create", "iam.workloadIdentityPoolProviders.update":
		return true
	default:
		return isImpersonation(permission)
	}
}
