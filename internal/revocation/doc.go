// Package revocation removes a revoked user from every managed group and role on one
// platform.
//
// A [Remover] finds the user's accounts, removes them, and verifies that the platform has
// no access of theirs left:
//
//	removed, err := remover.Remove(ctx, run)
//	verified, err := remover.Verify(ctx, run, revocation.Check{First: true})
//
// The return of Remove is the platform's acceptance. Verify checks a part of the tenants
// once; the caller repeats it until Verified.Done, after Verified.Wait.
//
// # Places
//
// The ledger has a place for each group and role to which Rollcall added an account, or in
// which it observed one. A revocation covers every open place, even if the tenant or the
// documents of the tenant or the platform are removed. If a driver lists the memberships of
// an account ([driver.MembershipLister]), every managed set in that list is a place, too.
// A place without any document stays open, and the revocation fails with an error that
// counts such places.
//
// # Failures
//
// A tenant that cannot be read, or a removal that the platform refuses, does not stop the
// others. Errors wrap an error of package fault; the caller retries those that are not
// permanent.
//
// The package does not depend on Temporal. Activities decode, call one method and encode.
package revocation
