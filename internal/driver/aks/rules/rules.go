// Package rules is what an AKS cluster with Entra groups can hold: its profile and
// its limits on names, without any I/O, so that documents are checked against them
// where there is no cluster at hand.
package rules

import (
	"fmt"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/driver"
	azure "github.com/rollcall-iam/rollcall/internal/driver/azure/rules"
	kubernetes "github.com/rollcall-iam/rollcall/internal/driver/kubernetes/rules"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// Type is the platform type as documents name it.
const Type = "aks"

// OfAzure begins the roles that are given in Azure, on the cluster. The others are
// ClusterRoles in the tenant's namespace. No ClusterRole of a cluster's own, and
// none that anybody should make, begins with it.
const OfAzure = "azure:"

// ClusterUser is the role in Azure that lets people fetch the cluster's kubeconfig
// (https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/containers).
const ClusterUser = OfAzure + "Azure Kubernetes Service Cluster User Role"

// Profile says what the platform can do.
func Profile() driver.Profile {
	p := azure.Directory()
	p.Type = Type
	p.EveryGroup = []string{ClusterUser}
	p.Cost.VerifyOne = "3: the groups with their members, the roles on the cluster, and the namespace's bindings"
	p.Cost.VerifyAll = "R*T/300 for the groups with their members, and two lists, paged"
	p.Cannot = append(p.Cannot,
		"remove roles of other systems in the cluster: additionalPermissions is about Azure alone",
		"see roles of managed groups above the cluster, on its resource group or subscription",
		"use Azure RBAC for Kubernetes: roles in the cluster are RoleBindings",
	)
	return p
}

// Fit reports why the platform could never hold the object, wrapping
// fault.ErrInvalid or fault.ErrUnsupported, or nil.
func Fit(o plan.Object) error {
	if o.Binding == nil {
		return azure.FitGroup(o)
	}
	b := *o.Binding
	if b.Group == "" || len(b.Subjects) > 0 {
		return fmt.Errorf("aks: %w: roles are given to groups, not to people", fault.ErrUnsupported)
	}
	of := kubernetes.Role
	if b.Carried || b.Name != "" { // somebody else's
		of = kubernetes.AnyRole
	}
	err := of(b.Role)
	if role, ok := strings.CutPrefix(b.Role, OfAzure); ok {
		err = azure.Role(role)
	}
	if err != nil {
		return fmt.Errorf("aks: %w", err)
	}
	return azure.FitGroup(plan.Object{Members: &plan.Members{Group: b.Group}})
}
