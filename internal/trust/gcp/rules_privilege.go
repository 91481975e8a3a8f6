package gcp

import (
	"fmt"
	"path"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// tokenCreator lets a principal act as a service account, as workloadIdentityUser does. A
// grant of it on a project is also a privilege.
// Source: https://cloud.google.com/iam/docs/service-account-permissions.
const tokenCreator = "roles/iam.serviceAccountTokenCreator" //nolint:gosec // the name of a role

// privilege is a role that a principal holds.
type privilege struct {
	role, resource string
	at             trust.Position
}

// accesses are what service accounts hold and as which others they can act.
type accesses struct {
	// privileges and accounts are by the email of a service account.
	privileges map[string][]privilege
	accounts   map[string][]string
	roles      roles
}

// accessesOf reads what policies grant to service accounts. A binding with a condition
// grants less than its role, which the files do not decide.
func accessesOf(policies []Policy, roles roles) accesses {
	a := accesses{privileges: map[string][]privilege{}, accounts: map[string][]string{}, roles: roles}
	for _, p := range policies {
		for _, b := range p.Bindings {
			if b.Condition != "" {
				continue
			}
			for _, name := range b.Members {
				if email, ok := strings.CutPrefix(name, "serviceAccount:"); ok {
					a.add(p, b, email, line(b.At, b.Lines, name))
				}
			}
		}
	}
	return a
}

// add adds a role of a service account.
func (a accesses) add(p Policy, b Binding, email string, at trust.Position) {
	email = inDirectory(email, p.At.File)
	if a.isPrivilege(p, b.Role) {
		a.privileges[email] = append(a.privileges[email], privilege{b.Role, p.Resource, at})
		return
	}
	if account, ok := p.account(); ok && a.roles.isImpersonation(b.Role) && account != email {
		a.accounts[email] = append(a.accounts[email], account)
	}
}

// isPrivilege reports whether a role is a privilege on the policy's resource: to make tokens
// of one service account is not, of all of a project is.
func (a accesses) isPrivilege(p Policy, role string) bool {
	return a.roles.isPrivilege(role, p.container() != "")
}

// account returns the email of the service account that a policy is of, or what stands for
// it; false if the policy is of a project, a folder or an organization.
func (p Policy) account() (string, bool) {
	if p.container() != "" {
		return "", false
	}
	if p.Resource == "" {
		return fmt.Sprintf("%s:%d", p.At.File, p.At.Line), true
	}
	return inDirectory(p.Resource[strings.LastIndexByte(p.Resource, '/')+1:], p.At.File), true
}

// unknownProject is the project in an email that a reader of Terraform does not know.
const unknownProject = "@PROJECT."

// inDirectory returns an email, with the directory of its file if the project is not known:
// another directory may mean another project.
func inDirectory(email, file string) string {
	if strings.Contains(email, unknownProject) {
		return email + " of " + path.Dir(file)
	}
	return email
}

// reached returns a service account and those as which it can act, over any number of steps.
func (a accesses) reached(account string) []string {
	all, seen := []string{account}, map[string]bool{account: true}
	for i := 0; i < len(all) && len(all) < maxAccounts; i++ {
		for _, next := range a.accounts[all[i]] {
			if !seen[next] {
				seen[next] = true
				all = append(all, next)
			}
		}
	}
	return all
}

// maxAccounts bounds as how many service accounts a member may act, and maxPrivileges how many
// privileges are reported of it. One is enough to get any other access.
const (
	maxAccounts   = 1000
	maxPrivileges = 10
)

// checkPrivileges reports W16: members that hold a privilege, or that can act as a service
// account that holds one. The finding is at the grant.
func checkPrivileges(members []member, policies []Policy, roles roles, report *findings) {
	a := accessesOf(policies, roles)
	for _, m := range members {
		if m.wrongForm || m.binding.Condition != "" {
			continue
		}
		if a.isPrivilege(m.policy, m.binding.Role) {
			m.addPrivilege(report, privilege{m.binding.Role, m.policy.Resource, m.at}, "the member has")
			continue
		}
		account, ok := m.policy.account()
		if !ok || !roles.isImpersonation(m.binding.Role) {
			continue
		}
		m.addAccounts(report, a, account)
	}
}

// addAccounts reports the privileges of the service accounts as which a member can act.
func (m member) addAccounts(report *findings, a accesses, account string) {
	reported := 0
	for _, other := range a.reached(account) {
		for _, p := range a.privileges[other] {
			if reported++; reported > maxPrivileges {
				return
			}
			email, _, _ := strings.Cut(other, " of ")
			m.addPrivilege(report, p, "the member can act as "+email+", which has")
		}
	}
}

func (m member) addPrivilege(report *findings, p privilege, holder string) {
	on := p.resource
	if on == "" {
		on = "the resource of its policy"
	}
	report.add(p.at, m.title(), "W16", trust.High,
		fmt.Sprintf("%s %s on %s: a token of the workload is enough to get any other access there", holder, p.role, on),
		"Grant the roles that the workload needs, and leave this one to an identity that no outside issuer reaches.")
}

// checkShared reports G11: a service account as which more than one member can act. There is
// one finding for each account, at its second member.
func checkShared(members []member, roles roles, report *findings) {
	first := map[string]member{}
	reported := map[string]bool{}
	for _, m := range members {
		account, ok := m.policy.account()
		if !ok || m.wrongForm || !roles.isImpersonation(m.binding.Role) {
			continue
		}
		other, found := first[account]
		switch {
		case !found:
			first[account] = m
		case other.inPool() != m.inPool() && !reported[account]:
			reported[account] = true
			m.add(report, "G11", trust.Medium,
				fmt.Sprintf("two members can act as the service account, this one and %s: its log does not tell them apart, "+
					"and what one of them needs, the other has", other.inPool()),
				"Use a service account for each workload, or grant roles to the principals themselves.")
		}
	}
}

// inPool names a member without its project, which two files may write in two ways.
func (m member) inPool() string {
	_, rest, _ := strings.Cut(m.name, "/workloadIdentityPools/")
	return rest
}
