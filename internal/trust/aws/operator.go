package aws

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// family says how an operator compares one value of a request with one of the policy.
type family uint8

const (
	stringEquals family = iota + 1
	stringFold
	stringLike
	numeric
	date
	boolean
	binary
	address
	arn
	null
)

// set is how an operator treats a key with several values.
type set uint8

const (
	noSet set = iota
	forAll
	forAny
)

// order is the comparison of numbers and dates.
type order uint8

const (
	equal order = iota
	less
	lessEqual
	greater
	greaterEqual
)

// evaluate returns whether a comparison, as of cmp.Compare, is the order.
func (o order) evaluate(comparison int) bool {
	switch o {
	case less:
		return comparison < 0
	case lessEqual:
		return comparison <= 0
	case greater:
		return comparison > 0
	case greaterEqual:
		return comparison >= 0
	default:
		return comparison == 0
	}
}

// operator is a condition operator with its prefix and suffix.
type operator struct {
	name     string // as it is written
	family   family
	order    order
	inverse  bool
	ifExists bool
	set      set
}

// parseOperator reads the name of an operator, such as ForAnyValue:StringLikeIfExists.
// The case of the letters does not matter.
func parseOperator(name string) (operator, error) {
	o := operator{name: name}
	rest := strings.ToLower(name)
	if prefix, after, ok := strings.Cut(rest, ":"); ok {
		switch prefix {
		case "forallvalues":
			o.set = forAll
		case "foranyvalue":
			o.set = forAny
		default:
			return o, fmt.Errorf("unknown prefix %q: write ForAllValues or ForAnyValue", name)
		}
		rest = after
	}
	rest, o.ifExists = strings.CutSuffix(rest, "ifexists")
	if !setBase(&o, rest) {
		return o, errors.New("unknown operator: see reference_policies_elements_condition_operators in the IAM User Guide")
	}
	if o.family == null && o.ifExists {
		return o, errors.New("IAM has no IfExists for Null: write Null")
	}
	return o, nil
}

// setBase sets what the lower-case name of an operator means.
func setBase(o *operator, name string) bool {
	switch name {
	case "bool":
		o.family = boolean
	case "binaryequals":
		o.family = binary
	case "null":
		o.family = null
	case "ipaddress", "notipaddress":
		o.family, o.inverse = address, name == "notipaddress"
	case "arnequals", "arnlike", "arnnotequals", "arnnotlike":
		o.family, o.inverse = arn, strings.HasPrefix(name, "arnnot")
	default:
		if rest, ok := strings.CutPrefix(name, "string"); ok {
			return setString(o, rest)
		}
		if rest, ok := strings.CutPrefix(name, "numeric"); ok {
			o.family = numeric
			return setOrder(o, rest)
		}
		rest, ok := strings.CutPrefix(name, "date")
		o.family = date
		return ok && setOrder(o, rest)
	}
	return true
}

func setString(o *operator, name string) bool {
	name, o.inverse = strings.CutPrefix(name, "not")
	switch name {
	case "equals":
		o.family = stringEquals
	case "equalsignorecase":
		o.family = stringFold
	case "like":
		o.family = stringLike
	default:
		return false
	}
	return true
}

func setOrder(o *operator, name string) bool {
	switch name {
	case "equals":
		o.order = equal
	case "notequals":
		o.order, o.inverse = equal, true
	case "lessthan":
		o.order = less
	case "lessthanequals":
		o.order = lessEqual
	case "greaterthan":
		o.order = greater
	case "greaterthanequals":
		o.order = greaterEqual
	default:
		return false
	}
	return true
}

// text returns whether the operator compares texts and knows policy variables.
func (o operator) text() bool {
	return o.family == stringEquals || o.family == stringFold || o.family == stringLike || o.family == arn
}

// validate fails if IAM refuses a value for the operator.
func (o operator) validate(values []string) error {
	for _, v := range values {
		if o.text() || o.family == binary && decodes(v) {
			continue
		}
		if o.family == null {
			if !strings.EqualFold(v, "true") && !strings.EqualFold(v, "false") {
				return fmt.Errorf("the value %q is not true or false", v)
			}
			continue
		}
		if _, err := o.literal(v); err != nil {
			return err
		}
	}
	return nil
}

func decodes(value string) bool {
	_, err := base64.StdEncoding.DecodeString(value)
	return err == nil
}

// literal compiles a value for an operator that does not compare texts.
func (o operator) literal(value string) (matcher, error) {
	switch o.family {
	case numeric:
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return nil, fmt.Errorf("the value %q is not a number", value)
		}
		return numberValue{o.order, n}, nil
	case date:
		at, ok := parseDate(value)
		if !ok {
			return nil, fmt.Errorf("the value %q is not a date: write 2026-01-31T00:00:00Z or seconds since 1970", value)
		}
		return dateValue{o.order, at}, nil
	case boolean:
		b, err := strconv.ParseBool(strings.ToLower(value))
		if err != nil {
			return nil, fmt.Errorf("the value %q is not true or false", value)
		}
		return boolValue(b), nil
	case address:
		prefix, ok := parsePrefix(value)
		if !ok {
			return nil, fmt.Errorf("the value %q is not an IP address or CIDR", value)
		}
		return prefixValue{prefix}, nil
	case binary:
		if !decodes(value) {
			return nil, fmt.Errorf("the value %q is not base64", value)
		}
		return equalValue(value), nil
	default:
		return nil, fmt.Errorf("the operator %s has no literals", o.name)
	}
}

// parsePrefix reads an address or a CIDR. "If you specify an IP address without the
// associated routing prefix, IAM uses the default prefix value of /32".
func parsePrefix(value string) (netip.Prefix, bool) {
	if prefix, err := netip.ParsePrefix(value); err == nil {
		return prefix, true
	}
	at, err := netip.ParseAddr(value)
	if err != nil {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(at, at.BitLen()), true
}

// parseDate reads "one of the W3C implementations of the ISO 8601 date formats or epoch
// (UNIX) time".
func parseDate(value string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00", time.DateOnly, "2006-01", "2006"} {
		if at, err := time.Parse(layout, value); err == nil {
			return at, true
		}
	}
	seconds, err := strconv.ParseInt(value, 10, 64)
	return time.Unix(seconds, 0), err == nil
}
