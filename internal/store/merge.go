package store

import (
	"bytes"
	"fmt"
	"slices"

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
}

// Empty reports whether everything is stored already.
func (c Changes) Empty() bool {
	return len(c.Created) == 0 && len(c.Changed) == 0 && len(c.Removed) == 0
}

// edit is what a caller wants changed.
type edit struct {
	upsert []document.Document
	prune  bool // remove what upsert lacks
	remove []document.ID
}

// world is what is stored, read under the lock.
type world struct {
	generation int64
	rows       []row
	drawn      map[access.TenantID]document.Drawn
	last       map[string]int                    // platform -> number drawn last
	tombs      map[access.TenantID]document.Node // removed tenants
}

// merged is the difference an edit makes. It is worked out without a database.
type merged struct {
	before map[document.ID]*row // stored
	// next are all documents that would be stored, given ones as they were
	// given: with the file and line that an error names.
	next    []document.Document
	write   []row // created and changed
	gone    []row // removed
	given   map[access.TenantID]document.Drawn
	changes Changes
	// causes are the tenants whose access the edit may change: what is taken from
	// people there counts for this generation.
	causes []access.TenantID
	// unnamed are those on which it removes what no caller named: absent documents.
	unnamed []access.TenantID
}

// merge works out what the edit changes. A document given twice stays twice in
// next, where validation finds it.
func merge(w world, e edit) (merged, error) {
	m := merged{
		before:  make(map[document.ID]*row, len(w.rows)),
		next:    make([]document.Document, 0, len(w.rows)+len(e.upsert)),
		given:   map[access.TenantID]document.Drawn{},
		changes: Changes{Generation: w.generation},
	}
	for i, r := range w.rows {
		m.before[r.ID] = &w.rows[i]
	}
	given := make(map[document.ID]bool, len(e.upsert))
	for _, d := range e.upsert {
		twice := given[d.ID]
		given[d.ID] = true
		m.next = append(m.next, d)
		if twice {
			continue
		}
		if err := m.put(d); err != nil {
			return m, err
		}
	}
	if err := m.keep(w.rows, given, e); err != nil {
		return m, err
	}
	for _, ids := range [][]document.ID{m.changes.Created, m.changes.Changed, m.changes.Removed} {
		slices.SortFunc(ids, document.ID.Compare)
	}
	if !m.changes.Empty() {
		m.changes.Generation++
		m.addAffected(w, e.prune)
	}
	return m, nil
}

// put notes one given document as created, changed or unchanged.
func (m *merged) put(d document.Document) error {
	old, stored := m.before[d.ID]
	same := stored && bytes.Equal(old.Body, d.Body)
	if same && d.Drawn == nil {
		m.changes.Unchanged++
		return nil
	}
	r, err := newRow(d)
	if err != nil {
		return err
	}
	if d.Drawn != nil {
		m.given[r.tenant()] = *d.Drawn
	}
	switch {
	case same:
		m.changes.Unchanged++
		return nil
	case stored:
		m.changes.Changed = append(m.changes.Changed, d.ID)
	default:
		m.changes.Created = append(m.changes.Created, d.ID)
	}
	m.write = append(m.write, r)
	return nil
}

// keep decides what becomes of the stored documents that were not given.
func (m *merged) keep(rows []row, given map[document.ID]bool, e edit) error {
	remove := make(map[document.ID]bool, len(e.remove))
	for _, id := range e.remove {
		if _, ok := m.before[id]; !ok {
			return fmt.Errorf("store: %s %s: %w", id.Kind, id.Name, ErrNotFound)
		}
		remove[id] = true
	}
	for _, r := range rows {
		switch {
		case given[r.ID]:
		case e.prune || remove[r.ID]:
			m.gone = append(m.gone, r)
			m.changes.Removed = append(m.changes.Removed, r.ID)
		default:
			m.next = append(m.next, r.Document)
		}
	}
	return nil
}

// servesOtherPlatforms reports whether Platforms will answer differently:
// mappings name roles.
func (m *merged) servesOtherPlatforms() bool {
	is := func(r row) bool { return r.ID.Kind == document.KindPlatform || r.ID.Kind == document.KindProjectRole }
	return slices.ContainsFunc(m.write, is) || slices.ContainsFunc(m.gone, is)
}
