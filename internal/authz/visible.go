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
	get, _ := ruleOf("Get")
	w := r.in(get.Roles)
	policies := len(r.by(policyReaders())) > 0
	if w.All() {
		var visible []document.Document
		for _, d := range docs {
			if d.ID.Kind != document.KindAccessPolicy || policies {
				visible = append(visible, d)
			}
		}
		return visible, nil
	}
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
		id := open[len(open)-1]
		open = open[:len(open)-1]
		n, stored := nodes[id]
		if !stored || seen[id] || n.Workspace != "" && !w.Has(n.Workspace) {
			continue
		}
		seen[id] = true
		open = append(open, n.References()...)
	}
	var visible []document.Document
	for _, d := range docs {
		switch {
		case d.ID.Kind == document.KindProjectRole && len(w.names) > 0:
		case !seen[d.ID]:
			continue
		case d.ID.Kind == document.KindUser:
			name, err := nameOnly(d)
			if err != nil {
				return nil, err
			}
			d = name
		}
		visible = append(visible, d)
	}
	return visible, nil
}

// nameOnly returns a document without all that a reader of its name needs not know.
func nameOnly(d document.Document) (document.Document, error) {
	body, err := json.Marshal(map[string]any{
		"apiVersion": d.APIVersion, "kind": d.ID.Kind, "metadata": map[string]string{"name": d.ID.Name},
	})
	if err != nil {
		return document.Document{}, fmt.Errorf("authz: shorten %s: %w", d.ID, err)
	}
	return document.Document{ID: d.ID, APIVersion: d.APIVersion, Body: body}, nil
}
