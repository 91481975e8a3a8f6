// Package cloudfoundry replicates access into Cloud Foundry through the Cloud
// Controller's API v3: roles that people have in spaces, and in the
// organizations of those.
//
// # What exists there
//
// A tenant is a space, "<space guid>", or "<organization guid>/<space guid>" to
// have its organization checked. Each role of each person is an object of its
// own, without a place for a mark: ownership is the ledger's alone. Roles in an
// organization count for all its spaces, so its tenants share them. A role in a
// space needs organization_user, which the Cloud Controller keeps while the
// person has a role in any of the organization's spaces.
//
// People are UAA's. The Cloud Controller knows those who have signed in or been
// given something, and finds them by user name whatever the case of its letters.
// People of the same name may come from several origins: settings name one, or
// they are ambiguous.
//
// # How it is read
//
// One list has the roles in up to 150 spaces with their people, and one those in
// the organizations of these spaces. A space without any role takes one call
// more to know that it is there. Where marks are asked for, as before a removal,
// the other spaces of the organizations are read too: organization_user is in
// use while somebody has a role in one of them.
//
// A list is all of its pages or an error: the number of entries must be the one
// that every page tells.
//
// # What it does with go-cfclient
//
// Its resources are what is decoded and sent here. Its client is not used: it
// takes a next page whose address it cannot read for the last one, drops the
// header that says when to come back, and calls the platform to be made.
package cloudfoundry
