package activities

import (
	"context"
	"fmt"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// failure is the record of a step that failed.
type failure struct{ ledger.Record }

// class returns the type of the failure, one of this package's.
func (f failure) class() string {
	class, _, _ := strings.Cut(f.Err, ":")
	return class
}

// refused reports whether the platform refused the step in a pass from since on.
func (f failure) refused(since int) bool { return lasting(f.class()) && f.Run.Pass >= since }

// failed returns the steps that failed last in a run.
func (p *Platform) failed(ctx context.Context, runID string) ([]failure, error) {
	records, err := p.ledger.Failed(ctx, ledger.Run{RunID: runID})
	if err != nil {
		return nil, fmt.Errorf("activities: read what the platform refused: %w", err)
	}
	all := make([]failure, len(records))
	for i, r := range records {
		all[i] = failure{r}
	}
	return all, nil
}

// immovable returns the roles of groups that the platform did not take in a pass from since
// on.
func immovable(failed []failure, since int) []plan.Removal {
	var roles []plan.Removal
	for _, f := range failed {
		if s := f.Step; f.refused(since) && s.Op == plan.Delete && s.Kind == access.KindBinding && s.Key().Group != "" {
			roles = append(roles, s.Removals()...)
		}
	}
	return roles
}
