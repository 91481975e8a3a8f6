package azure

import (
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
)

func userRoutes() []route {
	return []route{
		{http.MethodGet, "users", 2, (*call).listUsers},
		{http.MethodGet, "users/{id}", 1, (*call).getUser},
		{http.MethodGet, "users/{id}/memberOf", 2, (*call).listMemberOf},
		{http.MethodDelete, "users/{id}", 1, (*call).dropUser},
		{http.MethodPatch, "users/{id}", 1, (*call).changeUser},
	}
}

func (User) kind() string { return "user" }
func (u User) id() string { return u.ID }
func (User) usual() []string {
	return []string{
		"businessPhones", "displayName", "givenName", "jobTitle", "mail", "mobilePhone", "officeLocation",
		"preferredLanguage", "surname", "userPrincipalName", "id",
	}
}

// null is a text, or null where it is empty.
func null(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// stamp is a time as Graph writes it, or null.
func stamp(at time.Time) any {
	if at.IsZero() {
		return nil
	}
	return at.UTC().Format("2006-01-02T15:04:05Z")
}

// property returns what Graph knows of a user, as far as the simulator keeps it.
func (u User) property(name string) (any, bool) {
	switch name {
	case "id":
		return u.ID, true
	case "userPrincipalName":
		return u.UserPrincipalName, true
	case "mail":
		return null(u.Mail), true
	case "displayName":
		return u.DisplayName, true
	case "mailNickname":
		return u.MailNickname, true
	case "accountEnabled":
		return u.Enabled, true
	case "userType":
		if u.Guest {
			return "Guest", true
		}
		return "Member", true
	case "externalUserState":
		return null(u.ExternalState), true
	case "createdDateTime":
		return stamp(u.Created), true
	case "deletedDateTime":
		return stamp(u.Deleted), true
	case "creationType":
		if u.Guest {
			return "Invitation", true
		}
		return nil, true
	case "businessPhones":
		return []string{}, true
	case "otherMails":
		return append([]string{}, u.OtherMails...), true
	case "proxyAddresses":
		return append([]string{}, u.ProxyAddresses...), true
	case "givenName", "jobTitle", "mobilePhone", "officeLocation", "preferredLanguage", "surname", "department", "companyName",
		"externalUserStateChangeDateTime", "onPremisesSyncEnabled", "usageLocation", "employeeId":
		return nil, true
	default:
		return nil, false
	}
}

func (c *call) mayRead() error {
	if c.app.Permissions.NoDirectoryRead {
		return denied()
	}
	return nil
}

func (c *call) listUsers() (answer, error) {
	if err := c.mayRead(); err != nil {
		return answer{}, err
	}
	return c.list("users", objects(c.dir.Users.AllAt(c.seen)), false)
}

// user finds a user by id or userPrincipalName as reads show it.
func (c *call) user(key string) (User, error) {
	if uuid.Validate(key) == nil {
		if u, ok := c.dir.Users.GetAt(c.seen, strings.ToLower(key)); ok {
			return u, nil
		}
		return User{}, notFound(key)
	}
	for _, u := range c.dir.Users.AllAt(c.seen) {
		if strings.EqualFold(u.UserPrincipalName, key) {
			return u, nil
		}
	}
	return User{}, notFound(key)
}

func (c *call) getUser() (answer, error) {
	if err := c.mayRead(); err != nil {
		return answer{}, err
	}
	if err := c.refuseOptions("$select"); err != nil {
		return answer{}, err
	}
	u, err := c.user(c.args[0])
	if err != nil {
		return answer{}, err
	}
	return c.entity(http.StatusOK, "users", u)
}

func (c *call) dropUser() (answer, error) {
	u, err := c.user(c.args[0])
	if err != nil {
		return answer{}, err
	}
	c.dir.deleteUser(c.now, u)
	return answer{status: http.StatusNoContent}, nil
}

// changeUser knows accountEnabled only: Rollcall changes no people.
func (c *call) changeUser() (answer, error) {
	u, err := c.user(c.args[0])
	if err != nil {
		return answer{}, err
	}
	for name := range c.body {
		if name != "accountEnabled" {
			return answer{}, badRequest("Invalid property '%s'.", name)
		}
	}
	if err := c.read("accountEnabled", &u.Enabled, "User"); err != nil {
		return answer{}, err
	}
	c.dir.putUser(c.now, u)
	return answer{status: http.StatusNoContent}, nil
}

// invite makes a guest who has yet to accept.
// Source: "Create invitation".
func (c *call) invite() (answer, error) {
	if c.app.Permissions.NoInvite {
		return answer{}, denied()
	}
	var address, redirect, name string
	var send bool
	known := map[string]any{
		"invitedUserEmailAddress": &address, "inviteRedirectUrl": &redirect, "invitedUserDisplayName": &name,
		"sendInvitationMessage": &send,
	}
	for property := range c.body {
		target, ok := known[property]
		if !ok && property != "invitedUserMessageInfo" && property != "invitedUserType" && property != "@odata.type" {
			return answer{}, badOData("Invalid property '%s'.", property)
		}
		if ok {
			if err := c.read(property, target, "Invitation"); err != nil {
				return answer{}, err
			}
		}
	}
	if redirect == "" {
		return answer{}, badOData("The inviteRedirectUrl is required.")
	}
	if err := c.mayInvite(address); err != nil {
		return answer{}, err
	}
	if u, ok := c.memberWith(address); ok {
		return answer{}, badOData("The invited user already exists in the directory as object ID: %s. "+
			"They can use that account to sign in to shared apps and resources.", u.ID)
	}
	u := c.dir.invite(c.now, address, name)
	status := u.ExternalState
	if status == Accepted {
		status = "Completed"
	}
	id := uuid.NewString()
	return answer{http.StatusCreated, map[string]any{
		"@odata.context": c.context("invitations/$entity"), "id": id,
		"inviteRedeemUrl":        c.base + "/redeem?rd=" + id,
		"invitedUserDisplayName": null(name), "invitedUserType": "Guest", "invitedUserEmailAddress": address,
		"sendInvitationMessage": send, "resetRedemption": false, "inviteRedirectUrl": redirect, "status": status,
		"invitedUserMessageInfo": map[string]any{
			"messageLanguage": nil, "customizedMessageBody": nil,
			"ccRecipients": []any{map[string]any{"emailAddress": map[string]any{"name": nil, "address": nil}}},
		},
		"invitedUser": map[string]any{"id": u.ID},
	}}, nil
}

// memberWith finds somebody of the tenant's own whose account or mail is address:
// they need no invitation, and Entra refuses one.
func (c *call) memberWith(address string) (User, bool) {
	if u, ok := c.dir.byUPN(address); ok && !u.Guest {
		return u, true
	}
	for _, u := range c.dir.Users.All() {
		if !u.Guest && strings.EqualFold(u.Mail, address) {
			return u, true
		}
	}
	return User{}, false
}
