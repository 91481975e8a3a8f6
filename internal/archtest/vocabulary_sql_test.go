package archtest

import "testing"

// migrations is the directory of the migrations, in the order of their names.
const migrations = "internal/store/migrations"

// sqlUses returns the names in the database as all migrations leave it. A
// name that a later migration renames or drops does not count.
func sqlUses(t *testing.T) []use {
	t.Helper()
	return schemaUses(schemaNames(t))
}

// schemaUses returns the uses of words in the names of a database's objects.
func schemaUses(names []wireName) []use {
	var all []use
	for _, n := range names {
		switch n.kind {
		case "column":
			all = append(all, use{unit: migrations, table: n.where, kind: kindSQL, text: n.name, at: migrations + ": " + n.where})
		case "table", "index", "sequence":
			all = append(all, use{unit: migrations, kind: kindSQL, text: n.name, at: migrations})
		}
	}
	return all
}
