package azure

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// AddSubscription makes a subscription that trusts an Entra tenant and returns its
// id, which is drawn when empty.
func (s *Server) AddSubscription(tenant, id string) string {
	id = strings.ToLower(cmp.Or(id, uuid.NewString()))
	s.seed(func(time.Time) {
		d := s.directory(tenant)
		if s.state.Subscriptions[id] == nil {
			s.state.Subscriptions[id] = &subscription{
				ID: id, Tenant: d.ID, Name: "Subscription " + id[:8], Groups: map[string]resourceGroup{},
			}
		}
	})
	return id
}

// RemoveSubscription deletes a subscription for good, with all that is in it.
func (s *Server) RemoveSubscription(id string) {
	id = strings.ToLower(id)
	s.seed(func(at time.Time) {
		delete(s.state.Subscriptions, id)
		below := "/subscriptions/" + id
		for _, a := range s.state.Assignments.All() {
			if scope := strings.ToLower(a.Scope); scope == below || strings.HasPrefix(scope, below+"/") {
				s.state.Assignments.Delete(at, a.Name)
			}
		}
	})
}

// AddResourceGroup makes a resource group and returns its scope.
func (s *Server) AddResourceGroup(sub, name string) string {
	s.seed(func(time.Time) { s.resourceGroup(sub, name) })
	return "/subscriptions/" + strings.ToLower(sub) + "/resourceGroups/" + name
}

// AddCluster makes a managed cluster, with its resource group if need be, and
// returns its scope.
func (s *Server) AddCluster(sub, group, name string) string {
	s.seed(func(time.Time) { s.resourceGroup(sub, group).Clusters[strings.ToLower(name)] = name })
	return "/subscriptions/" + strings.ToLower(sub) + "/resourceGroups/" + group +
		"/providers/Microsoft.ContainerService/managedClusters/" + name
}

// resourceGroup returns a resource group, made if need be.
func (s *Server) resourceGroup(sub, name string) resourceGroup {
	of := s.state.Subscriptions[strings.ToLower(sub)]
	if of == nil {
		panic(fmt.Sprintf("simulate: there is no subscription %q", sub))
	}
	key := strings.ToLower(name)
	if _, ok := of.Groups[key]; !ok {
		of.Groups[key] = resourceGroup{Name: name, Clusters: map[string]string{}}
	}
	return of.Groups[key]
}

// RemoveScope removes a subscription, resource group or cluster with its role
// assignments.
func (s *Server) RemoveScope(scope string) {
	s.seed(func(at time.Time) {
		parsed, ok := parseScope(scope)
		if !ok {
			panic(fmt.Sprintf("simulate: %q is no scope", scope))
		}
		for _, a := range s.state.Assignments.All() {
			if below(a.Scope, scope) {
				s.state.Assignments.Delete(at, a.Name)
			}
		}
		sub := s.state.Subscriptions[parsed.sub]
		switch {
		case sub == nil:
		case parsed.cluster != "":
			delete(sub.Groups[parsed.group].Clusters, parsed.cluster)
		case parsed.group != "":
			delete(sub.Groups, parsed.group)
		default:
			delete(s.state.Subscriptions, parsed.sub)
		}
	})
}

// AddRole makes a role definition that can be assigned in a subscription and
// returns its GUID. A name that is known there keeps its GUID.
func (s *Server) AddRole(sub, name string, actions ...string) string {
	var id string
	s.seed(func(time.Time) {
		if r, ok := s.roleNamed(strings.ToLower(sub), name); ok {
			id = r.ID
			return
		}
		id = uuid.NewString()
		s.state.Roles[id] = role{ID: id, Name: name, Subs: []string{strings.ToLower(sub)}, Actions: actions}
	})
	return id
}

// RoleID returns the GUID of a role definition, or "" where there is none.
func (s *Server) RoleID(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.roles() {
		if strings.EqualFold(r.Name, name) {
			return r.ID
		}
	}
	return ""
}

// PlantAssignment gives a role as somebody else would, whether or not the
// principal exists, and returns the assignment's name. Role may be a role's name,
// too.
func (s *Server) PlantAssignment(a Assignment) string {
	s.seed(func(at time.Time) {
		parsed, ok := parseScope(a.Scope)
		if !ok {
			panic(fmt.Sprintf("simulate: %q is no scope", a.Scope))
		}
		if r, ok := s.roleNamed(parsed.sub, a.Role); ok {
			a.Role = r.ID
		}
		a.Name = strings.ToLower(cmp.Or(a.Name, uuid.NewString()))
		a.Type = cmp.Or(a.Type, "Group")
		a.Created, a.Updated = at, at
		s.state.Assignments.Put(at, a.Name, a)
		if sub := s.state.Subscriptions[parsed.sub]; sub != nil && a.Role == ownerRole && parsed.group == "" {
			sub.Owned = true
		}
	})
	return a.Name
}

// RemoveAssignment takes a role away as somebody else would.
func (s *Server) RemoveAssignment(name string) {
	s.seed(func(at time.Time) { s.state.Assignments.Delete(at, strings.ToLower(name)) })
}

// Assignments returns the role assignments exactly at a scope, as they are.
func (s *Server) Assignments(scope string) []Assignment {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(s.state.Assignments.All(), func(a Assignment) bool { return !strings.EqualFold(a.Scope, scope) })
}
