package azure

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/rollcall-iam/rollcall/internal/calls"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// roleNames knows the names of roles and their ids. It reads them all when an id
// is unknown, and otherwise trusts what it read: ids are never used again. Names
// are unique in an Entra tenant, and Azure ignores their case.
type roleNames struct {
	finding calls.Shared[struct{}]
	mu      sync.Mutex
	byName  map[string]string // ids by name in lower case
	byID    map[string]string // names as Azure shows them
	// written is how documents write a role where that is not its name.
	written map[string]string
}

func newRoleNames(mappings []mapping) *roleNames {
	r := &roleNames{byName: map[string]string{}, byID: map[string]string{}, written: map[string]string{}}
	for _, m := range mappings {
		for _, role := range m.Roles {
			if isGUID(role) {
				r.written[strings.ToLower(role)] = role
			}
		}
	}
	return r
}

// id returns the id of a role that is written as its name or its id. No such
// role is fault.ErrInvalid.
func (r *roleNames) id(ctx context.Context, api *resources, scope, written string) (string, error) {
	if isGUID(written) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.written[strings.ToLower(written)] = written
		return strings.ToLower(written), nil
	}
	if id, known := r.look(r.byName, strings.ToLower(written)); known {
		return id, nil
	}
	found, err := api.roles(ctx, scope, written)
	if err != nil {
		return "", err
	}
	r.put(found)
	if id, known := r.look(r.byName, strings.ToLower(written)); known {
		return id, nil
	}
	return "", unknownRole(written)
}

// name returns how the role of that id is written: as the binding itself says, as
// documents do, or as Azure does. One that nobody knows is its id.
func (r *roleNames) name(ctx context.Context, api *resources, scope, id string) (string, error) {
	if name, known := r.look(r.written, id); known {
		return name, nil
	}
	if name, known := r.look(r.byID, id); known {
		return name, nil
	}
	_, err := shared(ctx, &r.finding, scope, func(ctx context.Context) (struct{}, error) {
		all, err := api.roles(ctx, scope, "")
		r.put(all)
		return struct{}{}, err
	})
	if err != nil {
		return "", err
	}
	if name, known := r.look(r.byID, id); known {
		return name, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.byID[id] = id
	return id, nil
}

// azureName returns Azure's own name of the role of that id, and the id where Azure does
// not know it.
func (r *roleNames) azureName(ctx context.Context, api *resources, scope, id string) (string, error) {
	if name, known := r.look(r.byID, id); known && name != id { // its id stands for a name that was not found
		return name, nil
	}
	all, err := api.roles(ctx, scope, "")
	if err != nil {
		return "", err
	}
	r.put(all)
	if name, known := r.look(r.byID, id); known {
		return name, nil
	}
	return id, nil
}

func (r *roleNames) look(in map[string]string, key string) (string, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	value, known := in[key]
	return value, known
}

func (r *roleNames) put(roles []role) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, role := range roles {
		r.byName[strings.ToLower(role.name)], r.byID[role.id] = role.id, role.name
	}
}

func unknownRole(written string) error {
	return fmt.Errorf("azure: %w: there is no role %q: create it, or change the role mapping", fault.ErrInvalid, written)
}
