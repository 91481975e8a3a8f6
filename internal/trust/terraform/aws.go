package terraform

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust"
	"github.com/rollcall-iam/rollcall/internal/trust/aws"
)

const policyDocument = "aws_iam_policy_document"

// role reads the trust policy of a role.
func (d *directory) role(r *resource) {
	const attribute = "assume_role_policy"
	v := r.value(attribute)
	if v == nil {
		return
	}
	policy, ok := v.(string)
	if !ok {
		if policy = d.sameDocument(v); policy == "" {
			d.unjudged(r, attribute, v)
			return
		}
	}
	if expression, whole := d.unknown.Expressions[strings.TrimSpace(policy)]; whole {
		d.unjudged(r, attribute, unknown{expression})
		return
	}
	if !d.policy(r.address(), r.line(attribute), policy) {
		return
	}
	if seconds, err := strconv.Atoi(d.string(r.value("max_session_duration"))); err == nil {
		d.result.Findings = append(d.result.Findings, aws.CheckSession(r.address(), seconds, r.line("max_session_duration"))...)
	}
}

// sameDocument returns a policy that is written as an object, as some modules take it.
func (d *directory) sameDocument(v any) string {
	if o, ok := v.(*object); ok {
		if text, err := d.encode(o); err == nil {
			return text
		}
	}
	return ""
}

// policy adds the trusts of a trust policy, and reports whether there are any.
func (d *directory) policy(name string, at trust.Position, policy string) bool {
	trusts, findings, err := aws.FromPolicy(name, at, []byte(policy))
	if err != nil {
		d.errs = append(d.errs, err)
	}
	d.result.Trusts = append(d.result.Trusts, trusts...)
	d.result.Findings = append(d.result.Findings, findings...)
	return len(trusts) > 0
}

// unusedDocument reads a policy document that no role of the directory uses, if it trusts
// web identities: a module may pass it on.
func (d *directory) unusedDocument(r *resource) {
	policy, ok := d.policyDocument(r).(string)
	if ok && strings.Contains(policy, `"Federated"`) && strings.Contains(policy, "AssumeRoleWithWebIdentity") {
		d.policy(r.address(), r.at, policy)
	}
}

// provider reads an OIDC provider.
func (d *directory) provider(r *resource) {
	host, _ := d.openIDProvider(r, "url")
	ids := d.texts(r.value("client_id_list"))
	for _, id := range ids {
		if _, isUnknown := d.unknown.Expressions[id]; isUnknown {
			return // then its clients are not known
		}
	}
	d.result.Providers = append(d.result.Providers, aws.Provider{
		Name: cmp.Or(r.planned, r.address()), Scope: d.scope(r), URL: "https://" + d.string(host), ClientIDs: ids, At: r.at,
	})
}

// policyDocument returns the JSON of a policy document. It is unknown if the document has
// no statements but those of other documents, and one of them is not known.
func (d *directory) policyDocument(r *resource) any {
	key := r.address() + " json"
	if v, ok := d.memory[key]; ok {
		return v
	}
	d.memory[key] = unknown{r.address() + ".json"}
	v := d.buildDocument(r)
	d.memory[key] = v
	return v
}

func (d *directory) buildDocument(r *resource) any {
	if v := r.value("json"); v != nil { // a state has the result
		return v
	}
	var statements []any
	sources := append(list(r.value("source_policy_documents")), list(r.value("override_policy_documents"))...)
	var missing any
	for _, source := range append(sources, list(r.value("source_json"))...) {
		found, ok := sourceStatements(source)
		if !ok {
			missing = source
		}
		statements = append(statements, found...)
	}
	for _, s := range blocks(r.value("statement")) {
		statements = append(statements, d.statement(s))
	}
	if missing != nil && len(statements) == 0 {
		return missing
	}
	document := &object{fields: []field{{name: "Version", value: "2012-10-17"}, {name: "Statement", value: statements}}}
	text, err := d.encode(document)
	if err != nil {
		return unknown{r.address() + ".json"}
	}
	return text
}

// list returns a list, or one value as a list.
func list(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	default:
		return []any{v}
	}
}

// sourceStatements returns the statements of a document.
func sourceStatements(source any) ([]any, bool) {
	text, ok := source.(string)
	if !ok {
		return nil, false
	}
	document, ok := decode(text)
	o, isObject := document.(*object)
	if !ok || !isObject {
		return nil, false
	}
	statements, _, _ := o.get("Statement")
	return list(statements), true
}

// statement writes a statement block as an object of a policy.
func (d *directory) statement(s *object) *object {
	get := func(name string) any { v, _, _ := s.get(name); return v }
	o := &object{}
	put := func(name string, v any) {
		if v != nil {
			o.put(name, 0, v)
		}
	}
	put("Sid", get("sid"))
	o.put("Effect", 0, "Allow")
	put("Effect", get("effect"))
	put("Action", get("actions"))
	put("NotAction", get("not_actions"))
	put("Resource", get("resources"))
	put("NotResource", get("not_resources"))
	d.principals(o, "Principal", get("principals"))
	d.principals(o, "NotPrincipal", get("not_principals"))
	d.conditions(o, get("condition"))
	return o
}

// principals writes principals blocks.
func (d *directory) principals(o *object, name string, v any) {
	principals := &object{}
	for _, b := range blocks(v) {
		kind, _, _ := b.get("type")
		identifiers, _, _ := b.get("identifiers")
		text := d.string(kind)
		if text == "*" {
			o.put(name, 0, "*")
			return
		}
		have, _, _ := principals.get(text)
		principals.put(text, 0, append(list(have), list(identifiers)...))
	}
	if len(principals.fields) > 0 {
		o.put(name, 0, principals)
	}
}

// conditions writes condition blocks. Blocks of one test and key add up.
func (d *directory) conditions(o *object, v any) {
	conditions := &object{}
	for _, b := range blocks(v) {
		test, _, _ := b.get("test")
		variable, _, _ := b.get("variable")
		values, _, _ := b.get("values")
		operator, _, _ := conditions.get(d.string(test))
		keys, ok := operator.(*object)
		if !ok {
			keys = &object{}
			conditions.put(d.string(test), 0, keys)
		}
		have, _, _ := keys.get(d.string(variable))
		keys.put(d.string(variable), 0, append(list(have), list(values)...))
	}
	if len(conditions.fields) > 0 {
		o.put("Condition", 0, conditions)
	}
}
