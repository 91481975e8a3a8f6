package azure

import (
	"net/http"
	"strings"
)

// principal is an app's service principal.
type principal struct{ *application }

func (principal) kind() string { return "servicePrincipal" }
func (p principal) id() string { return p.Principal }
func (principal) usual() []string {
	return []string{"id", "appId", "displayName", "servicePrincipalType", "accountEnabled"}
}

func (p principal) property(name string) (any, bool) {
	switch name {
	case "id":
		return p.Principal, true
	case "appId":
		return p.ClientID, true
	case "displayName", "appDisplayName":
		return "app " + p.ClientID, true
	case "servicePrincipalType":
		return "Application", true
	case "accountEnabled":
		return true, true
	case "deletedDateTime":
		return nil, true
	default:
		return nil, false
	}
}

func (c *call) listPrincipals() (answer, error) {
	if err := c.mayRead(); err != nil {
		return answer{}, err
	}
	var all []principal
	for _, a := range c.dir.Apps {
		all = append(all, principal{a})
	}
	return c.list("servicePrincipals", objects(all), false)
}

func (c *call) getPrincipal() (answer, error) {
	if err := c.mayRead(); err != nil {
		return answer{}, err
	}
	for _, a := range c.dir.Apps {
		if a.Principal == strings.ToLower(c.args[0]) {
			return c.entity(http.StatusOK, "servicePrincipals", principal{a})
		}
	}
	return answer{}, notFound(c.args[0])
}

// organization names the tenant: what a client asks to see whether it may read.
func (c *call) organization() (answer, error) {
	if err := c.mayRead(); err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, map[string]any{
		"@odata.context": c.context("organization"),
		"value": []any{map[string]any{
			"id": c.dir.ID, "displayName": c.dir.Domain,
			"verifiedDomains": []any{map[string]any{"name": c.dir.Domain, "isDefault": true, "isInitial": true, "type": "Managed"}},
		}},
	}}, nil
}
