package aws

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/rollcall-iam/rollcall/internal/simulate"
)

// What follows is for tests and for the demo: it makes what exists before
// Rollcall comes, and does what an administrator would do behind its back. All of
// it is visible to reads as soon as the options' Stale has passed.

// change does something under the lock, and keeps it.
func (s *Server) change(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	do()
	// What cannot be kept is kept, or refused, with the next call that writes.
	_ = simulate.Save(s.options.File, &s.db)
}

// InstanceARN and StoreID name the one Identity Center.
func (s *Server) InstanceARN() string { return s.db.Instance }

// StoreID is the id of the one Identity Store.
func (s *Server) StoreID() string { return s.db.Store }

// Account makes an account of the organization; id has twelve digits.
func (s *Server) Account(id, name string) {
	s.change(func() { s.db.Accounts.Put(s.now(), id, account{ID: id, Name: name, State: "ACTIVE", Joined: s.now()}) })
}

// SetAccountState suspends an account, closes it, or makes it active again:
// ACTIVE, SUSPENDED, PENDING_CLOSURE or CLOSED.
func (s *Server) SetAccountState(id, accountState string) {
	s.change(func() {
		if a, ok := s.db.Accounts.Get(id); ok {
			a.State = accountState
			s.db.Accounts.Put(s.now(), id, a)
		}
	})
}

// RemoveAccount takes an account out of the organization. What was assigned on it
// goes with it.
func (s *Server) RemoveAccount(id string) {
	s.change(func() {
		s.db.Accounts.Delete(s.now(), id)
		for _, a := range s.db.Assignments.All() {
			if a.Account == id {
				s.db.Assignments.Delete(s.now(), a.key())
			}
		}
	})
}

// PermissionSet makes a permission set and returns its ARN; one of that name stays
// as it is.
func (s *Server) PermissionSet(name string) (arn string) {
	s.change(func() {
		for _, set := range s.db.Sets.All() {
			if set.Name == name {
				arn = set.ARN
				return
			}
		}
		arn = s.newSet(name).ARN
	})
	return arn
}

// DeletePermissionSet removes a permission set, and what it gave.
func (s *Server) DeletePermissionSet(arn string) {
	s.change(func() {
		s.db.Sets.Delete(s.now(), arn)
		for _, a := range s.db.Assignments.All() {
			if a.Set == arn {
				s.db.Assignments.Delete(s.now(), a.key())
			}
		}
	})
}

// User makes a user, as a directory that is connected would, and returns the id;
// one of that name stays as it is.
func (s *Server) User(userName string) (id string) {
	s.change(func() {
		if u, ok := holder(&s.db.Users, s.db.UserNames, s.now(), s.fold(userName), s.userName); ok {
			id = u.ID
			return
		}
		u := user{ID: s.newID(), UserName: userName, Created: s.now()}
		u.Details.DisplayName = &u.UserName
		s.putUser(u)
		id = u.ID
	})
	return id
}

// SetUserStatus disables a user, or enables one again.
func (s *Server) SetUserStatus(id string, disabled bool) {
	s.change(func() {
		if u, ok := s.db.Users.Get(id); ok {
			u.Disabled = disabled
			s.putUser(u)
		}
	})
}

// DeleteUser removes a user with all memberships.
func (s *Server) DeleteUser(id string) { s.change(func() { s.dropUser(id) }) }

// Group plants a group with members and returns its id.
func (s *Server) Group(name, description string, userIDs ...string) (id string) {
	s.change(func() {
		g := group{ID: s.newID(), Name: name, Description: description, Created: s.now(), Updated: s.now()}
		s.putGroup(g)
		id = g.ID
		for _, userID := range userIDs {
			s.putMember(membership{ID: s.newID(), Group: id, User: userID, Created: s.now()})
		}
	})
	return id
}

// Describe overwrites a group's description.
func (s *Server) Describe(groupID, description string) {
	s.change(func() {
		if g, ok := s.db.Groups.Get(groupID); ok {
			g.Description = description
			s.putGroup(g)
		}
	})
}

// DescriptionOf returns all that is described of a group, as it is now.
func (s *Server) DescriptionOf(groupID string) (text string) {
	s.change(func() {
		g, _ := s.db.Groups.Get(groupID)
		text = g.Description
	})
	return text
}

// Rename gives a group another name.
func (s *Server) Rename(groupID, name string) {
	s.change(func() {
		if g, ok := s.db.Groups.Get(groupID); ok {
			g.Name = name
			s.putGroup(g)
		}
	})
}

// DeleteGroup removes a group; its assignments stay behind.
func (s *Server) DeleteGroup(id string) { s.change(func() { s.dropGroup(id) }) }

// Join puts a user into a group, Leave takes one out.
func (s *Server) Join(groupID, userID string) {
	s.change(func() { s.putMember(membership{ID: s.newID(), Group: groupID, User: userID, Created: s.now()}) })
}

// Leave takes a user out of a group.
func (s *Server) Leave(groupID, userID string) {
	s.change(func() { s.db.Members.Delete(s.now(), membership{Group: groupID, User: userID}.key()) })
}

// Assign gives a permission set on an account to a group, at once.
func (s *Server) Assign(accountID, setARN, groupID string) {
	s.change(func() {
		s.putAssignment(assignment{Account: accountID, Set: setARN, PrincipalType: "GROUP", PrincipalID: groupID})
	})
}

// AssignUser gives a permission set on an account to a user, at once.
func (s *Server) AssignUser(accountID, setARN, userID string) {
	s.change(func() {
		s.putAssignment(assignment{Account: accountID, Set: setARN, PrincipalType: "USER", PrincipalID: userID})
	})
}

// FailAssignment makes the next change of an assignment on the account end FAILED,
// with that reason.
func (s *Server) FailAssignment(accountID, reason string) {
	s.change(func() { s.db.Failures[accountID] = reason })
}

// SlowAssignments makes changes of assignments that start on the account from now on be
// IN_PROGRESS for that long, instead of for the options' Assignment.
func (s *Server) SlowAssignments(accountID string, duration time.Duration) {
	s.change(func() { s.db.Slow[accountID] = duration })
}

// FinishAssignments ends all changes of assignments that are IN_PROGRESS on the account.
func (s *Server) FinishAssignments(accountID string) {
	s.change(func() {
		for _, id := range s.db.Pending {
			if o := s.db.Operations[id]; o.Assignment.Account == accountID {
				o.Duration = 0
			}
		}
		s.settle()
	})
}

// Busy starts a change of an assignment on the account that somebody else asked
// for; it takes as long as any.
func (s *Server) Busy(accountID, setARN, groupID string) {
	s.change(func() {
		o := &operation{ID: uuid.NewString(), Started: s.now(), Assignment: assignment{
			Account: accountID, Set: setARN, PrincipalType: "GROUP", PrincipalID: groupID,
		}}
		s.startOperation(o)
	})
}

// Role lets every key assume a role; externalID is what it has to name, or "".
func (s *Server) Role(arn, externalID string) {
	s.change(func() { s.db.Roles[arn] = role{ExternalID: externalID} })
}

// WebRole lets a web identity token with these claims assume a role.
func (s *Server) WebRole(arn, issuer, audience, subject string) {
	s.change(func() { s.db.Roles[arn] = role{Issuer: issuer, Audience: audience, Subject: subject} })
}

// Key makes an access key; it is temporary, and needs the token, where one is given.
func (s *Server) Key(id, secret, token string, expires time.Time) {
	s.change(func() {
		s.db.Keys[id] = accessKey{Secret: secret, Token: token, Expires: expires, Principal: "user/" + id}
	})
}

// Expire ends all temporary keys.
func (s *Server) Expire() {
	s.change(func() {
		for id, key := range s.db.Keys {
			if !key.Expires.IsZero() {
				key.Expires = s.now().Add(-time.Second)
				s.db.Keys[id] = key
			}
		}
	})
}

// MembersOf returns the ids of a group's users as they are now, sorted.
func (s *Server) MembersOf(groupID string) (userIDs []string) {
	s.change(func() {
		for _, m := range rowsAt(&s.db.Members, s.now(), s.db.InGroup[groupID]) {
			userIDs = append(userIDs, m.User)
		}
	})
	slices.Sort(userIDs)
	return userIDs
}
