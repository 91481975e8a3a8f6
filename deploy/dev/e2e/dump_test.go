package e2e

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/store"
)

// dumpFlag writes what the story of the transcripts leaves in the database.
var dumpFlag = flag.Bool("dump", false, "write the database that TestTranscripts leaves to internal/store/testdata/dumps")

// dump writes the database as SQL, for internal/store/dump_test.go. It is named after
// the version of its schema. The files of the platforms were in dir.
func (s *story) dump(dir string) {
	s.t.Helper()
	if !*dumpFlag {
		return
	}
	done, err := store.Migrate(s.t.Context(), s.database) // which says the version
	if err != nil {
		s.t.Fatal(err)
	}
	var errs bytes.Buffer
	cmd := exec.CommandContext(s.t.Context(), "pg_dump", "--inserts", "--no-owner", "--no-privileges", "--dbname", s.database)
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("pg_dump, which belongs to PostgreSQL's client: %v\n%s", err, errs.String())
	}
	text := strings.ReplaceAll(plainSQL(string(out)), dir, "/srv/platforms")
	path := filepath.Join("..", "..", "..", "internal", "store", "testdata", "dumps", fmt.Sprintf("%05d.sql", done.To))
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
	s.t.Logf("wrote %s: now run  go test ./internal/store -run Meaning -update", path)
}

// plainSQL leaves out what is psql's and what says which programs wrote it.
func plainSQL(dump string) string {
	var kept strings.Builder
	for line := range strings.Lines(dump) {
		if strings.HasPrefix(line, `\`) || strings.HasPrefix(line, "--") || line == "\n" {
			continue
		}
		kept.WriteString(line)
	}
	return kept.String()
}
