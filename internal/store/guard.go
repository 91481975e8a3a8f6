package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// RemovalLimits bound what is taken from people on one platform without an
// approval.
type RemovalLimits struct {
	// Change bounds what one generation of the documents takes within a day, Hour
	// what anything takes within an hour.
	Change, Hour int
}

// Taking is what one tenant's plan takes from people.
type Taking struct {
	Tenant   access.TenantID
	Removals []plan.Removal
}

// LimitSpan is the time that a limit counts over.
type LimitSpan string

// The spans.
const (
	PerChange LimitSpan = "change"
	PerHour   LimitSpan = "hour"
)

// window is how long what was taken counts.
func (l LimitSpan) window() time.Duration {
	if l == PerHour {
		return time.Hour
	}
	return 24 * time.Hour
}

// Exceeded is a limit that leaves no room for what a plan takes.
type Exceeded struct {
	Span LimitSpan
	// Most is the limit, Taken what counts towards it already, Asked what the plan
	// would add.
	Most, Taken, Asked int
	// Ends is when there is room for it by the database's clock, at the latest and
	// if nothing else is taken; zero where the plan alone is above the limit.
	Ends time.Time
}

// ReserveRemovals counts what plans of one platform are about to take, before
// they take it, and returns those that there is no room for, by tenant. Of them
// nothing is counted. Tenants are served in the order given, each with all that
// its plan takes or nothing; a removal that was counted within the span is not
// counted again. What was reserved and never taken counts until the span is over.
//
// Several callers may do this at once: one platform is one lock. A dry call
// answers without reserving anything.
func (s *Store) ReserveRemovals(
	ctx context.Context, platform string, limits RemovalLimits, takings []Taking, dry bool,
) (map[access.TenantID]Exceeded, error) {
	b := newBooking(platform, limits, takings)
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if err := b.read(ctx, tx, !dry); err != nil {
			return err
		}
		for _, t := range takings {
			b.reserve(t)
		}
		if dry {
			return nil
		}
		return b.write(ctx, tx)
	})
	return b.exceeded, prefixed(err)
}

// RenewRemovals counts again, as of now, those of the removals that were reserved:
// they are about to be taken. It reports the limit if they were reserved so long
// ago that there is no room for them by now; then nothing changes, and they have
// to be planned again. What was never reserved, because somebody approved it or it
// takes nothing from anybody, is not counted.
func (s *Store) RenewRemovals(
	ctx context.Context, platform string, limits RemovalLimits, taking Taking,
) (limit Exceeded, exceeded bool, err error) {
	// Most of what is urgent was never reserved: it waits for no lock.
	if reserved, err := s.anyReserved(ctx, taking); err != nil || !reserved {
		return limit, false, err
	}
	b := newBooking(platform, limits, []Taking{taking})
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if err := b.read(ctx, tx, true); err != nil {
			return err
		}
		if !b.renew(taking) {
			return nil
		}
		return b.write(ctx, tx)
	})
	limit, exceeded = b.exceeded[taking.Tenant]
	return limit, exceeded, prefixed(err)
}

// anyReserved reports whether one of the removals was reserved.
func (s *Store) anyReserved(ctx context.Context, t Taking) (bool, error) {
	var kinds, groups, roles, names, refs []string
	for _, r := range t.Removals {
		kinds, groups, roles = append(kinds, string(r.Object.Kind)), append(groups, r.Object.Group), append(roles, r.Object.Role)
		names, refs = append(names, r.Object.Name), append(refs, r.Ref)
	}
	var found bool
	err := s.one(ctx, &found, `SELECT EXISTS (SELECT FROM removals
		JOIN unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[]) AS r (kind, group_name, role, name, ref)
			USING (kind, group_name, role, name, ref)
		WHERE tenant = $1 AND reserved)`, t.Tenant.String(), kinds, groups, roles, names, refs)
	return found, err
}

// HeldCount is what waits for approvals on one platform.
type HeldCount struct {
	Platform string
	// Removals are held, on Tenants.
	Removals, Tenants int64
}

// CountHeld counts what waits for approvals, by platform; those where nothing
// waits are among them.
func (s *Store) CountHeld(ctx context.Context) ([]HeldCount, error) {
	rows, err := s.pool.Query(ctx, `SELECT platform, sum(pending_removals), count(*) FILTER (WHERE pending_approval > 0)
		FROM statuses JOIN `+living+` USING (tenant, workspace, project, platform) GROUP BY platform ORDER BY platform`)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	counts, err := pgx.CollectRows(rows, pgx.RowToStructByPos[HeldCount])
	return counts, prefixed(err)
}

// queueTouched notes, for the tenants that an edit touches, the generation that
// it has just made, its author, and on which of them it removes what no caller named.
func queueTouched(batch *pgx.Batch, tenants, unnamed []access.TenantID, by access.Actor) {
	if len(tenants) == 0 {
		return
	}
	batch.Queue(`INSERT INTO affected_tenants AS a (tenant, revision, unnamed, authors)
		SELECT tenant, revision, coalesce(tenant = ANY($2::text[]), false), ARRAY[$3::text]
			FROM unnest($1::text[]) AS t (tenant), installation
		ORDER BY tenant
		ON CONFLICT (tenant) DO UPDATE SET revision = excluded.revision, unnamed = a.unnamed OR excluded.unnamed,
			authors = `+addAuthor, texts(tenants), texts(unnamed), by.ID())
}

// addAuthor are the authors of an affected tenant with the one that is inserted. Beyond 100,
// one is kept as unknown, so that no decision about the tenant passes for one of a second user.
const addAuthor = `CASE WHEN excluded.authors <@ a.authors OR cardinality(a.authors) > 100 THEN a.authors
	WHEN cardinality(a.authors) = 100 THEN a.authors || ''::text ELSE a.authors || excluded.authors END`

// Authors returns the actors of the changes that affect a tenant and that no run has applied
// completely; none for a tenant that only its platform has changed since.
func (s *Store) Authors(ctx context.Context, tenant access.TenantID) ([]access.Actor, error) {
	return s.actors(ctx, "SELECT unnest(authors) FROM affected_tenants WHERE tenant = $1", tenant.String())
}

// actors reads the IDs of actors.
func (s *Store) actors(ctx context.Context, sql string, args ...any) ([]access.Actor, error) {
	rows, err := s.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	actors, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (access.Actor, error) {
		var id string
		err := row.Scan(&id)
		return access.ParseActor(id, ""), err
	})
	return actors, prefixed(err)
}
