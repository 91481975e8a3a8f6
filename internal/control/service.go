package control

import (
	"context"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/explain"
)

// Service is what the command line uses.
type Service interface { //nolint:interfacebloat // it is the sum of its parts
	Documents
	Tenants
	Plans
	Decisions
	Revocations
	Platforms
	Audit
}

// Documents are the stored documents.
type Documents interface {
	// Get returns the chosen documents in the order of document.ID.Compare. A name that is
	// not stored is NotFound.
	Get(ctx context.Context, r GetRequest) ([]document.Document, error)
	// Apply stores documents after checking all of them together, all or none. A change that
	// removes documents, or that is not the one of the request's digest, is Unconfirmed: the
	// result has it.
	Apply(ctx context.Context, r ApplyRequest, report func(Event)) (ChangeResult, error)
	// ApplyPlan stores exactly the change that PlanDocuments has planned under a digest. If
	// another one would be stored, it is Conflict; a digest that is not known is NotFound.
	ApplyPlan(ctx context.Context, r ApplyPlanRequest, report func(Event)) (ChangeResult, error)
	// Delete removes a document like Apply. It is Conflict while other documents refer to it.
	Delete(ctx context.Context, r DeleteRequest, report func(Event)) (ChangeResult, error)
	// Export returns all documents with the numbers that apply allocated.
	Export(ctx context.Context) ([]document.Document, error)
}

// Tenants are the projects on platforms, with the access that they grant.
type Tenants interface {
	// ListTenants returns the chosen tenants in the order of access.TenantID.Compare. A tenant
	// that is not stored is NotFound, and so is a choice that no tenant matches.
	ListTenants(ctx context.Context, s Selection) ([]access.TenantID, error)
	// Replicate starts the replication of the chosen tenants. Without a worker the work is
	// stored and waits, which an event reports.
	Replicate(ctx context.Context, r ReplicateRequest, report func(Event)) (ReplicateResult, error)
	// Status returns how the chosen tenants are: their outcomes, warnings and open runs.
	Status(ctx context.Context, r StatusRequest) (StatusResult, error)
	// Explain returns why a user has or lacks access to a tenant.
	Explain(ctx context.Context, r ExplainRequest) (explain.Answer, error)
}

// Plans show what a replication would change.
type Plans interface {
	// Plan plans the chosen tenants and reports each plan. It needs a worker. With an error,
	// the summary counts the plans that were reported.
	Plan(ctx context.Context, r PlanRequest, report func(Event)) (PlanSummary, error)
	// PlanDocuments plans the tenants that a change of documents would affect, as if it was
	// stored, and stores no document. ApplyPlan stores the change.
	PlanDocuments(ctx context.Context, r PlanDocumentsRequest, report func(Event)) (DocumentsPlan, error)
}

// Decisions approve and reject the steps that wait for an approval, and adopt groups.
type Decisions interface {
	Adoptions
	// ListPending returns the steps that wait for an approval, on all tenants.
	ListPending(ctx context.Context) ([]PendingTenant, error)
	// Decide stores a decision about them and starts a run. It is Conflict if other steps wait
	// than those that the request names.
	Decide(ctx context.Context, r DecideRequest, report func(Event)) (ReplicateResult, error)
	// ListDecisions returns all decisions about removals on the tenants, the newest first; those
	// of all tenants, removed ones among them, if there are none.
	ListDecisions(ctx context.Context, tenants []access.TenantID) ([]DecisionRecord, error)
}

// Adoptions take over groups that are on a platform already.
type Adoptions interface {
	// ListAdoptions returns the adoptions that were requested, ended ones among them.
	ListAdoptions(ctx context.Context) ([]AdoptionRecord, error)
	// ListAdoptable returns the names of the groups that a tenant's documents desire.
	ListAdoptable(ctx context.Context, tenant access.TenantID) ([]string, error)
	// Adopt stores an adoption and starts a run. It needs a worker, which plans first. It is
	// Conflict if the plan is not the one that the request names.
	Adopt(ctx context.Context, r AdoptRequest, report func(Event)) (AdoptResult, error)
}

// Revocations take all access from users, before all other work.
type Revocations interface {
	// ListRevocations returns those that are not lifted, and with lifted all.
	ListRevocations(ctx context.Context, lifted bool) ([]Revocation, error)
	// GetRevocation returns a user's revocation, the last one if all are lifted. It is NotFound
	// for a user without one.
	GetRevocation(ctx context.Context, user string) (Revocation, error)
	// Revoke stores a revocation and starts the removals. Repeated, it starts them again and
	// keeps the repetition.
	Revoke(ctx context.Context, r RevokeRequest, report func(Event)) (RevokeResult, error)
	// Lift ends a revocation and starts runs that grant the access that the documents desire.
	Lift(ctx context.Context, r LiftRequest, report func(Event)) (LiftResult, error)
}

// Platforms are the platforms as workers reach them.
type Platforms interface {
	// ListConnections returns the connections that workers hold, and the platforms that no
	// worker serves.
	ListConnections(ctx context.Context) (ConnectionsReport, error)
	// CheckConnections has every worker check the connections that platforms use, waits for
	// the answers and returns them. It is NoWorker if one does not answer within a minute.
	// Refused accounts are no error: see ConnectionsReport.CheckError.
	CheckConnections(ctx context.Context, r CheckRequest) (ConnectionsReport, error)
	// Forget drops the records of a platform whose document is deleted. Nothing changes at the
	// platform. A stored platform is Conflict.
	Forget(ctx context.Context, r ForgetRequest) (ForgetResult, error)
	// ListAbandoned returns the platforms whose cleanup was given up, the newest first;
	// those of one identifier if it is not empty.
	ListAbandoned(ctx context.Context, platform string) ([]AbandonedPlatform, error)
	// ListFormerConnections returns what the documents of platforms had before there were
	// connections, for connection.Extract.
	ListFormerConnections(ctx context.Context) ([]FormerConnection, error)
}
