package main

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/metric"

	"github.com/rollcall-iam/rollcall/internal/store"
)

// countStarts shows which runs wait in the outbox, read at every scrape.
func (o *operations) countStarts(s *store.Store) error {
	starts, err := o.meter.Int64ObservableGauge("rollcall_outbox_starts",
		metric.WithDescription("Stored runs that are not started yet."))
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	failing, err := o.meter.Int64ObservableGauge("rollcall_outbox_starts_failing",
		metric.WithDescription("Stored runs whose last start failed."))
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	age, err := o.meter.Float64ObservableGauge("rollcall_outbox_oldest_age_seconds",
		metric.WithDescription("Age of the oldest stored run that is not started yet."))
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	_, err = o.meter.RegisterCallback(func(ctx context.Context, observer metric.Observer) error {
		state, err := s.Outbox(ctx)
		if err != nil {
			return err
		}
		observer.ObserveInt64(starts, state.Starts)
		observer.ObserveInt64(failing, state.Failing)
		observer.ObserveFloat64(age, state.Oldest.Seconds())
		return nil
	}, starts, failing, age)
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	return nil
}
