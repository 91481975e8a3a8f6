// Package gcp replicates access into Google Cloud: groups of Cloud Identity with
// their members, and the roles that these groups have on projects.
//
// # What exists there
//
// People are users of Google Workspace or Cloud Identity, looked up by their
// primary address or by an external id, and never made. Their id here is the
// primary address in lower case: memberships and policies know them by nothing
// else. An alias is no match.
//
// A group is a discussion forum whose address is the group's name at the domain of
// the settings. The address is unique and never changes; it is what policies
// name. The description carries the mark: labels have only the keys that Google
// gives them. A role on a project is an entry in the project's policy, which is
// read and written whole. A binding has no id: project, role and address name it.
//
// # How it is read
//
// One call for each project's policy, and one for each page of a group's members.
// A group without a known id costs one search more, a mark one read more; where
// there are many of these, one list of the customer's groups has them all. Groups
// of others that the scope does not ask for are shown as what the policy says,
// and are read only where the scope asks for marks.
//
// # What does not exist looks forbidden
//
// Cloud Identity refuses with 403 what does not exist, "(or it may not exist)", and
// Resource Manager refuses any project that it does not have. So such an answer is
// neither: a search, which is empty where nothing is there and refused where
// nothing may be seen, decides. Any other 403 is an error, as everywhere.
//
// # How a policy is written
//
// All changes that one unit makes are one setIamPolicy with the etag of the policy
// they were made on: a policy that moved in between is a conflict. The policy is
// edited as the JSON it came as, of version 3, so that conditions, audit
// configuration and fields that this client has never heard of stay as they are.
// The etag covers all that anybody does to the project, so it is no binding's
// version: a step compares the entry it is about. Where the policy is refused as
// invalid, each change is made on its own, so that one wrong role spoils no other.
//
// A group that was just made is unknown to IAM for a while, and policies that
// name it are refused: that is worth another try, unless the group is gone.
//
// # Credentials
//
// A service account's key or an external account's configuration (workload
// identity federation), read again when the file changes; the variables
// <PREFIX>_CREDENTIALS_FILE, _CREDENTIALS_JSON or _TOKEN; or the worker's own
// identity. They need the role "Groups Admin" (or, with impersonate, a subject
// who has it), the right to read users, and on the projects
// resourcemanager.projects.getIamPolicy, .setIamPolicy and .get. The worker's own
// identity is asked for past the budget: that call does not leave the machine.
package gcp
