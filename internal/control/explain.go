package control

import (
	"context"
	"errors"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/explain"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// ExplainRequest asks for the access of a user to a tenant.
type ExplainRequest struct {
	// User is a metadata.name, an euid or an email; empty for all users.
	User   string          `json:"user,omitempty"`
	Tenant access.TenantID `json:"tenant"`
}

// Explain is that of Tenants. It reads the documents and the ledger, and asks no platform.
func (l *Local) Explain(ctx context.Context, r ExplainRequest) (explain.Answer, error) {
	s, err := l.Store(ctx)
	if err != nil {
		return explain.Answer{}, err
	}
	user := explain.User{Name: r.User}
	if r.User != "" {
		found, known, err := findUser(ctx, s, r.User)
		if err != nil {
			return explain.Answer{}, err
		}
		if known {
			user.Document = &found
		}
	}
	reader := explain.Reader{Store: s, Platform: l.explained, Refusal: activities.Refusal, Completes: completes}
	facts, err := reader.Read(ctx, r.Tenant, user)
	if errors.Is(err, store.ErrNotFound) {
		return explainNoTenant(ctx, reader, r.Tenant, user)
	}
	if err != nil {
		return explain.Answer{}, err
	}
	if r.User != "" && user.Document == nil && !facts.HasAccounts() {
		return explain.Answer{}, notFound(kindUser, r.User)
	}
	return explain.Explain(facts), nil
}

// explainNoTenant explains why a user has no access to a tenant that does not exist.
func explainNoTenant(ctx context.Context, reader explain.Reader, id access.TenantID, user explain.User) (explain.Answer, error) {
	a, err := reader.WithoutTenant(ctx, id, user)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && user.Name == "":
		return explain.Answer{}, notFound(kindTenant, id.String())
	case err != nil:
		return explain.Answer{}, err
	case user.Document == nil:
		return explain.Answer{}, notFound(kindUser, user.Name)
	default:
		return a, nil
	}
}

// explained returns the part of a type of platform that explanations use.
func (l *Local) explained(platformType string) (explain.Platform, bool) {
	p, known := l.Platform(platformType)
	return explain.Platform{Profile: p.Profile, Options: p.Rules.Options}, known
}

// completes reports whether a run with that outcome left nothing to add.
func completes(outcome string) bool {
	o := activities.Outcome(outcome)
	return o == activities.Converged || o == activities.Changed || o == activities.Waiting
}
