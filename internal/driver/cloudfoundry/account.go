package cloudfoundry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/cloudfoundry/go-cfclient/v3/resource"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

// createAccount makes a person known to the Cloud Controller: by name where it
// allows that, else in UAA first and then by id.
func (d *Driver) createAccount(ctx context.Context, _ driver.Scope, step plan.Step) (string, error) {
	who := *step.Want.Account
	if !d.creates {
		return "", fmt.Errorf("cloudfoundry: %w: accounts are created only where the platform has userCreation", fault.ErrInvalid)
	}
	id, err := d.newUserNamed(ctx, who.Name)
	if _, no := refusedWith(err, http.StatusUnprocessableEntity); !no {
		return id, err
	}
	// It is there already, or this Cloud Controller knows ids only.
	users, err := d.users(ctx, []string{who.Name})
	if err != nil {
		return "", err
	}
	for _, u := range users {
		if d.has(u) {
			return u.GUID, nil
		}
	}
	if id, err = d.newAccount(ctx, who); err != nil {
		return "", err
	}
	made, err := d.newUser(ctx, resource.NewUserCreateWithGUID(id))
	if _, no := refusedWith(err, http.StatusUnprocessableEntity); no {
		return d.known(ctx, id, err)
	}
	return made.GUID, err
}

// newUserNamed makes a user of the Cloud Controller by name. UAA may take the name for that of
// an account which is another user's, as it ignores the case of all letters: then it fails,
// although that account is known to the Cloud Controller from now on.
func (d *Driver) newUserNamed(ctx context.Context, name string) (string, error) {
	made, err := d.newUser(ctx, resource.NewUserCreateWithUsername(name, d.origin))
	if err == nil && made.Username != nil && key(*made.Username) != key(name) {
		return "", fmt.Errorf("cloudfoundry: POST /v3/users: %w: UAA has another account of nearly the same name: "+
			"correct the euid of the user", fault.ErrInvalid)
	}
	return made.GUID, err
}

// newUser makes a user of the Cloud Controller.
func (d *Driver) newUser(ctx context.Context, body any) (resource.User, error) {
	const operation = "POST /v3/users"
	var made resource.User
	err := d.api.call(ctx, request{operation: operation, method: http.MethodPost, url: d.api.base + "/v3/users", body: body}, &made)
	if err == nil && made.GUID == "" {
		err = unreadable(operation, "id")
	}
	return made, err
}

// known returns the id if the Cloud Controller has the user, and otherwise why
// it refused to.
func (d *Driver) known(ctx context.Context, id string, refused error) (string, error) {
	users, _, err := list(ctx, d.api, "users", url.Values{"guids": {id}}, func(u resource.User) string { return u.GUID })
	switch {
	case err != nil:
		return "", err
	case len(users) == 0:
		return "", refused
	}
	return id, nil
}

// account is a user as UAA has them.
type account struct {
	ID       string            `json:"id,omitempty"`
	UserName string            `json:"userName"`
	Origin   string            `json:"origin"`
	Name     map[string]string `json:"name,omitempty"`
	Emails   []email           `json:"emails"`
	Active   *bool             `json:"active,omitempty"`
}

type email struct {
	Value   string `json:"value"`
	Primary bool   `json:"primary"`
}

// newAccount makes an account in UAA, or finds the one there is. UAA wants an
// address; who has none gets the name, as the command line does.
func (d *Driver) newAccount(ctx context.Context, who access.Newcomer) (string, error) {
	const operation = "POST /Users"
	uaa, err := d.api.session.address(ctx)
	if err != nil {
		return "", err
	}
	want := account{UserName: who.Name, Origin: d.origin, Emails: []email{{Value: cmp.Or(who.Email, who.Name), Primary: true}}}
	if who.FirstName != "" || who.LastName != "" {
		want.Name = map[string]string{"givenName": who.FirstName, "familyName": who.LastName}
	}
	var made account
	err = d.api.call(ctx, request{operation: operation, method: http.MethodPost, url: uaa + "/Users", body: want}, &made)
	if _, taken := refusedWith(err, http.StatusConflict); taken {
		return d.findAccount(ctx, uaa, who.Name)
	}
	if err == nil && !isGUID(made.ID) {
		err = unreadable(operation, "id")
	}
	return made.ID, err
}

// findAccount returns UAA's id of an account of the origin.
func (d *Driver) findAccount(ctx context.Context, uaa, name string) (string, error) {
	const operation = "GET /Users"
	quote := func(text string) string {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
	}
	filter := "userName eq " + quote(name) + " and origin eq " + quote(d.origin)
	found, err := d.accounts(ctx, uaa, filter)
	if err != nil {
		return "", err
	}
	for _, a := range found {
		if key(a.UserName) == key(name) && a.Origin == d.origin && isGUID(a.ID) {
			return a.ID, nil
		}
	}
	return "", fmt.Errorf("cloudfoundry: %s: %w: UAA says that the account is there and does not show it", operation, fault.ErrUnavailable)
}

// named puts the driver's name before an error of another package.
func named(err error) error {
	if _, ok := errors.AsType[*refusal](err); ok {
		return err
	}
	return fmt.Errorf("cloudfoundry: %w", err)
}
