package azure

import (
	"slices"
	"strings"
	"unicode"
)

// maxClauses is how many conditions an `or` or `in` may have.
// Source: "Advanced query capabilities on Microsoft Entra ID objects" and the
// service's own error text.
const maxClauses = 15

// condition is a $filter or a part of it.
type condition struct {
	op       string // or, and, not, eq, ne, ge, le, in, startswith, endswith
	parts    []condition
	property string
	any      bool  // one of the values of a property with several is so
	values   []any // string, bool or nil
}

// filterable says which operators a property takes; those of advanced need
// ConsistencyLevel: eventual and $count=true.
type filterable struct{ plain, advanced []string }

// filterables are the properties that $filter takes.
// Source: "Support for filter by properties of directory objects".
func filterables(kind string) map[string]filterable {
	text := filterable{[]string{"eq", "in", "startswith", "ge", "le"}, []string{"ne"}}
	name := filterable{[]string{"eq", "in", "startswith"}, []string{"ne"}}
	mail := filterable{[]string{"eq", "in", "startswith", "ge", "le"}, []string{"ne", "endswith"}}
	fixed := filterable{[]string{"eq", "in"}, []string{"ne"}}
	collection := filterable{[]string{"eq", "ge", "le"}, nil}
	late := filterable{nil, []string{"eq", "ne", "in", "startswith", "ge", "le"}}
	switch kind {
	case "users":
		return map[string]filterable{
			"id": fixed, "userPrincipalName": mail, "mail": mail, "displayName": name, "mailNickname": text,
			"accountEnabled": fixed, "userType": fixed, "externalUserState": fixed,
			"otherMails": collection, "proxyAddresses": collection,
		}
	case "groups":
		return map[string]filterable{
			"id": fixed, "displayName": text, "uniqueName": name, "mailNickname": text, "mail": text,
			"mailEnabled": fixed, "securityEnabled": fixed, "isAssignableToRole": fixed, "description": late,
		}
	case "servicePrincipals":
		return map[string]filterable{"id": fixed, "appId": fixed, "displayName": name}
	default:
		return nil
	}
}

// typeOf is the type of a collection's objects, for error texts.
func typeOf(set string) string { return strings.TrimSuffix(set, "s") }

// filter returns the objects that $filter takes.
func filter(text, set string, counted bool, all []object) ([]object, error) {
	if text == "" {
		return all, nil
	}
	known := filterables(set)
	if known == nil && !counted {
		return nil, unsupported("Unsupported Query.")
	}
	p := parser{text: text}
	c, ok := p.either()
	if p.space(); !ok || p.at != len(text) {
		return nil, badOData("Invalid filter clause: Syntax error at position %d in '%s'.", p.at, text)
	}
	if err := c.allowed(set, known, counted, all); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(all), func(o object) bool { return !c.holds(o) }), nil
}

// allowed refuses what the directory does not index.
func (c condition) allowed(set string, known map[string]filterable, counted bool, all []object) error {
	if clauses := max(len(c.parts), len(c.values)); (c.op == "or" || c.op == "in") && clauses > maxClauses {
		return unsupported("Too many child clauses specified in search filter expression containing 'OR' operators: %d. Max allowed: %d.",
			clauses, maxClauses)
	}
	for _, part := range c.parts {
		if err := part.allowed(set, known, counted, all); err != nil {
			return err
		}
	}
	if c.op == "not" && !counted {
		return unsupported("Unsupported Query.")
	}
	if c.property == "" {
		return nil
	}
	f, ok := known[c.property]
	switch {
	case ok && len(all) > 0 && c.any != lists(all[0], c.property):
		return badOData("Invalid filter clause: The property '%s' on type 'microsoft.graph.%s' takes no such expression.",
			c.property, typeOf(set))
	case !ok && len(all) > 0 && !has(all[0], c.property):
		return badOData("Invalid filter clause: Could not find a property named '%s' on type 'microsoft.graph.%s'.",
			c.property, typeOf(set))
	case slices.Contains(f.plain, c.op) && (counted || !slices.Contains(c.values, any(nil))):
		return nil
	case slices.Contains(f.advanced, c.op) && counted:
		return nil
	default:
		return unsupported("Unsupported or invalid query filter clause specified for property '%s' of resource '%s'.", c.property,
			strings.ToUpper(set[:1])+typeOf(set)[1:])
	}
}

func has(o object, name string) bool {
	_, ok := o.property(name)
	return ok
}

// lists reports whether a property has several values.
func lists(o object, name string) bool {
	value, _ := o.property(name)
	_, is := value.([]string)
	return is
}

// holds reports whether an object is as the condition wants it. Texts ignore case.
func (c condition) holds(o object) bool {
	switch c.op {
	case "or":
		return slices.ContainsFunc(c.parts, func(p condition) bool { return p.holds(o) })
	case "and":
		return !slices.ContainsFunc(c.parts, func(p condition) bool { return !p.holds(o) })
	case "not":
		return !c.parts[0].holds(o)
	}
	value, _ := o.property(c.property)
	if all, is := value.([]string); is {
		return slices.ContainsFunc(all, func(one string) bool { return compare(c.op, one, c.values[0]) })
	}
	return slices.ContainsFunc(c.values, func(want any) bool { return compare(c.op, value, want) })
}

func compare(op string, value, want any) bool {
	text, isText := value.(string)
	wanted, wantsText := want.(string)
	if !isText || !wantsText {
		return (value == want) == (op != "ne")
	}
	switch op {
	case "eq", "in":
		return strings.EqualFold(text, wanted)
	case "ne":
		return !strings.EqualFold(text, wanted)
	}
	text, wanted = strings.ToLower(text), strings.ToLower(wanted)
	switch op {
	case "ge":
		return text >= wanted
	case "le":
		return text <= wanted
	case "startswith":
		return strings.HasPrefix(text, wanted)
	default:
		return strings.HasSuffix(text, wanted)
	}
}

// parser reads OData's filter language, as far as the directory takes it:
//
//	or:    and { "or" and }        and: not { "and" not }      not: ["not"] one
//	one:   "(" or ")" | function "(" property "," value ")"
//	     | property operator value | property "in" "(" value { "," value } ")"
//	     | property "/any(" variable ":" variable operator value ")"
type parser struct {
	text string
	at   int
}

func (p *parser) space() {
	for p.at < len(p.text) && p.text[p.at] == ' ' {
		p.at++
	}
}

// word takes a word, if one is next; peek leaves it there.
func (p *parser) word(peek bool) string {
	p.space()
	end := p.at
	for end < len(p.text) && (unicode.IsLetter(rune(p.text[end])) || p.text[end] >= '0' && p.text[end] <= '9') {
		end++
	}
	word := p.text[p.at:end]
	if !peek {
		p.at = end
	}
	return word
}

// skip takes a sign, if it is next.
func (p *parser) skip(sign byte) bool {
	p.space()
	if p.at < len(p.text) && p.text[p.at] == sign {
		p.at++
		return true
	}
	return false
}

// chain reads conditions that one word joins.
func (p *parser) chain(word string, next func() (condition, bool)) (condition, bool) {
	first, ok := next()
	parts := []condition{first}
	for ok && strings.EqualFold(p.word(true), word) {
		p.word(false)
		var part condition
		part, ok = next()
		parts = append(parts, part)
	}
	if len(parts) == 1 {
		return first, ok
	}
	return condition{op: word, parts: parts}, ok
}

func (p *parser) either() (condition, bool) { return p.chain("or", p.both) }

func (p *parser) both() (condition, bool) { return p.chain("and", p.not) }

func (p *parser) not() (condition, bool) {
	if strings.EqualFold(p.word(true), "not") {
		p.word(false)
		c, ok := p.one()
		return condition{op: "not", parts: []condition{c}}, ok
	}
	return p.one()
}

func (p *parser) one() (condition, bool) {
	if p.skip('(') {
		if len(p.text) > 4096 { // no query is that deep
			return condition{}, false
		}
		c, ok := p.either()
		return c, ok && p.skip(')')
	}
	word := p.word(false)
	if word == "" {
		return condition{}, false
	}
	if function := strings.ToLower(word); function == "startswith" || function == "endswith" {
		return p.function(function)
	}
	if p.skip('/') {
		return p.anyOf(word)
	}
	return p.comparison(word)
}

// anyOf reads what one of a property's values is.
func (p *parser) anyOf(property string) (condition, bool) {
	if p.word(false) != "any" || !p.skip('(') {
		return condition{}, false
	}
	variable := p.word(false)
	if variable == "" || !p.skip(':') || p.word(false) != variable {
		return condition{}, false
	}
	c, ok := p.comparison(property)
	c.any = true
	return c, ok && c.op != "in" && p.skip(')')
}

func (p *parser) function(op string) (condition, bool) {
	if !p.skip('(') {
		return condition{}, false
	}
	c := condition{op: op, property: p.word(false)}
	if c.property == "" || !p.skip(',') {
		return c, false
	}
	value, ok := p.value()
	_, isText := value.(string)
	c.values = []any{value}
	return c, ok && isText && p.skip(')')
}

func (p *parser) comparison(property string) (condition, bool) {
	c := condition{op: strings.ToLower(p.word(false)), property: property}
	switch c.op {
	case "eq", "ne", "ge", "le":
		value, ok := p.value()
		c.values = []any{value}
		return c, ok
	case "in":
		ok := p.skip('(')
		for more := ok; more && ok; more = p.skip(',') {
			var value any
			value, ok = p.value()
			c.values = append(c.values, value)
		}
		return c, ok && p.skip(')')
	default:
		return c, false
	}
}

// value reads a text in quotes, true, false or null.
func (p *parser) value() (any, bool) {
	if p.skip('\'') {
		return p.quoted()
	}
	switch p.word(false) {
	case "true":
		return true, true
	case "false":
		return false, true
	case "null":
		return nil, true
	default:
		return nil, false
	}
}

// quoted reads a text up to its closing quote; two quotes stand for one.
func (p *parser) quoted() (any, bool) {
	var text strings.Builder
	for p.at < len(p.text) {
		sign := p.text[p.at]
		p.at++
		if sign != '\'' {
			text.WriteByte(sign)
			continue
		}
		if p.at == len(p.text) || p.text[p.at] != '\'' {
			return text.String(), true
		}
		p.at++
		text.WriteByte('\'')
	}
	return nil, false
}
