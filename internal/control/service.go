package control

import (
	"context"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/explain"
)

// Service is what the command line uses.
type Service interface {
	Documents
	Tenants
	Platforms
}

// Documents are the stored documents.
type Documents interface {
	// Get returns the chosen documents in the order of document.ID.Compare. A name that is
	// not stored is NotFound.
	Get(ctx context.Context, r GetRequest) ([]document.Document, error)
	// Export returns all documents with the numbers that apply allocated.
	Export(ctx context.Context) ([]document.Document, error)
}

// Tenants are the projects on platforms, with the access that they grant.
type Tenants interface {
	// ListTenants returns the chosen tenants in the order of access.TenantID.Compare. A tenant
	// that is not stored is NotFound, and so is a choice that no tenant matches.
	ListTenants(ctx context.Context, s Selection) ([]access.TenantID, error)
	// Explain returns why a user has or lacks access to a tenant.
	Explain(ctx context.Context, r ExplainRequest) (explain.Answer, error)
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
}
