package store_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/engines/postgres"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
)

var (
	web = access.TenantID{Workspace: "shop", Project: "web", Platform: "lab.here"}
	db  = access.TenantID{Workspace: "shop", Project: "db", Platform: "lab.here"}
)

// fresh returns a store on an empty, migrated database.
func fresh(t testing.TB) *store.Store {
	t.Helper()
	return storetest.Open(t)
}

// decode reads documents that the test wrote.
func decode(t testing.TB, yaml string) []document.Document {
	t.Helper()
	documents, _, err := document.Decode(strings.NewReader(yaml), "test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return documents
}

// organisation is a small set of documents of every kind: two tenants, one with
// a person, one with a group of one person.
func organisation(t testing.TB) []document.Document {
	t.Helper()
	return decode(t, organisationText(t))
}

// without returns the documents but for those of the IDs.
func without(documents []document.Document, ids ...document.ID) []document.Document {
	var rest []document.Document
	for _, d := range documents {
		keep := true
		for _, id := range ids {
			keep = keep && d.ID != id
		}
		if keep {
			rest = append(rest, d)
		}
	}
	return rest
}

func apply(t testing.TB, s *store.Store, req store.ApplyRequest) store.Changes {
	t.Helper()
	changes, err := s.Apply(t.Context(), req)
	if err != nil {
		t.Fatalf("Apply: %v", err)
	}
	return changes
}

func tenantID(id access.TenantID) document.ID {
	return document.ID{Kind: document.KindTenant, Name: id.String()}
}

func diff(t *testing.T, what string, want, got any, options ...cmp.Option) {
	t.Helper()
	options = append(options, cmpopts.IgnoreFields(document.TenantInput{}, "Now"))
	if d := cmp.Diff(want, got, options...); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func TestMigrateTwiceAndCheck(t *testing.T) {
	url := postgres.ForTest(t)
	s, err := store.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.CheckSchema(t.Context()); !errors.Is(err, store.ErrSchema) || !strings.Contains(err.Error(), "rollcall migrate") {
		t.Errorf("CheckSchema of an empty database: %v, want ErrSchema that names rollcall migrate", err)
	}
	first, err := store.Migrate(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	second, err := store.Migrate(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	if first.From != 0 || first.To == 0 || second.From != first.To || second.To != first.To {
		t.Errorf("Migrate twice: %+v, then %+v; want from 0, then nothing", first, second)
	}
	if err := s.CheckSchema(t.Context()); err != nil {
		t.Errorf("CheckSchema after Migrate: %v", err)
	}
}

// TestMigrateByTwoAtOnce: one migrates the database, and the other reports that
// nothing was left to do.
func TestMigrateByTwoAtOnce(t *testing.T) {
	url := postgres.ForTest(t)
	type result struct {
		made store.Migration
		err  error
	}
	results := make(chan result)
	for range 2 {
		go func() {
			made, err := store.Migrate(context.WithoutCancel(t.Context()), url)
			results <- result{made, err}
		}()
	}
	from := map[int64]int{}
	var last store.Migration
	for range 2 {
		r := <-results
		if r.err != nil {
			t.Error(r.err)
		}
		if r.made.To != r.made.Program {
			t.Errorf("Migrate ends at version %d, want %d", r.made.To, r.made.Program)
		}
		from[r.made.From]++
		last = r.made
	}
	diff(t, "versions that the two migrated from", map[int64]int{0: 1, last.Program: 1}, from)
}

func TestInstallationStays(t *testing.T) {
	s := fresh(t)
	first, err := s.Installation(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.Installation(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(first) != 10 || strings.Trim(first, "abcdefghijklmnopqrstuvwxyz0123456789") != "" || first != again {
		t.Errorf("Installation: %q, then %q; want ten of a-z and 0-9, twice the same", first, again)
	}
}

func TestOpenErrorsAreClearAndKeepThePassword(t *testing.T) {
	tests := []struct {
		name, url, want, reason string
	}{
		{"nobody listens", "postgres://rollcall:hunter2@127.0.0.1:1/rollcall", "database at 127.0.0.1:1/rollcall cannot be reached",
			"the address is what one needs to see"},
		{"nothing given", " ", "set ROLLCALL_DATABASE_URL", "pgx would connect to some default"},
		{"malformed", "postgres://rollcall:hunter2@[::1/rollcall", "is written postgres://", "pgx would quote it"},
		{"bad port", "postgres://rollcall:hunter2@localhost:hunter2/rollcall", "is written postgres://", "net/url would quote it"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := store.Open(t.Context(), tt.url)
			if !errors.Is(err, store.ErrUnreachable) {
				t.Fatalf("Open: %v, want ErrUnreachable: %s", err, tt.reason)
			}
			if !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "ROLLCALL_DATABASE_URL") {
				t.Errorf("Open: %v, want %q in it: %s", err, tt.want, tt.reason)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("Open shows the password: %v", err)
			}
		})
	}
}

// organisationText is organisation before it is decoded.
func organisationText(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("testdata/organisation.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
