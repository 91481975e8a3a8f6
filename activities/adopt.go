package activities

import (
	"context"
	"fmt"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// adopted are the groups that the plan may take over: those that somebody told us
// to, and for a dry run those on the platform of the names that are asked about.
// Of two groups with one name nobody can say which is meant.
func (v *view) adopted() []plan.Owned {
	var all []plan.Owned
	for _, a := range v.adoptions {
		all = append(all, plan.Owned{Key: access.Group{Name: a.Group}.Key(), Ref: a.Ref})
	}
	for _, name := range v.adopt {
		if seen := v.groupsNamed(name); len(seen) == 1 {
			all = append(all, plan.Owned{Key: seen[0].Key(), Ref: seen[0].Ref})
		}
	}
	return all
}

func (v *view) groupsNamed(name string) []access.Group {
	return slices.DeleteFunc(slices.Clone(v.seen.State.Groups), func(g access.Group) bool { return g.Name != name })
}

// endAdoptions ends those that are done, and those that nothing can come of any
// more. It is for a tenant that has no steps left.
func (p *Platform) endAdoptions(ctx context.Context, v *view) error {
	for _, a := range v.adoptions {
		end, over := v.adoptionEnd(a, p.installation)
		if !over {
			continue
		}
		if err := p.store.EndAdoption(ctx, a, end); err != nil {
			return fmt.Errorf("activities: end the adoption of a group on %s: %w", a.Tenant, err)
		}
	}
	return nil
}

// adoptionEnd says how an adoption has ended, if it has: one of a group that
// somebody else's mark is on stays open, until the mark is gone.
func (v *view) adoptionEnd(a store.Adoption, installation string) (store.AdoptionEnd, bool) {
	if v.absent() {
		return "", false
	}
	desired := slices.ContainsFunc(v.settled.State.Groups, func(g access.Group) bool { return g.Name == a.Group })
	if !desired {
		return store.Unwanted, true
	}
	seen := v.groupsNamed(a.Group)
	at := slices.IndexFunc(seen, func(g access.Group) bool { return g.Ref == a.Ref })
	if at < 0 {
		return store.Gone, true
	}
	mark := access.Mark{Installation: installation, Tenant: a.Tenant.String()}
	owned := slices.ContainsFunc(v.owned, func(o plan.Owned) bool { return o.Key == seen[at].Key() && o.Ref == a.Ref })
	return store.Adopted, owned && seen[at].Mark.Agrees(mark)
}
