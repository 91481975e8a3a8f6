package reconcile

import (
	"context"
	"fmt"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// earlier is what the platform answered to earlier steps, as far as it decides whether a
// removal waits for an approval.
type earlier struct {
	// refused are accounts that the platform last refused as members.
	refused []plan.Removal
	// emptied are groups that all members left because a role of them stayed.
	emptied []string
}

// findEarlier asks the ledger for the earlier answers that the plans of tenants depend on.
func (r *Reconciler) findEarlier(ctx context.Context, tenants []*Tenant) ([]earlier, error) {
	all := make([]earlier, len(tenants))
	for i, t := range tenants {
		if !dependsOnAnswers(t.plan) {
			continue
		}
		records, err := r.ledger.Records(ctx, ledger.Filter{Tenant: t.ID()})
		if err != nil {
			return nil, fmt.Errorf("reconcile: read what was done on %s: %w", t.ID(), err)
		}
		all[i] = earlier{refused: refusedMembers(records), emptied: emptiedGroups(records)}
	}
	return all, nil
}

// dependsOnAnswers reports whether a plan deletes a group, or both adds and removes members.
func dependsOnAnswers(p plan.Plan) bool {
	adds, removes := false, false
	for _, s := range p.Steps {
		if s.Op == plan.Delete && s.Kind == access.KindGroup {
			return true
		}
		if s.Kind == access.KindMembers {
			adds, removes = adds || len(s.Adds()) > 0, removes || len(s.Removes()) > 0
		}
	}
	return adds && removes
}

// refusedMembers returns the accounts that the platform refused when they were last to join
// a group. The records are those of a tenant, the newest first.
func refusedMembers(records []ledger.Record) []plan.Removal {
	var refused []plan.Removal
	known := map[plan.Removal]bool{}
	for _, r := range records {
		adds := r.Step.Adds()
		single := len(adds) == 1 && len(r.Step.Removes()) == 0 && isRefused(r)
		if r.Step.Kind != access.KindMembers || !single && !isDone(r) {
			continue
		}
		for _, account := range adds {
			atom := plan.Removal{Object: r.Step.Key(), Ref: account.Ref}
			if single && !known[atom] {
				refused = append(refused, atom)
			}
			known[atom] = true
		}
	}
	return refused
}

// emptiedGroups returns the groups whose members last changed when all left because a role
// of the group stayed. The records are those of a tenant, the newest first.
func emptiedGroups(records []ledger.Record) []string {
	var emptied []string
	known := map[string]bool{}
	for _, r := range records {
		name := r.Step.Key().Group
		if r.Step.Kind != access.KindMembers || !isDone(r) || known[name] {
			continue
		}
		known[name] = true
		if r.Step.Empties {
			emptied = append(emptied, name)
		}
	}
	return emptied
}

// isDone reports whether the platform carried out a step.
func isDone(r ledger.Record) bool { return r.Err == "" && !r.DoneAt.IsZero() }
