package control

import (
	"context"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// GetRequest chooses documents; empty fields choose all.
type GetRequest struct {
	Kind document.Kind `json:"kind,omitempty"`
	Name string        `json:"name,omitempty"`
}

// Get is that of Documents.
func (l *Local) Get(ctx context.Context, r GetRequest) ([]document.Document, error) {
	s, err := l.Store(ctx)
	if err != nil {
		return nil, err
	}
	found, err := s.Documents(ctx, store.Filter(r))
	if err == nil && len(found) == 0 && r.Name != "" {
		return nil, notFound(string(r.Kind), r.Name)
	}
	return found, err
}

// Export is that of Documents.
func (l *Local) Export(ctx context.Context) ([]document.Document, error) {
	s, err := l.Store(ctx)
	if err != nil {
		return nil, err
	}
	return s.Export(ctx)
}

// findUser finds a stored user by name, euid or email.
func findUser(ctx context.Context, s *store.Store, name string) (document.User, bool, error) {
	documents, err := s.Documents(ctx, store.Filter{Kind: document.KindUser})
	if err != nil {
		return document.User{}, false, err
	}
	for _, d := range documents {
		parsed, err := document.Parse(d)
		if err != nil {
			return document.User{}, false, err
		}
		if u, ok := parsed.(document.User); ok && (u.Name == name || u.EUID == name || strings.EqualFold(u.Email, name)) {
			return u, true, nil
		}
	}
	return document.User{}, false, nil
}
