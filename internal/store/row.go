package store

import (
	"fmt"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
)

// row is one document with the names that it holds, by which it is found again, as a row of
// table documents.
//
// A first apply writes all documents: a row refers to the caller's, and its node is that of the
// graphs.
type row struct {
	*document.Document
	named
}

// named keeps the fields of the node below those of the document, which has an ID, too. Ends
// is set for a row to be written only.
type named struct{ *document.Node }

// emptyRow returns a row to be filled.
func emptyRow() row {
	r := new(struct {
		document document.Document
		node     document.Node
	})
	return row{&r.document, named{&r.node}}
}

// newRow reads the names out of a document.
func newRow(d *document.Document) (row, error) {
	n, err := document.NewNode(*d)
	if err != nil {
		return row{}, fmt.Errorf("store: %w", err)
	}
	return row{d, named{&n}}, nil
}

// hasEnded reports whether the row is a binding that grants nothing any more.
func (r row) hasEnded(now time.Time) bool { return r.Ends != nil && !now.Before(*r.Ends) }

// node returns the row without the document's body.
func (r row) node() document.Node { return *r.Node }

// tenant names the tenant that the row is a document of.
func (r row) tenant() access.TenantID { return r.Tenant() }

// graphOf returns which of the rows depend on which.
func graphOf(rows []row) *document.Graph {
	nodes := make([]*document.Node, len(rows))
	for i, r := range rows {
		nodes[i] = r.Node
	}
	return document.NewGraph(nodes)
}
