package store

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-iam/rollcall/internal/document"
)

// PreservedField is a field of an applied document that has another value in the store,
// because it belongs to another source.
type PreservedField struct {
	ID     document.ID     `json:"id"`
	Field  string          `json:"field"`
	Source document.Source `json:"source"`
}

func (p PreservedField) compare(other PreservedField) int {
	return cmp.Or(p.ID.Compare(other.ID), cmp.Compare(p.Field, other.Field))
}

// FieldChange sets or releases fields of a stored document.
type FieldChange struct {
	ID document.ID
	// Set are the values by path, as spec.euid. What an attribute's absence means is the
	// caller's to decide: a field that is not among them does not change.
	Set map[string]json.RawMessage
	// Release are the fields that the source gives up. They keep their values until their
	// object's source changes them.
	Release []string
}

// SetFields sets fields of stored documents, which belong to Checks.Source from then on. A
// field that belongs to a source of a higher rank, or to another of the same rank, keeps its
// value and is among Changes.Preserved. It fails with ErrNotFound if a document is not stored,
// and with document.Problems for values that the documents may not have; nothing is stored
// then.
func (s *Store) SetFields(ctx context.Context, fields []FieldChange, checks Checks) (Changes, error) {
	return s.change(ctx, edit{fields: fields}, checks)
}

// addFields turns changes of fields into changes of the documents that have them.
func (c *comparison) addFields(ctx context.Context, tx pgx.Tx, e edit) error {
	if len(e.fields) == 0 {
		return nil
	}
	ids := make([]document.ID, len(e.fields))
	for i, f := range e.fields {
		ids[i] = f.ID
	}
	kinds, names := split(ids)
	rows, err := queryRows(ctx, tx, byID, kinds, names)
	if err != nil {
		return err
	}
	for _, r := range rows {
		c.old[r.ID] = r
	}
	after := make(map[document.ID]document.Document, len(rows))
	for _, r := range rows {
		after[r.ID] = *r.Document
	}
	for _, f := range e.fields { // several may be about one document
		d, stored := after[f.ID]
		if !stored {
			return fmt.Errorf("store: %s: %w", f.ID, ErrNotFound)
		}
		if after[f.ID], err = c.setFields(d, e.source, f); err != nil {
			return err
		}
	}
	for id, d := range after {
		if err := c.putFields(c.old[id], &d); err != nil {
			return err
		}
	}
	return nil
}

// setFields returns the document as a source leaves it.
func (c *comparison) setFields(d document.Document, source document.Source, f FieldChange) (document.Document, error) {
	values := map[string]json.RawMessage{}
	fields := maps.Clone(d.Fields)
	if fields == nil {
		fields = map[string]document.FieldSource{}
	}
	for _, path := range slices.Sorted(maps.Keys(f.Set)) {
		owner, attributed := fields[path]
		if !attributed {
			owner.Source = d.Source
		}
		before, _ := d.Field(path)
		same := bytes.Equal(before, f.Set[path])
		switch {
		case !source.Sets(owner.Source):
			if !same {
				c.changes.Preserved = append(c.changes.Preserved, PreservedField{ID: d.ID, Field: path, Source: owner.Source})
			}
		case source == d.Source:
			delete(fields, path)
			values[path] = f.Set[path]
		case same && attributed && owner.Source == source:
		default:
			fields[path] = document.FieldSource{Source: source, Since: c.now.UTC()}
			values[path] = f.Set[path]
		}
	}
	for _, path := range f.Release {
		if fields[path].Source == source {
			delete(fields, path)
		}
	}
	d.Fields = fields
	if len(fields) == 0 {
		d.Fields = nil
	}
	return d.WithFields(values)
}

// putFields notes a document whose fields a source changes.
func (c *comparison) putFields(old row, d *document.Document) error {
	if !bytes.Equal(old.Body, d.Body) {
		d.File = c.source.String() // problems of the input name it
		if err := d.Check(); err != nil {
			return err
		}
		c.requested[d.ID] = d
		r, err := newRow(d)
		if err != nil {
			return err
		}
		c.add(r, true)
		return nil
	}
	delete(c.old, d.ID)
	if !maps.Equal(old.Fields, d.Fields) {
		r := old
		r.Document = d
		c.attributed = append(c.attributed, r)
	}
	return nil
}

// preserve returns an applied document with the stored values of the fields that belong to
// other sources.
func (c *comparison) preserve(d *document.Document, old row) (*document.Document, error) {
	preserved := *d
	values := make(map[string]json.RawMessage, len(old.Fields))
	for _, path := range slices.Sorted(maps.Keys(old.Fields)) {
		stored, _ := old.Field(path)
		applied, _ := d.Field(path)
		if bytes.Equal(stored, applied) {
			continue
		}
		values[path] = stored
		c.changes.Preserved = append(c.changes.Preserved, PreservedField{ID: d.ID, Field: path, Source: old.Fields[path].Source})
	}
	if len(values) == 0 {
		return &preserved, nil
	}
	preserved, err := d.WithFields(values)
	return &preserved, err
}

// withRefused adds the documents that the change may not change to what is wrong with it.
func (c *comparison) withRefused(set *document.Set, err error) error {
	problems, ok := errors.AsType[document.Problems](err)
	if len(c.refused) == 0 || err != nil && !ok {
		return err
	}
	return set.Locate(append(problems, c.refused...))
}

// storeSources stores the sources of fields that keep their values.
func storeSources(ctx context.Context, tx pgx.Tx, attributed []row) error {
	if len(attributed) == 0 {
		return nil
	}
	kinds, names, fields := make([]string, len(attributed)), make([]string, len(attributed)), make([]fieldSources, len(attributed))
	for i, r := range attributed {
		kinds[i], names[i], fields[i] = string(r.ID.Kind), r.ID.Name, r.Fields
	}
	_, err := tx.Exec(ctx, `UPDATE documents d SET field_sources = g.fields
		FROM unnest($1::text[], $2::text[], $3::jsonb[]) AS g (kind, name, fields)
		WHERE d.kind = g.kind AND d.name = g.name`, kinds, names, fields)
	return prefixed(err)
}

// commitSources stores the sources of fields where nothing else changes: that is no revision.
func (c *comparison) commitSources(ctx context.Context, tx pgx.Tx, checks Checks) error {
	if checks.DryRun || len(c.attributed) == 0 {
		return nil
	}
	if err := storeSources(ctx, tx, c.attributed); err != nil {
		return err
	}
	return prefixed(tx.Commit(ctx))
}

// fieldSources are stored as JSON, none as NULL.
type fieldSources map[string]document.FieldSource
