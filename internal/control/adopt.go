package control

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/desired"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/workflows"
)

// AdoptRequest takes over groups that are on a tenant's platform already.
type AdoptRequest struct {
	Tenant access.TenantID `json:"tenant"`
	// Groups are the names of the groups; empty for all that can be adopted.
	Groups []string `json:"groups,omitempty"`
	// Digest is that of the Adoption which the caller has agreed to. Without one, the request
	// agrees to whatever its own plan finds.
	Digest string `json:"digest,omitempty"`
	// DryRun plans the adoption and stores nothing.
	DryRun bool   `json:"dry_run,omitempty"`
	Reason string `json:"reason,omitempty"`
	// By is the caller.
	By access.Actor `json:"-"`
	// Wait returns after the end of the tenant's run, with its report.
	Wait bool `json:"wait,omitempty"`
}

// Validate reports the fields that are missing.
func (r AdoptRequest) Validate() error {
	if r.DryRun {
		return nil
	}
	return validateDecision(r.Reason, r.By)
}

// Adoption is what an adoption of groups of one tenant would change.
type Adoption struct {
	Tenant   string `json:"tenant"`
	Platform string `json:"platform"`
	// Digest names the whole plan.
	Digest string         `json:"digest"`
	Groups []AdoptedGroup `json:"groups"`
	// NotAdoptable are the requested groups that cannot be adopted, or need not be.
	NotAdoptable []NotAdoptable `json:"not_adoptable"`
	// MoreSteps counts the plan's steps about other objects: the run that adopts the groups
	// applies them, too.
	MoreSteps int `json:"more_steps"`
}

// AdoptedGroup is a group that can be adopted.
type AdoptedGroup struct {
	Group string `json:"group"`
	Ref   string `json:"ref"`
	// HasMarker is true for a group that has this tenant's ownership marker already.
	HasMarker bool `json:"has_ownership_marker"`
	// Steps are the changes of the group, its members and its roles.
	Steps    []Step          `json:"steps"`
	Warnings []access.Remark `json:"warnings"`
}

// NotAdoptable is a group that cannot be adopted, or need not be.
type NotAdoptable struct {
	Group string `json:"group"`
	// State is ours, absent or refused.
	State  string `json:"state"`
	Reason string `json:"why"`
}

// AdoptResult is the result of an adoption.
type AdoptResult struct {
	// Adoption is the plan that the result rests on.
	Adoption Adoption `json:"adoption"`
	// Plan is the part of the plan that is about the groups.
	Plan plan.Plan `json:"plan"`
	// Stored is true for an adoption that is stored: a dry run stores none, and so does a
	// request that finds no group.
	Stored      bool            `json:"stored"`
	Replication ReplicateResult `json:"replication"`
}

// AdoptionRecord is an adoption that was requested.
type AdoptionRecord struct {
	Tenant   string `json:"tenant"`
	Platform string `json:"platform"`
	Group    string `json:"group"`
	Ref      string `json:"ref"`
	// State is open until a run adopts the group, then the end: adopted, not-found,
	// not-desired or replaced.
	State string `json:"state"`
	By    string `json:"by"`
	// Claim is another name that the caller gave, which nothing verifies.
	Claim  string    `json:"claim,omitempty"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
	Ended  time.Time `json:"ended,omitzero"`
}

// ListAdoptions is that of Adoptions.
func (l *Local) ListAdoptions(ctx context.Context) ([]AdoptionRecord, error) {
	s, err := l.Store(ctx)
	if err != nil {
		return nil, err
	}
	all, err := s.AllAdoptions(ctx, nil)
	if err != nil {
		return nil, err
	}
	records := make([]AdoptionRecord, len(all))
	for i, a := range all {
		records[i] = AdoptionRecord{
			Tenant: a.Tenant.ProjectID(), Platform: a.Tenant.Platform, Group: a.Group, Ref: a.Ref,
			State: cmp.Or(string(a.End), "open"), By: a.By.ID(), Claim: a.By.Claim, Reason: a.Reason, At: a.At, Ended: a.EndedAt,
		}
	}
	return records, nil
}

// ListAdoptable is that of Adoptions.
func (l *Local) ListAdoptable(ctx context.Context, tenant access.TenantID) ([]string, error) {
	if _, err := l.ListTenants(ctx, Selection{Tenants: []access.TenantID{tenant}}); err != nil {
		return nil, err
	}
	s, err := l.Store(ctx)
	if err != nil {
		return nil, err
	}
	in, err := s.TenantInput(ctx, tenant)
	if err != nil {
		return nil, err
	}
	p, known := l.Platform(in.Platform.Type)
	switch {
	case !known:
		return nil, fmt.Errorf("no driver for platforms of the type %q", in.Platform.Type)
	case !p.Rules.Options.Groups:
		return nil, invalidField("tenant", "platforms of the type %q have no groups: there is nothing to adopt on %s",
			in.Platform.Type, tenant)
	}
	want, err := desired.Compute(in, p.Rules.Options)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, g := range want.State.Groups {
		names = append(names, g.Name)
	}
	return names, nil
}

// Adopt is that of Adoptions.
func (l *Local) Adopt(ctx context.Context, r AdoptRequest, report func(Event)) (AdoptResult, error) {
	if err := r.Validate(); err != nil {
		return AdoptResult{}, err
	}
	groups, err := l.requestedGroups(ctx, r)
	if err != nil {
		return AdoptResult{}, err
	}
	s, t, err := l.connect(ctx)
	if err != nil {
		return AdoptResult{}, err
	}
	if err := l.requireWorker(ctx, t); err != nil {
		return AdoptResult{}, err
	}
	result, err := planAdoption(ctx, s, t, r.Tenant, groups)
	if err != nil {
		return AdoptResult{}, err
	}
	if err := result.Adoption.check(r); err != nil {
		return AdoptResult{}, err
	}
	if r.DryRun || len(result.Adoption.Groups) == 0 {
		return result, nil
	}
	events := newReporter(report)
	events.send(Event{Type: EventAdopting, Adoption: &result})
	tenants := []access.TenantID{r.Tenant}
	starts, err := tenantStarts(ctx, s, tenants, "adopt")
	if err != nil {
		return AdoptResult{}, err
	}
	if err := s.Adopt(ctx, r.Tenant, result.Adoption.records(r), starts...); err != nil {
		return AdoptResult{}, err
	}
	result.Stored = true
	events.send(Event{Type: EventAdopted, Adoption: &result})
	result.Replication, err = replication{local: l, cause: "adopt", wait: r.Wait, events: events}.startStored(ctx, tenants)
	return result, err
}

// requestedGroups returns the names of the groups to adopt: those of the request, or all that
// the documents desire.
func (l *Local) requestedGroups(ctx context.Context, r AdoptRequest) ([]string, error) {
	names, err := l.ListAdoptable(ctx, r.Tenant)
	if err != nil {
		return nil, err
	}
	for _, name := range r.Groups {
		if !slices.Contains(names, name) {
			return nil, &Error{
				Code: Invalid, Field: "groups", Name: name,
				Message: fmt.Sprintf("the documents want no group %q on %s, but %s", name, r.Tenant, cmp.Or(quoted(names), "none at all")),
			}
		}
	}
	if len(r.Groups) > 0 {
		names = slices.Compact(slices.Sorted(slices.Values(r.Groups)))
	}
	return names, nil
}

// planAdoption plans the tenant as if those of the groups that are on the platform were adopted.
func planAdoption(ctx context.Context, s *store.Store, t Temporal, tenant access.TenantID, groups []string) (AdoptResult, error) {
	run, err := t.dryRun(ctx, adoptionPlanID(tenant, groups), "plan an adoption on "+tenant.String(),
		workflows.ReplicateInput{Tenant: tenant, Cause: "adopt", Adopt: groups})
	if err != nil {
		return AdoptResult{}, err
	}
	if failure := run.failure(); failure != nil {
		return AdoptResult{}, fmt.Errorf("%s cannot be planned: %s", tenant, failure.Reason)
	}
	p, _, err := s.Plan(ctx, run.result.Digest)
	if err != nil {
		return AdoptResult{}, err
	}
	return adoptionOf(p, run.result.Digest, groups), nil
}

// adoptionPlanID names a dry run after its groups, so that callers with different groups do
// not get each other's plan.
func adoptionPlanID(t access.TenantID, groups []string) string {
	sum := sha256.Sum256([]byte(strings.Join(groups, "\x00")))
	return workflows.PlanTenantID(t) + "/adopt-" + hex.EncodeToString(sum[:4])
}

// adoptionOf returns the part of a plan that is about the groups.
func adoptionOf(p plan.Plan, digest string, groups []string) AdoptResult {
	r := AdoptResult{Plan: plan.Plan{Tenant: p.Tenant}, Adoption: Adoption{
		Tenant: p.Tenant.ProjectID(), Platform: p.Tenant.Platform, Digest: digest,
		Groups: []AdoptedGroup{}, NotAdoptable: []NotAdoptable{}, MoreSteps: len(p.Steps),
	}}
	for _, name := range groups {
		part := partOf(p, name)
		g := AdoptedGroup{Group: name, Steps: []Step{}, Warnings: append([]access.Remark{}, part.Remarks...)}
		for _, s := range part.Steps {
			if isAdoption(s) {
				g.Ref, g.HasMarker = s.Have.Group.Ref, s.Have.Group.Mark == s.Want.Group.Mark
			}
			g.Steps = append(g.Steps, stepOf(s, false))
		}
		for _, s := range part.Held {
			g.Steps = append(g.Steps, stepOf(s, true))
		}
		if g.Ref == "" {
			r.Adoption.NotAdoptable = append(r.Adoption.NotAdoptable, notAdoptable(p, part, name))
			continue
		}
		r.Adoption.Groups = append(r.Adoption.Groups, g)
		r.Adoption.MoreSteps -= len(part.Steps)
		r.Plan.Steps = append(r.Plan.Steps, part.Steps...)
		r.Plan.Held = append(r.Plan.Held, part.Held...)
		r.Plan.Remarks = append(r.Plan.Remarks, part.Remarks...)
	}
	return r
}

// partOf returns the part of a plan that is about one group: the group itself, its members,
// its roles, and their warnings.
func partOf(p plan.Plan, group string) plan.Plan {
	part := plan.Plan{Tenant: p.Tenant}
	for _, s := range p.Steps {
		if s.Key().Group == group {
			part.Steps = append(part.Steps, s)
		}
	}
	for _, s := range p.Held {
		if s.Key().Group == group {
			part.Held = append(part.Held, s)
		}
	}
	for _, r := range p.Remarks {
		// A binding's name ends with its group's.
		if r.Object == group || strings.HasSuffix(r.Object, " → "+group) {
			part.Remarks = append(part.Remarks, r)
		}
	}
	return part
}

// isAdoption reports whether the step adopts a group under the name it has.
func isAdoption(s plan.Step) bool {
	return s.Op == plan.Change && s.Kind == access.KindGroup && s.Have.Group != nil && s.Want.Group != nil &&
		s.Have.Group.Name == s.Want.Group.Name && s.Have.Group.Ref != ""
}

// notAdoptable says why the plan does not adopt a group.
func notAdoptable(p, part plan.Plan, group string) NotAdoptable {
	for _, r := range part.Remarks {
		if r.Object == group && (r.Code == access.ObjectForeign || r.Code == access.OwnershipUnclear) {
			return NotAdoptable{group, "refused", r.Text}
		}
	}
	for _, r := range p.Remarks {
		if r.Code == access.TenantNotFound {
			return NotAdoptable{group, "refused", r.Text}
		}
	}
	for _, s := range part.Steps {
		if s.Kind == access.KindGroup && s.Op == plan.Create {
			return NotAdoptable{group, "absent", "the platform has no group of this name: the next run makes it"}
		}
	}
	return NotAdoptable{group, "ours", "it is Rollcall's already"}
}

// check refuses an adoption of groups, named one by one, that cannot all be adopted, and one
// that is not the one which the caller has agreed to.
func (a Adoption) check(r AdoptRequest) error {
	switch {
	case r.Digest != "" && r.Digest != a.Digest:
		return conflict(r.Tenant, "%s has changed since it was shown: no group was adopted, show the adoption again", r.Tenant)
	case len(r.Groups) == 0 || len(a.NotAdoptable) == 0:
		return nil
	}
	var text strings.Builder
	fmt.Fprintf(&text, "not all of it can be taken over on %s, so nothing is:", r.Tenant)
	for _, g := range a.NotAdoptable {
		fmt.Fprintf(&text, "\n  group %q: %s", g.Group, g.Reason)
	}
	return invalidField("groups", "%s", text.String())
}

// records are what is stored of an adoption.
func (a Adoption) records(r AdoptRequest) []store.Adoption {
	all := make([]store.Adoption, len(a.Groups))
	for i, g := range a.Groups {
		all[i] = store.Adoption{Group: g.Group, Ref: g.Ref, By: r.By, Reason: r.Reason, Digest: a.Digest}
	}
	return all
}
