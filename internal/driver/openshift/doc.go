// Package openshift replicates access into OpenShift: one Group for each tenant and
// role, whose users are the people, and one RoleBinding in the tenant's project for
// each ClusterRole that the group gets.
//
// # What exists there
//
// People are the User objects of user.openshift.io, looked up by metadata.name to
// the letter, and never made: OpenShift makes one when somebody signs in for the
// first time. A Group of that API lists users by their names, and so does a
// RoleBinding name groups: names are keys, and the ref of a group or a person is
// their name. A group that is deleted and made anew under its name has every
// binding that the old one had.
//
// A project is a namespace, seen from elsewhere. Whether it exists is asked of the
// namespaces: the list of projects silently leaves out those that the credentials
// may not see, and would make a missing permission look like a missing project.
//
// Groups and bindings carry the mark in the same labels and annotation as package
// kubernetes writes them, and groups one label more, by which those of one tenant
// are found:
//
//	oc get groups,rolebindings -A -l app.kubernetes.io/managed-by=rollcall
//
// # How it is read and written
//
// One list of groups and one of RoleBindings answer for any number of tenants. For
// a single one they are the groups with the tenant's label and the bindings of its
// namespace; groups that the scope names and that are not among them are read one
// by one, and all of them where they are many. Where a namespace has no binding,
// which OpenShift itself makes at once, the namespaces are read, too.
//
// A group's users are written whole, as a merge patch on the condition that the
// group has the resourceVersion that was read. What others have written on it, such
// as labels, stays. The driver remembers groups as it has seen them last, so that a
// change of members is one call; where the group has moved since, it is read again,
// once, and the same change is made to what it is now. Server-side apply is not
// used for groups: it would own the list, and it needs a schema that not every
// version of OpenShift's API servers publishes for them.
//
// A group that somebody made is taken over by the same sort of patch: it gets our
// labels and our annotation. A sync from LDAP that goes on writing its users has to
// be ended by whoever runs it.
//
// Bindings are written as package kubernetes writes them. One that lists a group of
// ours beside others is somebody else's: the group is taken off it where
// additionalPermissions is remove. What somebody adds to a binding of ours goes
// when the next run puts ours back.
//
// The credentials need, in the whole cluster: list, get, create, patch and delete
// on groups of user.openshift.io, list and get on its users, list, get, create,
// patch and delete on rolebindings, list and get on namespaces, get on
// clusterroles, and the verb bind on each ClusterRole that is given.
//
// # What it does not have
//
// Projects, users and identities that it would make itself; bindings to people;
// ClusterRoleBindings; the Roles of a project. A cluster whose authentication is of
// the type OIDC has neither users nor groups to be used: there the type is
// kubernetes.
package openshift
