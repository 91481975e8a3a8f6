package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// AdoptionEnd says how an adoption ended.
type AdoptionEnd string

// The ends. An adoption that is still to be done has none.
const (
	Adopted  AdoptionEnd = "adopted"     // the group is ours
	Gone     AdoptionEnd = "not-found"   // the platform has no group of that name and id any more
	Unwanted AdoptionEnd = "not-desired" // the documents do not ask for the group any more
	Replaced AdoptionEnd = "replaced"    // by a later adoption of the same name
)

// Adoption is a group on a platform that somebody told Rollcall to take over.
type Adoption struct {
	Tenant access.TenantID
	// Group is its name and Ref its id: another group of the name is not meant.
	Group, Ref string
	// By asked for it.
	By     access.Actor
	Reason string
	// Digest names the plan that showed what it changes.
	Digest string
	// At and EndedAt are by the database's clock; EndedAt is zero, and End empty,
	// while it is still to be done.
	At, EndedAt time.Time
	End         AdoptionEnd
}

// Open reports whether the group is still to be taken over.
func (a Adoption) Open() bool { return a.End == "" }

// Adopt stores that these groups of a tenant are to be taken over, in place of
// earlier ones of the same names that are still open. Times are the database's. The starts
// are stored with them, for the actor of the first adoption.
func (s *Store) Adopt(ctx context.Context, tenant access.TenantID, adoptions []Adoption, starts ...Start) error {
	if len(adoptions) == 0 {
		return nil
	}
	batch := &pgx.Batch{}
	for _, a := range adoptions {
		if err := checkDecided(a.By, a.Reason); err != nil {
			return err
		}
		batch.Queue(`UPDATE adoptions SET ended_at = now(), ended = 'replaced'
			WHERE tenant = $1 AND group_name = $2 AND ended_at IS NULL`, tenant.String(), a.Group)
		batch.Queue(`INSERT INTO adoptions (tenant, group_name, ref, actor, claim, reason, digest) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			tenant.String(), a.Group, a.Ref, a.By.ID(), a.By.Claim, a.Reason, a.Digest)
	}
	if err := queueStarts(batch, adoptions[0].By, starts); err != nil {
		return err
	}
	return prefixed(pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error { return tx.SendBatch(ctx, batch).Close() }))
}

// Adoptions returns what is still to be taken over on these tenants.
func (s *Store) Adoptions(ctx context.Context, tenants []access.TenantID) (map[access.TenantID][]Adoption, error) {
	all, err := s.adoptions(ctx, "tenant = ANY($1) AND ended_at IS NULL", texts(tenants))
	if err != nil {
		return nil, err
	}
	open := map[access.TenantID][]Adoption{}
	for _, a := range all {
		open[a.Tenant] = append(open[a.Tenant], a)
	}
	return open, nil
}

// AllAdoptions returns the adoptions on the tenants, all tenants' when there are
// none, ended ones among them, in order of tenant, group and time.
func (s *Store) AllAdoptions(ctx context.Context, tenants []access.TenantID) ([]Adoption, error) {
	return s.adoptions(ctx, "($1::text[] IS NULL OR tenant = ANY($1))", texts(tenants))
}

func (s *Store) adoptions(ctx context.Context, condition string, tenants []string) ([]Adoption, error) {
	rows, err := s.pool.Query(ctx, `SELECT tenant, group_name, ref, actor, claim, reason, digest, at, ended_at, coalesce(ended, '')
		FROM adoptions WHERE `+condition+` ORDER BY tenant, group_name, id`, tenants)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Adoption, error) {
		var a Adoption
		var tenant, actor, claim string
		var ended *time.Time
		if err := row.Scan(&tenant, &a.Group, &a.Ref, &actor, &claim, &a.Reason, &a.Digest, &a.At, &ended, &a.End); err != nil {
			return a, err
		}
		if ended != nil {
			a.EndedAt = *ended
		}
		a.By = access.ParseActor(actor, claim)
		var err error
		a.Tenant, err = access.ParseTenantID(tenant)
		return a, err
	})
	return all, prefixed(err)
}

// EndAdoptions ends open adoptions, each with its End. Those that were replaced meanwhile
// are left alone.
func (s *Store) EndAdoptions(ctx context.Context, ended []Adoption) error {
	if len(ended) == 0 {
		return nil
	}
	var tenants, groups, refs, ends []string
	for _, a := range ended {
		tenants, groups = append(tenants, a.Tenant.String()), append(groups, a.Group)
		refs, ends = append(refs, a.Ref), append(ends, string(a.End))
	}
	return s.exec(ctx, `UPDATE adoptions a SET ended_at = now(), ended = done.ended
		FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS done (tenant, group_name, ref, ended)
		WHERE a.tenant = done.tenant AND a.group_name = done.group_name AND a.ref = done.ref AND a.ended_at IS NULL`,
		tenants, groups, refs, ends)
}
