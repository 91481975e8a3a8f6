package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
)

// Changes says what an apply or a delete did, or would do.
type Changes struct {
	Created []document.ID `json:"created,omitempty"`
	Changed []document.ID `json:"changed,omitempty"`
	Removed []document.ID `json:"removed,omitempty"`
	// Unchanged counts the given documents that are stored as they are.
	Unchanged int `json:"unchanged"`
	// Generation is the one that holds with the changes stored.
	Generation int64 `json:"revision"`
	// Tenants are those whose input depends on a changed document, removed ones
	// among them, sorted.
	Tenants []access.TenantID `json:"tenants,omitempty"`
	// Digest names the change: the documents before and after it, the numbers given to new
	// tenants, and the affected tenants. It does not depend on the revision. Empty changes
	// have none.
	Digest string `json:"digest,omitempty"`
	// Ended are the created and changed bindings that have ended already: they grant nothing.
	Ended []document.ID `json:"ended,omitempty"`
	// Preserved are the fields that keep their stored values, because they belong to another
	// source than that of the change.
	Preserved []PreservedField `json:"preserved,omitempty"`
}

// Empty reports whether everything is stored already.
func (c Changes) Empty() bool {
	return len(c.Created) == 0 && len(c.Changed) == 0 && len(c.Removed) == 0
}

// edit is what a caller wants changed.
type edit struct {
	// source makes the change.
	source document.Source
	fields []FieldChange
	upsert []document.Document
	prune  bool // remove what upsert lacks
	remove []document.ID
	// ignoreMissing accepts that documents to remove are not stored.
	ignoreMissing bool
	// unnamed is true if no caller named the removals.
	unnamed bool
	// allocated are numbers that new tenants get.
	allocated map[access.TenantID]document.Drawn
}

// comparison is the difference between an edit and what is stored.
type comparison struct {
	// names are those that rows share, while they are made.
	names document.Names
	// now is the time by the database's clock.
	now time.Time
	// stale is true if stored names and links are those of an earlier program.
	stale bool
	// requested are the documents of the edit by ID, as they were given: with the file and
	// line that an error names. Of repeated IDs it has the first; repeated has the others.
	requested map[document.ID]*document.Document
	repeated  []*document.Document
	// write are the created and changed documents in the order of their IDs, removed the removed
	// ones, old the stored ones that change or go.
	write, removed []row
	old            map[document.ID]row
	// source makes the change. attributed are the documents of which only the sources of fields
	// change, refused those that belong to another source.
	source     document.Source
	attributed []row
	refused    []document.Problem
	// numbers are those that the edit gives to tenants.
	numbers map[access.TenantID]document.Drawn
	// allocated are those that a proposal gave to new tenants.
	allocated map[access.TenantID]document.Drawn
	changes   Changes
	// causes are the tenants whose access the change may change: removals of users
	// there count for this revision.
	causes []access.TenantID
	// unnamed are those on which it removes what no caller named: absent documents.
	unnamed []access.TenantID
}

// compare finds out what the edit changes. PostgreSQL compares the texts: only those that
// differ are read.
func compare(ctx context.Context, tx pgx.Tx, e edit) (*comparison, error) {
	c := &comparison{
		requested: make(map[document.ID]*document.Document, len(e.upsert)),
		old:       map[document.ID]row{},
		names:     document.Names{},
		numbers:   map[access.TenantID]document.Drawn{},
		allocated: e.allocated,
		source:    e.source,
	}
	var version int
	err := tx.QueryRow(ctx, "SELECT revision, names_version, clock_timestamp() FROM installation").
		Scan(&c.changes.Generation, &version, &c.now)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	c.stale = version != namesVersion
	for i := range e.upsert {
		d := &e.upsert[i]
		if _, taken := c.requested[d.ID]; taken {
			c.repeated = append(c.repeated, d)
			continue
		}
		c.requested[d.ID] = d
	}
	for part := range slices.Chunk(e.upsert, comparedAtOnce) {
		if err := c.addRequested(ctx, tx, part); err != nil {
			return nil, err
		}
	}
	if err := c.addFields(ctx, tx, e); err != nil {
		return nil, err
	}
	c.names = nil
	slices.SortFunc(c.write, func(a, b row) int { return a.ID.Compare(b.ID) })
	if err := c.addRemoved(ctx, tx, e); err != nil {
		return nil, err
	}
	slices.SortFunc(c.changes.Preserved, PreservedField.compare)
	for _, ids := range [][]document.ID{c.changes.Changed, c.changes.Removed, c.changes.Ended} {
		slices.SortFunc(ids, document.ID.Compare)
	}
	if !c.empty() {
		c.changes.Generation++
	}
	return c, nil
}

// differing selects the stored documents of the IDs $1 and $2, without the bodies of those
// that have the hash $3 and belong to one source.
const differing = `SELECT g.n, d.kind, d.name, d.api_version, CASE WHEN g.same AND d.field_sources IS NULL THEN NULL ELSE d.body END,
		d.workspace, d.project, d.platform, d.landing_zone, d.subject, d.members, d.source, d.field_sources
	FROM (SELECT n, d.kind, d.name, sha256(convert_to(d.body::text, 'UTF8')) = g.hash AS same
		FROM unnest($1::text[], $2::text[], $3::bytea[]) WITH ORDINALITY AS g (kind, name, hash, n)
		JOIN documents d ON d.kind = g.kind AND d.name = g.name) AS g
	JOIN documents d ON d.kind = g.kind AND d.name = g.name`

// comparedAtOnce is how many documents a statement compares: it takes their IDs and hashes.
const comparedAtOnce = 10_000

// addRequested notes each given document as created, changed or unchanged.
func (c *comparison) addRequested(ctx context.Context, tx pgx.Tx, documents []document.Document) error {
	kinds, names, hashes := make([]string, len(documents)), make([]string, len(documents)), make([][]byte, len(documents))
	for i, d := range documents {
		sum := sha256.Sum256(d.Body)
		kinds[i], names[i], hashes[i] = string(d.ID.Kind), d.ID.Name, sum[:]
	}
	stored := map[document.ID]bool{} // true: as given
	var n int
	r := emptyRow()
	var body []byte
	into := []any{
		&n, &r.ID.Kind, &r.ID.Name, &r.APIVersion, &body,
		&r.Workspace, &r.Project, &r.Platform, &r.LandingZone, &r.Subject, &r.Members, &r.Source, &r.Fields,
	}
	err := each(ctx, tx, differing, []any{kinds, names, hashes}, into, func() error {
		stored[r.ID] = body == nil
		if body != nil {
			old := emptyRow()
			*old.Document, *old.Node = *r.Document, *r.Node
			old.Body, old.Node.ID = slices.Clone(body), r.ID
			c.old[r.ID] = old
		}
		r.Fields = nil // the next row has a map of its own
		return nil
	})
	if err != nil {
		return err
	}
	for i := range documents {
		if d := &documents[i]; c.requested[d.ID] == d {
			if err := c.put(d, stored); err != nil {
				return err
			}
		}
	}
	return nil
}

// put notes one given document.
func (c *comparison) put(d *document.Document, stored map[document.ID]bool) error {
	same, exists := stored[d.ID]
	if d.Source == "" || c.source != "" {
		d.Source = c.source
	}
	if exists && !same {
		old := c.old[d.ID]
		preserved, err := c.preserve(d, old)
		if err != nil {
			return err
		}
		preserved.Source, preserved.Fields = old.Source, old.Fields
		d, c.requested[d.ID] = preserved, preserved
		switch {
		case bytes.Equal(d.Body, old.Body):
			same = true
			delete(c.old, d.ID)
		case old.Source != c.source:
			c.refuse(*old.Document, "", "change it there, or take it out of the input")
		}
	}
	if same {
		c.changes.Unchanged++
		if d.Drawn == nil {
			return nil
		}
	}
	r, err := newRow(d)
	if err != nil {
		return err
	}
	c.names.Share(r.Node)
	if d.Drawn != nil {
		c.numbers[r.tenant()] = *d.Drawn
	}
	if !same {
		c.add(r, exists)
	}
	return nil
}

// add notes a created or changed document.
func (c *comparison) add(r row, exists bool) {
	if exists {
		c.changes.Changed = append(c.changes.Changed, r.ID)
	}
	if r.hasEnded(c.now) {
		c.changes.Ended = append(c.changes.Ended, r.ID)
	}
	c.write = append(c.write, r)
}

// SourceField is the field of a problem about a document that belongs to another source and
// was to be removed.
const SourceField = "rollcall.source"

// refuse notes a document that the change may not change, with the remedy.
func (c *comparison) refuse(d document.Document, field, remedy string) {
	c.refused = append(c.refused, document.Problem{
		Object: d.ID.String(), Field: field, Text: fmt.Sprintf("belongs to the source %q: %s", d.Source, remedy),
	})
}

// addRemoved notes the stored documents that the edit removes.
func (c *comparison) addRemoved(ctx context.Context, tx pgx.Tx, e edit) error {
	const pruned = "SELECT " + columns + ` FROM documents d
		WHERE NOT EXISTS (SELECT FROM unnest($1::text[], $2::text[]) AS g (kind, name) WHERE g.kind = d.kind AND g.name = d.name)
			AND d.source = $3`
	sql, ids, sources := byID, e.remove, []any{}
	if e.prune {
		sql, ids, sources = pruned, slices.Collect(maps.Keys(c.requested)), append(sources, e.source)
	}
	if len(ids) == 0 && !e.prune {
		return nil
	}
	kinds, names := split(ids)
	var err error
	if c.removed, err = queryRows(ctx, tx, sql, append([]any{kinds, names}, sources...)...); err != nil {
		return err
	}
	for _, r := range c.removed {
		c.old[r.ID] = r
		c.changes.Removed = append(c.changes.Removed, r.ID)
		if r.Source != e.source {
			c.refuse(*r.Document, SourceField, "delete it there, or in the name of that source")
		}
	}
	for _, id := range e.remove {
		if _, stored := c.old[id]; !stored && !e.ignoreMissing {
			return fmt.Errorf("store: %s %s: %w", id.Kind, id.Name, ErrNotFound)
		}
	}
	return nil
}

// byID selects the documents of the IDs $1 and $2.
const byID = "SELECT " + columns + ` FROM documents WHERE (kind, name) IN (SELECT k, n FROM unnest($1::text[], $2::text[]) AS g (k, n))`

// split returns the kinds and the names of IDs, for byID.
func split(ids []document.ID) (kinds, names []string) {
	kinds, names = make([]string, len(ids)), make([]string, len(ids))
	for i, id := range ids {
		kinds[i], names[i] = string(id.Kind), id.Name
	}
	return kinds, names
}

// removes reports whether the change removes the document.
func (c *comparison) removes(id document.ID) bool {
	_, stored := c.old[id]
	_, requested := c.requested[id]
	return stored && !requested
}

// complete adds the tenants that the change affects, and its digest. A change of a
// guard affects tenants: what it held may go now, or the other way round. It is no cause of
// a removal: if it were, each change of a guard would give the removals of another change a
// new limit.
func (c *comparison) complete(n *neighbours, d *draft, unnamed bool) {
	if c.empty() {
		return
	}
	changed := make([]document.ID, 0, len(c.write)+len(c.removed))
	for _, rows := range [][]row{c.write, c.removed} {
		for _, r := range rows {
			changed = append(changed, r.ID)
		}
	}
	before, after := c.graphs(n, d)
	d.set = nil
	c.addCreated()
	c.changes.Tenants = document.Affected(before, after, changed)
	c.causes = c.changes.Tenants
	if c.has(document.KindGuard) {
		c.causes = document.Affected(before, after, slices.DeleteFunc(changed, isGuard))
	}
	if unnamed && len(c.removed) > 0 {
		c.unnamed = document.Affected(before, after, slices.DeleteFunc(slices.Clone(c.changes.Removed), isGuard))
	}
	c.changes.Digest = c.digest(d)
}

// addCreated adds the created documents: those to be written that are not stored.
func (c *comparison) addCreated() {
	if created := len(c.write) - len(c.changes.Changed); created > 0 {
		c.changes.Created = make([]document.ID, 0, created)
	}
	for _, r := range c.write {
		if _, stored := c.old[r.ID]; !stored {
			c.changes.Created = append(c.changes.Created, r.ID)
		}
	}
}

// empty reports whether everything is stored already.
func (c *comparison) empty() bool { return len(c.write) == 0 && len(c.removed) == 0 }

func isGuard(id document.ID) bool { return id.Kind == document.KindGuard }

// graphs returns the graphs of the documents as they are and as they will be, each with the
// tenants that tombstones remember: of all, or of those that may matter for the tenants that
// the change affects.
func (c *comparison) graphs(n *neighbours, d *draft) (before, after *document.Graph) {
	current := make([]*document.Node, 0, len(n.nodes)+len(c.old)+len(n.removed))
	for _, r := range c.old {
		current = append(current, r.Node)
	}
	if len(n.nodes) == 0 && len(n.removed) == 0 && d.set.Len() == len(c.write) { // nothing was stored
		return document.NewGraph(current), d.set.Graph()
	}
	future := make([]*document.Node, 0, len(n.nodes)+len(c.write)+len(n.removed))
	for _, r := range c.write {
		future = append(future, r.Node)
	}
	for i := range n.nodes {
		if _, changes := c.old[n.nodes[i].ID]; !changes && !c.writes(n.nodes[i].ID) {
			current, future = append(current, &n.nodes[i]), append(future, &n.nodes[i])
		}
	}
	for i := range n.removed { // a tenant that comes back has a document, which counts
		current, future = append(current, &n.removed[i]), append(future, &n.removed[i])
	}
	return document.NewGraph(current), document.NewGraph(future)
}

// writes reports whether the change creates or changes the document.
func (c *comparison) writes(id document.ID) bool {
	_, found := slices.BinarySearchFunc(c.write, id, func(r row, id document.ID) int { return r.ID.Compare(id) })
	return found
}

// digest names the change.
func (c *comparison) digest(d *draft) string {
	sum := sha256.New()
	for _, r := range c.write {
		if r.Source != "" {
			writePart(sum, r.ID.String(), string(r.Source))
		}
		for _, path := range slices.Sorted(maps.Keys(r.Fields)) {
			f := r.Fields[path]
			writePart(sum, r.ID.String(), path, string(f.Source), f.Since.UTC().Format(time.RFC3339Nano))
		}
	}
	for _, ids := range [][]document.ID{c.changes.Created, c.changes.Changed, c.changes.Removed} {
		c.writeBodies(sum, ids)
		writePart(sum)
	}
	for _, t := range d.draws.fresh { // sorted
		if numbers, ok := c.numbers[t]; ok {
			writePart(sum, t.String(), fmt.Sprint(numbers))
		}
	}
	writePart(sum)
	for _, t := range c.changes.Tenants {
		writePart(sum, t.String())
	}
	return hex.EncodeToString(sum.Sum(nil))[:digestLength]
}

// writeBodies writes documents as they were and as they will be. The IDs have the order of c.write.
func (c *comparison) writeBodies(sum hash.Hash, ids []document.ID) {
	written := c.write
	for _, id := range ids {
		for len(written) > 0 && written[0].ID.Compare(id) < 0 {
			written = written[1:]
		}
		var before, after []byte
		if old, stored := c.old[id]; stored {
			before = old.Body
		}
		if len(written) > 0 && written[0].ID == id {
			after = written[0].Body
		}
		writePart(sum, string(id.Kind), id.Name)
		writePart(sum, string(before), string(after))
	}
}

// digestLength is the length of a digest: 128 bits.
const digestLength = 32

// writePart writes texts so that no others give the same bytes.
func writePart(sum hash.Hash, texts ...string) {
	fmt.Fprintf(sum, "%d\n", len(texts))
	for _, text := range texts {
		fmt.Fprintf(sum, "%d\n%s\n", len(text), text)
	}
}

// servesOtherPlatforms reports whether Platforms will answer differently:
// mappings name roles.
func (c *comparison) servesOtherPlatforms() bool {
	return c.has(document.KindPlatform) || c.has(document.KindProjectRole)
}

// has reports whether the change creates, changes or removes a document of the kind.
func (c *comparison) has(kind document.Kind) bool {
	is := func(r row) bool { return r.ID.Kind == kind }
	return slices.ContainsFunc(c.write, is) || slices.ContainsFunc(c.removed, is)
}
