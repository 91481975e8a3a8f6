package keystone

import (
	"context"
	"errors"
	"fmt"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/domains"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/projects"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/roles"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/users"
	"github.com/gophercloud/gophercloud/v2/pagination"
)

// DefaultDomain is the id of the domain that every Keystone has.
const DefaultDomain = "default"

// Credentials name a user and a project to act on.
type Credentials struct {
	Username          string
	Password          string
	UserDomainName    string
	ProjectName       string
	ProjectDomainName string
}

// Environ returns the credentials as environment variables, under the names
// that OpenStack's own clients read with the prefix "OS".
func (c Credentials) Environ(prefix string) map[string]string {
	return map[string]string{
		prefix + "_USERNAME":            c.Username,
		prefix + "_PASSWORD":            c.Password,
		prefix + "_USER_DOMAIN_NAME":    c.UserDomainName,
		prefix + "_PROJECT_NAME":        c.ProjectName,
		prefix + "_PROJECT_DOMAIN_NAME": c.ProjectDomainName,
	}
}

// Seeder fills a Keystone with what others would have put there. Each method
// returns the object's id and leaves one that exists as it is. Zero domain
// means the default one.
type Seeder struct {
	// Client is authenticated as the admin and may be used for everything else.
	Client *gophercloud.ServiceClient
	// Domain is the id of the domain in which projects, users and groups are.
	Domain string
}

// Seed returns a Seeder for the default domain.
func (s *Server) Seed(ctx context.Context) (*Seeder, error) {
	provider, err := openstack.AuthenticatedClient(ctx, gophercloud.AuthOptions{
		IdentityEndpoint: s.URL(),
		Username:         s.admin.Username,
		Password:         s.admin.Password,
		DomainName:       s.admin.UserDomainName,
		Scope:            &gophercloud.AuthScope{ProjectName: s.admin.ProjectName, DomainName: s.admin.ProjectDomainName},
		AllowReauth:      true,
	})
	if err != nil {
		return nil, fmt.Errorf("keystone: signing in as the admin: %w", err)
	}
	client := &gophercloud.ServiceClient{ProviderClient: provider, Endpoint: s.URL() + "/", Type: "identity"}
	return &Seeder{Client: client, Domain: DefaultDomain}, nil
}

// DomainNamed makes a domain.
func (s *Seeder) DomainNamed(ctx context.Context, name string) (string, error) {
	made, err := domains.Create(ctx, s.Client, domains.CreateOpts{Name: name}).Extract()
	if err == nil {
		return made.ID, nil
	}
	return existing(ctx, err, domains.List(s.Client, domains.ListOpts{Name: name}),
		domains.ExtractDomains, func(d domains.Domain) string { return d.ID })
}

// Project makes a project in the Seeder's domain.
func (s *Seeder) Project(ctx context.Context, name string) (string, error) {
	made, err := projects.Create(ctx, s.Client, projects.CreateOpts{Name: name, DomainID: s.Domain}).Extract()
	if err == nil {
		return made.ID, nil
	}
	return existing(ctx, err, projects.List(s.Client, projects.ListOpts{Name: name, DomainID: s.Domain}),
		projects.ExtractProjects, func(p projects.Project) string { return p.ID })
}

// User makes a user without a password in the Seeder's domain. The default
// enabled is Keystone's: true.
func (s *Seeder) User(ctx context.Context, name string, enabled bool) (string, error) {
	made, err := users.Create(ctx, s.Client, users.CreateOpts{Name: name, DomainID: s.Domain, Enabled: &enabled}).Extract()
	if err == nil {
		return made.ID, nil
	}
	return existing(ctx, err, users.List(s.Client, users.ListOpts{Name: name, DomainID: s.Domain}),
		users.ExtractUsers, func(u users.User) string { return u.ID })
}

// Group makes a group in the Seeder's domain.
func (s *Seeder) Group(ctx context.Context, name, description string) (string, error) {
	made, err := groups.Create(ctx, s.Client, groups.CreateOpts{Name: name, DomainID: s.Domain, Description: description}).Extract()
	if err == nil {
		return made.ID, nil
	}
	return existing(ctx, err, groups.List(s.Client, groups.ListOpts{Name: name, DomainID: s.Domain}),
		groups.ExtractGroups, func(g groups.Group) string { return g.ID })
}

// Role makes a role for the whole Keystone.
func (s *Seeder) Role(ctx context.Context, name string) (string, error) {
	made, err := roles.Create(ctx, s.Client, roles.CreateOpts{Name: name}).Extract()
	if err == nil {
		return made.ID, nil
	}
	return existing(ctx, err, roles.List(s.Client, roles.ListOpts{Name: name}),
		roles.ExtractRoles, func(r roles.Role) string { return r.ID })
}

// existing finds what could not be made because it is there, or returns why it
// could not be made.
func existing[T any](
	ctx context.Context, err error, list pagination.Pager, extract func(pagination.Page) ([]T, error), id func(T) string,
) (string, error) {
	if !gophercloud.ResponseCodeIs(err, 409) {
		return "", fmt.Errorf("keystone: %w", err)
	}
	page, errList := list.AllPages(ctx)
	if errList != nil {
		return "", fmt.Errorf("keystone: %w", errList)
	}
	found, errList := extract(page)
	if errList != nil || len(found) != 1 {
		return "", fmt.Errorf("keystone: it is there and cannot be found: %w", errors.Join(err, errList))
	}
	return id(found[0]), nil
}
