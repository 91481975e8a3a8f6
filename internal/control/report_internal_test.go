package control

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/workflows"
)

// TestReport_ShowsRunsOfRemovedTenants: nothing is stored of a tenant that is cleaned up.
func TestReport_ShowsRunsOfRemovedTenants(t *testing.T) {
	t.Parallel()
	var end ending
	end.note(webTenant(), activities.Changed, 4)
	for reason, tc := range map[string]struct {
		last statuses
		want activities.Outcome
	}{
		"cleaned up": {statuses{}, activities.Changed},
		"stored":     {statuses{webTenant(): {Tenant: webTenant(), Outcome: string(activities.Waiting)}}, activities.Waiting},
	} {
		if got := tc.last.report(end, []access.TenantID{webTenant()}, 0).Items[0].Outcome; got != tc.want {
			t.Errorf("%s: %s, want %s", reason, got, tc.want)
		}
	}
}

// TestEndOfSweeps: the failure of one platform hides nothing of the others.
func TestEndOfSweeps(t *testing.T) {
	t.Parallel()
	healthy := access.TenantID{Workspace: "marketing", Project: "web", Platform: "a.healthy"}
	broken := access.TenantID{Workspace: "marketing", Project: "web", Platform: "b.broken"}
	sweeps := sweepsOf([]access.TenantID{broken, healthy})
	if len(sweeps) != 2 || sweeps[0].platform != healthy.Platform {
		t.Fatalf("got %d sweeps, want one for each platform, by name", len(sweeps))
	}
	sweeps[0].totals = activities.Totals{Tenants: 1, Changed: 1, Steps: 2}
	sweeps[1].err = fmt.Errorf("run: %w", temporal.NewApplicationError("read:users: denied", "Denied"))
	end := endOfSweeps(sweeps)
	if diff := cmp.Diff(activities.Totals{Tenants: 2, Changed: 1, Failed: 1, Steps: 2}, end.totals); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]Failure{{Platform: "b.broken", Reason: "read:users: denied"}}, end.failures); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}
	last := statuses{
		healthy: {Tenant: healthy, Outcome: string(activities.Changed)},
		broken:  {Tenant: broken, Outcome: string(activities.Converged)},
	}
	items := last.report(end, []access.TenantID{healthy, broken}, 0).Items
	if items[0].Outcome != activities.Changed || items[1].Outcome != activities.Failed {
		t.Errorf("outcomes %s and %s: the broken platform's tenant must not have the outcome of its last run", items[0].Outcome, items[1].Outcome)
	}
}

func TestReason_OmitsTheName(t *testing.T) {
	t.Parallel()
	name := webTenant().String()
	for text, err := range map[string]error{
		"observe: denied": temporal.NewApplicationError(name+": failed: observe: denied", "Failed"),
		"timed out":       errors.New("timed out"),
	} {
		if got := reason(name, err); got != text {
			t.Errorf("the reason of %v is %q, want %q", err, got, text)
		}
	}
}

func TestStatuses_Attributes(t *testing.T) {
	t.Parallel()
	last := statuses{webTenant(): {Tenant: webTenant(), Outcome: string(activities.Changed), Remarks: make([]access.Remark, 2)}}
	if n := last.attributes(webTenant()).Size(); n != 4 {
		t.Errorf("%d attributes, want 4: an unchanged tenant would write them once more", n)
	}
	if n := (statuses{}).attributes(webTenant()).Size(); n != 2 {
		t.Errorf("%d attributes of a tenant that is not replicated yet, want 2", n)
	}
}

func TestStatuses_Totals(t *testing.T) {
	t.Parallel()
	other := access.TenantID{Workspace: "a", Project: "b", Platform: "c"}
	last := statuses{webTenant(): {Outcome: string(activities.Contested), Steps: 1, Calls: 2, Remarks: make([]access.Remark, 3), Held: 2, Removals: 7}}
	want := activities.Totals{Tenants: 2, Failed: 1, Steps: 1, Remarks: 3, Calls: 2}
	tenants := []access.TenantID{webTenant(), other}
	if diff := cmp.Diff(want, last.totals(tenants)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(PendingTotals{PendingRemovals: 7, PendingTenants: 1}, last.pendingTotals(tenants)); diff != "" {
		t.Errorf("pending (-want +got):\n%s", diff)
	}
}

// endedRun is a run whose result a data converter reads.
type endedRun struct {
	client.WorkflowRun

	result *commonpb.Payloads
	reader converter.DataConverter
}

func (r endedRun) Get(_ context.Context, into any) error {
	return r.reader.FromPayloads(r.result, into)
}

// TestTenantRun_UnreadableResultIsNoFailure: a run that completed did not fail, though the keys
// at hand do not read its result. The error says which keys.
func TestTenantRun_UnreadableResultIsNoFailure(t *testing.T) {
	t.Parallel()
	ring := func(name string) converter.DataConverter {
		dir := t.TempDir()
		key := make([]byte, 32)
		_, _ = rand.Read(key) // never fails
		if err := os.WriteFile(filepath.Join(dir, name), []byte(base64.StdEncoding.EncodeToString(key)), 0o600); err != nil {
			t.Fatal(err)
		}
		options, err := engine.Encrypt(client.Options{}, func(variable string) string {
			return map[string]string{engine.KeyringVariable: dir}[variable]
		})
		if err != nil {
			t.Fatal(err)
		}
		return options.DataConverter
	}
	workers, none := ring("2026-11"), converter.GetDefaultDataConverter()
	for _, tc := range []struct {
		reason         string
		writer, reader converter.DataConverter
		want           string
	}{
		{"the workers' keys", workers, workers, ""},
		{"no keys at all", none, none, ""},
		{"no key ring here", workers, none, "does not name the directory"},
		{"a key ring that lacks the key", workers, ring("2026-12"), `"2026-11"`},
		{"another key of the same name", workers, ring("2026-11"), `"2026-11"`},
		{"workers without a key ring", none, workers, "set ROLLCALL_KEYRING for all workers"},
	} {
		result, err := tc.writer.ToPayloads(workflows.ReplicateResult{})
		if err != nil {
			t.Fatal(err)
		}
		r := &tenantRun{run: endedRun{result: result, reader: tc.reader}}
		err = r.wait(t.Context())
		switch {
		case r.failure() != nil:
			t.Errorf("%s: the run counts as failed: %+v", tc.reason, r.failure())
		case tc.want == "" && err != nil:
			t.Errorf("%s: %v", tc.reason, err)
		case tc.want != "" && (CodeOf(err) != NoKeyring || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), engine.KeyringVariable)):
			t.Errorf("%s: %v of the code %s, want one that names the key ring and %q", tc.reason, err, CodeOf(err), tc.want)
		}
	}
	for reason, tc := range map[string]struct {
		err  error
		want bool
	}{
		"a failure without keys": {temporal.NewApplicationError(encodedFailure, "Failed"), true},
		"a failure":              {temporal.NewApplicationError("denied", "Failed"), false},
		"another error":          {engine.ErrUnreachable, false},
		"no error":               {nil, false},
	} {
		if got := isDecodeError(tc.err); got != tc.want {
			t.Errorf("%s: %t, want %t", reason, got, tc.want)
		}
	}
}

func TestNamesWord(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`"jane@example.com"`: true, "jane@example.com": true, "put jane@example.com, by hand": true,
		"mary-jane@example.com": false, "jane@example.community": false, "jane@example.com.br": false, "": false,
		"xjane@example.com jane@example.com": true, "äjane@example.com": false,
	} {
		if got := namesWord(text, "jane@example.com"); got != want {
			t.Errorf("%q: %t, want %t", text, got, want)
		}
	}
}
