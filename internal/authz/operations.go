package authz

import (
	"fmt"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
)

// Operation is a method of control.Service.
type Operation string

// Limit is how far a role of single workspaces goes in an operation.
type Limit int

// The values of Limit.
const (
	// Whole operations have no part of a workspace: only roles of all of Rollcall allow them.
	Whole Limit = iota
	// OfTenants operations are about tenants: those of the role's workspaces, see Scope and
	// AllowTenants.
	OfTenants
	// OfDocuments operations read documents, see Visible.
	OfDocuments
	// OfChanges operations change documents, or plan their change, see AllowChanges.
	OfChanges
)

// OperationRule says which callers may call an operation.
type OperationRule struct {
	Operation Operation
	// Roles are those that allow it. The role admin does, too, whether it is named or not.
	Roles []document.PolicyRole
	Limit Limit
	// FourEyes are the actions of the operation that need a second user.
	FourEyes []Action
	Reason   string
}

// Operations returns the rule of every operation. One that has none is denied.
func Operations() []OperationRule {
	viewer, editor, operator := document.RoleViewer, document.RoleEditor, document.RoleOperator
	approver, security, admin := document.RoleApprover, document.RoleSecurity, document.RoleAdmin
	roles := func(others ...document.PolicyRole) []document.PolicyRole { return append(others, admin) }
	readers := roles(viewer, editor, operator, approver, security)
	stores := []Action{ChangeGuard, GrantPrivilegedRole}
	return []OperationRule{
		{"Get", readers, OfDocuments, nil, "a reader sees the documents of its workspaces and what they refer to"},
		{"Export", roles(security), Whole, nil, "an export has every document, policies and the numbers of tenants among them"},
		{"Apply", roles(editor, operator), OfChanges, stores, "each changed document has a rule of its own"},
		{"ApplyPlan", roles(editor, operator), OfChanges, stores, "it stores a change as apply does"},
		{"Delete", roles(editor, operator), OfChanges, []Action{ChangeGuard}, "it is a change of one document"},
		{"ListTenants", readers, OfTenants, nil, "a reader sees the tenants of its workspaces"},
		{"Replicate", roles(editor, operator), OfTenants, nil, "it brings platforms to what the documents say already"},
		{"Status", readers, OfTenants, nil, "a reader sees the tenants of its workspaces"},
		{"Explain", readers, OfTenants, nil, "the answer names the users and accounts of one tenant"},
		{"Plan", readers, OfTenants, nil, "a plan names the members of a tenant's groups and changes nothing"},
		{"PlanDocuments", readers, OfChanges, nil, "it stores nothing; the documents must be readable, so that no plan shows others"},
		{"ListPending", readers, OfTenants, nil, "a reader sees what waits on the tenants of its workspaces"},
		{"Decide", roles(approver), Whole, []Action{ApproveRemoval, CopyGrant}, "an approval removes access, or copies an external grant"},
		{"ListDecisions", readers, OfTenants, nil, "a reader sees the decisions about the tenants of its workspaces"},
		{"ListAdoptions", readers, OfTenants, nil, "a reader sees the adoptions of the tenants of its workspaces"},
		{"ListAdoptable", readers, OfTenants, nil, "the names of the groups follow from documents that the caller can read"},
		{"Adopt", roles(approver), Whole, []Action{Adopt}, "an adopted group may hold rights that no document gives"},
		{"ListRevocations", roles(operator, security), Whole, nil, "revocations name users and reasons of all workspaces"},
		{"GetRevocation", roles(operator, security), Whole, nil, "a revocation names a user, a reason and places in all workspaces"},
		{"Revoke", roles(security), Whole, nil, "it takes all access of a user at once; it needs no second user, as it must not wait"},
		{"Lift", roles(security), Whole, []Action{Lift}, "it gives back access that was revoked"},
		{"ListConnections", roles(operator, security), Whole, nil, "a report names the accounts and limits of the workers"},
		{"CheckConnections", roles(operator), Whole, nil, "every worker calls every platform"},
		{"ListAbandoned", roles(operator, security), Whole, nil, "a record says what Rollcall gave up to remove, and why"},
		{"ListFormerConnections", roles(operator), Whole, nil, "former documents had endpoints and names of secrets"},
		{"ListCalls", roles(security), Whole, nil, "a record has the parameters of calls about all workspaces"},
		{"Forget", roles(), Whole, []Action{Forget}, "Rollcall gives up what it still has to remove on a platform"},
	}
}

// tables are the rules, made once for all questions.
type tables struct {
	operations map[Operation]OperationRule
	changes    []ChangeRule
}

func newTables() *tables {
	t := &tables{operations: map[Operation]OperationRule{}, changes: Changes()}
	for _, rule := range Operations() {
		t.operations[rule.Operation] = rule
	}
	return t
}

// rule returns the rule of an operation; false if it has none.
func (r Rights) rule(op Operation) (OperationRule, bool) {
	if r.tables == nil {
		return OperationRule{}, false
	}
	rule, ok := r.tables.operations[op]
	return rule, ok
}

// Allow decides whether the caller may call the operation at all. Operations about tenants,
// documents and changes need a second question about them.
func (r Rights) Allow(op Operation) Decision {
	rule, ok := r.rule(op)
	if !ok {
		return Decision{Reason: fmt.Sprintf("Rollcall has no rule for the operation %q and denies it", op)}
	}
	for _, g := range r.by(rule.Roles) {
		if rule.Limit != Whole || g.in.All() {
			return allow(g)
		}
	}
	return r.missing(string(op), rule.Roles)
}

// Scope returns the workspaces for which the caller may call an operation about tenants: the
// answers of lists have the tenants of these alone. It is none for other operations.
func (r Rights) Scope(op Operation) Workspaces {
	rule, ok := r.rule(op)
	if !ok || rule.Limit != OfTenants {
		return Workspaces{}
	}
	return r.in(rule.Roles)
}

// AllowTenants decides whether the caller may call an operation for all of the tenants. Without
// tenants it is Allow: a list is limited to Scope.
func (r Rights) AllowTenants(op Operation, tenants ...access.TenantID) Decision {
	d := r.Allow(op)
	rule, _ := r.rule(op)
	if !d.Allowed || rule.Limit == Whole {
		return d
	}
	if rule.Limit != OfTenants {
		return Decision{Reason: fmt.Sprintf("the operation %s is not about tenants", op)}
	}
	for _, tenant := range tenants {
		i := slices.IndexFunc(r.by(rule.Roles), func(g grant) bool { return g.in.Has(tenant.Workspace) })
		if i < 0 {
			return r.missing(fmt.Sprintf("%s of the tenant %s", op, tenant), rule.Roles)
		}
		d = allow(r.by(rule.Roles)[i])
	}
	return d
}
