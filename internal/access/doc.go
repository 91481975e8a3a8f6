// Package access holds the nouns of Rollcall: tenants, accounts, groups,
// members, bindings, and the remarks that explain what could not be done.
//
// A group has members and a binding has subjects; both are sets. A binding's
// subject is one of the tenant's groups, or the people themselves on platforms
// that have no groups. That is why one planner serves every platform.
//
// The package depends on the standard library only and does no I/O.
package access
