package terraform

import (
	"encoding/json"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// call evaluates a call of a function.
func (e *evaluator) call(x *hclsyntax.FunctionCallExpr, s *scope) any {
	args := make([]any, 0, len(x.Args))
	for _, arg := range x.Args {
		args = append(args, e.eval(arg, s))
	}
	if list, ok := last(args).([]any); ok && x.ExpandFinal {
		args = append(args[:len(args)-1:len(args)-1], list...)
	}
	if v, ok := e.function(x.Name, args); ok {
		return v
	}
	return unknown{e.source(x.Range())}
}

func last(list []any) any {
	if len(list) == 0 {
		return nil
	}
	return list[len(list)-1]
}

// function evaluates a function; false if it is not modelled or the arguments do not fit.
func (e *evaluator) function(name string, args []any) (any, bool) {
	if len(args) == 0 {
		return nil, false
	}
	switch name {
	case "jsonencode":
		text, err := e.encode(args[0])
		return text, err == nil
	case "jsondecode":
		text, ok := args[0].(string)
		if !ok {
			return nil, false
		}
		return decode(text)
	case "tolist", "toset", "tostring", "tomap", "sensitive", "nonsensitive", "one", "sort", "distinct", "compact":
		return e.same(name, args[0])
	case "try", "coalesce":
		return first(args)
	case "concat", "flatten", "coalescelist", "setunion":
		return flat(args), true
	case "merge":
		return merge(args)
	case "lookup":
		return lookup(args)
	default:
		return e.textFunction(name, args)
	}
}

// same evaluates functions that change only the type or the order of a value.
func (e *evaluator) same(name string, v any) (any, bool) {
	list, isList := v.([]any)
	if name == "one" && isList {
		return last(list), len(list) == 1
	}
	_, isUnknown := v.(unknown)
	return v, !isUnknown
}

// first returns the first value that is neither null nor unknown, else the first unknown
// one.
func first(args []any) (any, bool) {
	for _, arg := range args {
		if _, isUnknown := arg.(unknown); !isUnknown && arg != nil {
			return arg, true
		}
	}
	return nil, false
}

// flat joins lists, also lists in lists.
func flat(args []any) []any {
	all := []any{}
	for _, arg := range args {
		list, ok := arg.([]any)
		if !ok {
			all = append(all, arg)
			continue
		}
		for _, item := range list {
			if inner, nested := item.([]any); nested {
				all = append(all, inner...)
			} else {
				all = append(all, item)
			}
		}
		if len(all) > maxItems {
			return all[:maxItems]
		}
	}
	return all
}

func merge(args []any) (any, bool) {
	merged, at := &object{}, map[string]int{}
	for _, arg := range args {
		o, ok := arg.(*object)
		if !ok {
			return nil, false
		}
		for _, f := range o.fields {
			if i, twice := at[f.name]; twice {
				merged.fields[i] = f
				continue
			}
			at[f.name] = len(merged.fields)
			merged.fields = append(merged.fields, f)
		}
	}
	return merged, true
}

func lookup(args []any) (any, bool) {
	o, isObject := args[0].(*object)
	if len(args) < 2 || !isObject {
		return nil, false
	}
	name, isText := args[1].(string)
	if v, _, found := o.get(name); found {
		return v, true
	}
	if len(args) < 3 || !isText {
		return nil, false
	}
	return args[2], true
}

// textFunction evaluates functions of texts.
func (e *evaluator) textFunction(name string, args []any) (any, bool) {
	text, ok := e.text(args[0])
	if !ok {
		return nil, false
	}
	var second, third string
	if len(args) > 1 && name != "join" && name != "format" && name != "formatlist" {
		second, ok = e.text(args[1])
	}
	if len(args) > 2 && name == "replace" {
		third, ok = e.text(args[2])
	}
	if !ok {
		return nil, false
	}
	switch name {
	case "lower":
		return strings.ToLower(text), true
	case "upper":
		return strings.ToUpper(text), true
	case "trimspace", "chomp":
		return strings.TrimSpace(text), true
	case "trim":
		return strings.Trim(text, second), true
	case "trimprefix":
		return strings.TrimPrefix(text, second), true
	case "trimsuffix":
		return strings.TrimSuffix(text, second), true
	case "replace":
		return e.replace(text, second, third)
	case "split":
		return split(second, text)
	case "join":
		return e.join(text, args[1:])
	case "format":
		return e.format(text, args[1:])
	case "formatlist":
		return e.formatList(text, args[1:])
	default:
		return nil, false
	}
}

// replace replaces a text. A pattern between slashes is a regular expression, which is not
// evaluated, but for those that remove the scheme of a URL.
func (*evaluator) replace(text, old, replacement string) (any, bool) {
	if len(old) > 1 && strings.HasPrefix(old, "/") && strings.HasSuffix(old, "/") {
		switch old {
		case "/^https:\\/\\//", "/https:\\/\\//", "/^https?:\\/\\//", "/^(https?://)/", "/^https:///", "/https:///":
			return replacement + strings.TrimPrefix(text, "https://"), true
		case "/^(.*provider/)/", "/^.*provider\\//", "/^.*oidc-provider\\//":
			_, rest, found := strings.Cut(text, "oidc-provider/")
			if !found {
				return text, true
			}
			return replacement + rest, true
		}
		return nil, false
	}
	if old == "" || len(text) > 0 && strings.Count(text, old)*len(replacement) > maxText {
		return nil, false
	}
	return strings.ReplaceAll(text, old, replacement), true
}

func split(separator, text string) (any, bool) {
	if strings.Count(text, separator) > maxItems {
		return nil, false
	}
	list := []any{}
	for part := range strings.SplitSeq(text, separator) {
		list = append(list, part)
	}
	return list, true
}

func (e *evaluator) join(separator string, args []any) (any, bool) {
	parts := []string{}
	size := 0
	for _, item := range flat(args) {
		text, ok := e.text(item)
		if size += len(text) + len(separator); !ok || size > maxText {
			return nil, false
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, separator), true
}

// format evaluates the verbs %s, %v, %d, %q and %%.
func (e *evaluator) format(text string, args []any) (any, bool) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "%")
		b.WriteString(before)
		if !found {
			return b.String(), true
		}
		if rest == "" || b.Len() > maxText {
			return nil, false
		}
		verb := rest[0]
		text = rest[1:]
		if verb == '%' {
			b.WriteByte('%')
			continue
		}
		if len(args) == 0 {
			return nil, false
		}
		arg, ok := e.verb(verb, args[0])
		if !ok {
			return nil, false
		}
		b.WriteString(arg)
		args = args[1:]
	}
}

// verb formats one argument.
func (e *evaluator) verb(verb byte, arg any) (string, bool) {
	text, ok := e.text(arg)
	switch verb {
	case 's', 'v', 'd':
		return text, ok
	case 'q':
		quoted, err := json.Marshal(text)
		return string(quoted), ok && err == nil
	default:
		return "", false
	}
}

// formatList formats once for each item of the lists among the arguments.
func (e *evaluator) formatList(text string, args []any) (any, bool) {
	n := 1
	for _, arg := range args {
		if list, ok := arg.([]any); ok {
			n = len(list)
		}
	}
	all := []any{}
	for i := range min(n, maxItems) {
		var one []any
		for _, arg := range args {
			if list, ok := arg.([]any); ok {
				if i >= len(list) {
					return nil, false
				}
				arg = list[i]
			}
			one = append(one, arg)
		}
		formatted, ok := e.format(text, one)
		if !ok {
			return nil, false
		}
		all = append(all, formatted)
	}
	return all, true
}
