// Package aws replicates access into AWS IAM Identity Center: groups of the
// Identity Store, their members, and the permission sets that are assigned to
// groups on accounts.
//
// # What exists there
//
// People are looked up by userName, to the letter. Groups have a displayName
// that is unique in the store, and a description that carries the mark: nothing
// else on this platform has a place for one. A membership is an object with an
// id of its own, which is what a removal names; it is kept from the last read.
// A permission set is known by name in documents and by ARN to the API; names do
// not change. An assignment has no id: "G,GROUP,A,AWS_ACCOUNT,P" names it.
// Nothing has a version.
//
// # How it is read
//
// Per group one list of members and one list of assignments on the tenant's
// account, both in pages of 100; assignments that others made on the group are
// among them. A group whose id is not known costs two calls more, one for its
// name and one to see that it is that name to the letter; a mark costs one.
// Where many are asked for, pages of all groups, or of all users, are taken
// instead, but never more pages than asking one by one would take calls. An
// account is asked for only where no assignment has shown that it exists.
//
// # How it is written
//
// Identity Center changes an assignment in its own time, which may be hours. The driver
// starts the change and polls it for some seconds, with one change at a time for an
// account and ten in all, which are the vendor's limits. A change that takes longer is
// fault.ErrPending: the next Apply of the step finds it, by the id that this worker
// remembers or among the requests that AWS lists as IN_PROGRESS, and starts no second
// one. Where another change is in the way it waits a while, then reports that it is
// throttled. What ended FAILED is an error whose class says whether a retry helps; the
// vendor's text may name users, so that the error has only the words of it that the
// table of refusals knows, and the request's id.
//
// A group gets another name, or our mark, by one update that holds the revision
// which was read just before: what somebody else wrote in between is a conflict and
// stays. Members and assignments name the group's id and stay, too.
//
// # What it needs
//
// sso:ListInstances, ListPermissionSets, DescribePermissionSet,
// ListAccountAssignmentsForPrincipal, CreateAccountAssignment,
// DeleteAccountAssignment and, of these two, Describe...Status and List...Status;
// identitystore: Get*, Describe*, List*, CreateGroup, UpdateGroup, DeleteGroup,
// CreateGroupMembership, DeleteGroupMembership, and CreateUser where accounts are
// made; organizations:DescribeAccount and ListAccounts. The credentials are those
// of the organization's management account or of the one that Identity Center is
// delegated to, which may not touch the management account itself. Identity
// Center answers 20 calls a second in all: the document's budget should say so.
//
// The SDK's own retries, its log and its idea of endpoints from the environment
// are switched off, but for the latter where the worker's own identity is used.
package aws
