package archtest

import (
	"go/ast"
	"go/token"
	"regexp"
	"strings"
)

// stored matches a value that is stored or printed for scripts: a word, or words
// with hyphens or dots between.
var stored = regexp.MustCompile(`^[a-zA-Z][\w.-]*$`)

// code matches words with hyphens between, which is how codes look.
var code = regexp.MustCompile(`^[a-z]+(-[a-z]+)+$`)

// wireWords reports whether a package's texts may be stored or printed.
func wireWords(dir string) bool {
	return !vendor(dir) && !matchesAny([]string{"deploy/...", "internal/archtest", "internal/naming", "internal/euid"}, dir)
}

// valueNames collects string constants: outcomes, states, verdicts, warning codes.
// What has a type is listed under it, the rest under the constant. The kinds of
// documents are a kind of their own, as users write them.
func valueNames(s source, known values) []wireName {
	if !wireWords(s.dir) {
		return nil
	}
	var names []wireName
	inDeclarations(s, func(_ string, node ast.Node) {
		spec, ok := node.(*ast.ValueSpec)
		if !ok {
			return
		}
		for i, name := range spec.Names {
			if i >= len(spec.Values) || spec.Type == nil && (temporalConstant(name.Name) != "" || strings.HasSuffix(name.Name, "Queue")) {
				continue
			}
			text, ok := known.eval(s, spec.Values[i])
			sentence := strings.HasPrefix(name.Name, "state") // the states of a run are words that people read
			if !ok || !sentence && !stored.MatchString(text) || environmentName.MatchString(text) {
				continue
			}
			names = append(names, typedValue(s, spec, name.Name, text))
		}
	})
	return names
}

func typedValue(s source, spec *ast.ValueSpec, name, text string) wireName {
	where := s.dir + "." + name
	switch of := spec.Type.(type) {
	case *ast.Ident:
		where = s.dir + "." + of.Name
	case *ast.SelectorExpr:
		if pkg, ok := of.X.(*ast.Ident); ok {
			where = importedDir(s, pkg.Name) + "." + of.Sel.Name
		}
	}
	if where == "internal/document.Kind" {
		return wireName{"document-kind", where, text}
	}
	return wireName{"value", where, text}
}

// codeNames collects values that stand where they are used: texts with hyphens,
// what is assigned to fields, and keys of maps that become JSON.
func codeNames(s source, known values) []wireName {
	if !wireWords(s.dir) {
		return nil
	}
	var names []wireName
	add := func(kind, where string, e ast.Expr, form *regexp.Regexp) {
		lit, ok := e.(*ast.BasicLit)
		if !ok {
			return
		}
		if text, ok := known.eval(s, lit); ok && form.MatchString(text) {
			names = append(names, wireName{kind, s.dir + where, text})
		}
	}
	inDeclarations(s, func(_ string, node ast.Node) {
		switch n := node.(type) {
		case *ast.CompositeLit:
			if name, ok := n.Type.(*ast.Ident); ok && strings.HasPrefix(strings.ToLower(name.Name), "reason") && len(n.Elts) > 0 {
				add("code", "."+name.Name, n.Elts[0], code)
			}
			for _, element := range n.Elts {
				if inner, ok := element.(*ast.CompositeLit); ok && inner.Type == nil && len(inner.Elts) > 0 {
					add("code", "", inner.Elts[0], code)
				}
			}
			if isDynamic(n.Type) {
				for _, key := range keys(n) {
					add("json", ".map", key, stored)
				}
			}
		case *ast.KeyValueExpr:
			if field, ok := n.Key.(*ast.Ident); ok && persistent(field.Name) {
				add("code", "."+field.Name, n.Value, stored)
				addCalls(n.Value, func(e ast.Expr) { add("code", "."+field.Name, e, stored) })
			}
		case *ast.AssignStmt:
			for i, left := range n.Lhs {
				field, ok := left.(*ast.SelectorExpr)
				if ok && i < len(n.Rhs) && persistent(field.Sel.Name) {
					add("code", "."+field.Sel.Name, n.Rhs[i], stored)
				}
			}
		case *ast.CallExpr:
			addCalls(n, func(e ast.Expr) { add("code", ".Or", e, stored) })
		}
	})
	return names
}

// persistent reports whether a field's value is stored or printed.
func persistent(field string) bool {
	switch strings.ToLower(field) {
	case "code", "cause", "state", "outcome", "mode", "status", "kind", "verdict", "access", "end", "op":
		return true
	default:
		return false
	}
}

// addCalls passes on what cmp.Or chooses from: the last is the value of "nothing".
func addCalls(e ast.Expr, add func(ast.Expr)) {
	call, ok := e.(*ast.CallExpr)
	if !ok || receiver(call) != "cmp" || called(call) != "Or" {
		return
	}
	for _, arg := range call.Args {
		add(arg)
	}
}

// isDynamic reports whether a type is map[string]any.
func isDynamic(e ast.Expr) bool {
	m, ok := e.(*ast.MapType)
	if !ok {
		return false
	}
	value, ok := m.Value.(*ast.Ident)
	return ok && value.Name == "any"
}

// environmentName matches an environment variable that Rollcall or Temporal reads.
var environmentName = regexp.MustCompile(`\b(?:ROLLCALL|TEMPORAL|NO_COLOR)[A-Z_]*\b`)

// credentialName matches the part of a variable's name, or the key in a file, by
// which drivers find credentials.
var credentialName = regexp.MustCompile(`^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$`)

// environmentNames collects environment variables from every text, those in help
// and error messages among them, what os.Getenv is asked for, and the names of
// credentials.
func environmentNames(s source, known values) []wireName {
	if matchesAny([]string{"internal/simulate/...", "internal/archtest", "deploy/engines/..."}, s.dir) {
		return nil
	}
	var names []wireName
	inDeclarations(s, func(_ string, node ast.Node) {
		switch n := node.(type) {
		case *ast.BasicLit:
			if n.Kind == token.STRING {
				for _, name := range environmentName.FindAllString(n.Value, -1) {
					names = append(names, wireName{"env", s.dir, name})
				}
				if text, _ := known.eval(s, n); credentialName.MatchString(text) && matches("internal/driver/*", s.dir) && !vendorCode(text) {
					names = append(names, wireName{"env", s.dir, text})
				}
			}
		case *ast.CallExpr:
			if name := strings.ToLower(called(n)); len(n.Args) == 1 && (name == "getenv" || name == "lookupenv") {
				if text, ok := known.eval(s, n.Args[0]); ok {
					names = append(names, wireName{"env", s.dir, text})
				}
			}
		}
	})
	return names
}

// vendorCode reports whether a word that looks like a variable is a vendor's.
func vendorCode(text string) bool { return text == "ALREADY_EXISTS" || text == "AWS_ACCOUNT" }

// markerNames collects what Rollcall writes on platforms, by which it knows its
// objects again: the marker's text, labels, field managers, prefixes. It must stay
// byte for byte. Keys in a payload's metadata and HTTP paths are listed likewise.
func markerNames(s source, known values) []wireName {
	var names []wireName
	inDeclarations(s, func(in string, node ast.Node) {
		switch n := node.(type) {
		case *ast.BasicLit:
			text, ok := known.eval(s, n)
			switch {
			case !ok || !strings.Contains(text, "rollcall") || strings.Contains(text, "rollcall-iam/"):
			case s.dir == "internal/access", matches("internal/driver/*/...", s.dir) && s.dir != "internal/driver/drivertest":
				names = append(names, wireName{"marker", s.dir + "." + in, text})
			case s.dir == "internal/engine" && strings.HasPrefix(text, "rollcall-"):
				names = append(names, wireName{"payload-metadata", s.dir + "." + in, text})
			}
		case *ast.CallExpr:
			if name := called(n); !vendor(s.dir) && (name == "Handle" || name == "HandleFunc") && len(n.Args) == 2 {
				if text, ok := known.eval(s, n.Args[0]); ok {
					names = append(names, wireName{"http", s.dir, text})
				}
			}
		}
	})
	return names
}
