package reconcile

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/fault"
	"github.com/rollcall-iam/rollcall/internal/ledger"
	"github.com/rollcall-iam/rollcall/internal/plan"
)

func TestEndWarnings(t *testing.T) {
	t.Parallel()
	id := access.TenantID{Workspace: "acme", Project: "web", Platform: "lab.here"}
	run := ledger.Run{Tenant: id}
	role := bindingStep("role", plan.Create, access.Binding{Role: "owner", Group: "dev"})
	last := plan.Plan{Steps: []plan.Step{role}, Remarks: []access.Remark{{Code: access.RoleUnmapped, Object: "admin", Text: "no mapping"}}}
	for _, c := range []struct {
		reason string
		end    RunEnd
		last   plan.Plan
		failed []ledger.Record
		want   []access.Remark // without their texts
		ends   string          // of the last text
	}{
		{"a removal waits: the plan has all warnings", RunEnd{Run: run, Outcome: Waiting}, last, nil, []access.Remark{{Code: access.RoleUnmapped, Object: "admin"}}, "no mapping"},
		{
			"a step was refused", RunEnd{Run: run, Outcome: Failed}, last, []ledger.Record{failedIn(1, role, "Denied: 403\nask the owner")},
			[]access.Remark{{Code: access.RoleUnmapped, Object: "admin"}, {Code: access.PlatformDenied, Object: "owner"}}, ": 403: ask the owner",
		},
		{
			"the tenant could not be planned", RunEnd{Run: run, Outcome: Failed, Reason: "read the platform: 503", Class: fault.NameUnavailable},
			plan.Plan{}, nil, []access.Remark{{Code: access.PlatformPending, Object: id.String()}}, advice(access.PlatformPending),
		},
		{
			"another system reverts the changes", RunEnd{Run: run, Outcome: Drifting}, plan.Plan{}, nil,
			[]access.Remark{{Code: access.Contested, Object: id.String()}}, "stop one of the two",
		},
		{
			"the error that ended the run follows the warnings of its plan", RunEnd{Run: run, Outcome: Failed, Reason: "no such role", Class: fault.NameInvalid}, last, nil,
			[]access.Remark{{Code: access.RoleUnmapped, Object: "admin"}, {Code: access.PlatformRefused, Object: id.String()}}, advice(access.PlatformRefused),
		},
	} {
		before := slices.Clone(c.last.Remarks)
		got := endWarnings(c.end, c.last, c.failed)
		if len(got) == 0 || !strings.HasSuffix(got[len(got)-1].Text, c.ends) {
			t.Errorf("%s: the warnings are %v; the last should end with %q", c.reason, got, c.ends)
		}
		for i := range got {
			got[i].Text = ""
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.reason, diff)
		}
		if diff := cmp.Diff(before, c.last.Remarks, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: the plan changed (-before +after):\n%s", c.reason, diff)
		}
	}
}
