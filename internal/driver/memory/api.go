package memory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rollcall-iam/rollcall/internal/budget"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/identity"
)

// client is the platform's API. Each page it reads and each write it makes is
// one call, that passes the budget and can fail by one of the world's faults.
type client struct {
	file   string
	page   int // entries of a list that one call answers
	budget *budget.Budget
}

// groupEntry is a group as the list of groups shows it.
type groupEntry struct {
	Group
	members []User
}

// bindingEntry is a binding as the list of bindings shows it.
type bindingEntry struct {
	Binding
	groupName string
}

// tenants lists those of the tenants that exist.
func (c *client) tenants(ctx context.Context, ids map[string]bool) ([]Tenant, error) {
	return list(ctx, c, "read:tenants", func(w World) []Tenant {
		return keep(w.Tenants, func(t Tenant) bool { return ids[t.ID] })
	}, func(t Tenant) string { return t.ID })
}

// users lists the users with those names, and others whose names have the same search key:
// many platforms compare names by a collation that ignores case.
func (c *client) users(ctx context.Context, names map[string]bool) ([]User, error) {
	return list(ctx, c, "read:users", func(w World) []User {
		return keep(w.Users, func(u User) bool {
			return slices.ContainsFunc(u.names(), func(name string) bool { return names[identity.SearchKey(name)] })
		})
	}, func(u User) string { return u.ID })
}

// groups lists the groups with those ids or those names.
func (c *client) groups(ctx context.Context, ids, names map[string]bool) ([]groupEntry, error) {
	return list(ctx, c, "read:groups", func(w World) []groupEntry {
		users := make(map[string]User, len(w.Users))
		for _, u := range w.Users {
			users[u.ID] = u
		}
		var entries []groupEntry
		for _, g := range w.Groups {
			if !ids[g.ID] && !names[g.Name] {
				continue
			}
			entry := groupEntry{Group: g}
			for _, id := range g.Members {
				entry.members = append(entry.members, users[id])
			}
			entries = append(entries, entry)
		}
		return entries
	}, func(g groupEntry) string { return g.ID })
}

// bindings lists all bindings on the tenants, with their groups' names.
func (c *client) bindings(ctx context.Context, tenants map[string]bool) ([]bindingEntry, error) {
	return list(ctx, c, "read:bindings", func(w World) []bindingEntry {
		names := make(map[string]string, len(w.Groups))
		for _, g := range w.Groups {
			names[g.ID] = g.Name
		}
		var entries []bindingEntry
		for _, b := range w.Bindings {
			if tenants[b.Tenant] {
				entries = append(entries, bindingEntry{Binding: b, groupName: names[b.Group]})
			}
		}
		return entries
	}, func(b bindingEntry) string { return b.ID })
}

// createGroup returns the new group's id, or fault.ErrConflict where the name
// is taken.
func (c *client) createGroup(ctx context.Context, name, description string) (id string, err error) {
	err = c.write(ctx, "write:groups.create", []string{name}, func(w *World) error {
		if slices.ContainsFunc(w.Groups, func(g Group) bool { return g.Name == name }) {
			return fmt.Errorf("memory: group %q: %w: the name is taken", name, fault.ErrConflict)
		}
		id = newID()
		w.Groups = append(w.Groups, Group{ID: id, Name: name, Description: description})
		return nil
	})
	return id, err
}

// changeGroup gives the group another name and description: fault.ErrNotFound
// where there is none, fault.ErrConflict where another group has the name.
func (c *client) changeGroup(ctx context.Context, id, name, description string) error {
	return c.write(ctx, "write:groups.change", []string{id, name}, func(w *World) error {
		at := slices.IndexFunc(w.Groups, func(g Group) bool { return g.ID == id })
		if at < 0 {
			return fmt.Errorf("memory: group %s: %w", id, fault.ErrNotFound)
		}
		if slices.ContainsFunc(w.Groups, func(g Group) bool { return g.Name == name && g.ID != id }) {
			return fmt.Errorf("memory: group %q: %w: the name is taken", name, fault.ErrConflict)
		}
		w.Groups[at].Name, w.Groups[at].Description = name, description
		return nil
	})
}

// deleteGroup takes the group and its roles away; fault.ErrNotFound where there
// is none.
func (c *client) deleteGroup(ctx context.Context, id string) error {
	return c.write(ctx, "write:groups.delete", []string{id}, func(w *World) error {
		before := len(w.Groups)
		w.Groups = slices.DeleteFunc(w.Groups, func(g Group) bool { return g.ID == id })
		if len(w.Groups) == before {
			return fmt.Errorf("memory: group %s: %w", id, fault.ErrNotFound)
		}
		w.Bindings = slices.DeleteFunc(w.Bindings, func(b Binding) bool { return b.Group == id })
		return nil
	})
}

// changeMembers adds users to a group and removes others, who need not be in it.
func (c *client) changeMembers(ctx context.Context, id string, add, remove []string) error {
	return c.write(ctx, "write:groups.members", slices.Concat([]string{id}, add, remove), func(w *World) error {
		at := slices.IndexFunc(w.Groups, func(g Group) bool { return g.ID == id })
		if at < 0 {
			return fmt.Errorf("memory: group %s: %w", id, fault.ErrNotFound)
		}
		for _, user := range add {
			if !slices.ContainsFunc(w.Users, func(u User) bool { return u.ID == user }) {
				return fmt.Errorf("memory: group %s: user %s: %w", id, user, fault.ErrNotFound)
			}
		}
		members := slices.DeleteFunc(w.Groups[at].Members, func(m string) bool { return slices.Contains(remove, m) })
		members = append(members, add...)
		w.Groups[at].Members = members
		return nil
	})
}

// createBinding gives a role and returns the binding's id, the old one where
// the group has the role already.
func (c *client) createBinding(ctx context.Context, want Binding) (id string, err error) {
	err = c.write(ctx, "write:bindings.create", want.names(), func(w *World) error {
		if i := slices.IndexFunc(w.Bindings, want.same); i >= 0 {
			id = w.Bindings[i].ID
			return nil
		}
		if !slices.ContainsFunc(w.Tenants, func(t Tenant) bool { return t.ID == want.Tenant }) {
			return fmt.Errorf("memory: tenant %s: %w", want.Tenant, fault.ErrNotFound)
		}
		if !slices.ContainsFunc(w.Groups, func(g Group) bool { return g.ID == want.Group }) {
			return fmt.Errorf("memory: group %s: %w", want.Group, fault.ErrNotFound)
		}
		id = newID()
		want.ID = id
		w.Bindings = append(w.Bindings, want)
		return nil
	})
	return id, err
}

// changeCondition sets the condition of a role that a group has.
func (c *client) changeCondition(ctx context.Context, want Binding) (id string, err error) {
	err = c.write(ctx, "write:bindings.condition", want.names(), func(w *World) error {
		i := slices.IndexFunc(w.Bindings, want.same)
		if i < 0 {
			return fmt.Errorf("memory: role %q: %w: the group does not have it", want.Role, fault.ErrNotFound)
		}
		w.Bindings[i].Condition, id = want.Condition, w.Bindings[i].ID
		return nil
	})
	return id, err
}

// createUser returns the id of the new user, or of the one who has the name.
func (c *client) createUser(ctx context.Context, name string) (id string, err error) {
	err = c.write(ctx, "write:users.create", []string{name}, func(w *World) error {
		if i := slices.IndexFunc(w.Users, func(u User) bool { return u.Name == name }); i >= 0 {
			id = w.Users[i].ID
			return nil
		}
		id = newUserID()
		w.Users = append(w.Users, User{ID: id, Name: name})
		return nil
	})
	return id, err
}

// deleteBinding takes a role from a group, which need not have it.
func (c *client) deleteBinding(ctx context.Context, gone Binding) error {
	return c.write(ctx, "write:bindings.delete", gone.names(), func(w *World) error {
		w.Bindings = slices.DeleteFunc(w.Bindings, gone.same)
		return nil
	})
}

// list reads all pages of a list. A page continues behind the last id of the
// one before, so that what is there throughout is never missed.
func list[T any](ctx context.Context, c *client, op string, all func(World) []T, id func(T) string) ([]T, error) {
	var got []T
	for after := ""; ; {
		var page []T
		more := false
		err := c.read(ctx, op, func(w World) {
			page = all(w)
			first, _ := slices.BinarySearchFunc(page, after, func(t T, after string) int {
				if id(t) <= after {
					return -1
				}
				return 1
			})
			page = page[first:]
			more = len(page) > c.page
			page = page[:min(len(page), c.page)]
		})
		if err != nil {
			return nil, err
		}
		got = append(got, page...)
		if !more {
			return got, nil
		}
		after = id(page[len(page)-1])
	}
}

// keep returns those of all that want says yes to.
func keep[T any](all []T, want func(T) bool) []T {
	var kept []T
	for _, t := range all {
		if want(t) {
			kept = append(kept, t)
		}
	}
	return kept
}

// read is one call that looks at the world.
func (c *client) read(ctx context.Context, op string, look func(World)) error {
	done, err := c.budget.Pass(ctx)
	if err != nil {
		return err
	}
	defer done()
	w, err := Read(c.file)
	if err == nil && len(w.Faults) > 0 {
		w, err = c.struck(ctx, op)
	}
	if err := cmp.Or(ctx.Err(), err); err != nil {
		return err
	}
	look(w)
	return nil
}

// struck reads the world once the faults in it have had their way.
func (c *client) struck(ctx context.Context, op string) (World, error) {
	var hit *Fault
	err := update(ctx, c.file, false, func(w *World) error {
		hit = w.strike(op, nil)
		return nil
	})
	if err := cmp.Or(err, hit.wait(ctx, op), hit.err(op)); err != nil {
		return World{}, err
	}
	return Read(c.file)
}

// names returns the ids that a write of the binding mentions.
func (b Binding) names() []string { return []string{b.Tenant, b.Group, b.Role} }

// write is one call that changes the world. names are the ids and names that it mentions.
func (c *client) write(ctx context.Context, op string, names []string, change func(*World) error) error {
	done, err := c.budget.Pass(ctx)
	if err != nil {
		return err
	}
	defer done()
	var hit *Fault
	err = update(ctx, c.file, false, func(w *World) error {
		if hit = w.strike(op, names); hit != nil {
			return nil // on record before it takes effect
		}
		w.Revision++
		return change(w)
	})
	if err != nil || hit == nil {
		return err
	}
	if err := hit.wait(ctx, op); err != nil {
		return err
	}
	failure := hit.err(op)
	if failure != nil && !hit.Lost {
		return failure
	}
	err = update(ctx, c.file, false, func(w *World) error {
		w.Revision++
		return change(w)
	})
	return cmp.Or(failure, err)
}

// gone reports whether err only says that there is nothing left to remove.
func gone(err error) bool { return errors.Is(err, fault.ErrNotFound) }
