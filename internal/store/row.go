package store

import (
	"fmt"
	"time"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
)

// row is one document with the names that it holds, by which it is found again, as a row of
// table documents.
type row struct {
	document.Document
	document.Links
	// ends is set for a row that is to be written: when a binding stops granting access.
	ends time.Time
}

// newRow reads the names out of a document.
func newRow(d document.Document) (row, error) {
	n, err := document.NewNode(d)
	if err != nil {
		return row{}, fmt.Errorf("store: %w", err)
	}
	return row{d, n.Links, n.Ends}, nil
}

// hasEnded reports whether the row is a binding that grants nothing any more.
func (r row) hasEnded(now time.Time) bool { return !r.ends.IsZero() && !now.Before(r.ends) }

// node returns the row without the document's body.
func (r row) node() document.Node { return document.Node{ID: r.ID, Links: r.Links} }

// tenant names the tenant that the row is a document of.
func (r row) tenant() access.TenantID { return r.node().Tenant() }

// graphOf returns which of the rows depend on which.
func graphOf(rows []row) *document.Graph {
	nodes := make([]document.Node, len(rows))
	for i, r := range rows {
		nodes[i] = r.node()
	}
	return document.NewGraph(nodes)
}
