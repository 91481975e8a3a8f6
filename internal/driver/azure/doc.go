// Package azure replicates access into Microsoft Azure: groups in Entra, their
// members, and the roles that groups have on subscriptions and resource groups,
// also under conditions.
//
// # What exists there
//
// People are looked up by userPrincipalName or mail, whatever the case, and never
// made, but invited where the document asks for it. An invitation becomes a guest
// whose userPrincipalName is made up, so guests are found by their mail, too. They
// are pending until they accept.
//
// A group is made under a uniqueName that follows from installation, tenant and the
// name that it is made with, so that making it twice makes one. Its displayName is
// not unique: somebody else may have one of the same. The description carries the
// mark. Both can change, and the uniqueName cannot: what leads to a group for sure is
// its id, then its name and mark, and its uniqueName only while it has the name that
// this was made of. A group that is deleted keeps its uniqueName for 30 days, a
// renamed one for ever; one that is made under the name again gets the next. A group
// of ours is never looked for, or made, without looking at what it is called.
//
// A role assignment is named by a GUID that follows from scope, role and group. Its
// description carries the mark, and how the document writes the role where that is
// not its name: documents may write ids. One role is given to one group at one
// scope once, whoever gives it. Nothing has a version; conditions are compared.
//
// # How it is read
//
// Accounts are looked up 15 to a filter and 20 filters to a $batch: by userPrincipalName, and
// guests by mail, or everybody by mail. Addresses that are not found are looked up once more
// among the otherMails and proxyAddresses of guests.
//
// Groups come 15 to a filter with up to 20 members each, and 20 filters to a
// $batch. The members of larger groups are read one group at a time, in the same
// $batch with a list of the service principals among them: Graph v1.0 leaves these out
// of the list of members. An index answers that list, which may lag by seconds.
// Role assignments come with one list for each scope: those at the scope, and those
// that our groups have below it. Groups that nobody asks for are shown by name only,
// without members.
//
// Reads of Graph lag behind writes, and so does what ARM knows of Graph. A group
// that ARM has not heard of is fault.ErrUnavailable: it will. So is one that a replica
// of Graph has not heard of when it is to get members. The ids of groups that this
// driver has just made or renamed are remembered: a read that contradicts them is
// not believed.
//
// # What it needs
//
// In Entra the application permissions Group.ReadWrite.All and User.Read.All,
// AdministrativeUnit.ReadWrite.All where groups are put into an administrative
// unit, and User.Invite.All where people are invited. In Azure the actions
// Microsoft.Authorization/roleAssignments/read, write and delete, and
// roleDefinitions/read, on each subscription. It signs in with a secret, a
// certificate, the federated token of a pod, or the identity of a machine.
//
// # What it does not have
//
// Role assignments above the tenant, on management groups; eligible ones, of
// Privileged Identity Management; nested groups, which are members like any other;
// and what is left in ARM of groups that somebody deleted: it is shown under the
// group's id, and stays.
package azure
