package storetest

import (
	"os"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/engines/postgres"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// Restore executes a dump in an empty database of a real PostgreSQL, which ends with
// the test, and returns the database's URL. The schema is the dump's: nothing is
// migrated.
//
// What the dump holds is made as old as it was when it was dumped, because decisions,
// known accounts and ended remarks count for a limited time.
func Restore(t testing.TB, dump string) (url string) {
	t.Helper()
	sql, err := os.ReadFile(dump) //nolint:gosec // a test names its own file
	if err != nil {
		t.Fatal(err)
	}
	url = postgres.ForTest(t)
	// Dumps set what counts for the session, such as the search path.
	for _, text := range []string{string(sql), age} {
		s, err := store.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Pool().Exec(t.Context(), text)
		s.Close()
		if err != nil {
			t.Fatalf("restore %s: %v", dump, err)
		}
	}
	return url
}

// age moves all times on, so that the newest one is now.
const age = `DO $$
DECLARE
	found record;
	newest timestamptz;
	one timestamptz;
BEGIN
	FOR found IN SELECT table_name, column_name FROM information_schema.columns
		WHERE table_schema = 'public' AND data_type = 'timestamp with time zone' AND column_name <> 'expires_at'
	LOOP
		EXECUTE format('SELECT max(%I) FROM public.%I', found.column_name, found.table_name) INTO one;
		newest := greatest(newest, one);
	END LOOP;
	FOR found IN SELECT table_name, column_name FROM information_schema.columns
		WHERE table_schema = 'public' AND data_type = 'timestamp with time zone'
	LOOP
		EXECUTE format('UPDATE public.%I SET %I = %I + (now() - $1)', found.table_name, found.column_name, found.column_name)
			USING newest;
	END LOOP;
END $$`
