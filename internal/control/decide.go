package control

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/store"
)

const (
	// minDecision and maxDecision bound how long a decision counts.
	minDecision = time.Minute
	maxDecision = 30 * 24 * time.Hour
	// neverExpires is how long an undecided removal stays pending at least.
	neverExpires = 10 * 365 * 24 * time.Hour
)

// DecideRequest approves or rejects removals that a guard holds, and copies of external grants.
type DecideRequest struct {
	Tenant access.TenantID `json:"tenant"`
	// Digest names all steps that wait on the tenant, as PendingTenant has it.
	Digest  string        `json:"digest"`
	Verdict store.Verdict `json:"verdict"` // approved or rejected
	// Only chooses the steps of these accounts or objects; empty for all. The others stay
	// undecided.
	Only   []string `json:"only,omitempty"`
	Reason string   `json:"reason"`
	// By is the approver.
	By access.Actor `json:"-"`
	// ExpiresIn is how long the decision counts: a minute to 30 days.
	ExpiresIn time.Duration `json:"expires_in"`
	// Wait returns after the end of the tenant's run, with its report.
	Wait bool `json:"wait,omitempty"`
}

// Validate reports the fields that are missing or wrong.
func (r DecideRequest) Validate() error {
	switch {
	case r.Digest == "":
		return invalidField("digest", "the digest of the pending steps is missing")
	case r.Verdict != store.Approved && r.Verdict != store.Rejected:
		return invalidField("verdict", "the verdict is %q: write %s or %s", r.Verdict, store.Approved, store.Rejected)
	}
	if err := validateDecision(r.Reason, r.By); err != nil {
		return err
	}
	if r.ExpiresIn < minDecision || r.ExpiresIn > maxDecision {
		return invalidField("expires_in", "the decision would count for %s: write a duration from %s to %s",
			r.ExpiresIn, minDecision, maxDecision)
	}
	return nil
}

// PendingTenant has the steps that wait for an approval on one tenant.
type PendingTenant struct {
	Tenant   string `json:"tenant"`
	Platform string `json:"platform"`
	// Digest names all of them.
	Digest string        `json:"digest"`
	Steps  []PendingStep `json:"steps"`
}

// PendingStep is a step that waits for an approval, and why.
type PendingStep struct {
	Step

	Waits string `json:"waits,omitempty"`
}

// IsCopy reports whether the step copies an external grant from a replaced group to the new one.
func (s PendingStep) IsCopy() bool {
	return s.Op == plan.Create && s.Want.Binding != nil && s.Want.Binding.Carried
}

// Decided counts the steps of a decision.
type Decided struct {
	Removals int `json:"removals"`
	Copies   int `json:"copies"`
}

// DecisionRecord is a decision about one removal.
type DecisionRecord struct {
	Tenant   string `json:"tenant"`
	Platform string `json:"platform"`
	// Object is the group or role that the removal is from, Account the platform's id of the
	// account or of the object that is removed.
	Object  string        `json:"object"`
	Account string        `json:"account"`
	Verdict store.Verdict `json:"verdict"`
	// State is open while the decision counts, then its end: used, replaced, expired,
	// nothing-left or abandoned.
	State store.DecisionEnd `json:"state"`
	By    string            `json:"by"`
	// Claim is another name that the approver gave, which nothing verifies.
	Claim   string    `json:"claim,omitempty"`
	Reason  string    `json:"reason"`
	Digest  string    `json:"digest"`
	At      time.Time `json:"at"`
	Expires time.Time `json:"expires"`
	Ended   time.Time `json:"ended,omitzero"`
}

// ListDecisions is that of Decisions.
func (l *Local) ListDecisions(ctx context.Context, tenants []access.TenantID) ([]DecisionRecord, error) {
	s, err := l.Store(ctx)
	if err != nil {
		return nil, err
	}
	all, err := s.AllDecisions(ctx, tenants)
	if err != nil {
		return nil, err
	}
	now, err := s.Now(ctx)
	if err != nil {
		return nil, err
	}
	records := make([]DecisionRecord, len(all))
	for i, d := range all {
		records[i] = DecisionRecord{
			Tenant: d.Tenant.ProjectID(), Platform: d.Tenant.Platform, Object: d.Removal.Object.String(), Account: d.Removal.Ref,
			Verdict: d.Verdict, State: d.State(now), By: d.By.ID(), Claim: d.By.Claim,
			Reason: d.Reason, Digest: d.Digest, At: d.Decided, Expires: d.Expires, Ended: d.EndedAt,
		}
	}
	return records, nil
}

// ListPending is that of Decisions.
func (l *Local) ListPending(ctx context.Context) ([]PendingTenant, error) {
	tenants, err := l.ListTenants(ctx, Selection{All: true})
	if err != nil {
		return nil, err
	}
	s, err := l.Store(ctx)
	if err != nil {
		return nil, err
	}
	plans, err := pendingPlans(ctx, s, tenants)
	if err != nil {
		return nil, err
	}
	items := []PendingTenant{}
	for _, t := range slices.SortedFunc(maps.Keys(plans), access.TenantID.Compare) {
		items = append(items, PendingOf(t, plans[t]))
	}
	return items, nil
}

// PendingOf returns the steps of a tenant's plan that wait for an approval.
func PendingOf(t access.TenantID, p plan.Plan) PendingTenant {
	item := PendingTenant{Tenant: t.ProjectID(), Platform: t.Platform, Digest: p.HeldDigest()}
	for _, s := range p.Held {
		item.Steps = append(item.Steps, PendingStep{stepOf(s, true), waitsFor(p, s.Object)})
	}
	return item
}

// waitsFor says why steps of an object wait for an approval.
func waitsFor(p plan.Plan, object string) string {
	var texts []string
	for _, r := range p.Remarks {
		if r.Code == access.RemovalHeld && r.Object == object {
			texts = append(texts, r.Text)
		}
	}
	return strings.Join(texts, "; ")
}

// pendingPlans returns the last plans of tenants with steps that wait for an approval.
func pendingPlans(ctx context.Context, s *store.Store, tenants []access.TenantID) (map[access.TenantID]plan.Plan, error) {
	last, err := lastStatuses(ctx, s, tenants)
	if err != nil {
		return nil, err
	}
	plans := map[access.TenantID]plan.Plan{}
	for tenant, status := range last {
		if status.Held == 0 || status.Digest == "" {
			continue
		}
		if plans[tenant], _, err = s.Plan(ctx, status.Digest); err != nil {
			return nil, err
		}
	}
	return plans, nil
}

// Decide is that of Decisions.
func (l *Local) Decide(ctx context.Context, r DecideRequest, report func(Event)) (ReplicateResult, error) {
	if err := r.Validate(); err != nil {
		return ReplicateResult{}, err
	}
	tenants, err := l.ListTenants(ctx, Selection{Tenants: []access.TenantID{r.Tenant}})
	if err != nil {
		return ReplicateResult{}, err
	}
	s, err := l.Store(ctx)
	if err != nil {
		return ReplicateResult{}, err
	}
	plans, err := pendingPlans(ctx, s, tenants)
	if err != nil {
		return ReplicateResult{}, err
	}
	p := plans[r.Tenant]
	if err := checkDigest(p, r.Tenant, r.Digest); err != nil {
		return ReplicateResult{}, err
	}
	decisions, err := r.decisions(p)
	if err != nil {
		return ReplicateResult{}, err
	}
	starts, err := tenantStarts(ctx, s, tenants, string(r.Verdict))
	if err != nil {
		return ReplicateResult{}, err
	}
	if err := s.Decide(ctx, r.Tenant, decisions, starts...); err != nil {
		return ReplicateResult{}, err
	}
	decided, events := r.count(p, decisions), newReporter(report)
	events.send(Event{Type: EventDecided, Decided: &decided})
	return replication{local: l, cause: string(r.Verdict), wait: r.Wait, events: events}.startStored(ctx, tenants)
}

// checkDigest refuses a decision about other steps than those that wait now.
func checkDigest(p plan.Plan, tenant access.TenantID, digest string) error {
	switch now := p.HeldDigest(); {
	case now == "":
		return conflict(tenant, "no step waits for an approval on %s", tenant)
	case now != digest:
		e := conflict(tenant, "other steps wait for an approval on %s than those with the digest %s: their digest is %s",
			tenant, digest, now)
		e.Field = "digest"
		return e
	default:
		return nil
	}
}

// conflict returns the error of a request about a tenant whose state has changed.
func conflict(tenant access.TenantID, format string, args ...any) *Error {
	return &Error{Code: Conflict, Kind: kindTenant, Name: tenant.String(), Message: fmt.Sprintf(format, args...)}
}

// decisions are about all steps that wait. Those that Only does not name stay undecided and
// never expire: they must not fall below the guard's limit when the others are decided.
func (r DecideRequest) decisions(p plan.Plan) ([]store.Decision, error) {
	var decisions []store.Decision
	matched := map[string]bool{}
	for _, s := range p.Held {
		for _, removal := range s.Removals() {
			d := store.Decision{
				Removal: removal, Verdict: r.Verdict, By: r.By, Reason: r.Reason, Digest: p.HeldDigest(), Life: r.ExpiresIn,
			}
			if len(r.Only) > 0 && !r.names(s, removal, matched) {
				d.Verdict, d.Life = store.Undecided, neverExpires
			}
			decisions = append(decisions, d)
		}
	}
	for _, only := range r.Only {
		if !matched[only] {
			return nil, &Error{
				Code: Invalid, Field: "only", Name: only, Message: fmt.Sprintf("no step that waits for an approval names %q", only),
			}
		}
	}
	return decisions, nil
}

// names reports whether Only names the step's object, or the account.
func (r DecideRequest) names(s plan.Step, removal plan.Removal, matched map[string]bool) bool {
	found := false
	for _, only := range r.Only {
		if only == s.Object || slices.ContainsFunc(s.Removes(), func(m access.Member) bool {
			return m.Ref == removal.Ref && (only == m.Name || only == m.Ref)
		}) {
			matched[only], found = true, true
		}
	}
	return found
}

// count counts the decided steps, without those that stay undecided.
func (r DecideRequest) count(p plan.Plan, decisions []store.Decision) Decided {
	copies := map[plan.Removal]bool{}
	for _, s := range p.Held {
		if s.Carries != "" {
			copies[s.Removals()[0]] = true
		}
	}
	var decided Decided
	for _, d := range decisions {
		switch {
		case d.Verdict != r.Verdict:
		case copies[d.Removal]:
			decided.Copies++
		default:
			decided.Removals++
		}
	}
	return decided
}
