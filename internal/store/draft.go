package store

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
)

// draft is what a change would store, with as much of the rest as it has to fit.
type draft struct {
	set *document.Set
	// validated are the documents whose problems count.
	validated func(document.ID) bool
	draws     draws
	// named are the tenants whose group names may change.
	named []access.TenantID
	// free are these and the removed tenants: their stored names count no more.
	free     []string
	revision int64
	now      time.Time
	// others finds group names in the database.
	others func([]document.GroupName) ([]document.GroupName, error)
}

// newDraft puts the documents of a change and its neighbours together, and allocates the
// numbers that new tenants need for their names.
func newDraft(ctx context.Context, tx pgx.Tx, c *comparison, n *neighbours) (*draft, error) {
	entries := make([]document.Entry, 0, len(c.write)+len(n.documents)+2*len(c.repeated))
	for _, r := range c.write {
		entries = append(entries, document.Entry{Document: r.Document, Known: r.Node})
	}
	for _, r := range n.documents {
		entries = append(entries, document.Entry{Document: r.Document})
	}
	for _, d := range c.repeated {
		if _, stored := n.documents[d.ID]; !stored && !c.writes(d.ID) {
			entries = append(entries, document.Entry{Document: c.requested[d.ID]})
		}
		entries = append(entries, document.Entry{Document: d})
	}
	c.requested = nil
	set, err := document.NewDraftSet(entries)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(n.named, access.TenantID.Compare)
	tenants := slices.Clone(n.named)
	for t := range c.numbers {
		tenants = append(tenants, t)
	}
	slices.SortFunc(tenants, access.TenantID.Compare)
	free := texts(n.named)
	for _, r := range c.removed {
		if r.ID.Kind == document.KindTenant {
			free = append(free, r.ID.Name)
		}
	}
	d := &draft{
		set: set, free: free, named: n.named, revision: c.changes.Generation, now: c.now,
		validated: func(id document.ID) bool {
			_, known := n.documents[id]
			return !known || n.validated[id]
		},
		others: func(names []document.GroupName) ([]document.GroupName, error) {
			return otherNames(ctx, tx, names, free)
		},
	}
	if err := c.withRefused(set, set.ValidateChanged(c.now, d.validated)); err != nil {
		return nil, err
	}
	d.draws, err = draw(n.numbers, n.last, slices.Compact(tenants), c.numbers, c.allocated)
	return d, err
}

// validate returns the names of the groups of the named tenants.
func (d *draft) validate(checks Checks) ([]document.GroupName, error) {
	if checks.Validate == nil || len(d.named) == 0 {
		return nil, nil
	}
	return checks.Validate(Draft{
		Set: d.set,
		Inputs: func(do func(document.TenantInput) bool) {
			for _, id := range d.named {
				input, ok := d.set.NamesInput(id, d.draws.all[id], d.now)
				input.Generation = d.revision
				if ok && !do(input) {
					return
				}
			}
		},
		Others: d.others,
	})
}

// otherNames returns the stored names that have the keys of some, without those of the free
// tenants.
func otherNames(
	ctx context.Context, tx pgx.Tx, names []document.GroupName, free []string,
) ([]document.GroupName, error) {
	platforms, keys := make([]string, len(names)), make([]string, len(names))
	for i, n := range names {
		platforms[i], keys[i] = n.Tenant.Platform, n.Key
	}
	var others []document.GroupName
	var other document.GroupName
	var tenant string
	err := each(ctx, tx, `SELECT tenant, role, name, key FROM group_names
		WHERE (platform, key) IN (SELECT p, k FROM unnest($1::text[], $2::text[]) AS g (p, k))
			AND tenant <> ALL($3) ORDER BY platform, key`,
		[]any{platforms, keys, notNil(free)}, []any{&tenant, &other.Role, &other.Name, &other.Key}, func() error {
			var err error
			other.Tenant, err = access.ParseTenantID(tenant)
			others = append(others, other)
			return err
		})
	return others, err
}
