package probe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"sync"
)

// Keystone asks a Keystone which roles its users effectively have on a project:
// those that it puts into their tokens.
type Keystone struct {
	// URL ends in /v3.
	URL string
	// User, Password and UserDomain sign in, on Project of ProjectDomain, all by name.
	User, Password, UserDomain, Project, ProjectDomain string

	mu         sync.Mutex
	token      string
	everywhere shared[map[string]map[Right]bool]
}

// signIn fetches a token for all that follows.
func (k *Keystone) signIn(ctx context.Context) error {
	domain := func(name string) map[string]any { return map[string]any{"name": name} }
	body, err := json.Marshal(map[string]any{"auth": map[string]any{
		"identity": map[string]any{"methods": []string{"password"}, "password": map[string]any{"user": map[string]any{
			"name": k.User, "password": k.Password, "domain": domain(k.UserDomain),
		}}},
		"scope": map[string]any{"project": map[string]any{"name": k.Project, "domain": domain(k.ProjectDomain)}},
	}})
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, k.URL+"/auth/tokens", bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusCreated {
		return fmt.Errorf("probe: signing in answered %s", answer.Status)
	}
	k.token = answer.Header.Get("X-Subject-Token")
	return nil
}

func (k *Keystone) get(ctx context.Context, path string, into any) error {
	token, err := k.signedIn(ctx, "")
	if err != nil {
		return err
	}
	err = k.as(token).do(ctx, http.MethodGet, path, nil, into)
	if !errors.Is(err, errSignedOut) {
		return err
	}
	if token, err = k.signedIn(ctx, token); err != nil {
		return err
	}
	return k.as(token).do(ctx, http.MethodGet, path, nil, into)
}

// as makes calls with a token.
func (k *Keystone) as(token string) caller {
	return caller{base: k.URL, prepare: func(_ context.Context, r *http.Request, _ []byte) error {
		r.Header.Set("X-Auth-Token", token)
		return nil
	}}
}

// signedIn returns a token other than the one that is not good any more.
func (k *Keystone) signedIn(ctx context.Context, bad string) (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.token == bad {
		if err := k.signIn(ctx); err != nil {
			return "", err
		}
	}
	return k.token, nil
}

// named is an object by its id, and by its name where one asked for that.
type named struct{ ID, Name string }

// assignments is a list of role assignments.
type assignments struct {
	List []struct {
		Role        named
		User, Group *named
		Scope       struct{ Project named }
	} `json:"role_assignments"`
	Truncated bool `json:"truncated"`
}

func (k *Keystone) assignments(ctx context.Context, query url.Values) (got assignments, err error) {
	if err := k.get(ctx, "/role_assignments?"+query.Encode(), &got); err != nil {
		return got, err
	}
	if got.Truncated {
		return got, errors.New("probe: Keystone shows only a part of its role assignments")
	}
	return got, nil
}

// Ask implements Asker: users and roles are named by their ids. Keystone answers for
// all projects about as quickly as for one, so whoever asks meanwhile shares the
// next answer.
func (k *Keystone) Ask(ctx context.Context, tenant string, _ []Right) (map[Right]bool, error) {
	got, err := k.everywhere.ask(func() (map[string]map[Right]bool, error) { return k.effective(ctx) })
	return maps.Clone(got[tenant]), err
}

// effective returns everybody's roles by project.
func (k *Keystone) effective(ctx context.Context) (map[string]map[Right]bool, error) {
	got, err := k.assignments(ctx, url.Values{"effective": {""}})
	has := map[string]map[Right]bool{}
	for _, a := range got.List {
		project := a.Scope.Project.ID
		if a.User == nil || project == "" {
			continue
		}
		if has[project] == nil {
			has[project] = map[Right]bool{}
		}
		has[project][Right{Account: a.User.ID, Role: a.Role.ID}] = true
	}
	return has, err
}

// Groups implements Asker.
func (k *Keystone) Groups(ctx context.Context, tenant string) (names []string, err error) {
	got, err := k.assignments(ctx, url.Values{"include_names": {""}, "scope.project.id": {tenant}})
	for _, a := range got.List {
		if a.Group != nil {
			names = append(names, a.Group.Name)
		}
	}
	return names, err
}
