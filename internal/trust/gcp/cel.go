package gcp

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// Limits of an expression. Google's are in characters; source: the comments of
// google.golang.org/api/iam/v1.WorkloadIdentityPoolProvider.
const (
	maxCondition = 4096
	maxMapping   = 2048
	// maxCost bounds the evaluation of expressions that are not linear in the token. An
	// expression of 4096 characters over a token of 10 KB stays far below it.
	maxCost = 1_000_000
	// maxRegexp bounds the compiled size of a regular expression, in instructions.
	maxRegexp = 10_000
)

// claimPattern matches an expression that is a claim and needs no CEL.
var claimPattern = regexp.MustCompile(`^assertion((?:\.[A-Za-z_][A-Za-z0-9_]*)+)$`)

// environments compile expressions.
type environments struct {
	mapping   *cel.Env // knows assertion
	condition *cel.Env // knows assertion, google and attribute
}

// compilers returns the environments. They do not change and take a millisecond to make,
// which is more than a provider takes.
//
//nolint:gochecknoglobals // It is a constant for which Go has no word, like a compiled pattern.
var compilers = sync.OnceValues(newEnvironments)

func newEnvironments() (environments, error) {
	claims := cel.MapType(cel.StringType, cel.DynType)
	mapping, err := cel.NewEnv(append(stringFunctions(),
		cel.Variable("assertion", claims), cel.RegexProgramSizeLimit(maxRegexp))...)
	if err != nil {
		return environments{}, fmt.Errorf("gcp: make a CEL environment: %w", err)
	}
	condition, err := mapping.Extend(cel.Variable("google", claims), cel.Variable("attribute", claims))
	if err != nil {
		return environments{}, fmt.Errorf("gcp: make a CEL environment: %w", err)
	}
	return environments{mapping: mapping, condition: condition}, nil
}

// expression is a compiled mapping or condition.
type expression struct {
	// claim is the path of an expression that is a claim; then root and program are nil.
	claim   []string
	root    ast.Expr
	output  *cel.Type
	program cel.Program
}

// expressions are the compiled expressions of one input: many providers have the same ones.
// They do not change, so providers share them.
type expressions map[expressionKey]compiled

type expressionKey struct {
	env  *cel.Env
	text string
}

type compiled struct {
	expression *expression
	err        error
}

func newExpressions() expressions { return expressions{} }

// compile compiles an expression, unless it is compiled already.
func (x expressions) compile(env *cel.Env, text string, limit int) (*expression, error) {
	key := expressionKey{env, text}
	c, found := x[key]
	if !found {
		c.expression, c.err = compile(env, text, limit)
		x[key] = c
	}
	return c.expression, c.err
}

// compile compiles an expression of at most limit characters. The error has the compiler's
// message with line and column within the expression.
func compile(env *cel.Env, text string, limit int) (*expression, error) {
	if n := utf8.RuneCountInString(text); n > limit {
		return nil, fmt.Errorf("it has %d characters of at most %d", n, limit)
	}
	if match := claimPattern.FindStringSubmatch(text); match != nil {
		if path := strings.Split(match[1][1:], "."); !hasKeyword(path) {
			return &expression{claim: path, output: cel.DynType}, nil
		}
	}
	checked, issues := env.Compile(text)
	if issues.Err() != nil {
		return nil, compileError(issues)
	}
	root := checked.NativeRep().Expr()
	options := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	if !isLinear(root) {
		options = append(options, cel.CostTracking(stringCost{}), cel.CostLimit(maxCost))
	}
	program, err := env.Program(checked, options...)
	if err != nil {
		return nil, err
	}
	return &expression{root: root, output: checked.OutputType(), program: program}, nil
}

// hasKeyword reports whether a path has a word that CEL does not take as a field.
func hasKeyword(path []string) bool {
	for _, key := range path {
		switch key {
		case "in", "true", "false", "null":
			return true
		}
	}
	return false
}

// compileError returns the first error of a compilation, with line and column.
func compileError(issues *cel.Issues) error {
	for _, e := range issues.Errors() {
		message, _, _ := strings.Cut(e.Message, "\n")
		return fmt.Errorf("%d:%d: %s", e.Location.Line(), e.Location.Column()+1, message)
	}
	return issues.Err()
}

// isLinear reports whether an evaluation takes time linear in the size of the token, so
// that it needs no cost limit, which doubles its time.
func isLinear(root ast.Expr) bool {
	linear := true
	ast.PostOrderVisit(root, ast.NewExprVisitor(func(e ast.Expr) {
		switch e.Kind() {
		case ast.ComprehensionKind:
			linear = linear && isLinearLoop(e.AsComprehension())
		case ast.CallKind:
			linear = linear && isLinearCall(e.AsCall())
		default:
		}
	}))
	return linear
}

// isLinearLoop reports whether a macro loops over literals, with no other loop inside.
func isLinearLoop(loop ast.ComprehensionExpr) bool {
	nested := false
	ast.PostOrderVisit(loop.LoopStep(), ast.NewExprVisitor(func(e ast.Expr) {
		nested = nested || e.Kind() == ast.ComprehensionKind
	}))
	return !nested && loop.IterRange().Kind() == ast.ListKind
}

// isLinearCall reports whether a function takes time linear in its arguments, and makes no
// value that is longer than them.
func isLinearCall(call ast.CallExpr) bool {
	switch call.FunctionName() {
	case operators.Equals, operators.NotEquals, operators.In, operators.LogicalAnd, operators.LogicalOr,
		operators.LogicalNot, operators.NotStrictlyFalse, operators.Conditional, operators.Index, operators.Add,
		"startsWith", "endsWith", "contains", "extract", "lowerAscii", "upperAscii", "trim", "size", "string":
		return true
	case "matches":
		args := call.Args()
		return len(args) > 0 && args[len(args)-1].Kind() == ast.LiteralKind
	default:
		return false
	}
}

// native returns a CEL value as encoding/json has it: texts, bools and lists. Other values
// stay as they are.
func native(value ref.Val) (any, bool) {
	switch v := value.(type) {
	case types.String:
		return string(v), true
	case types.Bool:
		return bool(v), true
	case traits.Lister:
		size, ok := v.Size().(types.Int)
		if !ok {
			return nil, false
		}
		items := make([]any, 0, size)
		for i := range size {
			item := v.Get(i)
			if text, ok := item.(types.String); ok {
				items = append(items, string(text))
			} else {
				items = append(items, item)
			}
		}
		return items, true
	default:
		return value, !types.IsUnknownOrError(value)
	}
}
