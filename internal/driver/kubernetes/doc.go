// Package kubernetes replicates access into Kubernetes: one RoleBinding for
// each tenant namespace and ClusterRole, whose subjects are the people
// themselves.
//
// # What exists there
//
// A cluster has no users to look up: its authenticator turns a token or a
// certificate into a name, and a RoleBinding may list any name. So every
// well-formed name is found, but those that begin with "system:", which belong
// to the cluster itself: whoever is bound by one is not found. A role in the
// documents is the name of a ClusterRole; the Roles of a namespace are shown as
// "Role/name" and never given.
//
// A binding of ours is called "rollcall-" and the role's name. A label names the
// installation, an annotation the tenant, and
//
//	kubectl get rolebindings -A -l app.kubernetes.io/managed-by=rollcall
//
// lists them all. Whatever carries our mark is ours under any name, so that a
// binding keeps its name if the scheme changes. Other people's bindings keep
// their own names in access.Binding.Name.
//
// The role of a binding cannot be changed. A tenant that gets another role gets
// another binding, and loses the old one afterwards. Where somebody has put a
// binding to another role in the place of ours, ours is made beside it, under a
// name with a hash; the other one stays, and is a remark.
//
// # How it is read and written
//
// One list of RoleBindings over all namespaces answers for many tenants, one in
// the namespace for a single one. A namespace with a binding exists; only where
// one has none are the namespaces read, too. Long lists come in pages of one
// snapshot. When the snapshot is dropped while it is read the list starts over,
// whole, so that no answer is put together from two.
//
// Writes are server-side applies with the field manager "rollcall", the subjects
// in one piece. A change and a deletion carry the resourceVersion that was
// observed: what moved since is a conflict. Under that condition a change takes
// the subjects over from whoever edited them by hand. A creation never takes
// anything over.
//
// The credentials need, in the whole cluster: list, get, create, patch and
// delete on rolebindings, list and get on namespaces, get on clusterroles, and
// the verb bind on each ClusterRole that is given.
//
// A "not found" is believed only where it is the API server's own and names the
// object: one of a proxy in front, or of an API that is not served, is an outage.
//
// # For other drivers
//
// [Cluster] is the client behind all that, for platforms whose tenants are
// namespaces and whose roles are given to groups: [Connect], [Cluster.Look],
// [GroupBindings], [Cluster.GiveGroup] and [Cluster.TakeGroup] are all that such a
// platform needs of a cluster, and [Cluster.Call] reads and writes other types.
//
// # What it does not have
//
// ClusterRoleBindings, the Roles of a namespace, and namespaces that are being
// deleted: they are there until they are gone, and take no new binding.
package kubernetes
