package store

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// atom is one removal of one tenant.
type atom struct {
	tenant  access.TenantID
	removal plan.Removal
}

// counted is what the table has of an atom.
type counted struct {
	cause int64
	taken bool
	// hour and day are true while it counts towards the limits of these spans, if it
	// is taken.
	hour, day bool
}

// entry is a row to be written.
type entry struct {
	atom
	cause int64
	taken bool
}

// minute is how many removals were taken in one minute for one change.
type minute struct {
	cause int64
	at    time.Time
	// day is all of them, hour those of the last hour.
	day, hour int
}

// booking is one look at what was taken on a platform, and what is added to it.
type booking struct {
	platform string
	limits   RemovalLimits
	tenants  []access.TenantID

	now     time.Time // the database's
	minutes []minute  // of the last day, oldest first
	known   map[atom]counted
	touched map[access.TenantID]int64
	// perHour and perChange are what counts, with what was reserved here.
	perHour   int
	perChange map[int64]int

	entries  []entry
	exceeded map[access.TenantID]Exceeded
}

func newBooking(platform string, limits RemovalLimits, takings []Taking) *booking {
	b := &booking{
		platform: platform, limits: limits,
		known: map[atom]counted{}, touched: map[access.TenantID]int64{}, perChange: map[int64]int{},
		exceeded: map[access.TenantID]Exceeded{},
	}
	for _, t := range takings {
		b.tenants = append(b.tenants, t.Tenant)
	}
	return b
}

// read takes in what counts now. Each statement sees what was committed before
// it began, so what follows the lock sees all that the holder before has done.
func (b *booking) read(ctx context.Context, tx pgx.Tx, lock bool) error {
	batch := &pgx.Batch{}
	if lock {
		batch.Queue("SELECT pg_advisory_xact_lock($1::int, hashtext($2))", applyLock, b.platform)
	}
	batch.Queue("SELECT clock_timestamp()").QueryRow(func(r pgx.Row) error { return r.Scan(&b.now) })
	var m minute
	batch.Queue(`SELECT revision, date_trunc('minute', at) AS minute, count(*), count(*) FILTER (WHERE at > now() - interval '1 hour')
		FROM removals WHERE platform = $1 AND at > now() - interval '1 day' AND reserved GROUP BY 1, 2 ORDER BY 2`, b.platform).
		Query(func(rows pgx.Rows) error {
			_, err := pgx.ForEachRow(rows, []any{&m.cause, &m.at, &m.day, &m.hour}, func() error {
				b.minutes = append(b.minutes, m)
				b.perHour += m.hour
				b.perChange[m.cause] += m.day
				return nil
			})
			return err
		})
	byName := make(map[string]access.TenantID, len(b.tenants))
	for _, t := range b.tenants {
		byName[t.String()] = t
	}
	var tenant string
	var generation int64
	batch.Queue("SELECT tenant, revision FROM affected_tenants WHERE tenant = ANY($1)", texts(b.tenants)).Query(func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, []any{&tenant, &generation}, func() error {
			b.touched[byName[tenant]] = generation
			return nil
		})
		return err
	})
	b.queueKnown(batch, byName)
	return tx.SendBatch(ctx, batch).Close()
}

func (b *booking) queueKnown(batch *pgx.Batch, byName map[string]access.TenantID) {
	batch.Queue(`SELECT tenant, kind, group_name, role, name, ref, revision, reserved,
			at > now() - interval '1 hour', at > now() - interval '1 day'
		FROM removals WHERE tenant = ANY($1)`, texts(b.tenants)).Query(func(rows pgx.Rows) error {
		var tenant string
		var r plan.Removal
		var c counted
		_, err := pgx.ForEachRow(rows, []any{
			&tenant, &r.Object.Kind, &r.Object.Group, &r.Object.Role, &r.Object.Name, &r.Ref, &c.cause, &c.taken, &c.hour, &c.day,
		}, func() error {
			b.known[atom{byName[tenant], r}] = c
			return nil
		})
		return err
	})
}

// cause is the generation that an atom counts for.
func (b *booking) cause(a atom) int64 {
	if c, ok := b.known[a]; ok && (c.day || !c.taken) {
		return c.cause
	}
	return b.touched[a.tenant]
}

// reserve adds what a plan takes, if there is room for all of it.
func (b *booking) reserve(t Taking) bool {
	hour, changes := 0, map[int64]int{}
	var fresh []entry
	for _, r := range t.Removals {
		a := atom{t.Tenant, r}
		c := b.known[a]
		if c.taken && c.hour {
			continue
		}
		hour++
		fresh = append(fresh, entry{atom: a, cause: b.cause(a), taken: true})
		if !c.taken || !c.day {
			changes[b.cause(a)]++
		}
	}
	if limit, full := b.full(hour, changes); full {
		b.exceeded[t.Tenant] = limit
		b.hold(fresh)
		return false
	}
	b.perHour += hour
	for cause, n := range changes {
		b.perChange[cause] += n
	}
	b.entries = append(b.entries, fresh...)
	return true
}

// renew counts again all of it that was reserved, if there is room for what does
// not count any more.
func (b *booking) renew(t Taking) bool {
	t.Removals = slices.DeleteFunc(slices.Clone(t.Removals), func(r plan.Removal) bool { return !b.known[atom{t.Tenant, r}].taken })
	if !b.reserve(t) {
		return false
	}
	b.entries = nil
	for _, r := range t.Removals {
		a := atom{t.Tenant, r}
		b.entries = append(b.entries, entry{atom: a, cause: b.cause(a), taken: true})
	}
	return true
}

// hold notes what a limit holds, so that it stays the change's that asked for it.
func (b *booking) hold(fresh []entry) {
	for _, e := range fresh {
		// What was taken stays so: the plan that reserved it may wait for its platform
		// still. What is held is written once an hour.
		if c := b.known[e.atom]; c.taken || c.hour {
			continue
		}
		e.taken = false
		b.entries = append(b.entries, e)
	}
}

// full returns the limit that leaves no room for so many more.
func (b *booking) full(hour int, changes map[int64]int) (Exceeded, bool) {
	for _, cause := range slices.Sorted(maps.Keys(changes)) {
		if n := changes[cause]; b.perChange[cause]+n > b.limits.Change {
			return b.limit(Exceeded{Span: PerChange, Most: b.limits.Change, Taken: b.perChange[cause], Asked: n}, func(m minute) int {
				if m.cause != cause {
					return 0
				}
				return m.day
			}), true
		}
	}
	if hour > 0 && b.perHour+hour > b.limits.Hour {
		e := Exceeded{Span: PerHour, Most: b.limits.Hour, Taken: b.perHour, Asked: hour}
		return b.limit(e, func(m minute) int { return m.hour }), true
	}
	return Exceeded{}, false
}

// limit works out when enough of what was taken has left the span.
func (b *booking) limit(e Exceeded, counts func(minute) int) Exceeded {
	if e.Asked > e.Most {
		return e
	}
	tooMany := e.Taken + e.Asked - e.Most
	for _, m := range b.minutes {
		if n := counts(m); n > 0 {
			e.Ends, tooMany = m.at.Add(time.Minute+e.Span.window()).UTC(), tooMany-n
		}
		if tooMany <= 0 {
			return e
		}
	}
	// The rest was reserved just now.
	e.Ends = b.now.Add(time.Minute + e.Span.window()).UTC().Truncate(time.Minute)
	return e
}

// keep is for how long rows are kept beyond the longest span: a plan that waits
// for its platform finds what it reserved.
const keep = "8 days"

// write stores the entries, and forgets what is long over.
func (b *booking) write(ctx context.Context, tx pgx.Tx) error {
	if len(b.entries) == 0 {
		return nil
	}
	var tenants, kinds, groups, roles, names, refs []string
	var causes []int64
	var taken []bool
	for _, e := range b.entries {
		key := e.removal.Object
		tenants, kinds, groups = append(tenants, e.tenant.String()), append(kinds, string(key.Kind)), append(groups, key.Group)
		roles, names, refs = append(roles, key.Role), append(names, key.Name), append(refs, e.removal.Ref)
		causes, taken = append(causes, e.cause), append(taken, e.taken)
	}
	batch := &pgx.Batch{}
	batch.Queue(`INSERT INTO removals (tenant, kind, group_name, role, name, ref, platform, revision, reserved, at)
		SELECT DISTINCT ON (1, 2, 3, 4, 5, 6) tenant, kind, group_name, role, name, ref, $9, revision, reserved, clock_timestamp()
			FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::boolean[])
			AS r (tenant, kind, group_name, role, name, ref, revision, reserved)
		ON CONFLICT (tenant, kind, group_name, role, name, ref) DO UPDATE SET
			revision = excluded.revision, reserved = excluded.reserved, at = excluded.at`,
		tenants, kinds, groups, roles, names, refs, causes, taken, b.platform)
	batch.Queue("DELETE FROM removals WHERE platform = $1 AND at < now() - $2::interval", b.platform, keep)
	return tx.SendBatch(ctx, batch).Close()
}
