package gcp

import (
	"errors"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/ext"
)

// maxText bounds the result of replace and join, in bytes. All attributes of a token have
// at most 8 KB.
const maxText = 64 << 10

// Errors of functions. An error refuses the token.
var (
	// errTemplate is returned for a template of extract that has not exactly one variable.
	errTemplate = errors.New("extract: the template needs one variable in braces, such as {name}")
	// errSize is returned for a result of more than maxText bytes.
	errSize = errors.New("the text has more than 64 KB")
)

// stringFunctions returns the string functions of Google's CEL: extract, and those of
// cel-go's ext.Strings. replace and join are replaced by ones with bounded results: a chain
// of them multiplies sizes, and the cost limit sees a text only after it is made.
func stringFunctions() []cel.EnvOption {
	texts := func(n int) []*cel.Type {
		types := make([]*cel.Type, n)
		for i := range types {
			types[i] = cel.StringType
		}
		return types
	}
	list, text := cel.ListType(cel.StringType), cel.StringType
	return []cel.EnvOption{
		ext.Strings(ext.StringsVersion(0)),
		cel.Function("extract",
			cel.MemberOverload("string_extract_string", texts(2), text, cel.BinaryBinding(extract))),
		cel.Function("replace",
			cel.MemberOverload("string_replace_string_string", texts(3), text, cel.FunctionBinding(replace)),
			cel.MemberOverload("string_replace_string_string_int", append(texts(3), cel.IntType), text, cel.FunctionBinding(replace))),
		cel.Function("join",
			cel.MemberOverload("list_join", []*cel.Type{list}, text, cel.FunctionBinding(join)),
			cel.MemberOverload("list_join_string", []*cel.Type{list, text}, text, cel.FunctionBinding(join))),
	}
}

// stringCost charges string functions by the sizes of their arguments and results, as
// cel-go charges a sum of texts: a tenth per byte.
type stringCost struct{}

// CallCost returns the cost of a call, nil for the functions that cel-go charges.
func (stringCost) CallCost(function, _ string, args []ref.Val, result ref.Val) *uint64 {
	switch function {
	case "charAt", "extract", "indexOf", "join", "lastIndexOf", "lowerAscii", "replace", "split", "substring", "trim", "upperAscii":
	default:
		return nil
	}
	size := len(textOf(result))
	for _, arg := range args {
		size += len(textOf(arg))
		if list, ok := arg.(traits.Sizer); ok {
			n, _ := list.Size().(types.Int)
			size += 10 * int(n)
		}
	}
	cost := uint64(1 + size/10)
	return &cost
}

// textOf returns the text of a CEL value, "" if it is none.
func textOf(value ref.Val) string {
	text, _ := value.(types.String)
	return string(text)
}

// replace replaces texts, all of them or at most a number.
func replace(args ...ref.Val) ref.Val {
	text, old, by := textOf(args[0]), textOf(args[1]), textOf(args[2])
	n := strings.Count(text, old)
	if len(args) > 3 {
		most, ok := args[3].(types.Int)
		if ok && most >= 0 {
			n = min(n, int(min(most, maxText)))
		}
	}
	if len(text)+n*max(len(by)-len(old), 0) > maxText {
		return types.WrapErr(errSize)
	}
	return types.String(strings.Replace(text, old, by, n))
}

// join joins a list of texts, with a separator or without.
func join(args ...ref.Val) ref.Val {
	list, ok := args[0].(traits.Lister)
	if !ok {
		return types.MaybeNoSuchOverloadErr(args[0])
	}
	separator := ""
	if len(args) > 1 {
		separator = textOf(args[1])
	}
	var joined strings.Builder
	size, _ := list.Size().(types.Int)
	for i := range size {
		text, ok := list.Get(i).(types.String)
		if !ok {
			return types.MaybeNoSuchOverloadErr(list.Get(i))
		}
		if i > 0 {
			joined.WriteString(separator)
		}
		joined.WriteString(string(text))
		if joined.Len() > maxText {
			return types.WrapErr(errSize)
		}
	}
	return types.String(joined.String())
}

// extract is Google's string function: of a template with one variable in braces it returns
// the text between the first occurrence of the template's prefix and the next occurrence of
// its suffix, or "" if one of them does not occur. Without a prefix it takes the text from
// the start, without a suffix to the end.
// Source: https://cloud.google.com/iam/docs/conditions-attribute-reference#extract.
func extract(text, template ref.Val) ref.Val {
	prefix, suffix, ok := splitTemplate(textOf(template))
	if !ok {
		return types.WrapErr(errTemplate)
	}
	return types.String(between(textOf(text), prefix, suffix))
}

// between returns the text between a prefix and a suffix, "" if one of them does not occur.
func between(text, prefix, suffix string) string {
	_, rest, found := strings.Cut(text, prefix)
	if !found {
		return ""
	}
	if suffix == "" {
		return rest
	}
	value, _, found := strings.Cut(rest, suffix)
	if !found {
		return ""
	}
	return value
}

// splitTemplate splits a template of extract at its variable.
func splitTemplate(template string) (prefix, suffix string, ok bool) {
	prefix, rest, opened := strings.Cut(template, "{")
	name, suffix, closed := strings.Cut(rest, "}")
	ok = opened && closed && name != "" && !strings.ContainsAny(prefix, "}") && !strings.ContainsAny(suffix+name, "{}")
	return prefix, suffix, ok
}
