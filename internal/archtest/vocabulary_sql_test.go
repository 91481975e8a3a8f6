package archtest

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// sqlUses returns the names in the database as all migrations leave it. A
// name that a later migration renames or drops does not count.
func sqlUses(t *testing.T) []use {
	t.Helper()
	root := moduleRoot(t)
	files, err := filepath.Glob(filepath.Join(root, migrations, "*.sql"))
	if err != nil || len(files) == 0 {
		t.Fatalf("there is no migration in %s: %v", migrations, err)
	}
	s := schema{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s.migrate(relative(root, file), string(text))
	}
	return s.uses()
}

// migrations is the directory of the migrations, in the order of their names.
const migrations = "internal/store/migrations"

func relative(root, file string) string {
	name, err := filepath.Rel(root, file)
	if err != nil {
		return file
	}
	return filepath.ToSlash(name)
}

// schema maps each table, index and sequence to its columns, and each column to
// the file that named it.
type schema map[string]*table

type table struct {
	at      string
	columns map[string]string
}

// The statements that change names. Others are read over.
var (
	sqlComment   = regexp.MustCompile(`(?m)--.*$`)
	sqlLiteral   = regexp.MustCompile(`'(?:[^']|'')*'`)
	sqlSpace     = regexp.MustCompile(`\s+`)
	createTable  = regexp.MustCompile(`(?i)^CREATE TABLE (?:IF NOT EXISTS )?(\w+) ?\((.*)\)`)
	createOther  = regexp.MustCompile(`(?i)^CREATE (?:UNIQUE )?(?:INDEX|SEQUENCE|VIEW|FUNCTION|TYPE|TRIGGER|(?:OR REPLACE )(?:VIEW|FUNCTION)) (?:CONCURRENTLY )?(?:IF NOT EXISTS )?(\w+)`)
	dropAny      = regexp.MustCompile(`(?i)^DROP (?:TABLE|INDEX|SEQUENCE|VIEW|FUNCTION|TYPE) (?:IF EXISTS )?([\w, ]+?)(?: CASCADE| RESTRICT)?$`)
	alterAny     = regexp.MustCompile(`(?i)^ALTER (?:TABLE|INDEX|SEQUENCE|VIEW) (?:IF EXISTS )?(?:ONLY )?(\w+) (.*)$`)
	renameTo     = regexp.MustCompile(`(?i)^RENAME TO (\w+)$`)
	renameColumn = regexp.MustCompile(`(?i)^RENAME (?:COLUMN )?(\w+) TO (\w+)$`)
	addColumn    = regexp.MustCompile(`(?i)^ADD (?:COLUMN )?(?:IF NOT EXISTS )?(\w+)`)
	dropColumn   = regexp.MustCompile(`(?i)^DROP (?:COLUMN )?(?:IF EXISTS )?(\w+)`)
	notColumn    = regexp.MustCompile(`(?i)^(PRIMARY|UNIQUE|CHECK|CONSTRAINT|FOREIGN|EXCLUDE|LIKE)$`)
)

// migrate applies the statements of a migration that change names, on its way up.
func (s schema) migrate(at, text string) {
	up, _, _ := strings.Cut(text, "-- +goose Down")
	up = sqlLiteral.ReplaceAllString(sqlComment.ReplaceAllString(up, ""), "''")
	for statement := range strings.SplitSeq(up, ";") {
		s.apply(at, strings.TrimSpace(sqlSpace.ReplaceAllString(statement, " ")))
	}
}

func (s schema) apply(at, statement string) {
	if m := createTable.FindStringSubmatch(statement); m != nil {
		s[m[1]] = &table{at: at, columns: map[string]string{}}
		for _, part := range splitTop(m[2]) {
			name, _, _ := strings.Cut(part, " ")
			s.column(at, m[1], name)
		}
	} else if m := createOther.FindStringSubmatch(statement); m != nil {
		s[m[1]] = &table{at: at}
	} else if m := dropAny.FindStringSubmatch(statement); m != nil {
		for name := range strings.SplitSeq(m[1], ",") {
			delete(s, strings.TrimSpace(name))
		}
	} else if m := alterAny.FindStringSubmatch(statement); m != nil && s[m[1]] != nil {
		for _, action := range splitTop(m[2]) {
			s.alter(at, m[1], action)
		}
	}
}

func (s schema) alter(at, name, action string) {
	if m := renameTo.FindStringSubmatch(action); m != nil {
		s[m[1]] = s[name]
		s[m[1]].at = at
		delete(s, name)
	} else if m := renameColumn.FindStringSubmatch(action); m != nil {
		delete(s[name].columns, m[1])
		s.column(at, name, m[2])
	} else if m := addColumn.FindStringSubmatch(action); m != nil {
		s.column(at, name, m[1])
	} else if m := dropColumn.FindStringSubmatch(action); m != nil {
		delete(s[name].columns, m[1])
	}
}

func (s schema) column(at, owner, name string) {
	if !notColumn.MatchString(name) && s[owner].columns != nil {
		s[owner].columns[name] = at
	}
}

func (s schema) uses() []use {
	var all []use
	for name, r := range s {
		all = append(all, use{unit: migrations, kind: kindSQL, text: name, at: r.at})
		for column, at := range r.columns {
			all = append(all, use{unit: migrations, table: name, kind: kindSQL, text: column, at: at + ": " + name})
		}
	}
	slices.SortFunc(all, func(a, b use) int { return strings.Compare(a.text, b.text) })
	return all
}

// splitTop splits at the commas that are in no parentheses.
func splitTop(text string) []string {
	var parts []string
	depth, start := 0, 0
	for i, r := range text {
		switch {
		case r == '(':
			depth++
		case r == ')':
			depth--
		case r == ',' && depth == 0:
			parts = append(parts, strings.TrimSpace(text[start:i]))
			start = i + 1
		}
	}
	return append(parts, strings.TrimSpace(text[start:]))
}
