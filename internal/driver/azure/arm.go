package azure

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"

	"github.com/rollcall-iam/rollcall/internal/calls"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// resources makes calls to the Azure Resource Manager.
type resources struct {
	assignments *armauthorization.RoleAssignmentsClient
	definitions *armauthorization.RoleDefinitionsClient
}

func newResources(endpoint string, client *http.Client) (*resources, error) {
	options := &arm.ClientOptions{
		DisableRPRegistration: true,
		ClientOptions: azcore.ClientOptions{
			Cloud: cloud.Configuration{Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
				cloud.ResourceManager: {Endpoint: endpoint, Audience: endpoint},
			}},
			Retry:     policy.RetryOptions{MaxRetries: -1},
			Telemetry: policy.TelemetryOptions{Disabled: true},
			Transport: client,
			// The client itself sees to it that http is to this machine only.
			InsecureAllowCredentialWithHTTP: true,
		},
	}
	// The subscription is a part of each scope.
	assignments, err := armauthorization.NewRoleAssignmentsClient("-", nobody{}, options)
	if err != nil {
		return nil, fmt.Errorf("%w: the Resource Manager's client: %w", fault.ErrInvalid, err)
	}
	definitions, err := armauthorization.NewRoleDefinitionsClient(nobody{}, options)
	if err != nil {
		return nil, fmt.Errorf("%w: the Resource Manager's client: %w", fault.ErrInvalid, err)
	}
	return &resources{assignments: assignments, definitions: definitions}, nil
}

// assignment is a role that is given.
type assignment struct {
	// id is all of "<scope>/providers/Microsoft.Authorization/roleAssignments/<GUID>".
	id, scope   string
	role        string // GUID of the definition
	principal   string
	kind        string // of the principal
	condition   string
	description string
}

// conditionVersion is the only one there is
// (https://learn.microsoft.com/azure/role-based-access-control/conditions-format).
const conditionVersion = "2.0"

// list returns the roles given at the scope and below, all of them, and those
// inherited from above.
func (r *resources) list(ctx context.Context, scope string) ([]assignment, error) {
	operation := "GET " + scope + "/roleAssignments"
	var all []assignment
	pager := r.assignments.NewListForScopePager(path(scope), nil)
	for seen := map[string]bool{}; pager.More(); {
		page, err := call(ctx, operation, pager.NextPage)
		if err != nil {
			return nil, err
		}
		if page.Value == nil {
			return nil, unreadable(operation, "value")
		}
		for _, row := range page.Value {
			a, ok := toAssignment(row)
			if !ok {
				return nil, unreadable(operation, "properties")
			}
			all = append(all, a)
		}
		link := text(page.NextLink)
		if link != "" && seen[link] {
			return nil, unreadable(operation, "nextLink")
		}
		seen[link] = true
	}
	return all, nil
}

// get returns the assignment of that id.
func (r *resources) get(ctx context.Context, id string) (assignment, error) {
	operation := "GET " + id
	got, err := call(ctx, operation, func(ctx context.Context) (armauthorization.RoleAssignmentsClientGetByIDResponse, error) {
		return r.assignments.GetByID(ctx, path(id), nil)
	})
	if err != nil {
		return assignment{}, err
	}
	a, ok := toAssignment(&got.RoleAssignment)
	if !ok {
		return assignment{}, unreadable(operation, "properties")
	}
	return a, nil
}

// put makes the assignment, or changes its condition.
func (r *resources) put(ctx context.Context, a assignment) error {
	kind, version := armauthorization.PrincipalTypeGroup, conditionVersion
	definition := subscriptionOf(a.scope) + "/providers/Microsoft.Authorization/roleDefinitions/" + a.role
	properties := &armauthorization.RoleAssignmentProperties{
		// The type keeps ARM from looking a new group up, which it may not see yet.
		PrincipalID: &a.principal, PrincipalType: &kind, RoleDefinitionID: &definition,
	}
	if a.description != "" {
		properties.Description = &a.description
	}
	if a.condition != "" {
		properties.Condition, properties.ConditionVersion = &a.condition, &version
	}
	_, err := call(ctx, "PUT "+a.id, func(ctx context.Context) (armauthorization.RoleAssignmentsClientCreateByIDResponse, error) {
		return r.assignments.CreateByID(ctx, path(a.id), armauthorization.RoleAssignmentCreateParameters{Properties: properties}, nil)
	})
	return err
}

// remove takes the role away. One that is not there is no error.
func (r *resources) remove(ctx context.Context, id string) error {
	_, err := call(ctx, "DELETE "+id, func(ctx context.Context) (armauthorization.RoleAssignmentsClientDeleteByIDResponse, error) {
		return r.assignments.DeleteByID(ctx, path(id), nil)
	})
	return err
}

// role is a definition.
type role struct{ id, name string }

// roles returns the definitions that can be given at the scope; those of one name
// if it is not empty.
func (r *resources) roles(ctx context.Context, scope, name string) ([]role, error) {
	operation := "GET " + scope + "/roleDefinitions"
	options := &armauthorization.RoleDefinitionsClientListOptions{}
	if name != "" {
		filter := "roleName eq " + quoted(name)
		options.Filter = &filter
	}
	var all []role
	for pager := r.definitions.NewListPager(path(scope), options); pager.More(); {
		page, err := call(ctx, operation, pager.NextPage)
		if err != nil {
			return nil, err
		}
		if page.Value == nil {
			return nil, unreadable(operation, "value")
		}
		for _, row := range page.Value {
			if row == nil || row.Properties == nil || text(row.Name) == "" || text(row.Properties.RoleName) == "" {
				return nil, unreadable(operation, "properties")
			}
			all = append(all, role{id: strings.ToLower(*row.Name), name: *row.Properties.RoleName})
		}
	}
	return all, nil
}

// call makes one call and classifies its error.
func call[T any](ctx context.Context, operation string, do func(context.Context) (T, error)) (T, error) {
	got, err := do(calls.WithDeadline(ctx, operation, calls.Default()))
	return got, failure(ctx, operation, err)
}

// toAssignment reads a row, all of which must be there.
func toAssignment(row *armauthorization.RoleAssignment) (assignment, bool) {
	if row == nil || row.Properties == nil {
		return assignment{}, false
	}
	p := row.Properties
	definition := text(p.RoleDefinitionID)
	a := assignment{
		id: strings.ToLower(text(row.ID)), scope: strings.ToLower(text(p.Scope)),
		role:      strings.ToLower(definition[strings.LastIndex(definition, "/")+1:]),
		principal: strings.ToLower(text(p.PrincipalID)), condition: text(p.Condition), description: text(p.Description),
	}
	if p.PrincipalType != nil {
		a.kind = string(*p.PrincipalType)
	}
	return a, a.id != "" && a.scope != "" && a.role != "" && a.principal != ""
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// path is an id as the SDK wants it: it adds the slash.
func path(id string) string { return strings.TrimPrefix(id, "/") }
