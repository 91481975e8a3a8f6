package e2e

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
	"github.com/rollcall-iam/rollcall/internal/store"
)

// dumpFlag writes what the scenario of the transcripts leaves in the database.
var dumpFlag = flag.Bool("dump", false, "write the database that TestTranscripts leaves to internal/store/testdata/dumps")

// dump writes the database as SQL, for internal/store/dump_test.go. It is named after
// the version of its schema.
func (s *scenario) dump() {
	s.t.Helper()
	if !*dumpFlag {
		return
	}
	s.bindingsOfUsers()
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
	text := plainSQL(string(out))
	path := filepath.Join("..", "..", "..", "internal", "store", "testdata", "dumps", fmt.Sprintf("%05d.sql", done.To))
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
	s.t.Logf("wrote %s: now run  go test ./internal/store -run Meaning -update", path)
}

// bindingsOfUsers adds what a platform without groups leaves behind: bindings that
// list their users, whole before and after a change, and one that a guard holds.
func (s *scenario) bindingsOfUsers() {
	s.t.Helper()
	s.apply(`{apiVersion: v1, kind: meshPlatform, metadata: {name: cluster}, spec: {displayName: Cluster, locationRef: {name: west}, config: {kubernetes: {replication: {roleMappings: [{projectRoleRef: {name: user}, roles: [edit]}]}}}}}
---
{apiVersion: v4, kind: meshTenant, metadata: {ownedByWorkspace: shop, ownedByProject: data}, spec: {platformIdentifier: cluster.west, platformTenantId: data}}`)
	db := s.open()
	defer db.Close()
	tenant := access.TenantID{Workspace: "shop", Project: "data", Platform: "cluster.west"}
	binding := func(people ...string) plan.Object {
		b := access.Binding{Role: "edit", Version: "7", Ref: "b-edit"}
		for _, p := range people {
			b.Subjects = append(b.Subjects, access.Member{Account: access.Account{Name: p + "@example.com", Ref: "u-" + p}, Person: p})
		}
		return plan.Object{Binding: &b}
	}
	step := func(id string, have, want plan.Object) plan.Step {
		s := plan.Step{ID: id, Op: plan.Change, Kind: access.KindBinding, Have: have, Want: want}
		s.Object = s.Key().String()
		return s
	}
	steps := []plan.Step{step("s1", binding("ivo"), binding("cara", "ivo"))}
	p := plan.Plan{Tenant: tenant, Steps: steps, Held: []plan.Step{step("s2", binding("cara", "ivo"), binding("cara"))}}
	digest, err := db.PutPlan(s.t.Context(), p, 1)
	if err != nil {
		s.t.Fatal(err)
	}
	run := ledger.Run{Tenant: tenant, WorkflowID: "tenant/shop.data/cluster.west", RunID: "r1", Pass: 1, Digest: digest, Cause: "replicate"}
	if err := ledger.New(db).Intend(s.t.Context(), ledger.Entry{Run: run, Steps: steps}); err != nil {
		s.t.Fatal(err)
	}
	err = db.PutStatus(s.t.Context(), store.Status{Tenant: tenant, Outcome: "waiting", RunID: run.RunID, Digest: digest, Held: 1, Removals: 1})
	if err != nil {
		s.t.Fatal(err)
	}
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
