package aws

import (
	"strings"
)

// The reasons for which a condition is not decided, beside keys of the request.
const (
	noSetOperator = "AWS does not document an operator without ForAllValues or ForAnyValue on a claim with several values"
	anyIfExists   = "AWS does not document ForAnyValue with IfExists for a missing key"
)

// The actions that a token may need. STS wants the second if the token has session tags
// and the third if it has a source identity.
const (
	webAction = iota
	tagAction
	sourceAction
	actionCount
)

// The names of the actions in lower case, and of the one that takes no token.
const (
	webActionName = "sts:assumerolewithwebidentity"
	roleAction    = "sts:assumerole"
)

func actionNames() [actionCount]string {
	return [actionCount]string{webActionName, "sts:tagsession", "sts:setsourceidentity"}
}

// rule is a compiled statement.
type rule struct {
	deny       bool
	actions    [actionCount]bool
	principals *principals // for the tokens of any issuer; else nil: the rule is about the issuer
	conditions []condition
}

// condition is a compiled key of a Condition.
type condition struct {
	operator operator
	source   source
	values   []matcher
	// variables are the values with policy variables.
	variables []variableValue
	isNull    bool // of the operator Null: the key must be missing
	// why and whyValue say what is not known if the key or a policy variable is of the
	// request.
	reason, variableReason string
}

// newDecider compiles the statements of a policy that are about an issuer's tokens. With
// an empty issuer it compiles those that are about any issuer's.
func newDecider(p *policy, issuer string) *decider {
	d := &decider{issuer: issuer}
	for i := range p.statements {
		s := &p.statements[i]
		r := rule{deny: s.deny}
		if issuer == "" {
			if !s.deny && !s.principals.wildcards() {
				continue
			}
			r.principals = &s.principals
		} else if !s.principals.matches(issuer) {
			continue
		}
		found := false
		for action, name := range actionNames() {
			r.actions[action] = s.actions.matches(name)
			found = found || r.actions[action]
		}
		if !found {
			continue
		}
		for _, t := range s.conditions {
			r.conditions = append(r.conditions, newCondition(t, issuer, p.variables))
		}
		d.rules = append(d.rules, r)
	}
	return d
}

func newCondition(t test, issuer string, variables bool) condition {
	c := condition{
		operator:       t.operator,
		source:         sourceOf(t.key, issuer),
		reason:         t.key + " is a key of the request, which the token does not decide",
		variableReason: "the value of " + t.key + " has a policy variable of the request, which the token does not decide",
	}
	for _, v := range t.values {
		if t.operator.family == null {
			c.isNull = c.isNull || strings.EqualFold(v, "true")
			continue
		}
		c.add(v, issuer, variables)
	}
	return c
}

// add compiles a value that operator.validate accepts.
func (c *condition) add(value, issuer string, variables bool) {
	o := c.operator
	if !o.text() {
		if m, err := o.literal(value); err == nil {
			c.values = append(c.values, m)
		}
		return
	}
	parts := splitParts(value)
	if variables && strings.Contains(value, "${") {
		parts = withVariables(value, issuer)
	}
	for _, p := range parts {
		if p.kind == variablePart {
			c.variables = append(c.variables, variableValue{o, parts})
			return
		}
	}
	c.values = append(c.values, newTextValue(o, parts))
}

// withVariables splits a value at its policy variables (reference_policies_variables):
// ${key}, ${key, 'default'}, and the characters ${*}, ${?} and ${$}.
func withVariables(value, issuer string) []part {
	var all []part
	for {
		before, rest, ok := strings.Cut(value, "${")
		name, after, closed := strings.Cut(rest, "}")
		if !ok || !closed {
			return append(all, splitParts(value)...)
		}
		all = append(all, splitParts(before)...)
		all = append(all, variable(name, issuer))
		value = after
	}
}

func variable(name, issuer string) part {
	if name == "*" || name == "?" || name == "$" {
		return part{kind: textPart, text: name}
	}
	key, fallback, optional := strings.Cut(name, ",")
	fallback = strings.TrimSpace(fallback)
	if len(fallback) > 1 && fallback[0] == '\'' && fallback[len(fallback)-1] == '\'' {
		fallback = fallback[1 : len(fallback)-1]
	}
	return part{kind: variablePart, source: sourceOf(strings.TrimSpace(key), issuer), fallback: fallback, optional: optional}
}
