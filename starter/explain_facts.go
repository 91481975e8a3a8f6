package main

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/desired"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// explanation is why the users of a tenant have access, or one user has or lacks it.
type explanation struct {
	Tenant   string `json:"tenant"`
	Platform string `json:"platform"`
	Person   string `json:"user,omitempty"`
	// Access is the access that the documents ask for, and how far it has come.
	Access []grantedAccess `json:"access"`
	// Leaving is the access that stays although no document asks for it any more.
	Leaving []leavingAccess `json:"leaving"`
	// Reasons say why a user has no access, or not all, each with a stable code.
	Reasons []reasonWhy `json:"reasons"`
	// Lacks are the texts of the reasons that are no warnings.
	Lacks   []string        `json:"lacks,omitempty"`
	Remarks []access.Remark `json:"warnings"`
	// Groups are the groups that grant the access.
	Groups []groupFacts `json:"groups"`
	// LastRun is nil for a tenant that is not replicated yet.
	LastRun *lastRun `json:"last_run,omitempty"`
}

// The states of an access.
const (
	accessGiven   = "granted" // by this installation, according to the ledger
	accessFound   = "found"   // a run with the same documents found it in place
	accessBlocked = "blocked" // a warning blocks it, or a role of it is refused
	accessPending = "pending" // it, or a role of it, is not in place yet
)

// grantedAccess is one user's way to one or more roles.
type grantedAccess struct {
	Person  string   `json:"user"`
	Account string   `json:"account"`
	Group   string   `json:"group,omitempty"`
	Roles   []string `json:"roles"`
	// State is granted, found, blocked or pending.
	State string `json:"state"`
	// Because is the chain of facts, from the binding to the platform's role.
	Because []string `json:"because"`
	// Applied are the steps that runs applied for it.
	Applied []appliedStep `json:"applied"`
	// Given is true if the ledger has the step that added the user.
	Given bool `json:"granted_by_rollcall"`
	// Missing are the roles that keep the state from being granted or found.
	Missing []missingRole `json:"missing_roles,omitempty"`

	byRoles bool // the state is that of the missing roles
}

type appliedStep struct {
	At    time.Time `json:"at"`
	Text  string    `json:"text"`
	Run   string    `json:"run_id"`
	Cause string    `json:"cause,omitempty"`
}

// verdictForbidden is the verdict on a removal that a document forbids.
const verdictForbidden = "forbidden"

// leavingAccess is a removal that a guard holds, or that a document forbids.
type leavingAccess struct {
	// Account is empty for the removal of a whole group.
	Account string `json:"account"`
	Group   string `json:"group,omitempty"`
	Role    string `json:"role,omitempty"`
	// Digest is the argument of an approval; empty where removals are forbidden.
	Digest string `json:"digest"`
	// Verdict is pending, approved (the next run applies it), rejected, or forbidden: then
	// By names the document that forbids removals.
	Verdict string    `json:"verdict"`
	By      string    `json:"by,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	Expires time.Time `json:"expires,omitzero"`
}

// reasonWhy is one reason for missing access.
type reasonWhy struct {
	Code string `json:"code"`
	Text string `json:"text"`
}

// groupFacts are the facts about a group on the platform.
type groupFacts struct {
	Group string `json:"group"`
	// Named says how its name is made, with the allocated parts.
	Named string `json:"named"`
	// Ref is its id on the platform; empty for a group that is not managed yet.
	Ref      string        `json:"ref,omitempty"`
	Renaming *renamingFact `json:"replacement,omitempty"`
	Adoption *adoptionFact `json:"adoption,omitempty"`
}

// renamingFact is the last replacement of another group by this one.
type renamingFact struct {
	From  string    `json:"from"`
	To    string    `json:"to"`
	Mode  string    `json:"mode"`
	State string    `json:"state"` // as ledger.RenamingState
	Since time.Time `json:"since,omitzero"`
}

// adoptionFact is the request to adopt the group.
type adoptionFact struct {
	State  string    `json:"state"` // as adoptionItem.State
	By     string    `json:"by"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// lastRun is the outcome of the tenant's last run.
type lastRun struct {
	Outcome string    `json:"outcome"`
	Run     string    `json:"run_id"`
	At      time.Time `json:"at"`
	// Behind is true when documents were applied since, not necessarily this
	// tenant's.
	Behind bool `json:"behind"`
}

// explainer holds the facts.
type explainer struct {
	in        document.TenantInput
	wanted    desired.Desired
	groups    bool            // the platform has groups
	records   []ledger.Record // newest first
	renamings []ledger.Renaming
	owned     []plan.Owned
	adoptions []store.Adoption
	decisions []store.Decision
	last      store.Status
	looked    bool // the tenant was replicated
	plan      plan.Plan

	user     string          // all users when empty
	accounts map[string]bool // of the user: names and ids
}

func (e *explainer) explain() explanation {
	out := explanation{Tenant: e.in.Tenant.ProjectID(), Platform: e.in.Tenant.Platform, Person: e.user}
	for _, g := range e.wanted.State.Groups {
		for _, m := range g.Members {
			if e.asked(m) {
				out.Access = append(out.Access, e.through(g, m))
			}
		}
	}
	for _, b := range e.wanted.State.Bindings {
		for _, m := range b.Subjects {
			if e.asked(m) {
				out.Access = append(out.Access, e.directly(b, m))
			}
		}
	}
	out.Leaving = e.leaving()
	out.Remarks = e.about(out.Access)
	out.Groups = e.groupsOf(out.Access)
	if e.looked {
		out.LastRun = &lastRun{e.last.Outcome, e.last.RunID, e.last.At, e.last.Generation < e.in.Generation}
	}
	if e.user != "" {
		out.Reasons = e.reasons(out)
	}
	return out.complete()
}

// complete fills in what follows from the rest.
func (out explanation) complete() explanation {
	out.Access, out.Leaving, out.Reasons = list(out.Access), list(out.Leaving), list(out.Reasons)
	out.Remarks, out.Groups = list(out.Remarks), list(out.Groups)
	for _, why := range out.Reasons {
		if !slices.ContainsFunc(out.Remarks, func(r access.Remark) bool { return r.Text == why.Text }) {
			out.Lacks = append(out.Lacks, why.Text)
		}
	}
	return out
}

func (e *explainer) asked(m access.Member) bool { return e.user == "" || m.Person == e.user }

// through is access through a group.
func (e *explainer) through(g access.Group, m access.Member) grantedAccess {
	got := grantedAccess{
		Person: m.Person, Account: m.Name, Group: g.Name, Roles: []string{}, Applied: []appliedStep{},
		Because: []string{m.Why, g.Why, e.account(m)},
	}
	member, taken := e.membership(g.Name, m)
	got.Given = member != nil
	got.add(member)
	var missing []missingRole
	for _, b := range e.wanted.State.Bindings {
		if b.Group != g.Name {
			continue
		}
		role := e.roleOf(b.Key())
		got.Roles = append(got.Roles, b.Role)
		got.add(role.granted)
		if m, isMissing := e.missing(b.Key(), role); isMissing {
			missing = append(missing, m)
		}
	}
	got.State = e.state(m, g.Key(), got.Given, taken)
	got.addRoles(missing)
	return got
}

// directly is access by a binding that lists users.
func (e *explainer) directly(b access.Binding, m access.Member) grantedAccess {
	got := grantedAccess{
		Person: m.Person, Account: m.Name, Roles: []string{b.Role}, Applied: []appliedStep{},
		Because: []string{m.Why, b.Why, e.account(m)},
	}
	role := e.subjectRecord(b.Key(), m)
	got.Given = role.granted != nil
	got.add(role.granted)
	got.State = e.state(m, b.Key(), got.Given, role.taken)
	if missing, isMissing := e.missing(b.Key(), role); isMissing && got.State != accessGiven && got.State != accessFound {
		got.addRoles([]missingRole{missing})
	}
	return got
}

func (g *grantedAccess) add(step *appliedStep) {
	if step != nil {
		g.Applied = append(g.Applied, *step)
	}
}

// account says how the account's name is made.
func (e *explainer) account(m access.Member) string {
	i := slices.IndexFunc(e.in.Users, func(u document.User) bool { return u.Name == m.Person })
	if i < 0 {
		return ""
	}
	return fmt.Sprintf("the euid %q and the platform's euidPattern %q make the account %q",
		e.in.Users[i].EUID, cmp.Or(e.in.Platform.Replication.EUIDPattern, "%s"), m.Name)
}

// state says how far an access has come. A grant counts until a later step removes it,
// although a warning may say that there are no new grants.
func (e *explainer) state(m access.Member, object access.Key, given, taken bool) string {
	blocked := slices.ContainsFunc(e.last.Remarks, func(r access.Remark) bool {
		return r.Code.Personal() && r.Object == m.Person || inTheWay(r.Code) && (r.Object == object.String() || r.Object == m.Name) ||
			r.Code == access.TenantNotFound
	})
	loses := slices.ContainsFunc(e.last.Remarks, func(r access.Remark) bool {
		return r.Object == m.Person && (r.Code == access.UserNotFound || r.Code == access.AccountCollision || r.Code == access.UserRevoked)
	})
	switch {
	case given && !loses:
		return accessGiven
	case blocked || loses:
		return accessBlocked
	case !taken && e.looked && !e.behind() && e.settled():
		return accessFound
	default:
		return accessPending
	}
}

// inTheWay reports whether a warning with this code on a group, a role or an account means
// that the group, the role or the account gives no access.
func inTheWay(code access.Code) bool {
	return code == access.ObjectForeign || code == access.OwnershipUnclear || code == access.RemovalsForbidden ||
		code == access.PlatformRefused || code == access.PlatformDenied || code == access.ForbiddenByConnection
}

// behind reports whether documents were applied since the last run began.
func (e *explainer) behind() bool { return e.last.Generation < e.in.Generation }

// settled reports whether the last run left nothing to add.
func (e *explainer) settled() bool {
	o := activities.Outcome(e.last.Outcome)
	return o == activities.Converged || o == activities.Changed || o == activities.Waiting
}

// groupsOf returns the facts about the groups that grant the access.
func (e *explainer) groupsOf(all []grantedAccess) []groupFacts {
	var facts []groupFacts
	for _, got := range all {
		if got.Group == "" || slices.ContainsFunc(facts, func(f groupFacts) bool { return f.Group == got.Group }) {
			continue
		}
		facts = append(facts, groupFacts{
			Group: got.Group, Named: e.named(got.Group), Ref: e.refOf(got.Group),
			Renaming: e.renaming(got.Group), Adoption: e.adoption(got.Group),
		})
	}
	return facts
}
