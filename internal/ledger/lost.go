package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
)

// Missing are the objects of a removed tenant that an observation of its platform did not
// find.
type Missing struct {
	Tenant access.TenantID
	Keys   []access.Key
	// Propagation is how long the platform may not show an object that exists.
	Propagation time.Duration
}

// Forget gives up the objects of removed tenants that a look at the platform has not
// found any more: they went with the tenant, or another system deleted them. Those
// that are owned for less than the propagation delay stay. The places of the objects are
// closed. It does nothing for a tenant that is back.
func (l *Ledger) Forget(ctx context.Context, missing []Missing) error {
	var tenants, kinds, groups, roles, names []string
	var delays []float64
	for _, of := range missing {
		for _, key := range of.Keys {
			tenants, delays = append(tenants, of.Tenant.String()), append(delays, of.Propagation.Seconds())
			kinds, groups = append(kinds, string(key.Kind)), append(groups, key.Group)
			roles, names = append(roles, key.Role), append(names, key.Name)
		}
	}
	if len(tenants) == 0 {
		return nil
	}
	_, err := l.pool.Exec(ctx, `
WITH gone AS (DELETE FROM owned USING unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::double precision[])
		AS missing (tenant, kind, group_name, role, name, delay)
	WHERE owned.tenant = missing.tenant AND owned.kind = missing.kind AND owned.group_name = missing.group_name
		AND owned.role = missing.role AND owned.name = missing.name
		AND owned.since <= now() - missing.delay * interval '1 second'
		AND EXISTS (SELECT FROM tombstones WHERE tenant = missing.tenant)
	RETURNING owned.tenant, owned.kind, owned.group_name, owned.role, owned.name)
UPDATE places p SET out_at = now() FROM gone WHERE p.tenant = gone.tenant AND p.out_at IS NULL AND p.group_name = gone.group_name
	AND (p.kind = 'members' AND gone.kind = 'group' OR p.kind = gone.kind AND p.role = gone.role AND p.name = gone.name)`,
		tenants, kinds, groups, roles, names, delays)
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return nil
}
