package aws

import (
	"strings"
)

// templateAccount stands for the account of a stack, which a template does not name.
const templateAccount = "000000000000"

// template reads the roles and OIDC providers of a CloudFormation template.
func (p *parser) template(n *node) bool {
	resources := n.get("Resources")
	if resources.kind != objectKind {
		return false
	}
	t := template{resources: resources, parameters: n.get("Parameters")}
	found := false
	for _, m := range resources.members {
		properties := m.value.get("Properties")
		switch m.value.get("Type").string() {
		case "AWS::IAM::Role":
			found = true
			p.templateRole(&t, m.key, properties)
		case "AWS::IAM::OIDCProvider":
			found = true
			p.templateProvider(&t, m.key, properties)
		}
	}
	return found
}

func (p *parser) templateRole(t *template, name string, properties *node) {
	document := properties.get("AssumeRolePolicyDocument")
	if document == nil {
		return
	}
	resolved, err := t.resolve(document, 0)
	if err != nil {
		p.fail(name, err)
		return
	}
	if text := properties.get("RoleName").string(); text != "" {
		name = text
	}
	r := role{name: name, account: templateAccount, policy: resolved}
	r.session(properties.get("MaxSessionDuration"))
	p.role(r)
}

func (p *parser) templateProvider(t *template, name string, properties *node) {
	if properties.get("Url") == nil {
		return
	}
	resolved, err := t.resolve(properties, 0)
	if err != nil {
		p.fail(name, err)
		return
	}
	clients := resolved.get("ClientIdList")
	if clients == nil {
		clients = &node{kind: listKind, start: properties.start}
	}
	p.provider(resolved.get("Url").string(), clients, properties)
}

// template replaces the functions of a template by what they return.
type template struct {
	resources, parameters *node
}

func unresolved(n *node, function string) error {
	return fail(n, "", "%s is not known from the template: "+
		"pass the output of aws iam get-role, or a template with the value", function)
}

// resolve returns a copy of n without functions.
func (t *template) resolve(n *node, depth int) (*node, error) {
	if depth > maxDepth {
		return nil, unresolved(n, "a reference in a circle")
	}
	if n.kind == objectKind && len(n.members) == 1 {
		key := n.members[0].key
		if key == "Ref" || strings.HasPrefix(key, "Fn::") {
			text, err := t.function(n.members[0], depth+1)
			return &node{kind: textKind, start: n.start, end: n.end, text: text}, err
		}
	}
	c := *n
	c.members, c.items = nil, nil
	for _, m := range n.members {
		v, err := t.resolve(m.value, depth+1)
		if err != nil {
			return nil, err
		}
		c.members = append(c.members, member{m.key, v})
	}
	for _, item := range n.items {
		v, err := t.resolve(item, depth+1)
		if err != nil {
			return nil, err
		}
		c.items = append(c.items, v)
	}
	return &c, nil
}

func (t *template) function(m member, depth int) (string, error) {
	switch m.key {
	case "Ref":
		return t.ref(m.value, m.value.string(), depth)
	case "Fn::GetAtt":
		name, attribute, _ := strings.Cut(m.value.string(), ".")
		if len(m.value.items) == 2 {
			name, attribute = m.value.items[0].string(), m.value.items[1].string()
		}
		if attribute == "Arn" {
			return t.arn(m.value, name, depth)
		}
	case "Fn::Sub":
		return t.sub(m.value, depth)
	case "Fn::Join":
		return t.join(m.value, depth)
	}
	return "", unresolved(m.value, m.key)
}

// ref returns what Ref returns for a pseudo parameter, a parameter with a default, or an
// OIDC provider.
func (t *template) ref(n *node, name string, depth int) (string, error) {
	switch name {
	case "AWS::AccountId":
		return templateAccount, nil
	case "AWS::Partition":
		return "aws", nil
	case "AWS::URLSuffix":
		return "amazonaws.com", nil
	}
	if value := t.parameters.get(name).get("Default"); value != nil && value.kind != objectKind && value.kind != listKind {
		return value.text, nil
	}
	if t.resources.get(name).get("Type").string() == "AWS::IAM::OIDCProvider" {
		return t.arn(n, name, depth)
	}
	return "", unresolved(n, name)
}

// arn returns the ARN of a role or an OIDC provider of the template.
func (t *template) arn(n *node, name string, depth int) (string, error) {
	resource := t.resources.get(name)
	switch resource.get("Type").string() {
	case "AWS::IAM::Role":
		return "arn:aws:iam::" + templateAccount + ":role/" + name, nil
	case "AWS::IAM::OIDCProvider":
		if address := resource.get("Properties").get("Url"); address != nil {
			resolved, err := t.resolve(address, depth+1)
			if err != nil {
				return "", err
			}
			return "arn:aws:iam::" + templateAccount + ":oidc-provider/" + strings.TrimPrefix(resolved.string(), "https://"), nil
		}
	}
	return "", unresolved(n, name)
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
		value, err := t.subVariable(n, variables, name, depth)
		if err != nil {
			return "", err
		}
		b.WriteString(value)
		text = after
	}
}

func (t *template) subVariable(n, variables *node, name string, depth int) (string, error) {
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
	if resource, ok := strings.CutSuffix(name, ".Arn"); ok {
		return t.arn(n, resource, depth)
	}
	return t.ref(n, name, depth)
}

func (t *template) join(n *node, depth int) (string, error) {
	if len(n.items) != 2 || n.items[1].kind != listKind {
		return "", unresolved(n, "Fn::Join")
	}
	parts := make([]string, 0, len(n.items[1].items))
	for _, item := range n.items[1].items {
		resolved, err := t.resolve(item, depth+1)
		if err != nil {
			return "", err
		}
		parts = append(parts, resolved.text)
	}
	return strings.Join(parts, n.items[0].string()), nil
}
