package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"golang.org/x/sync/errgroup"

	"github.com/rollcall-iam/rollcall/activities"
	"github.com/rollcall-iam/rollcall/internal/access"
	"github.com/rollcall-iam/rollcall/internal/document"
	"github.com/rollcall-iam/rollcall/internal/engine"
	"github.com/rollcall-iam/rollcall/internal/outbox"
	"github.com/rollcall-iam/rollcall/internal/store"
	"github.com/rollcall-iam/rollcall/workflows"
)

const (
	// maxPolls is how many runs are waited for at once: each has a long poll, of which a
	// frontend allows 1,200 for a namespace.
	maxPolls = 200
	// startupTimeout is how long a worker may take to poll after its start.
	startupTimeout = 5 * time.Second
)

// start describes a run to be started, or to be signalled if it is open.
type start struct {
	id, workflow, summary string
	scope                 string // the tenant or the platform
	input                 any
	attributes            temporal.SearchAttributes
	priority              temporal.Priority
	cause                 string
}

// replicateStart returns the start of a tenant's run.
func replicateStart(t access.TenantID, cause string, attributes temporal.SearchAttributes) start {
	return start{
		id: workflows.ReplicateTenantID(t), workflow: workflows.ReplicateTenantWorkflow, summary: "replicate " + t.String(),
		scope: t.String(), input: workflows.ReplicateInput{Tenant: t, Cause: cause}, cause: cause,
		attributes: attributes, priority: engine.Priority(engine.PriorityPeople, t.ProjectID()),
	}
}

// stored returns the start as the outbox has it.
func (s start) stored() (store.Start, error) {
	input, err := json.Marshal(s.input)
	if err != nil {
		return store.Start{}, fmt.Errorf("input of %s: %w", s.id, err)
	}
	return store.Start{
		WorkflowID: s.id, Workflow: s.workflow, Summary: s.summary, Scope: s.scope, Input: input, Cause: s.cause,
		Attributes: engine.AttributeValues(s.attributes), Priority: s.priority.PriorityKey, FairnessKey: s.priority.FairnessKey,
	}, nil
}

// outbox starts runs in a namespace that may lack the search attributes.
func (t Temporal) outbox(s *store.Store) *outbox.Outbox {
	return &outbox.Outbox{Store: s, Temporal: t.Client, Prepare: func(ctx context.Context) error {
		return engine.RegisterAttributes(ctx, t.Client, t.Namespace)
	}}
}

// start starts a run that no change causes, or signals the open one.
func (t Temporal) start(ctx context.Context, s start) (client.WorkflowRun, error) {
	stored, err := s.stored()
	if err != nil {
		return nil, err
	}
	return t.outbox(nil).Start(ctx, stored)
}

// drain starts the runs that a change stored, by workflow ID. If that fails, a worker starts
// them.
func (l *Local) drain(ctx context.Context, s *store.Store, ids []string) (Temporal, map[string]client.WorkflowRun, error) {
	t, err := l.Temporal(ctx)
	if err == nil {
		var runs map[string]client.WorkflowRun
		if runs, err = t.outbox(s).Drain(ctx, ids); err == nil {
			return t, runs, nil
		}
	}
	return t, nil, fmt.Errorf("the work is stored, and a worker starts it when Temporal answers: %w", err)
}

// tenantRun is the run of one tenant and its result.
type tenantRun struct {
	tenant access.TenantID
	run    client.WorkflowRun
	result workflows.ReplicateResult
	err    error // set when the run failed
	// nextEnd is when the next users of a planned tenant lose a role because bindings end.
	nextEnd *document.NextEnd
}

// await waits for all runs; done is called after each.
func await(ctx context.Context, runs []*tenantRun, done func()) error {
	var group errgroup.Group
	group.SetLimit(maxPolls)
	for _, r := range runs {
		group.Go(func() error {
			defer done()
			return r.wait(ctx)
		})
	}
	return group.Wait()
}

// wait waits for the run. It fails only when the waiting ends, or without the keys to
// read a result.
func (r *tenantRun) wait(ctx context.Context) error {
	err := r.run.Get(ctx, &r.result)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case isDecodeError(err):
		return decodeError(err)
	}
	r.result, r.err = workflows.FailedResult(err), err
	return nil
}

// failure returns why the run failed; nil if it did not.
func (r *tenantRun) failure() *Failure {
	if r.err == nil {
		return nil
	}
	return &Failure{Tenant: r.tenant, Platform: r.tenant.Platform, Reason: reason(r.tenant.String(), r.err)}
}

// reason says why the run of a tenant or a platform failed, without its name.
func reason(name string, err error) string {
	text := strings.TrimPrefix(workflows.Reason(err), name+": ")
	return strings.TrimPrefix(text, string(activities.Failed)+": ")
}

// encodedFailure is the text of a failure whose own text is encrypted.
const encodedFailure = "Encoded failure"

// isDecodeError reports whether err is that of a result, or a failure, that the keys at hand do
// not decrypt. The run itself has ended, and did not fail for it.
func isDecodeError(err error) bool {
	app, failed := errors.AsType[*temporal.ApplicationError](err)
	return errors.Is(err, converter.ErrEncodingIsNotSupported) || errors.Is(err, engine.ErrKeyring) ||
		errors.Is(err, engine.ErrPayload) || errors.Is(err, engine.ErrPlaintext) || failed && app.Message() == encodedFailure
}

// decodeError returns the error of a result that the keys at hand do not decrypt.
func decodeError(cause error) error {
	const ended = "the run has ended, and its result cannot be read: "
	text := "it is encrypted, and " + engine.KeyringVariable + " does not name the directory with the workers' keys"
	switch {
	case errors.Is(cause, engine.ErrPlaintext):
		text = "it is not encrypted: a worker without the key ring wrote it: set " + engine.KeyringVariable + " for all workers; " +
			"while it is introduced, set " + engine.PlaintextVariable + "=" + engine.AcceptPlaintext + " here"
	case errors.Is(cause, engine.ErrKeyring), errors.Is(cause, engine.ErrPayload):
		text = "the directory that " + engine.KeyringVariable + " names does not have the workers' key: " + keyText(cause)
	}
	return &Error{Code: NoKeyring, cause: cause, Message: ended + text}
}

// keyText returns the part of an error about keys that names the key.
func keyText(cause error) string {
	text := cause.Error()
	if i := strings.Index(text, "engine: "); i >= 0 {
		text = text[i+len("engine: "):]
	}
	return text
}
