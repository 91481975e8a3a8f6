package ledger

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// Place is a group or role on a platform that has an account, or may have it: Rollcall
// put the account there or found it there, and does not know that it is out.
type Place struct {
	Tenant access.TenantID
	// Key is of kind members for a group.
	Key access.Key
	// Ref is the platform's id of the group or role; empty where it is not known.
	Ref     string
	Account string
	Found   bool // false where Rollcall put the account there
	Since   time.Time
}

// Identity returns the place without what may change: two reads of one place have the same.
func (p Place) Identity() Place { return Place{Tenant: p.Tenant, Key: p.Key, Account: p.Account} }

// setOf returns the set of accounts that a step changes, and the platform's id of it.
func setOf(s plan.Step) (access.Key, string) {
	for _, o := range []plan.Object{s.Want, s.Have} {
		switch {
		case o.Members != nil:
			return access.Key{Kind: access.KindMembers, Group: o.Members.Group}, o.Members.GroupRef
		case o.Binding != nil && o.Binding.Group == "":
			return o.Binding.Key(), o.Binding.Ref
		}
	}
	return access.Key{}, ""
}

// queuePut opens the places that a step is about to put accounts into.
func queuePut(batch *pgx.Batch, t access.TenantID, s plan.Step) {
	key, ref := setOf(s)
	if key.Kind == "" || carried(s) {
		return
	}
	var accounts, users []string
	for _, who := range s.Adds() {
		if who.Ref != "" {
			accounts, users = append(accounts, who.Ref), append(users, who.Person)
		}
	}
	queueOpen(batch, t, key, ref, "put", accounts, users)
}

// queueOpen opens places in one set. A place that is open already keeps its origin and
// its time.
func queueOpen(batch *pgx.Batch, t access.TenantID, key access.Key, ref, origin string, accounts, users []string) {
	if len(accounts) == 0 {
		return
	}
	// Sorted, so that two that open the same places wait for each other instead of for ever.
	batch.Queue(`INSERT INTO places (tenant, kind, group_name, role, name, platform, ref, origin, account, user_name)
		SELECT DISTINCT ON (account) $1, $2, $3, $4, $5, $6, $7, $8, account, user_name
			FROM unnest($9::text[], $10::text[]) AS put (account, user_name) ORDER BY account
		ON CONFLICT (platform, account, tenant, kind, group_name, role, name) DO UPDATE SET
			ref = CASE WHEN excluded.ref = '' THEN places.ref ELSE excluded.ref END,
			user_name = CASE WHEN excluded.user_name = '' THEN places.user_name ELSE excluded.user_name END,
			origin = CASE WHEN places.out_at IS NULL THEN places.origin ELSE excluded.origin END,
			since = CASE WHEN places.out_at IS NULL THEN places.since ELSE excluded.since END, out_at = NULL`,
		append(keyArgs(t, key), t.Platform, ref, origin, accounts, users)...)
}

// queueNotPut closes the places of a step whose only attempt the platform refused.
func queueNotPut(batch *pgx.Batch, run Run, o Outcome) {
	key, _ := setOf(o.Step)
	accounts := refs(o.Step.Adds())
	if key.Kind == "" || len(accounts) == 0 || !saysNo(o.Err) {
		return
	}
	// An intent is as old as the record that was made with it.
	batch.Queue(`UPDATE places SET out_at = now() WHERE tenant = $1 AND kind = $2 AND group_name = $3 AND role = $4 AND name = $5
		AND platform = $6 AND account = ANY($7) AND out_at IS NULL AND since = (SELECT intended_at FROM records
			WHERE run_id = $8 AND pass = $9 AND step_id = $10 AND attempts = 1)`,
		append(keyArgs(run.Tenant, key), run.Tenant.Platform, accounts, run.RunID, run.Pass, o.Step.ID)...)
}

// queueOut closes the places that a step has ended, and moves those of a group that has
// another name now.
func queueOut(batch *pgx.Batch, t access.TenantID, s plan.Step) {
	if changesGroup(s) {
		queueRename(batch, t, s)
		return
	}
	if s.Op == plan.Delete && s.Kind == access.KindGroup {
		batch.Queue(`UPDATE places SET out_at = now() WHERE tenant = $1 AND kind = $2 AND group_name = $3 AND out_at IS NULL`,
			t.String(), string(access.KindMembers), s.Key().Group)
		return
	}
	key, ref := setOf(s)
	accounts := refs(s.Removes())
	if key.Kind == "" || len(accounts) == 0 {
		return
	}
	// A role that counts beyond the tenant may be a place of several.
	batch.Queue(`UPDATE places SET out_at = now() WHERE platform = $6 AND account = ANY($7) AND kind = $2 AND out_at IS NULL
		AND (tenant = $1 AND group_name = $3 AND role = $4 AND name = $5 OR kind = 'binding' AND $8 <> '' AND ref = $8)`,
		append(keyArgs(t, key), t.Platform, accounts, ref)...)
}

func queueRename(batch *pgx.Batch, t access.TenantID, s plan.Step) {
	former := formerName(s)
	if former == "" {
		return
	}
	args := []any{t.String(), string(access.KindMembers), former, s.Want.Group.Name}
	batch.Queue(`UPDATE places p SET group_name = $4 WHERE tenant = $1 AND kind = $2 AND group_name = $3 AND out_at IS NULL
		AND NOT EXISTS (SELECT FROM places q WHERE q.platform = p.platform AND q.account = p.account AND q.tenant = p.tenant
			AND q.kind = p.kind AND q.group_name = $4 AND q.role = p.role AND q.name = p.name)`, args...)
	batch.Queue(`UPDATE places q SET out_at = NULL FROM places p
		WHERE p.tenant = $1 AND p.kind = $2 AND p.group_name = $3 AND p.out_at IS NULL
			AND q.platform = p.platform AND q.account = p.account AND q.tenant = p.tenant
			AND q.kind = p.kind AND q.group_name = $4`, args...)
	batch.Queue(`UPDATE places SET out_at = now() WHERE tenant = $1 AND kind = $2 AND group_name = $3 AND out_at IS NULL`, args[:3]...)
}

func refs(members []access.Member) []string {
	var all []string
	for _, m := range members {
		if m.Ref != "" {
			all = append(all, m.Ref)
		}
	}
	return all
}

// Places returns the open places of the accounts on a platform, and those of accounts that
// were put there for the user, sorted.
func (l *Ledger) Places(ctx context.Context, platform, user string, accounts []string) ([]Place, error) {
	return l.places(ctx, "(account = ANY($2) OR $3 <> '' AND user_name = $3) AND out_at IS NULL",
		platform, append([]string{}, accounts...), user)
}

// RecentlyOut returns the places of the accounts that were closed within the given time,
// sorted.
func (l *Ledger) RecentlyOut(ctx context.Context, platform string, accounts []string, within time.Duration) ([]Place, error) {
	return l.places(ctx, "account = ANY($2) AND out_at > now() - $3::interval", platform, append([]string{}, accounts...), within)
}

// places reads the places of the platform $1 that meet a condition.
func (l *Ledger) places(ctx context.Context, condition string, args ...any) ([]Place, error) {
	rows, err := l.pool.Query(ctx, `SELECT p.tenant, p.kind, p.group_name, p.role, p.name, coalesce(nullif(o.ref, ''), p.ref), account,
			origin = 'found', p.since
		FROM places p LEFT JOIN owned o ON o.tenant = p.tenant AND o.group_name = p.group_name AND o.role = p.role AND o.name = p.name
			AND o.kind = CASE p.kind WHEN 'members' THEN 'group' ELSE p.kind END
		WHERE p.platform = $1 AND `+condition+` ORDER BY 1, 2, 3, 4, 5, 7`, args...)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	var places []Place
	var p Place
	var tenant string
	_, err = pgx.ForEachRow(rows, []any{
		&tenant, &p.Key.Kind, &p.Key.Group, &p.Key.Role, &p.Key.Name, &p.Ref, &p.Account, &p.Found, &p.Since,
	}, func() error {
		var err error
		p.Tenant, err = access.ParseTenantID(tenant)
		places = append(places, p)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return places, nil
}

// Seen records what a read of the platform shows of accounts: it opens the places in
// which one is, and closes those of the tenants read in which it is not. Places that were
// opened within the propagation delay stay, as the platform may not show them yet.
func (l *Ledger) Seen(
	ctx context.Context, platform string, accounts []string, tenants []access.TenantID, in []Place, delay time.Duration,
) error {
	batch := &pgx.Batch{}
	for _, p := range in {
		queueOpen(batch, p.Tenant, p.Key, p.Ref, "found", []string{p.Account}, []string{""})
	}
	var names, at, kinds, groups, roles, bindings, who []string
	for _, t := range tenants {
		names = append(names, t.String())
	}
	for _, p := range in {
		at, kinds, groups = append(at, p.Tenant.String()), append(kinds, string(p.Key.Kind)), append(groups, p.Key.Group)
		roles, bindings, who = append(roles, p.Key.Role), append(bindings, p.Key.Name), append(who, p.Account)
	}
	batch.Queue(`UPDATE places p SET out_at = now() WHERE platform = $1 AND account = ANY($2) AND tenant = ANY($3) AND out_at IS NULL
		AND since <= now() - $4::double precision * interval '1 second'
		AND NOT EXISTS (SELECT FROM unnest($5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[])
			AS s (tenant, kind, group_name, role, name, account) WHERE s.tenant = p.tenant AND s.kind = p.kind
			AND s.group_name = p.group_name AND s.role = p.role AND s.name = p.name AND s.account = p.account)`,
		platform, append([]string{}, accounts...), append([]string{}, names...), delay.Seconds(), at, kinds, groups, roles, bindings, who)
	return l.send(ctx, batch)
}

// Set is an owned object by the platform's id of it.
type Set struct {
	Tenant access.TenantID
	plan.Owned
}

// ManagedSets returns the objects with these ids that any tenant of the platform owns, also
// one that is removed or forgotten since. A group whose id was never recorded, because a
// worker died before that, is known by the id that its open places have.
func (l *Ledger) ManagedSets(ctx context.Context, platform string, refs []string) ([]Set, error) {
	rows, err := l.pool.Query(ctx, `SELECT tenant, kind, group_name, role, name, ref, grants FROM owned
		WHERE platform = $1 AND ref = ANY($2) AND ref <> ''
		UNION SELECT tenant, o.kind, group_name, o.role, o.name, p.ref, grants FROM owned o JOIN places p USING (tenant, group_name)
		WHERE o.platform = $1 AND o.ref = '' AND o.kind = 'group' AND p.kind = 'members' AND p.ref = ANY($2) AND p.ref <> ''
			AND p.out_at IS NULL
		ORDER BY 1, 2, 3, 4, 5, 6`,
		platform, append([]string{}, refs...))
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	var sets []Set
	var s Set
	var tenant string
	_, err = pgx.ForEachRow(rows, []any{&tenant, &s.Key.Kind, &s.Key.Group, &s.Key.Role, &s.Key.Name, &s.Ref, &s.Serves}, func() error {
		var err error
		s.Tenant, err = access.ParseTenantID(tenant)
		sets = append(sets, s)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return sets, nil
}

// Compare orders places by tenant, object and account.
func (p Place) Compare(q Place) int {
	return cmp.Or(p.Tenant.Compare(q.Tenant), p.Key.Compare(q.Key), cmp.Compare(p.Account, q.Account))
}
