package explain

import (
	"slices"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/desired"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// Facts are the stored facts about one tenant, and the user of the question.
type Facts struct {
	Input   document.TenantInput
	Desired desired.Desired
	Profile driver.Profile
	// Records are the tenant's newest, newest first.
	Records      []ledger.Record
	Replacements []ledger.Renaming
	Managed      []plan.Owned
	Adoptions    []store.Adoption
	// Decisions are all that were made about the tenant, the newest first; Current are those that count.
	Decisions, Current []store.Decision
	// Status is the last one; Replicated is false if there is none.
	Status     store.Status
	Replicated bool
	// Completed is true if the last run left nothing to add.
	Completed bool
	// Plan is that of the last observation; empty if nothing differed.
	Plan plan.Plan
	// Revoked is the state of the user's revocation on the platform; nil without a revocation.
	Revoked *store.RevokedPlatform
	// Shared are other tenants that desire a shared role for the user.
	Shared []SharedRole
	// Refusal returns the code of the warning about a failure of that class, and reports
	// whether the failure is permanent.
	Refusal func(class string) (code access.Code, permanent bool)
	// Now is the time of the question.
	Now time.Time

	// User is the name of the user; all users when empty.
	User string
	// Account is the account that the platform's euidPattern makes for the user.
	Account string
}

// SharedRole is a role beyond one tenant that another tenant desires for the user too.
type SharedRole struct {
	Role   string
	Tenant access.TenantID
}

// explainer answers one question.
type explainer struct {
	Facts
	observedAt time.Time       // of the last observation
	current    bool            // it compared the present documents
	accounts   map[string]bool // of the user: names and ids, see nameKey
	// refs are the ids of accounts by the ledger, by nameKey.
	refs map[string]map[string]bool
}

// Explain answers the question.
func Explain(f Facts) Answer {
	x := &explainer{Facts: f, observedAt: f.Status.Observed.At}
	x.current = f.Replicated && !x.observedAt.IsZero() && (f.Status.Observed.Desired == f.Desired.Digest() ||
		f.Status.Observed.Desired == "" && f.Status.Observed.Revision >= f.Input.Generation)
	x.indexAccounts()
	end := f.Profile.AccessEnd.Report()
	out := Answer{
		Tenant: f.Input.Tenant.ProjectID(), Platform: f.Input.Tenant.Platform, User: f.User, Access: x.access(), AccessEnd: &end,
	}
	out.Leaving = x.leaving()
	out.Warnings = x.warningsOf(out.Access)
	out.Groups = x.groups(out.Access)
	if !x.observedAt.IsZero() {
		out.Observed = &Observation{x.observedAt, x.current}
	}
	if f.Replicated {
		out.LastRun = &LastRun{f.Status.Outcome, f.Status.RunID, f.Status.At, x.isStale()}
	}
	if f.User != "" {
		out.Reasons = x.reasons(out)
	}
	return out.complete()
}

// HasAccounts reports whether the documents or the ledger know an account of the user.
func (f Facts) HasAccounts() bool {
	x := &explainer{Facts: f}
	x.indexAccounts()
	return len(x.accounts) > 0
}

// complete makes empty lists of nil ones, and collects the texts of Lacks.
func (a Answer) complete() Answer {
	a.Access, a.Leaving, a.Reasons = list(a.Access), list(a.Leaving), list(a.Reasons)
	a.Warnings, a.Groups = list(a.Warnings), list(a.Groups)
	for _, reason := range a.Reasons {
		if !slices.ContainsFunc(a.Warnings, func(r access.Remark) bool { return r.Text == reason.Text }) {
			a.Lacks = append(a.Lacks, reason.Text)
		}
	}
	return a
}

// list returns items, never nil, so that JSON shows an empty list.
func list[T any](items []T) []T {
	if items == nil {
		return []T{}
	}
	return items
}

// isSubject reports whether the question is about the member's user.
func (x *explainer) isSubject(m access.Member) bool { return x.User == "" || m.Person == x.User }

// isStale reports whether documents were applied since the last run began.
func (x *explainer) isStale() bool { return x.Status.Generation < x.Input.Generation }

// nameKey returns a key that is the same for equal account names of the platform.
func (x *explainer) nameKey(name string) string { return string(x.Profile.AccountNames.Key(name)) }

// indexAccounts collects the user's accounts, and the ids of all accounts by the ledger.
func (x *explainer) indexAccounts() {
	x.accounts, x.refs = map[string]bool{}, map[string]map[string]bool{}
	if x.Account != "" && x.User != "" {
		x.accounts[x.nameKey(x.Account)] = true
	}
	for _, r := range x.Records {
		for _, m := range r.Step.Adds() {
			x.indexAccount(m)
		}
	}
	delete(x.accounts, "")
}

func (x *explainer) indexAccount(m access.Member) {
	key := x.nameKey(m.Name)
	if m.Ref != "" && m.Name != "" {
		if x.refs[key] == nil {
			x.refs[key] = map[string]bool{}
		}
		x.refs[key][m.Ref] = true
	}
	if m.Person != "" && m.Person == x.User {
		x.accounts[key], x.accounts[m.Ref] = true, true
	}
}

// isUsers reports whether an account is the user's, or whether the question is about all.
func (x *explainer) isUsers(m access.Member) bool {
	return x.User == "" || m.Person == x.User || m.Name != "" && x.accounts[x.nameKey(m.Name)] || m.Ref != "" && x.accounts[m.Ref]
}

// same reports whether a member of a step is the desired one. Observed members have no user, and
// some have an id alone. A user whose euid changed has another account than before.
func (x *explainer) same(of, want access.Member) bool {
	switch {
	case of.Person != "" && want.Person != "" && of.Person != want.Person:
		return false
	case of.Name != "" && want.Name != "":
		return x.nameKey(of.Name) == x.nameKey(want.Name)
	case of.Ref != "" && want.Name != "":
		return x.refs[x.nameKey(want.Name)][of.Ref]
	default:
		return of.Person != "" && of.Person == want.Person
	}
}
