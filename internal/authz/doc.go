// Package authz decides what a caller may do in Rollcall.
//
// A Caller is an actor with the claims of its token. Policies are the AccessPolicy documents;
// they give the caller Rights: roles, some of them in named workspaces only. Rights answer each
// question about an operation of control.Service with a Decision: may the caller call it
// (Allow), for these tenants (AllowTenants), to change these documents (AllowChanges), and
// which documents may the caller read (Visible). FourEyes says whether an actor may decide
// about changes that others caused.
//
//	policies, err := authz.Compile(documents)
//	rights := policies.Rights(caller)
//	decision := rights.AllowTenants("Replicate", tenant)
//
// What no line of the tables Operations and Changes allows is denied. The package is pure:
// tokens are checked before, and the caller of this package loads the documents.
package authz
