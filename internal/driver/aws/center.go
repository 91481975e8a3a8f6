package aws

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/ssoadmin"
	"github.com/aws/aws-sdk-go-v2/service/ssoadmin/types"

	"github.com/rollcall-iam/rollcall/internal/calls"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// center is the Identity Center and its Identity Store, found once.
type center struct {
	api     *api
	finding calls.Shared[identity]

	mu         sync.Mutex
	arn, store string
}

// identity is the pair of ids that every call names one of.
type identity struct{ arn, store string }

// find returns both ids: those of the settings, or those of the only Identity
// Center that the credentials see.
func (c *center) find(ctx context.Context) (identity, error) {
	c.mu.Lock()
	known := identity{c.arn, c.store}
	c.mu.Unlock()
	if known.arn != "" && known.store != "" {
		return known, nil
	}
	return shared(ctx, &c.finding, func(ctx context.Context) (identity, error) {
		const operation = "sso-admin ListInstances"
		found, err := list(operation, func(token *string) (page[types.InstanceMetadata], error) {
			out, err := ask(ctx, c.api, operation, func(ctx context.Context, with *clients) (*ssoadmin.ListInstancesOutput, error) {
				return with.sso.ListInstances(ctx, &ssoadmin.ListInstancesInput{MaxResults: new(pageSize), NextToken: token})
			})
			if err != nil {
				return page[types.InstanceMetadata]{}, err
			}
			return page[types.InstanceMetadata]{out.Instances, out.NextToken}, nil
		})
		if err != nil {
			return identity{}, err
		}
		return c.choose(known, found)
	})
}

// choose keeps the one instance that agrees with what the settings name.
func (c *center) choose(known identity, found []types.InstanceMetadata) (identity, error) {
	found = slices.DeleteFunc(found, func(i types.InstanceMetadata) bool {
		return i.InstanceArn == nil || i.IdentityStoreId == nil ||
			known.arn != "" && *i.InstanceArn != known.arn || known.store != "" && *i.IdentityStoreId != known.store
	})
	if len(found) != 1 {
		return identity{}, fmt.Errorf("aws: %w: the credentials see %d such Identity Centers in the region: "+
			"set instanceArn and identityStoreId, or check region", fault.ErrInvalid, len(found))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.arn, c.store = *found[0].InstanceArn, *found[0].IdentityStoreId
	return identity{c.arn, c.store}, nil
}

// permissionSets knows names and ARNs of permission sets, neither of which ever
// changes. What is gone is forgotten when a call says so.
type permissionSets struct {
	api     *api
	center  *center
	finding calls.Shared[struct{}]

	mu    sync.Mutex
	names map[string]string // by ARN
	arns  map[string]string // by name
}

// arn returns the ARN of the permission set of that name; "" where there is none.
func (p *permissionSets) arn(ctx context.Context, name string) (string, error) {
	if arn, ok := p.known(p.arns, name); ok {
		return arn, nil
	}
	if _, err := shared(ctx, &p.finding, p.read); err != nil {
		return "", err
	}
	arn, _ := p.known(p.arns, name)
	return arn, nil
}

// name returns the name of a permission set; its ARN where it is gone.
func (p *permissionSets) name(ctx context.Context, arn string) (string, error) {
	if name, ok := p.known(p.names, arn); ok {
		return name, nil
	}
	err := p.describe(ctx, arn)
	if gone(err, "") {
		return arn, nil
	}
	if err != nil {
		return "", err
	}
	name, _ := p.known(p.names, arn)
	return name, nil
}

func (p *permissionSets) known(in map[string]string, key string) (string, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	value, ok := in[key]
	return value, ok
}

// forget drops a permission set that somebody removed.
func (p *permissionSets) forget(arn string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.arns, p.names[arn])
	delete(p.names, arn)
}

// read lists the permission sets and asks for the names of those that are new:
// the list has ARNs only.
func (p *permissionSets) read(ctx context.Context) (struct{}, error) {
	id, err := p.center.find(ctx)
	if err != nil {
		return struct{}{}, err
	}
	const operation = "sso-admin ListPermissionSets"
	all, err := list(operation, func(token *string) (page[string], error) {
		out, err := ask(ctx, p.api, operation, func(ctx context.Context, with *clients) (*ssoadmin.ListPermissionSetsOutput, error) {
			return with.sso.ListPermissionSets(ctx, &ssoadmin.ListPermissionSetsInput{
				InstanceArn: &id.arn, MaxResults: new(pageSize), NextToken: token,
			})
		})
		if err != nil {
			return page[string]{}, err
		}
		return page[string]{out.PermissionSets, out.NextToken}, nil
	})
	if err != nil {
		return struct{}{}, err
	}
	fresh := slices.DeleteFunc(all, func(arn string) bool {
		_, ok := p.known(p.names, arn)
		return ok
	})
	return struct{}{}, each(ctx, fresh, func(ctx context.Context, _ int, arn string) error {
		if err := p.describe(ctx, arn); !gone(err, "") {
			return err
		}
		return nil // removed while the list was read
	})
}

func (p *permissionSets) describe(ctx context.Context, arn string) error {
	id, err := p.center.find(ctx)
	if err != nil {
		return err
	}
	operation := "sso-admin DescribePermissionSet " + arn
	out, err := ask(ctx, p.api, operation, func(ctx context.Context, with *clients) (*ssoadmin.DescribePermissionSetOutput, error) {
		return with.sso.DescribePermissionSet(ctx, &ssoadmin.DescribePermissionSetInput{InstanceArn: &id.arn, PermissionSetArn: &arn})
	})
	if err != nil {
		return err
	}
	if out.PermissionSet == nil || out.PermissionSet.Name == nil || *out.PermissionSet.Name == "" {
		return unreadable(operation)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.names[arn], p.arns[*out.PermissionSet.Name] = *out.PermissionSet.Name, arn
	return nil
}

// shared calls fetch once for all who ask at the same time. A caller who leaves
// does not end it.
func shared[T any](ctx context.Context, flight *calls.Shared[T], fetch func(context.Context) (T, error)) (T, error) {
	value, err := flight.Do(ctx, "", fetch)
	if err != nil && ctx.Err() != nil {
		return value, failure(ctx, "waiting for another call", err)
	}
	return value, err
}
