package workflows_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/worker"

	"github.com/rollcall-iam/rollcall/workflows"
)

// recorded are the paths a workflow can take, by the name of their history: how
// each ends, and what else in it shows that it is that path.
func recorded() map[string]recording {
	const completed, failed, renewed = "COMPLETED", "FAILED", "CONTINUED_AS_NEW"
	all := map[string]recording{
		"dry-run":          {reason: "a plan that is not applied", ends: completed, shows: `"dryRun":true`},
		"unchanged":        {reason: "look up, plan: a tenant that is as desired", ends: completed, activities: 2, shows: `"outcome":"converged"`},
		"changed":          {reason: "look up, plan, apply, verify", ends: completed, activities: 4, shows: `"outcome":"changed"`},
		"warnings":         {reason: "a person who cannot be replicated", ends: completed, shows: `"warnings":1`},
		"pending-approval": {reason: "removals that somebody has to approve", ends: completed, shows: `"outcome":"waiting"`},
		"replanned":        {reason: "the world moved under a plan, once", ends: completed, activities: 7, shows: `"replan":true`},
		"drifting":         {reason: "the world moved under every plan", ends: failed, shows: `"outcome":"drifting"`},
		"failed":           {reason: "what only people can mend", ends: failed, shows: `"outcome":"failed"`},
		"resumed":          {reason: "a worker died in an apply", ends: completed, shows: `"attempt": 2`},
		"continued-as-new": {reason: "a triggered run hands over to newer workers", ends: renewed, shows: "WORKFLOW_EXECUTION_SIGNALED"},
		"continued":        {reason: "what became of it", ends: completed, shows: `"continuedExecutionRunId"`},
		"sweep-unchanged":  {reason: "a platform that is as desired", ends: completed, activities: 1},
		"sweep-changed":    {reason: "a tenant drifted", ends: completed, shows: "CHILD_WORKFLOW_EXECUTION_COMPLETED"},
		"sweep-failed":     {reason: "a tenant that drifted failed", ends: completed, shows: "CHILD_WORKFLOW_EXECUTION_FAILED"},
		"sweep-busy":       {reason: "a run of somebody else has the tenant", ends: completed, shows: "EXTERNAL_WORKFLOW_EXECUTION_SIGNALED"},
		"revoked":          {reason: "a user is removed", ends: completed, activities: 1, shows: "CHILD_WORKFLOW_EXECUTION_STARTED"},
		"revoke-verified":  {reason: "nothing is left, and the tenant is replicated", ends: completed, activities: 1, shows: "CHILD_WORKFLOW_EXECUTION_STARTED"},
		"revoke-busy":      {reason: "a run has the tenant in hand", ends: completed, shows: "EXTERNAL_WORKFLOW_EXECUTION_SIGNALED"},
		"revoke-failed":    {reason: "the platform refuses", ends: failed, shows: `"failed"`},
		"ends-waited":      {reason: "the next end of a binding comes", ends: renewed, activities: 1, shows: "TIMER_FIRED"},
		"ends-started":     {reason: "a binding ended, and its tenant is replicated", ends: completed, activities: 2, shows: "CHILD_WORKFLOW_EXECUTION_STARTED"},
		"ends-triggered":   {reason: "an end was applied that comes earlier", ends: renewed, activities: 1, shows: "WORKFLOW_EXECUTION_SIGNALED"},
	}
	maps.Copy(all, recordedRenamings())
	return all
}

// recordedRenamings are those of groups that get other names: rename- is a tenant's
// run, and group- the run that it had for the group.
func recordedRenamings() map[string]recording {
	const completed, failed, cancelled = "COMPLETED", "FAILED", "CANCELED"
	return map[string]recording{
		"replaced":            {reason: "look up, plan, a group's own run, verify", ends: completed, activities: 3, shows: "CHILD_WORKFLOW_EXECUTION_COMPLETED"},
		"group-replaced":      {reason: "build, confirm, remove, end", ends: completed, activities: 4, shows: `"state":"cut-over"`},
		"group-strict":        {reason: "remove, build, end", ends: completed, activities: 3, shows: `"mode":"strict"`},
		"rename-in-place":     {reason: "the platform renames it itself", ends: completed, activities: 4, shows: `"outcome":"changed"`},
		"replace-waiting":     {reason: "the old group stays for what is held", ends: completed, shows: `"outcome":"waiting"`},
		"group-waiting":       {reason: "the same, for the group", ends: completed, activities: 3, shows: `"state":"waiting"`},
		"group-replanned":     {reason: "the platform changed while it was built", ends: completed, activities: 2, shows: `"state":"replanned"`},
		"replace-compensated": {reason: "a refusal takes back what was built", ends: failed, shows: "CHILD_WORKFLOW_EXECUTION_FAILED"},
		"group-compensated":   {reason: "the same, for the group", ends: failed, activities: 2, shows: `"state":"compensated"`},
		"replace-cancelled":   {reason: "so does a cancellation", ends: cancelled, shows: "CHILD_WORKFLOW_EXECUTION_CANCELED"},
		"group-cancelled":     {reason: "the same, for the group", ends: cancelled, shows: "ACTIVITY_TASK_CANCEL_REQUESTED"},
		"replace-orphan":      {reason: "a terminated run left a renaming behind", ends: completed, shows: "START_CHILD_WORKFLOW_EXECUTION_FAILED"},
	}
}

// recording describes one recorded history.
type recording struct {
	reason string
	// ends is how the run ends.
	ends string
	// activities is how many it completed; 0 where that is not the point.
	activities int
	// shows stands somewhere in the events or in what they carry.
	shows string
}

// TestEveryPathIsRecorded fails when a path has no history, when a history
// belongs to no path, and when one does not show what it is there for.
func TestEveryPathIsRecorded(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("testdata", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, file := range files {
		found = append(found, strings.TrimSuffix(filepath.Base(file), ".json"))
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(recorded())), slices.Sorted(slices.Values(found))); diff != "" {
		t.Errorf("run make histories: the recorded paths (-want +got):\n%s", diff)
	}
	for name, want := range recorded() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ends, activities, text := summary(t, name)
			if ends != want.ends {
				t.Errorf("%s: it ended %s, want %s", want.reason, ends, want.ends)
			}
			if want.activities > 0 && activities != want.activities {
				t.Errorf("%s: it took %d activities, want %d", want.reason, activities, want.activities)
			}
			if !strings.Contains(text, want.shows) {
				t.Errorf("%s: nothing in it shows %s", want.reason, want.shows)
			}
			if !strings.Contains(text, `"deploymentVersion"`) {
				t.Errorf("%s: it was recorded by workers without a version", want.reason)
			}
		})
	}
}

// summary tells how a recorded run ended, how many activities it completed, and
// all of it as text, payloads decoded.
func summary(t *testing.T, name string) (ends string, activities int, text string) {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var history struct {
		Events []struct{ EventType string }
	}
	if err := json.Unmarshal(body, &history); err != nil || len(history.Events) == 0 {
		t.Fatalf("no history, %v", err)
	}
	for _, e := range history.Events {
		if e.EventType == "EVENT_TYPE_ACTIVITY_TASK_COMPLETED" {
			activities++
		}
		ends = strings.TrimPrefix(e.EventType, "EVENT_TYPE_WORKFLOW_EXECUTION_")
	}
	return ends, activities, string(body) + payloads(t, body)
}

// payloads are the values of everything called data, which JSON has as base64.
func payloads(t *testing.T, body []byte) string {
	t.Helper()
	var out bytes.Buffer
	var walk func(node any)
	walk = func(node any) {
		switch n := node.(type) {
		case map[string]any:
			if text, ok := n["data"].(string); ok {
				var data []byte
				if err := json.Unmarshal([]byte(`"`+text+`"`), &data); err != nil {
					t.Fatal(err)
				}
				out.Write(append(data, '\n'))
			}
			for _, child := range n {
				walk(child)
			}
		case []any:
			for _, child := range n {
				walk(child)
			}
		}
	}
	var tree any
	if err := json.Unmarshal(body, &tree); err != nil {
		t.Fatal(err)
	}
	walk(tree)
	return out.String()
}

// TestRecordedHistoriesReplay proves that runs which began before this code go
// on with it. Where one cannot, the code needs workflow.GetVersion; only when no
// such run can be open any more, `make histories` records anew.
func TestRecordedHistoriesReplay(t *testing.T) {
	t.Parallel()
	for name := range recorded() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			replayer := worker.NewWorkflowReplayer()
			workflows.Register(replayer)
			if err := replayer.ReplayWorkflowHistoryFromJSONFile(nil, filepath.Join("testdata", name+".json")); err != nil {
				t.Error(err)
			}
		})
	}
}
