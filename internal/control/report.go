package control

import (
	"cmp"
	"context"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/workflows"
)

// Report has the outcomes of tenants.
type Report struct {
	activities.Totals
	DurationMS int64          `json:"duration_ms"`
	Items      []TenantReport `json:"items"`
	// Platforms are the totals of each platform that was swept.
	Platforms []PlatformTotals `json:"platforms,omitempty"`
}

// PlatformTotals are the totals of one platform.
type PlatformTotals struct {
	Platform string `json:"platform"`
	activities.Totals
}

// TenantReport is one tenant of a report.
type TenantReport struct {
	Tenant   string             `json:"tenant"` // <workspace>.<project>
	Platform string             `json:"platform"`
	Outcome  activities.Outcome `json:"outcome"`
	Steps    int                `json:"steps"`
	Warnings []Warning          `json:"warnings"`
	// Ended are warnings that hold no more, if the request asks for them.
	Ended []Warning `json:"ended_warnings,omitempty"`
	// NextEnd is when the next users lose a role because bindings end; nil if none do.
	NextEnd *document.NextEnd `json:"next_end,omitempty"`
}

// Warning is a warning with the time since which it holds.
type Warning struct {
	access.Remark
	Since time.Time `json:"since,omitzero"`
	// Ended is zero for a warning that holds.
	Ended time.Time `json:"ended,omitzero"`
}

// PendingTotals count the removals that wait for approvals.
type PendingTotals struct {
	PendingRemovals int `json:"removals_pending_approval"`
	PendingTenants  int `json:"tenants_pending_approval"`
}

// Never is the outcome of a tenant that is not replicated yet.
const Never activities.Outcome = "never"

// ending is how a replication ended.
type ending struct {
	totals activities.Totals
	// failed are the outcomes of tenants whose run, or whose platform's sweep, ended in an
	// error: their stored status may be that of the run before.
	failed map[access.TenantID]activities.Outcome
	// runs are the ends of runs, for tenants without a status: they were removed, and are
	// cleaned up.
	runs      map[access.TenantID]runEnd
	platforms []PlatformTotals
	failures  []Failure
}

// runEnd is how one tenant's run ended.
type runEnd struct {
	outcome activities.Outcome
	steps   int
}

// note records how a tenant's run ended.
func (e *ending) note(t access.TenantID, outcome activities.Outcome, steps int) {
	if e.runs == nil {
		e.runs = map[access.TenantID]runEnd{}
	}
	e.runs[t] = runEnd{outcome, steps}
}

// fail records that a tenant failed.
func (e *ending) fail(t access.TenantID, outcome activities.Outcome) {
	if e.failed == nil {
		e.failed = map[access.TenantID]activities.Outcome{}
	}
	e.failed[t] = outcome
}

// statuses are the stored statuses by tenant.
type statuses map[access.TenantID]store.Status

func lastStatuses(ctx context.Context, s *store.Store, tenants []access.TenantID) (statuses, error) {
	found, err := s.Statuses(ctx, store.TenantFilter{IDs: tenants})
	if err != nil {
		return nil, err
	}
	return statusesOf(found), nil
}

func statusesOf(found []store.Status) statuses {
	last := make(statuses, len(found))
	for _, status := range found {
		last[status.Tenant] = status
	}
	return last
}

// attributes are the search attributes that a run of the tenant starts with: those
// of the run before, so that an unchanged tenant writes none.
func (s statuses) attributes(t access.TenantID) temporal.SearchAttributes {
	last, known := s[t]
	if !known {
		return engine.TenantAttributes(t, "", 0)
	}
	return engine.TenantAttributes(t, workflows.Standing(activities.Outcome(last.Outcome)), int64(len(last.Remarks)))
}

// report joins the stored statuses with the outcomes that they do not have.
func (s statuses) report(end ending, tenants []access.TenantID, duration time.Duration) Report {
	r := Report{Totals: end.totals, DurationMS: duration.Milliseconds(), Items: s.items(tenants), Platforms: end.platforms}
	for i, t := range tenants {
		run, known := end.runs[t]
		if _, stored := s[t]; known && !stored && run.outcome != "" {
			r.Items[i].Outcome, r.Items[i].Steps = run.outcome, run.steps
		}
		r.Items[i].Outcome = cmp.Or(end.failed[t], r.Items[i].Outcome)
	}
	return r
}

func (s statuses) items(tenants []access.TenantID) []TenantReport {
	items := make([]TenantReport, len(tenants))
	for i, t := range tenants {
		last := s[t]
		items[i] = TenantReport{
			Tenant: t.ProjectID(), Platform: t.Platform,
			Outcome: cmp.Or(activities.Outcome(last.Outcome), Never),
			Steps:   last.Steps, Warnings: warningsOf(last),
		}
	}
	return items
}

// warningsOf returns the warnings of a stored status with their times.
func warningsOf(s store.Status) []Warning {
	warnings := make([]Warning, len(s.Remarks))
	for i, r := range s.Remarks {
		warnings[i] = Warning{Remark: r, Since: s.Since(r)}
	}
	return warnings
}

// totals counts stored statuses.
func (s statuses) totals(tenants []access.TenantID) activities.Totals {
	var totals activities.Totals
	for _, t := range tenants {
		last, known := s[t]
		if !known {
			totals.Tenants++
			continue
		}
		totals.Count(activities.Outcome(last.Outcome), last.Steps, len(last.Remarks), last.Calls)
	}
	return totals
}

func (s statuses) pendingTotals(tenants []access.TenantID) PendingTotals {
	var pending PendingTotals
	for _, t := range tenants {
		if last := s[t]; last.Held > 0 {
			pending.PendingRemovals += last.Removals
			pending.PendingTenants++
		}
	}
	return pending
}
