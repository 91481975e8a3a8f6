package control

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/engine"
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

// TestIsEncrypted: a result that a worker encrypted is not a failure of its run.
func TestIsEncrypted(t *testing.T) {
	t.Parallel()
	for reason, tc := range map[string]struct {
		err  error
		want bool
	}{
		"a result without keys":  {fmt.Errorf("payload item 0: %w", converter.ErrEncodingIsNotSupported), true},
		"a failure without keys": {temporal.NewApplicationError(encodedFailure, "Failed"), true},
		"a failure":              {temporal.NewApplicationError("denied", "Failed"), false},
		"another error":          {engine.ErrUnreachable, false},
		"no error":               {nil, false},
	} {
		if got := isEncrypted(tc.err); got != tc.want {
			t.Errorf("%s: %t, want %t", reason, got, tc.want)
		}
	}
	if err := noKeyring(engine.ErrKeyring); CodeOf(err) != NoKeyring || !errors.Is(err, engine.ErrKeyring) {
		t.Errorf("%v, want an error about the key ring with its cause", err)
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
