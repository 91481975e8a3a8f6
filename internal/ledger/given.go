package ledger

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// given selects those of the accounts $4 that a step was ever about to add to one
// of the sets: the tenants $1, the kinds $2 and the names $3. A set keeps what was
// added to it under a name that its group had before.
const given = `
WITH RECURSIVE sets AS (
	SELECT tenant, kind, object, object AS was FROM unnest($1::text[], $2::text[], $3::text[]) AS asked (tenant, kind, object)
	UNION
	SELECT s.tenant, s.kind, s.object, r.step #>> '{have,group,name}' FROM sets s
		JOIN records r ON r.tenant = s.tenant AND r.step ->> 'object' = s.was
		WHERE s.kind = 'members' AND r.step ->> 'kind' = 'group' AND r.step ->> 'op' = 'change'
			AND r.step #>> '{have,group,name}' IS NOT NULL
)
SELECT DISTINCT s.tenant, s.kind, s.object, added ->> 'ref' FROM sets s
	JOIN records r ON r.tenant = s.tenant AND r.step ->> 'object' = s.was AND r.step ->> 'kind' = s.kind
	CROSS JOIN LATERAL json_array_elements(
		coalesce(r.step #> '{want,members,accounts}', r.step #> '{want,binding,subjects}', '[]')) AS added
	WHERE added ->> 'ref' = ANY($4::text[]) AND NOT EXISTS (SELECT FROM json_array_elements(
		coalesce(r.step #> '{have,members,accounts}', r.step #> '{have,binding,subjects}', '[]')) AS had
		WHERE had ->> 'ref' = added ->> 'ref')`

// Given returns those of the accounts about to leave sets that Rollcall has ever
// set out to put there: the others are somebody else's doing. It costs one query,
// and time for the records of the sets in question only.
func (l *Ledger) Given(
	ctx context.Context, leaving map[access.TenantID][]plan.Removal,
) (map[access.TenantID]map[plan.Removal]bool, error) {
	type set struct{ tenant, kind, object string }
	keys, known := map[set]access.Key{}, map[access.TenantID]map[plan.Removal]bool{}
	byName := map[string]access.TenantID{}
	var tenants, kinds, objects, refs []string
	for tenant, removals := range leaving {
		known[tenant], byName[tenant.String()] = map[plan.Removal]bool{}, tenant
		for _, r := range removals {
			s := set{tenant.String(), string(r.Object.Kind), r.Object.String()}
			if _, twice := keys[s]; !twice {
				tenants, kinds, objects = append(tenants, s.tenant), append(kinds, s.kind), append(objects, s.object)
			}
			keys[s], refs = r.Object, append(refs, r.Ref)
		}
	}
	if len(refs) == 0 {
		return known, nil
	}
	rows, err := l.pool.Query(ctx, given, tenants, kinds, objects, refs)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	var s set
	var ref string
	_, err = pgx.ForEachRow(rows, []any{&s.tenant, &s.kind, &s.object, &ref}, func() error {
		r := plan.Removal{Object: keys[s], Ref: ref}
		if slices.Contains(leaving[byName[s.tenant]], r) { // and not of another set
			known[byName[s.tenant]][r] = true
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return known, nil
}
