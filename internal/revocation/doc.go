// Package revocation removes a revoked user from everything on one platform.
//
// A [Remover] finds the user's accounts, removes them from every managed group and role
// there, and verifies that they stay out:
//
//	removed, err := remover.Remove(ctx, run)
//	verified, err := remover.Verify(ctx, run, revocation.Observation{First: true})
//
// The return of Remove is the platform's acceptance. Verify looks once; the caller decides
// when it looks again, by Verified.Wait.
//
// # Places
//
// The ledger has a place for each group and role into which an account was put, or in
// which one was found. A revocation goes to every open place, whatever became of the
// tenant, the documents and the platform. Where a driver lists the memberships of an
// account ([driver.MembershipLister]), every managed set that is listed is a place, too.
// A place that no document reaches any more stays open: the revocation fails and says so.
//
// # Failures
//
// A tenant that cannot be read, or a group that refuses a removal, stops no other. Errors
// wrap one of package fault's; the caller repeats what is not permanent.
//
// The package knows no Temporal. Activities decode, call one method and encode.
package revocation
