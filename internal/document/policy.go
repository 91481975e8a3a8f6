package document

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// PolicyRole is a role in Rollcall that an AccessPolicy gives. Package authz says what it allows.
type PolicyRole string

// The roles in Rollcall.
const (
	RoleViewer   PolicyRole = "viewer"
	RoleEditor   PolicyRole = "editor"
	RoleOperator PolicyRole = "operator"
	RoleApprover PolicyRole = "approver"
	RoleSecurity PolicyRole = "security"
	RoleAdmin    PolicyRole = "admin"
)

// PolicyRoles returns all roles, those of single workspaces first.
func PolicyRoles() []PolicyRole {
	return []PolicyRole{RoleViewer, RoleEditor, RoleOperator, RoleApprover, RoleSecurity, RoleAdmin}
}

// OfWorkspaces reports whether the role can be limited to workspaces.
func (r PolicyRole) OfWorkspaces() bool { return r == RoleViewer || r == RoleEditor }

// AccessPolicy gives roles in Rollcall to callers.
type AccessPolicy struct {
	Name        string
	Description string
	Rules       []PolicyRule
	Users       []PolicyUsers
}

// PolicyUsers says which meshUser a verified user is: the one whose euid a claim of the token
// has. Workspace bindings give rights to meshUsers.
type PolicyUsers struct {
	Issuer string `json:"issuer"`
	// EUIDClaim is the path of a claim that users cannot change, such as oid.
	EUIDClaim string `json:"euidClaim"`
}

// PolicyRule gives roles to the callers that it describes.
type PolicyRule struct {
	Callers PolicyCallers `json:"callers"`
	Roles   []PolicyRole  `json:"roles"`
	// Workspaces limit the roles viewer and editor. Nil means all workspaces.
	Workspaces []string `json:"workspaces"`
}

// PolicyCallers describes callers. All fields that are set must match, exactly.
type PolicyCallers struct {
	Issuer  string `json:"issuer"`
	Subject string `json:"subject"`
	// Claims are the values that match, by the path of a claim.
	Claims map[string][]string `json:"claims"`
	// OSUser is <user>@<host>. No other field is set beside it.
	OSUser string `json:"osUser"`
}

type wirePolicy struct {
	wireEnvelope
	Metadata struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Spec struct {
		Description string        `json:"description"`
		Rules       []PolicyRule  `json:"rules"`
		Users       []PolicyUsers `json:"users"`
	} `json:"spec"`
}

func (w *wirePolicy) name() string { return w.Metadata.Name }

func (w *wirePolicy) typed() (any, error) {
	return AccessPolicy{Name: w.Metadata.Name, Description: w.Spec.Description, Rules: w.Spec.Rules, Users: w.Spec.Users}, nil
}

// policy checks rules that would give nothing, or something else than they seem to. Workspaces
// need not exist: a policy may be there before them, and gives nothing until then.
func (c *checker) policy(i int, p AccessPolicy) {
	issuers := map[string]string{}
	for n, rule := range p.Rules {
		at := "spec.rules[" + strconv.Itoa(n) + "]."
		from := rule.Callers
		if from.OSUser != "" && (from.Issuer != "" || from.Subject != "" || len(from.Claims) > 0) {
			c.add(i, at+"callers.osUser", "stands beside fields of a token, and no caller has both: make two rules of them")
		}
		c.limited(i, at, rule)
		if from.Issuer == "" {
			continue
		}
		key := strings.TrimRight(from.Issuer, "/")
		if first, found := issuers[key]; found && first != from.Issuer {
			c.add(i, at+"callers.issuer", fmt.Sprintf(
				"differs from the issuer of an earlier rule in the slash at its end only, and tokens have one of the two: %s and %s",
				quoted(first), quoted(from.Issuer)))
			continue
		}
		issuers[key] = from.Issuer
	}
	c.policyUsers(i, p)
}

// mutableClaims are claims of OpenID Connect Core 1.0, section 5.1, and of Microsoft Entra
// that users or their administrators change, and that another user may get later.
func mutableClaims() []string {
	return []string{
		"email", "emails", "preferred_username", "upn", "unique_name", "name", "nickname", "given_name", "family_name", "phone_number",
	}
}

// policyUsers checks which claims name meshUsers.
func (c *checker) policyUsers(i int, p AccessPolicy) {
	issuers := map[string]bool{}
	for n, users := range p.Users {
		at := "spec.users[" + strconv.Itoa(n) + "]."
		if slices.Contains(mutableClaims(), strings.ToLower(users.EUIDClaim)) {
			c.add(i, at+"euidClaim", quoted(users.EUIDClaim)+" can change, and pass to another user: "+
				"write a claim that the issuer never changes, such as oid or sub, and have it as spec.euid of the users")
		}
		if issuers[users.Issuer] {
			c.add(i, at+"issuer", "is there twice: a user of an issuer is known by one claim")
		}
		issuers[users.Issuer] = true
	}
}

// limited checks the roles of a rule that is limited to workspaces.
func (c *checker) limited(i int, at string, rule PolicyRule) {
	if len(rule.Workspaces) == 0 {
		return
	}
	for m, role := range rule.Roles {
		if !role.OfWorkspaces() {
			c.add(i, at+"roles["+strconv.Itoa(m)+"]", quoted(string(role))+
				" is for all of Rollcall, and the rule is limited to workspaces: write another rule for it, without workspaces")
		}
	}
}
