package authz

import (
	"encoding/json"
	"fmt"

	"github.com/rollcall-iam/rollcall/internal/document"
)

// policyReaders are the roles that read policies: who may do what is no matter of workspaces.
func policyReaders() []document.PolicyRole {
	return []document.PolicyRole{document.RoleSecurity, document.RoleAdmin}
}

// Visible returns the documents that the caller may read, in the order given. Readers of all
// workspaces read all; policies only with the role security or admin. Readers of some read the
// documents of these workspaces and what those refer to: of users the name alone, all project
// roles, and the platforms and landing zones of the tenants. Give all documents, or those of
// the caller's workspaces with all that they refer to.
//
// A document that is not visible does not exist for the caller: a request for it is answered
// as one for a name that is not stored.
func (r Rights) Visible(docs []document.Document) ([]document.Document, error) {
	get, _ := r.rule("Get")
	w := r.in(get.Roles)
	sees := func(d document.Document) bool { return d.ID.Kind != document.KindAccessPolicy }
	switch {
	case len(r.by(policyReaders())) > 0:
		return docs, nil
	case !w.All():
		seen, err := w.references(docs)
		if err != nil {
			return nil, err
		}
		sees = func(d document.Document) bool {
			return seen[d.ID] || d.ID.Kind == document.KindProjectRole && len(w.names) > 0
		}
	}
	var visible []document.Document
	for _, d := range docs {
		if !sees(d) {
			continue
		}
		if d.ID.Kind == document.KindUser && !w.All() {
			var err error
			if d, err = nameOnly(d); err != nil {
				return nil, err
			}
		}
		visible = append(visible, d)
	}
	return visible, nil
}

// references returns the documents of the workspaces, with those that they refer to, directly or
// by others, except documents of other workspaces.
func (w Workspaces) references(docs []document.Document) (map[document.ID]bool, error) {
	nodes := make(map[document.ID]document.Node, len(docs))
	var open []document.ID
	for _, d := range docs {
		n, err := document.NewNode(d)
		if err != nil {
			return nil, fmt.Errorf("authz: find visible documents: %w", err)
		}
		nodes[d.ID] = n
		if w.Has(n.Workspace) {
			open = append(open, d.ID)
		}
	}
	seen := make(map[document.ID]bool, len(open))
	for len(open) > 0 {
		last := len(open) - 1
		id := open[last]
		open = open[:last]
		n, stored := nodes[id]
		if !stored || seen[id] || n.Workspace != "" && !w.Has(n.Workspace) {
			continue
		}
		seen[id] = true
		open = append(open, n.References()...)
	}
	return seen, nil
}

// nameOnly returns a user without the attributes that a reader of the name needs not know, and
// without their sources.
func nameOnly(d document.Document) (document.Document, error) {
	short, err := d.WithFields(map[string]json.RawMessage{"spec": nil})
	return document.Document{ID: d.ID, APIVersion: d.APIVersion, Body: short.Body}, err
}
