package authz

import (
	"fmt"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
)

// Action is a part of an operation that needs a second user.
type Action string

// The actions.
const (
	ApproveRemoval      Action = "approve a removal"
	CopyGrant           Action = "copy an external grant"
	Adopt               Action = "adopt a group"
	Lift                Action = "lift a revocation"
	Forget              Action = "forget a platform"
	ChangeGuard         Action = "change a guard"
	GrantPrivilegedRole Action = "grant a role that the connection lists in secondPerson"
)

// ActionRule says whose changes an action rests on.
type ActionRule struct {
	Action Action
	// Causes are the actors that the decider must differ from.
	Causes string
}

// Actions returns all actions.
func Actions() []ActionRule {
	return []ActionRule{
		{ApproveRemoval, "the authors of the changes that affect the tenant and that no run has applied"},
		{CopyGrant, "the authors of the changes that affect the tenant and that no run has applied"},
		{Adopt, "the authors of the changes that affect the tenant and that no run has applied"},
		{Lift, "the actors who revoked"},
		{Forget, "the actor who deleted the platform's document, and the authors of changes that affect its tenants"},
		{ChangeGuard, "the actor who planned the change, where another stores the plan"},
		{GrantPrivilegedRole, "the author of the change"},
	}
}

// ActionsOf returns the actions that changes of documents need a second user for by
// themselves. Roles that a connection lists need one as well; documents do not show them.
func ActionsOf(changes []Change) []Action {
	for _, c := range changes {
		for _, d := range []*document.Document{c.Before, c.After} {
			if d != nil && d.ID.Kind == document.KindGuard {
				return []Action{ChangeGuard}
			}
		}
	}
	return nil
}

// FourEyes says which actors count as two users. The zero FourEyes is the strict one, for
// servers.
type FourEyes struct {
	// AcceptOSUsers counts users of hosts as different from others if their names differ,
	// though only their hosts vouch for them. It is for installations without an issuer.
	AcceptOSUsers bool
}

// CheckAny decides about a change that one user has proposed and another one stores: one of the
// proposers is another user than the decider. The decider may be among them, as an approver
// may plan the change to see it.
func (f FourEyes) CheckAny(action Action, decider access.Actor, proposers []access.Actor) Decision {
	d := Decision{Reason: fmt.Sprintf("to %s needs a second user: plan the change with rollcall plan -f, "+
		"and have another user store it with rollcall apply --plan", action)}
	for _, p := range proposers {
		if p.Kind == access.System {
			continue
		}
		if d = f.Check(action, decider, []access.Actor{p}); d.Allowed {
			return d
		}
	}
	return d
}

// Check decides whether the decider is another user than all actors that caused what the
// decision is about. The IDs of verified actors are compared; their claims are not. An unknown
// actor may be the decider, so it counts as the decider, and so does a user of a host unless
// they are accepted. Rollcall itself is no user: what the schedule causes, each user may
// decide about. A workload never decides: the user behind it may be the author. Without any
// cause nothing shows that there are two users, and the decision is denied.
func (f FourEyes) Check(action Action, decider access.Actor, causes []access.Actor) Decision {
	const remedy = "ask another approver"
	switch {
	case decider.Kind == access.Workload:
		return Decision{Reason: fmt.Sprintf("to %s needs a user, and %s is a workload: ask an approver", action, decider.ID())}
	case !f.identifies(decider):
		return Decision{Reason: fmt.Sprintf("to %s needs a user whose identity an issuer has verified: sign in to the server", action)}
	case len(causes) == 0:
		return Decision{Reason: fmt.Sprintf(
			"to %s needs a second user, and no record says who caused it: repeat the change that it rests on, then %s", action, remedy)}
	}
	for _, cause := range causes {
		switch {
		case cause.Kind == access.System:
		case !f.identifies(cause):
			return Decision{Reason: fmt.Sprintf(
				"to %s needs a second user, and an author of the change is not verified, who may be the same: "+
					"repeat the change by the server, then %s", action, remedy)}
		case same(decider, cause):
			return Decision{Reason: fmt.Sprintf(
				"to %s needs a second user, and %s caused it with a change of their own: %s", action, decider.ID(), remedy)}
		}
	}
	return Decision{Allowed: true, Reason: decider.ID() + " caused none of the changes that it rests on"}
}

// identifies reports whether the actor is one known user or workload.
func (f FourEyes) identifies(a access.Actor) bool {
	if a.Kind == access.OSUser {
		return f.AcceptOSUsers && a.Name != ""
	}
	_, _, ok := a.Verified()
	return ok
}

// same reports whether two actors may be one user. It errs on the side of one: hosts have no
// case, and two spellings of an issuer are one provider, though a policy tells them apart.
func same(a, b access.Actor) bool {
	issuer, subject, ok := a.Verified()
	otherIssuer, otherSubject, otherOK := b.Verified()
	if ok && otherOK {
		return subject == otherSubject && issuerKey(issuer) == issuerKey(otherIssuer)
	}
	return ok == otherOK && strings.EqualFold(a.Name, b.Name)
}

func issuerKey(issuer string) string {
	issuer = strings.ToLower(issuer)
	for _, scheme := range []string{"https://", "http://"} {
		issuer = strings.TrimPrefix(issuer, scheme)
	}
	return strings.TrimRight(issuer, "/")
}
