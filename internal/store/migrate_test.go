package store_test

import (
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/rollcall-iam/rollcall/internal/store/storetest"
)

// TestMigrationsGoDownAndUpAgain: whoever has to go back to an older program can,
// and forward again.
func TestMigrationsGoDownAndUpAgain(t *testing.T) {
	t.Parallel()
	_, url := storetest.OpenURL(t)
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	db := stdlib.OpenDB(*config)
	t.Cleanup(func() { _ = db.Close() })
	migrations, err := goose.NewProvider(goose.DialectPostgres, db, os.DirFS("migrations"))
	if err != nil {
		t.Fatal(err)
	}
	down, err := migrations.DownTo(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	var tables int
	row := db.QueryRowContext(t.Context(), `SELECT count(*) FROM information_schema.tables
		WHERE table_schema = 'public' AND table_name <> 'goose_db_version'`)
	if err := row.Scan(&tables); err != nil || tables != 0 {
		t.Errorf("%d tables are left, %v; want none", tables, err)
	}
	up, err := migrations.Up(t.Context())
	if err != nil || len(up) != len(down) {
		t.Errorf("%d migrations went up again, %v; want all %d that went down", len(up), err, len(down))
	}
}
