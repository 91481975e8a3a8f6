package terraform

import (
	"encoding/json"
	"regexp"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust"
	"github.com/rollcall-iam/rollcall/internal/trust/aws"
	"github.com/rollcall-iam/rollcall/internal/trust/entra"
)

// owners are the kinds of resources that own credentials.
func owners() []string {
	return []string{"azuread_application", "azuread_application_registration", "azurerm_user_assigned_identity"}
}

// permissions reports the roles of AWS with a trust that can get any other access (W16).
func (d *directory) permissions() {
	if len(d.result.Trusts) == 0 {
		return
	}
	p := aws.Permissions{Bounded: map[string]bool{}}
	roles := d.of("aws_iam_role")
	for _, r := range roles {
		if boundary := r.value("permissions_boundary"); boundary != nil && !aws.NoBoundary(d.string(boundary)) {
			p.Bounded[r.address()] = true
		}
		d.attach(&p, r.address(), r.line("managed_policy_arns"), r.value("managed_policy_arns"))
		for _, b := range blocks(r.value("inline_policy")) {
			policy, line, _ := b.get("policy")
			d.inline(&p, r.address(), trust.Position{File: r.at.File, Line: max(line, r.at.Line)}, policy)
		}
	}
	for _, r := range d.resources {
		if !r.data {
			d.attachment(&p, r)
		}
	}
	d.result.Findings = append(d.result.Findings, p.Findings(d.result.Trusts)...)
}

// attachment adds what a resource of its own grants to roles.
func (d *directory) attachment(p *aws.Permissions, r *resource) {
	var name, policy string
	switch r.kind {
	case "aws_iam_role_policy_attachment":
		name, policy = "role", "policy_arn"
	case "aws_iam_policy_attachment":
		name, policy = "roles", "policy_arn"
	case "aws_iam_role_policy_attachments_exclusive":
		name, policy = "role_name", "policy_arns"
	case "aws_iam_role_policy":
		name, policy = "role", "policy"
	default:
		return
	}
	for _, v := range list(r.value(name)) {
		for _, role := range d.resourcesOf(v, []string{"name"}, "aws_iam_role") {
			switch {
			case role.data:
			case policy == "policy":
				d.inline(p, role.address(), r.line(policy), r.value(policy))
			default:
				d.attach(p, role.address(), r.line(policy), d.each(r, r.value(policy)))
			}
		}
	}
}

// each returns the values of for_each if a value is each.key or each.value, else the value.
func (d *directory) each(r *resource, v any) any {
	u, isUnknown := v.(unknown)
	if !isUnknown || u.expression != "each.value" && u.expression != "each.key" {
		return v
	}
	switch collection := r.value("for_each").(type) {
	case []any:
		return collection
	case *object:
		var values []any
		for _, f := range collection.fields {
			if u.expression == "each.key" {
				values = append(values, f.name)
			} else {
				values = append(values, f.value)
			}
		}
		return values
	}
	return v
}

// attach adds managed policies by their ARNs.
func (d *directory) attach(p *aws.Permissions, role string, at trust.Position, arns any) {
	for _, v := range list(arns) {
		g := aws.Grant{Role: role, ARN: d.string(v), At: at}
		for _, r := range d.resourcesOf(v, []string{"arn", "id"}, "aws_iam_policy") {
			switch {
			case r.data:
				g.ARN = "arn:aws:iam::aws:policy/" + d.string(r.value("name"))
			default:
				g.Document = d.document(r.value("policy"))
			}
		}
		p.Grants = append(p.Grants, g)
	}
}

// inline adds a policy that is written in place.
func (d *directory) inline(p *aws.Permissions, role string, at trust.Position, policy any) {
	if document := d.document(policy); document != nil {
		p.Grants = append(p.Grants, aws.Grant{Role: role, Document: document, At: at})
	}
}

// document returns a policy as JSON; nil if it is not known.
func (d *directory) document(v any) json.RawMessage {
	if text, ok := v.(string); ok {
		return json.RawMessage(text)
	}
	if text := d.sameDocument(v); text != "" {
		return json.RawMessage(text)
	}
	return nil
}

// privileges returns the roles of an application or identity that owns credentials.
func (d *directory) privileges(owner string) []entra.Privilege {
	owner = strings.TrimPrefix(owner, "/applications/")
	var all []entra.Privilege
	for _, r := range d.resourcesOf(owner, []string{"id", "object_id"}, owners()...) {
		principals := append(d.servicePrincipals(r), r)
		all = append(append(all, d.requested(r)...), d.assigned(principals)...)
	}
	return all
}

// servicePrincipals returns the service principals of an application.
func (d *directory) servicePrincipals(app *resource) []*resource {
	var all []*resource
	names := []string{"client_id", "application_id"}
	for _, name := range names {
		all = append(all, d.resourcesBy(app, "azuread_service_principal", name, names, owners()...)...)
	}
	return all
}

// requested returns the application roles that an application requests.
func (d *directory) requested(app *resource) []entra.Privilege {
	var all []entra.Privilege
	for _, access := range blocks(app.value("required_resource_access")) {
		v, _, _ := access.get("resource_access")
		for _, one := range blocks(v) {
			kind, _, _ := one.get("type")
			id, line, _ := one.get("id")
			if d.string(kind) == "Role" {
				at := trust.Position{File: app.at.File, Line: max(line, app.at.Line)}
				all = append(all, entra.Privilege{Role: d.roleOf(id), Requested: true, At: at})
			}
		}
	}
	by := []string{"id"}
	for _, r := range d.resourcesBy(app, "azuread_application_api_access", "application_id", by, owners()...) {
		for _, id := range list(r.value("role_ids")) {
			all = append(all, entra.Privilege{Role: d.roleOf(id), Requested: true, At: r.line("role_ids")})
		}
	}
	return all
}

// assigned returns the roles that are assigned to one of some principals without a condition.
func (d *directory) assigned(principals []*resource) []entra.Privilege {
	var all []entra.Privilege
	to := func(kind, attribute string) []*resource {
		var found []*resource
		for _, p := range principals {
			found = append(found, d.resourcesBy(p, kind, attribute, []string{"object_id", "principal_id"},
				append(owners(), "azuread_service_principal")...)...)
		}
		return found
	}
	for _, r := range to("azuread_app_role_assignment", "principal_object_id") {
		all = append(all, entra.Privilege{Role: d.roleOf(r.value("app_role_id")), At: r.line("app_role_id")})
	}
	for _, r := range to("azurerm_role_assignment", "principal_id") {
		if r.value("condition") != nil {
			continue
		}
		for _, name := range []string{"role_definition_name", "role_definition_id"} {
			if v := r.value(name); v != nil {
				p := entra.Privilege{Role: d.roleOf(v), Scope: d.string(r.value("scope")), At: r.line(name)}
				d.customActions(v, &p)
				all = append(all, p)
			}
		}
	}
	return all
}

// customActions adds what a custom role of Azure allows, if the directory has it.
func (d *directory) customActions(v any, p *entra.Privilege) {
	for _, r := range d.resourcesOf(v, []string{"name", "role_definition_id", "role_definition_resource_id"}, "azurerm_role_definition") {
		if r.data {
			continue
		}
		p.Role = d.nameOf(r, "name")
		for _, b := range blocks(r.value("permissions")) {
			actions, _, _ := b.get("actions")
			not, _, _ := b.get("not_actions")
			p.Actions = append(p.Actions, d.texts(actions)...)
			p.NotActions = append(p.NotActions, d.texts(not)...)
		}
	}
}

// roleName matches the name of an application role in an expression such as
// data.azuread_service_principal.graph.app_role_ids["Application.ReadWrite.All"].
var roleName = regexp.MustCompile(`\["([A-Za-z.]+)"\]$`)

// roleOf returns the name or the ID of a role.
func (d *directory) roleOf(v any) string {
	text := d.string(v)
	for _, r := range d.resourcesOf(v, []string{"id", "role_definition_id"}, "azurerm_role_definition") {
		if r.data {
			return d.string(r.value("name"))
		}
	}
	if match := roleName.FindStringSubmatch(d.unknown.Expressions[text]); match != nil {
		return match[1]
	}
	return text
}
