package control

import (
	"context"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// nextEnds returns when the next users of each tenant lose a role because bindings end. It
// reads the documents of such tenants only.
func nextEnds(ctx context.Context, s *store.Store, tenants []access.TenantID) (map[access.TenantID]*document.NextEnd, error) {
	ends := map[access.TenantID]*document.NextEnd{}
	if len(tenants) == 0 { // a filter without IDs chooses all
		return ends, nil
	}
	ending, err := s.EndingTenants(ctx, store.TenantFilter{IDs: tenants})
	if err != nil || len(ending) == 0 {
		return ends, err
	}
	inputs, err := s.TenantInputs(ctx, ending)
	if err != nil {
		return nil, err
	}
	for _, in := range inputs {
		if end, ok := in.NextEnd(); ok {
			ends[in.Tenant.TenantID] = &end
		}
	}
	return ends, nil
}
