package memory

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-iam/rollcall/internal/fault"
	"golang.org/x/sys/unix"
)

// World is everything on one platform, as its file holds it.
type World struct {
	// Revision counts the write calls the platform has answered.
	Revision int64     `json:"revision"`
	Tenants  []Tenant  `json:"tenants"`
	Users    []User    `json:"users"`
	Groups   []Group   `json:"groups"`
	Bindings []Binding `json:"bindings"`
	// Faults are what fails, and how. The platform works when there are none.
	Faults []Fault `json:"faults,omitempty"`
}

// Tenant is what roles are given on.
type Tenant struct {
	ID string `json:"id"`
}

// User is an account. Names need not be unique.
type User struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// Aliases are other names by which a lookup finds the user.
	Aliases  []string `json:"aliases,omitempty"`
	Disabled bool     `json:"disabled,omitempty"`
}

// names are all by which a lookup finds the user.
func (u User) names() []string { return append([]string{u.Name}, u.Aliases...) }

// Group is a set of users. Names are unique.
type Group struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	// Members are ids of users, sorted.
	Members []string `json:"members,omitempty"`
}

// Binding gives a role on a tenant to a group.
type Binding struct {
	ID     string `json:"id"`
	Tenant string `json:"tenant"`
	Role   string `json:"role"`
	Group  string `json:"group"` // a group's id
	// Condition limits when the role counts. The platform does not read it.
	Condition string `json:"condition,omitempty"`
}

// Read returns the world in the file.
func Read(file string) (World, error) {
	body, err := os.ReadFile(file)
	if err != nil {
		return World{}, fmt.Errorf("memory: %w: cannot read the world: %w", fault.ErrUnavailable, err)
	}
	var w World
	if err := json.Unmarshal(body, &w); err != nil {
		return World{}, fmt.Errorf("memory: %w: %s does not hold a world: %w", fault.ErrUnavailable, file, err)
	}
	return w, nil
}

// Seed adds what is missing to the world in the file, which it creates where
// there is none: tenants by id, groups by name, users and bindings by id or,
// where they have none, by what they say. Doing it again changes nothing.
// Faults replace the world's.
func Seed(file string, add World) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fmt.Errorf("memory: cannot create the world's directory: %w", err)
	}
	return update(context.Background(), file, true, func(w *World) error {
		w.add(add)
		return nil
	})
}

// Edit changes the world in the file by hand, as its owner would behind the
// driver's back. Where change fails, or leaves a world that contradicts itself,
// the file stays as it was.
func Edit(file string, change func(*World) error) error {
	return update(context.Background(), file, false, change)
}

// add puts into w what is missing there.
func (w *World) add(add World) {
	for _, t := range add.Tenants {
		if !slices.Contains(w.Tenants, t) {
			w.Tenants = append(w.Tenants, t)
		}
	}
	for _, u := range add.Users {
		w.addUser(u)
	}
	for _, g := range add.Groups {
		if !slices.ContainsFunc(w.Groups, func(h Group) bool { return h.Name == g.Name }) {
			g.ID = cmp.Or(g.ID, newID())
			w.Groups = append(w.Groups, g)
		}
	}
	for _, b := range add.Bindings {
		if !slices.ContainsFunc(w.Bindings, b.same) {
			b.ID = cmp.Or(b.ID, newID())
			w.Bindings = append(w.Bindings, b)
		}
	}
	w.Faults = add.Faults
}

// addUser adds u, or sets whether the user who is there is disabled.
func (w *World) addUser(u User) {
	for i, v := range w.Users {
		if u.ID == v.ID || u.ID == "" && u.Name == v.Name {
			w.Users[i].Disabled = u.Disabled
			return
		}
	}
	u.ID = cmp.Or(u.ID, newUserID())
	w.Users = append(w.Users, u)
}

// RemoveUser takes a user away, and out of every group.
func (w *World) RemoveUser(id string) {
	w.Users = slices.DeleteFunc(w.Users, func(u User) bool { return u.ID == id })
	for i, g := range w.Groups {
		w.Groups[i].Members = slices.DeleteFunc(g.Members, func(m string) bool { return m == id })
	}
}

// same reports whether both give the same role to the same group.
func (b Binding) same(c Binding) bool {
	return b.Tenant == c.Tenant && b.Role == c.Role && b.Group == c.Group
}

// sort puts the world into the order that lists are paged in, and drops
// repeated members.
func (w *World) sort() {
	slices.SortFunc(w.Tenants, func(a, b Tenant) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(w.Users, func(a, b User) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(w.Groups, func(a, b Group) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(w.Bindings, func(a, b Binding) int { return cmp.Compare(a.ID, b.ID) })
	for i, g := range w.Groups {
		slices.Sort(g.Members)
		w.Groups[i].Members = slices.Compact(g.Members)
	}
}

// check refuses a world that contradicts itself.
func (w *World) check() error {
	kinds, err := w.kinds()
	if err != nil {
		return err
	}
	names := map[string]bool{}
	for _, g := range w.Groups {
		if names[g.Name] {
			return fmt.Errorf("memory: %w: two groups are named %q", fault.ErrInvalid, g.Name)
		}
		names[g.Name] = true
		if i := slices.IndexFunc(g.Members, func(id string) bool { return kinds[id] != "user" }); i >= 0 {
			return fmt.Errorf("memory: %w: the member %q of group %q is no user", fault.ErrInvalid, g.Members[i], g.Name)
		}
	}
	for _, b := range w.Bindings {
		if kinds[b.Tenant] != "tenant" || kinds[b.Group] != "group" {
			return fmt.Errorf("memory: %w: the binding %q of role %q has no tenant or no group", fault.ErrInvalid, b.ID, b.Role)
		}
	}
	return nil
}

// kinds says of each id what has it, and fails where an id is empty or taken twice.
func (w *World) kinds() (map[string]string, error) {
	kinds := map[string]string{}
	var wrong error
	add := func(kind, id string) {
		if id == "" || kinds[id] != "" {
			wrong = fmt.Errorf("memory: %w: the id %q of a %s is empty or taken", fault.ErrInvalid, id, kind)
		}
		kinds[id] = kind
	}
	for _, t := range w.Tenants {
		add("tenant", t.ID)
	}
	for _, u := range w.Users {
		add("user", u.ID)
	}
	for _, g := range w.Groups {
		add("group", g.ID)
	}
	for _, b := range w.Bindings {
		add("binding", b.ID)
	}
	return kinds, wrong
}

// update runs one change of the world alone and puts its outcome on disk.
// Where create is true a missing file is an empty world.
func update(ctx context.Context, file string, create bool, change func(*World) error) error {
	unlock, err := lock(ctx, file)
	if err != nil {
		return err
	}
	defer unlock()
	w, err := Read(file)
	if create && errors.Is(err, fs.ErrNotExist) {
		w, err = World{}, nil
	}
	if err != nil {
		return err
	}
	if err := change(&w); err != nil {
		return err
	}
	w.sort()
	if err := w.check(); err != nil {
		return err
	}
	return replace(file, w)
}

// lock waits for its turn to write. The lock is on a file of its own because
// the world's file is another one after every write.
func lock(ctx context.Context, file string) (unlock func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(file+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("memory: %w: cannot lock the world: %w", fault.ErrUnavailable, err)
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil // closing lets go of the lock
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			_ = f.Close()
			return nil, fmt.Errorf("memory: %w: cannot lock the world: %w", fault.ErrUnavailable, err)
		}
		// Asked for rather than waited for, so that a cancelled call returns.
		if err := sleep(ctx, time.Millisecond); err != nil {
			_ = f.Close()
			return nil, err
		}
	}
}

// replace puts w in place of the file's world, all or nothing, and on disk.
func replace(file string, w World) error {
	body, err := json.MarshalIndent(w, "", " ")
	if err != nil {
		return fmt.Errorf("memory: %w: %w", fault.ErrInvalid, err)
	}
	next := file + ".next" // ours alone while we hold the lock
	if err := writeSynced(next, append(body, '\n')); err != nil {
		return fmt.Errorf("memory: %w: cannot write the world: %w", fault.ErrUnavailable, err)
	}
	if err := os.Rename(next, file); err != nil {
		return fmt.Errorf("memory: %w: cannot write the world: %w", fault.ErrUnavailable, err)
	}
	dir, err := os.Open(filepath.Dir(file))
	if err != nil {
		return fmt.Errorf("memory: %w: cannot write the world: %w", fault.ErrUnavailable, err)
	}
	defer func() { _ = dir.Close() }()
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("memory: %w: cannot write the world: %w", fault.ErrUnavailable, err)
	}
	return nil
}

func writeSynced(file string, body []byte) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.Write(body); err != nil {
		_ = f.Close()
		return err
	}
	if err := f.Sync(); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

// newID draws an id that nobody has: 26 letters and digits, 130 random bits.
func newID() string { return strings.ToLower(rand.Text()) }

// newUserID returns an id that no user has. Its prefix sorts before the ids that people
// choose, such as u-ada, so that lists of accounts are in the same order in every run.
func newUserID() string { return "account-" + newID() }
