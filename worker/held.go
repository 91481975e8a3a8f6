package main

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/rollcall-iam/rollcall/internal/store"
)

// countHeld shows what waits for approvals, asked for at every scrape.
func (o *operations) countHeld(s *store.Store) error {
	removals, err := o.meter.Int64ObservableGauge("rollcall_removals_pending_approval",
		metric.WithDescription("Removals and carried roles that wait for an approval, by platform."))
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	tenants, err := o.meter.Int64ObservableGauge("rollcall_tenants_pending_approval",
		metric.WithDescription("Tenants on which something waits for an approval, by platform."))
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	_, err = o.meter.RegisterCallback(func(ctx context.Context, observer metric.Observer) error {
		counts, err := s.CountHeld(ctx)
		for _, c := range counts {
			platform := metric.WithAttributes(attribute.String("platform", c.Platform))
			observer.ObserveInt64(removals, c.Removals, platform)
			observer.ObserveInt64(tenants, c.Tenants, platform)
		}
		return err
	}, removals, tenants)
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	return nil
}
