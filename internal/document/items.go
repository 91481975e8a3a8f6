package document

import (
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"
)

// Item is one object of a stream, with what is wrong with it alone.
type Item struct {
	// Name is the kind and the name of the object, as far as it has them.
	Name string
	// Documents are those that the object stands for: one, or several for a workspace binding of
	// v1. It has none if there are problems.
	Documents []Document
	Problems  Problems
}

// DecodeItems is Decode for callers that store each object which is valid: what is wrong with one
// leaves the others as they are. A stream that cannot be split into objects is the error.
func DecodeItems(r io.Reader, file string) ([]Item, Dropped, error) {
	c, err := schemas()
	if err != nil {
		return nil, nil, err
	}
	data, err := readAll(r)
	if err != nil {
		return nil, nil, fmt.Errorf("document: read %s: %w", file, err)
	}
	d := &decoder{catalog: c, file: file, dropped: Dropped{}}
	d.read = func(d *decoder, n *yaml.Node) {
		one := &decoder{catalog: c, file: file, dropped: d.dropped}
		one.document(n)
		item := Item{Documents: one.docs, Problems: one.problems}
		switch {
		case len(one.problems) > 0:
			item.Name, item.Documents = one.problems[0].Object, nil
		case len(one.docs) > 0:
			item.Name = one.docs[0].ID.String()
		}
		d.items = append(d.items, item)
	}
	d.stream(data)
	return d.items, d.dropped, d.problems.err()
}
