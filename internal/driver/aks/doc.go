// Package aks replicates access into a cluster of the Azure Kubernetes Service: a
// group in Entra for each tenant and role, an Azure role on the cluster that lets
// its members fetch a kubeconfig, and a RoleBinding in the tenant's namespace whose
// subject is the group's object id.
//
// It is package azure's directory and grants, and package kubernetes' cluster. A
// tenant is a namespace. A role that begins with "azure:" is one in Azure, on the
// cluster; any other is a ClusterRole. Documents need not name the role that every
// group needs.
//
// Roles that others gave to our groups in Azure, on the cluster, are subject to
// additionalPermissions. What others gave inside the cluster is shielded from it,
// and so are bindings of our groups that somebody changed there.
//
// # What it needs
//
// In Entra and on the cluster's resource what package azure lists, in the cluster
// what package kubernetes lists. Both have credentials of their own.
//
// # What it does not have
//
// A RoleBinding lists an object id, so one to a group that is gone says nothing
// about whose it was: it is shown under that id, and stays.
package aks
