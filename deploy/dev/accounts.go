package main

import (
	"context"
	"fmt"

	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/users"
	"golang.org/x/sync/errgroup"

	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/internal/engines/keystone"
)

// parallelCalls is how many accounts are made at once.
const parallelCalls = 4

// seedSandbox fills the platform that lives in a file.
func seedSandbox(file string, there inhabitants) error {
	var world memory.World
	for _, id := range there.tenants[sandbox] {
		world.Tenants = append(world.Tenants, memory.Tenant{ID: id})
	}
	for _, euid := range there.euids {
		world.Users = append(world.Users, memory.User{Name: euid})
	}
	if err := memory.Seed(file, world); err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	return nil
}

// openKeystone signs in and makes the roles that the example gives.
func openKeystone(ctx context.Context, server *keystone.Server) (*keystone.Seeder, error) {
	seeder, err := server.Seed(ctx)
	if err != nil {
		return nil, err
	}
	for _, role := range []string{"member", "reader", "load-balancer_admin"} {
		if _, err := seeder.Role(ctx, role); err != nil {
			return nil, err
		}
	}
	return seeder, nil
}

// seedKeystone makes the accounts that are missing, named as the platform's
// euid pattern makes them.
func seedKeystone(ctx context.Context, seeder *keystone.Seeder, euids []string) error {
	page, err := users.List(seeder.Client, users.ListOpts{DomainID: seeder.Domain}).AllPages(ctx)
	if err != nil {
		return fmt.Errorf("keystone: list users: %w", err)
	}
	there, err := users.ExtractUsers(page)
	if err != nil {
		return fmt.Errorf("keystone: list users: %w", err)
	}
	known := map[string]bool{}
	for _, u := range there {
		known[u.Name] = true
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelCalls)
	for _, euid := range euids {
		name := euid + "@example.com"
		if known[name] {
			continue
		}
		group.Go(func() error {
			_, err := seeder.User(ctx, name, true)
			return err
		})
	}
	return group.Wait()
}
