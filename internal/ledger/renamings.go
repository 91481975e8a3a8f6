package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// Renaming is how one run gave a group another name by another group.
type Renaming struct {
	// ID is the renaming's, as plans name it; several runs may work on one.
	ID     string
	RunID  string
	Tenant access.TenantID
	// From and To are the names of the two groups.
	From, To string
	Mode     plan.Rename
	// Changes are the states it went through, in order.
	Changes []StateChange
}

// State is the last one that the renaming came to.
func (r Renaming) State() RenamingState {
	if len(r.Changes) == 0 {
		return ""
	}
	return r.Changes[len(r.Changes)-1].State
}

// RenamingState says how far a renaming has come.
type RenamingState string

// The states. From Passed on, nothing of it is taken back.
const (
	Building    RenamingState = "building"    // the new group is made, filled and given its roles
	Passed      RenamingState = "cut-over"    // the old group is about to go: the point of no return
	Finished    RenamingState = "done"        // the old group is gone
	Compensated RenamingState = "compensated" // what the run had made is taken away again
	Waiting     RenamingState = "waiting"     // the new group is complete, the old one stays for what is held
	Replanned   RenamingState = "replanned"   // the world moved: another plan goes on
)

// StateChange is when a renaming came to a state.
type StateChange struct {
	State RenamingState
	At    time.Time
}

// Bring records that a run brought a renaming to a state. Doing it again changes
// nothing.
func (l *Ledger) Bring(ctx context.Context, run Run, of plan.Renaming, to RenamingState) error {
	_, err := l.pool.Exec(ctx, `INSERT INTO group_replacements (run_id, id, state, tenant, from_group, to_group, mode)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`,
		run.RunID, of.ID, string(to), run.Tenant.String(), of.From.Name, of.To, string(of.Mode))
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return nil
}

// Renamings returns how a tenant's groups got other names, the newest first.
func (l *Ledger) Renamings(ctx context.Context, tenant access.TenantID) ([]Renaming, error) {
	return l.renamings(ctx, `tenant = $1`, tenant.String())
}

func (l *Ledger) renamings(ctx context.Context, where string, args ...any) ([]Renaming, error) {
	rows, err := l.pool.Query(ctx, `SELECT run_id, id, tenant, from_group, to_group, mode, state, at,
		max(at) OVER (PARTITION BY run_id, id) AS latest
		FROM group_replacements WHERE `+where+` ORDER BY latest DESC, run_id, id, at`, args...)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	var all []Renaming
	var r Renaming
	var tenant string
	var change StateChange
	var latest time.Time
	columns := []any{&r.RunID, &r.ID, &tenant, &r.From, &r.To, &r.Mode, &change.State, &change.At, &latest}
	_, err = pgx.ForEachRow(rows, columns, func() error {
		if n := len(all); n == 0 || all[n-1].RunID != r.RunID || all[n-1].ID != r.ID {
			var err error
			if r.Tenant, err = access.ParseTenantID(tenant); err != nil {
				return err
			}
			all = append(all, r)
		}
		last := &all[len(all)-1]
		last.Changes = append(last.Changes, change)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return all, nil
}
