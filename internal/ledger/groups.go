package ledger

import (
	"context"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// changesGroup reports whether the step renames a group, or takes one over.
func changesGroup(s plan.Step) bool {
	return s.Op == plan.Change && s.Kind == access.KindGroup && s.Want.Group != nil
}

// carried reports whether the step gives a role that stays somebody else's.
func carried(s plan.Step) bool {
	return s.Op == plan.Create && s.Want.Binding != nil && s.Want.Binding.Carried
}

// formerName is the name that the group gives up; empty where it keeps its own.
func formerName(s plan.Step) string {
	if s.Have.Group == nil || s.Have.Group.Name == s.Want.Group.Name {
		return ""
	}
	return s.Have.Group.Name
}

// queueRenamed takes ownership of the group under the name it is to have, and of
// the roles that it takes along.
func queueRenamed(batch *pgx.Batch, t access.TenantID, s plan.Step) {
	ref := s.Want.Group.Ref
	if ref == "" && s.Have.Group != nil {
		ref = s.Have.Group.Ref
	}
	queueOwned(batch, t, s, ref, "intended")
	if former := formerName(s); former != "" {
		batch.Queue(`INSERT INTO owned (tenant, platform, kind, group_name, role, name, ref, state)
			SELECT tenant, platform, kind, $3, role, name, ref, state FROM owned WHERE tenant = $1 AND kind = $4 AND group_name = $2
			ON CONFLICT DO NOTHING`, t.String(), former, s.Want.Group.Name, string(access.KindBinding))
	}
}

// queueFormer forgets the group's former name: the platform has it no more.
func queueFormer(batch *pgx.Batch, t access.TenantID, s plan.Step) {
	if former := formerName(s); former != "" {
		batch.Queue(`DELETE FROM owned WHERE tenant = $1 AND group_name = $2`, t.String(), former)
	}
}

// Serve notes which project role each of the groups grants, by tenant and by the groups'
// names. It is for groups that were seen on the platform under these names. Groups that
// are not owned stay so, and other names under which the ledger has one of them, by its
// id, are former ones and forgotten.
func (l *Ledger) Serve(ctx context.Context, roles map[access.TenantID]map[string]string) error {
	if len(roles) == 0 {
		return nil
	}
	var tenants, groups, grants []string
	for tenant, of := range roles {
		for _, name := range slices.Sorted(maps.Keys(of)) {
			tenants, groups, grants = append(tenants, tenant.String()), append(groups, name), append(grants, of[name])
		}
	}
	batch := &pgx.Batch{}
	// Rows are locked in one order, so that two that note the same wait for each other.
	batch.Queue(`SELECT FROM owned WHERE tenant = ANY($1) AND kind = $2 ORDER BY tenant, group_name FOR UPDATE`,
		tenants, string(access.KindGroup))
	batch.Queue(`UPDATE owned o SET grants = seen.grants
		FROM unnest($1::text[], $2::text[], $3::text[]) AS seen (tenant, group_name, grants)
		WHERE o.tenant = seen.tenant AND o.kind = $4 AND o.group_name = seen.group_name AND o.grants <> seen.grants`,
		tenants, groups, grants, string(access.KindGroup))
	batch.Queue(`WITH seen AS (SELECT tenant, group_name FROM unnest($1::text[], $2::text[]) AS s (tenant, group_name))
		DELETE FROM owned WHERE (tenant, group_name) IN (
		SELECT former.tenant, former.group_name FROM owned former JOIN owned now USING (tenant, kind, ref)
			JOIN seen ON seen.tenant = now.tenant AND seen.group_name = now.group_name
		WHERE former.kind = $3 AND former.ref <> ''
			AND NOT EXISTS (SELECT FROM seen s WHERE s.tenant = former.tenant AND s.group_name = former.group_name))`,
		tenants, groups, string(access.KindGroup))
	return l.send(ctx, batch)
}
