package probe

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
)

// Sandbox asks a platform that lives in a file.
type Sandbox struct{ File string }

// sandboxWorld is what the file says about rights.
type sandboxWorld struct {
	Users    []sandboxUser    `json:"users"`
	Groups   []sandboxGroup   `json:"groups"`
	Bindings []sandboxBinding `json:"bindings"`
}

type sandboxUser struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

type sandboxGroup struct {
	ID      string   `json:"id"`
	Name    string   `json:"name"`
	Members []string `json:"members"`
}

type sandboxBinding struct {
	Tenant string `json:"tenant"`
	Role   string `json:"role"`
	Group  string `json:"group"`
}

func (s Sandbox) read() (w sandboxWorld, err error) {
	body, err := os.ReadFile(s.File)
	if err != nil {
		return w, fmt.Errorf("probe: %w", err)
	}
	if err := json.Unmarshal(body, &w); err != nil {
		return w, fmt.Errorf("probe: %w", err)
	}
	return w, nil
}

// each calls do for every role that a group has on the tenant.
func (w sandboxWorld) each(tenant string, do func(role string, g sandboxGroup)) {
	for _, b := range w.Bindings {
		i := slices.IndexFunc(w.Groups, func(g sandboxGroup) bool { return g.ID == b.Group })
		if b.Tenant == tenant && i >= 0 {
			do(b.Role, w.Groups[i])
		}
	}
}

// Ask implements Asker.
func (s Sandbox) Ask(_ context.Context, tenant string, _ []Right) (map[Right]bool, error) {
	w, err := s.read()
	names := map[string]string{}
	for _, u := range w.Users {
		names[u.ID] = u.Name
	}
	has := map[Right]bool{}
	w.each(tenant, func(role string, g sandboxGroup) {
		for _, m := range g.Members {
			has[Right{Account: names[m], Role: role}] = true
		}
	})
	return has, err
}

// Groups implements Asker.
func (s Sandbox) Groups(_ context.Context, tenant string) (names []string, err error) {
	w, err := s.read()
	w.each(tenant, func(_ string, g sandboxGroup) { names = append(names, g.Name) })
	return names, err
}
