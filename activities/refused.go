package activities

import (
	"context"
	"fmt"
	"strings"

	"go.temporal.io/sdk/activity"

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

// refusals are steps that the platform refused, by the object or the account in it that each
// is about.
type refusals map[plan.Removal]failure

// accountRefusals returns the refusals in passes from since on that are about a single
// account: it was to be created, or to join a group. One for which the connection's own
// permissions do not suffice counts for accounts that were to be created only: a platform
// may not admit some of them. The refusal to remove an account is none of those, as the
// user keeps the access.
func accountRefusals(failed []failure, since int) refusals {
	all := refusals{}
	for _, f := range failed {
		if !f.refused(since) {
			continue
		}
		switch adds := f.Step.Adds(); {
		case f.Step.Kind == access.KindAccount:
			all[plan.Removal{Object: f.Step.Key()}] = f
		case f.Step.Kind != access.KindMembers, len(adds) != 1, len(f.Step.Removes()) > 0, f.class() == TypeDenied:
		default:
			all[plan.Removal{Object: f.Step.Key(), Ref: adds[0].Ref}] = f
		}
	}
	return all
}

// of returns the refusals that a step would get again, and how many accounts it is about;
// 0 for a step that is about more than accounts.
func (r refusals) of(s plan.Step) (found []failure, accounts int) {
	add := func(ref string) {
		if f, refused := r[plan.Removal{Object: s.Key(), Ref: ref}]; refused {
			found = append(found, f)
		}
	}
	switch {
	case s.Kind == access.KindAccount:
		add("")
		return found, 1
	case s.Kind != access.KindMembers || len(s.Removes()) > 0:
		return nil, 0
	}
	for _, who := range s.Adds() {
		add(who.Ref)
	}
	return found, len(s.Adds())
}

// refusedAccounts returns a warning for each account if all steps of a plan are about
// accounts that the platform refused in this run, in a pass from since on. Then the tenant
// is as desired but for those. Else it returns none.
func (p *Platform) refusedAccounts(ctx context.Context, made plan.Plan, since int) ([]access.Remark, error) {
	if since == 0 {
		return nil, nil
	}
	failed, err := p.failed(ctx, activity.GetInfo(ctx).WorkflowExecution.RunID)
	if err != nil {
		return nil, err
	}
	refused := accountRefusals(failed, since)
	var remarks []access.Remark
	for _, s := range made.Steps {
		found, accounts := refused.of(s)
		if accounts == 0 || len(found) < accounts {
			return nil, nil
		}
		for _, f := range found {
			remarks = append(remarks, refusal(f.Record, 0))
		}
	}
	return remarks, nil
}

// countRefusedAccounts counts the refused steps of the batch in which an account is refused
// that another plan leaves out.
func (a *application) countRefusedAccounts(ctx context.Context) error {
	if a.out.Refused == 0 {
		return nil
	}
	failed, err := a.platform.failed(ctx, a.run.RunID)
	if err != nil {
		return err
	}
	refused := accountRefusals(failed, a.in.Since)
	wholes := map[string]bool{}
	for _, f := range failed {
		wholes[f.Step.ID] = f.refused(a.in.Since)
	}
	for _, id := range a.in.Batch.ids() {
		s, _ := a.plan.Step(id)
		adds := s
		adds.Have = plan.Object{} // a removal in the same step is done, or in the next plan
		if found, _ := refused.of(adds); wholes[id] && len(found) > 0 {
			a.out.RefusedAccounts++
		}
	}
	return nil
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
