// Package aws simulates what Rollcall needs of AWS: Identity Store, SSO Admin
// (IAM Identity Center), Organizations and STS, all behind one address. The
// header X-Amz-Target tells the services apart; STS speaks the query protocol.
//
// Shapes, limits, patterns and error names are those of the service models that
// the vendor's SDK for Go and its command line are made from. Requests are
// signed (Signature Version 4) by an access key that is known, in time, and for
// the service that they are sent to.
//
// It is strict where the vendor's behaviour is not written down: a field that no
// model has is refused, deleting an assignment that is not there ends FAILED,
// assignments stay when their group is deleted, more than ten changes of
// assignments at once are a ConflictException, and so is a second one for an
// account.
//
// What it does not have: Amazon Resource Names in the place of ids (newer models
// allow both), DescribeIdentityStore and all of SSO Admin that is not about
// account assignments (applications, trusted token issuers, inline policies, tags),
// users' extensions, addresses, phones and photos, updates of anything but names and descriptions, external ids,
// the policies of the callers (every known key may do everything), session
// policies and MFA, organizational units, other regions and partitions, and the
// signatures of web identity tokens (their claims and times are checked).
package aws
