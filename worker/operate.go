package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/attribute"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/opentelemetry"

	"github.com/rollcall-iam/rollcall/internal/store"
)

// probeTimeout bounds what a readiness probe asks others.
const probeTimeout = 2 * time.Second

// operations is what an operator sees of the worker: metrics and probes.
type operations struct {
	registry *prometheus.Registry
	meter    metric.Meter

	// checks are what readiness depends on, by name; none before everything is
	// connected. Liveness depends on none: an outage of Temporal must not restart
	// the workers.
	mu     sync.Mutex
	checks map[string]func(context.Context) error
}

// errStarting is what the worker is not ready for.
var errStarting = errors.New("starting")

func newOperations() (*operations, error) {
	o := &operations{registry: prometheus.NewRegistry(), checks: map[string]func(context.Context) error{
		"worker": func(context.Context) error { return errStarting },
	}}
	exporter, err := otelprometheus.New(otelprometheus.WithRegisterer(o.registry),
		otelprometheus.WithoutScopeInfo(), otelprometheus.WithoutTargetInfo())
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	o.meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(exporter)).Meter("rollcall")
	return o, nil
}

// temporalMetrics takes in what Temporal's client and workers count, and what
// activities count through them.
func (o *operations) temporalMetrics() client.MetricsHandler {
	return opentelemetry.NewMetricsHandler(opentelemetry.MetricsHandlerOptions{Meter: o.meter})
}

// watch lets readiness depend on the database, its schema and Temporal, and counts
// tenants and what is held there.
func (o *operations) watch(s *store.Store, c client.Client) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.checks = map[string]func(context.Context) error{
		"database": s.Ping,
		"schema":   s.CheckSchema,
		"temporal": func(ctx context.Context) error {
			_, err := c.CheckHealth(ctx, &client.CheckHealthRequest{})
			return err
		},
	}
	if err := o.countTenants(s); err != nil {
		return err
	}
	if err := o.countStarts(s); err != nil {
		return err
	}
	return o.countHeld(s)
}

// countTenants shows how many tenants stand how, asked for at every scrape.
func (o *operations) countTenants(s *store.Store) error {
	_, err := o.meter.Int64ObservableGauge("rollcall_tenants",
		metric.WithDescription("Tenants by platform and by how their last run ended."),
		metric.WithInt64Callback(func(ctx context.Context, observer metric.Int64Observer) error {
			counts, err := s.CountOutcomes(ctx)
			for _, c := range counts {
				observer.Observe(c.Tenants, metric.WithAttributes(
					attribute.String("platform", c.Platform), attribute.String("outcome", c.Outcome)))
			}
			return err
		}))
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	return nil
}

// handler serves /healthz, /readyz and /metrics.
func (o *operations) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", o.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(o.registry, promhttp.HandlerOpts{}))
	return mux
}

// ready answers 200 when everything the worker needs answers, and otherwise 503
// with what does not.
func (o *operations) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), probeTimeout)
	defer cancel()
	o.mu.Lock()
	checks := o.checks
	o.mu.Unlock()
	answers, status := map[string]string{}, http.StatusOK
	for name, check := range checks {
		answers[name] = "ok"
		if err := check(ctx); err != nil {
			answers[name], status = err.Error(), http.StatusServiceUnavailable
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(answers); err != nil {
		return // who asked has gone
	}
}

// serve listens until ctx ends. It is up before the rest of the worker is.
func (o *operations) serve(ctx context.Context, address string, log *slog.Logger) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	server := &http.Server{Handler: o.handler(), ReadHeaderTimeout: probeTimeout}
	go func() {
		<-ctx.Done()
		_ = server.Close() // nobody waits for probes
	}()
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("probes and metrics are not served any more", "error", err)
		}
	}()
	log.Info("probes and metrics served", "address", listener.Addr().String())
	return nil
}
