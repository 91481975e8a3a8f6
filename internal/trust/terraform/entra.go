package terraform

import (
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust/entra"
)

// credential reads a federated identity credential of an application or an identity.
func (d *directory) credential(r *resource) {
	c := entra.Credential{Name: r.address(), At: r.at}
	for _, name := range []string{"application_id", "application_object_id", "user_assigned_identity_id", "parent_id"} {
		if v := r.value(name); v != nil && c.Application == "" {
			c.Application = d.string(v)
		}
	}
	c.MultiTenant = d.multiTenant(c.Application)
	c.Privileges = d.privileges(c.Application)
	get := func(attribute entra.Attribute, names ...string) any {
		for _, name := range names {
			v := r.value(name)
			if v == nil {
				continue
			}
			if d.isUnknown(v) {
				c.Unknown = append(c.Unknown, attribute)
			}
			return v
		}
		return nil
	}
	issuer := get(entra.Issuer, "issuer")
	c.Issuer = d.url(issuer)
	c.Subject = d.string(get(entra.Subject, "subject"))
	c.Audiences = d.texts(get(entra.Audiences, "audiences", "audience"))
	c.Expression = d.string(get(entra.Expression, "claims_matching_expression"))
	if c.Expression != "" {
		c.Language = 1 // the provider sends the only version that there is
	}
	d.credentials = append(d.credentials, c)
}

// isUnknown reports whether a value as a whole is not known.
func (d *directory) isUnknown(v any) bool {
	items := []any{v}
	if list, ok := v.([]any); ok {
		items = list
	}
	for _, item := range items {
		if _, ok := item.(unknown); ok {
			return true
		}
		if text, ok := item.(string); ok {
			if _, whole := d.unknown.Expressions[text]; whole {
				return true
			}
		}
	}
	return false
}

// multiTenant reports whether an application of the directory signs in accounts of other
// tenants. owner is the placeholder for one of its attributes.
func (d *directory) multiTenant(owner string) bool {
	owner = strings.TrimPrefix(owner, "/applications/")
	for _, r := range d.resourcesOf(owner, nil, "azuread_application", "azuread_application_registration") {
		switch d.string(r.value("sign_in_audience")) {
		case "AzureADMultipleOrgs", "AzureADandPersonalMicrosoftAccount", "PersonalMicrosoftAccount":
			return !r.data
		}
	}
	return false
}
