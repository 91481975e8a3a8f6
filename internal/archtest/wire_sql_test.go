package archtest

import (
	"cmp"
	"fmt"
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Patterns of names inside SQL.
var (
	// statement tells SQL, and fragments of it, from other texts.
	statement = regexp.MustCompile(`\b(SELECT|INSERT INTO|UPDATE \w+ SET|DELETE FROM|WITH|ORDER BY|ANY\(|IS NULL|jsonb?_\w+\()|\$\d|= '`)
	// jsonAccess matches the operators that reach into JSON, with their key.
	jsonAccess = regexp.MustCompile(`(->>|->|#>>|#>)\s*'([^']*)'`)
	// jsonPath matches a path expression.
	jsonPath = regexp.MustCompile(`'(\$[^']*)'`)
	// jsonColumns matches the columns that an array of objects is unpacked into.
	jsonColumns = regexp.MustCompile(`_to_record(?:set)?\([^)]*\) AS \w+\s*\(([^)]*)\)`)
	// jsonMade matches the first key of an object that is put together.
	jsonMade = regexp.MustCompile(`jsonb?_build_object\('(\w+)'`)
	// quoted matches the remaining texts: values of columns.
	quoted = regexp.MustCompile(`'([A-Za-z][\w-]*)'`)
)

// sqlNames collects the JSON keys and paths, and the values, that queries in Go
// name. They change together with what is stored, or find nothing.
func sqlNames(s source, known values) []wireName {
	if vendor(s.dir) || s.dir == "internal/archtest" {
		return nil
	}
	var names []wireName
	inDeclarations(s, func(_ string, node ast.Node) {
		lit, ok := node.(*ast.BasicLit)
		if !ok {
			return
		}
		text, ok := known.eval(s, lit)
		if ok && statement.MatchString(text) {
			names = append(names, inSQL(s.name, text)...)
		}
	})
	return names
}

// inSQL returns the names inside one piece of SQL.
func inSQL(where, text string) []wireName {
	var names []wireName
	for _, found := range jsonAccess.FindAllStringSubmatch(text, -1) {
		names = append(names, wireName{"sql-json", where, found[1] + " '" + found[2] + "'"})
	}
	for _, found := range jsonPath.FindAllStringSubmatch(text, -1) {
		names = append(names, wireName{"sql-json", where, found[1]})
	}
	for _, found := range jsonColumns.FindAllStringSubmatch(text, -1) {
		for column := range strings.SplitSeq(found[1], ",") {
			names = append(names, wireName{"sql-json", where, "AS " + strings.TrimSpace(column)})
		}
	}
	for _, found := range jsonMade.FindAllStringSubmatch(text, -1) {
		names = append(names, wireName{"sql-json", where, "made '" + found[1] + "'"})
	}
	rest := jsonMade.ReplaceAllString(jsonPath.ReplaceAllString(jsonAccess.ReplaceAllString(text, ""), ""), "")
	for _, found := range quoted.FindAllStringSubmatch(rest, -1) {
		names = append(names, wireName{"sql-value", where, "'" + found[1] + "'"})
	}
	return names
}

// schemaNames collects tables, columns, indexes, sequences and checks as all
// migrations together leave them.
func schemaNames(t *testing.T) []wireName {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(moduleRoot(t), migrations, "*.sql"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no migrations: %v", err)
	}
	slices.Sort(files)
	db := database{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		up, _, _ := strings.Cut(string(text), "-- +goose Down")
		for _, sql := range statements(up) {
			if err := db.run(sql); err != nil {
				t.Fatalf("%s: %v: teach database.run in wire_sql_test.go", filepath.Base(file), err)
			}
		}
	}
	return db.names()
}

// database is what a series of migrations leaves: names by the object they are
// part of. A table is a part of itself.
type database map[wireName]string

// Patterns of the statements that change the schema.
var (
	comment      = regexp.MustCompile(`--[^\n]*`)
	createTable  = regexp.MustCompile(`(?s)^CREATE (?:UNLOGGED )?TABLE (?:IF NOT EXISTS )?(\w+) \((.*)\)[^)]*$`)
	createIndex  = regexp.MustCompile(`(?s)^CREATE (?:UNIQUE )?INDEX (?:IF NOT EXISTS )?(\w+) ON (\w+)(.*)$`)
	createSeries = regexp.MustCompile(`^CREATE SEQUENCE (\w+)`)
	alterTable   = regexp.MustCompile(`(?s)^ALTER TABLE (?:ONLY )?(\w+)\s+(.*)$`)
	renameTo     = regexp.MustCompile(`^ALTER (TABLE|INDEX|SEQUENCE) (\w+) RENAME TO (\w+)$`)
	dropObjects  = regexp.MustCompile(`^DROP (?:TABLE|INDEX|SEQUENCE) (?:IF EXISTS )?(.*)$`)
	changesData  = regexp.MustCompile(`^(INSERT|UPDATE|DELETE|WITH|SELECT|DO|LOCK|COMMENT)\b`)
	// temporary matches what a migration makes for itself and drops in the end.
	temporary = regexp.MustCompile(`^(CREATE|DROP) (TABLE|FUNCTION) pg_temp\.`)
	// triggered matches functions and triggers, which no program names.
	triggered    = regexp.MustCompile(`^(CREATE|DROP) (FUNCTION|TRIGGER) \w+`)
	checkValues  = regexp.MustCompile(`(?s)CHECK \((\w+) IN \(([^)]*)\)\)`)
	renameColumn = regexp.MustCompile(`^RENAME (?:COLUMN )?(\w+) TO (\w+)$`)
	dropColumn   = regexp.MustCompile(`^DROP COLUMN (?:IF EXISTS )?(\w+)$`)
	constraint   = regexp.MustCompile(`^(?:ADD )?(CONSTRAINT|PRIMARY KEY|UNIQUE|CHECK|FOREIGN KEY|EXCLUDE)\b`)
	otherChange  = regexp.MustCompile(`^(DROP CONSTRAINT|ALTER COLUMN|ALTER|SET|VALIDATE|RENAME CONSTRAINT)\b`)
)

// statements splits SQL at semicolons outside of quotes.
func statements(sql string) []string {
	sql = comment.ReplaceAllString(sql, "")
	var all []string
	var now strings.Builder
	quote := ""
	for i := 0; i < len(sql); i++ {
		switch {
		case strings.HasPrefix(sql[i:], "$$"):
			quote = map[string]string{"": "$$", "$$": ""}[quote]
			now.WriteString("$$")
			i++
			continue
		case sql[i] == '\'' && quote != "$$":
			quote = map[string]string{"": "'", "'": ""}[quote]
		case sql[i] == ';' && quote == "":
			all = append(all, strings.TrimSpace(now.String()))
			now.Reset()
			continue
		}
		now.WriteByte(sql[i])
	}
	return all
}

// parts splits at commas outside of parentheses.
func parts(list string) []string {
	var all []string
	depth, from := 0, 0
	for i, r := range list {
		switch {
		case r == '(':
			depth++
		case r == ')':
			depth--
		case r == ',' && depth == 0:
			all, from = append(all, strings.TrimSpace(list[from:i])), i+1
		}
	}
	return append(all, strings.TrimSpace(list[from:]))
}

// run applies one statement.
func (db database) run(sql string) error {
	switch {
	case temporary.MatchString(sql), triggered.MatchString(sql):
	case createTable.MatchString(sql):
		found := createTable.FindStringSubmatch(sql)
		db[wireName{"table", found[1], found[1]}] = found[1]
		for _, part := range parts(found[2]) {
			db.column(found[1], part)
		}
	case createIndex.MatchString(sql):
		found := createIndex.FindStringSubmatch(sql)
		db[wireName{"index", found[2], found[1]}] = found[2]
		for _, n := range inSQL("index:"+found[1], found[3]) {
			db[n] = found[2]
		}
	case createSeries.MatchString(sql):
		name := createSeries.FindStringSubmatch(sql)[1]
		db[wireName{"sequence", name, name}] = name
	case renameTo.MatchString(sql):
		found := renameTo.FindStringSubmatch(sql)
		db.rename(strings.ToLower(found[1]), found[2], found[3])
	case alterTable.MatchString(sql):
		found := alterTable.FindStringSubmatch(sql)
		for _, change := range parts(found[2]) {
			if err := db.alter(found[1], change); err != nil {
				return err
			}
		}
	case dropObjects.MatchString(sql):
		for _, name := range parts(dropObjects.FindStringSubmatch(sql)[1]) {
			db.drop(name)
		}
	case sql != "" && !changesData.MatchString(sql):
		return fmt.Errorf("unknown statement %q", sql)
	}
	return nil
}

// column adds what one line of a table defines.
func (db database) column(table, part string) {
	for _, found := range checkValues.FindAllStringSubmatch(part, -1) {
		for _, value := range parts(found[2]) {
			db[wireName{"check", table + "." + found[1], value}] = table
		}
	}
	if !constraint.MatchString(part) {
		name, _, _ := strings.Cut(part, " ")
		db[wireName{"column", table, name}] = table
	}
}

// alter applies one change of a table.
func (db database) alter(table, change string) error {
	switch {
	case renameColumn.MatchString(change):
		found := renameColumn.FindStringSubmatch(change)
		delete(db, wireName{"column", table, found[1]})
		db[wireName{"column", table, found[2]}] = table
		db.move("check", table+"."+found[1], table+"."+found[2])
	case dropColumn.MatchString(change):
		name := dropColumn.FindStringSubmatch(change)[1]
		delete(db, wireName{"column", table, name})
		db.forget("check", table+"."+name)
	case strings.HasPrefix(change, "ADD"):
		added := strings.TrimPrefix(strings.TrimPrefix(change, "ADD "), "COLUMN ")
		if found := checkValues.FindStringSubmatch(added); found != nil {
			db.forget("check", table+"."+found[1])
		}
		db.column(table, strings.TrimPrefix(added, "IF NOT EXISTS "))
	case !otherChange.MatchString(change):
		return fmt.Errorf("unknown change %q of %s", change, table)
	}
	return nil
}

// rename gives a table, an index or a sequence another name.
func (db database) rename(kind, from, to string) {
	for n, of := range db {
		switch {
		case kind == "table" && of == from:
			delete(db, n)
			n.where = strings.Replace(n.where, from, to, 1)
			if n.kind == "table" {
				n.name = to
			}
			db[n] = to
		case n.kind == kind && n.name == from:
			delete(db, n)
			n.name = to
			if kind == "sequence" {
				n.where, of = to, to
			}
			db[n] = of
		case kind == "index" && n.where == "index:"+from:
			delete(db, n)
			n.where = "index:" + to
			db[n] = of
		}
	}
}

// drop forgets a table with its parts, an index or a sequence.
func (db database) drop(name string) {
	for n, of := range db {
		if of == name || (n.kind == "index" || n.kind == "sequence") && n.name == name || n.where == "index:"+name {
			delete(db, n)
		}
	}
}

func (db database) forget(kind, where string) {
	for n := range db {
		if n.kind == kind && n.where == where {
			delete(db, n)
		}
	}
}

func (db database) move(kind, from, to string) {
	for n, of := range db {
		if n.kind == kind && n.where == from {
			delete(db, n)
			n.where = to
			db[n] = of
		}
	}
}

func (db database) names() []wireName {
	all := make([]wireName, 0, len(db))
	for n := range db {
		all = append(all, n)
	}
	slices.SortFunc(all, func(a, b wireName) int { return cmp.Compare(a.String(), b.String()) })
	return all
}

// TestMigrationsAreFollowed: the final state of a series of statements is what
// counts, not what an early one said.
func TestMigrationsAreFollowed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ reason, sql, want string }{
		{"a table", "CREATE TABLE a (x text NOT NULL, y int CHECK (y > 0), PRIMARY KEY (x, y));", "column a x,column a y,table a a"},
		{"a table that a crash empties", "CREATE UNLOGGED TABLE a (x text);", "column a x,table a a"},
		{"storage options", "CREATE TABLE a (x text) WITH (fillfactor = 50);", "column a x,table a a"},
		{"a check", "CREATE TABLE a (x text CHECK (x IN ('b', 'c')));", "check a.x 'b',check a.x 'c',column a x,table a a"},
		{"a renamed column", "CREATE TABLE a (x text CHECK (x IN ('b'))); ALTER TABLE a RENAME COLUMN x TO z;", "check a.z 'b',column a z,table a a"},
		{"a renamed table", "CREATE TABLE a (x text); CREATE INDEX i ON a (x); ALTER TABLE a RENAME TO b;", "column b x,index b i,table b b"},
		{"a renamed sequence", "CREATE SEQUENCE a; ALTER SEQUENCE a RENAME TO b;", "sequence b b"},
		{"a dropped column", "CREATE TABLE a (x text, y text); ALTER TABLE a DROP COLUMN y, ADD COLUMN z int;", "column a x,column a z,table a a"},
		{"a check that replaces one", "CREATE TABLE a (x text CHECK (x IN ('b'))); ALTER TABLE a DROP CONSTRAINT c, ADD CONSTRAINT c CHECK (x IN ('d'));", "check a.x 'd',column a x,table a a"},
		{"a dropped table", "CREATE TABLE a (x text); CREATE INDEX i ON a (x); DROP TABLE a;", ""},
		{"a dropped index", "CREATE TABLE a (x json); CREATE INDEX i ON a ((x ->> 'k')); DROP INDEX i;", "column a x,table a a"},
		{"an index on JSON", "CREATE TABLE a (x json); CREATE INDEX i ON a ((x ->> 'k')); ALTER INDEX i RENAME TO j;", "column a x,index a j,sql-json index:j ->> 'k',table a a"},
		{"a function of the migration's own", "CREATE FUNCTION pg_temp.f(x text) RETURNS text LANGUAGE sql AS $$ SELECT x; $$; DROP FUNCTION pg_temp.f(text);", ""},
		{"data", "INSERT INTO a VALUES ('CREATE TABLE b (x text);'); DO $$ BEGIN PERFORM 1; END $$;", ""},
	} {
		db := database{}
		for _, sql := range statements(tt.sql) {
			if err := db.run(sql); err != nil {
				t.Errorf("%s: %v", tt.reason, err)
			}
		}
		if got := strings.Join(lines(db.names()), ","); got != tt.want {
			t.Errorf("%s: %s leaves\n%s, want\n%s", tt.reason, tt.sql, got, tt.want)
		}
	}
	if err := (database{}).run("CREATE TYPE x AS ENUM ('a')"); err == nil {
		t.Error("a statement that nobody reads passes unnoticed")
	}
}
