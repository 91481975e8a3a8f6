package control

import (
	"context"
	"maps"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/authz"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/explain"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// For returns the service with the rights of a caller. What the rights do not allow is
// Forbidden; what the caller may not read does not exist, and lists leave it out.
//
// Changes of documents are decided under the lock of their commit, from the documents as they
// are stored and as they would be.
func (l *Local) For(caller access.Actor, rights authz.Rights) Service {
	return &restricted{local: *l, caller: caller, rights: rights}
}

// restricted is the service with the rights of a caller.
type restricted struct {
	local  Local
	caller access.Actor
	rights authz.Rights
}

var _ Service = (*restricted)(nil)

// AllowsOperation decides about an operation by the name of its method, before its request is
// read.
func (r *restricted) AllowsOperation(name string) error { return r.allow(authz.Operation(name)) }

// forbidden returns the error of a decision; nil for one that allows.
func forbidden(d authz.Decision) error {
	if d.Allowed {
		return nil
	}
	return &Error{Code: Forbidden, Message: d.Reason}
}

// allow decides about an operation as a whole.
func (r *restricted) allow(op authz.Operation) error { return forbidden(r.rights.Allow(op)) }

// changing returns the service that lets the caller's changes pass.
//
// Proposers planned the change; none for one that is not planned. A change that needs two users
// needs another one among them.
func (r *restricted) changing(ctx context.Context, op authz.Operation, proposers ...access.Actor) (*Local, error) {
	if err := r.allow(op); err != nil {
		return nil, err
	}
	s, err := r.local.Store(ctx)
	if err != nil {
		return nil, err
	}
	policies, err := s.Documents(ctx, store.Filter{Kind: document.KindAccessPolicy})
	if err != nil {
		return nil, err
	}
	local := r.local
	local.review = func(stored []store.DocumentChange) error {
		changes := make([]authz.Change, len(stored))
		for i, c := range stored {
			changes[i] = authz.Change(c)
		}
		if err := forbidden(r.rights.AllowChanges(op, changes)); err != nil || op == "PlanDocuments" {
			return err
		}
		for _, action := range authz.ActionsOf(changes) {
			if err := forbidden(authz.FourEyes{}.CheckAny(action, r.caller, proposers)); err != nil {
				return err
			}
		}
		return keepsAdmin(policies, changes)
	}
	return &local, nil
}

// keepsAdmin refuses a change after which no rule of a policy gives the role admin: no caller could
// change the policies any more. A rule may still match no caller.
func keepsAdmin(policies []document.Document, changes []authz.Change) error {
	after := map[document.ID]document.Document{}
	for _, p := range policies {
		after[p.ID] = p
	}
	changed := false
	for _, c := range changes {
		switch {
		case c.After != nil && c.After.ID.Kind == document.KindAccessPolicy:
			after[c.After.ID], changed = *c.After, true
		case c.After == nil && c.Before.ID.Kind == document.KindAccessPolicy:
			delete(after, c.Before.ID)
			changed = true
		}
	}
	if !changed {
		return nil
	}
	compiled, err := authz.Compile(slices.Collect(maps.Values(after)))
	if err != nil {
		return err
	}
	if !compiled.HasAdmin() {
		return &Error{Code: Conflict, Kind: string(document.KindAccessPolicy), Message: "no rule would give the role admin any more, " +
			"and no caller could change the policies: keep one"}
	}
	return nil
}

// scoped limits a selection to the tenants that the caller may choose. Others are as tenants
// that are not stored.
func (r *restricted) scoped(ctx context.Context, op authz.Operation, s Selection) (Selection, error) {
	if err := r.allow(op); err != nil {
		return s, err
	}
	scope := r.rights.Scope(op)
	if scope.All() || s.IsEmpty() {
		return s, nil
	}
	for _, t := range s.Tenants {
		if !scope.Has(t.Workspace) {
			return s, notFound(kindTenant, t.String())
		}
	}
	if len(s.Tenants) > 0 {
		return s, nil
	}
	tenants, err := r.local.ListTenants(ctx, s)
	if err != nil {
		return s, err
	}
	tenants = slices.DeleteFunc(tenants, func(t access.TenantID) bool { return !scope.Has(t.Workspace) })
	if len(tenants) == 0 {
		return s, &Error{Code: NotFound, Kind: kindTenant, Message: "no tenant in your workspaces matches"}
	}
	return Selection{Tenants: tenants}, nil
}

// visible returns the items of tenants that the caller may see. tenant returns the project and
// the platform of an item.
func visible[T any](r *restricted, op authz.Operation, items []T, tenant func(T) (project, platform string)) []T {
	scope := r.rights.Scope(op)
	return slices.DeleteFunc(items, func(item T) bool {
		project, platform := tenant(item)
		id, err := access.ParseTenantID(project + "/" + platform)
		return err != nil || !scope.Has(id.Workspace)
	})
}

// Get is that of Documents.
func (r *restricted) Get(ctx context.Context, request GetRequest) ([]document.Document, error) {
	if err := r.allow("Get"); err != nil {
		return nil, err
	}
	all, err := r.local.Get(ctx, GetRequest{}) // what a document refers to decides who may read it
	if err != nil {
		return nil, err
	}
	found, err := r.rights.Visible(all)
	if err != nil {
		return nil, err
	}
	found = chosenDocuments(found, request)
	if len(found) == 0 && request.Name != "" {
		return nil, notFound(string(request.Kind), request.Name)
	}
	return found, nil
}

// Export is that of Documents.
func (r *restricted) Export(ctx context.Context) ([]document.Document, error) {
	if err := r.allow("Export"); err != nil {
		return nil, err
	}
	return r.local.Export(ctx)
}

// Apply is that of Documents.
func (r *restricted) Apply(ctx context.Context, request ApplyRequest, report func(Event)) (ChangeResult, error) {
	l, err := r.changing(ctx, "Apply")
	if err != nil {
		return ChangeResult{}, err
	}
	return l.Apply(ctx, request, report)
}

// ApplyPlan is that of Documents.
func (r *restricted) ApplyPlan(ctx context.Context, request ApplyPlanRequest, report func(Event)) (ChangeResult, error) {
	if err := r.allow("ApplyPlan"); err != nil {
		return ChangeResult{}, err
	}
	s, err := r.local.Store(ctx)
	if err != nil {
		return ChangeResult{}, err
	}
	proposers, err := s.Proposers(ctx, request.Digest)
	if err != nil {
		return ChangeResult{}, err
	}
	l, err := r.changing(ctx, "ApplyPlan", proposers...)
	if err != nil {
		return ChangeResult{}, err
	}
	return l.ApplyPlan(ctx, request, report)
}

// Delete is that of Documents.
func (r *restricted) Delete(ctx context.Context, request DeleteRequest, report func(Event)) (ChangeResult, error) {
	l, err := r.changing(ctx, "Delete")
	if err != nil {
		return ChangeResult{}, err
	}
	return l.Delete(ctx, request, report)
}

// PlanDocuments is that of Plans.
func (r *restricted) PlanDocuments(ctx context.Context, request PlanDocumentsRequest, report func(Event)) (DocumentsPlan, error) {
	l, err := r.changing(ctx, "PlanDocuments")
	if err != nil {
		return DocumentsPlan{}, err
	}
	return l.PlanDocuments(ctx, request, report)
}

// Plan is that of Plans.
func (r *restricted) Plan(ctx context.Context, request PlanRequest, report func(Event)) (PlanSummary, error) {
	var err error
	if request.Selection, err = r.scoped(ctx, "Plan", request.Selection); err != nil {
		return PlanSummary{}, err
	}
	return r.local.Plan(ctx, request, report)
}

// ListTenants is that of Tenants.
func (r *restricted) ListTenants(ctx context.Context, s Selection) ([]access.TenantID, error) {
	s, err := r.scoped(ctx, "ListTenants", s)
	if err != nil {
		return nil, err
	}
	return r.local.ListTenants(ctx, s)
}

// Replicate is that of Tenants.
func (r *restricted) Replicate(ctx context.Context, request ReplicateRequest, report func(Event)) (ReplicateResult, error) {
	var err error
	if request.Selection, err = r.scoped(ctx, "Replicate", request.Selection); err != nil {
		return ReplicateResult{}, err
	}
	return r.local.Replicate(ctx, request, report)
}

// Status is that of Tenants.
func (r *restricted) Status(ctx context.Context, request StatusRequest) (StatusResult, error) {
	var err error
	if request.Selection, err = r.scoped(ctx, "Status", request.Selection); err != nil {
		return StatusResult{}, err
	}
	return r.local.Status(ctx, request)
}

// Explain is that of Tenants.
func (r *restricted) Explain(ctx context.Context, request ExplainRequest) (explain.Answer, error) {
	one, err := r.scoped(ctx, "Explain", Selection{Tenants: []access.TenantID{request.Tenant}})
	if err != nil {
		return explain.Answer{}, err
	}
	if !r.rights.Scope("Explain").All() { // the answer for an unknown tenant names all platforms
		if _, err := r.local.ListTenants(ctx, one); err != nil {
			return explain.Answer{}, err
		}
	}
	return r.local.Explain(ctx, request)
}

// ListPending is that of Decisions.
func (r *restricted) ListPending(ctx context.Context) ([]PendingTenant, error) {
	if err := r.allow("ListPending"); err != nil {
		return nil, err
	}
	pending, err := r.local.ListPending(ctx)
	return visible(r, "ListPending", pending, func(p PendingTenant) (string, string) { return p.Tenant, p.Platform }), err
}

// Decide is that of Decisions. The authors of the tenant's changes cannot approve. They can
// reject, as they could take the change back.
func (r *restricted) Decide(ctx context.Context, request DecideRequest, report func(Event)) (ReplicateResult, error) {
	if err := r.allow("Decide"); err != nil {
		return ReplicateResult{}, err
	}
	if request.Verdict != store.Rejected {
		causes, err := r.authors(ctx, request.Tenant)
		if err != nil {
			return ReplicateResult{}, err
		}
		if err := r.secondUser("Decide", authz.ApproveRemoval, causes); err != nil {
			return ReplicateResult{}, err
		}
	}
	return r.local.Decide(ctx, request, report)
}

// authors returns the actors of the changes that what waits on a tenant rests on. Where no
// change of documents affects the tenant, Rollcall found the difference on the platform.
func (r *restricted) authors(ctx context.Context, tenant access.TenantID) ([]access.Actor, error) {
	s, err := r.local.Store(ctx)
	if err != nil {
		return nil, err
	}
	authors, err := s.Authors(ctx, tenant)
	if len(authors) == 0 {
		authors = []access.Actor{{Kind: access.System, Name: "drift"}}
	}
	return authors, err
}

// secondUser decides about an operation that needs another user than those who caused it.
func (r *restricted) secondUser(op authz.Operation, action authz.Action, causes []access.Actor) error {
	if err := r.allow(op); err != nil {
		return err
	}
	return forbidden(authz.FourEyes{}.Check(action, r.caller, causes))
}

// ListDecisions is that of Decisions.
func (r *restricted) ListDecisions(ctx context.Context, tenants []access.TenantID) ([]DecisionRecord, error) {
	if err := r.allow("ListDecisions"); err != nil {
		return nil, err
	}
	decisions, err := r.local.ListDecisions(ctx, tenants)
	return visible(r, "ListDecisions", decisions, func(d DecisionRecord) (string, string) { return d.Tenant, d.Platform }), err
}

// ListAdoptions is that of Adoptions.
func (r *restricted) ListAdoptions(ctx context.Context) ([]AdoptionRecord, error) {
	if err := r.allow("ListAdoptions"); err != nil {
		return nil, err
	}
	adoptions, err := r.local.ListAdoptions(ctx)
	return visible(r, "ListAdoptions", adoptions, func(a AdoptionRecord) (string, string) { return a.Tenant, a.Platform }), err
}

// ListAdoptable is that of Adoptions.
func (r *restricted) ListAdoptable(ctx context.Context, tenant access.TenantID) ([]string, error) {
	if _, err := r.scoped(ctx, "ListAdoptable", Selection{Tenants: []access.TenantID{tenant}}); err != nil {
		return nil, err
	}
	return r.local.ListAdoptable(ctx, tenant)
}

// Adopt is that of Adoptions. A dry run needs no second user.
func (r *restricted) Adopt(ctx context.Context, request AdoptRequest, report func(Event)) (AdoptResult, error) {
	if err := r.allow("Adopt"); err != nil {
		return AdoptResult{}, err
	}
	if !request.DryRun {
		causes, err := r.authors(ctx, request.Tenant)
		if err != nil {
			return AdoptResult{}, err
		}
		if err := r.secondUser("Adopt", authz.Adopt, causes); err != nil {
			return AdoptResult{}, err
		}
	}
	return r.local.Adopt(ctx, request, report)
}

// ListRevocations is that of Revocations.
func (r *restricted) ListRevocations(ctx context.Context, lifted bool) ([]Revocation, error) {
	if err := r.allow("ListRevocations"); err != nil {
		return nil, err
	}
	return r.local.ListRevocations(ctx, lifted)
}

// GetRevocation is that of Revocations.
func (r *restricted) GetRevocation(ctx context.Context, user string) (Revocation, error) {
	if err := r.allow("GetRevocation"); err != nil {
		return Revocation{}, err
	}
	return r.local.GetRevocation(ctx, user)
}

// Revoke is that of Revocations.
func (r *restricted) Revoke(ctx context.Context, request RevokeRequest, report func(Event)) (RevokeResult, error) {
	if err := r.allow("Revoke"); err != nil {
		return RevokeResult{}, err
	}
	return r.local.Revoke(ctx, request, report)
}

// Lift is that of Revocations. The callers who revoked cannot lift.
func (r *restricted) Lift(ctx context.Context, request LiftRequest, report func(Event)) (LiftResult, error) {
	if err := r.allow("Lift"); err != nil {
		return LiftResult{}, err
	}
	revocation, err := r.local.GetRevocation(ctx, request.User)
	if err != nil {
		return LiftResult{}, err
	}
	causes := []access.Actor{access.ParseActor(revocation.By, "")}
	for _, repeat := range revocation.Repeats {
		causes = append(causes, access.ParseActor(repeat.By, ""))
	}
	if err := r.secondUser("Lift", authz.Lift, causes); err != nil {
		return LiftResult{}, err
	}
	return r.local.Lift(ctx, request, report)
}

// ListConnections is that of Platforms.
func (r *restricted) ListConnections(ctx context.Context) (ConnectionsReport, error) {
	if err := r.allow("ListConnections"); err != nil {
		return ConnectionsReport{}, err
	}
	return r.local.ListConnections(ctx)
}

// CheckConnections is that of Platforms.
func (r *restricted) CheckConnections(ctx context.Context, request CheckRequest) (ConnectionsReport, error) {
	if err := r.allow("CheckConnections"); err != nil {
		return ConnectionsReport{}, err
	}
	return r.local.CheckConnections(ctx, request)
}

// Forget is that of Platforms. The callers who removed the platform and its tenants cannot
// forget it.
func (r *restricted) Forget(ctx context.Context, request ForgetRequest) (ForgetResult, error) {
	if err := r.allow("Forget"); err != nil {
		return ForgetResult{}, err
	}
	if !request.DryRun {
		s, err := r.local.Store(ctx)
		if err != nil {
			return ForgetResult{}, err
		}
		causes, err := s.RemovedBy(ctx, request.Platform)
		if err != nil {
			return ForgetResult{}, err
		}
		if err := r.secondUser("Forget", authz.Forget, causes); err != nil {
			return ForgetResult{}, err
		}
	}
	return r.local.Forget(ctx, request)
}

// ListAbandoned is that of Platforms.
func (r *restricted) ListAbandoned(ctx context.Context, platform string) ([]AbandonedPlatform, error) {
	if err := r.allow("ListAbandoned"); err != nil {
		return nil, err
	}
	return r.local.ListAbandoned(ctx, platform)
}

// ListFormerConnections is that of Platforms.
func (r *restricted) ListFormerConnections(ctx context.Context) ([]FormerConnection, error) {
	if err := r.allow("ListFormerConnections"); err != nil {
		return nil, err
	}
	return r.local.ListFormerConnections(ctx)
}

// ListCalls is that of Audit.
func (r *restricted) ListCalls(ctx context.Context, request CallsRequest) (CallsPage, error) {
	if err := r.allow("ListCalls"); err != nil {
		return CallsPage{}, err
	}
	return r.local.ListCalls(ctx, request)
}
