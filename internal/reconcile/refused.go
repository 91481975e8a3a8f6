package reconcile

import (
	"context"
	"fmt"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// RefusedRun is a run whose refusals in passes from Since on count; 0 stands for all.
type RefusedRun struct {
	RunID string
	Since int
}

// failed returns the records of the steps that failed last in a run.
func (r *Reconciler) failed(ctx context.Context, run ledger.Run) ([]ledger.Record, error) {
	records, err := r.ledger.Failed(ctx, run)
	if err != nil {
		return nil, fmt.Errorf("reconcile: read the failed steps of run %s: %w", run.RunID, err)
	}
	return records, nil
}

// immovable returns the roles that the platform refused to take in runs.
func (r *Reconciler) immovable(ctx context.Context, refused []RefusedRun) ([]plan.Removal, error) {
	var roles []plan.Removal
	for _, run := range refused {
		failed, err := r.failed(ctx, ledger.Run{RunID: run.RunID})
		if err != nil {
			return nil, err
		}
		roles = append(roles, immovableRoles(failed, run.Since)...)
	}
	return roles, nil
}

// classOf returns the class of the failure that a record has, as package fault names it.
func classOf(r ledger.Record) string {
	class, _, _ := strings.Cut(r.Err, ":")
	return class
}

// isPermanent reports whether failures of a class last until a user or an operator acts.
func isPermanent(class string) bool { return fault.Permanent(fault.Named(class)) }

// isRefused reports whether the platform refused a step for good.
func isRefused(r ledger.Record) bool { return isPermanent(classOf(r)) }

// isRefusedSince reports whether the platform refused a step in a pass from since on.
func isRefusedSince(r ledger.Record, since int) bool { return isRefused(r) && r.Run.Pass >= since }

// accountRefusals are refused steps about single accounts, by the object and the account in
// it.
type accountRefusals map[plan.Removal]ledger.Record

// findAccountRefusals returns the refusals in passes from since on that are about a single
// account: it should have been created, or joined a group. If the connection's own
// permissions do not suffice, the refusal counts for accounts to create only, as a platform
// may not admit some of them. The refusal to remove an account does not count, as the user
// keeps the access.
func findAccountRefusals(failed []ledger.Record, since int) accountRefusals {
	all := accountRefusals{}
	for _, r := range failed {
		if !isRefusedSince(r, since) {
			continue
		}
		switch adds := r.Step.Adds(); {
		case r.Step.Kind == access.KindAccount:
			all[plan.Removal{Object: r.Step.Key()}] = r
		case r.Step.Kind != access.KindMembers, len(adds) != 1, len(r.Step.Removes()) > 0, classOf(r) == fault.NameDenied:
		default:
			all[plan.Removal{Object: r.Step.Key(), Ref: adds[0].Ref}] = r
		}
	}
	return all
}

// of returns the refusals that a step would get again, and how many accounts it is about;
// 0 for a step that is about more than accounts.
func (a accountRefusals) of(s plan.Step) (found []ledger.Record, accounts int) {
	add := func(ref string) {
		if r, refused := a[plan.Removal{Object: s.Key(), Ref: ref}]; refused {
			found = append(found, r)
		}
	}
	switch {
	case s.Kind == access.KindAccount:
		add("")
		return found, 1
	case s.Kind != access.KindMembers || len(s.Removes()) > 0:
		return nil, 0
	}
	for _, member := range s.Adds() {
		add(member.Ref)
	}
	return found, len(s.Adds())
}

// refusedAccountWarnings returns a warning for each account if all steps are about accounts
// that the platform refused in passes from since on. Then the tenant is as desired but for
// these accounts. Else it returns none.
func refusedAccountWarnings(steps []plan.Step, failed []ledger.Record, since int) []access.Remark {
	refused := findAccountRefusals(failed, since)
	var warnings []access.Remark
	for _, s := range steps {
		found, accounts := refused.of(s)
		if accounts == 0 || len(found) < accounts {
			return nil
		}
		for _, r := range found {
			warnings = append(warnings, stepWarning(r, 0))
		}
	}
	return warnings
}

// countRefusedAccounts counts those of the steps, by ID, that the platform refused in a pass
// from since on because of an account that another plan leaves out.
func countRefusedAccounts(p plan.Plan, ids []string, failed []ledger.Record, since int) int {
	refused := findAccountRefusals(failed, since)
	whole := map[string]bool{}
	for _, r := range failed {
		whole[r.Step.ID] = isRefusedSince(r, since)
	}
	n := 0
	for _, id := range ids {
		adds, _ := p.Step(id)
		adds.Have = plan.Object{} // a removal in the same step is done, or in the next plan
		if found, _ := refused.of(adds); whole[id] && len(found) > 0 {
			n++
		}
	}
	return n
}

// immovableRoles returns the roles of groups that the platform did not take in a pass from
// since on.
func immovableRoles(failed []ledger.Record, since int) []plan.Removal {
	var roles []plan.Removal
	for _, r := range failed {
		s := r.Step
		if isRefusedSince(r, since) && s.Op == plan.Delete && s.Kind == access.KindBinding && s.Key().Group != "" {
			roles = append(roles, s.Removals()...)
		}
	}
	return roles
}
