package activities

import (
	"context"
	"fmt"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// findStrangers asks the ledger which of the members that plans remove Rollcall never
// added. Another system did, and its operators need a warning.
func (p *Platform) findStrangers(ctx context.Context, views []*view) error {
	leaving := map[access.TenantID][]plan.Removal{}
	for _, v := range views {
		if leavers := v.compared.Unknowns().Leavers; len(leavers) > 0 {
			leaving[v.input.Tenant.TenantID] = leavers
		}
	}
	if len(leaving) == 0 {
		return nil
	}
	given, err := p.ledger.Given(ctx, leaving)
	if err != nil {
		return fmt.Errorf("activities: ask the ledger who was put where: %w", err)
	}
	for _, v := range views {
		tenant := v.input.Tenant.TenantID
		v.strangers = slices.DeleteFunc(leaving[tenant], func(r plan.Removal) bool { return given[tenant][r] })
	}
	return nil
}
