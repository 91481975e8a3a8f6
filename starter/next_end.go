package main

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// nextEnds returns when the next users of each tenant lose a role because bindings end. It
// reads the documents of such tenants only.
func (c *cli) nextEnds(ctx context.Context, tenants []access.TenantID) (map[access.TenantID]*document.NextEnd, error) {
	if len(tenants) == 0 {
		return nil, nil
	}
	s, err := c.database(ctx)
	if err != nil {
		return nil, err
	}
	ending, err := s.EndingTenants(ctx, store.TenantFilter{IDs: tenants})
	if err != nil || len(ending) == 0 {
		return nil, err
	}
	inputs, err := s.TenantInputs(ctx, ending)
	if err != nil {
		return nil, err
	}
	ends := make(map[access.TenantID]*document.NextEnd, len(inputs))
	for _, in := range inputs {
		if end, ok := in.NextEnd(); ok {
			ends[in.Tenant.TenantID] = &end
		}
	}
	return ends, nil
}

// endText says for users when access ends next, without names.
func endText(end document.NextEnd) string {
	return fmt.Sprintf("access of %s ends at %s", count(end.Users, "user"), document.FormatEnd(end.At))
}

// endsAtMost is how many ends a table lists.
const endsAtMost = 10

// writeEnds lists the next end of each tenant, the earliest first.
func writeEnds(w io.Writer, items []item) {
	items = slices.DeleteFunc(slices.Clone(items), func(i item) bool { return i.NextEnd == nil })
	slices.SortStableFunc(items, func(a, b item) int { return a.NextEnd.At.Compare(b.NextEnd.At) })
	for n, i := range items {
		switch {
		case n == 0:
			fmt.Fprintln(w)
		case n == endsAtMost:
			fmt.Fprintf(w, "... and %d more: -o json lists all\n", len(items)-n)
			return
		}
		fmt.Fprintf(w, "%s/%s: %s.\n", i.Tenant, i.Platform, endText(*i.NextEnd))
	}
}
