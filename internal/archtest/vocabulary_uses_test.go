package archtest

import (
	"go/ast"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// kind is a sort of names or texts.
type kind string

// The kinds of names that have a vocabulary.
const (
	kindIdentifier kind = "identifier"
	kindTag        kind = "tag"
	kindCode       kind = "code"
	kindFile       kind = "file name"
	kindSQL        kind = "SQL name"
	kindFlag       kind = "flag"
	kindText       kind = "CLI text"
	kindExample    kind = "CLI example" // with names of an example organization
	kindMessage    kind = "message"     // an error or a warning, which the CLI shows, too
)

// prose reports whether it is a text for people rather than a name.
func (k kind) prose() bool { return k == kindText || k.retiredOnly() }

// retiredOnly reports whether its words need not be in a list: they have names
// of examples, and the vendors' words, among them.
func (k kind) retiredOnly() bool { return k == kindExample || k == kindMessage }

// allowsProse reports whether the words of doc comments may be used, too: a
// test's name is a sentence.
func (u use) allowsProse() bool {
	return u.kind.prose() || u.kind == kindIdentifier && testName.MatchString(u.text)
}

var testName = regexp.MustCompile(`^(Test|Benchmark|Fuzz|Example)[A-Z_]`)

// use is one name or text that people read or type.
type use struct {
	unit  string // a directory; with " (tests)" for tests and their data
	table string // of a column
	kind  kind
	text  string
	at    string
}

// words returns the words of the name or text.
func (u use) words() []string {
	if u.kind.prose() {
		return splitText(u.text)
	}
	return splitName(u.text)
}

// dir returns the directory of the unit.
func (u use) dir() string { return strings.TrimSuffix(u.unit, testUnit) }

const testUnit = " (tests)"

// frozen holds a copy of earlier code, whose words are never changed.
const frozen = "internal/plan/oracle/..."

// usesOf returns every use in the repository but those of frozen code.
func usesOf(t *testing.T) []use {
	t.Helper()
	var all []use
	for _, s := range allSources(t) {
		if !s.generated && !matchesAny([]string{frozen}, s.dir) {
			all = append(all, goUses(s)...)
		}
	}
	all = append(all, fileUses(t)...)
	return append(all, sqlUses(t)...)
}

// goUses returns the uses of one file.
func goUses(s source) []use {
	c := &collector{source: s, unit: s.dir, seen: map[*ast.BasicLit]bool{}}
	if s.test {
		c.unit += testUnit
	}
	c.declared(s.syntax.Name)
	ast.Inspect(s.syntax, c.visit)
	return c.uses
}

// collector gathers the uses of one file.
type collector struct {
	source source
	unit   string
	uses   []use
	seen   map[*ast.BasicLit]bool // texts that are added already
}

func (c *collector) add(k kind, text string, node ast.Node) {
	c.uses = append(c.uses, use{unit: c.unit, kind: k, text: text, at: c.source.at(node)})
}

func (c *collector) declared(names ...*ast.Ident) {
	for _, name := range names {
		if name != nil && name.Name != "_" {
			c.add(kindIdentifier, name.Name, name)
		}
	}
}

func (c *collector) visit(node ast.Node) bool {
	switch n := node.(type) {
	case *ast.FuncDecl:
		c.declared(n.Name)
	case *ast.TypeSpec:
		c.declared(n.Name)
	case *ast.LabeledStmt:
		c.declared(n.Label)
	case *ast.Field:
		c.declared(n.Names...)
		c.tag(n.Tag)
	case *ast.AssignStmt:
		if n.Tok == token.DEFINE {
			c.assigned(n.Lhs...)
		}
	case *ast.RangeStmt:
		if n.Tok == token.DEFINE {
			c.assigned(n.Key, n.Value)
		}
	case *ast.GenDecl:
		c.values(n)
	case *ast.CompositeLit:
		c.command(n)
	case *ast.CallExpr:
		c.flag(n)
	case *ast.BasicLit:
		c.text(n)
	}
	return true
}

func (c *collector) assigned(targets ...ast.Expr) {
	for _, target := range targets {
		if name, ok := target.(*ast.Ident); ok {
			c.declared(name)
		}
	}
}

// tag adds the names in a struct tag, without their options.
func (c *collector) tag(tag *ast.BasicLit) {
	if tag == nil {
		return
	}
	text, err := strconv.Unquote(tag.Value)
	if err != nil {
		return
	}
	for _, match := range tagKey.FindAllStringSubmatch(text, -1) {
		name, _, _ := strings.Cut(reflect.StructTag(text).Get(match[1]), ",")
		if name != "" && name != "-" {
			c.add(kindTag, name, tag)
		}
	}
}

var (
	// sqlText matches a statement, or a part of one.
	sqlText = regexp.MustCompile(`\b(SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|DROP|LOCK|TRUNCATE|WHERE|FROM|ORDER BY|SET)\b`)
	// metricName matches the name of a metric.
	metricName = regexp.MustCompile(`^rollcall_[a-z_]+$`)
	tagKey     = regexp.MustCompile(`(\w+):"`)
	// codeText matches the value of a constant that is a code.
	codeText = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*([-_.][A-Za-z0-9]+)*$`)
)

// constant returns the value of a constant, which may be converted to its type.
func constant(expr ast.Expr) (string, bool) {
	if call, ok := expr.(*ast.CallExpr); ok && len(call.Args) == 1 {
		return literal(call.Args[0])
	}
	return literal(expr)
}

// values adds the names of constants and variables, and the constants that are
// codes: one word without blanks. In tests, constants without a type are the
// names of examples.
func (c *collector) values(decl *ast.GenDecl) {
	for _, spec := range decl.Specs {
		value, ok := spec.(*ast.ValueSpec)
		if !ok {
			continue
		}
		c.declared(value.Names...)
		if decl.Tok != token.CONST {
			continue
		}
		for _, v := range value.Values {
			text, ok := constant(v)
			if ok && (value.Type != nil || !c.source.test) && codeText.MatchString(text) {
				c.add(kindCode, text, v)
			}
		}
	}
}

// command adds the texts of a cobra command.
func (c *collector) command(lit *ast.CompositeLit) {
	selector, ok := lit.Type.(*ast.SelectorExpr)
	if !ok || selector.Sel.Name != "Command" {
		return
	}
	for _, element := range lit.Elts {
		field, ok := element.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		name, ok := field.Key.(*ast.Ident)
		if !ok {
			continue
		}
		switch name.Name {
		case "Short", "Long":
			c.texts(kindText, field.Value)
		case "Example":
			c.texts(kindExample, field.Value)
		case "Use":
			if text, ok := literal(field.Value); ok {
				command, _, _ := strings.Cut(text, " ")
				c.add(kindFlag, command, field.Value)
			}
		}
	}
}

// flag adds the name and the description of a flag.
func (c *collector) flag(call *ast.CallExpr) {
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || len(call.Args) < 3 || !flagMethod.MatchString(selector.Sel.Name) {
		return
	}
	last := call.Args[len(call.Args)-1]
	if _, ok := literal(last); !ok {
		return
	}
	for _, arg := range call.Args {
		if name, ok := literal(arg); ok {
			c.add(kindFlag, name, arg)
			break
		}
	}
	c.texts(kindText, last)
}

// text adds the names of metrics, and any text of three words: a text of
// the CLI, or an error or warning of another package.
func (c *collector) text(lit *ast.BasicLit) {
	if lit.Kind != token.STRING || c.source.test || c.seen[lit] {
		return
	}
	if text, ok := literal(lit); ok && metricName.MatchString(text) {
		c.add(kindCode, text, lit)
	}
	text, ok := literal(lit)
	if !ok || strings.Count(strings.TrimSpace(text), " ") < 2 || sqlText.MatchString(text) {
		return
	}
	if matchesAny(cliPackages(), c.source.dir) {
		c.add(kindText, text, lit)
	} else {
		c.add(kindMessage, text, lit)
	}
}

// cliPackages are the packages whose texts people read at the terminal.
func cliPackages() []string { return []string{"starter/..."} }

// texts adds every literal in an expression, such as the parts of a sum.
func (c *collector) texts(k kind, expr ast.Expr) {
	ast.Inspect(expr, func(node ast.Node) bool {
		if lit, ok := node.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			c.seen[lit] = true
			if text, err := strconv.Unquote(lit.Value); err == nil {
				c.add(k, text, lit)
			}
		}
		return true
	})
}

func literal(expr ast.Expr) (string, bool) {
	lit, ok := expr.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}

// fileUses returns the names of all files and directories. Names below a
// testdata directory belong to the tests of the package that has it.
func fileUses(t *testing.T) []use {
	t.Helper()
	root := moduleRoot(t)
	var all []use
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || file == root {
			return err
		}
		name, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		if notCommitted.MatchString(name) || name == "internal/archtest/testdata" {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		all = append(all, fileUse(name))
		return nil
	})
	if err != nil {
		t.Fatalf("read the names of files: %v", err)
	}
	return all
}

// notCommitted matches the names in .gitignore, and dotfiles, whose names tools define.
var notCommitted = regexp.MustCompile(`^(bin|rollcall-sim|coverage\.out)$|(^|/)\.[^/]*$|testdata/rapid$|\.(test|prof)$`)

// fileUse returns the use that a path is.
func fileUse(name string) use {
	unit, base := path.Dir(name), path.Base(name)
	if above, _, ok := strings.Cut(name, "/testdata/"); ok {
		unit = above + testUnit
	} else if strings.HasSuffix(base, "_test.go") {
		unit += testUnit
	}
	return use{unit: unit, kind: kindFile, text: base, at: name}
}

// distinct drops repeated uses: a name counts once in each unit, a column once in
// each table. Of those that are equal, the first stays.
func distinct(uses []use) []use {
	type key struct {
		unit, table, text string
		kind              kind
	}
	seen := map[key]bool{}
	return slices.DeleteFunc(uses, func(u use) bool {
		k := key{u.unit, u.table, u.text, u.kind}
		defer func() { seen[k] = true }()
		return seen[k]
	})
}
