package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
)

// TenantFilter chooses tenants; empty fields choose all.
type TenantFilter struct {
	IDs       []access.TenantID
	Workspace string
	Project   string
	Platform  string
}

// args are the filter's values for the condition.
func (f TenantFilter) args() []any { return []any{texts(f.IDs), f.Workspace, f.Project, f.Platform} }

// chosen is the condition of a TenantFilter, for $1 to $4.
const chosen = `($1::text[] IS NULL OR tenant = ANY($1)) AND ($2 = '' OR workspace = $2)
	AND ($3 = '' OR project = $3) AND ($4 = '' OR platform = $4)`

// living are the tenants there are: stored ones, and those that tombstones
// remember until they are cleaned up.
const living = `(SELECT name AS tenant, workspace, project, platform FROM documents WHERE kind = 'meshTenant'
	UNION ALL SELECT tenant, workspace, project, platform FROM tombstones) AS living`

// tombstone are the columns of a removed tenant.
const tombstone = "tenant, workspace, project, platform, landing_zone, tenant_doc, project_doc, platform_doc, zone_doc, removed_at"

// remembered are the removed tenants whose documents are kept.
const remembered = `(SELECT ` + tombstone + ` FROM tombstones UNION ALL SELECT ` + tombstone + ` FROM former_tenants f
	WHERE NOT EXISTS (SELECT FROM tombstones WHERE tenant = f.tenant))`

// Tenants returns the chosen tenants in the order of access.TenantID.Compare,
// removed ones among them until they are cleaned up.
func (s *Store) Tenants(ctx context.Context, f TenantFilter) ([]access.TenantID, error) {
	found, err := s.pool.Query(ctx, "SELECT workspace, project, platform FROM "+living+
		" WHERE "+chosen+" ORDER BY platform, workspace, project", f.args()...)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	tenants, err := pgx.CollectRows(found, pgx.RowToStructByPos[access.TenantID])
	return tenants, prefixed(err)
}

// TenantsAfter returns at most limit tenants of a platform, in the order of
// access.TenantID.Compare, from the first one after another on; the zero ID begins. It
// reads as many rows as it returns.
func (s *Store) TenantsAfter(ctx context.Context, platform string, after access.TenantID, limit int) ([]access.TenantID, error) {
	rows, err := s.pool.Query(ctx, `
(SELECT workspace, project, platform FROM documents WHERE kind = 'meshTenant' AND platform = $1
	AND (workspace, project) > ($2, $3) ORDER BY workspace, project LIMIT $4)
UNION ALL
(SELECT workspace, project, platform FROM tombstones WHERE platform = $1
	AND (workspace, project) > ($2, $3) ORDER BY workspace, project LIMIT $4)
ORDER BY workspace, project LIMIT $4`, platform, after.Workspace, after.Project, limit)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	tenants, err := pgx.CollectRows(rows, pgx.RowToStructByPos[access.TenantID])
	return tenants, prefixed(err)
}

// TenantInput returns all that the tenant's desired access depends on, as of one
// moment. It is Deleted for a tenant that only a tombstone remembers, and
// ErrNotFound for one that nothing does.
func (s *Store) TenantInput(ctx context.Context, id access.TenantID) (document.TenantInput, error) {
	inputs, err := s.TenantInputs(ctx, []access.TenantID{id})
	if err != nil {
		return document.TenantInput{}, err
	}
	return inputs[0], nil
}

// TenantInputs is TenantInput for many, in order, all as of the same moment. Inputs share
// what they refer to with other inputs: callers must not change it.
func (s *Store) TenantInputs(ctx context.Context, ids []access.TenantID) ([]document.TenantInput, error) {
	return s.tenantInputs(ctx, ids, inputTables{})
}

func (s *Store) tenantInputs(ctx context.Context, ids []access.TenantID, tables inputTables) ([]document.TenantInput, error) {
	var parts inputParts
	if err := s.snapshot(ctx, func(tx pgx.Tx) error { return parts.read(ctx, tx, texts(ids), tables) }); err != nil {
		return nil, err
	}
	set, err := s.parser.NewSet(parts.documents)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	inputs := make([]document.TenantInput, len(ids))
	for i, id := range ids {
		if inputs[i], err = parts.input(set, id, s.parser); err != nil {
			return nil, err
		}
		inputs[i].Generation = parts.generation
		inputs[i].Revoked = parts.revoked
		inputs[i].Unnamed, inputs[i].HasAuthors = parts.unnamed[id.String()], parts.hasAuthors[id.String()]
	}
	return inputs, nil
}

// inputParts are the documents that some tenants depend on, and what is stored
// beside them.
type inputParts struct {
	generation int64
	now        time.Time
	documents  []document.Document
	drawn      map[string]document.Drawn
	// tombs are the removed tenants' documents.
	tombs map[string][]document.Document
	// revoked are the people whose access is revoked by name.
	revoked []document.Revocation
	// unnamed are the tenants with removals that no caller named, hasAuthors those with changes
	// that are not applied.
	unnamed, hasAuthors map[string]bool
}

// needed selects the documents that the tenants $1 depend on, and some that they do not
// depend on: that decides the graph of the documents.
const needed = `
WITH tenants AS (SELECT ` + columns + ` FROM documents WHERE kind = 'meshTenant' AND name = ANY($1::text[])),
bindings AS (SELECT ` + columns + ` FROM documents d WHERE kind IN ('meshProjectUserBinding', 'meshProjectGroupBinding')
	AND EXISTS (SELECT FROM tenants t WHERE t.workspace = d.workspace AND t.project = d.project)),
groups AS (SELECT ` + columns + ` FROM documents WHERE kind = 'meshWorkspaceUserGroup'
	AND workspace IN (SELECT workspace FROM tenants UNION SELECT '')
	AND subject IN (SELECT subject FROM bindings WHERE kind = 'meshProjectGroupBinding')),
people AS (SELECT ` + columns + ` FROM documents WHERE kind = 'meshUser' AND name IN (
	SELECT subject FROM bindings WHERE kind = 'meshProjectUserBinding' UNION SELECT unnest(members) FROM groups)),
others AS (SELECT ` + columns + ` FROM documents d WHERE kind = 'meshUser' AND subject IN (SELECT subject FROM people WHERE subject <> '')
	AND NOT EXISTS (SELECT FROM people p WHERE p.name = d.name)),
roles AS (SELECT ` + columns + ` FROM documents WHERE kind IN ('meshProjectRole', 'Guard')),
rest AS (SELECT ` + columns + ` FROM documents WHERE (kind, name) IN (
	SELECT 'meshProject', workspace || '.' || project FROM tenants
	UNION SELECT 'meshPlatform', platform FROM tenants
	UNION SELECT 'meshLandingZone', landing_zone FROM tenants))
SELECT ` + columns + ` FROM (TABLE tenants UNION ALL TABLE bindings UNION ALL TABLE groups
	UNION ALL TABLE people UNION ALL TABLE others UNION ALL TABLE roles UNION ALL TABLE rest) AS parts`

func (p *inputParts) read(ctx context.Context, tx pgx.Tx, tenants []string, tables inputTables) error {
	p.drawn, p.tombs = map[string]document.Drawn{}, map[string][]document.Document{}
	batch := &pgx.Batch{}
	p.unnamed, p.hasAuthors = map[string]bool{}, map[string]bool{}
	// The transaction began before its snapshot: now() may be before an end that the revision
	// counts already.
	batch.Queue(`SELECT revision, clock_timestamp(), user_name, euid FROM installation
		LEFT JOIN revocations ON lifted_at IS NULL ORDER BY user_name`).Query(p.readState)
	const numbers = `SELECT tenant, number, random, false, false FROM allocations WHERE tenant = ANY($1)
		UNION ALL SELECT tenant, 0, '', unnamed, authors <> '{}' FROM affected_tenants
			WHERE tenant = ANY($1) AND (unnamed OR authors <> '{}')`
	queue := func(sql string) *pgx.QueuedQuery {
		sql, args := tables.over(sql, tenants)
		return batch.Queue(sql, args...)
	}
	queue(numbers).Query(func(rows pgx.Rows) error {
		var tenant string
		var d document.Drawn
		var unnamed, hasAuthors bool
		_, err := pgx.ForEachRow(rows, []any{&tenant, &d.Number, &d.Random, &unnamed, &hasAuthors}, func() error {
			p.unnamed[tenant] = p.unnamed[tenant] || unnamed
			p.hasAuthors[tenant] = p.hasAuthors[tenant] || hasAuthors
			if !unnamed && !hasAuthors {
				p.drawn[tenant] = d
			}
			return nil
		})
		return err
	})
	// The platform's document is the current one where it is stored still: its
	// credentials may have moved since. So are the landing zone's properties: removals
	// may be allowed or forbidden since. Its approval of deletions is the one of then.
	queue(`SELECT t.tenant, t.workspace, t.project, t.platform, t.landing_zone,
			t.tenant_doc, t.project_doc, coalesce(d.body, t.platform_doc),
			CASE WHEN z.name IS NULL THEN t.zone_doc ELSE jsonb_set(t.zone_doc::jsonb, '{spec,platformProperties}',
				coalesce(z.body::jsonb #> '{spec,platformProperties}', '{}'))::json END
		FROM ` + remembered + ` t LEFT JOIN documents d ON d.kind = 'meshPlatform' AND d.name = t.platform
			LEFT JOIN documents z ON z.kind = 'meshLandingZone' AND z.name = t.landing_zone
		WHERE t.tenant = ANY($1)`).Query(p.readTombs)
	queue(needed).Query(func(rows pgx.Rows) error {
		found, err := pgx.CollectRows(rows, scanRow)
		for _, r := range found {
			p.documents = append(p.documents, *r.Document)
		}
		return err
	})
	return tx.SendBatch(ctx, batch).Close()
}

// readState reads the revision, the time and all users whose access is revoked.
func (p *inputParts) readState(rows pgx.Rows) error {
	var user, euid *string
	_, err := pgx.ForEachRow(rows, []any{&p.generation, &p.now, &user, &euid}, func() error {
		if user != nil {
			p.revoked = append(p.revoked, document.Revocation{Person: *user, EUID: *euid})
		}
		return nil
	})
	return err
}

func (p *inputParts) readTombs(rows pgx.Rows) error {
	defer rows.Close()
	for rows.Next() {
		var t document.Links
		var name string
		var tenant, project, platform, zone []byte
		if err := rows.Scan(&name, &t.Workspace, &t.Project, &t.Platform, &t.LandingZone, &tenant, &project, &platform, &zone); err != nil {
			return err
		}
		documents := []document.Document{
			{ID: document.ID{Kind: document.KindTenant, Name: name}, Body: tenant},
			{ID: document.ID{Kind: document.KindProject, Name: t.Workspace + "." + t.Project}, Body: project},
			{ID: document.ID{Kind: document.KindPlatform, Name: t.Platform}, Body: platform},
		}
		if zone != nil {
			documents = append(documents, document.Document{
				ID: document.ID{Kind: document.KindLandingZone, Name: t.LandingZone}, Body: zone,
			})
		}
		p.tombs[name] = documents
	}
	return rows.Err()
}

// input puts one tenant's parts together.
func (p *inputParts) input(set *document.Set, id access.TenantID, parser *document.Parser) (document.TenantInput, error) {
	drawn := p.drawn[id.String()]
	if input, ok := set.Input(id, drawn, p.now); ok {
		return input, nil
	}
	documents, ok := p.tombs[id.String()]
	if !ok {
		return document.TenantInput{}, fmt.Errorf("store: tenant %s: %w", id, ErrNotFound)
	}
	for _, d := range p.documents { // what mappings refer to, and the guards
		if d.ID.Kind == document.KindProjectRole || d.ID.Kind == document.KindGuard {
			documents = append(documents, d)
		}
	}
	set, err := parser.NewSet(documents)
	if err != nil {
		return document.TenantInput{}, fmt.Errorf("store: tenant %s: %w", id, err)
	}
	input, _ := set.Input(id, drawn, p.now)
	input.Deleted = true
	return input, nil
}

// TombstonesDone forgets removed tenants that are cleaned up, with their allocated
// numbers and statuses. A tenant that is back since is left alone. Where a tenant still has
// managed objects, because its platform keeps them, its documents stay for revocations.
func (s *Store) TombstonesDone(ctx context.Context, ids []access.TenantID) error {
	if len(ids) == 0 {
		return nil
	}
	return s.exec(ctx, `
WITH gone AS (DELETE FROM tombstones WHERE tenant = ANY($1) RETURNING `+tombstone+`),
former AS (DELETE FROM former_tenants WHERE tenant IN (SELECT tenant FROM gone)
	AND NOT EXISTS (SELECT FROM owned WHERE owned.tenant = former_tenants.tenant)),
kept AS (INSERT INTO former_tenants (`+tombstone+`) SELECT `+tombstone+` FROM gone
	WHERE EXISTS (SELECT FROM owned WHERE owned.tenant = gone.tenant)
	ON CONFLICT (tenant) DO UPDATE SET tenant_doc = excluded.tenant_doc, project_doc = excluded.project_doc,
		platform_doc = excluded.platform_doc, zone_doc = excluded.zone_doc, landing_zone = excluded.landing_zone,
		removed_at = excluded.removed_at),
numbers AS (DELETE FROM allocations WHERE tenant IN (SELECT tenant FROM gone)),
affected AS (DELETE FROM affected_tenants WHERE tenant IN (SELECT tenant FROM gone)),
status AS (DELETE FROM statuses WHERE tenant IN (SELECT tenant FROM gone))
UPDATE installation SET platforms_version = platforms_version + 1
	WHERE EXISTS (SELECT FROM gone WHERE NOT EXISTS (SELECT FROM documents WHERE kind = 'meshPlatform' AND name = gone.platform))`,
		texts(ids))
}
