package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
)

// columns are those of a row, in the order of queryRows and copyRows.
const columns = "kind, name, api_version, body, workspace, project, platform, landing_zone, subject, members"

// save writes a difference: only what changed. The generation is drawn here: a
// revocation, which does not wait for who confirms an apply, may have taken the
// one that was expected.
func save(ctx context.Context, tx pgx.Tx, w world, m *merged, d draws) error {
	if err := replace(ctx, tx, *m); err != nil {
		return err
	}
	batch := &pgx.Batch{}
	queueDrawn(batch, d)
	if err := queueTombstones(batch, w, *m); err != nil {
		return err
	}
	served := 0
	if m.servesOtherPlatforms() {
		served = 1
	}
	batch.Queue(`WITH next AS (UPDATE installation SET revision = revision + 1, platforms_version = platforms_version + $1
			RETURNING revision)
		INSERT INTO revisions (revision) SELECT revision FROM next RETURNING revision`,
		served).QueryRow(func(r pgx.Row) error { return r.Scan(&m.changes.Generation) })
	queueTouched(batch, m.causes, m.unnamed)
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

// replace removes the rows that go or change and copies in the new ones: one
// statement each, for one document as for a hundred thousand.
func replace(ctx context.Context, tx pgx.Tx, m merged) error {
	var kinds, names []string
	for _, id := range m.changes.Changed {
		kinds, names = append(kinds, string(id.Kind)), append(names, id.Name)
	}
	for _, id := range m.changes.Removed {
		kinds, names = append(kinds, string(id.Kind)), append(names, id.Name)
	}
	const remove = `DELETE FROM documents d USING unnest($1::text[], $2::text[]) AS g (kind, name)
		WHERE d.kind = g.kind AND d.name = g.name`
	if _, err := tx.Exec(ctx, remove, kinds, names); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return copyRows(ctx, tx, m.write)
}

func copyRows(ctx context.Context, tx pgx.Tx, rows []row) error {
	into := []string{"kind", "name", "api_version", "body", "workspace", "project", "platform", "landing_zone", "subject", "members"}
	source := pgx.CopyFromSlice(len(rows), func(i int) ([]any, error) {
		r := rows[i]
		members := r.Members
		if members == nil {
			members = []string{} // nil would be NULL
		}
		return []any{
			string(r.ID.Kind), r.ID.Name, r.APIVersion, r.Body,
			r.Workspace, r.Project, r.Platform, r.LandingZone, r.Subject, members,
		}, nil
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
func queueTombstones(batch *pgx.Batch, w world, m merged) error {
	for _, r := range m.gone {
		if r.ID.Kind != document.KindTenant {
			continue
		}
		platform, ok := m.before[document.ID{Kind: document.KindPlatform, Name: r.Platform}]
		project, ok2 := m.before[document.ID{Kind: document.KindProject, Name: r.tenant().ProjectID()}]
		if !ok || !ok2 {
			return fmt.Errorf("store: tenant %s: its platform or project: %w", r.tenant(), ErrNotFound)
		}
		var zone any
		if z, ok := m.before[document.ID{Kind: document.KindLandingZone, Name: r.LandingZone}]; ok {
			zone = z.Body
		}
		batch.Queue(`INSERT INTO tombstones (tenant, workspace, project, platform, landing_zone,
				tenant_doc, project_doc, platform_doc, zone_doc)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			r.ID.Name, r.Workspace, r.Project, r.Platform, r.LandingZone, r.Body, project.Body, platform.Body, zone)
	}
	var back []string
	for _, r := range m.write {
		if _, removed := w.tombs[r.tenant()]; removed && r.ID.Kind == document.KindTenant {
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
	var r row
	var body []byte
	err := found.Scan(&r.ID.Kind, &r.ID.Name, &r.APIVersion, &body,
		&r.Workspace, &r.Project, &r.Platform, &r.LandingZone, &r.Subject, &r.Members)
	r.Body = body
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
