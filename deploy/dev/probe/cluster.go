package probe

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Cluster asks an API server whether it would let somebody through: by an access
// review, which is the same question that it asks itself for each call.
type Cluster struct {
	// URL is the API server's address, Client trusts it and may review access.
	URL    string
	Client *http.Client
	// Directory says who is in which groups: an API server knows only what comes
	// with a token.
	Directory Directory
}

// Directory knows groups and their members.
type Directory interface {
	// Memberships returns the groups of each account that is in any, and all groups'
	// names, both by the id that roles are given to.
	Memberships(ctx context.Context) (groups map[string][]string, names map[string]string, err error)
}

// action is what stands for a role: it is in that role and in none below it.
type action struct{ verb, group, resource string }

// actions are one for each of Kubernetes' own roles view, edit and admin.
func actions() map[string]action {
	return map[string]action{
		"get configmaps":      {"get", "", "configmaps"},
		"create configmaps":   {"create", "", "configmaps"},
		"create rolebindings": {"create", "rbac.authorization.k8s.io", "rolebindings"},
	}
}

// Ask implements Asker. The groups are those of this moment, as in a token that is
// made now.
func (c *Cluster) Ask(ctx context.Context, tenant string, only []Right) (map[Right]bool, error) {
	groups, _, err := c.Directory.Memberships(ctx)
	if err != nil {
		return nil, err
	}
	if only == nil {
		for account := range groups {
			for name := range actions() {
				only = append(only, Right{Account: account, Role: name})
			}
		}
	}
	has := map[Right]bool{}
	for _, r := range only {
		if has[r], err = c.review(ctx, tenant, r, groups[r.Account]); err != nil {
			return nil, err
		}
	}
	return has, nil
}

func (c *Cluster) api() caller { return caller{base: c.URL, http: c.Client} }

// review asks about one right.
func (c *Cluster) review(ctx context.Context, namespace string, r Right, groups []string) (bool, error) {
	does, known := actions()[r.Role]
	if !known {
		return false, fmt.Errorf("probe: nothing stands for %q", r.Role)
	}
	question := map[string]any{
		"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
		"spec": map[string]any{
			"user": r.Account, "groups": append([]string{"system:authenticated"}, groups...),
			"resourceAttributes": map[string]any{"namespace": namespace, "verb": does.verb, "group": does.group, "resource": does.resource},
		},
	}
	var answer struct {
		Status struct{ Allowed bool }
	}
	err := c.api().do(ctx, http.MethodPost, "/apis/authorization.k8s.io/v1/subjectaccessreviews", question, &answer)
	return answer.Status.Allowed, err
}

// Groups implements Asker.
func (c *Cluster) Groups(ctx context.Context, tenant string) ([]string, error) {
	_, names, err := c.Directory.Memberships(ctx)
	if err != nil {
		return nil, err
	}
	var list struct {
		Items []struct {
			Subjects []struct{ Kind, Name string }
		}
	}
	path := "/apis/rbac.authorization.k8s.io/v1/namespaces/" + url.PathEscape(tenant) + "/rolebindings"
	if err := c.api().do(ctx, http.MethodGet, path, nil, &list); err != nil {
		return nil, err
	}
	var found []string
	for _, b := range list.Items {
		for _, s := range b.Subjects {
			if s.Kind == "Group" && names[s.Name] != "" {
				found = append(found, names[s.Name])
			}
		}
	}
	return found, nil
}

// OpenShift is the directory of an OpenShift: its groups.
type OpenShift struct{ URL, Token string }

// Memberships implements Directory.
func (o OpenShift) Memberships(ctx context.Context) (groups map[string][]string, names map[string]string, err error) {
	api := caller{base: o.URL, prepare: func(_ context.Context, r *http.Request, _ []byte) error {
		r.Header.Set("Authorization", "Bearer "+o.Token)
		return nil
	}}
	groups, names = map[string][]string{}, map[string]string{}
	err = pages(func(next string) (string, error) {
		var list struct {
			Metadata struct{ Continue string }
			Items    []struct {
				Metadata struct{ Name string }
				Users    []string
			}
		}
		path := "/apis/user.openshift.io/v1/groups?limit=500&continue=" + url.QueryEscape(next)
		if err := api.do(ctx, http.MethodGet, path, nil, &list); err != nil {
			return "", err
		}
		for _, g := range list.Items {
			names[g.Metadata.Name] = g.Metadata.Name
			for _, u := range g.Users {
				groups[u] = append(groups[u], g.Metadata.Name)
			}
		}
		return list.Metadata.Continue, nil
	})
	return groups, names, err
}

// Aggregate fills the roles admin, edit and view of a cluster without a controller
// manager, which is what fills them elsewhere, from the roles that are marked as
// parts of them.
func Aggregate(ctx context.Context, address string, client *http.Client) error {
	api := caller{base: address, http: client}
	const roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
	var list struct {
		Items []struct {
			Metadata struct {
				Name   string
				Labels map[string]string
			}
			Rules []any
		}
	}
	if err := api.do(ctx, http.MethodGet, roles, nil, &list); err != nil {
		return err
	}
	// admin is made of edit's parts, and edit of view's.
	names := []string{"view", "edit", "admin"}
	for i, name := range names {
		var rules []any
		for _, part := range list.Items {
			isPart := func(n string) bool {
				return part.Metadata.Labels["rbac.authorization.k8s.io/aggregate-to-"+n] == "true"
			}
			if strings.HasPrefix(part.Metadata.Name, "system:") && slices.ContainsFunc(names[:i+1], isPart) {
				rules = append(rules, part.Rules...)
			}
		}
		patch := caller{base: address, http: client, prepare: func(_ context.Context, r *http.Request, _ []byte) error {
			r.Header.Set("Content-Type", "application/merge-patch+json")
			return nil
		}}
		if err := patch.do(ctx, http.MethodPatch, roles+"/"+name, map[string]any{"rules": rules}, &struct{}{}); err != nil {
			return err
		}
	}
	return nil
}
