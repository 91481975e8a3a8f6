package aws

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/trust/placeholder"
)

// maxPolicy is how many bytes of a policy are read. IAM allows 4,096 characters without
// white space; a document may have every statement indented.
const maxPolicy = 128 << 10

// policy is a trust policy as it is written.
type policy struct {
	variables  bool // Version 2012-10-17 has policy variables
	length     int
	statements []statement
}

// statement is one permission or refusal.
type statement struct {
	name       string // with the Sid or the index: Statement "Deploy", Statement[1]
	offset     int
	deny       bool
	principals principals
	actions    actions
	conditions []test
}

// test is one key of one operator of a Condition, as it is written.
type test struct {
	offset   int
	operator operator
	key      string
	values   []string
}

// actions are the patterns of Action or NotAction, in lower case: "The prefix and the
// action name are case insensitive" (reference_policies_elements_action).
type actions struct {
	inverse  bool
	patterns []string
}

// matches returns whether the statement is about an action, which is in lower case.
func (a actions) matches(action string) bool {
	for _, p := range a.patterns {
		if wildcard(p, action) {
			return !a.inverse
		}
	}
	return a.inverse
}

// readPolicy reads the policy at n, whose text is given for its length.
func readPolicy(n *node, text []byte) (*policy, error) {
	if n.kind != objectKind {
		return nil, fail(n, "", "a policy is an object with Version and Statement")
	}
	if n.end-n.start > maxPolicy {
		return nil, fail(n, "", "%d bytes are more than %d: IAM allows 4,096 characters", n.end-n.start, maxPolicy)
	}
	if err := n.unique(""); err != nil {
		return nil, err
	}
	p := &policy{length: length(text[n.start:n.end])}
	for _, m := range n.members {
		if err := p.element(m); err != nil {
			return nil, err
		}
	}
	if len(p.statements) == 0 {
		return nil, fail(n, "Statement", "missing: add at least one statement")
	}
	return p, nil
}

func (p *policy) element(m member) error {
	switch m.key {
	case "Version":
		switch m.value.string() {
		case "2012-10-17":
			p.variables = true
		case "2008-10-17":
		default:
			return fail(m.value, m.key, "unknown version %q: write 2012-10-17", m.value.text)
		}
	case "Id":
	case "Statement":
		return p.readStatements(m.value)
	default:
		return fail(m.value, m.key, "unknown element: remove it")
	}
	return nil
}

func (p *policy) readStatements(n *node) error {
	statements, single := n.items, n.kind == objectKind
	if single {
		statements = []*node{n}
	} else if n.kind != listKind {
		return fail(n, "Statement", "write an object or a list of objects")
	}
	for i, item := range statements {
		field := index("Statement", i)
		if single {
			field = "Statement"
		}
		s, err := readStatement(item, field)
		if err != nil {
			return err
		}
		p.statements = append(p.statements, s)
	}
	return nil
}

func readStatement(n *node, field string) (statement, error) {
	s := statement{name: field, offset: n.start}
	if n.kind != objectKind {
		return s, fail(n, field, "write an object")
	}
	for _, m := range n.members {
		if err := s.element(m, join(field, m.key)); err != nil {
			return s, err
		}
	}
	return s, s.complete(n, field)
}

func (s *statement) element(m member, field string) (err error) {
	switch m.key {
	case "Sid":
		if m.value.kind != textKind {
			return fail(m.value, field, "write a text")
		}
		if m.value.text != "" {
			s.name = fmt.Sprintf("Statement %q", m.value.text)
		}
	case "Effect":
		switch m.value.string() {
		case "Allow":
		case "Deny":
			s.deny = true
		default:
			return fail(m.value, field, "unknown effect %q: write Allow or Deny", m.value.text)
		}
	case "Principal", "NotPrincipal":
		err = s.principals.read(m.value, field)
		s.principals.inverse = m.key == "NotPrincipal"
	case "Action", "NotAction":
		s.actions.inverse = m.key == "NotAction"
		s.actions.patterns, err = texts(m.value, field)
		for i, p := range s.actions.patterns {
			s.actions.patterns[i] = strings.ToLower(p)
		}
	case "Condition":
		s.conditions, err = readConditions(m.value, field)
	case "Resource", "NotResource":
		return fail(m.value, field, "IAM refuses resources in a trust policy: remove it")
	default:
		return fail(m.value, field, "unknown element: remove it")
	}
	return err
}

// complete fails if an element is absent, or one is there with its opposite.
func (s *statement) complete(n *node, field string) error {
	for _, names := range [][]string{{"Effect"}, {"Principal", "NotPrincipal"}, {"Action", "NotAction"}} {
		count := 0
		for _, name := range names {
			if n.get(name) != nil {
				count++
			}
		}
		if count != 1 {
			return fail(n, field, "has %d of %s: write one", count, strings.Join(names, ", "))
		}
	}
	s.replacePlaceholders()
	if s.principals.unresolved && !s.inferIssuers() {
		return fail(n, join(field, "Principal"), "the provider's ARN is not known: write arn:aws:iam::ACCOUNT:oidc-provider/HOST, "+
			"or pass a plan in which it is resolved")
	}
	return nil
}

// replacePlaceholders replaces an issuer of which nothing is known, such as that of
// ${var.oidc_provider_arn}, by those of the conditions, if no key has the same placeholder.
func (s *statement) replacePlaceholders() {
	p := &s.principals
	if p.inverse || !slices.ContainsFunc(p.providers, placeholder.IsIssuer) {
		return
	}
	known := slices.DeleteFunc(slices.Clone(p.providers), placeholder.IsIssuer)
	for _, c := range s.conditions {
		namespace, _, ok := issuerKey(c.key)
		if ok && slices.Contains(p.providers, namespace) && placeholder.IsIssuer(namespace) {
			return
		}
		if ok {
			known = appendNew(known, namespace)
		}
	}
	if len(known) > 0 {
		p.providers = known
	}
}

// inferIssuers finds the issuers of a principal that is a reference, such as
// ${aws_iam_openid_connect_provider.github.arn}, by the keys of the conditions.
func (s *statement) inferIssuers() bool {
	for _, c := range s.conditions {
		if namespace, _, ok := issuerKey(c.key); ok && !strings.Contains(namespace, "${") {
			s.principals.providers = appendNew(s.principals.providers, namespace)
		}
	}
	return len(s.principals.providers) > 0
}

func readConditions(n *node, field string) ([]test, error) {
	if n.kind != objectKind {
		return nil, fail(n, field, "write an object of operators")
	}
	var tests []test
	for _, o := range n.members {
		name := join(field, o.key)
		operator, err := parseOperator(o.key)
		if err != nil {
			return nil, fail(o.value, name, "%v", err)
		}
		if o.value.kind != objectKind {
			return nil, fail(o.value, name, "write an object of keys with values")
		}
		for _, k := range o.value.members {
			values, err := texts(k.value, join(name, k.key))
			if err != nil {
				return nil, err
			}
			if err := operator.validate(values); err != nil {
				return nil, fail(k.value, join(name, k.key), "%v", err)
			}
			tests = append(tests, test{k.value.start, operator, k.key, values})
		}
	}
	return tests, nil
}

// texts returns the values of an element that is one value or a list of them.
// "Quotation marks are optional for numeric and Boolean values".
func texts(n *node, field string) ([]string, error) {
	items := n.items
	if n.kind != listKind {
		items = []*node{n}
	}
	values := make([]string, 0, len(items))
	for i, item := range items {
		switch item.kind {
		case textKind, numberKind, boolKind:
			values = append(values, item.text)
		default:
			return nil, fail(item, field, "value %d is not a text, a number or a boolean: write a text", i+1)
		}
	}
	return values, nil
}

func appendNew(list []string, value string) []string {
	if slices.Contains(list, value) {
		return list
	}
	return append(list, value)
}

// quoted lists values for messages.
func quoted(values []string) string {
	const most = 3
	parts := make([]string, 0, most+1)
	for i, v := range values {
		if i == most {
			parts = append(parts, fmt.Sprintf("%d more", len(values)-most))
			break
		}
		parts = append(parts, fmt.Sprintf("%q", v))
	}
	return strings.Join(parts, ", ")
}
