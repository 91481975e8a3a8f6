package archtest

import (
	"go/ast"
	"go/token"
	"regexp"
	"strings"
)

// flagMethod matches the methods of flag sets that define a flag.
var flagMethod = regexp.MustCompile(`^(Bool|String|StringSlice|StringArray|StringToString|Int|Int32|Int64|Uint|Uint16|Float32|Float64|Duration|Count|Text)?(Var)?(P)?$`)

// flagName matches the name of a flag.
var flagName = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

// commandNames collects commands with their arguments, flags with their short
// forms, and exit codes.
func commandNames(s source, known values) []wireName {
	if matchesAny([]string{"internal/simulate/...", "deploy/engines/...", "internal/archtest"}, s.dir) {
		return nil
	}
	var names []wireName
	inDeclarations(s, func(in string, node ast.Node) {
		where := s.dir + "." + in
		switch n := node.(type) {
		case *ast.CompositeLit:
			if selector, ok := n.Type.(*ast.SelectorExpr); ok && selector.Sel.Name == "Command" {
				names = append(names, commandUse(s, known, where, n)...)
			}
		case *ast.CallExpr:
			for _, name := range flagsOf(s, known, n) {
				names = append(names, wireName{"flag", where, name})
			}
		case *ast.ValueSpec:
			names = append(names, exitCodes(where, n)...)
		}
	})
	return names
}

// commandUse returns the name and the other names of a command.
func commandUse(s source, known values, where string, lit *ast.CompositeLit) []wireName {
	var names []wireName
	for _, element := range lit.Elts {
		pair, ok := element.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		switch key, _ := pair.Key.(*ast.Ident); {
		case key == nil:
		case key.Name == "Use":
			names = append(names, wireName{"command", where, known.template(s, pair.Value)})
		case key.Name == "Aliases":
			if list, ok := pair.Value.(*ast.CompositeLit); ok {
				for _, alias := range list.Elts {
					names = append(names, wireName{"command", where, known.template(s, alias)})
				}
			}
		}
	}
	return names
}

// flagsOf returns the flag that a call defines, and its short form.
func flagsOf(s source, known values, call *ast.CallExpr) []string {
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return nil
	}
	method := flagMethod.FindStringSubmatch(selector.Sel.Name)
	if method == nil || selector.Sel.Name == "" {
		return nil
	}
	at := 0
	if method[2] != "" {
		at = 1
	}
	least := at + 3 // name, default, usage
	if method[1] == "" {
		least = at + 2 // a value has its default already
	}
	if len(call.Args) < least {
		return nil
	}
	name, ok := known.eval(s, call.Args[at])
	if !ok || method[2] == "" && !onFlagSet(selector.X) || !flagName.MatchString(name) {
		return nil
	}
	names := []string{"--" + name}
	if method[3] != "" {
		if short, ok := known.eval(s, call.Args[at+1]); ok && short != "" {
			names = append(names, "-"+short)
		}
	}
	return names
}

// onFlagSet reports whether a method is called on a command's flags. Methods that
// fill a variable need no such proof.
func onFlagSet(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.CallExpr:
		return strings.HasSuffix(called(e), "Flags")
	case *ast.Ident:
		return e.Name == "flags" || e.Name == "flag"
	default:
		return false
	}
}

// exitCodes returns the numeric constants named "exit..." or "Exit...".
func exitCodes(where string, spec *ast.ValueSpec) []wireName {
	var names []wireName
	for i, name := range spec.Names {
		if !strings.HasPrefix(strings.ToLower(name.Name), "exit") || i >= len(spec.Values) {
			continue
		}
		if lit, ok := spec.Values[i].(*ast.BasicLit); ok && lit.Kind == token.INT {
			names = append(names, wireName{"exit-code", where[:strings.LastIndex(where, ".")] + "." + name.Name, lit.Value})
		}
	}
	return names
}
