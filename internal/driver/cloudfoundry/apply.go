package cloudfoundry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/cloudfoundry/go-cfclient/v3/resource"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/cloudfoundry/rules"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// How long one Apply polls a job, and after which times: the first is one that a
// worker with nothing else to do may meet. pendingDelay is when to look again.
const (
	jobTimeout   = 10 * time.Second
	pendingDelay = 10 * time.Second
	jobFirst     = 50 * time.Millisecond
	jobMost      = 2 * time.Second
)

// table is all that the driver can do.
func (d *Driver) table() driver.Table {
	return driver.Table{
		{Kind: access.KindBinding, Op: plan.Create}: d.createRole,
		{Kind: access.KindBinding, Op: plan.Delete}: d.deleteRole,
		{Kind: access.KindAccount, Op: plan.Create}: d.createAccount,
	}
}

// Apply implements driver.Driver.
func (d *Driver) Apply(ctx context.Context, scope driver.Scope, steps []plan.Step) []driver.Result {
	return d.handlers.Apply(ctx, "cloudfoundry", d.Fit, scope, steps)
}

// createRole gives a role with one call. There is one role of each type for each
// user, so that a second one is refused and the first is found.
func (d *Driver) createRole(ctx context.Context, scope driver.Scope, step plan.Step) (string, error) {
	want := *step.Want.Binding
	user, err := subject(want)
	if err != nil {
		return "", err
	}
	at, err := d.place(ctx, scope, want.Role)
	if err != nil {
		return "", err
	}
	var made resource.Role
	err = d.api.call(ctx, request{
		operation: "POST /v3/roles", method: http.MethodPost, url: d.api.base + "/v3/roles", body: body(want.Role, user, at),
	}, &made)
	said, no := refusedWith(err, http.StatusUnprocessableEntity)
	switch {
	case no:
		return d.roleRefused(ctx, want.Role, user, at, said)
	case err != nil:
		return "", err
	case made.GUID == "":
		return "", unreadable("POST /v3/roles", "id")
	}
	return made.GUID, nil
}

// body is a new role as the API wants it.
func body(role, user string, at place) any {
	who := resource.RoleUserData{Data: resource.UserData{GUID: user}}
	if isSpaceRole(role) {
		return resource.RoleSpaceCreate{RoleType: role, Relationships: resource.RoleSpaceUserRelationships{
			Space: resource.ToOneRelationship{Data: &resource.Relationship{GUID: at.space}}, User: who,
		}}
	}
	return resource.RoleOrganizationCreate{RoleType: role, Relationships: resource.RoleOrganizationUserRelationships{
		Org: resource.ToOneRelationship{Data: &resource.Relationship{GUID: at.org}}, User: who,
	}}
}

func isSpaceRole(role string) bool { return slices.Contains(rules.SpaceRoles(), role) }

// place returns where a role is given: the scope's space, or its organization.
func (d *Driver) place(ctx context.Context, scope driver.Scope, role string) (place, error) {
	at, ok := parse(scope.ID)
	if !ok {
		return at, fmt.Errorf("cloudfoundry: tenant %q: %w: it is not the id of a space", scope.ID, fault.ErrNotFound)
	}
	if isSpaceRole(role) && at.org == "" {
		return at, nil
	}
	within, err := d.Within(ctx, []string{scope.ID})
	if err != nil {
		return at, err
	}
	if within[0] == "" || at.org != "" && at.org != within[0] {
		return at, fmt.Errorf("cloudfoundry: tenant %q: %w: there is no such space", scope.ID, fault.ErrNotFound)
	}
	at.org = within[0]
	return at, nil
}

// roleRefused finds the role that is there already, or says what is wrong.
func (d *Driver) roleRefused(ctx context.Context, role, user string, at place, said *refusal) (string, error) {
	there, err := d.findRole(ctx, role, user, at)
	switch {
	case err == nil:
		return there, nil
	case !errors.Is(err, fault.ErrNotFound):
		return "", err
	default:
		return "", fmt.Errorf("%w, for the role %q", said, role)
	}
}

// findRole returns the id of the user's role.
func (d *Driver) findRole(ctx context.Context, role, user string, at place) (string, error) {
	query := url.Values{"user_guids": {user}, "types": {role}}
	if isSpaceRole(role) {
		query.Set("space_guids", at.space)
	} else {
		query.Set("organization_guids", at.org)
	}
	found, _, err := list(ctx, d.api, "roles", query, func(r resource.Role) string { return r.GUID })
	if err != nil {
		return "", err
	}
	for _, r := range found {
		if r.Type == role && guid(r.Relationships.User) == user {
			return r.GUID, nil
		}
	}
	return "", fmt.Errorf("cloudfoundry: role %q: %w", role, fault.ErrNotFound)
}

// deleteRole takes exactly the role that was observed, and waits until it is gone.
func (d *Driver) deleteRole(ctx context.Context, scope driver.Scope, step plan.Step) (string, error) {
	have := *step.Have.Binding
	id := have.Ref
	if id == "" {
		user, err := subject(have)
		if err != nil {
			return "", err
		}
		at, err := d.place(ctx, scope, have.Role)
		if err == nil {
			id, err = d.findRole(ctx, have.Role, user, at)
		}
		if errors.Is(err, fault.ErrNotFound) {
			return "", nil // it is gone, or its space is
		}
		if err != nil {
			return "", err
		}
	}
	if !isGUID(id) {
		return "", fmt.Errorf("cloudfoundry: role %q: %w: its id is none", have.Role, fault.ErrInvalid)
	}
	var location string
	err := d.api.call(ctx, request{
		operation: "DELETE /v3/roles/{guid}", method: http.MethodDelete, url: d.api.base + "/v3/roles/" + id, location: &location,
	}, nil)
	if errors.Is(err, fault.ErrNotFound) {
		return have.Ref, nil
	}
	if err != nil {
		return "", err
	}
	return have.Ref, d.finished(ctx, have.Role, location)
}

// finished polls a job until it is done or jobTimeout is over: then it is pending. The next
// Apply deletes the role again, which is done as soon as the role is gone.
func (d *Driver) finished(ctx context.Context, role, location string) error {
	const operation = "GET /v3/jobs/{guid}"
	_, id, found := strings.Cut(location, "/v3/jobs/")
	if !found || !isGUID(id) {
		return unreadable("DELETE /v3/roles/{guid}", "job")
	}
	for wait, left := jobFirst, d.jobTimeout; ; wait = min(2*wait, jobMost) {
		if left <= 0 {
			return fault.Pending(fmt.Errorf("cloudfoundry: the Cloud Controller is still deleting the role %q", role), pendingDelay)
		}
		left -= wait
		select {
		case <-ctx.Done():
			return failure(ctx, operation, ctx.Err())
		case <-time.After(wait):
		}
		var job resource.Job
		ask := request{operation: operation, method: http.MethodGet, url: d.api.base + "/v3/jobs/" + id}
		if err := d.api.call(ctx, ask, &job); err != nil {
			return err
		}
		switch job.State {
		case resource.JobStateComplete:
			return nil
		case resource.JobStateFailed:
			return jobFailed(role, job)
		case resource.JobStateProcessing, resource.JobStatePolling:
		default:
			return unreadable(operation, "state")
		}
	}
}

// jobFailed classifies a job that failed by the first of its errors.
func jobFailed(role string, job resource.Job) error {
	var a fault.Answer
	if len(job.Errors) > 0 {
		a.Code, a.Message = job.Errors[0].Title, job.Errors[0].Detail
	}
	text := fmt.Errorf("cloudfoundry: deleting the role %q: the job failed", role)
	if apiWord.MatchString(a.Code) {
		text = fmt.Errorf("%w (%s)", text, a.Code)
	}
	return refusals().Wrap(text, a)
}
