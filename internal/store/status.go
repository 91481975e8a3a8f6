package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// Status is how a tenant's last run ended.
type Status struct {
	Tenant access.TenantID
	// Outcome is the run's word for it: "converged", "waiting", "failed"...
	Outcome string
	RunID   string
	Digest  string // of the plan; empty where there was none
	// Steps were applied, Held wait for an approval, Calls were made.
	Steps, Held, Calls int
	// Removals are what the held steps take: accounts that leave, objects that go.
	Removals int
	// Generation of the documents that the run worked from.
	Generation int64
	// Applied is true for a status to be stored of a run that has nothing left to remove at
	// Generation, Decided if nothing waits for a decision either: then the authors of the changes
	// are not needed any more. They end with the status, so that no decision about the steps of
	// an earlier status lacks them.
	Applied, Decided bool
	// Remarks are all that hold now.
	Remarks []access.Remark
	// Blind is true for a status to be stored of a run that could not look at the
	// platform: what was remarked there before is neither seen nor mended, and
	// stays.
	Blind bool
	// Seen is when the look that the status to be stored tells of began, by the
	// database's clock: one that was stored after that knows better, and stays. Zero
	// for a status that takes the place of any.
	Seen time.Time
	// Age is how long before a status to be stored the observation began that it tells
	// of. Zero for a status of a run that ended later: it tells of the plan's observation, or
	// of none without a plan.
	Age time.Duration
	// Desired names the desired access that the observation compared; it may be empty.
	Desired string
	// Observed is the last successful observation of a stored status.
	Observed Observation
	// At is when the status was stored, by the database's clock.
	At       time.Time
	Duration time.Duration

	kept []keptRemark // Remarks with their times
}

// Observation is the last time that a tenant's platform was read and compared.
type Observation struct {
	// At is when the read began, by the database's clock; zero if there was none.
	At time.Time
	// Digest names the plan that came of it; empty where nothing differed.
	Digest string
	// Revision of the documents that were compared.
	Revision int64
	// Desired names the desired access that was compared; empty where it is not recorded.
	Desired string
}

// topic is what a remark is about. A remark whose text changes, because a count
// in it does, is still the same remark; several of one topic are told apart by
// their texts.
type topic struct {
	code   access.Code
	object string
}

// Since returns when a remark of a stored status began to hold, the zero time
// for one that does not. If no remark has that text, it is the first of that code
// and object.
func (s Status) Since(r access.Remark) time.Time {
	var first time.Time
	for _, k := range s.kept {
		switch {
		case k.Remark == r:
			return k.Since
		case k.topic() == topic{r.Code, r.Object} && first.IsZero():
			first = k.Since
		}
	}
	return first
}

// keptRemark is a remark as it is stored.
type keptRemark struct {
	access.Remark
	Since time.Time `json:"since"`
}

func (r keptRemark) topic() topic { return topic{r.Code, r.Object} }

// PutStatus stores a tenant's status, see PutStatuses.
func (s *Store) PutStatus(ctx context.Context, status Status) error {
	return s.PutStatuses(ctx, []Status{status})
}

// PutStatuses stores the statuses of tenants in place of those before, with a number of
// statements that does not depend on that of the tenants. Warnings that held before keep
// the time since when; those that do not hold any more end, and are kept for RemarksKept.
// At is set by the database. Each tenant may be there once.
func (s *Store) PutStatuses(ctx context.Context, statuses []Status) error {
	if len(statuses) == 0 {
		return nil
	}
	return prefixed(pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		now, before, err := lockStatuses(ctx, tx, statuses)
		if err != nil {
			return err
		}
		var puts statusRows
		var ended endedRemarks
		for _, status := range statuses {
			last := before[status.Tenant.String()]
			if !status.Seen.IsZero() && last.at.After(status.Seen) {
				continue
			}
			kept, over := carryOver(last.remarks, status, now)
			if err := puts.add(status, kept, last, now); err != nil {
				return err
			}
			ended.add(status.Tenant, over)
		}
		batch := &pgx.Batch{}
		puts.queue(batch)
		ended.queue(batch)
		return tx.SendBatch(ctx, batch).Close()
	}))
}

// lastStatus is what a stored status tells the next one.
type lastStatus struct {
	remarks  []keptRemark
	at       time.Time
	observed Observation
}

// lockStatuses returns what is stored of the tenants, locked in one order, and the time.
func lockStatuses(ctx context.Context, tx pgx.Tx, statuses []Status) (time.Time, map[string]lastStatus, error) {
	tenants := make([]string, len(statuses))
	for i, status := range statuses {
		tenants[i] = status.Tenant.String()
	}
	rows, err := tx.Query(ctx, `
WITH locked AS (
	SELECT tenant, warnings, at, observed_at, observed_digest, observed_revision, observed_desired
	FROM statuses WHERE tenant = ANY($1) ORDER BY tenant FOR UPDATE)
SELECT now(), coalesce(tenant, ''), warnings, at, observed_at, coalesce(observed_digest, ''),
	coalesce(observed_revision, 0), coalesce(observed_desired, '')
FROM (VALUES (1)) AS one LEFT JOIN locked ON true`, tenants)
	if err != nil {
		return time.Time{}, nil, err
	}
	defer rows.Close()
	var now time.Time
	before := map[string]lastStatus{}
	for rows.Next() {
		var tenant string
		var at, observed *time.Time
		var last lastStatus
		o := &last.observed
		if err := rows.Scan(&now, &tenant, &last.remarks, &at, &observed, &o.Digest, &o.Revision, &o.Desired); err != nil {
			return now, nil, err
		}
		if at != nil {
			last.at = *at
		}
		if observed != nil {
			o.At = *observed
		}
		before[tenant] = last
	}
	return now, before, rows.Err()
}

// statusRows are statuses as columns.
type statusRows struct {
	tenant, workspace, project, platform, outcome, run, digest, warnings []string
	steps, pendingApproval, calls, removals                              []int
	revision                                                             []int64
	duration                                                             []time.Duration
	// The observation, or that it is the plan's.
	observedAt       []*time.Time // nil for none
	observedDigest   []string
	observedRevision []int64
	observedDesired  []string
	ofPlan           []bool
	completed        completedRows
}

// completedRows are the tenants of which a run has applied the changes, as columns.
type completedRows struct {
	tenant   []string
	revision []int64
	decided  []bool
}

func (r *statusRows) add(status Status, kept []keptRemark, last lastStatus, now time.Time) error {
	body, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	t := status.Tenant
	r.tenant, r.workspace = append(r.tenant, t.String()), append(r.workspace, t.Workspace)
	r.project, r.platform = append(r.project, t.Project), append(r.platform, t.Platform)
	r.outcome, r.run = append(r.outcome, status.Outcome), append(r.run, status.RunID)
	r.digest, r.warnings = append(r.digest, status.Digest), append(r.warnings, string(body))
	r.steps, r.pendingApproval = append(r.steps, status.Steps), append(r.pendingApproval, status.Held)
	r.calls, r.removals = append(r.calls, status.Calls), append(r.removals, status.Removals)
	r.revision, r.duration = append(r.revision, status.Generation), append(r.duration, status.Duration)
	r.observe(status, last, now)
	if status.Applied {
		c := &r.completed
		c.tenant, c.revision = append(c.tenant, t.String()), append(c.revision, status.Generation)
		c.decided = append(c.decided, status.Decided)
	}
	return nil
}

// observe adds the observation that a status tells of: its own if it has an age, else that of
// its plan. The former observation stays with a status of a run that read nothing, or that
// has neither.
func (r *statusRows) observe(status Status, last lastStatus, now time.Time) {
	none := status.Blind || status.Age == 0 && status.Digest == ""
	ofPlan := !none && status.Age == 0
	o := Observation{At: now.Add(-status.Age), Digest: status.Digest, Revision: status.Generation, Desired: status.Desired}
	if none {
		o = last.observed
	}
	var at *time.Time
	if !o.At.IsZero() {
		at = &o.At
	}
	r.observedAt, r.observedDigest = append(r.observedAt, at), append(r.observedDigest, o.Digest)
	r.observedRevision, r.observedDesired = append(r.observedRevision, o.Revision), append(r.observedDesired, o.Desired)
	r.ofPlan = append(r.ofPlan, ofPlan)
}

func (r *statusRows) queue(batch *pgx.Batch) {
	if len(r.tenant) == 0 {
		return
	}
	batch.Queue(putStatuses,
		r.tenant, r.workspace, r.project, r.platform, r.outcome, r.run, r.digest, r.warnings,
		r.steps, r.pendingApproval, r.calls, r.removals, r.revision, r.duration,
		r.observedAt, r.observedDigest, r.observedRevision, r.observedDesired, r.ofPlan,
		r.completed.tenant, r.completed.revision, r.completed.decided)
}

// putStatuses stores statuses, with the observations that they tell of, or those of their
// plans, and ends the changes of affected tenants that were applied. Rows are locked in the order
// in which a change of the documents locks them.
const putStatuses = `
WITH locked AS (SELECT tenant FROM affected_tenants WHERE tenant = ANY($20::text[]) ORDER BY tenant FOR UPDATE),
completed AS (UPDATE affected_tenants a SET unnamed = false, authors = CASE WHEN decided THEN '{}' ELSE a.authors END
	FROM unnest($20::text[], $21::bigint[], $22::boolean[]) AS done (tenant, revision, decided) JOIN locked USING (tenant)
	WHERE a.tenant = done.tenant AND a.revision <= done.revision AND (a.unnamed OR decided AND a.authors <> '{}'))
INSERT INTO statuses (tenant, workspace, project, platform, outcome, run_id, digest, warnings,
		steps, pending_approval, calls, pending_removals, revision, duration,
		observed_at, observed_digest, observed_revision, observed_desired)
	SELECT put.tenant, workspace, project, platform, outcome, run, put.digest, warnings::jsonb,
		steps, pending_approval, calls, removals, put.revision, duration,
		CASE WHEN of_plan THEN plans.observed_at ELSE put.observed_at END,
		CASE WHEN of_plan THEN coalesce(plans.digest, '') ELSE observed_digest END,
		CASE WHEN of_plan THEN coalesce(plans.revision, 0) ELSE observed_revision END,
		observed_desired
	FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
			$9::int[], $10::int[], $11::int[], $12::int[], $13::bigint[], $14::interval[],
			$15::timestamptz[], $16::text[], $17::bigint[], $18::text[], $19::boolean[])
		AS put (tenant, workspace, project, platform, outcome, run, digest, warnings,
			steps, pending_approval, calls, removals, revision, duration,
			observed_at, observed_digest, observed_revision, observed_desired, of_plan)
		LEFT JOIN plans ON plans.digest = put.digest
	ORDER BY put.tenant
	ON CONFLICT (tenant) DO UPDATE SET outcome = excluded.outcome, run_id = excluded.run_id,
		digest = excluded.digest, steps = excluded.steps, pending_approval = excluded.pending_approval, calls = excluded.calls,
		revision = excluded.revision, duration = excluded.duration, warnings = excluded.warnings,
		pending_removals = excluded.pending_removals, at = now(), observed_at = excluded.observed_at,
		observed_digest = excluded.observed_digest, observed_revision = excluded.observed_revision,
		observed_desired = excluded.observed_desired`

// carryOver gives each remark the time since when it holds, and returns those of
// before that ended.
func carryOver(before []keptRemark, status Status, now time.Time) (kept, ended []keptRemark) {
	was, left := formerOf(before, status.Remarks)
	kept = make([]keptRemark, 0, len(status.Remarks)) // not nil, which would be null
	for i, r := range status.Remarks {
		began := now.UTC()
		if was[i] != nil {
			began = was[i].Since
		}
		kept = append(kept, keptRemark{Remark: r, Since: began})
	}
	for _, r := range left {
		if status.Blind && seenOnly(r.Code) {
			kept = append(kept, r)
			continue
		}
		ended = append(ended, r)
	}
	if status.Blind {
		slices.SortStableFunc(kept, func(a, b keptRemark) int {
			return cmp.Or(cmp.Compare(a.Code, b.Code), cmp.Compare(a.Object, b.Object))
		})
	}
	return kept, ended
}

// formerOf pairs each remark with the one of before that it continues, nil for a new
// one, and returns those of before that none continues. A remark continues the one with
// its text; without such a one, the first that is left of its topic, whose text changed.
// The texts of events do not change: each is an event of its own.
func formerOf(before []keptRemark, remarks []access.Remark) (was []*keptRemark, left []keptRemark) {
	was, taken := make([]*keptRemark, len(remarks)), make([]bool, len(before))
	byText, byTopic := map[access.Remark]int{}, map[topic][]int{}
	for i, r := range before {
		byText[r.Remark] = i
		byTopic[r.topic()] = append(byTopic[r.topic()], i)
	}
	for i, r := range remarks {
		if at, known := byText[r]; known && !taken[at] {
			was[i], taken[at] = &before[at], true
		}
	}
	for i, r := range remarks {
		of := topic{r.Code, r.Object}
		for was[i] == nil && !r.Code.IsEvent() && len(byTopic[of]) > 0 {
			at := byTopic[of][0]
			byTopic[of] = byTopic[of][1:]
			if !taken[at] {
				was[i], taken[at] = &before[at], true
			}
		}
	}
	for i, r := range before {
		if !taken[i] {
			left = append(left, r)
		}
	}
	return was, left
}

// seenOnly reports whether only a look at the platform can tell that a remark of
// this code holds no more. The others are about how a run ended.
func seenOnly(code access.Code) bool {
	return code != access.PlatformDenied && code != access.PlatformPending && code != access.PlatformRefused &&
		code != access.ForbiddenByConnection && code != access.Contested
}

// Unchanged reports whether the last run left the tenant as the documents still ask.
func (s *Store) Unchanged(ctx context.Context, tenant access.TenantID) (bool, error) {
	var is bool
	err := s.one(ctx, &is, `SELECT EXISTS (SELECT FROM statuses s LEFT JOIN affected_tenants a USING (tenant)
		WHERE s.tenant = $1 AND s.outcome IN ('converged', 'changed') AND coalesce(a.revision, 0) <= s.revision)`, tenant.String())
	return is, err
}

// Statuses returns the statuses of the chosen tenants in the order of
// access.TenantID.Compare. Tenants that never ran, and those that are gone for
// good, have none.
func (s *Store) Statuses(ctx context.Context, f TenantFilter) ([]Status, error) {
	return readStatuses(ctx, s.pool, f)
}

func readStatuses(ctx context.Context, q querier, f TenantFilter) ([]Status, error) {
	rows, err := q.Query(ctx, `SELECT workspace, project, platform, outcome, run_id, digest,
			steps, pending_approval, calls, revision, duration, warnings, at, pending_removals,
			observed_at, observed_digest, observed_revision, observed_desired
		FROM statuses JOIN `+living+` USING (tenant, workspace, project, platform)
		WHERE `+chosen+` ORDER BY platform, workspace, project`, f.args()...)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	statuses, err := pgx.CollectRows(rows, scanStatus)
	return statuses, prefixed(err)
}

func scanStatus(row pgx.CollectableRow) (Status, error) {
	var s Status
	var remarks []keptRemark
	var observed *time.Time
	err := row.Scan(&s.Tenant.Workspace, &s.Tenant.Project, &s.Tenant.Platform, &s.Outcome, &s.RunID, &s.Digest,
		&s.Steps, &s.Held, &s.Calls, &s.Generation, &s.Duration, &remarks, &s.At, &s.Removals,
		&observed, &s.Observed.Digest, &s.Observed.Revision, &s.Observed.Desired)
	if observed != nil {
		s.Observed.At = *observed
	}
	s.kept = remarks
	for _, r := range remarks {
		s.Remarks = append(s.Remarks, r.Remark)
	}
	return s, err
}
