package azure

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// query is what the simulated Resource Graph understands of the Kusto language:
//
//	table { "|" step }
//	step: where condition | extend name = value {, ...} | project column {, ...}
//	    | order by column [asc|desc] {, ...} | sort by ... | take n | limit n
//	condition: comparisons joined by "and" and "or", in parentheses where need be
//	comparison: value (== != =~ !~ startswith endswith contains has) text
//	    | value (in in~ !in !in~) (text {, text}) | isempty(value) | isnotempty(value)
//	value: column, properties.name, properties['name'], tostring(value), tolower(value)
type query struct {
	table string
	steps []func(rows []map[string]any) []map[string]any
	// columns are those of the last project; nil where there is none.
	columns []string
	limit   int // 0 is none
}

// kqlError is what the parser does not understand.
type kqlError struct{ near string }

func (e kqlError) Error() string { return "the query is not understood near '" + e.near + "'" }

var kqlToken = regexp.MustCompile(`^(?:[A-Za-z_][A-Za-z0-9_]*|[0-9]+|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|=~|==|!=|!~|[|=(),.\[\]~!])`)

// kql parses a query. Signs and words come one by one off the front of tokens.
type kql struct {
	tokens []string
	query  query
}

// parseKQL reads a query.
func parseKQL(text string) (q query, err error) {
	k := &kql{}
	for rest := strings.TrimSpace(text); rest != ""; rest = strings.TrimSpace(rest) {
		token := kqlToken.FindString(rest)
		if token == "" {
			return query{}, kqlError{rest[:min(len(rest), 20)]}
		}
		k.tokens = append(k.tokens, token)
		rest = rest[len(token):]
	}
	k.query.table = strings.ToLower(k.next())
	for len(k.tokens) > 0 {
		if !k.accept("|") {
			return query{}, kqlError{k.tokens[0]}
		}
		if !k.step() {
			return query{}, kqlError{k.peek()}
		}
	}
	return k.query, nil
}

func (k *kql) peek() string {
	if len(k.tokens) == 0 {
		return ""
	}
	return k.tokens[0]
}

func (k *kql) next() string {
	token := k.peek()
	if token != "" {
		k.tokens = k.tokens[1:]
	}
	return token
}

// accept takes a word or sign if it is next.
func (k *kql) accept(token string) bool {
	if strings.EqualFold(k.peek(), token) {
		k.next()
		return true
	}
	return false
}

func (k *kql) step() bool {
	switch strings.ToLower(k.next()) {
	case "where":
		c, ok := k.either()
		k.add(func(rows []map[string]any) []map[string]any {
			return slices.DeleteFunc(rows, func(row map[string]any) bool { return !c(row) })
		})
		return ok
	case "extend":
		return k.extend()
	case "project":
		return k.project()
	case "order", "sort":
		return k.accept("by") && k.order()
	case "take", "limit":
		n, err := strconv.Atoi(k.next())
		k.query.limit = n
		return err == nil && n > 0
	default:
		return false
	}
}

func (k *kql) add(step func([]map[string]any) []map[string]any) {
	k.query.steps = append(k.query.steps, step)
}

// value reads a column or a function of one.
func (k *kql) value() (func(map[string]any) any, bool) {
	name := k.next()
	if name == "" || !isWord(name) {
		return nil, false
	}
	if k.peek() == "(" {
		return k.function(strings.ToLower(name))
	}
	path := []string{name}
	for {
		switch {
		case k.accept("."):
			path = append(path, k.next())
		case k.accept("["):
			field, ok := k.text()
			if !ok || !k.accept("]") {
				return nil, false
			}
			path = append(path, field)
		default:
			return func(row map[string]any) any { return dig(row, path) }, isWord(path[len(path)-1])
		}
	}
}

func isWord(token string) bool {
	return token != "" && (token[0] == '_' || token[0] >= 'A' && token[0] <= 'Z' || token[0] >= 'a' && token[0] <= 'z')
}

// dig follows a path; the names of columns ignore case.
func dig(row map[string]any, path []string) any {
	var at any
	for name, value := range row {
		if strings.EqualFold(name, path[0]) {
			at = value
		}
	}
	for _, name := range path[1:] {
		fields, _ := at.(map[string]any)
		at = fields[name]
	}
	return at
}

func (k *kql) function(name string) (func(map[string]any) any, bool) {
	if !k.accept("(") {
		return nil, false
	}
	inner, ok := k.value()
	if !ok || !k.accept(")") {
		return nil, false
	}
	switch name {
	case "tostring":
		return func(row map[string]any) any { return text(inner(row)) }, true
	case "tolower":
		return func(row map[string]any) any { return strings.ToLower(text(inner(row))) }, true
	default:
		return nil, false
	}
}

// text is a value as a text; null is the empty one.
func text(value any) string {
	s, _ := value.(string)
	return s
}

// text reads a text in quotes.
func (k *kql) text() (string, bool) {
	token := k.next()
	if len(token) < 2 || token[0] != '\'' && token[0] != '"' {
		return "", false
	}
	var plain strings.Builder
	for i := 1; i < len(token)-1; i++ {
		if token[i] == '\\' {
			i++
		}
		plain.WriteByte(token[i])
	}
	return plain.String(), true
}

type test func(row map[string]any) bool

func (k *kql) either() (test, bool) {
	first, ok := k.both()
	tests := []test{first}
	for ok && k.accept("or") {
		var t test
		t, ok = k.both()
		tests = append(tests, t)
	}
	return func(row map[string]any) bool {
		return slices.ContainsFunc(tests, func(t test) bool { return t(row) })
	}, ok
}

func (k *kql) both() (test, bool) {
	first, ok := k.one()
	tests := []test{first}
	for ok && k.accept("and") {
		var t test
		t, ok = k.one()
		tests = append(tests, t)
	}
	return func(row map[string]any) bool {
		return !slices.ContainsFunc(tests, func(t test) bool { return !t(row) })
	}, ok
}

func (k *kql) one() (test, bool) {
	if k.accept("(") {
		t, ok := k.either()
		return t, ok && k.accept(")")
	}
	for name, empty := range map[string]bool{"isempty": true, "isnotempty": false} {
		if k.accept(name) {
			if !k.accept("(") {
				return nil, false
			}
			value, ok := k.value()
			return func(row map[string]any) bool { return (text(value(row)) == "") == empty }, ok && k.accept(")")
		}
	}
	value, ok := k.value()
	if !ok {
		return nil, false
	}
	return k.comparison(value)
}

func (k *kql) comparison(value func(map[string]any) any) (test, bool) {
	not := k.accept("!")
	op := strings.ToLower(k.next())
	if op == "in" {
		fold := k.accept("~")
		wanted, ok := k.texts()
		return func(row map[string]any) bool {
			is := text(value(row))
			return slices.ContainsFunc(wanted, func(w string) bool { return is == w || fold && strings.EqualFold(is, w) }) != not
		}, ok
	}
	compare, known := map[string]func(a, b string) bool{
		"==":         func(a, b string) bool { return a == b },
		"!=":         func(a, b string) bool { return a != b },
		"=~":         strings.EqualFold,
		"!~":         func(a, b string) bool { return !strings.EqualFold(a, b) },
		"startswith": func(a, b string) bool { return strings.HasPrefix(strings.ToLower(a), strings.ToLower(b)) },
		"endswith":   func(a, b string) bool { return strings.HasSuffix(strings.ToLower(a), strings.ToLower(b)) },
		"contains":   func(a, b string) bool { return strings.Contains(strings.ToLower(a), strings.ToLower(b)) },
		"has":        func(a, b string) bool { return strings.Contains(strings.ToLower(a), strings.ToLower(b)) },
	}[op]
	wanted, ok := k.text()
	return func(row map[string]any) bool { return compare(text(value(row)), wanted) }, ok && known && !not
}

// texts reads a list of texts in parentheses.
func (k *kql) texts() ([]string, bool) {
	if !k.accept("(") {
		return nil, false
	}
	var all []string
	for {
		one, ok := k.text()
		if !ok {
			return nil, false
		}
		all = append(all, one)
		if k.accept(")") {
			return all, true
		}
		if !k.accept(",") {
			return nil, false
		}
	}
}

// named is a column with what it holds.
type named struct {
	name  string
	value func(map[string]any) any
}

// columns reads columns; those without a value stand for themselves.
func (k *kql) columns(valued bool) ([]named, bool) {
	var all []named
	for {
		start := slices.Clone(k.tokens)
		name := k.next()
		var value func(map[string]any) any
		ok := isWord(name)
		switch {
		case ok && k.accept("="):
			value, ok = k.value()
		case valued:
			return nil, false
		default:
			k.tokens = start
			value, ok = k.value()
			name = strings.Join(path(start[:len(start)-len(k.tokens)]), "_")
		}
		if !ok {
			return nil, false
		}
		all = append(all, named{name, value})
		if !k.accept(",") {
			return all, true
		}
	}
}

// path is what Kusto names a column after.
func path(tokens []string) []string {
	var words []string
	for _, token := range tokens {
		if word := strings.Trim(token, `'"`); isWord(word) {
			words = append(words, word)
		}
	}
	return words
}

func (k *kql) extend() bool {
	columns, ok := k.columns(true)
	k.add(func(rows []map[string]any) []map[string]any {
		for _, row := range rows {
			for _, c := range columns {
				row[c.name] = c.value(row)
			}
		}
		return rows
	})
	return ok
}

func (k *kql) project() bool {
	columns, ok := k.columns(false)
	k.query.columns = nil
	for _, c := range columns {
		k.query.columns = append(k.query.columns, c.name)
	}
	k.add(func(rows []map[string]any) []map[string]any {
		projected := make([]map[string]any, len(rows))
		for i, row := range rows {
			projected[i] = make(map[string]any, len(columns))
			for _, c := range columns {
				projected[i][c.name] = c.value(row)
			}
		}
		return projected
	})
	return ok
}

// order sorts by columns, descending unless the query says asc, as Kusto does.
func (k *kql) order() bool {
	type key struct {
		value func(map[string]any) any
		sign  int
	}
	var keys []key
	for more := true; more; more = k.accept(",") {
		value, ok := k.value()
		if !ok {
			return false
		}
		by := key{value, -1}
		if k.accept("asc") {
			by.sign = 1
		} else {
			k.accept("desc")
		}
		keys = append(keys, by)
	}
	k.add(func(rows []map[string]any) []map[string]any {
		slices.SortStableFunc(rows, func(a, b map[string]any) int {
			for _, by := range keys {
				if d := strings.Compare(text(by.value(a)), text(by.value(b))); d != 0 {
					return d * by.sign
				}
			}
			return 0
		})
		return rows
	})
	return true
}
