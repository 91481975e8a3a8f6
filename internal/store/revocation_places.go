package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
)

// OpenPlace is a group or role on a platform that still has a revoked user, or may have.
type OpenPlace struct {
	Tenant access.TenantID
	// Object names the group or role.
	Object string
	// Found is false where Rollcall put the user there.
	Found bool
}

// openPlaces adds the open places of each standing revocation.
func (s *Store) openPlaces(ctx context.Context, found []Revocation) error {
	at := map[string]int{}
	var ids, users []string
	for i, r := range found {
		if r.LiftedAt.IsZero() {
			at[r.ID] = i
			ids, users = append(ids, r.ID), append(users, r.Person)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	// An account that was put there for the user by mistake may be another user's since:
	// where accounts were found for the revocation, only those count.
	rows, err := s.pool.Query(ctx, `
WITH asked AS (SELECT id, user_name FROM unnest($1::text[], $2::text[]) AS asked (id, user_name)),
accounts AS (SELECT id, platform, ref FROM asked JOIN revoked_accounts ON revocation = id
	UNION SELECT id, platform, account FROM asked JOIN places USING (user_name) WHERE out_at IS NULL
		AND NOT EXISTS (SELECT FROM revoked_accounts a WHERE a.revocation = id AND a.platform = places.platform))
SELECT DISTINCT id, p.platform, p.tenant, p.kind, p.group_name, p.role, p.name, p.origin = 'found'
	FROM accounts a JOIN places p ON p.platform = a.platform AND p.account = a.ref
	WHERE p.out_at IS NULL ORDER BY 1, 2, 3, 4, 5, 6, 7`, ids, users)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	var id, platform, tenant string
	var key access.Key
	var o OpenPlace
	_, err = pgx.ForEachRow(rows, []any{&id, &platform, &tenant, &key.Kind, &key.Group, &key.Role, &key.Name, &o.Found}, func() error {
		var err error
		if o.Tenant, err = access.ParseTenantID(tenant); err != nil {
			return err
		}
		o.Object = key.String()
		for i := range found[at[id]].Platforms {
			if p := &found[at[id]].Platforms[i]; p.Platform == platform {
				p.Open = append(p.Open, o)
			}
		}
		return nil
	})
	return prefixed(err)
}

// RememberedPlatform returns the document of a platform: the stored one, else that of the
// tenant which was removed last. It fails with ErrNotFound where no document is left.
func (s *Store) RememberedPlatform(ctx context.Context, name string) (document.Platform, error) {
	rows, err := queryRows(ctx, s.pool, "SELECT "+columns+` FROM documents
			WHERE kind = 'meshProjectRole' OR kind = 'meshPlatform' AND name = $1
		UNION ALL (SELECT `+rememberedPlatform+` FROM `+remembered+` AS removed
			WHERE platform = $1 AND NOT EXISTS (SELECT FROM documents WHERE kind = 'meshPlatform' AND name = $1)
			ORDER BY removed_at DESC LIMIT 1)`, name)
	if err != nil {
		return document.Platform{}, err
	}
	set, err := document.NewSet(documentsOf(rows))
	if err != nil {
		return document.Platform{}, fmt.Errorf("store: %w", err)
	}
	for _, p := range set.Platforms() {
		if p.Identifier() == name {
			return p, nil
		}
	}
	return document.Platform{}, fmt.Errorf("store: platform %s: %w", name, ErrNotFound)
}

// AbandonReason returns why an operator had the platform forgotten; empty where none did.
func (s *Store) AbandonReason(ctx context.Context, platform string) (string, error) {
	var reason string
	err := s.one(ctx, &reason, "SELECT reason FROM abandoned_platforms WHERE platform = $1 ORDER BY at DESC LIMIT 1", platform)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	return reason, err
}

// RevokedAccounts returns the accounts of a platform that a revocation has found, sorted.
func (s *Store) RevokedAccounts(ctx context.Context, id, platform string) ([]string, error) {
	return s.list(ctx, "SELECT ref FROM revoked_accounts WHERE revocation = $1 AND platform = $2 ORDER BY ref", id, platform)
}

// FormerTenants returns the tenants of a platform that are removed and cleaned up as far
// as its document allows, and that still have managed objects, sorted.
func (s *Store) FormerTenants(ctx context.Context, platform string) ([]access.TenantID, error) {
	return s.tenants(ctx, `SELECT workspace, project, platform FROM former_tenants f WHERE platform = $1
		AND NOT EXISTS (SELECT FROM `+living+` WHERE living.tenant = f.tenant) ORDER BY workspace, project`, platform)
}

// RevocationWaits stores what a revocation waits for on a platform that has not accepted
// it.
func (s *Store) RevocationWaits(ctx context.Context, id, platform, problem string) error {
	return s.exec(ctx, `UPDATE revocation_platforms SET problem = $3
		WHERE revocation = $1 AND platform = $2 AND state IN ('waiting', 'accepted') AND problem <> $3`, id, platform, problem)
}

// RequireVerification stores the tenants that a revocation has to verify on a platform.
func (s *Store) RequireVerification(ctx context.Context, id, platform string, tenants []access.TenantID) error {
	return s.exec(ctx, `INSERT INTO revocation_tenants (revocation, platform, tenant)
		SELECT $1, $2, tenant FROM unnest($3::text[]) AS expected (tenant) ON CONFLICT DO NOTHING`, id, platform, notNil(texts(tenants)))
}

// Unverified returns up to limit tenants that a revocation still has to verify on a
// platform, in the order of their names, those after the given name.
func (s *Store) Unverified(ctx context.Context, id, platform, after string, limit int) ([]access.TenantID, error) {
	names, err := s.list(ctx, `SELECT tenant FROM revocation_tenants WHERE revocation = $1 AND platform = $2 AND tenant > $3
		ORDER BY tenant LIMIT $4`, id, platform, after, limit)
	if err != nil {
		return nil, err
	}
	tenants := make([]access.TenantID, len(names))
	for i, name := range names {
		if tenants[i], err = access.ParseTenantID(name); err != nil {
			return nil, fmt.Errorf("store: %w", err)
		}
	}
	return tenants, nil
}

// Verified ends the verification of tenants.
func (s *Store) Verified(ctx context.Context, id, platform string, tenants []access.TenantID) error {
	return s.exec(ctx, "DELETE FROM revocation_tenants WHERE revocation = $1 AND platform = $2 AND tenant = ANY($3)",
		id, platform, notNil(texts(tenants)))
}

// EndVerification ends the verification of all tenants on a platform.
func (s *Store) EndVerification(ctx context.Context, id, platform string) error {
	return s.exec(ctx, "DELETE FROM revocation_tenants WHERE revocation = $1 AND platform = $2", id, platform)
}

func (s *Store) tenants(ctx context.Context, sql string, args ...any) ([]access.TenantID, error) {
	rows, err := s.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[access.TenantID])
	return found, prefixed(err)
}
