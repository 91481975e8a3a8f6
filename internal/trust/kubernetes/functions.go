package kubernetes

import (
	"regexp"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// maxText is the size of the largest text that a function makes, in bytes.
const maxText = 64 << 10

// functions are the functions of Kubernetes beside those of CEL. Those for texts, lists
// and patterns are modelled; those for addresses, quantities and versions make the answer
// undecided. Source: k8s.io/apiserver/pkg/cel/library.
type functions struct{}

// CompileOptions declares the functions.
func (functions) CompileOptions() []cel.EnvOption {
	element := cel.TypeParamType("A")
	list := cel.ListType(element)
	options := []cel.EnvOption{
		cel.Function("find", cel.MemberOverload("string_find_string", []*cel.Type{cel.StringType, cel.StringType}, cel.StringType,
			cel.BinaryBinding(find))),
		cel.Function("findAll",
			cel.MemberOverload("string_find_all_string", []*cel.Type{cel.StringType, cel.StringType}, cel.ListType(cel.StringType),
				cel.BinaryBinding(func(text, pattern ref.Val) ref.Val { return findAll(text, pattern, types.Int(-1)) })),
			cel.MemberOverload("string_find_all_string_int", []*cel.Type{cel.StringType, cel.StringType, cel.IntType},
				cel.ListType(cel.StringType), cel.FunctionBinding(findAll))),
		cel.Function("indexOf", cel.MemberOverload("list_a_index_of_int", []*cel.Type{list, element}, cel.IntType,
			cel.BinaryBinding(func(list, item ref.Val) ref.Val { return indexOf(list, item, false) }))),
		cel.Function("lastIndexOf", cel.MemberOverload("list_a_last_index_of_int", []*cel.Type{list, element}, cel.IntType,
			cel.BinaryBinding(func(list, item ref.Val) ref.Val { return indexOf(list, item, true) }))),
	}
	options = append(options, bounded()...)
	return append(options, unmodelled()...)
}

// ProgramOptions returns none.
func (functions) ProgramOptions() []cel.ProgramOption { return nil }

// bounded gives the functions whose result may be a product of their inputs' sizes a
// binding that checks the size first.
func bounded() []cel.EnvOption {
	texts := cel.ListType(cel.StringType)
	return []cel.EnvOption{
		cel.Function("replace",
			cel.MemberOverload("string_replace_string_string", []*cel.Type{cel.StringType, cel.StringType, cel.StringType},
				cel.StringType, cel.FunctionBinding(replace)),
			cel.MemberOverload("string_replace_string_string_int",
				[]*cel.Type{cel.StringType, cel.StringType, cel.StringType, cel.IntType}, cel.StringType, cel.FunctionBinding(replace))),
		cel.Function("join",
			cel.MemberOverload("list_join", []*cel.Type{texts}, cel.StringType,
				cel.UnaryBinding(func(list ref.Val) ref.Val { return join(list, types.String("")) })),
			cel.MemberOverload("list_join_string", []*cel.Type{texts, cel.StringType}, cel.StringType, cel.BinaryBinding(join))),
		cel.Function("format", cel.MemberOverload("string_format", []*cel.Type{cel.StringType, cel.ListType(cel.DynType)},
			cel.StringType, cel.FunctionBinding(undecided))),
	}
}

func find(text, pattern ref.Val) ref.Val {
	re, err := regexp.Compile(stringOf(pattern))
	if err != nil {
		return types.NewErr("%q is no regular expression", stringOf(pattern))
	}
	return types.String(re.FindString(stringOf(text)))
}

func findAll(args ...ref.Val) ref.Val {
	re, err := regexp.Compile(stringOf(args[1]))
	if err != nil {
		return types.NewErr("%q is no regular expression", stringOf(args[1]))
	}
	limit, _ := args[2].Value().(int64)
	return types.DefaultTypeAdapter.NativeToValue(re.FindAllString(stringOf(args[0]), int(limit)))
}

// indexOf returns the index of the first or the last such item of a list, else -1.
func indexOf(list, item ref.Val, last bool) ref.Val {
	l, ok := list.(traits.Lister)
	if !ok {
		return types.MaybeNoSuchOverloadErr(list)
	}
	at, found := types.Int(0), types.Int(-1)
	for it := l.Iterator(); it.HasNext() == types.True; at++ {
		if it.Next().Equal(item) == types.True && (last || found < 0) {
			found = at
		}
	}
	return found
}

func replace(args ...ref.Val) ref.Val {
	text, old, fresh, limit := stringOf(args[0]), stringOf(args[1]), stringOf(args[2]), -1
	if len(args) > 3 {
		n, _ := args[3].Value().(int64)
		limit = int(max(n, -1))
	}
	if (strings.Count(text, old)+1)*len(fresh)+len(text) > maxText {
		return undecided()
	}
	return types.String(strings.Replace(text, old, fresh, limit))
}

func join(list, separator ref.Val) ref.Val {
	l, ok := list.(traits.Lister)
	if !ok {
		return types.MaybeNoSuchOverloadErr(list)
	}
	var b strings.Builder
	for it := l.Iterator(); it.HasNext() == types.True; {
		text, ok := it.Next().Value().(string)
		if !ok {
			return types.NewErr("join: an item is no text")
		}
		b.WriteString(text)
		if it.HasNext() == types.True {
			b.WriteString(stringOf(separator))
		}
		if b.Len() > maxText {
			return undecided()
		}
	}
	return types.String(b.String())
}

func stringOf(v ref.Val) string {
	text, _ := v.Value().(string)
	return text
}

// undecided is the binding of a function that is not modelled.
func undecided(...ref.Val) ref.Val { return types.WrapErr(errUnmodelled) }

// unmodelled declares the functions whose result is undecided, so that an expression with
// them compiles.
func unmodelled() []cel.EnvOption {
	var options []cel.EnvOption
	declare := func(result *cel.Type, member bool, arguments int, names ...string) {
		overload, prefix := cel.Overload, "unmodelled_"
		if member {
			overload, prefix = cel.MemberOverload, "unmodelled_member_"
		}
		types := make([]*cel.Type, arguments)
		for i := range types {
			types[i] = cel.DynType
		}
		for _, name := range names {
			options = append(options, cel.Function(name, overload(prefix+name+strings.Repeat("_dyn", arguments), types, result,
				cel.FunctionBinding(undecided))))
		}
	}
	declare(cel.DynType, false, 1, "url", "ip", "cidr", "quantity", "semver", "format.named")
	declare(cel.BoolType, false, 1, "isURL", "isIP", "isCIDR", "isQuantity", "isSemver", "ip.isCanonical")
	declare(cel.DynType, false, 2, "semver")
	declare(cel.BoolType, false, 2, "isSemver")
	declare(cel.StringType, true, 1, "getScheme", "getHost", "getHostname", "getPort", "getEscapedPath")
	declare(cel.DynType, true, 1, "getQuery", "masked", "ip", "min", "max", "sum")
	declare(cel.IntType, true, 1, "family", "prefixLength", "asInteger", "sign", "major", "minor", "patch")
	declare(cel.DoubleType, true, 1, "asApproximateFloat")
	declare(cel.BoolType, true, 1, "isUnspecified", "isLoopback", "isLinkLocalMulticast", "isLinkLocalUnicast", "isGlobalUnicast",
		"isInteger", "isSorted")
	declare(cel.BoolType, true, 2, "containsIP", "containsCIDR", "isGreaterThan", "isLessThan")
	declare(cel.IntType, true, 2, "compareTo")
	declare(cel.DynType, true, 2, "add", "sub", "validate")
	return options
}
