package kubernetes

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"

	"github.com/rollcall-iam/rollcall/internal/trust"
)

// Limits of an expression, which keep an outsider's file from taking all time or memory.
// Kubernetes' own limit of the cost is ten times as high (PerCallLimit in
// k8s.io/apiserver/pkg/apis/cel): the answer between the two is undecided.
const (
	costLimit        = 100_000
	memoryLimit      = 64 << 20
	maxExpression    = 16_384
	maxRegexpProgram = 20_000
	maxCopies        = 10_000
)

// Errors of an evaluation.
var (
	// errUndecided says that the answer is not known: an expression uses what is not
	// modelled, or exceeds a limit.
	errUndecided = errors.New("the expression is not decided")
	// errUnmodelled is errUndecided for a function.
	errUnmodelled = fmt.Errorf("%w: it calls a function that is not modelled", errUndecided)
)

// compiler compiles the CEL expressions of AuthenticationConfigurations, in the
// environment of the API server. Source: k8s.io/apiserver/pkg/authentication/cel,
// k8s.io/apiserver/pkg/cel/environment, version 1.35.
type compiler struct {
	claims, user *cel.Env
}

func newCompiler() (*compiler, error) {
	base, err := cel.NewEnv(
		cel.HomogeneousAggregateLiterals(),
		cel.DefaultUTCTimeZone(true),
		cel.CrossTypeNumericComparisons(true),
		cel.OptionalTypes(),
		cel.EnableHiddenAccumulatorName(true),
		cel.ParserExpressionSizeLimit(maxExpression),
		cel.RegexProgramSizeLimit(maxRegexpProgram),
		cel.ASTValidators(cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals(), cel.ValidateRegexLiterals()),
		ext.Strings(ext.StringsVersion(2)),
		ext.Sets(),
		ext.TwoVarComprehensions(),
		cel.Lib(functions{}),
	)
	if err != nil {
		return nil, fmt.Errorf("kubernetes: make CEL environment: %w", err)
	}
	c := &compiler{}
	if c.claims, err = base.Extend(cel.Variable("claims", cel.MapType(cel.StringType, cel.DynType))); err != nil {
		return nil, fmt.Errorf("kubernetes: make CEL environment of claims: %w", err)
	}
	if c.user, err = base.Extend(cel.Variable("user", cel.MapType(cel.StringType, cel.DynType))); err != nil {
		return nil, fmt.Errorf("kubernetes: make CEL environment of user: %w", err)
	}
	return c, nil
}

// program is a compiled expression.
type program struct {
	source  string
	tree    ast.Expr
	program cel.Program // nil if the expression is too complex to be evaluated
	// unescape is true if the expression may write a dot in a name as __dot__.
	unescape bool
}

// claimsProgram compiles an expression over claims. test is true for a rule, which is a
// bool; a mapping may be anything.
func (c *compiler) claimsProgram(source string, test bool) (*program, error) {
	return compile(c.claims, source, test)
}

// userProgram compiles a rule over the user.
func (c *compiler) userProgram(source string) (*program, error) {
	p, err := compile(c.user, source, true)
	if err != nil {
		return nil, err
	}
	if field := unknownField(p.tree); field != "" {
		return nil, fmt.Errorf("user has no field %q: it has username, uid, groups and extra", field)
	}
	return p, nil
}

func compile(env *cel.Env, source string, test bool) (*program, error) {
	checked, issues := env.Compile(source)
	if err := issues.Err(); err != nil {
		return nil, errors.New(firstLine(err.Error()))
	}
	if test && !checked.OutputType().IsExactType(cel.BoolType) {
		return nil, fmt.Errorf("it evaluates to %s: a rule must evaluate to bool", checked.OutputType())
	}
	p := &program{source: source, tree: checked.NativeRep().Expr(), unescape: strings.Contains(source, "__")}
	if copies(p.tree) > maxCopies {
		return p, nil
	}
	var err error
	p.program, err = env.Program(checked, cel.EvalOptions(cel.OptOptimize|cel.OptTrackCost),
		cel.CostLimit(costLimit), cel.MemoryLimit(memoryLimit))
	if err != nil {
		return nil, errors.New(firstLine(err.Error()))
	}
	return p, nil
}

// firstLine returns the first line of an error of CEL: the rest draws the expression.
func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return strings.TrimPrefix(line, "ERROR: ")
}

// eval evaluates an expression. The error is errUndecided if the answer is not known, any
// other if the API server fails, too.
func (p *program) eval(variable string, value map[string]any) (ref.Val, error) {
	if p.program == nil {
		return nil, fmt.Errorf("%w: %q copies values too often", errUndecided, p.source)
	}
	if p.unescape {
		value, _ = unescape(value).(map[string]any)
	}
	result, _, err := p.program.Eval(map[string]any{variable: value})
	switch {
	case err == nil:
		return result, nil
	case errors.Is(err, errUndecided):
		return nil, fmt.Errorf("%w: %q", errUnmodelled, p.source)
	case strings.Contains(err.Error(), "limit exceeded"):
		return nil, fmt.Errorf("%w: %q exceeds the limit of an evaluation", errUndecided, p.source)
	default:
		return nil, err
	}
}

// test evaluates a rule.
func (p *program) test(variable string, value map[string]any) (bool, error) {
	result, err := p.eval(variable, value)
	if err != nil {
		return false, err
	}
	return result == types.True, nil
}

// text evaluates to a text. Source: getUsername in
// k8s.io/apiserver/plugin/pkg/authenticator/token/oidc.
func (p *program) text(claims map[string]any) (string, error) {
	result, err := p.eval("claims", claims)
	if err != nil {
		return "", err
	}
	text, ok := result.Value().(string)
	if !ok {
		return "", fmt.Errorf("%q is no text", p.source)
	}
	return text, nil
}

// texts evaluates to a text or a list of texts, without empty ones. Source:
// convertCELValueToStringList in k8s.io/apiserver/plugin/pkg/authenticator/token/oidc.
func (p *program) texts(claims map[string]any) ([]string, error) {
	result, err := p.eval("claims", claims)
	if err != nil {
		return nil, err
	}
	var texts []string
	switch v := result.Value().(type) {
	case string:
		texts = []string{v}
	case []any:
		for _, one := range v {
			text, ok := one.(string)
			if !ok {
				return nil, fmt.Errorf("%q is no text or list of texts", p.source)
			}
			texts = append(texts, text)
		}
	case []ref.Val:
		for _, one := range v {
			text, ok := one.Value().(string)
			if !ok {
				return nil, fmt.Errorf("%q is no text or list of texts", p.source)
			}
			texts = append(texts, text)
		}
	default:
		if result != types.NullValue {
			return nil, fmt.Errorf("%q is no text or list of texts", p.source)
		}
	}
	return slices.DeleteFunc(texts, func(text string) bool { return text == "" }), nil
}

// unescape returns a value whose maps have their fields with a dot a second time, with
// __dot__ in its place: the API server finds claims["kubernetes.io"] as
// claims.kubernetes__dot__io, too.
func unescape(value any) any {
	switch v := value.(type) {
	case trust.Token:
		return unescape(map[string]any(v))
	case map[string]any:
		fields := make(map[string]any, len(v))
		for name, field := range v {
			field = unescape(field)
			fields[name] = field
			fields[strings.NewReplacer("__", "__underscores__", ".", "__dot__", "-", "__dash__", "/", "__slash__").Replace(name)] = field
		}
		return fields
	case []any:
		items := make([]any, 0, len(v))
		for _, item := range v {
			items = append(items, unescape(item))
		}
		return items
	default:
		return value
	}
}
