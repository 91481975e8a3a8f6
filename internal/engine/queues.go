package engine

import "go.temporal.io/sdk/temporal"

// WorkflowQueue is the task queue of all workflows.
const WorkflowQueue = "rollcall"

// PlatformQueue is the task queue of one platform's activities, so that an
// outage of one platform never holds up another.
func PlatformQueue(platform string) string { return "rollcall/" + platform }

// RevocationQueue is the task queue of revocations, on whatever platform: they
// wait for nothing that a platform has to do otherwise. No platform's queue has
// that name, for an identifier has a dot.
const RevocationQueue = "rollcall/revocations"

// Priorities of work, as temporal.Priority counts them: 1 goes first.
const (
	PriorityRevoke = 1 // taking access away by name
	PriorityPeople = 3 // a change of people's access
	PrioritySweep  = 5 // looking for drift
)

// fairnessKeySize is what Temporal takes, in bytes.
const fairnessKeySize = 64

// Priority returns the priority of work that shares the workers fairly with all
// work of other keys: projects, or platforms for sweeps.
func Priority(priority int, key string) temporal.Priority {
	return temporal.Priority{PriorityKey: priority, FairnessKey: key[:min(len(key), fairnessKeySize)]}
}
