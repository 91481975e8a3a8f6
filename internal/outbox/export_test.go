package outbox

import (
	"context"

	"go.temporal.io/sdk/client"
)

// MakeBatch makes one batch of due starts, as Serve does.
func MakeBatch(ctx context.Context, o *Outbox) (int, error) {
	return o.make(ctx, nil, map[string]client.WorkflowRun{})
}
