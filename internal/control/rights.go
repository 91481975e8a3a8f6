package control

import (
	"context"

	"github.com/rollcall-iam/rollcall/internal/authz"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// Rights returns the rights of a caller, by the stored policies and workspace bindings. They are
// read for each call: a right that is taken ends with the commit.
func (l *Local) Rights(ctx context.Context, caller authz.Caller) (authz.Rights, error) {
	s, err := l.Store(ctx)
	if err != nil {
		return authz.Rights{}, err
	}
	documents, err := s.Documents(ctx, store.Filter{Kind: document.KindAccessPolicy})
	if err != nil {
		return authz.Rights{}, err
	}
	policies, err := authz.Compile(documents)
	if err != nil {
		return authz.Rights{}, err
	}
	euid := policies.EUID(caller)
	if euid == "" {
		return policies.Rights(caller), nil
	}
	bindings, err := s.WorkspaceBindings(ctx, euid)
	if err != nil {
		return authz.Rights{}, err
	}
	return policies.RightsWith(caller, authz.Bindings(bindings))
}
