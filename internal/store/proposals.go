package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
)

// Propose computes a change as Apply does, and keeps it for a week under Changes.Digest
// instead of storing the documents: ProposedInputs and ApplyProposal find it there. An empty
// change has no digest and is not kept.
func (s *Store) Propose(ctx context.Context, req ApplyRequest) (Changes, error) {
	return s.proposeEdit(ctx, edit{upsert: req.Documents, prune: req.Prune, unnamed: req.Prune}, req.Checks)
}

// ProposeDelete computes a change as Delete does, and keeps it like Propose.
func (s *Store) ProposeDelete(ctx context.Context, ids []document.ID, checks Checks) (Changes, error) {
	return s.proposeEdit(ctx, edit{remove: ids}, checks)
}

func (s *Store) proposeEdit(ctx context.Context, e edit, checks Checks) (Changes, error) {
	do := func(tx pgx.Tx, c *comparison, _ *neighbours, d *draft, _ []document.GroupName) error {
		return propose(ctx, tx, c, d, checks.By, e.prune && len(c.removed) > 0)
	}
	return s.write(ctx, e, Checks{Validate: checks.Validate, Source: checks.Source, Review: checks.Review}, do)
}

// proposed is how long a proposal is kept.
const proposed = "7 days"

func propose(ctx context.Context, tx pgx.Tx, c *comparison, d *draft, by access.Actor, pruned bool) error {
	changes, err := json.Marshal(c.changes)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if _, err := tx.Exec(ctx, "DELETE FROM proposals WHERE created_at < now() - $1::interval", proposed); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	// A plan of the same change keeps the numbers that it has shown, unless others have them.
	const staleNumbers = `DELETE FROM proposals WHERE digest = $1 AND EXISTS (
		SELECT FROM proposed_tenants t JOIN allocations a ON a.platform = split_part(t.tenant, '/', 2) AND a.number = t.number
		WHERE t.proposal = digest AND t.number > 0 AND a.tenant <> t.tenant)`
	if _, err := tx.Exec(ctx, staleNumbers, c.changes.Digest); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	done, err := tx.Exec(ctx, `INSERT INTO proposals (digest, revision, changes, pruned, proposers) VALUES ($1, $2, $3, $4, ARRAY[$5::text])
		ON CONFLICT (digest) DO NOTHING`, c.changes.Digest, c.changes.Generation-1, changes, pruned, by.ID())
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if done.RowsAffected() == 0 {
		_, err := tx.Exec(ctx, `UPDATE proposals SET created_at = now(),
			proposers = CASE WHEN $2 = ANY(proposers) OR cardinality(proposers) >= 100 THEN proposers ELSE proposers || $2::text END
			WHERE digest = $1`, c.changes.Digest, by.ID())
		return prefixed(err)
	}
	into := append([]string{"proposal", "removed"}, documentColumns()...)
	for removed, rows := range map[bool][]row{false: c.write, true: c.removed} {
		source := pgx.CopyFromSlice(len(rows), func(i int) ([]any, error) {
			return append([]any{c.changes.Digest, removed}, rows[i].values()...), nil
		})
		if _, err := tx.CopyFrom(ctx, pgx.Identifier{"proposed_documents"}, into, source); err != nil {
			return fmt.Errorf("store: %w", err)
		}
	}
	return proposeTenants(ctx, tx, c, d)
}

// proposeTenants keeps what a proposal says of tenants.
func proposeTenants(ctx context.Context, tx pgx.Tx, c *comparison, d *draft) error {
	unnamed := make(map[access.TenantID]bool, len(c.unnamed))
	for _, t := range c.unnamed {
		unnamed[t] = true
	}
	fresh := make(map[access.TenantID]document.Drawn, len(d.draws.fresh))
	for _, t := range d.draws.fresh {
		fresh[t] = d.draws.all[t]
	}
	tenants := slices.Concat(d.draws.fresh, c.unnamed)
	slices.SortFunc(tenants, access.TenantID.Compare)
	tenants = slices.Compact(tenants)
	numbers := pgx.CopyFromSlice(len(tenants), func(i int) ([]any, error) {
		t := tenants[i]
		drawn := fresh[t]
		_, given := c.numbers[t]
		return []any{c.changes.Digest, t.String(), drawn.Number, drawn.Random, given, unnamed[t]}, nil
	})
	into := []string{"proposal", "tenant", "number", "random", "documented", "unnamed"}
	_, err := tx.CopyFrom(ctx, pgx.Identifier{"proposed_tenants"}, into, numbers)
	return prefixed(err)
}

// ApplyProposal stores exactly the change of a proposal: if the documents that it changes or
// the tenants that it affects are others now, it fails with ErrUnconfirmed. It fails with
// ErrNotFound if there is no such proposal.
func (s *Store) ApplyProposal(ctx context.Context, digest string, checks Checks) (Changes, error) {
	e, err := s.proposal(ctx, digest)
	if err != nil {
		return Changes{}, err
	}
	checks.Expected = digest
	return s.change(ctx, e, checks)
}

// Proposers returns the actors who planned the change of a proposal; none if there is no such
// proposal.
func (s *Store) Proposers(ctx context.Context, digest string) ([]access.Actor, error) {
	return s.actors(ctx, "SELECT unnest(proposers) FROM proposals WHERE digest = $1", digest)
}

// proposal reads a proposal as an edit.
func (s *Store) proposal(ctx context.Context, digest string) (edit, error) {
	e := edit{ignoreMissing: true, allocated: map[access.TenantID]document.Drawn{}}
	err := s.snapshot(ctx, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, "SELECT pruned FROM proposals WHERE digest = $1", digest).Scan(&e.unnamed)
		if errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("store: the plan %s: %w", digest, ErrNotFound)
		}
		if err != nil {
			return fmt.Errorf("store: %w", err)
		}
		rows, err := queryRows(ctx, tx, "SELECT "+columns+" FROM proposed_documents WHERE proposal = $1 AND NOT removed", digest)
		if err != nil {
			return err
		}
		removed, err := queryRows(ctx, tx, "SELECT "+columns+" FROM proposed_documents WHERE proposal = $1 AND removed", digest)
		if err != nil {
			return err
		}
		e.upsert = documentsOf(rows)
		for i := range e.upsert {
			e.upsert[i].File = "plan " + digest
		}
		for _, r := range removed {
			e.remove = append(e.remove, r.ID)
		}
		return e.readNumbers(ctx, tx, digest)
	})
	return e, err
}

// readNumbers reads the numbers that a proposal has for new tenants.
func (e *edit) readNumbers(ctx context.Context, tx pgx.Tx, digest string) error {
	given := map[string]document.Drawn{}
	var tenant string
	var drawn document.Drawn
	var documented bool
	err := each(ctx, tx, "SELECT tenant, number, random, documented FROM proposed_tenants WHERE proposal = $1 AND number > 0",
		[]any{digest}, []any{&tenant, &drawn.Number, &drawn.Random, &documented}, func() error {
			if documented {
				given[tenant] = drawn
				return nil
			}
			id, err := access.ParseTenantID(tenant)
			e.allocated[id] = drawn
			return err
		})
	for i, d := range e.upsert {
		if numbers, ok := given[d.ID.Name]; ok && d.ID.Kind == document.KindTenant {
			e.upsert[i].Drawn = &numbers
		}
	}
	return err
}

// proposedNumbers returns the numbers that a proposal allocated to new tenants; none if there
// is no such proposal.
func (s *Store) proposedNumbers(ctx context.Context, digest string) (map[access.TenantID]document.Drawn, error) {
	e := edit{allocated: map[access.TenantID]document.Drawn{}}
	err := s.snapshot(ctx, func(tx pgx.Tx) error { return e.readNumbers(ctx, tx, digest) })
	return e.allocated, err
}

// ProposedInputs is TenantInputs as if a proposal was stored.
func (s *Store) ProposedInputs(ctx context.Context, digest string, ids []access.TenantID) ([]document.TenantInput, error) {
	return s.tenantInputs(ctx, ids, inputTables{proposal: digest})
}

// ProposedTenants returns the tenants of a platform as if a proposal was stored, removed ones
// among them, in the order of access.TenantID.Compare.
func (s *Store) ProposedTenants(ctx context.Context, digest, platform string) ([]access.TenantID, error) {
	found, err := s.pool.Query(ctx, `SELECT workspace, project, platform FROM `+living+` WHERE platform = $2
		UNION SELECT workspace, project, platform FROM proposed_documents
			WHERE proposal = $1 AND kind = 'meshTenant' AND platform = $2
		ORDER BY platform, workspace, project`, digest, platform)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	tenants, err := pgx.CollectRows(found, pgx.RowToStructByPos[access.TenantID])
	return tenants, prefixed(err)
}

// inputTables is what the queries of inputs read: the documents that are stored, or those that
// would be if a proposal was.
type inputTables struct{ proposal string }

// over returns a query and its arguments. In a query over a proposal, $2 is its digest, and
// its tables are those that the proposal would leave.
func (t inputTables) over(sql string, tenants []string) (string, []any) {
	if t.proposal == "" {
		return sql, []any{tenants}
	}
	rest, continues := strings.CutPrefix(strings.TrimSpace(sql), "WITH ")
	if continues {
		return proposedTables + ", " + rest, []any{tenants, t.proposal}
	}
	return proposedTables + " " + rest, []any{tenants, t.proposal}
}

// proposedTables stand for the tables of their names in the queries of inputs. Inside of
// them, the names are those of the tables.
const proposedTables = `
WITH tombstones AS (
	SELECT ` + tombstone + ` FROM tombstones t WHERE NOT EXISTS (
		SELECT FROM proposed_documents p WHERE p.proposal = $2 AND p.kind = 'meshTenant' AND p.name = t.tenant)
	UNION ALL SELECT p.name, p.workspace, p.project, p.platform, p.landing_zone, p.body, project.body, platform.body, zone.body, now()
	FROM proposed_documents p
		JOIN documents project ON project.kind = 'meshProject' AND project.name = p.workspace || '.' || p.project
		JOIN documents platform ON platform.kind = 'meshPlatform' AND platform.name = p.platform
		LEFT JOIN documents zone ON zone.kind = 'meshLandingZone' AND zone.name = p.landing_zone
	WHERE p.proposal = $2 AND p.kind = 'meshTenant' AND p.removed),
allocations AS (
	SELECT tenant, platform, number, random FROM allocations
	UNION ALL SELECT tenant, '', number, random FROM proposed_tenants WHERE proposal = $2 AND number > 0),
affected_tenants AS (
	SELECT tenant, unnamed, authors FROM affected_tenants
	UNION ALL SELECT tenant, unnamed, '{}'::text[] FROM proposed_tenants WHERE proposal = $2),
documents AS NOT MATERIALIZED (
	SELECT ` + columns + ` FROM documents d WHERE NOT EXISTS (
		SELECT FROM proposed_documents p WHERE p.proposal = $2 AND p.kind = d.kind AND p.name = d.name)
	UNION ALL SELECT ` + columns + ` FROM proposed_documents WHERE proposal = $2 AND NOT removed)`
