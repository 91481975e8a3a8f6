// Package google simulates the parts of Google Cloud that hold people's access:
// Cloud Identity v1 (groups and memberships), the Admin SDK's Directory v1
// (users), Cloud Resource Manager v3 and v1 (projects and their policies), Cloud
// Asset v1 (searchAllIamPolicies), and the token endpoints of OAuth 2 (JWT bearer
// of service accounts, the Security Token Service, and IAM Credentials'
// generateAccessToken). All of them answer under one address, by their paths.
// Shapes come from the discovery documents in google.golang.org/api, and a test
// holds every answer against them.
//
// # Where it is as unpleasant as the real one
//
// A group or membership that does not exist is refused with 403 and "(or it may
// not exist)", a project that does not exist with a plain 403. Reads of groups,
// memberships and users lag behind writes by Options.Stale; a policy that names
// a group younger than Options.IAMLag is refused with 400. Two writes to the
// members of one group at the same time end with 409 ABORTED. Lists give fewer
// entries than asked for when Options.PageSize says so. How far which read lags is
// a guess: Google publishes no numbers. A group's address never changes. A
// policy with conditions is cut for callers that do not ask for version 3, and
// cannot be written by those that do not write it; basic roles take none. A project
// can permit the principals of some domains only, and refuses others, and groups that
// IAM does not know yet, with 400 FAILED_PRECONDITION. Members
// of a policy whose group was deleted become "deleted:group:…?uid=…".
//
// # What it does not have
//
// Everything about groups but discussion forums and security groups: dynamic
// and identity-mapped groups, external ids, restrictions, expiring memberships'
// expiry, transitive searches and the graph of memberships. Directory: everything
// but reading users; custom schemas, deleted users, orderings but by address.
// Resource Manager: creating, moving and deleting projects by API, folders,
// organizations and their policies but domain-restricted sharing, deny policies, audit configuration beyond
// being kept, invitations of owners, testIamPermissions. Cloud Asset: everything
// but searchAllIamPolicies without a query, or with "policy:<text>". Permissions of
// callers are three switches on an account (see Account), not roles. The parameter
// "fields", batch requests, HTTP/2, gRPC, field masks but those it needs, and
// compressed requests. Quotas are those that Google publishes; Cloud Identity has
// no published one and therefore none unless Options.Quotas names it. IAM's own
// delay until a policy or a membership counts for somebody is nowhere: nobody
// uses the access that is given here.
package google
