package archtest

import (
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strings"
)

// temporalNames collects what Temporal stores by name: activities, workflows,
// signals, queries, updates, types of application errors, search attributes.
func temporalNames(s source, known values) []wireName {
	if vendor(s.dir) {
		return nil
	}
	var names []wireName
	add := func(kind string, e ast.Expr) {
		if text, ok := known.eval(s, e); ok && text != "" {
			names = append(names, wireName{kind, s.dir, text})
			return
		}
		// A method value has its own name on the wire: ExecuteActivity(ctx, a.Plan, in).
		if method, ok := e.(*ast.SelectorExpr); ok && kind == "activity" {
			names = append(names, wireName{kind, s.dir, method.Sel.Name})
		}
	}
	inDeclarations(s, func(_ string, node ast.Node) {
		switch n := node.(type) {
		case *ast.CallExpr:
			for kind, at := range temporalCall(called(n)) {
				if at < len(n.Args) {
					add(kind, n.Args[at])
				}
			}
		case *ast.ValueSpec:
			for i, name := range n.Names {
				if kind := temporalConstant(name.Name); kind != "" && i < len(n.Values) {
					add(kind, n.Values[i])
				}
			}
		}
	})
	return names
}

// temporalCall returns which argument of a function is a name, and of what kind.
func temporalCall(function string) map[string]int {
	switch {
	case function == "ExecuteActivity" || function == "ExecuteLocalActivity":
		return map[string]int{"activity": 1}
	case function == "ExecuteChildWorkflow":
		return map[string]int{"workflow": 1}
	case function == "ExecuteWorkflow":
		return map[string]int{"workflow": 2}
	case function == "GetSignalChannel":
		return map[string]int{"signal": 1}
	case function == "SignalWorkflow" || function == "SignalExternalWorkflow":
		return map[string]int{"signal": 3}
	case function == "SetQueryHandler":
		return map[string]int{"query": 1}
	case strings.HasPrefix(function, "SetUpdateHandler"):
		return map[string]int{"update": 1}
	case strings.HasPrefix(function, "NewApplicationError") || strings.HasPrefix(function, "NewNonRetryableApplicationError"):
		return map[string]int{"error-type": 1}
	case strings.HasPrefix(function, "NewSearchAttributeKey"):
		return map[string]int{"search-attribute": 0}
	default:
		return nil
	}
}

// temporalConstant returns the kind of name that a constant holds, by the ending
// or the beginning of its own.
func temporalConstant(name string) string {
	for _, ending := range []struct{ of, kind string }{
		{"Activity", "activity"}, {"Workflow", "workflow"}, {"Signal", "signal"}, {"Query", "query"}, {"Update", "update"},
		{"FailedType", "error-type"}, {"Attribute", "search-attribute"}, {"Metric", "metric"},
	} {
		if strings.HasSuffix(name, ending.of) && name != ending.of {
			return ending.kind
		}
	}
	if rest, ok := strings.CutPrefix(name, "Type"); ok && rest != "" && token.IsExported(rest) {
		return "error-type"
	}
	return ""
}

// measureNames collects metrics with their labels, and the keys of log lines.
func measureNames(s source, known values) []wireName {
	if vendor(s.dir) {
		return nil
	}
	var names []wireName
	add := func(kind string, e ast.Expr) {
		if text, ok := known.eval(s, e); ok && stored.MatchString(text) {
			names = append(names, wireName{kind, s.dir, text})
		}
	}
	inDeclarations(s, func(_ string, node ast.Node) {
		call, ok := node.(*ast.CallExpr)
		if !ok {
			return
		}
		switch name := called(call); {
		case isMetric(name) && len(call.Args) > 0:
			add("metric", call.Args[0])
		case name == "WithTags" && len(call.Args) == 1:
			for _, key := range keys(call.Args[0]) {
				add("metric-label", key)
			}
		case receiver(call) == "attribute" && len(call.Args) == 2:
			add("metric-label", call.Args[0])
		default:
			for _, key := range logKeys(call) {
				add("log-key", key)
			}
		}
	})
	return names
}

func isMetric(function string) bool {
	return slices.Contains([]string{"Counter", "Timer", "Gauge"}, function) ||
		strings.HasPrefix(function, "Int64") || strings.HasPrefix(function, "Float64") && !strings.HasSuffix(function, "Var")
}

// receiver returns what a method is called on, where that is a plain name.
func receiver(call *ast.CallExpr) string {
	if selector, ok := call.Fun.(*ast.SelectorExpr); ok {
		if name, ok := selector.X.(*ast.Ident); ok {
			return name.Name
		}
	}
	return ""
}

// keys returns the keys of a map literal.
func keys(e ast.Expr) []ast.Expr {
	lit, ok := e.(*ast.CompositeLit)
	if !ok {
		return nil
	}
	var all []ast.Expr
	for _, element := range lit.Elts {
		if pair, ok := element.(*ast.KeyValueExpr); ok {
			all = append(all, pair.Key)
		}
	}
	return all
}

// logKeys returns the keys of a call that logs: every second argument behind the
// message.
func logKeys(call *ast.CallExpr) []ast.Expr {
	skip, logs := map[string]int{"Debug": 1, "Info": 1, "Warn": 1, "Error": 1, "With": 0,
		"DebugContext": 2, "InfoContext": 2, "WarnContext": 2, "ErrorContext": 2}[called(call)]
	if !logs {
		return nil
	}
	var all []ast.Expr
	for i := skip; i+1 < len(call.Args); i += 2 {
		all = append(all, call.Args[i])
	}
	return all
}

// idNames collects what workflow IDs and task queues begin with: the texts that
// functions named "...ID" and "...Queue" put before their arguments, and constants
// named "...Queue".
func idNames(s source, known values) []wireName {
	if vendor(s.dir) || matches("deploy/...", s.dir) {
		return nil
	}
	var names []wireName
	inDeclarations(s, func(in string, node ast.Node) {
		kind := map[bool]string{true: "workflow-id", false: "queue"}[strings.HasSuffix(in, "ID")]
		lit, ok := node.(*ast.BasicLit)
		if !ok || !strings.HasSuffix(in, "ID") && !strings.HasSuffix(in, "Queue") {
			return
		}
		if text, ok := known.eval(s, lit); ok && prefixText.MatchString(text) {
			names = append(names, wireName{kind, s.dir + "." + in, text})
		}
	})
	return names
}

// prefixText matches the beginning of an ID, or the name of a queue.
var prefixText = regexp.MustCompile(`^([a-z-]+/[a-z/-]*|rollcall)$`)
