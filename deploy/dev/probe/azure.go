package probe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
)

// Azure asks the Resource Manager for role assignments at a scope and Graph for
// the members of the groups that have them.
type Azure struct {
	arm, graph caller
}

// NewAzure signs in to a Microsoft cloud that serves all of its APIs at one address.
func NewAzure(address, tenant, clientID, secret string) *Azure {
	token := func(scope string) *bearer {
		return &bearer{fetch: oauth(address+"/"+tenant+"/oauth2/v2.0/token", url.Values{
			"grant_type": {"client_credentials"}, "client_id": {clientID}, "client_secret": {secret}, "scope": {scope},
		})}
	}
	return &Azure{
		arm:   caller{base: address, prepare: token("https://management.azure.com/.default").sign},
		graph: caller{base: address, prepare: token("https://graph.microsoft.com/.default").sign},
	}
}

// assigned is a role of a group.
type assigned struct{ role, group string }

// assigned returns the roles that groups have exactly at a scope.
func (a *Azure) assigned(ctx context.Context, scope string) (found []assigned, err error) {
	first := scope + "/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01&$filter=" + url.QueryEscape("atScope()")
	err = pages(func(next string) (string, error) {
		if next == "" {
			next = first
		}
		var list struct {
			Value []struct {
				Properties struct{ Scope, RoleDefinitionID, PrincipalID, PrincipalType string }
			}
			NextLink string
		}
		if err := a.arm.do(ctx, http.MethodGet, under(a.arm.base, next), nil, &list); err != nil {
			return "", err
		}
		for _, one := range list.Value {
			if p := one.Properties; p.PrincipalType == "Group" && strings.EqualFold(p.Scope, scope) {
				found = append(found, assigned{role: path.Base(p.RoleDefinitionID), group: p.PrincipalID})
			}
		}
		return list.NextLink, nil
	})
	return found, err
}

// entry is a user or a group.
type entry struct{ ID, DisplayName, UserPrincipalName string }

func (a *Azure) list(ctx context.Context, first string) (found []entry, err error) {
	err = pages(func(next string) (string, error) {
		if next == "" {
			next = first
		}
		var list struct {
			Value []entry
			Next  string `json:"@odata.nextLink"`
		}
		if err := a.graph.do(ctx, http.MethodGet, under(a.graph.base, next), nil, &list); err != nil {
			return "", err
		}
		found = append(found, list.Value...)
		return list.Next, nil
	})
	if errors.Is(err, errGone) {
		return nil, nil // nobody is in a group that is gone
	}
	return found, err
}

// members returns the names of the accounts in a group.
func (a *Azure) members(ctx context.Context, group string) (names []string, err error) {
	found, err := a.list(ctx, "/v1.0/groups/"+group+"/members?$select=id,userPrincipalName")
	for _, m := range found {
		names = append(names, m.UserPrincipalName)
	}
	return names, err
}

// Ask implements Asker: roles are named by their definitions' ids.
func (a *Azure) Ask(ctx context.Context, tenant string, _ []Right) (map[Right]bool, error) {
	given, err := a.assigned(ctx, tenant)
	if err != nil {
		return nil, err
	}
	has := map[Right]bool{}
	inside := map[string][]string{}
	for _, one := range given {
		if _, known := inside[one.group]; !known {
			if inside[one.group], err = a.members(ctx, one.group); err != nil {
				return nil, err
			}
		}
		for _, m := range inside[one.group] {
			has[Right{Account: m, Role: one.role}] = true
		}
	}
	return has, nil
}

// Groups implements Asker.
func (a *Azure) Groups(ctx context.Context, tenant string) ([]string, error) {
	given, err := a.assigned(ctx, tenant)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, one := range given {
		name, err := a.name(ctx, one.group)
		switch {
		case errors.Is(err, errGone): // an assignment outlives its group
		case err != nil:
			return nil, err
		default:
			names = append(names, name)
		}
	}
	return names, nil
}

func (a *Azure) name(ctx context.Context, group string) (string, error) {
	var got entry
	err := a.graph.do(ctx, http.MethodGet, "/v1.0/groups/"+group+"?$select=id,displayName", nil, &got)
	return got.DisplayName, err
}

// AKS is the directory of a cluster in Azure: the Entra groups that may sign in to
// it, by a role on the cluster.
type AKS struct {
	Azure *Azure
	// Cluster is its resource id.
	Cluster string
}

// Memberships implements Directory.
func (k AKS) Memberships(ctx context.Context) (groups map[string][]string, names map[string]string, err error) {
	given, err := k.Azure.assigned(ctx, k.Cluster)
	if err != nil {
		return nil, nil, err
	}
	groups, names = map[string][]string{}, map[string]string{}
	for _, one := range given {
		inside, err := k.Azure.members(ctx, one.group)
		if err != nil {
			return nil, nil, err
		}
		for _, m := range inside {
			groups[m] = append(groups[m], one.group)
		}
		if names[one.group], err = k.Azure.name(ctx, one.group); err != nil && !errors.Is(err, errGone) {
			return nil, nil, err
		}
	}
	return groups, names, nil
}

// Marketplace asks as a service broker would: who is in the groups whose names
// begin with the prefix. A name's last part, behind a dash, is the role.
type Marketplace struct {
	Azure  *Azure
	Prefix string
}

func (m Marketplace) groups(ctx context.Context) ([]entry, error) {
	filter := fmt.Sprintf("startswith(displayName,'%s')", strings.ReplaceAll(m.Prefix, "'", "''"))
	return m.Azure.list(ctx, "/v1.0/groups?$select=id,displayName&$filter="+url.QueryEscape(filter))
}

// Ask implements Asker; there is one tenant.
func (m Marketplace) Ask(ctx context.Context, _ string, _ []Right) (map[Right]bool, error) {
	found, err := m.groups(ctx)
	if err != nil {
		return nil, err
	}
	has := map[Right]bool{}
	for _, g := range found {
		inside, err := m.Azure.members(ctx, g.ID)
		if err != nil {
			return nil, err
		}
		for _, name := range inside {
			has[Right{Account: name, Role: g.DisplayName[strings.LastIndex(g.DisplayName, "-")+1:]}] = true
		}
	}
	return has, nil
}

// Groups implements Asker.
func (m Marketplace) Groups(ctx context.Context, _ string) (names []string, err error) {
	found, err := m.groups(ctx)
	for _, g := range found {
		names = append(names, g.DisplayName)
	}
	return names, err
}
