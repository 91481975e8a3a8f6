package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// The two ways in which a step names a person, written as the indexes have them.
const (
	stepRefs   = "jsonb_path_query_array(step::jsonb, '$.**.ref')"
	stepPeople = "jsonb_path_query_array(step::jsonb, '$.**.user')"
	onPlatform = "right(tenant, length($1) + 1) = '/' || $1"
)

// TenantsOf returns the tenants of a platform where any step ever named the
// person, or one of the accounts.
func (l *Ledger) TenantsOf(ctx context.Context, platform, person string, refs []string) ([]access.TenantID, error) {
	rows, err := l.pool.Query(ctx, `SELECT DISTINCT tenant FROM records WHERE `+onPlatform+`
		AND (`+stepPeople+` ? $2 OR `+stepRefs+` ?| $3)`, platform, person, refs)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	var tenants []access.TenantID
	var name string
	_, err = pgx.ForEachRow(rows, []any{&name}, func() error {
		tenant, err := access.ParseTenantID(name)
		tenants = append(tenants, tenant)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return tenants, nil
}

// RefsOf returns the accounts under which steps on a platform ever gave the
// person something, sorted.
func (l *Ledger) RefsOf(ctx context.Context, platform, person string) ([]string, error) {
	rows, err := l.pool.Query(ctx, `SELECT DISTINCT found #>> '{}' FROM records,
			jsonb_path_query(step::jsonb, '$.** ? (@.user == $who).ref', jsonb_build_object('who', $2::text)) AS found
		WHERE `+onPlatform+` AND `+stepPeople+` ? $2 AND found <> '""' ORDER BY 1`, platform, person)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	refs, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return refs, nil
}

// Addition is a step that gives something to one of the accounts asked for.
type Addition struct {
	Tenant access.TenantID
	Step   plan.Step
	// Open is true until the platform's answer is recorded: the call may be on
	// its way.
	Open bool
}

// Additions returns the steps on a platform that give something to one of the
// accounts and are not answered, or were within the time given.
func (l *Ledger) Additions(ctx context.Context, platform string, refs []string, within time.Duration) ([]Addition, error) {
	rows, err := l.pool.Query(ctx, `SELECT tenant, step, done_at IS NULL FROM records
		WHERE `+onPlatform+` AND `+stepRefs+` ?| $2 AND (done_at IS NULL OR done_at > now() - $3::interval)`, platform, refs, within)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	asked := make(map[string]bool, len(refs))
	for _, ref := range refs {
		asked[ref] = true
	}
	var all []Addition
	var name string
	var a Addition
	_, err = pgx.ForEachRow(rows, []any{&name, &a.Step, &a.Open}, func() error {
		var err error
		if a.Tenant, err = access.ParseTenantID(name); err != nil {
			return err
		}
		for _, who := range a.Step.Adds() {
			if asked[who.Ref] {
				all = append(all, a)
				break
			}
		}
		a.Step = plan.Step{}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return all, nil
}
