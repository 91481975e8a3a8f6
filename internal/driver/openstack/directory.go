package openstack

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"

	"github.com/rollcall-iam/rollcall/internal/calls"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// narrow is how many things are asked for one by one. From there on one list of
// the whole domain is taken.
const narrow = 20

// reference is an object that another one names.
type reference struct {
	ID string `json:"id"`
}

type user struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Enabled bool   `json:"enabled"`
}

type group struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	DomainID    string `json:"domain_id"`
	Description string `json:"description"`
}

type role struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	DomainID string `json:"domain_id"`
}

type project struct {
	ID string `json:"id"`
}

// named asks for users or groups of one name in the domain. Not every database
// behind Keystone compares to the letter, so callers do.
func named(domain, name string) url.Values {
	query := url.Values{"domain_id": {domain}}
	if name != "" {
		query.Set("name", name)
	}
	return query
}

// domain finds the domain that the settings name, once.
type domain struct {
	id, name string
	finding  calls.Shared[string]
	mu       sync.Mutex
}

// lookup returns the domain's id.
func (d *domain) lookup(ctx context.Context, a *api) (string, error) {
	d.mu.Lock()
	id := d.id
	d.mu.Unlock()
	if id != "" {
		return id, nil
	}
	return shared(ctx, &d.finding, func(ctx context.Context) (string, error) {
		found, err := list[group](ctx, a, "domains", "domains", url.Values{"name": {d.name}}, calls.Default())
		if err != nil {
			return "", err
		}
		for _, f := range found {
			if f.Name == d.name {
				d.mu.Lock()
				defer d.mu.Unlock()
				d.id = f.ID
				return f.ID, nil
			}
		}
		return "", fmt.Errorf("openstack: %w: there is no domain named %q: set domainName or domainId", fault.ErrInvalid, d.name)
	})
}

// roleNames knows the names of roles and their ids. It reads them all when one is
// unknown, and otherwise trusts what it read: ids are never used again.
type roleNames struct {
	finding calls.Shared[struct{}]
	mu      sync.Mutex
	byName  map[string]string // of global roles only: nothing else is given
	byID    map[string]string
}

// id returns the id of the global role of that name, or fault.ErrInvalid.
func (r *roleNames) id(ctx context.Context, a *api, name string) (string, error) {
	if id, ok := r.known(func() map[string]string { return r.byName }, name); ok {
		return id, nil
	}
	if err := r.read(ctx, a); err != nil {
		return "", err
	}
	if id, ok := r.known(func() map[string]string { return r.byName }, name); ok {
		return id, nil
	}
	return "", fmt.Errorf("openstack: %w: there is no role named %q: create it, or change the role mapping", fault.ErrInvalid, name)
}

// name returns the name of a role, also of a domain's.
func (r *roleNames) name(ctx context.Context, a *api, id string) (string, error) {
	if name, ok := r.known(func() map[string]string { return r.byID }, id); ok {
		return name, nil
	}
	if err := r.read(ctx, a); err != nil {
		return "", err
	}
	if name, ok := r.known(func() map[string]string { return r.byID }, id); ok {
		return name, nil
	}
	found, err := one[role](ctx, a, "roles/"+url.PathEscape(id), "role")
	if errors.Is(err, fault.ErrNotFound) {
		return id, nil // deleted meanwhile, and with it what it gave
	}
	if err != nil {
		return "", err
	}
	name := foreignName(found.Name, found.DomainID)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.byID[id] = name
	return name, nil
}

// known looks into one of the maps, which read replaces.
func (r *roleNames) known(which func() map[string]string, key string) (string, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	value, ok := which()[key]
	return value, ok
}

func (r *roleNames) read(ctx context.Context, a *api) error {
	_, err := shared(ctx, &r.finding, func(ctx context.Context) (struct{}, error) {
		all, err := list[role](ctx, a, "roles", "roles", nil, calls.Default())
		if err != nil {
			return struct{}{}, err
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.byName, r.byID = map[string]string{}, map[string]string{}
		for _, role := range all {
			r.byName[role.Name], r.byID[role.ID] = role.ID, role.Name
		}
		return struct{}{}, nil
	})
	return err
}
