package control

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// StatusRequest asks how tenants are.
type StatusRequest struct {
	Selection
	// Codes choose the tenants with warnings of these codes, and User those with warnings
	// about a user: a metadata.name, an euid, an email or an account.
	Codes []access.Code `json:"codes,omitempty"`
	User  string        `json:"user,omitempty"`
	// Ended adds the warnings that ended within 90 days.
	Ended bool `json:"ended,omitempty"`
}

// Validate reports a selection that contradicts itself, and codes that no warning has.
func (r StatusRequest) Validate() error {
	for _, code := range r.Codes {
		if !slices.Contains(access.Codes(), code) {
			all := make([]string, 0, len(access.Codes()))
			for _, c := range access.Codes() {
				all = append(all, string(c))
			}
			return &Error{
				Code: Invalid, Field: "codes", Name: string(code),
				Message: "there is no warning code " + quoted([]string{string(code)}) + ": write one of " + strings.Join(all, ", "),
			}
		}
	}
	return r.Selection.Validate()
}

// StatusReport is how tenants are.
type StatusReport struct {
	Report
	// Live are the open runs, and the tenants that wait for an approval.
	Live []OpenRun `json:"live"`
	// LiveMore counts the open runs beyond those in Live.
	LiveMore int `json:"live_more,omitempty"`
	PendingTotals
	// LiveError says why Live lacks the open runs.
	LiveError string `json:"live_error,omitempty"`
}

// StatusResult is the report with the reasons of waiting runs.
type StatusResult struct {
	Report StatusReport `json:"report"`
	// Unserved are the platforms of runs that wait for a worker, if no worker serves them.
	Unserved []UnservedPlatform `json:"unserved,omitempty"`
	// Failure is the cause of Report.LiveError.
	Failure *Error `json:"failure,omitempty"`
}

// Status is that of Tenants.
func (l *Local) Status(ctx context.Context, r StatusRequest) (StatusResult, error) {
	if err := r.Validate(); err != nil {
		return StatusResult{}, err
	}
	tenants, err := l.ListTenants(ctx, r.Selection)
	if err != nil {
		return StatusResult{}, err
	}
	s, err := l.Store(ctx)
	if err != nil {
		return StatusResult{}, err
	}
	last, err := lastStatuses(ctx, s, tenants)
	if err != nil {
		return StatusResult{}, err
	}
	filter := warningFilter{codes: r.Codes, user: r.User, ended: r.Ended}
	tenants, last, ended, err := filter.choose(ctx, s, tenants, last)
	if err != nil {
		return StatusResult{}, err
	}
	result := StatusResult{Report: StatusReport{
		Report: Report{Totals: last.totals(tenants), Items: last.items(tenants)}, PendingTotals: last.pendingTotals(tenants),
	}}
	ends, err := nextEnds(ctx, s, tenants)
	if err != nil {
		return StatusResult{}, err
	}
	for i, t := range tenants {
		result.Report.Items[i].Ended, result.Report.Items[i].NextEnd = ended[t], ends[t]
	}
	if err := l.addRuns(ctx, s, &result, tenants, last); err != nil {
		return StatusResult{}, err
	}
	return result, ctx.Err()
}

// addRuns adds the open runs of the tenants and the reasons why they wait. Without Temporal,
// the result has the cause instead.
func (l *Local) addRuns(ctx context.Context, s *store.Store, result *StatusResult, tenants []access.TenantID, last statuses) error {
	found, more, err := l.describeRuns(ctx, tenants)
	if err != nil {
		found, more = nil, 0
		result.Report.LiveError, result.Failure = err.Error(), AsError(err)
	}
	if err := addReasons(ctx, s, found, l.Now()); err != nil {
		return err
	}
	if result.Unserved, err = l.unservedRuns(ctx, found); err != nil {
		return err
	}
	result.Report.LiveMore = more
	result.Report.Live = append([]OpenRun{}, append(found, last.pendingRuns(withoutRun(tenants, found))...)...)
	return nil
}

// IsDelayed reports whether a run waits longer than a worker may take to start.
func (r OpenRun) IsDelayed() bool { return r.SinceMS > startupTimeout.Milliseconds() }

// unservedRuns returns the platforms that no worker serves of runs that wait for one.
func (l *Local) unservedRuns(ctx context.Context, runs []OpenRun) ([]UnservedPlatform, error) {
	queued := map[string]bool{}
	for _, r := range runs {
		if r.State == StateQueued && r.IsDelayed() {
			queued[r.Platform] = true
		}
	}
	if len(queued) == 0 {
		return nil, nil
	}
	report, err := l.ListConnections(ctx)
	return slices.DeleteFunc(report.Unserved, func(u UnservedPlatform) bool { return !queued[u.Platform] }), err
}

// withoutRun leaves out the tenants of open runs, which may end what they waited for.
func withoutRun(tenants []access.TenantID, open []OpenRun) (rest []access.TenantID) {
	runs := make(map[access.TenantID]bool, len(open))
	for _, r := range open {
		if id, err := access.ParseTenantID(r.Tenant + "/" + r.Platform); err == nil {
			runs[id] = true
		}
	}
	for _, t := range tenants {
		if !runs[t] {
			rest = append(rest, t)
		}
	}
	return rest
}

// quoted writes names in quotes, with commas between them.
func quoted(names []string) string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = strconv.Quote(name)
	}
	return strings.Join(all, ", ")
}
