package entra

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust"
	"github.com/rollcall-iam/rollcall/internal/trust/kubernetes/manifest"
)

// Parse reads credentials from JSON: one credential or a list of them, as the APIs and az
// print them ({"value": [...]} too), applications with federatedIdentityCredentials, and
// ARM templates. JSON without credentials has no trusts. The error names the line.
func Parse(file string, text []byte) ([]trust.Trust, []trust.Finding, error) {
	values, err := manifest.ReadJSON(file, text)
	if err != nil {
		return nil, nil, err
	}
	r := &reader{file: file}
	for _, v := range values {
		r.read(v, owner{name: file})
	}
	r.assign()
	trusts, findings := New(r.credentials)
	return trusts, findings, r.err
}

// owner is the application or identity that credentials belong to.
type owner struct {
	name        string
	multiTenant bool
	privileges  []Privilege
}

// assignment is a role assignment of an ARM template. The principal is an expression.
type assignment struct {
	principal string
	privilege Privilege
}

// reader collects the credentials of a file, and the first error.
type reader struct {
	file        string
	credentials []Credential
	// identities are the names of the identities of credentials of ARM templates, "" for
	// others.
	identities  []string
	assignments []assignment
	err         error
}

// read collects the credentials in a value. Lists and the forms of lists are read to any
// depth that a file may have.
func (r *reader) read(v *manifest.Value, of owner) {
	for _, item := range v.List() {
		r.read(item, of)
	}
	switch {
	case looksLikeCredential(v):
		r.credential(v, v, of)
	case looksLikeCredential(v.Get("properties")):
		r.credential(v, v.Get("properties"), of)
	case v.Get("properties", "roleDefinitionId").Exists():
		r.assignment(v.Get("properties"))
	default:
		r.holder(v, of)
	}
}

// holder collects the credentials of what holds them: a list of an API, an application, a
// template.
func (r *reader) holder(v *manifest.Value, of owner) {
	r.readList(v.Get("value"), of)
	r.readList(v.Get("resources"), of)
	if held := v.Get("federatedIdentityCredentials"); held.Exists() {
		if name := first(v, "displayName", "appId", "id", "name"); name != "" {
			of.name = name
		}
		switch v.Get("signInAudience").Text() {
		case "AzureADMultipleOrgs", "AzureADandPersonalMicrosoftAccount", "PersonalMicrosoftAccount":
			of.multiTenant = true
		}
		of.privileges = r.requested(v.Get("requiredResourceAccess"))
		r.readList(held, of)
	}
}

// requested returns the application roles that an application requests.
func (r *reader) requested(v *manifest.Value) []Privilege {
	var privileges []Privilege
	for _, api := range v.List() {
		for _, access := range api.Get("resourceAccess").List() {
			if access.Get("type").Text() == "Role" {
				id := access.Get("id")
				at := trust.Position{File: r.file, Line: id.LineOr(access.Line)}
				privileges = append(privileges, Privilege{Role: id.Text(), Requested: true, At: at})
			}
		}
	}
	return privileges
}

// assignment adds a role assignment of an ARM template, if it has no condition.
func (r *reader) assignment(properties *manifest.Value) {
	role := properties.Get("roleDefinitionId")
	if properties.Get("condition").Exists() {
		return
	}
	r.assignments = append(r.assignments, assignment{
		principal: properties.Get("principalId").Text(),
		privilege: Privilege{
			Role: roleInExpression(role.Text()), Scope: "the scope of the assignment", At: trust.Position{File: r.file, Line: role.Line},
		},
	})
}

// roleID matches the ID of a role.
var roleID = regexp.MustCompile(`[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}`)

// roleInExpression returns the ID of a role that an expression ends in, such as
// [subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'ID')].
func roleInExpression(text string) string {
	ids := roleID.FindAllString(text, -1)
	if len(ids) == 0 {
		return text
	}
	return ids[len(ids)-1]
}

// assign gives the credentials of identities of ARM templates the roles that are assigned
// to the identities by name.
func (r *reader) assign() {
	for i, identity := range r.identities {
		for _, a := range r.assignments {
			if identity != "" && (strings.Contains(a.principal, "'"+identity+"'") || strings.Contains(a.principal, "/"+identity+"'")) {
				r.credentials[i].Privileges = append(r.credentials[i].Privileges, a.privilege)
			}
		}
	}
}

// templateIdentity returns the name of the identity of a credential of an ARM template,
// whose name is IDENTITY/CREDENTIAL; "" for another object.
func templateIdentity(v *manifest.Value) string {
	if !strings.HasSuffix(strings.ToLower(v.Get("type").Text()), "/federatedidentitycredentials") {
		return ""
	}
	name, _, nested := strings.Cut(v.Get("name").Text(), "/")
	if !nested || strings.ContainsAny(name, "[(") {
		return ""
	}
	return name
}

func (r *reader) readList(v *manifest.Value, of owner) {
	for _, item := range v.List() {
		r.read(item, of)
	}
}

// looksLikeCredential reports whether a map has two of a credential's fields: others have
// an issuer or audiences, too.
func looksLikeCredential(v *manifest.Value) bool {
	n := 0
	for _, name := range []string{"issuer", "subject", "audiences", "claimsMatchingExpression"} {
		if v.Get(name).Exists() {
			n++
		}
	}
	return n >= 2
}

// credential adds a credential. outer has its name, inner its properties; they are the
// same in Graph's form.
func (r *reader) credential(outer, inner *manifest.Value, of owner) {
	c := Credential{
		Name:        first(outer, "name", "id"),
		Application: of.name,
		At:          trust.Position{File: r.file, Line: outer.Line},
		Issuer:      inner.Get("issuer").Text(),
		Subject:     inner.Get("subject").Text(),
		Audiences:   inner.Get("audiences").Texts(),
		Expression:  inner.Get("claimsMatchingExpression", "value").Text(),
		MultiTenant: of.multiTenant,
		Privileges:  of.privileges,
	}
	c.Language, _ = inner.Get("claimsMatchingExpression", "languageVersion").Int()
	if identity := identityOf(outer.Get("id").Text()); identity != "" {
		c.Application = identity
	}
	if c.Name == "" {
		c.Name = fmt.Sprintf("credential in line %d", outer.Line)
	}
	if c.Issuer == "" {
		r.fail(inner.Get("issuer").LineOr(inner.Line), "issuer is missing or no text; write the iss of the tokens")
	}
	if v := inner.Get("claimsMatchingExpression"); v.Exists() && c.Expression == "" {
		r.fail(v.Line, "claimsMatchingExpression.value is missing or no text; write an expression, or remove the field")
	}
	if v := inner.Get("audiences"); len(c.Audiences) < len(v.List()) || v.Exists() && v.Kind != manifest.List {
		r.fail(v.Line, "audiences is no list of texts; write [\"api://AzureADTokenExchange\"]")
	}
	c.Unknown = c.templates()
	r.credentials = append(r.credentials, c)
	r.identities = append(r.identities, templateIdentity(outer))
}

func (r *reader) fail(line int, problem string) {
	if r.err == nil {
		r.err = fmt.Errorf("entra: read %s:%d: %s", r.file, line, problem)
	}
}

// templates returns the attributes whose values are expressions of an ARM template,
// "[parameters('x')]".
func (c Credential) templates() []Attribute {
	var unknown []Attribute
	dynamic := func(text string) bool { return strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") }
	if dynamic(c.Issuer) {
		unknown = append(unknown, Issuer)
	}
	if dynamic(c.Subject) {
		unknown = append(unknown, Subject)
	}
	if dynamic(c.Expression) {
		unknown = append(unknown, Expression)
	}
	if slices.ContainsFunc(c.Audiences, dynamic) {
		unknown = append(unknown, Audiences)
	}
	return unknown
}

// identityOf returns the name of the user-assigned identity in the ID of a credential:
// /subscriptions/.../userAssignedIdentities/NAME/federatedIdentityCredentials/C.
func identityOf(id string) string {
	parts := strings.Split(id, "/")
	for i := 0; i+3 < len(parts); i++ {
		if strings.EqualFold(parts[i], "userAssignedIdentities") && strings.EqualFold(parts[i+2], "federatedIdentityCredentials") {
			return strings.Join(parts[:i+2], "/")
		}
	}
	return ""
}

// first returns the first of the fields that is a text.
func first(v *manifest.Value, names ...string) string {
	for _, name := range names {
		if text := v.Get(name).Text(); text != "" {
			return text
		}
	}
	return ""
}
