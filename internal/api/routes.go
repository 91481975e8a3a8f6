package api

import (
	"context"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/control"
	"github.com/rollcall-iam/rollcall/internal/explain"
)

// report is how a method reports events.
type report = func(control.Event)

// routes serves every method of control.Service.
func (s *server) routes() {
	s.documentRoutes(newEndpoints())
	s.tenantRoutes(newEndpoints())
	s.decisionRoutes(newEndpoints())
	s.revocationRoutes(newEndpoints())
	s.platformRoutes(newEndpoints())
}

func (s *server) documentRoutes(e endpoints) {
	handle(s, e.get, func(ctx context.Context, c caller, r GetRequest, _ report) (DocumentList, error) {
		return documentPage(ctx, c, r.GetRequest, r.PageRequest, false)
	})
	handle(s, e.export, func(ctx context.Context, c caller, r PageRequest, _ report) (DocumentList, error) {
		return documentPage(ctx, c, control.GetRequest{}, r, true)
	})
	handle(s, e.apply, func(ctx context.Context, c caller, r ApplyRequest, events report) (control.ChangeResult, error) {
		if err := place(r.Documents, r.Origins); err != nil {
			return control.ChangeResult{}, err
		}
		r.By, r.IfMatch = c.by, c.ifMatch
		return c.Apply(ctx, control.ApplyRequest{Documents: r.Documents, Prune: r.Prune, ChangeOptions: r.ChangeOptions}, events)
	})
	handle(s, e.planDocuments, func(ctx context.Context, c caller, r PlanDocumentsRequest, events report) (control.DocumentsPlan, error) {
		if err := place(r.Documents, r.Origins); err != nil {
			return control.DocumentsPlan{}, err
		}
		request := control.PlanDocumentsRequest{Documents: r.Documents, By: c.by, Prune: r.Prune, Ordered: r.Ordered}
		return c.PlanDocuments(ctx, request, events)
	})
	handle(s, e.applyPlan, func(ctx context.Context, c caller, r control.ApplyPlanRequest, events report) (control.ChangeResult, error) {
		r.By, r.IfMatch = c.by, c.ifMatch
		return c.ApplyPlan(ctx, r, events)
	})
	handle(s, e.deleteDocument, func(ctx context.Context, c caller, r control.DeleteRequest, events report) (control.ChangeResult, error) {
		r.By, r.IfMatch = c.by, c.ifMatch
		return c.Delete(ctx, r, events)
	})
}

func (s *server) tenantRoutes(e endpoints) {
	handle(s, e.listTenants, func(ctx context.Context, c caller, r TenantListRequest, _ report) (List[access.TenantID], error) {
		return listOf(ctx, c, r.Selection, r.PageRequest, func() ([]access.TenantID, error) { return c.ListTenants(ctx, r.Selection) })
	})
	handle(s, e.replicate, func(ctx context.Context, c caller, r control.ReplicateRequest, events report) (control.ReplicateResult, error) {
		r.By = c.by
		return c.Replicate(ctx, r, events)
	})
	handle(s, e.status, func(ctx context.Context, c caller, r StatusRequest, _ report) (StatusPage, error) {
		found, err := listPage(ctx, c, r.StatusRequest, r.PageRequest, func() (control.StatusResult, []control.TenantReport, error) {
			result, err := c.Status(ctx, r.StatusRequest)
			items := result.Report.Items
			result.Report.Items = nil
			return result, items, err
		})
		found.rest.Report.Items = found.items
		return StatusPage{StatusResult: found.rest, NextPageToken: found.next}, err
	})
	handle(s, e.explain, func(ctx context.Context, c caller, r control.ExplainRequest, _ report) (explain.Answer, error) {
		return c.Explain(ctx, r)
	})
	handle(s, e.plan, func(ctx context.Context, c caller, r control.PlanRequest, events report) (control.PlanSummary, error) {
		return c.Plan(ctx, r, events)
	})
}

func (s *server) decisionRoutes(e endpoints) {
	handle(s, e.listPending, func(ctx context.Context, c caller, r PageRequest, _ report) (List[control.PendingTenant], error) {
		return listOf(ctx, c, nil, r, func() ([]control.PendingTenant, error) { return c.ListPending(ctx) })
	})
	handle(s, e.decide, func(ctx context.Context, c caller, r control.DecideRequest, events report) (control.ReplicateResult, error) {
		var err error
		if r.Digest, err = c.digestOf(r.Digest); err != nil {
			return control.ReplicateResult{}, err
		}
		r.By = c.by
		result, err := c.Decide(ctx, r, events)
		return result, c.conflicts(err)
	})
	handle(s, e.listDecisions, func(ctx context.Context, c caller, r TenantsRequest, _ report) (List[control.DecisionRecord], error) {
		return listOf(ctx, c, r.Tenants, r.PageRequest, func() ([]control.DecisionRecord, error) { return c.ListDecisions(ctx, r.Tenants) })
	})
	handle(s, e.listAdoptions, func(ctx context.Context, c caller, r PageRequest, _ report) (List[control.AdoptionRecord], error) {
		return listOf(ctx, c, nil, r, func() ([]control.AdoptionRecord, error) { return c.ListAdoptions(ctx) })
	})
	handle(s, e.listAdoptable, func(ctx context.Context, c caller, r TenantRequest, _ report) (List[string], error) {
		return whole(c.ListAdoptable(ctx, r.Tenant))
	})
	handle(s, e.adopt, func(ctx context.Context, c caller, r control.AdoptRequest, events report) (control.AdoptResult, error) {
		var err error
		if r.Digest, err = c.digestOf(r.Digest); err != nil {
			return control.AdoptResult{}, err
		}
		r.By = c.by
		result, err := c.Adopt(ctx, r, events)
		return result, c.conflicts(err)
	})
}

func (s *server) revocationRoutes(e endpoints) {
	handle(s, e.listRevocations, func(ctx context.Context, c caller, r RevocationsRequest, _ report) (List[control.Revocation], error) {
		return listOf(ctx, c, r.Lifted, r.PageRequest, func() ([]control.Revocation, error) { return c.ListRevocations(ctx, r.Lifted) })
	})
	handle(s, e.getRevocation, func(ctx context.Context, c caller, r UserRequest, _ report) (control.Revocation, error) {
		found, err := c.GetRevocation(ctx, r.User)
		if err != nil {
			return found, err
		}
		tag, err := control.RevocationTag(found)
		c.setTag(tag)
		return found, err
	})
	handle(s, e.revoke, func(ctx context.Context, c caller, r control.RevokeRequest, events report) (control.RevokeResult, error) {
		r.By = c.by
		return c.Revoke(ctx, r, events)
	})
	handle(s, e.lift, func(ctx context.Context, c caller, r control.LiftRequest, events report) (control.LiftResult, error) {
		r.By, r.IfMatch = c.by, c.ifMatch
		return c.Lift(ctx, r, events)
	})
}

func (s *server) platformRoutes(e endpoints) {
	handle(s, e.listConnections, func(ctx context.Context, c caller, _ None, _ report) (control.ConnectionsReport, error) {
		return c.ListConnections(ctx)
	})
	handle(s, e.checkConnections, func(ctx context.Context, c caller, r control.CheckRequest, _ report) (control.ConnectionsReport, error) {
		return c.CheckConnections(ctx, r)
	})
	handle(s, e.forget, func(ctx context.Context, c caller, r control.ForgetRequest, _ report) (control.ForgetResult, error) {
		r.By = c.by
		return c.Forget(ctx, r)
	})
	handle(s, e.listAbandoned, func(ctx context.Context, c caller, r PlatformRequest, _ report) (List[control.AbandonedPlatform], error) {
		return listOf(ctx, c, r.Platform, r.PageRequest, func() ([]control.AbandonedPlatform, error) {
			return c.ListAbandoned(ctx, r.Platform)
		})
	})
	handle(s, e.listFormerConnections, func(ctx context.Context, c caller, _ None, _ report) (List[control.FormerConnection], error) {
		return whole(c.ListFormerConnections(ctx))
	})
	handle(s, e.listCalls, func(ctx context.Context, c caller, r control.CallsRequest, _ report) (control.CallsPage, error) {
		return c.ListCalls(ctx, r)
	})
}
