package activities

import (
	"context"
	"fmt"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// refused returns the records of steps that the platform refused in a run, from a pass on.
func (p *Platform) refused(ctx context.Context, runID string, since int) ([]ledger.Record, error) {
	failed, err := p.ledger.Failed(ctx, ledger.Run{RunID: runID})
	if err != nil {
		return nil, fmt.Errorf("activities: read what the platform refused: %w", err)
	}
	var refused []ledger.Record
	for _, r := range failed {
		if class, _, _ := strings.Cut(r.Err, ":"); lasting(class) && r.Run.Pass >= since {
			refused = append(refused, r)
		}
	}
	return refused, nil
}

// immovable returns the roles of groups that the platform did not take.
func immovable(refused []ledger.Record) []plan.Removal {
	var roles []plan.Removal
	for _, r := range refused {
		if s := r.Step; s.Op == plan.Delete && s.Kind == access.KindBinding && s.Key().Group != "" {
			roles = append(roles, s.Removals()...)
		}
	}
	return roles
}
