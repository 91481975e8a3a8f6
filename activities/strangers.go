package activities

import (
	"context"
	"fmt"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// findStrangers tells plans that remove people which of them Rollcall never put
// there: somebody else did, and has to know what became of it.
func (p *Platform) findStrangers(ctx context.Context, profile driver.Profile, views []*view) error {
	leaving := map[access.TenantID][]plan.Removal{}
	for _, v := range views {
		if removals := leavers(v.plan); len(removals) > 0 {
			leaving[v.input.Tenant.TenantID] = removals
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
		if len(v.strangers) > 0 {
			v.compare(profile, p.installation)
		}
	}
	return nil
}

// leavers are the accounts that the plan takes out of sets, now or once somebody
// approves it.
func leavers(p plan.Plan) []plan.Removal {
	var all []plan.Removal
	for _, s := range slices.Concat(p.Steps, p.Held) {
		if s.Op == plan.Change {
			all = append(all, s.Removals()...)
		}
	}
	return all
}
