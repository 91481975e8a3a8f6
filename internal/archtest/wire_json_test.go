package archtest

import (
	"go/ast"
	"go/token"
	"reflect"
	"strconv"
	"strings"
)

// structs are the struct types of all packages that are not a vendor's, by
// directory and name.
type structs map[string]structType

type structType struct {
	source
	fields *ast.FieldList
}

// jsonNames collects the JSON names of struct fields: those with tags, and those
// whose Go name is the name on the wire because they have none ("json-untagged").
// A struct is encoded if one of its fields has a tag or an encoded struct holds it.
func jsonNames(files []source) []wireName {
	all := structs{}
	for _, s := range files {
		if !vendor(s.dir) {
			all.collect(s)
		}
	}
	encoded := map[string]bool{}
	for name, st := range all {
		if tagged(st.fields) {
			all.reach(name, encoded)
		}
	}
	var names []wireName
	for name := range encoded {
		names = append(names, fieldNames(name, all[name].fields)...)
	}
	return names
}

// collect adds a file's types, those inside functions among them.
func (all structs) collect(s source) {
	inDeclarations(s, func(_ string, node ast.Node) {
		spec, ok := node.(*ast.TypeSpec)
		if !ok {
			return
		}
		if st, ok := spec.Type.(*ast.StructType); ok {
			all[s.dir+"."+spec.Name.Name] = structType{s, st.Fields}
		}
	})
	inDeclarations(s, func(in string, node ast.Node) { // types without a name
		lit, ok := node.(*ast.StructType)
		if ok && tagged(lit.Fields) && !all.known(s, lit) {
			all[s.dir+"."+in+".struct"] = structType{s, lit.Fields}
		}
	})
}

// known reports whether the struct is one of those collected, or part of one.
func (all structs) known(s source, lit *ast.StructType) bool {
	for _, st := range all {
		if st.name == s.name && st.fields.Pos() <= lit.Fields.Pos() && lit.Fields.End() <= st.fields.End() {
			return true
		}
	}
	return false
}

// reach marks a struct, and those that its encoded fields hold.
func (all structs) reach(name string, encoded map[string]bool) {
	st, ok := all[name]
	if !ok || encoded[name] {
		return
	}
	encoded[name] = true
	for _, field := range st.fields.List {
		if tag(field) == "-" || len(field.Names) > 0 && !field.Names[0].IsExported() {
			continue
		}
		ast.Inspect(field.Type, func(node ast.Node) bool {
			switch n := node.(type) {
			case *ast.SelectorExpr:
				if pkg, ok := n.X.(*ast.Ident); ok {
					all.reach(importedDir(st.source, pkg.Name)+"."+n.Sel.Name, encoded)
				}
				return false
			case *ast.Ident:
				all.reach(st.dir+"."+n.Name, encoded)
			}
			return true
		})
	}
}

func tagged(fields *ast.FieldList) bool {
	for _, field := range fields.List {
		if name := tag(field); name != "" && name != "-" {
			return true
		}
	}
	return false
}

// tag returns the name in a field's JSON tag, empty without one.
func tag(field *ast.Field) string {
	if field.Tag == nil {
		return ""
	}
	text, err := strconv.Unquote(field.Tag.Value)
	if err != nil {
		return ""
	}
	name, _, _ := strings.Cut(reflect.StructTag(text).Get("json"), ",")
	return name
}

func fieldNames(where string, fields *ast.FieldList) []wireName {
	var names []wireName
	for _, field := range fields.List {
		name := tag(field)
		for _, ident := range field.Names {
			at := where + "." + ident.Name
			switch {
			case name == "-" || !token.IsExported(ident.Name):
				continue
			case name != "":
				names = append(names, wireName{"json", at, name})
			default:
				names = append(names, wireName{"json-untagged", at, ident.Name})
			}
			if inner, ok := field.Type.(*ast.StructType); ok {
				names = append(names, fieldNames(at, inner.Fields)...)
			}
		}
		if len(field.Names) == 0 && name != "" && name != "-" { // embedded under a name
			names = append(names, wireName{"json", where, name})
		}
	}
	return names
}
