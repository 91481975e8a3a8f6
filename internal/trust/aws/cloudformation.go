package aws

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust"
	"github.com/rollcall-iam/rollcall/internal/trust/placeholder"
)

// template reads the roles, their policies and the OIDC providers of a CloudFormation
// template.
func (p *parser) template(n *node) bool {
	resources := n.get("Resources")
	if resources.kind != objectKind {
		return false
	}
	t := newTemplate(p, n)
	found := false
	for _, m := range resources.members {
		properties := m.value.get("Properties")
		switch m.value.get("Type").string() {
		case "AWS::IAM::Role":
			found = true
			p.templateRole(t, m.key, properties)
		case "AWS::IAM::OIDCProvider":
			found = true
			p.templateProvider(t, m.key, properties)
		case "AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::RolePolicy":
			p.templatePolicy(t, properties)
		}
	}
	return found
}

func (p *parser) templateRole(t *template, id string, properties *node) {
	document := properties.get("AssumeRolePolicyDocument")
	if document == nil {
		return
	}
	name := t.roleName(id)
	resolved, err := t.resolve(document, 0)
	if err != nil {
		p.fail(name, err)
		return
	}
	if expression, whole := t.unknown.Expressions[resolved.string()]; whole {
		at := p.at(document.start)
		p.document.Findings = append(p.document.Findings, trust.Finding{
			File: at.File, Line: at.Line, Trust: name, Rule: "U02", Severity: trust.Low,
			Message: "The trust cannot be judged: its policy is ${" + expression + "}, which the template does not say.",
			Fix:     "Lint the output of aws iam get-role.",
		})
		return
	}
	r := role{name: name, account: placeholder.Account, policy: resolved}
	r.session(properties.get("MaxSessionDuration"))
	p.role(r)
	p.templateGrants(t, name, properties)
}

// templateGrants reads the permissions that a role itself has.
func (p *parser) templateGrants(t *template, name string, properties *node) {
	if boundary := properties.get("PermissionsBoundary"); boundary != nil {
		resolved, err := t.resolve(boundary, 0)
		if err != nil || !NoBoundary(resolved.string()) {
			p.bound(name)
		}
	}
	for _, item := range t.items(properties.get("ManagedPolicyArns")) {
		p.grant(Grant{Role: name, ARN: item.string(), At: p.at(item.start)})
	}
	for _, item := range t.items(properties.get("Policies")) {
		p.grantDocument(name, item.get("PolicyDocument"))
	}
}

// templatePolicy reads a policy of permissions that is a resource of its own.
func (p *parser) templatePolicy(t *template, properties *node) {
	document := properties.get("PolicyDocument")
	if document == nil {
		return
	}
	resolved, err := t.resolve(document, 0)
	if err != nil {
		return // its roles are readable all the same
	}
	for _, item := range append(t.items(properties.get("Roles")), t.items(properties.get("RoleName"))...) {
		p.grantDocument(item.string(), resolved)
	}
}

// grantDocument adds a policy of permissions.
func (p *parser) grantDocument(name string, document *node) {
	if document == nil {
		return
	}
	text := []byte(document.text)
	if document.kind != textKind {
		text = document.encode(nil)
	}
	p.grant(Grant{Role: name, Document: decodePolicy(string(text)), At: p.at(document.start)})
}

func (p *parser) grant(g Grant) {
	p.permissions.Grants = append(p.permissions.Grants, g)
}

// bound notes that a role has a permissions boundary.
func (p *parser) bound(name string) {
	if p.permissions.Bounded == nil {
		p.permissions.Bounded = map[string]bool{}
	}
	p.permissions.Bounded[name] = true
}

func (p *parser) templateProvider(t *template, id string, properties *node) {
	if properties.get("Url") == nil {
		return
	}
	resolved, err := t.resolve(properties, 0)
	if err != nil {
		p.fail(id, err)
		return
	}
	clients := resolved.get("ClientIdList")
	if clients == nil {
		clients = &node{kind: listKind, start: properties.start}
	}
	isUnknown := func(n *node) bool { _, found := t.unknown.Expressions[n.string()]; return found }
	if clients.kind != listKind || slices.ContainsFunc(clients.items, isUnknown) {
		return // then its clients are not known
	}
	p.provider(Provider{Name: id, Scope: p.file}, resolved.get("Url").string(), clients, properties)
}

// template replaces the functions of a template by what they return. What the template does
// not say becomes a placeholder.
type template struct {
	text                           []byte
	resources, parameters, mapping *node
	unknown                        placeholder.Set
	steps                          int
}

// maxSteps bounds the values that are resolved for one template. A template has at most 1 MB.
const maxSteps = 1_000_000

func newTemplate(p *parser, n *node) *template {
	if p.document.Unknown == nil {
		p.document.Unknown = map[string]string{}
	}
	return &template{
		text: p.text, resources: n.get("Resources"), parameters: n.get("Parameters"), mapping: n.get("Mappings"),
		unknown: placeholder.Set{Expressions: p.document.Unknown},
	}
}

// noValue is the pseudo parameter that removes what has it.
const noValue = "AWS::NoValue"

// resolve returns a copy of n without functions. It fails for references in a circle.
func (t *template) resolve(n *node, depth int) (*node, error) {
	if t.steps++; depth > maxDepth || t.steps > maxSteps {
		return nil, fail(n, "", "a reference is in a circle, or the template has more than %d values: correct or split it", maxSteps)
	}
	if f, ok := functionOf(n); ok {
		return t.evaluate(n, f, depth+1)
	}
	c := *n
	if strings.Contains(n.string(), "{{resolve:") { // a reference to a parameter or secret
		c.text = t.unknown.Of(n.text)
	}
	c.members, c.items = nil, nil
	for _, m := range n.members {
		v, err := t.resolve(m.value, depth+1)
		if err != nil {
			return nil, err
		}
		if !v.isNoValue() {
			c.members = append(c.members, member{m.key, v})
		}
	}
	for _, item := range n.items {
		v, err := t.resolve(item, depth+1)
		if err != nil {
			return nil, err
		}
		if !v.isNoValue() {
			c.items = append(c.items, v)
		}
	}
	return &c, nil
}

// functionOf returns the function that an object calls.
func functionOf(n *node) (member, bool) {
	if n.kind != objectKind || len(n.members) != 1 {
		return member{}, false
	}
	m := n.members[0]
	return m, m.key == "Ref" || strings.HasPrefix(m.key, "Fn::")
}

func (n *node) isNoValue() bool { return n.string() == noValue }

// items returns the items of a list, or a value as a list, without functions.
func (t *template) items(n *node) []*node {
	if n == nil {
		return nil
	}
	resolved, err := t.resolve(n, 0)
	switch {
	case err != nil:
		return nil
	case resolved.kind == listKind:
		return resolved.items
	default:
		return []*node{resolved}
	}
}

// evaluate returns what a function returns, at the place of its call.
func (t *template) evaluate(call *node, m member, depth int) (*node, error) {
	result := func(text string, err error) (*node, error) {
		return &node{kind: textKind, start: call.start, end: call.end, text: text}, err
	}
	switch m.key {
	case "Ref":
		if list := t.listParameter(call, m.value.string()); list != nil {
			return list, nil
		}
		return result(t.ref(m.value.string(), depth))
	case "Fn::GetAtt":
		name, attribute, _ := strings.Cut(m.value.string(), ".")
		if len(m.value.items) == 2 {
			name, attribute = m.value.items[0].string(), m.value.items[1].string()
		}
		return result(t.attribute(name, attribute, depth))
	case "Fn::Sub":
		return result(t.sub(m.value, depth))
	case "Fn::Join":
		return result(t.join(call, m.value, depth))
	case "Fn::If":
		return t.either(call, m.value, depth)
	case "Fn::FindInMap":
		if found := t.find(m.value, depth); found != nil {
			return found, nil
		}
	}
	return result(t.unknownCall(call), nil)
}

// unknownCall returns the placeholder for a function whose result is not known.
func (t *template) unknownCall(call *node) string {
	name := call.members[0].key
	if argument := call.members[0].value.string(); argument != "" {
		return t.unknown.Of(name + " " + argument)
	}
	source := strings.Join(strings.Fields(string(t.text[call.start:call.end])), " ")
	if len(source) > 100 {
		source = strings.ToValidUTF8(source[:97], "") + "..."
	}
	return t.unknown.Of(source)
}

// ref returns what Ref returns for a pseudo parameter, a parameter with a default, a role or
// an OIDC provider.
func (t *template) ref(name string, depth int) (string, error) {
	switch name {
	case "AWS::AccountId":
		return placeholder.Account, nil
	case "AWS::Partition":
		return "aws", nil
	case "AWS::URLSuffix":
		return "amazonaws.com", nil
	case noValue:
		return noValue, nil
	}
	if value := t.parameters.get(name).get("Default"); value != nil && value.text != "" {
		return value.text, nil
	}
	switch t.resources.get(name).get("Type").string() {
	case "AWS::IAM::OIDCProvider":
		return t.attribute(name, "Arn", depth)
	case "AWS::IAM::Role":
		return t.roleName(name), nil
	}
	return t.unknown.Of(name), nil
}

// roleName returns the name of a role: the one that it sets, else the logical ID.
func (t *template) roleName(id string) string {
	if name := t.resources.get(id).get("Properties").get("RoleName").string(); name != "" {
		return name
	}
	return id
}

// listParameter returns the default of a parameter that is a list; nil for another one.
func (t *template) listParameter(call *node, name string) *node {
	parameter := t.parameters.get(name)
	kind, value := parameter.get("Type").string(), parameter.get("Default").string()
	if value == "" || kind != "CommaDelimitedList" && !strings.HasPrefix(kind, "List<") {
		return nil
	}
	list := &node{kind: listKind, start: call.start, end: call.end}
	for item := range strings.SplitSeq(value, ",") {
		list.items = append(list.items, &node{kind: textKind, start: call.start, end: call.end, text: strings.TrimSpace(item)})
	}
	return list
}

// attribute returns an attribute of a resource, such as the ARN of a role or an OIDC
// provider.
func (t *template) attribute(name, attribute string, depth int) (string, error) {
	resource := t.resources.get(name)
	kind := resource.get("Type").string()
	if address := resource.get("Properties").get("Url"); attribute == "Arn" && kind == "AWS::IAM::OIDCProvider" && address != nil {
		resolved, err := t.resolve(address, depth+1)
		if err != nil {
			return "", err
		}
		return "arn:aws:iam::" + placeholder.Account + ":oidc-provider/" + strings.TrimPrefix(resolved.string(), "https://"), nil
	}
	if attribute == "Arn" && kind == "AWS::IAM::Role" {
		return "arn:aws:iam::" + placeholder.Account + ":role/" + t.roleName(name), nil
	}
	return t.unknown.Of(name + "." + attribute), nil
}

// either returns the branch of Fn::If that is there. If both are, and differ, the result is
// not known.
func (t *template) either(call, n *node, depth int) (*node, error) {
	unknown := &node{kind: textKind, start: call.start, end: call.end}
	if len(n.items) != 3 {
		unknown.text = t.unknownCall(call)
		return unknown, nil
	}
	first, err := t.resolve(n.items[1], depth+1)
	if err != nil {
		return nil, err
	}
	second, err := t.resolve(n.items[2], depth+1)
	switch {
	case err != nil:
		return nil, err
	case second.isNoValue(), first.kind == textKind && second.kind == textKind && first.text == second.text:
		return first, nil
	case first.isNoValue():
		return second, nil
	}
	unknown.text = t.unknownCall(call)
	return unknown, nil
}

// find returns a value of the section Mappings; nil if a key is not known.
func (t *template) find(n *node, depth int) *node {
	if len(n.items) != 3 {
		return nil
	}
	found := t.mapping
	for _, item := range n.items {
		key, err := t.resolve(item, depth+1)
		if err != nil || found == nil {
			return nil
		}
		found = found.get(key.string())
	}
	return found
}

// sub replaces the variables of Fn::Sub. ${!name} is the text ${name}.
func (t *template) sub(n *node, depth int) (string, error) {
	text, variables := n.string(), (*node)(nil)
	if len(n.items) == 2 {
		text, variables = n.items[0].string(), n.items[1]
	}
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(text, "${")
		name, after, closed := strings.Cut(rest, "}")
		if !ok || !closed {
			b.WriteString(text)
			return b.String(), nil
		}
		b.WriteString(before)
		value, err := t.variable(variables, name, depth)
		if err != nil {
			return "", err
		}
		if strings.HasSuffix(b.String(), "oidc-provider/") || strings.HasPrefix(after, ":") {
			value = strings.TrimPrefix(value, "https://") // an issuer, as AWS names it
		}
		if b.Len()+len(value) > maxPolicy {
			return "", fail(n, "", "a text has more than %d bytes: shorten it", maxPolicy)
		}
		b.WriteString(value)
		text = after
	}
}

func (t *template) variable(variables *node, name string, depth int) (string, error) {
	if literal, ok := strings.CutPrefix(name, "!"); ok {
		return "${" + literal + "}", nil
	}
	if v := variables.get(name); v != nil {
		resolved, err := t.resolve(v, depth+1)
		if err != nil {
			return "", err
		}
		return resolved.text, nil
	}
	if resource, attribute, ok := strings.Cut(name, "."); ok {
		return t.attribute(resource, attribute, depth)
	}
	return t.ref(name, depth)
}

// join joins the items of Fn::Join.
func (t *template) join(call, n *node, depth int) (string, error) {
	if len(n.items) != 2 || n.items[1].kind != listKind {
		return t.unknownCall(call), nil
	}
	size := 0
	parts := make([]string, 0, len(n.items[1].items))
	for _, item := range n.items[1].items {
		resolved, err := t.resolve(item, depth+1)
		if err != nil {
			return "", err
		}
		if size += len(resolved.text); size > maxPolicy {
			return "", fail(n, "", "a text has more than %d bytes: shorten it", maxPolicy)
		}
		parts = append(parts, resolved.text)
	}
	return strings.Join(parts, n.items[0].string()), nil
}

// encode appends a value as JSON, for a document whose functions are replaced.
func (n *node) encode(b []byte) []byte {
	switch n.kind {
	case objectKind:
		b = append(b, '{')
		for i, m := range n.members {
			b = withComma(b, i)
			b = append(appendText(b, m.key), ':')
			b = m.value.encode(b)
		}
		return append(b, '}')
	case listKind:
		b = append(b, '[')
		for i, item := range n.items {
			b = item.encode(withComma(b, i))
		}
		return append(b, ']')
	case textKind:
		return appendText(b, n.text)
	case numberKind, boolKind:
		return append(b, n.text...)
	default:
		return append(b, "null"...)
	}
}

// withComma appends a comma before any but the first value.
func withComma(b []byte, i int) []byte {
	if i > 0 {
		b = append(b, ',')
	}
	return b
}

// appendText appends a text of JSON.
func appendText(b []byte, text string) []byte {
	quoted, err := json.Marshal(text)
	if err != nil {
		return append(b, `""`...) // not for a text
	}
	return append(b, quoted...)
}
