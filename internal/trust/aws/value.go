package aws

import (
	"cmp"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// matcher is one value of a condition without policy variables. It compares with one
// value of a request.
type matcher interface {
	match(value string) bool
}

type equalValue string

func (v equalValue) match(value string) bool { return string(v) == value }

type foldValue string

func (v foldValue) match(value string) bool { return strings.EqualFold(string(v), value) }

type likeValue struct{ glob glob }

func (v likeValue) match(value string) bool { return v.glob.match(value) }

// arnParts are the components of an ARN. "Each of the six colon-delimited components of
// the ARN is checked separately and each can include" wildcards.
const arnParts = 6

// arnValue has a glob for each component; nil matches no ARN.
type arnValue struct{ parts []glob }

func newARNValue(value []part) arnValue {
	parts := [][]part{{}}
	for _, p := range value {
		if p.kind != textPart {
			parts[len(parts)-1] = append(parts[len(parts)-1], p)
			continue
		}
		for i, text := range strings.SplitN(p.text, ":", arnParts-len(parts)+1) {
			if i > 0 {
				parts = append(parts, nil)
			}
			parts[len(parts)-1] = append(parts[len(parts)-1], part{kind: textPart, text: text})
		}
	}
	if len(parts) != arnParts {
		return arnValue{}
	}
	v := arnValue{make([]glob, 0, arnParts)}
	for _, p := range parts {
		v.parts = append(v.parts, newGlob(p))
	}
	return v
}

func (v arnValue) match(value string) bool {
	if v.parts == nil {
		return false
	}
	for i, g := range v.parts {
		part, rest, found := strings.Cut(value, ":")
		if i == arnParts-1 {
			part = value
		} else if !found {
			return false
		}
		if !g.match(part) {
			return false
		}
		value = rest
	}
	return true
}

type numberValue struct {
	order order
	value float64
}

func (v numberValue) match(value string) bool {
	n, err := strconv.ParseFloat(value, 64)
	return err == nil && v.order.evaluate(cmp.Compare(n, v.value))
}

type dateValue struct {
	order order
	value time.Time
}

func (v dateValue) match(value string) bool {
	at, ok := parseDate(value)
	return ok && v.order.evaluate(at.Compare(v.value))
}

type boolValue bool

func (v boolValue) match(value string) bool {
	return strings.EqualFold(value, strconv.FormatBool(bool(v)))
}

type prefixValue struct{ prefix netip.Prefix }

func (v prefixValue) match(value string) bool {
	at, err := netip.ParseAddr(value)
	return err == nil && v.prefix.Contains(at)
}

// part is a piece of a value: a text, a wildcard or a policy variable.
type part struct {
	kind partKind
	text string
	// A variable reads a key, and has a text for when the key is missing.
	source   source
	fallback string
	optional bool
}

// variableValue is a value with policy variables, which it replaces for each request.
type variableValue struct {
	operator operator
	parts    []part
}

// match replaces the variables. "When you use a variable with no value in the condition
// element of an IAM policy", operators "do not match".
func (v variableValue) match(value string, r *request) verdict {
	replaced := make([]part, 0, len(v.parts))
	for _, p := range v.parts {
		if p.kind == variablePart {
			found, known := p.source.values(r)
			if !known {
				return unknown
			}
			text, ok := found.single()
			if !ok && !p.optional {
				return isFalse
			}
			if !ok {
				text = p.fallback
			}
			p = part{kind: textPart, text: text}
		}
		replaced = append(replaced, p)
	}
	return when(newTextValue(v.operator, replaced).match(value))
}

// newTextValue compiles a value without variables for an operator that compares texts.
func newTextValue(o operator, value []part) matcher {
	switch o.family {
	case stringLike:
		return likeValue{newGlob(value)}
	case arn:
		// IAM does not say what ArnLike makes of "*". It may be any ARN.
		if len(value) == 1 && value[0].kind == starPart {
			return likeValue{newGlob(value)}
		}
		return newARNValue(value)
	case stringFold:
		return foldValue(plain(value))
	default:
		return equalValue(plain(value))
	}
}

// plain returns parts as an operator without wildcards reads them.
func plain(value []part) string {
	var b strings.Builder
	for _, p := range value {
		switch p.kind {
		case starPart:
			b.WriteByte('*')
		case singlePart:
			b.WriteByte('?')
		default:
			b.WriteString(p.text)
		}
	}
	return b.String()
}
