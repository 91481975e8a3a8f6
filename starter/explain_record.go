package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/naming"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// history calls visit with the applied steps on a group, under its former names too,
// newest first, until visit returns true. It ends where the group was created, or another
// group of its name was removed.
func (e *explainer) history(group string, visit func(ledger.Record, access.Key) (enough bool)) {
	e.visitRecords(group, func(r ledger.Record, key access.Key) bool { return isApplied(r) && visit(r, key) })
}

// visitRecords is history with the steps that failed or have no answer yet.
func (e *explainer) visitRecords(group string, visit func(ledger.Record, access.Key) (enough bool)) {
	for _, r := range e.records {
		s := r.Step
		key := s.Key()
		key.Name = ""
		if renamed(s) && s.Want.Group.Name == group {
			if isApplied(r) {
				group = s.Have.Group.Name
			}
			continue
		}
		if key.Group != group {
			continue
		}
		if isApplied(r) && key.Kind == access.KindGroup && s.Op == plan.Delete || visit(r, key) {
			return
		}
	}
}

// isApplied reports whether the platform did the step.
func isApplied(r ledger.Record) bool { return !r.DoneAt.IsZero() && r.Err == "" }

// renamed reports whether the step gave a group another name.
func renamed(s plan.Step) bool {
	return s.Kind == access.KindGroup && s.Op == plan.Change && s.Have.Group != nil && s.Want.Group != nil &&
		s.Have.Group.Name != s.Want.Group.Name
}

// membership returns the step that added the user to the group, unless a later one
// removed them.
func (e *explainer) membership(group string, m access.Member) (given *appliedStep, taken bool) {
	e.history(group, func(r ledger.Record, key access.Key) bool {
		if key.Kind != access.KindMembers {
			return false
		}
		given, taken = e.gave(r, m, fmt.Sprintf("Rollcall added %s to the group", orAccount(m)))
		return given != nil || taken
	})
	return given, taken
}

// orAccount returns the user's name, else that of the account.
func orAccount(m access.Member) string { return cmp.Or(m.Person, m.Name) }

// gave returns the step if it adds the member, and reports whether it removes them.
func (e *explainer) gave(r ledger.Record, m access.Member, text string) (given *appliedStep, taken bool) {
	same := func(n access.Member) bool {
		return n.Person == m.Person && m.Person != "" || strings.EqualFold(n.Name, m.Name) && m.Name != ""
	}
	if slices.ContainsFunc(r.Step.Adds(), same) {
		return applied(r, text), false
	}
	return nil, slices.ContainsFunc(r.Step.Removes(), same)
}

func applied(r ledger.Record, text string) *appliedStep {
	return &appliedStep{At: r.DoneAt, Text: text, Run: r.Run.RunID, Cause: r.Run.Cause}
}

// accountsOf returns the names and ids of the accounts that got access on the tenant for
// the user.
func (e *explainer) accountsOf(user string) map[string]bool {
	accounts := map[string]bool{}
	for _, r := range e.records {
		for _, m := range r.Step.Adds() {
			if m.Person == user {
				accounts[m.Name], accounts[m.Ref] = true, true
			}
		}
	}
	delete(accounts, "")
	return accounts
}

// leaving are the removals of the user, or of all users, that a guard holds or that are
// forbidden.
func (e *explainer) leaving() []leavingAccess {
	all := e.removalsOf(e.plan.Held)
	for _, l := range slices.Concat(e.removalsOf(e.plan.Forbidden), e.groupRoles()) {
		l.Digest, l.Verdict = "", verdictForbidden
		l.By, l.Reason, l.Expires = cmp.Or(e.in.RemovalsForbiddenBy(), "the platform or the landing zone"), "", time.Time{}
		all = append(all, l)
	}
	return all
}

// groupRoles are the forbidden removals of roles from groups that the user, or any user,
// is in.
func (e *explainer) groupRoles() []leavingAccess {
	var all []leavingAccess
	for _, s := range e.plan.Forbidden {
		key := s.Key()
		if s.Op != plan.Delete || key.Kind != access.KindBinding || key.Group == "" {
			continue
		}
		if e.user == "" || e.isMember(key.Group) {
			all = append(all, e.leaves(s, access.Member{}))
		}
	}
	return all
}

// isMember reports whether the user is in the group by the documents or the ledger.
func (e *explainer) isMember(group string) bool {
	for _, g := range e.wanted.State.Groups {
		if g.Name == group && slices.ContainsFunc(g.Members, e.asked) {
			return true
		}
	}
	for account := range e.accounts {
		given, _ := e.membership(group, access.Member{Account: access.Account{Name: account}, Person: e.user})
		if given == nil {
			return false // a later step removed that account
		}
	}
	return len(e.accounts) > 0
}

// removalsOf returns what steps remove from the user, or from any user.
func (e *explainer) removalsOf(steps []plan.Step) []leavingAccess {
	var all []leavingAccess
	for _, s := range steps {
		for _, m := range s.Removes() {
			if e.user == "" || e.accounts[m.Name] || e.accounts[m.Ref] {
				all = append(all, e.leaves(s, m))
			}
		}
		if s.Kind != access.KindGroup || s.Op != plan.Delete {
			continue
		}
		// The ledger alone knows the members of the group.
		if given, _ := e.membership(s.Key().Group, access.Member{Person: e.user}); e.user == "" || given != nil {
			all = append(all, e.leaves(s, access.Member{}))
		}
	}
	return all
}

// leaves returns what a step removes from one account, or from all.
func (e *explainer) leaves(s plan.Step, m access.Member) leavingAccess {
	key, removal := s.Key(), plan.Removal{Object: s.Key(), Ref: m.Ref}
	if s.Op == plan.Delete {
		removal = s.Removals()[0]
	}
	l := leavingAccess{
		Account: cmp.Or(m.Name, m.Ref), Group: key.Group, Role: key.Role, Digest: e.plan.HeldDigest(), Verdict: "pending",
	}
	if d, decided := e.decided(removal); decided {
		l.Verdict, l.By, l.Reason, l.Expires = string(d.Verdict), d.Approver, d.Reason, d.Expires
	}
	return l
}

// decided returns the decision about a removal that still counts.
func (e *explainer) decided(r plan.Removal) (store.Decision, bool) {
	i := slices.IndexFunc(e.decisions, func(d store.Decision) bool { return d.Removal == r && d.Verdict != store.Undecided })
	if i < 0 {
		return store.Decision{}, false
	}
	return e.decisions[i], true
}

// named says how the group's name is made.
func (e *explainer) named(group string) string {
	pattern := cmp.Or(e.in.Platform.Replication.GroupNamePattern, naming.Default)
	text := fmt.Sprintf("the platform's groupNamePattern %q makes the name %q", pattern, group)
	var allocated []string
	if strings.Contains(pattern, "#{tenantPlatformNumber") {
		allocated = append(allocated, fmt.Sprintf("the number %d", e.in.Drawn.Number))
	}
	if strings.Contains(pattern, "#{rand") {
		allocated = append(allocated, fmt.Sprintf("the random text %q", e.in.Drawn.Random))
	}
	if len(allocated) > 0 {
		text += ", with " + strings.Join(allocated, " and ") + ", allocated once for this tenant"
	}
	return text
}

// refOf is the group's id on the platform, as the ledger has it.
func (e *explainer) refOf(group string) string {
	for _, o := range e.owned {
		if o.Key.Kind == access.KindGroup && o.Key.Group == group {
			return o.Ref
		}
	}
	return ""
}

// renaming is how the group replaces, or replaced, another: by the ledger, else by the
// last plan, else by a rename on the platform.
func (e *explainer) renaming(group string) *renamingFact {
	for _, r := range e.renamings { // newest first
		if r.To == group || r.From == group {
			fact := &renamingFact{From: r.From, To: r.To, Mode: string(r.Mode), State: string(r.State())}
			if n := len(r.Changes); n > 0 {
				fact.Since = r.Changes[n-1].At
			}
			return fact
		}
	}
	if fact := e.planned(group); fact != nil {
		return fact
	}
	return e.renamedInPlace(group)
}

// planned is the replacement that the last plan has.
func (e *explainer) planned(group string) *renamingFact {
	for _, r := range e.plan.Renames {
		if r.To != group && r.From.Name != group {
			continue
		}
		state := ledger.Building
		if r.Waits {
			state = ledger.Waiting
		}
		return &renamingFact{From: r.From.Name, To: r.To, Mode: string(r.Mode), State: string(state), Since: e.last.At}
	}
	return nil
}

// renamedInPlace is the last step that gave the group its name.
func (e *explainer) renamedInPlace(group string) *renamingFact {
	for _, r := range e.records {
		if !renamed(r.Step) || r.Step.Want.Group.Name != group || r.Err != "" {
			continue
		}
		fact := &renamingFact{
			From: r.Step.Have.Group.Name, To: group, Mode: string(plan.InPlace), State: string(ledger.Finished), Since: r.DoneAt,
		}
		if r.DoneAt.IsZero() {
			fact.State, fact.Since = string(ledger.Building), r.IntendedAt
		}
		return fact
	}
	return nil
}

// adoption is the last one of the group that was not replaced.
func (e *explainer) adoption(group string) *adoptionFact {
	for _, a := range slices.Backward(e.adoptions) {
		if a.Group == group && a.End != store.Replaced {
			return &adoptionFact{cmp.Or(string(a.End), "open"), a.Adopter, a.Reason, a.At}
		}
	}
	return nil
}
