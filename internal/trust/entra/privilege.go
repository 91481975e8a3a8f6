package entra

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// Privilege is a role that an application or identity with credentials holds.
type Privilege struct {
	// Role is the name or the ID of a role of Azure or of an application role of Microsoft
	// Graph. The ID may be a resource ID that ends in it.
	Role string
	// Actions and NotActions are those of a custom role of Azure, with * for any text.
	Actions, NotActions []string
	// Scope is what the role is about, such as a subscription; empty if it is the tenant.
	Scope string
	// Requested is true if the application only requests the role: an administrator grants
	// it once.
	Requested bool
	At        trust.Position
}

// title returns the name of a role with which its holder can give itself any other; "" for
// other roles.
//
// Sources: learn.microsoft.com/azure/role-based-access-control/built-in-roles,
// learn.microsoft.com/graph/permissions-reference.
func (p Privilege) title() string {
	role := strings.ToLower(p.Role[strings.LastIndexByte(p.Role, '/')+1:])
	switch strings.Trim(role, "[]()'\" ") {
	case "owner", "8e3af657-a8ff-443c-a75c-2fe8c4bcb635":
		return "Owner"
	case "user access administrator", "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9":
		return "User Access Administrator"
	case "role based access control administrator", "f58310d9-a9f6-439a-9e8d-f62e7b41a168":
		return "Role Based Access Control Administrator"
	case "approleassignment.readwrite.all", "06b708a9-e830-4db3-a914-8e69da51d44f":
		return "AppRoleAssignment.ReadWrite.All"
	case "rolemanagement.readwrite.directory", "9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8":
		return "RoleManagement.ReadWrite.Directory"
	case "application.readwrite.all", "1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9":
		return "Application.ReadWrite.All"
	}
	if action := p.privilegedAction(); action != "" {
		return "the custom role " + p.Role + ", which allows " + action + ","
	}
	return ""
}

// privilegedAction returns an action of a custom role with which its holder can give itself any
// other role; "" if it has none.
// Source: learn.microsoft.com/azure/role-based-access-control/role-definitions.
func (p Privilege) privilegedAction() string {
	for _, action := range []string{
		"Microsoft.Authorization/roleAssignments/write", "Microsoft.Authorization/roleDefinitions/write",
		"Microsoft.Authorization/elevateAccess/action",
	} {
		allows := func(pattern string) bool { return matches(strings.ToLower(pattern), strings.ToLower(action)) }
		if slices.ContainsFunc(p.Actions, allows) && !slices.ContainsFunc(p.NotActions, allows) {
			return action
		}
	}
	return ""
}

// privileged reports W16: applications and identities with credentials that hold a role with
// which they can get any other. There is one finding for each application and grant.
func privileged(credentials []Credential) []trust.Finding {
	type grant struct {
		app, role string
		at        trust.Position
	}
	seen := map[grant]bool{}
	var findings []trust.Finding
	for _, c := range credentials {
		for _, p := range c.Privileges {
			g := grant{c.Application, p.title(), p.At}
			if g.role == "" || c.Application != "" && seen[g] {
				continue
			}
			seen[g] = true
			findings = append(findings, p.finding(c))
		}
	}
	return findings
}

// finding returns the finding for a privilege of a credential's application.
func (p Privilege) finding(c Credential) trust.Finding {
	issuer, scope, holds := c.Issuer, "the tenant", "has"
	if c.unknown(Issuer) || issuer == "" {
		issuer = "an issuer that the file does not say"
	}
	if p.Scope != "" {
		scope = p.Scope
	}
	if p.Requested {
		holds = "requests"
	}
	return trust.Finding{
		File: p.At.File, Line: p.At.Line, Trust: c.Name, Rule: "W16", Severity: trust.High,
		Message: fmt.Sprintf("A token of %s is enough to act as the application or identity, which %s %s on %s: it can give "+
			"itself any other role there.", issuer, holds, p.title(), scope),
		Fix: "Assign the role that the workload needs, and leave this one to an identity that no outside issuer reaches.",
	}
}
