package store

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
)

// neighbours are the stored documents that decide whether a change is valid, and what it
// affects. Their number is in proportion to what the change affects, not to what is stored.
type neighbours struct {
	// all is true if they are all documents.
	all bool
	// documents are those that stay as they are and that the change has to fit.
	documents map[document.ID]row
	// validated are those of them that the change may make invalid.
	validated map[document.ID]bool
	// nodes decide which tenants the change affects; of some, the document is not read.
	nodes []document.Node
	// removed are the tenants that tombstones remember.
	removed []document.Node
	// named are the tenants whose group names the change may change, once each.
	named []access.TenantID
	// numbers are those of the tenants, and of others that have one of the given numbers.
	numbers map[access.TenantID]document.Drawn
	// last are the numbers allocated last, by platform.
	last map[string]int
}

// readNeighbours reads the neighbours of a change. A change of roles has all documents for
// neighbours: any may name any role.
func readNeighbours(ctx context.Context, tx pgx.Tx, c *comparison) (*neighbours, error) {
	n := &neighbours{
		documents: map[document.ID]row{}, validated: map[document.ID]bool{},
		numbers: map[access.TenantID]document.Drawn{}, last: map[string]int{},
	}
	if c.empty() && len(c.repeated) == 0 && len(c.numbers) == 0 {
		return n, nil
	}
	n.all = c.stale || c.has(document.KindProjectRole)
	if n.all {
		return n, n.readAll(ctx, tx, c)
	}
	r := changedKeysOf(c)
	if err := n.readDependents(ctx, tx, c, r); err != nil {
		return nil, err
	}
	n.findNamed(c)
	return n, n.readReferences(ctx, tx, c)
}

// keep adds documents that stay as they are.
func (n *neighbours) keep(c *comparison, rows []row) {
	for _, r := range rows {
		if _, changes := c.old[r.ID]; changes {
			continue
		}
		if given, ok := c.requested[r.ID]; ok {
			placed := *given // with its file
			placed.Source, placed.Fields = r.Source, r.Fields
			r.Document = &placed
		}
		n.documents[r.ID] = r
	}
}

func (n *neighbours) readAll(ctx context.Context, tx pgx.Tx, c *comparison) error {
	rows, err := queryRows(ctx, tx, "SELECT "+columns+" FROM documents")
	if err != nil {
		return err
	}
	n.nodes = make([]document.Node, len(rows))
	for i, r := range rows {
		n.nodes[i] = r.node()
		n.validated[r.ID] = true
	}
	n.keep(c, rows)
	for _, r := range n.documents {
		if r.ID.Kind == document.KindTenant {
			n.named = append(n.named, r.tenant())
		}
	}
	for _, r := range c.write {
		if r.ID.Kind == document.KindTenant {
			n.named = append(n.named, r.tenant())
		}
	}
	if err := n.readRemoved(ctx, tx, changedKeys{everywhere: true}); err != nil {
		return err
	}
	return n.readNumbers(ctx, tx, "SELECT tenant, number, random FROM allocations")
}

// changedKeys are the names by which other documents refer to changed ones.
type changedKeys struct {
	// workspaces, users, groups, zones and platforms are those whose documents the change
	// creates, changes or removes; the others only those that other documents may refer to
	// in vain, or in another way than before.
	workspaces                      []string
	users, searchKeys, removedUsers []string
	groups, otherGroups             []string
	platforms, guarded              []string
	zones                           []string
	// projectOf and project are the projects that change, or whose bindings do; removedOf and
	// removedProject are the removed ones.
	projectOf, project, removedOf, removedProject []string
	// projects are those of project, which many bindings name.
	projects map[[2]string]bool
	// everywhere is true if the change affects all tenants.
	everywhere bool
	// guards is true if guards have to be checked again.
	guards bool
}

func changedKeysOf(c *comparison) changedKeys {
	r := changedKeys{projects: map[[2]string]bool{}}
	for _, w := range c.write {
		_, existed := c.old[w.ID]
		r.add(w.node(), existed)
	}
	for _, old := range c.old {
		r.add(old.node(), true)
	}
	for _, gone := range c.removed {
		r.addRemoved(gone.node())
	}
	return r
}

// add adds a document as it was or as it will be.
func (r *changedKeys) add(n document.Node, existed bool) {
	switch n.ID.Kind {
	case document.KindUser:
		r.users, r.searchKeys = append(r.users, n.ID.Name), append(r.searchKeys, n.Subject)
	case document.KindUserGroup:
		r.groups = append(r.groups, n.Subject)
		if !existed { // bindings may mean it instead of another
			r.otherGroups = append(r.otherGroups, n.Subject)
		}
	case document.KindProject, document.KindUserBinding, document.KindGroupBinding:
		if of := [2]string{n.Workspace, n.Project}; !r.projects[of] {
			r.projects[of] = true
			r.projectOf, r.project = append(r.projectOf, n.Workspace), append(r.project, n.Project)
		}
	case document.KindPlatform:
		r.platforms = append(r.platforms, n.ID.Name)
	case document.KindLandingZone:
		r.zones = append(r.zones, n.ID.Name)
	case document.KindGuard:
		r.guards = true
		r.guarded = append(r.guarded, n.Members...)
		r.everywhere = r.everywhere || len(n.Members) == 0
	default:
	}
}

// addRemoved adds a document that goes: others may refer to it.
func (r *changedKeys) addRemoved(n document.Node) {
	switch n.ID.Kind {
	case document.KindWorkspace:
		r.workspaces = append(r.workspaces, n.ID.Name)
	case document.KindProject:
		r.removedOf, r.removedProject = append(r.removedOf, n.Workspace), append(r.removedProject, n.Project)
	case document.KindUser:
		r.removedUsers = append(r.removedUsers, n.ID.Name)
	case document.KindUserGroup:
		r.otherGroups = append(r.otherGroups, n.Subject)
	case document.KindPlatform:
		r.guards = true
	default:
	}
}

// dependents selects the documents that refer to changed ones, for which the reference
// may be another one than before.
const dependents = "SELECT " + columns + ` FROM documents WHERE workspace = ANY($1)
UNION ALL SELECT ` + columns + ` FROM documents WHERE kind IN ('meshTenant', 'meshProjectUserBinding', 'meshProjectGroupBinding')
	AND (workspace, project) IN (SELECT w, p FROM unnest($2::text[], $3::text[]) AS g (w, p))
UNION ALL SELECT ` + columns + ` FROM documents WHERE kind = 'meshProjectUserBinding' AND subject = ANY($4)
UNION ALL SELECT ` + columns + ` FROM documents WHERE kind = 'meshWorkspaceUserBinding' AND subject = ANY($4)
UNION ALL SELECT ` + columns + ` FROM documents WHERE kind = 'meshWorkspaceUserGroup' AND members && $4
UNION ALL SELECT ` + columns + ` FROM documents WHERE kind = 'meshProjectGroupBinding' AND subject = ANY($5)
UNION ALL SELECT ` + columns + ` FROM documents WHERE kind = 'meshWorkspaceGroupBinding' AND subject = ANY($5)
UNION ALL SELECT ` + columns + ` FROM documents WHERE kind IN ('meshTenant', 'meshLandingZone') AND platform = ANY($6)
UNION ALL SELECT ` + columns + ` FROM documents WHERE kind = 'meshTenant' AND landing_zone = ANY($7)
UNION ALL SELECT ` + columns + ` FROM documents WHERE kind = 'Guard' AND $8`

// affected selects what decides which tenants a change of users, groups, bindings, projects,
// platforms, landing zones and guards affects, without the documents.
const affected = `
WITH people AS (
	SELECT kind, name, workspace, project, platform, landing_zone, subject, members FROM documents
		WHERE kind = 'meshUser' AND subject = ANY($2) AND subject <> ''
	UNION SELECT kind, name, workspace, project, platform, landing_zone, subject, members FROM documents
		WHERE kind = 'meshUser' AND name = ANY($1)),
names AS (SELECT name FROM people UNION SELECT unnest($1::text[])),
groups AS (SELECT kind, name, workspace, project, platform, landing_zone, subject, members FROM documents
	WHERE kind = 'meshWorkspaceUserGroup' AND subject IN (
		SELECT subject FROM documents WHERE kind = 'meshWorkspaceUserGroup' AND members && ARRAY(SELECT name::text FROM names)
		UNION SELECT unnest($3::text[]))),
bindings AS (
	SELECT kind, name, workspace, project, platform, landing_zone, subject, members FROM documents
		WHERE kind = 'meshProjectUserBinding' AND subject IN (SELECT name FROM names)
	UNION SELECT kind, name, workspace, project, platform, landing_zone, subject, members FROM documents
		WHERE kind = 'meshProjectGroupBinding'
			AND subject IN (SELECT subject FROM groups UNION SELECT unnest($3::text[]))),
tenants AS (
	SELECT kind, name, workspace, project, platform, landing_zone, subject, members FROM documents WHERE kind = 'meshTenant'
		AND (workspace, project) IN (
			SELECT workspace, project FROM bindings UNION SELECT w, p FROM unnest($4::text[], $5::text[]) AS g (w, p))
	UNION SELECT kind, name, workspace, project, platform, landing_zone, subject, members FROM documents
		WHERE kind = 'meshTenant' AND platform = ANY($6)
	UNION SELECT kind, name, workspace, project, platform, landing_zone, subject, members FROM documents
		WHERE kind = 'meshTenant' AND landing_zone = ANY($7)
	UNION SELECT kind, name, workspace, project, platform, landing_zone, subject, members FROM documents
		WHERE kind = 'meshTenant' AND $8),
guards AS (SELECT kind, name, workspace, project, platform, landing_zone, subject, members FROM documents WHERE kind = 'Guard')
SELECT kind, name, workspace, project, platform, landing_zone, subject, members
	FROM (TABLE people UNION ALL TABLE groups UNION ALL TABLE bindings UNION ALL TABLE tenants UNION ALL TABLE guards) AS parts`

// readDependents reads what refers to changed documents, and what decides which tenants the
// change affects.
func (n *neighbours) readDependents(ctx context.Context, tx pgx.Tx, c *comparison, r changedKeys) error {
	rows, err := queryRows(ctx, tx, dependents, r.workspaces, r.removedOf, r.removedProject, notNil(r.removedUsers), r.otherGroups,
		r.platforms, r.zones, r.guards)
	if err != nil {
		return err
	}
	n.keep(c, rows)
	for id := range n.documents {
		n.validated[id] = true
	}
	found, err := tx.Query(ctx, affected, notNil(r.users), notNil(r.searchKeys), notNil(r.groups), r.projectOf, r.project,
		slices.Concat(r.platforms, r.guarded), r.zones, r.everywhere)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	n.nodes, err = pgx.CollectRows(found, func(row pgx.CollectableRow) (document.Node, error) {
		var n document.Node
		err := row.Scan(&n.ID.Kind, &n.ID.Name, &n.Workspace, &n.Project, &n.Platform, &n.LandingZone, &n.Subject, &n.Members)
		return n, err
	})
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return n.readRemoved(ctx, tx, r)
}

// readRemoved reads the removed tenants that a change may affect.
func (n *neighbours) readRemoved(ctx context.Context, tx pgx.Tx, r changedKeys) error {
	var tenant, zone string
	return each(ctx, tx, `SELECT tenant, landing_zone FROM tombstones
		WHERE $1 OR platform = ANY($2) OR landing_zone <> '' AND landing_zone = ANY($3)`,
		[]any{r.everywhere, slices.Concat(r.platforms, r.guarded), r.zones}, []any{&tenant, &zone}, func() error {
			id, err := access.ParseTenantID(tenant)
			n.removed = append(n.removed, document.Node{
				ID:      document.ID{Kind: document.KindTenant, Name: tenant},
				Links:   document.Links{Workspace: id.Workspace, Project: id.Project, Platform: id.Platform, LandingZone: zone},
				Removed: true,
			})
			return err
		})
}

// findNamed finds the tenants whose group names may change: those of which the tenant, the
// project, the platform or the landing zone changes.
func (n *neighbours) findNamed(c *comparison) {
	known := map[access.TenantID]bool{}
	add := func(node document.Node) {
		if node.ID.Kind != document.KindTenant || known[node.Tenant()] || c.removes(node.ID) {
			return
		}
		if c.writes(node.ID) || slices.ContainsFunc(node.References(), c.writes) {
			known[node.Tenant()] = true
			n.named = append(n.named, node.Tenant())
		}
	}
	for _, w := range c.write {
		add(w.node())
	}
	for _, node := range n.nodes {
		add(node)
	}
}

// referenced selects the documents of the IDs $1 and $2, the users with one of the search keys
// $3, the user groups with one of the names $4, the tenants of the platforms $5 with the ids
// $6, and all roles and guards.
const referenced = "SELECT " + columns + ` FROM documents 
	WHERE (kind, name) IN (SELECT k, n FROM unnest($1::text[], $2::text[]) AS g (k, n))
UNION ALL SELECT ` + columns + ` FROM documents WHERE kind = 'meshUser' AND subject = ANY($3) AND subject <> ''
UNION ALL SELECT ` + columns + ` FROM documents WHERE kind = 'meshWorkspaceUserGroup' AND subject = ANY($4)
UNION ALL SELECT ` + columns + ` FROM documents WHERE kind = 'meshTenant'
	AND (platform, subject) IN (SELECT p, s FROM unnest($5::text[], $6::text[]) AS g (p, s)) AND subject <> ''
UNION ALL SELECT ` + columns + ` FROM documents WHERE kind IN ('meshProjectRole', 'Guard')`

// references are what documents refer to, and what they must differ from.
type references struct {
	ids               map[document.ID]bool
	searchKeys        []string
	groups            []string
	platforms, locals []string
}

func (r *references) add(n document.Node) {
	for _, id := range n.References() {
		r.ids[id] = true
	}
	switch n.ID.Kind {
	case document.KindUser:
		r.searchKeys = append(r.searchKeys, n.Subject)
	case document.KindGroupBinding, document.KindWorkspaceGroupBinding:
		r.groups = append(r.groups, n.Subject)
	case document.KindTenant:
		r.platforms, r.locals = append(r.platforms, n.Platform), append(r.locals, n.Subject)
	default:
	}
}

// references are those of the documents of the change, of those that it may make invalid, and
// of the tenants whose names may change. A removed tenant's tombstone keeps what it refers to.
func (n *neighbours) references(c *comparison) references {
	r := references{ids: map[document.ID]bool{}}
	for _, w := range c.write {
		r.add(w.node())
	}
	for _, g := range c.removed {
		if g.ID.Kind == document.KindTenant {
			r.add(g.node())
		}
	}
	for id := range n.validated {
		r.add(n.documents[id].node())
	}
	for _, t := range n.named {
		r.ids[document.ID{Kind: document.KindTenant, Name: t.String()}] = true
	}
	for _, node := range n.nodes {
		if r.ids[node.ID] && node.ID.Kind == document.KindTenant {
			r.add(node)
		}
	}
	return r
}

// readReferences reads what the documents refer to, and what they must differ from.
func (n *neighbours) readReferences(ctx context.Context, tx pgx.Tx, c *comparison) error {
	r := n.references(c)
	var ids []document.ID
	for id := range r.ids {
		if _, known := n.documents[id]; !known && !c.writes(id) {
			ids = append(ids, id)
		}
	}
	kinds, names := split(ids)
	rows, err := queryRows(ctx, tx, referenced, kinds, names, r.searchKeys, r.groups, r.platforms, r.locals)
	if err != nil {
		return err
	}
	n.keep(c, rows)
	return n.readNumbersOf(ctx, tx, c)
}

// readNumbersOf reads the numbers of the tenants among the documents, and the tenants that
// have numbers that the change gives to others.
func (n *neighbours) readNumbersOf(ctx context.Context, tx pgx.Tx, c *comparison) error {
	var tenants, platforms []string
	var numbers []int
	for id := range n.documents {
		if id.Kind == document.KindTenant {
			tenants = append(tenants, id.Name)
		}
	}
	for _, w := range c.write {
		if w.ID.Kind == document.KindTenant {
			tenants = append(tenants, w.ID.Name)
		}
	}
	for _, drawn := range []map[access.TenantID]document.Drawn{c.numbers, c.allocated} {
		for t, d := range drawn {
			tenants, platforms, numbers = append(tenants, t.String()), append(platforms, t.Platform), append(numbers, d.Number)
		}
	}
	return n.readNumbers(ctx, tx, `SELECT tenant, number, random FROM allocations WHERE tenant = ANY($1)
		UNION SELECT tenant, number, random FROM allocations
			WHERE (platform, number) IN (SELECT p, n FROM unnest($2::text[], $3::int[]) AS g (p, n))`, tenants, platforms, numbers)
}

func (n *neighbours) readNumbers(ctx context.Context, tx pgx.Tx, sql string, args ...any) error {
	var tenant, platform string
	var drawn document.Drawn
	err := each(ctx, tx, sql, args, []any{&tenant, &drawn.Number, &drawn.Random}, func() error {
		id, err := access.ParseTenantID(tenant)
		n.numbers[id] = drawn
		return err
	})
	if err != nil {
		return err
	}
	var last int
	return each(ctx, tx, "SELECT platform, last FROM counters", nil, []any{&platform, &last}, func() error {
		n.last[platform] = last
		return nil
	})
}
