package control

import (
	"context"
	"encoding/json"
	"fmt"
)

// FormerConnection is what the document of a platform had before there were connections.
type FormerConnection struct {
	Platform string `json:"platform"`
	Type     string `json:"type"`
	// Settings are the part of spec.config.<type> that belongs to a connection now. They name
	// credentials and have none.
	Settings json.RawMessage `json:"settings"`
	// RedirectURL is where the platform's invitations lead to; empty for none.
	RedirectURL string `json:"redirect_url,omitempty"`
}

// ListFormerConnections is that of Platforms.
func (l *Local) ListFormerConnections(ctx context.Context) ([]FormerConnection, error) {
	s, err := l.Store(ctx)
	if err != nil {
		return nil, err
	}
	found, err := s.FormerConnections(ctx)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	platforms, err := s.Platforms(ctx)
	if err != nil {
		return nil, err
	}
	redirects := map[string]string{}
	for _, p := range platforms {
		var settings struct {
			Replication struct {
				Invitation struct {
					RedirectURL string `json:"redirectUrl"`
				} `json:"b2bUserInvitation"`
			} `json:"replication"`
		}
		if err := json.Unmarshal(p.Settings, &settings); err != nil {
			return nil, fmt.Errorf("platform %s: %w", p.Identifier(), err)
		}
		redirects[p.Identifier()] = settings.Replication.Invitation.RedirectURL
	}
	former := make([]FormerConnection, len(found))
	for i, f := range found {
		former[i] = FormerConnection{Platform: f.Platform, Type: f.Type, Settings: f.Settings, RedirectURL: redirects[f.Platform]}
	}
	return former, nil
}
