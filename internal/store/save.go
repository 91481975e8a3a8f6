package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
)

// columns are those of a row, in the order of queryRows; copyRows writes them, and the ends of bindings.
const columns = "kind, name, api_version, body, workspace, project, platform, landing_zone, subject, members, source, field_sources"

// rememberedPlatform selects columns of the platform of a removed tenant.
const rememberedPlatform = "'meshPlatform', platform, '', platform_doc, '', '', platform, '', '', '{}'::text[], '', NULL::jsonb"

// save writes a change: only what differs. The revision is counted here: a
// revocation, which waits for no apply, may have taken the one that was expected.
func save(
	ctx context.Context, tx pgx.Tx, c *comparison, n *neighbours, d *draft, names []document.GroupName, checks Checks,
) error {
	if _, err := countEnds(ctx, tx); err != nil {
		return err
	}
	if err := replace(ctx, tx, c, n); err != nil {
		return err
	}
	if err := storeSources(ctx, tx, c.attributed); err != nil {
		return err
	}
	if err := storeNames(ctx, tx, c, d, names, checks.Validate != nil); err != nil {
		return err
	}
	batch := &pgx.Batch{}
	queueDrawn(batch, d.draws)
	if err := queueTombstones(batch, c, n); err != nil {
		return err
	}
	served := 0
	if c.servesOtherPlatforms() {
		served = 1
	}
	batch.Queue(`WITH next AS (UPDATE installation SET revision = revision + 1, platforms_version = platforms_version + $1
			RETURNING revision)
		INSERT INTO revisions (revision, actor, claim) SELECT revision, $2, $3 FROM next RETURNING revision`,
		served, checks.By.ID(), checks.By.Claim).QueryRow(func(r pgx.Row) error { return r.Scan(&c.changes.Generation) })
	queueTouched(batch, c.causes, c.unnamed, checks.By)
	queueRemovedPlatforms(batch, c, checks.By)
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

// replace removes the rows that go or change and copies in the new ones: one
// statement each, for one document as for a hundred thousand. The links that an earlier
// program wrote in another way change, too.
func replace(ctx context.Context, tx pgx.Tx, c *comparison, n *neighbours) error {
	ids := slices.Collect(maps.Keys(c.old))
	write := c.write
	if c.stale {
		for id, r := range n.documents {
			current, err := newRow(r.Document)
			if err != nil {
				return err
			}
			if !current.node().Equal(r.node()) {
				ids, write = append(ids, id), append(write, current)
			}
		}
	}
	if len(ids) > 0 {
		kinds, names := split(ids)
		const remove = `DELETE FROM documents d USING unnest($1::text[], $2::text[]) AS g (kind, name)
			WHERE d.kind = g.kind AND d.name = g.name`
		if _, err := tx.Exec(ctx, remove, kinds, names); err != nil {
			return fmt.Errorf("store: %w", err)
		}
	}
	if len(write) == 0 {
		return nil
	}
	return copyRows(ctx, tx, c.now, write)
}

// storeNames stores the names of the groups of the tenants whose names may change. Without
// them, the next change reads all documents.
func storeNames(ctx context.Context, tx pgx.Tx, c *comparison, d *draft, names []document.GroupName, named bool) error {
	batch := &pgx.Batch{}
	switch {
	case c.stale && named:
		batch.Queue("DELETE FROM group_names")
		batch.Queue("UPDATE installation SET names_version = $1", namesVersion)
	case len(d.free) > 0:
		batch.Queue("DELETE FROM group_names WHERE tenant = ANY($1)", d.free)
		if !named {
			batch.Queue("UPDATE installation SET names_version = 0")
		}
	default:
		return nil
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if len(names) == 0 {
		return nil
	}
	source := pgx.CopyFromSlice(len(names), func(i int) ([]any, error) {
		n := names[i]
		return []any{n.Tenant.Platform, n.Key, n.Name, n.Tenant.String(), n.Role}, nil
	})
	into := []string{"platform", "key", "name", "tenant", "role"}
	if _, err := tx.CopyFrom(ctx, pgx.Identifier{"group_names"}, into, source); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

// documentColumns are those of table documents, in the order of row.values.
func documentColumns() []string {
	return []string{
		"kind", "name", "api_version", "body", "workspace", "project", "platform", "landing_zone", "subject", "members",
		"source", "field_sources",
	}
}

func (r row) values() []any {
	members := r.Members
	if members == nil {
		members = []string{} // nil would be NULL
	}
	return []any{
		string(r.ID.Kind), r.ID.Name, r.APIVersion, r.Body,
		r.Workspace, r.Project, r.Platform, r.LandingZone, r.Subject, members,
		string(r.Source), fieldSources(r.Fields),
	}
}

// copyRows writes rows. The change that writes a binding which has ended counts the end.
func copyRows(ctx context.Context, tx pgx.Tx, now time.Time, rows []row) error {
	into := append(documentColumns(), "ends_at", "ended")
	source := pgx.CopyFromSlice(len(rows), func(i int) ([]any, error) {
		return append(rows[i].values(), rows[i].Ends, rows[i].hasEnded(now)), nil
	})
	if _, err := tx.CopyFrom(ctx, pgx.Identifier{"documents"}, into, source); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

// queueDrawn stores new numbers and moves the counters on.
func queueDrawn(batch *pgx.Batch, d draws) {
	var tenants, platforms, randoms []string
	var numbers []int
	for _, id := range d.fresh {
		drawn := d.all[id]
		tenants, platforms = append(tenants, id.String()), append(platforms, id.Platform)
		numbers, randoms = append(numbers, drawn.Number), append(randoms, drawn.Random)
	}
	batch.Queue(`INSERT INTO allocations (tenant, platform, number, random)
		SELECT tenant, platform, number, random FROM unnest($1::text[], $2::text[], $3::int[], $4::text[])
			AS new (tenant, platform, number, random)`, tenants, platforms, numbers, randoms)
	for platform, last := range d.last {
		batch.Queue(`INSERT INTO counters (platform, last) VALUES ($1, $2)
			ON CONFLICT (platform) DO UPDATE SET last = greatest(counters.last, excluded.last)`, platform, last)
	}
}

// queueTombstones leaves one for each tenant that goes, made of the documents as
// they were before, and takes away those of tenants that are back.
func queueTombstones(batch *pgx.Batch, c *comparison, n *neighbours) error {
	before := func(kind document.Kind, name string) (row, bool) {
		id := document.ID{Kind: kind, Name: name}
		if old, changes := c.old[id]; changes {
			return old, true
		}
		unchanged, ok := n.documents[id]
		return unchanged, ok
	}
	for _, r := range c.removed {
		if r.ID.Kind != document.KindTenant {
			continue
		}
		platform, ok := before(document.KindPlatform, r.Platform)
		project, ok2 := before(document.KindProject, r.tenant().ProjectID())
		if !ok || !ok2 {
			return fmt.Errorf("store: tenant %s: its platform or project: %w", r.tenant(), ErrNotFound)
		}
		var zone any
		if z, ok := before(document.KindLandingZone, r.LandingZone); ok {
			zone = z.Body
		}
		batch.Queue(`INSERT INTO tombstones (tenant, workspace, project, platform, landing_zone,
				tenant_doc, project_doc, platform_doc, zone_doc)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			r.ID.Name, r.Workspace, r.Project, r.Platform, r.LandingZone, r.Body, project.Body, platform.Body, zone)
	}
	var back []string
	for _, r := range c.write {
		if _, existed := c.old[r.ID]; !existed && r.ID.Kind == document.KindTenant {
			back = append(back, r.ID.Name)
		}
	}
	if len(back) > 0 {
		batch.Queue("DELETE FROM tombstones WHERE tenant = ANY($1)", back)
	}
	return nil
}

// querier is a pool, a connection or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// queryRows reads documents; the query selects columns.
func queryRows(ctx context.Context, q querier, sql string, args ...any) ([]row, error) {
	found, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	rows, err := pgx.CollectRows(found, scanRow)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return rows, nil
}

func scanRow(found pgx.CollectableRow) (row, error) {
	r := emptyRow()
	var body []byte
	err := found.Scan(&r.ID.Kind, &r.ID.Name, &r.APIVersion, &body,
		&r.Workspace, &r.Project, &r.Platform, &r.LandingZone, &r.Subject, &r.Members, &r.Source, &r.Fields)
	r.Body, r.Node.ID = body, r.ID
	return r, err
}

// texts returns the tenants' names, nil for none.
func texts(ids []access.TenantID) []string {
	var names []string
	for _, id := range ids {
		names = append(names, id.String())
	}
	return names
}
