package terraform

import (
	"bytes"
	"encoding/json"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust/gcp"
	"github.com/rollcall-iam/rollcall/internal/trust/placeholder"
)

// grant matches the resources that grant roles.
var grant = regexp.MustCompile(`^google_[a-z0-9_]*iam_(member|binding|policy)$`)

// poolProvider reads a provider of a workload identity pool.
func (d *directory) poolProvider(r *resource) {
	project := d.string(r.value("project"))
	if project == "" {
		project = "PROJECT_NUMBER"
	}
	p := gcp.Provider{
		Name: "projects/" + project + "/locations/global/workloadIdentityPools/" + d.string(r.value("workload_identity_pool_id")) +
			"/providers/" + d.nameOf(r, "workload_identity_pool_provider_id"),
		AttributeMapping: map[string]string{},
		SAML:             block(r.value("saml")) != nil,
		X509:             block(r.value("x509")) != nil,
		Scope:            d.scope(r),
		Disabled:         isTrue(r.value("disabled")) || d.poolDisabled(r),
		At:               r.at,
		Lines:            map[string]int{},
	}
	d.mapping(r, &p)
	d.condition(r, &p)
	if oidc := block(r.value("oidc")); oidc != nil {
		p.OIDC = d.oidc(oidc, &p)
	}
	if account := block(r.value("aws")); account != nil {
		id, _, _ := account.get("account_id")
		p.AWS = &gcp.AWS{AccountID: d.string(id)}
	}
	d.result.Google.Providers = append(d.result.Google.Providers, p)
}

// poolDisabled reports whether the pool of a provider is in the directory and disabled.
func (d *directory) poolDisabled(provider *resource) bool {
	id := d.string(provider.value("workload_identity_pool_id"))
	for _, r := range d.withText(textKey{"google_iam_workload_identity_pool", "workload_identity_pool_id", id}) {
		if !r.data && id != "" {
			return isTrue(r.value("disabled"))
		}
	}
	return false
}

// mapping reads the attribute mapping.
func (d *directory) mapping(r *resource, p *gcp.Provider) {
	v, line, ok := r.source.get("attribute_mapping")
	if !ok || v == nil {
		return
	}
	mapping := block(v)
	if mapping == nil {
		p.Undecided = "attribute_mapping is " + describe(v)
		return
	}
	p.Lines["attributeMapping"] = line
	for _, f := range mapping.fields {
		text, known := d.expression(f.value)
		if !known {
			p.Undecided = "the mapping of " + f.name + " is " + text
		}
		p.AttributeMapping[f.name] = text
		p.Lines["attributeMapping."+f.name] = f.line
	}
}

// condition reads the attribute condition.
func (d *directory) condition(r *resource, p *gcp.Provider) {
	v, line, ok := r.source.get("attribute_condition")
	if !ok || v == nil {
		return
	}
	text, known := d.expression(v)
	if !known {
		p.Undecided = "attribute_condition is not known from the files"
	}
	p.AttributeCondition, p.Lines["attributeCondition"] = text, line
}

// expression returns an expression of CEL, and whether it is known but for the texts in it.
func (d *directory) expression(v any) (string, bool) {
	text := d.string(v)
	outside := celText.ReplaceAllString(text, "")
	for _, found := range placeholder.Find(outside) {
		if strings.Trim(found, "0123456789") != "" { // a number is a valid expression
			return text, false
		}
	}
	return text, true
}

// celText matches the texts of CEL.
var celText = regexp.MustCompile(`'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"`)

func (d *directory) oidc(o *object, p *gcp.Provider) *gcp.OIDC {
	issuer, line, _ := o.get("issuer_uri")
	audiences, audiencesLine, _ := o.get("allowed_audiences")
	p.Lines["oidc.issuerUri"], p.Lines["oidc.allowedAudiences"] = line, audiencesLine
	// The placeholder of an unknown audience is one that no other system has.
	found := &gcp.OIDC{IssuerURI: d.url(issuer), AllowedAudiences: d.texts(audiences)}
	if keys, line, ok := o.get("jwks_json"); ok && !d.hasUnknown(d.string(keys)) {
		found.JWKS, p.Lines["oidc.jwksJson"] = d.string(keys), line
	}
	return found
}

// hasUnknown reports whether a text has placeholders.
func (d *directory) hasUnknown(text string) bool {
	return slices.ContainsFunc(placeholder.Find(text), func(found string) bool {
		_, known := d.unknown.Expressions[strings.TrimPrefix(found, "https://")]
		return known
	})
}

// scope names the account or project in which Terraform makes a resource: that of its
// directory, or of the provider that it names. It is empty for a resource of which there may
// be none, because it has count, and for one of a state, which does not say the provider.
func (d *directory) scope(r *resource) string {
	_, _, counted := r.source.get("count")
	switch {
	case d.plan && r.config != "":
		return r.at.File + " " + r.config
	case d.plan || counted:
		return ""
	}
	provider := d.string(r.value("provider"))
	return path.Dir(r.at.File) + " " + placeholder.Explain(provider, d.unknown.Expressions)
}

// url returns the URL of an issuer. The placeholder of an unknown one is a URL, too.
func (d *directory) url(v any) string {
	text := d.string(v)
	if expression, whole := d.unknown.Expressions[text]; whole && !strings.Contains(text, "/") {
		if !strings.HasSuffix(text, ".invalid") {
			text = d.unknown.Remember(text+".invalid", expression)
		}
		return "https://" + text
	}
	return text
}

// grant reads a resource that grants a role, as a policy.
func (d *directory) grant(r *resource) {
	p := gcp.Policy{Resource: d.resourceOf(r), At: r.at}
	if strings.HasSuffix(r.kind, "_policy") {
		d.grantPolicy(r, p)
		return
	}
	b := gcp.Binding{Role: d.string(r.value("role")), At: r.at, Lines: map[string]int{}}
	if condition := block(r.value("condition")); condition != nil {
		expression, _, _ := condition.get("expression")
		b.Condition = d.string(expression)
	}
	for _, name := range []string{"member", "members"} {
		v := r.value(name)
		for _, member := range d.texts(v) {
			b.Members = append(b.Members, member)
			b.Lines[member] = r.line(name).Line
		}
		if _, isUnknown := v.(unknown); isUnknown && strings.Contains(b.Role, "workloadIdentityUser") {
			d.unjudged(r, name, v)
		}
	}
	p.Bindings = []gcp.Binding{b}
	d.result.Google.Policies = append(d.result.Google.Policies, p)
}

// The resources of custom roles.
const (
	projectRole      = "google_project_iam_custom_role"
	organizationRole = "google_organization_iam_custom_role"
)

// customRole reads a custom role.
func (d *directory) customRole(r *resource) {
	name, _ := d.customRoleName(r, "name")
	d.result.Google.Roles = append(d.result.Google.Roles, gcp.Role{Name: name, Permissions: d.texts(r.value("permissions"))})
}

// customRoleName computes the name of a custom role, which is its ID, too.
func (e *evaluator) customRoleName(r *resource, attribute string) (string, bool) {
	if attribute != "name" && attribute != "id" {
		return "", false
	}
	parent := "projects/" + e.projectOf(r)
	if r.kind == organizationRole {
		parent = "organizations/" + e.string(r.value("org_id"))
	}
	return parent + "/roles/" + e.string(r.value("role_id")), true
}

// grantPolicy reads a resource with a whole policy.
func (d *directory) grantPolicy(r *resource, p gcp.Policy) {
	text, ok := r.value("policy_data").(string)
	if !ok {
		return
	}
	at := r.line("policy_data")
	in, err := gcp.Read(at.File, []byte(text))
	if err != nil {
		return // a text that is no policy is an error of Google's
	}
	for _, found := range in.Policies {
		for i := range found.Bindings {
			found.Bindings[i].At, found.Bindings[i].Lines = at, nil
		}
		found.Resource, found.At = p.Resource, at
		d.result.Google.Policies = append(d.result.Google.Policies, found)
	}
}

// policyData returns the JSON of a google_iam_policy.
func (e *evaluator) policyData(r *resource) any {
	if v := r.value("policy_data"); v != nil {
		return v
	}
	type binding struct {
		Role    string   `json:"role"`
		Members []string `json:"members"`
	}
	var policy struct {
		Bindings []binding `json:"bindings"`
	}
	for _, b := range blocks(r.value("binding")) {
		role, _, _ := b.get("role")
		members, _, _ := b.get("members")
		policy.Bindings = append(policy.Bindings, binding{e.string(role), e.texts(members)})
	}
	var text bytes.Buffer
	if err := json.NewEncoder(&text).Encode(policy); err != nil {
		return unknown{r.address() + ".policy_data"}
	}
	return text.String()
}

// resourceOf names what a role is granted on.
func (d *directory) resourceOf(r *resource) string {
	kind := strings.TrimSuffix(r.kind[:strings.LastIndex(r.kind, "_iam_")], "_iam")
	switch kind {
	case "google_project":
		return "projects/" + d.projectOf(r)
	case "google_folder":
		return "folders/" + strings.TrimPrefix(d.string(r.value("folder")), "folders/")
	case "google_organization":
		return "organizations/" + d.string(r.value("org_id"))
	case "google_service_account":
		return d.string(r.value("service_account_id"))
	}
	for _, name := range []string{
		"bucket", "dataset_id", "secret_id", "topic", "subscription", "name", "repository", "crypto_key_id", "instance",
	} {
		if text := d.string(r.value(name)); text != "" {
			return strings.TrimPrefix(kind, "google_") + "/" + text
		}
	}
	return r.address()
}
