package store_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
)

// TestGrant: servers and workers write rows and nothing else, and readers see no secret.
func TestGrant(t *testing.T) {
	t.Parallel()
	owner, address := storetest.OpenURL(t)
	writer, asWriter := storetest.Role(t, owner, address)
	reader, asReader := storetest.Role(t, owner, address)
	for range 2 {
		if err := owner.Grant(t.Context(), store.Grants{Writer: writer, Reader: reader}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := owner.Pool().Exec(t.Context(), "CREATE TABLE later (id bigint GENERATED ALWAYS AS IDENTITY, text text)"); err != nil {
		t.Fatal(err)
	}
	if err := owner.SetDirectMode(t.Context(), true, "set up", storetest.By("dba")); err != nil {
		t.Fatal(err)
	}
	for role, address := range map[string]string{"writer": asWriter, "reader": asReader} {
		s, err := store.Open(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for _, tt := range []struct {
			reason, sql    string
			writer, reader bool
		}{
			{"read desired state", "SELECT count(*) FROM documents", true, true},
			{"read decisions", "SELECT count(*) FROM decisions", true, true},
			{"read what a later migration creates", "SELECT count(*) FROM later", true, true},
			{"write what a later migration creates", "INSERT INTO later (text) VALUES ('x')", true, false},
			{"write desired state", "DELETE FROM proposals", true, false},
			{"read digests of tokens", "SELECT count(*) FROM bootstrap_tokens", true, false},
			{"read the decision about direct mode", "SELECT count(*) FROM direct_modes", true, true},
			{"switch direct mode on", "INSERT INTO direct_modes (allowed, reason, actor) VALUES (true, 'x', 'x')", false, false},
			{"drop a table", "DROP TABLE proposals", false, false},
			{"change a table", "ALTER TABLE decisions DROP COLUMN reason", false, false},
			{"let records change", "ALTER TABLE decisions DISABLE TRIGGER keep_rows", false, false},
			{"become the owner's session", "SET session_replication_role = replica", false, false},
			{"create a table", "CREATE TABLE other (id bigint)", false, false},
			{"pretend a migration", "DELETE FROM goose_db_version", false, false},
		} {
			want := tt.writer
			if role == "reader" {
				want = tt.reader
			}
			_, err := s.Pool().Exec(t.Context(), tt.sql)
			failure, _ := errors.AsType[*pgconn.PgError](err)
			if want && err != nil || !want && (failure == nil || failure.Code != "42501") {
				t.Errorf("%s: %s: %v, want allowed: %t", role, tt.reason, err, want)
			}
		}
	}
	if err := owner.Grant(t.Context(), store.Grants{Writer: "no such role"}); err == nil || !strings.Contains(err.Error(), "no such role") {
		t.Errorf("%v, want the name of the role that does not exist", err)
	}
}

func TestDirectMode(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	require := func(reason string, want bool) {
		t.Helper()
		if m, err := s.DirectMode(t.Context()); err != nil || m.Allowed != want {
			t.Errorf("%s: %+v, %v, want allowed: %t", reason, m, err, want)
		}
	}
	require("no decision", true)
	for _, allowed := range []bool{false, true, false} {
		if err := s.SetDirectMode(t.Context(), allowed, "CHG-1", storetest.By("dba")); err != nil {
			t.Fatal(err)
		}
		require("the last decision counts", allowed)
	}
	if err := s.SetDirectMode(t.Context(), true, "", storetest.By("dba")); err == nil {
		t.Error("a decision without a reason is stored")
	}
}

func TestBootstrap(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	add := func(token string, lifetime time.Duration, want bool) {
		t.Helper()
		if added, err := s.AddBootstrap(t.Context(), token, lifetime); err != nil || added != want {
			t.Fatalf("%t, %v, want added: %t", added, err, want)
		}
	}
	check := func(reason, token string, want bool) {
		t.Helper()
		if counts, err := s.CheckBootstrap(t.Context(), token); err != nil || counts != want {
			t.Errorf("%s: %t, %v, want %t", reason, counts, err, want)
		}
	}
	add("first", time.Hour, true)
	add("second", time.Hour, true)
	add("expired", -time.Hour, true)
	check("the token of one server", "first", true)
	check("that of another", "second", true)
	check("another text", "third", false)
	check("no text", "", false)
	check("one that has expired", "expired", false)
	apply(t, s, store.ApplyRequest{Documents: decode(t, `{apiVersion: v1, kind: AccessPolicy, metadata: {name: admins},
		spec: {rules: [{callers: {issuer: 'https://login.example.com', subject: ada}, roles: [admin]}]}}`)})
	check("a policy is stored", "first", false)
	add("late", time.Hour, false)
	check("the digest was not kept", "late", false)
}
