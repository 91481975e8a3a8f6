package workflows

import (
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// Register makes the workflows known to a worker under their names. They are short, so each
// run stays on the worker version it began on. Only EndBindings can wait for long: it moves to
// the current version with its next task, so that a version can be retired meanwhile.
func Register(w worker.WorkflowRegistry) {
	for name, run := range map[string]any{
		ReplicateTenantWorkflow:  ReplicateTenant,
		SweepWorkflow:            Sweep,
		RecreateGroupWorkflow:    RecreateGroup,
		RevokeUserWorkflow:       RevokeUser,
		VerifyRevocationWorkflow: VerifyRevocation,
	} {
		w.RegisterWorkflowWithOptions(run, workflow.RegisterOptions{
			Name: name, VersioningBehavior: workflow.VersioningBehaviorPinned,
		})
	}
	w.RegisterWorkflowWithOptions(EndBindings, workflow.RegisterOptions{
		Name: EndBindingsWorkflow, VersioningBehavior: workflow.VersioningBehaviorAutoUpgrade,
	})
}
