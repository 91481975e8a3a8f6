// Package identity decides which account names are the same.
//
// A user of the documents has an euid; a platform's pattern turns it into the name of an
// account; and each platform has a rule by which two names are one account. The rule is a
// Comparison, and its Key is the canonical form of a name:
//
//	identity.IgnoreCase.Key("Ana@Example.com") == identity.IgnoreCase.Key("ana@example.com")
//	identity.Exact.Key("ana") != identity.Exact.Key("Ana")
//
// Apply, the checks for collisions, drivers, explain and revocation compare account names
// by these keys and by nothing else. A key folds ASCII letters only: full Unicode case
// mapping makes "k" of the Kelvin sign and "i" of a dotted capital I, and so gives a
// look-alike the account of another user.
//
// Check refuses names that no user can tell apart by looking at them. Quote and Similar are
// for messages: they show what cannot be seen, and say how a name that exists differs from
// the one that was asked for.
package identity
