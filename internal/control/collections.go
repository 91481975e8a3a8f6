package control

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// Collection groups the objects that a caller imports.
type Collection struct {
	Name        string `json:"name"`
	Owner       string `json:"owner"`
	Description string `json:"description"`
}

// Collections keep which objects an import put where, so that the next one finds those that it
// omits. They change no documents: a removal is a Delete with the caller's rights. Only the caller
// who created a collection, and an administrator, uses it; for others it is Forbidden.
type Collections interface {
	// Create stores an empty collection. A name that is taken is Conflict.
	Create(ctx context.Context, c Collection) error
	// Objects returns the stored objects of a collection. An empty owner is any. A collection that
	// is not stored is NotFound.
	Objects(ctx context.Context, name, owner string) ([]document.ID, error)
	// Add puts objects into a collection, out of any other.
	Add(ctx context.Context, name, owner string, ids []document.ID) error
	// Remove removes an empty collection. Objects in it are Conflict.
	Remove(ctx context.Context, name, owner string) error
}

// kindCollection is what errors call a collection.
const kindCollection = "meshObjectCollection"

// Collections returns the collections of the caller.
func (r *restricted) Collections() Collections { return collections{r} }

// collections are those of one caller.
type collections struct{ *restricted }

// open returns the store, if the caller may use the collection.
func (c collections) open(ctx context.Context, name, owner string) (*store.Store, error) {
	if err := c.allow("Apply"); err != nil {
		return nil, err
	}
	s, err := c.local.Store(ctx)
	if err != nil {
		return nil, err
	}
	found, err := s.Collection(ctx, name)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, notFound(kindCollection, name)
	case err != nil:
		return nil, err
	case found.Actor != c.caller.ID() && !slices.Contains(c.rights.Roles(), document.RoleAdmin),
		owner != "" && owner != found.Owner:
		return nil, &Error{
			Code: Forbidden, Kind: kindCollection, Name: name,
			Message: fmt.Sprintf("the %s %q is of another owner: import into one that this caller created", kindCollection, name),
		}
	}
	return s, nil
}

// Create is that of Collections.
func (c collections) Create(ctx context.Context, collection Collection) error {
	if err := c.allow("Apply"); err != nil {
		return err
	}
	s, err := c.local.Store(ctx)
	if err != nil {
		return err
	}
	err = s.CreateCollection(ctx, store.Collection{
		Name: collection.Name, Owner: collection.Owner, Description: collection.Description, Actor: c.caller.ID(),
	})
	if errors.Is(err, store.ErrCollection) {
		return &Error{
			Code: Conflict, Kind: kindCollection, Name: collection.Name,
			Message: fmt.Sprintf("there is a %s %q already: choose another name", kindCollection, collection.Name),
		}
	}
	return err
}

// Objects is that of Collections.
func (c collections) Objects(ctx context.Context, name, owner string) ([]document.ID, error) {
	s, err := c.open(ctx, name, owner)
	if err != nil {
		return nil, err
	}
	return s.CollectionObjects(ctx, name)
}

// Add is that of Collections.
func (c collections) Add(ctx context.Context, name, owner string, ids []document.ID) error {
	s, err := c.open(ctx, name, owner)
	if err != nil {
		return err
	}
	return s.AddToCollection(ctx, name, ids)
}

// Remove is that of Collections.
func (c collections) Remove(ctx context.Context, name, owner string) error {
	s, err := c.open(ctx, name, owner)
	if err != nil {
		return err
	}
	err = s.DeleteCollection(ctx, name)
	if errors.Is(err, store.ErrCollection) {
		return &Error{
			Code: Conflict, Kind: kindCollection, Name: name,
			Message: fmt.Sprintf("the %s %q has objects: import an empty list into it first", kindCollection, name),
		}
	}
	return err
}
