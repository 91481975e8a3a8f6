package aks

import (
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/aks/rules"
	"github.com/rollcall-iam/rollcall/internal/driver/azure"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// ofAzure returns the binding as Azure knows it, and whether it is one of Azure's.
func ofAzure(b access.Binding) (access.Binding, bool) {
	role, is := strings.CutPrefix(b.Role, rules.OfAzure)
	b.Role = role
	return b, is
}

// inNamespace leaves out the steps that take roles on the cluster, which lie beside
// the namespaces.
func inNamespace(steps []plan.Step) []plan.Step {
	return slices.DeleteFunc(slices.Clone(steps), func(s plan.Step) bool {
		if s.Op != plan.Delete || s.Have.Binding == nil {
			return false
		}
		_, is := ofAzure(*s.Have.Binding)
		return is
	})
}

// subjects returns the groups that the bindings list.
func subjects(bindings []access.Binding) []string {
	var ids []string
	for _, b := range bindings {
		ids = append(ids, b.GroupRef)
	}
	return ids
}

// named has bindings say their groups' names, where these are groups of Entra, and
// shields those that are not ours.
func named(scope driver.Scope, bindings []access.Binding, read azure.Groups) []access.Binding {
	for i, b := range bindings {
		if name, exists := read.Name(b.GroupRef); exists {
			bindings[i].Group = name
		}
		bindings[i].Shielded = b.Mark != scope.Mark
	}
	return bindings
}
