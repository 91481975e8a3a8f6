package e2e

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/workflows"
)

// record writes histories for the replay test instead of checking anything.
var record = flag.Bool("record", false, "record the histories that workflows/replay_test.go replays")

// TestRecordHistories runs the paths a workflow can take, and with -record
// keeps their histories. The people in them are made up.
func TestRecordHistories(t *testing.T) {
	if !*record {
		t.Skip("histories are recorded on demand: make histories")
	}
	s := newStack(t)
	s.environ = append(s.environ, engine.KeyringVariable+"=") // to be replayed without the key
	_, org := memoryWorld(t, 1, 5)
	s.worker()
	s.apply(org.documents())
	tenant := access.TenantID{Workspace: "acme", Project: tenantID(0), Platform: org.platform}
	keep := func(name, id string) {
		events := s.client().GetWorkflowHistory(t.Context(), id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		history := &historypb.History{}
		for events.HasNext() {
			e, err := events.Next()
			if err != nil {
				t.Fatal(err)
			}
			history.Events = append(history.Events, e)
		}
		body, err := protojson.Marshal(history)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("..", "..", "..", "workflows", "testdata", name+".json")
		if err := os.WriteFile(path, anonymous(t, body), 0o644); err != nil {
			t.Fatal(err)
		}
	}

	s.must(done, "plan", tenant.String())
	keep("dry-run", workflows.PlanTenantID(tenant))
	s.must(done, "replicate", tenant.String(), "--wait")
	keep("changed", workflows.ReplicateTenantID(tenant))
	s.must(done, "replicate", tenant.String(), "--wait")
	keep("unchanged", workflows.ReplicateTenantID(tenant))
	s.must(done, "replicate", "--all", "--wait")
	keep("sweep-unchanged", workflows.SweepID(org.platform))
	s.apply(without(org.documents(), bindingName(0, "admin", 0)), "--prune", "--yes")
	s.must(done, "replicate", "--all", "--wait")
	keep("sweep-changed", workflows.SweepID(org.platform))
	var leavers []string
	for n := range 4 {
		leavers = append(leavers, bindingName(0, "user", n))
	}
	s.apply(without(org.documents(), leavers...), "--prune", "--yes")
	s.must(waiting, "replicate", tenant.String(), "--wait")
	keep("held", workflows.ReplicateTenantID(tenant))
}

// anonymous takes out what names the machine that recorded.
func anonymous(t *testing.T, history []byte) []byte {
	t.Helper()
	var tree any
	if err := json.Unmarshal(history, &tree); err != nil {
		t.Fatal(err)
	}
	hide(tree)
	body, err := json.MarshalIndent(tree, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return append(body, '\n')
}

func hide(node any) {
	switch n := node.(type) {
	case map[string]any:
		for name, value := range n {
			if _, text := value.(string); text && name == "identity" {
				n[name] = "recorder"
				continue
			}
			hide(value)
		}
	case []any:
		for _, value := range n {
			hide(value)
		}
	}
}
