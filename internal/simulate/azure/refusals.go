package azure

import (
	"maps"
	"net/http"
	"net/mail"
	"slices"
	"strings"
	"time"
)

// LockLevel is the level of a management lock.
type LockLevel string

// The levels of management locks.
const (
	CanNotDelete LockLevel = "CanNotDelete"
	ReadOnly     LockLevel = "ReadOnly"
)

// Lock puts a management lock on a scope: CanNotDelete keeps role assignments there and
// below from being deleted, ReadOnly from being made, too. An empty level takes the lock away.
func (s *Server) Lock(scope string, level LockLevel) {
	s.atScope(scope, func(sub *subscription, key string) {
		if sub.Locks == nil {
			sub.Locks = map[string]LockLevel{}
		}
		sub.Locks[key] = level
		if level == "" {
			delete(sub.Locks, key)
		}
	})
}

// DenyRoles lets a policy assignment of that name deny new role assignments at a scope and
// below. An empty name takes the policy away.
func (s *Server) DenyRoles(scope, policy string) {
	s.atScope(scope, func(sub *subscription, key string) {
		if sub.Policies == nil {
			sub.Policies = map[string]string{}
		}
		sub.Policies[key] = policy
		if policy == "" {
			delete(sub.Policies, key)
		}
	})
}

// DisableSubscription makes a subscription read-only, as an unpaid bill does, or enables it
// again.
func (s *Server) DisableSubscription(id string, disabled bool) {
	s.atScope("/subscriptions/"+id, func(sub *subscription, _ string) { sub.Disabled = disabled })
}

// atScope changes the subscription of a scope that has to exist.
func (s *Server) atScope(scope string, do func(sub *subscription, key string)) {
	s.seed(func(time.Time) {
		parsed, ok := parseScope(scope)
		if sub := s.state.Subscriptions[parsed.sub]; ok && sub != nil {
			do(sub, strings.ToLower(strings.TrimSuffix(scope, "/")))
		}
	})
}

// BlockInvitations forbids invitations to a domain, as the collaboration restrictions of a
// tenant do; "*" forbids all.
func (s *Server) BlockInvitations(tenant, domain string) {
	s.seed(func(time.Time) {
		d := s.directory(tenant)
		if d.Blocked == nil {
			d.Blocked = map[string]bool{}
		}
		d.Blocked[strings.ToLower(domain)] = true
	})
}

// mayInvite refuses what is no address, and one that the tenant's settings do not allow.
func (c *call) mayInvite(address string) error {
	if parsed, err := mail.ParseAddress(address); err != nil || parsed.Address != address {
		return badOData("The invited user email address is invalid.")
	}
	_, domain, _ := strings.Cut(strings.ToLower(address), "@")
	switch {
	case c.dir.Blocked["*"]:
		return &graphError{
			status: http.StatusUnauthorized, code: "Unauthorized",
			message: "Guest invitations not allowed for your company. Contact your company administrator for more details.",
		}
	case c.dir.Blocked[domain]:
		return badOData("The domain of the invited user is not allowed by the collaboration restrictions of the organization.")
	default:
		return nil
	}
}

// mayWrite refuses a write of a role assignment that the scope's owner forbids.
// Source: "Lock your resources to protect your infrastructure", "Azure subscription
// states", "Troubleshoot errors with using Azure Policy".
func (c *armCall) mayWrite(place scope, remove bool) error {
	sub := c.server.state.Subscriptions[place.sub]
	if sub.Disabled {
		return refuseARM(http.StatusConflict, "ReadOnlyDisabledSubscription", "The subscription '%s' is disabled and therefore "+
			"marked as read only. You cannot perform any write actions on this subscription until it is re-enabled.", sub.ID)
	}
	operation := "write"
	if remove {
		operation = "delete"
	}
	for _, locked := range slices.Sorted(maps.Keys(sub.Locks)) {
		if below(c.scope, locked) && (remove || sub.Locks[locked] == ReadOnly) {
			return refuseARM(http.StatusConflict, "ScopeLocked", "The scope '%s/providers/Microsoft.Authorization/roleAssignments/%s' "+
				"cannot perform %s operation because following scope(s) are locked: '%s'. Please remove the lock and try again.",
				c.scope, c.name, operation, locked)
		}
	}
	for _, denied := range slices.Sorted(maps.Keys(sub.Policies)) {
		if below(c.scope, denied) && !remove {
			return refuseARM(http.StatusForbidden, "RequestDisallowedByPolicy",
				"Resource '%s' was disallowed by policy. Policy identifiers: '[{\"policyAssignment\":{\"name\":\"%s\"}}]'.",
				c.name, sub.Policies[denied])
		}
	}
	return nil
}
