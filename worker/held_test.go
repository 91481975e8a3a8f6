package main

import (
	"strings"
	"testing"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/internal/store/storetest"
)

// TestMetricsCountWhatIsHeld: also of a platform where nothing is, so that an
// alarm can tell none from unknown.
func TestMetricsCountWhatIsHeld(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	docs, _, err := document.Decode(strings.NewReader(twoPlatforms), "test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Apply(t.Context(), store.ApplyRequest{Documents: docs}); err != nil {
		t.Fatal(err)
	}
	for platform, held := range map[string]int{"lab.a": 2, "lab.b": 0} {
		tenant := access.TenantID{Workspace: "w", Project: "p", Platform: platform}
		if err := s.PutStatus(t.Context(), store.Status{Tenant: tenant, Outcome: "waiting", Held: held, Removals: 5 * held}); err != nil {
			t.Fatal(err)
		}
	}
	o, err := newOperations()
	if err != nil {
		t.Fatal(err)
	}
	if err := o.countHeld(s); err != nil {
		t.Fatal(err)
	}
	_, body := get(t, o, "/metrics")
	for _, want := range []string{
		`rollcall_removals_pending_approval{platform="lab.a"} 10`, `rollcall_tenants_pending_approval{platform="lab.a"} 1`,
		`rollcall_removals_pending_approval{platform="lab.b"} 0`, `rollcall_tenants_pending_approval{platform="lab.b"} 0`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("/metrics lacks %s:\n%s", want, body)
		}
	}
}

// twoPlatforms are one project's tenants on two platforms.
const twoPlatforms = `---
{apiVersion: v1, kind: meshWorkspace, metadata: {name: w}}
---
{apiVersion: v2, kind: meshProject, metadata: {name: p, ownedByWorkspace: w}}
---
{apiVersion: v1, kind: meshPlatform, metadata: {name: lab}, spec: {locationRef: {name: a}, config: {memory: {replication: {groupNamePattern: g}}}}}
---
{apiVersion: v1, kind: meshPlatform, metadata: {name: lab}, spec: {locationRef: {name: b}, config: {memory: {replication: {groupNamePattern: g}}}}}
---
{apiVersion: v3, kind: meshTenant, metadata: {ownedByWorkspace: w, ownedByProject: p, platformIdentifier: lab.a}, spec: {localId: one}}
---
{apiVersion: v3, kind: meshTenant, metadata: {ownedByWorkspace: w, ownedByProject: p, platformIdentifier: lab.b}, spec: {localId: one}}
`
