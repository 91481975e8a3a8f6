package activities_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/driver/memory"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
)

// maxStatements is how many SQL statements one shard of a sweep may take, whatever its size.
const maxStatements = 20

// newShard is a lab whose platform has so many tenants, with one user each.
func newShard(t *testing.T, tenants int) (*lab, *storetest.Statements) {
	t.Helper()
	s, statements := storetest.OpenCounted(t)
	l := &lab{t: t, file: filepath.Join(t.TempDir(), "world.json"), store: s, ledger: ledger.New(s)}
	w := memory.World{Users: []memory.User{{ID: "u-adaline", Name: "adaline"}}}
	var text strings.Builder
	text.WriteString(strings.SplitN(l.text(1), "---\n{apiVersion: v4, kind: meshTenant", 2)[0])
	text.WriteString(`---
{apiVersion: v2, kind: meshUser, metadata: {name: adaline}, spec: {email: adaline@example.com, firstName: A, lastName: B, euid: adaline}}
`)
	for i := range tenants {
		w.Tenants = append(w.Tenants, memory.Tenant{ID: fmt.Sprintf("t-%d", i)})
		fmt.Fprintf(&text, `---
{apiVersion: v2, kind: meshProject, metadata: {name: p%[1]d, ownedByWorkspace: acme}, spec: {displayName: P}}
---
{apiVersion: v4, kind: meshTenant, metadata: {ownedByWorkspace: acme, ownedByProject: p%[1]d}, spec: {platformIdentifier: sandbox.local, platformTenantId: t-%[1]d}}
---
{apiVersion: v3, kind: meshProjectUserBinding, metadata: {name: b-%[1]d}, roleRef: {name: user}, targetRef: {name: p%[1]d, ownedByWorkspace: acme}, subject: {name: adaline}}
`, i)
	}
	docs, _, err := document.Decode(strings.NewReader(text.String()), "lab")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Apply(t.Context(), store.ApplyRequest{Documents: docs}); err != nil {
		t.Fatal(err)
	}
	if err := memory.Seed(l.file, w); err != nil {
		t.Fatal(err)
	}
	l.platform = activities.NewPlatform(s, l.ledger, "lab", l.drivers(memory.Open))
	l.register()
	return l, statements
}

// TestDetectDrift_UsesAFixedNumberOfStatements: the statements of a shard do not grow with its
// tenants, whether they drifted or not.
func TestDetectDrift_UsesAFixedNumberOfStatements(t *testing.T) {
	t.Parallel()
	for _, tenants := range []int{5, 60} {
		l, statements := newShard(t, tenants)
		detect := func() (activities.DetectDriftOutput, storetest.Executed) {
			t.Helper()
			statements.Reset()
			out, err := execute[activities.DetectDriftOutput](l, activities.DetectDriftActivity, activities.DetectDriftInput{
				Platform: "sandbox.local", Limit: 1000,
			})
			if err != nil {
				t.Fatal(err)
			}
			return out, statements.Reset()
		}
		drifted, first := detect()
		if len(drifted.Drifted) != tenants {
			t.Fatalf("%d tenants drifted, want all %d", len(drifted.Drifted), tenants)
		}
		for _, d := range drifted.Drifted { // as their runs would
			l.applyDrift(d)
		}
		converged, again := detect()
		if converged.Totals.Converged != tenants {
			t.Fatalf("%+v, want %d tenants converged", converged.Totals, tenants)
		}
		t.Logf("%d tenants: %d statements for a shard where all drifted, %d for one where none did", tenants, len(first), len(again))
		for _, executed := range []storetest.Executed{first, again} {
			if len(executed) > maxStatements {
				t.Errorf("%d tenants take %d statements, want at most %d:%s", tenants, len(executed), maxStatements, executed)
			}
		}
	}
}

// applyDrift applies the plan of a tenant that drifted.
func (l *lab) applyDrift(d activities.Drift) {
	l.t.Helper()
	p, err := execute[activities.PlanOutput](l, activities.PlanActivity, activities.PlanInput{Tenant: d.Tenant, Prepared: d.Plan})
	if err != nil {
		l.t.Fatal(err)
	}
	for _, batch := range p.Batches {
		if _, err := execute[activities.ApplyOutput](l, activities.ApplyActivity, activities.ApplyInput{
			Tenant: d.Tenant, Digest: p.Digest, Desired: p.Desired, Pass: 1, Batch: batch,
		}); err != nil {
			l.t.Fatal(err)
		}
	}
}
