package control_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/api"
	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/control/controltest"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
)

// TestHTTP runs the conformance tests through HTTP.
func TestHTTP(t *testing.T) {
	t.Parallel()
	controltest.Run(t, func(t *testing.T) controltest.Installation {
		s := storetest.Open(t)
		return controltest.Installation{Service: overHTTP(t, local(s), s), Store: s}
	})
}

// overHTTP returns a service as a client of a server sees it. Its pages are so small that all
// lists have several.
func overHTTP(t *testing.T, service control.Service, s *store.Store) control.Service {
	t.Helper()
	handler, err := api.NewHandler(api.Options{
		Service: func(r *http.Request) (_ control.Service, by access.Actor, err error) {
			err = json.Unmarshal([]byte(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")), &by)
			return service, by, err
		},
		State: s, PageSize: 2,
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	token := func(ctx context.Context) (string, error) {
		by, _ := ctx.Value(callerKey{}).(access.Actor)
		text, err := json.Marshal(by)
		return string(text), err
	}
	client, err := api.NewClient(server.URL, server.Client().Transport, token)
	if err != nil {
		t.Fatal(err)
	}
	return signedIn{client}
}

type callerKey struct{}

// signedIn is a client whose credential is that of the caller of each request: the tests have
// several.
type signedIn struct{ control.Service }

func as(ctx context.Context, by access.Actor) context.Context {
	return context.WithValue(ctx, callerKey{}, by)
}

func (s signedIn) Apply(ctx context.Context, r control.ApplyRequest, report func(control.Event)) (control.ChangeResult, error) {
	return s.Service.Apply(as(ctx, r.By), r, report)
}

func (s signedIn) ApplyPlan(ctx context.Context, r control.ApplyPlanRequest, report func(control.Event)) (control.ChangeResult, error) {
	return s.Service.ApplyPlan(as(ctx, r.By), r, report)
}

func (s signedIn) Delete(ctx context.Context, r control.DeleteRequest, report func(control.Event)) (control.ChangeResult, error) {
	return s.Service.Delete(as(ctx, r.By), r, report)
}

func (s signedIn) Replicate(ctx context.Context, r control.ReplicateRequest, report func(control.Event)) (control.ReplicateResult, error) {
	return s.Service.Replicate(as(ctx, r.By), r, report)
}

func (s signedIn) Decide(ctx context.Context, r control.DecideRequest, report func(control.Event)) (control.ReplicateResult, error) {
	return s.Service.Decide(as(ctx, r.By), r, report)
}

func (s signedIn) Adopt(ctx context.Context, r control.AdoptRequest, report func(control.Event)) (control.AdoptResult, error) {
	return s.Service.Adopt(as(ctx, r.By), r, report)
}

func (s signedIn) Revoke(ctx context.Context, r control.RevokeRequest, report func(control.Event)) (control.RevokeResult, error) {
	return s.Service.Revoke(as(ctx, r.By), r, report)
}

func (s signedIn) Lift(ctx context.Context, r control.LiftRequest, report func(control.Event)) (control.LiftResult, error) {
	return s.Service.Lift(as(ctx, r.By), r, report)
}

func (s signedIn) Forget(ctx context.Context, r control.ForgetRequest) (control.ForgetResult, error) {
	return s.Service.Forget(as(ctx, r.By), r)
}
